"""Transforms, units, dims and levels of layers; no other module reads them.

World coordinates are the right-aligned axes of the viewer. napari's ``world_to_data`` transforms
one point at a time and ignores units, so that a layer in nanometres and one in micrometres at the
same position would disagree. Functions of this module read a transform once, as a matrix, with
units.
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane
from napari_segany.errors import InputError

PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""Attributes that place a layer in the world."""

NEGLIGIBLE = 1e-6
"""Fraction of a transform's largest entry below which an entry is taken for zero."""

SAME_PIXEL = 0.5
"""Distance in pixels below which two pixels are at the same position."""

SMALLEST_SHARE, GOOD_SHARE, LARGEST_SHARE = 0.1, 0.3, 0.8
"""Shares of the view's shorter side that an object may have to be seen well, and the best one."""

MARGIN = 0.05
"""Part of the view at each side in which a position is not well inside it."""

Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(n, n) matrix and (n,) offset from data to world."""


def full_data(layer: Any) -> Any:
    """Return a layer's data at full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def coarser_data(layer: Any) -> list[Any]:
    """Return a layer's data at lower resolutions, finest first; empty for one resolution."""
    return list(layer.data[1:]) if layer.multiscale else []


def placement_of(layer: Any) -> dict[str, Any]:
    """Return arguments that place another layer of as many axes at the position of a layer."""
    return {name: getattr(layer, name) for name in PLACEMENT if hasattr(layer, name)}


def place(layer: Any, placement: dict[str, Any]) -> None:
    """Apply the :func:`placement_of` another layer."""
    for name, value in placement.items():
        now, then = (getattr(each, "affine_matrix", each) for each in (getattr(layer, name), value))
        if not np.array_equal(now, then):
            # Only what differs, because napari redraws after each assignment.
            setattr(layer, name, value)


def to_world(layer: Any) -> Affine:
    """Return a layer's transform from data to world, in the layer's own units."""
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), np.float64)
    ends = [np.asarray(layer.data_to_world(unit), np.float64) for unit in np.eye(layer.ndim)]
    return np.stack(ends, axis=1) - origin[:, None], origin


def unit_factors(units: Any, others: Any) -> NDArray[np.float64]:
    """Return the factors that convert lengths in ``units`` to ``others``, for the last axes.

    The factors are 1 if a unit cannot be converted: napari then treats all units as pixels.
    """
    count = min(len(units), len(others))
    factors = np.ones(count)
    for k, (one, other) in enumerate(zip(units[-count:], others[-count:], strict=True)):
        if one.dimensionality != other.dimensionality:
            return np.ones(count)
        factors[k] = float((1 * one).to(other).magnitude)
    return factors


def lies_like(layer: Any, image: Any) -> bool:
    """Return True if pixels of equal index of two layers of one shape are at the same position."""
    if layer.ndim != image.ndim:
        return False
    corners = np.array(list(product(*((0, n - 1) for n in image.shape))), np.float64)
    (matrix, offset), (image_matrix, image_offset) = to_world(layer), to_world(image)
    world = (corners @ matrix.T + offset) * unit_factors(layer.units, image.units)
    there = (world - image_offset) @ np.linalg.inv(image_matrix).T
    return bool((np.abs(there - corners) < SAME_PIXEL).all())


def viewed_point(viewer: Any, layer: Any) -> NDArray[np.float64]:
    """Return the (n,) position of the viewer's sliders in the layer's world."""
    point = np.asarray(viewer.dims.point, np.float64)[-layer.ndim :]
    factors = np.ones(layer.ndim)
    units = viewer.layers.extent.units
    if units is not None:
        found = unit_factors(units, layer.units)
        factors[-len(found) :] = found
    return point * factors


def viewed_plane(viewer: Any, layer: Any) -> Plane:
    """Return the plane of an image that the viewer shows.

    Raises
    ------
    InputError
        If the view is 3-D, cuts across planes, or is outside the image.
    """
    if viewer.dims.ndim < layer.ndim:
        raise InputError(f"{layer.name} is not in the viewer.")
    if viewer.dims.ndisplay != 2:
        raise InputError("A plane must be in view: leave the 3-D view (Ctrl+Y).")
    matrix, offset = to_world(layer)
    inverse = np.linalg.inv(matrix)
    displayed = [axis - (viewer.dims.ndim - layer.ndim) for axis in viewer.dims.displayed]
    if min(displayed) < 0:
        raise InputError(f"The axes in view are none of {layer.name}'s.")
    seen = np.abs(inverse[:, displayed])
    varies = (seen > NEGLIGIBLE * seen.max()).any(axis=1)
    if np.count_nonzero(varies) != 2:
        raise InputError(
            f"The slice in view cuts across {layer.name}'s planes, because it is rotated; "
            "show it along its own axes."
        )
    at = inverse @ (viewed_point(viewer, layer) - offset)
    index = np.rint(at).astype(int).tolist()
    plane = tuple(None if v else n for v, n in zip(varies.tolist(), index, strict=True))
    if any(n is not None and not 0 <= n < s for n, s in zip(plane, layer.shape, strict=True)):
        raise InputError(f"The slice in view lies outside {layer.name}.")
    return plane


def camera_of(viewer: Any) -> Any:
    """Return the camera of a viewer, which newer versions of napari have moved."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def show_plane(
    viewer: Any,
    layer: Any,
    plane: Plane,
    position: Any,
    *,
    centre: bool = True,
    fill: bool = False,
) -> None:
    """Show a plane of an image with a (row, column) position in the middle of the view.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    layer : layer or LayerView
        The image.
    plane : tuple
        The plane.
    position : array-like
        Row and column.
    centre : bool, optional
        Move the view even if the position is well inside it.
    fill : bool, optional
        Keep what is beside the image out of the view: the position may then be off its middle.
    """
    extra = viewer.dims.ndim - layer.ndim
    order = [*range(extra), *(extra + axis for axis, n in enumerate(plane) if n is not None)]
    order += [extra + axis for axis, n in enumerate(plane) if n is None]
    if sorted(viewer.dims.displayed) != sorted(order[-2:]):
        viewer.dims.order = tuple(order)
    matrix, offset = to_world(layer)
    units = viewer.layers.extent.units
    factors = 1.0 if units is None else unit_factors(units, layer.units)[-layer.ndim :]
    world = (matrix @ in_layer(plane, position)[0] + offset) / factors
    for axis, n in enumerate(plane):
        if n is not None:
            viewer.dims.set_point(extra + axis, world[axis])
    shown = [axis - extra for axis in viewer.dims.displayed]
    camera = camera_of(viewer)
    wanted = np.array([world[axis] for axis in shown], np.float64)
    half = np.asarray(_canvas_size(viewer)) / camera.zoom / 2
    inside = half * (1 - 2 * MARGIN)
    if centre or (np.abs(wanted - camera.center[-2:]) > inside).any():
        if fill and len(shown) == 2:
            shape = layer.shape if hasattr(layer, "shape") else full_data(layer).shape
            ends = [(-0.5, n - 0.5) for n in shape[: layer.ndim]]
            corners = (np.array([*product(*ends)]) @ matrix.T + offset) / factors
            low, high = corners.min(0)[shown] + half, corners.max(0)[shown] - half
            wanted = np.where(low > high, (low + high) / 2, np.clip(wanted, low, high))
        camera.center = (*camera.center[:-2], *wanted.tolist())


def _canvas_size(viewer: Any) -> tuple[int, int]:
    """Return height and width of the canvas in screen pixels."""
    size: tuple[int, int] = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    return size


def zoom_on(viewer: Any, layer: Any, plane: Plane, sides: tuple[float, float]) -> None:
    """Zoom so that a part of a plane is seen well; a zoom at which it is already is kept.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    layer : layer or LayerView
        The image.
    plane : tuple
        Its plane in view.
    sides : tuple of float
        Height and width of the part, in pixels.
    """
    steps = np.linalg.norm(to_world(layer)[0], axis=0)
    seen = [axis for axis, n in enumerate(plane) if n is None]
    units = viewer.layers.extent.units
    factors = np.ones(layer.ndim)
    if units is not None:
        found = unit_factors(units, layer.units)
        factors[-len(found) :] = found
    part = max(float(side * steps[a] / factors[a]) for side, a in zip(sides, seen, strict=True))
    camera, whole = camera_of(viewer), float(min(_canvas_size(viewer)))
    share = part * camera.zoom / max(whole, 1)
    if part and not SMALLEST_SHARE <= share <= LARGEST_SHARE:
        camera.zoom = GOOD_SHARE * whole / part


def axis_names(view: Any) -> tuple[str, ...]:
    """Return the names of the axes of an image; "axis 0", "axis 1" where napari has made them."""
    labels = view.layer.axis_labels[-view.ndim :]
    # napari numbers axes without a name from the last one, as "axis -1".
    return tuple(f"axis {k}" if "axis" in n else str(n) for k, n in enumerate(labels))


def plane_step(view: Any, axis: int, plane: Plane) -> float | None:
    """Return the step between the planes of an image along an axis, in pixels of a plane.

    None if it is not known: the axis is no length, or all is in pixels with one scale.
    """
    rows = plane.index(None)
    lengths = np.linalg.norm(to_world(view)[0], axis=0)
    one, two = view.units[axis], view.units[rows]
    if one.dimensionality != two.dimensionality:
        return None
    ratio = float(lengths[axis] * (1 * one).to(two).magnitude / lengths[rows])
    is_default = not one.is_compatible_with("meter") and abs(ratio - 1) < NEGLIGIBLE
    return None if is_default else ratio


def in_image(viewer: Any, layer: Any, coordinates: Any, image: Any) -> NDArray[np.float64]:
    """Convert (N, d) data coordinates of a layer to (N, n) data coordinates of an image.

    Coordinates along axes that the layer lacks are those of the viewer's sliders.
    """
    given = np.atleast_2d(np.asarray(coordinates, np.float64)).reshape(-1, layer.ndim)
    matrix, offset = to_world(layer)
    world = given @ matrix.T + offset
    count = min(layer.ndim, image.ndim)
    there = np.tile(viewed_point(viewer, image), (len(given), 1))
    factors = unit_factors(layer.units, image.units)
    there[:, image.ndim - count :] = world[:, layer.ndim - count :] * factors
    image_matrix, image_offset = to_world(image)
    found: NDArray[np.float64] = (there - image_offset) @ np.linalg.inv(image_matrix).T
    return found


def in_layer(plane: Plane, points: Any) -> NDArray[np.float64]:
    """Convert (N, 2) rows and columns of a plane to (N, n) data coordinates of its image."""
    given = np.asarray(points, np.float64).reshape(-1, 2)
    found = np.zeros((len(given), len(plane)))
    columns = iter(given.T)
    for axis, n in enumerate(plane):
        found[:, axis] = next(columns) if n is None else n
    return found
