"""Planes whose windows are read without the rest, at full size or from coarser levels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.display import Display
from napari_segany.core.image_source import ImageSource, Plane, plane_shape
from napari_segany.core.intensity import Limits, check_plane, find_limits, keep_apart
from napari_segany.core.plane_sample import sample_windows
from napari_segany.core.planes import StackLayout


@runtime_checkable
class WindowedPlane(Protocol):
    """One plane whose windows are read without the rest; ``numpy.asarray`` reads all of it."""

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of the plane and of its coarser versions, finest first."""
        ...

    def window(self, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return (h, w) or (h, w, 3) pixels of rows and columns of a level."""
        ...


class ArrayPlane:
    """A plane that is an array: numpy, or lazy as those of dask and zarr.

    Parameters
    ----------
    data : array
        (Y, X) or (Y, X, 3) of real numbers, with ``shape`` and indexing.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of the plane, which has no coarser versions."""
        return ((int(self.data.shape[0]), int(self.data.shape[1])),)

    def window(self, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return the pixels of rows and columns."""
        del level
        return check_plane(self.data[rows, cols])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.data, dtype)


class SourcePlane:
    """A plane of an image source, which is read when its pixels are asked for.

    Parameters
    ----------
    source : ImageSource
        The image.
    plane : tuple
        The plane.
    """

    def __init__(self, source: ImageSource, plane: Plane) -> None:
        self.source, self.plane = source, plane

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of the plane and of its coarser versions, finest first."""
        return tuple(plane_shape(shape, self.plane) for shape in self.source.level_shapes)

    def window(self, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return the pixels of rows and columns of a level."""
        return self.source.window(self.plane, rows, cols, level)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.source.read(self.plane), dtype)


class LayoutPlane:
    """A plane of an opened image, which is read when its pixels are asked for.

    Parameters
    ----------
    levels : sequence of array
        The image and its coarser versions with the same axes, finest first.
    layout : StackLayout
        Axes and channels of the image.
    index : tuple of int
        Index of the plane along the leading axes.
    """

    def __init__(self, levels: Sequence[Any], layout: StackLayout, index: tuple[int, ...]) -> None:
        self.levels, self.index = tuple(levels), index
        shapes = [tuple(int(n) for n in each.shape) for each in self.levels]
        self.layouts = tuple(replace(layout, shape=shape, ranges=()) for shape in shapes)

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of the plane and of its coarser versions, finest first."""
        shapes = (each.labels_shape for each in self.layouts)
        return tuple((shape[-2], shape[-1]) for shape in shapes)

    def window(self, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return the pixels of rows and columns of a level."""
        layout = self.layouts[level]
        full = self.layouts[0].leading_shape
        # A coarser level may have fewer planes, too.
        there = tuple(
            min(n * own // whole, own - 1)
            for n, whole, own in zip(self.index, full, layout.leading_shape, strict=True)
        )
        box = rows.start, cols.start, rows.stop, cols.stop
        return layout.window(self.levels[level], there, box)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.layouts[0].plane(self.levels[0], self.index), dtype)


def windowed(plane: ArrayLike | WindowedPlane) -> WindowedPlane:
    """Return a plane as one whose windows can be read; arrays stay where they are."""
    if isinstance(plane, WindowedPlane):
        return plane
    return ArrayPlane(plane if hasattr(plane, "shape") else check_plane(plane))


def plane_size(plane: Any) -> tuple[int, int] | None:
    """Return (H, W) of a plane, of which no pixel is read; None for what is no plane."""
    if isinstance(plane, WindowedPlane):
        return plane.level_shapes[0]
    shape: tuple[int, ...] = getattr(plane, "shape", ())
    return (int(shape[0]), int(shape[1])) if len(shape) in (2, 3) else None


def sampled_limits(plane: WindowedPlane, limits: Limits | None) -> Limits | None:
    """Return limits that say the same of every window of a plane.

    Parameters
    ----------
    plane : WindowedPlane
        The plane.
    limits : tuple, Display or None
        As for :func:`napari_segany.core.intensity.to_rgb`. Percentiles of a plane become those of
        the windows of :func:`napari_segany.core.plane_sample.sample_windows`, at full size.

    Returns
    -------
    tuple, Display or None
        Numbers, a display with numbers, or None for 8-bit colours, which are not stretched.
    """
    if limits is not None and not (isinstance(limits, Display) and limits.pairs is None):
        return limits
    if isinstance(limits, Display) and limits.limits == "stack":
        return limits
    sample = _sample(plane)
    colours = sample.ndim == 2
    if colours and sample.dtype == np.uint8:
        return limits
    channels = list(sample.T) if colours else [sample]
    pairs = tuple(keep_apart(*find_limits(channel)) for channel in channels)
    return pairs if limits is None else replace(limits, limits=pairs)


def _sample(plane: WindowedPlane) -> NDArray[np.generic]:
    """Return (n,) or (n, 3) pixels of the windows that stand for a plane."""
    parts = []
    for top, left, bottom, right in sample_windows(plane.level_shapes[0]):
        window = plane.window(slice(top, bottom), slice(left, right))
        parts.append(window.reshape(-1, *window.shape[2:]))
    return np.concatenate(parts)
