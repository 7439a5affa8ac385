"""Scopes of a comparison: the planes that are compared, and the objects that they share."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, get_args

from napari_segany.core.image_source import Plane
from napari_segany.errors import InputError
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import viewed_plane

Scope = Literal["plane", "planes", "stack", "volumes", "tracks"]
"""Scope of a comparison: plane in view; all planes one by one; objects through all planes; objects
through the planes of each time; the same with tracks over time."""

SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class Extent:
    """Planes of a comparison.

    Attributes
    ----------
    planes : tuple of Plane
        Planes that are compared, in order.
    parts : tuple of int
        Part of each plane, whose objects are those of one label; ascending from 0.
    together : bool
        Whether a part may have several planes.
    """

    planes: tuple[Plane, ...]
    parts: tuple[int, ...]
    together: bool


def offered_scopes(layer: Any) -> tuple[Scope, ...]:
    """Return the scopes that a layer of labels has.

    Volumes and tracks need time as the first axis: one called "t", or one of several without names.
    """
    if layer is None or layer.ndim < 3:
        return ("plane",)
    first = str(layer.axis_labels[0]).lower()
    # napari numbers axes without a name from the last one: "-3", and "axis -3" in some versions.
    timed = first == "t" or first.removeprefix("axis ") == str(-layer.ndim)
    if not timed or layer.ndim > 4:
        return "plane", "planes", "stack"
    return ("plane", "planes", "stack", *(("volumes",) if layer.ndim == 4 else ()), "tracks")


def why_no_scope(over: Scope) -> str:
    """Return the reason why layers may lack a scope."""
    axes = "t, z, y, x" if over == "volumes" else "t, y, x, or t, z, y, x"
    return f"This is for layers with axes {axes}; napari's axis labels say which they are."


def extent_of(viewer: Any, layer: Any, over: Scope) -> Extent:
    """Return the planes of a scope.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer, whose orientation planes have where objects do not extend through them.
    layer : napari.layers.Labels
        Layer that is compared.
    over : str
        One of :data:`SCOPES`.

    Raises
    ------
    InputError
        If there is no such scope, or the layer does not have it.
    """
    if over not in SCOPES:
        known = ", ".join(f'"{each}"' for each in SCOPES)
        raise InputError(f"over must be one of {known}, got {over!r}.")
    if over in ("volumes", "tracks") and over not in offered_scopes(layer):
        raise InputError(f"{layer.name} has no {over}. {why_no_scope(over)}")
    view = LayerView(layer)
    last_two: Plane = (*(0,) * (layer.ndim - 2), None, None)
    whole = over not in ("plane", "planes") or layer.ndim == 2
    # Objects through planes do not depend on the orientation of the planes.
    oriented = last_two if whole else viewed_plane(viewer, view)
    if over == "plane" or layer.ndim == 2:
        return Extent((oriented,), (0,), False)
    choices = ([None] if n is None else range(s) for n, s in zip(oriented, view.shape, strict=True))
    planes = tuple(product(*choices))
    if over == "stack":
        return Extent(planes, (0,) * len(planes), True)
    if over == "planes" or layer.ndim == 3:
        return Extent(planes, tuple(range(len(planes))), False)
    return Extent(planes, tuple(int(plane[0] or 0) for plane in planes), True)
