"""Labels in a napari layer, as a session writes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from dask.base import is_dask_collection
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.session.labels_target import Box, check_label


class LayerTarget:
    """Labels in a napari layer, written so that the layer's own undo knows of it.

    Parameters
    ----------
    layer : napari.layers.Labels
        With numpy or zarr data.
    last : int, optional
        The largest label in it, if that is known; else all of it is read when a label is needed.
    draw_later : callable, optional
        Called instead of drawing the layer again, which takes its time if it is large.
    """

    def __init__(
        self,
        layer: Any,
        last: int | None = None,
        draw_later: Callable[[], object] | None = None,
    ) -> None:
        check_writable(layer)
        self.layer, self._shape = layer, tuple(layer.data.shape)
        self._last, self._draw_later = last, draw_later
        self._painted = 0
        self._gathered: list[tuple[Any, NDArray[np.integer]]] | None = None

    def read(self, box: Box) -> NDArray[np.integer]:
        """A copy of the labels in a box."""
        found: NDArray[np.integer] = np.array(self.layer.data[box])
        return found

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Set the pixels ``where`` (of the box) to the (n,) ``values``."""
        if not len(values):
            return
        # Somebody may have given the layer other data.
        check_writable(self.layer, self._shape)
        index = tuple(at + side.start for at, side in zip(np.nonzero(where), box, strict=True))
        self._painted = max(self._painted, int(values.max()))
        if self._gathered is None:
            self._set(index, values)
        else:
            self._gathered.append((index, self.layer.data[index]))
            self.layer.data[index] = values

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within it, many writes are one for the layer: one undo, one drawing."""
        if self._gathered is not None or not isinstance(self.layer.data, np.ndarray):
            yield
            return
        self._gathered = []
        try:
            yield
        finally:
            gathered, self._gathered = self._gathered, None
            if gathered:
                self._hand_over(gathered)

    def _hand_over(self, gathered: list[tuple[Any, NDArray[np.integer]]]) -> None:
        """Tell the layer of writes as if they happened now."""
        index = tuple(
            np.concatenate(axis) for axis in zip(*(at for at, _ in gathered), strict=True)
        )
        values = self.layer.data[index]
        for at, before in reversed(gathered):
            self.layer.data[at] = before
        self._set(index, values)

    def _set(self, index: Any, values: NDArray[np.integer]) -> None:
        self.layer.data_setitem(index, values, refresh=self._draw_later is None)
        if self._draw_later is not None:
            self._draw_later()

    def free_label(self) -> int:
        """A label larger than any that was ever in use."""
        if self._last is None:
            self._last = largest_label(self.layer.data)
        self._last = max(self._last, self._painted) + 1
        self.check(self._last)
        return self._last

    def check(self, label: int) -> None:
        """Raise InputError if a label does not fit into the labels' type."""
        check_label(label, self.layer.data.dtype)

    def replaced(self) -> None:
        """The layer has other data, with labels that nobody knows yet."""
        self._last = None

    def note(self, label: int) -> None:
        """Somebody painted with a label, which is therefore not free."""
        self._painted = max(self._painted, label)


def check_writable(layer: Any, shape: tuple[int, ...] | None = None) -> None:
    """Raise InputError if a layer's labels cannot be written in place, or have another shape."""
    data, why = layer.data, ""
    if layer.multiscale:
        why = "multiscale"
    elif is_dask_collection(data) or not hasattr(data, "__setitem__"):
        why = "lazy"
    elif _is_read_only(data):
        why = "read-only"
    elif shape is not None and tuple(data.shape) != shape:
        why = f"of another shape now, {tuple(data.shape)} instead of {shape}"
    if why:
        raise InputError(
            f"{layer.name} cannot be written: its data is {why}. Choose other labels, new ones, or "
            "a copy of these in memory."
        )


def _is_read_only(data: Any) -> bool:
    if isinstance(data, np.ndarray):
        return not data.flags.writeable
    return bool(getattr(data, "read_only", False))


def largest_label(data: Any) -> int:
    """The largest label, read along the first axis so that lazy data is never there as a whole."""
    return max((int(np.asarray(part).max(initial=0)) for part in data), default=0)
