"""The option ``--plane``: one plane of a stack."""

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_segany.errors import InputError

if TYPE_CHECKING:
    from napari_segany.core.planes import StackLayout


def chosen_plane(requested: tuple[int, ...] | None, layout: "StackLayout") -> tuple[int, ...]:
    """Return the index of the plane along the leading axes.

    Raises
    ------
    InputError
        If a stack is given without an index, or the index does not fit.
    """
    size = layout.leading_shape
    given = fitted(requested or (), size)
    if given is None or any(i >= n for i, n in zip(given, size, strict=True)):
        ranges = ", ".join(f"{a} 0..{n - 1}" for a, n in zip(layout.leading, size, strict=True))
        text = "" if requested is None else f", got --plane {','.join(map(str, requested))}"
        wanted = f"give --plane with {ranges}" if size else "the image is a single plane"
        raise InputError(f"One plane is prompted at a time: {wanted}{text}.")
    return given


def fitted(index: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return an index for each axis of ``size``; None if ``index`` does not fit.

    A viewer's sliders give an index for every axis, and users leave out axes of length 1. Indices
    of axes that the stack does not have must be 0.
    """
    if len(index) == len(size):
        return index
    more = len(index) - len(size)
    if more > 0:
        return index[more:] if not any(index[:more]) else None
    if len(index) != sum(n > 1 for n in size):
        return None
    given = iter(index)
    return tuple(next(given) if n > 1 else 0 for n in size)


def one_plane(layout: "StackLayout") -> "StackLayout":
    """Return the layout of one plane of a stack."""
    kept = [(a, n) for a, n in zip(layout.axes, layout.shape, strict=True) if a in "CYXS"]
    return replace(layout, axes="".join(a for a, _ in kept), shape=tuple(n for _, n in kept))
