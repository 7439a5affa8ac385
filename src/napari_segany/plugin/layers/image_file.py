"""Files of image layers, with the axes and channels by which they give the pixels of a view."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError, SeganyError
from napari_segany.io.read import open_image
from napari_segany.plugin.layers.channel_axis import axis_in_file
from napari_segany.plugin.layers.image_view import LayerView

LEADING = "IQTZ"
"""Axes that count planes; those of an array without a file are the last ones of these."""


@dataclass(frozen=True)
class ImageReading:
    """The way in which an image is read from a file or an array to give the pixels of a view.

    Attributes
    ----------
    path : Path or None
        The file, None if there is none that holds these pixels.
    axes : str
        One letter a dimension, in the order of the file or array.
    own_axes : bool
        True if the file itself states these axes.
    channels : tuple of int
        The channels, as for :class:`napari_segany.core.planes.StackLayout`.
    """

    path: Path | None
    axes: str
    own_axes: bool
    channels: tuple[int, ...]

    @property
    def labels_axes(self) -> str:
        """Axes of the labels."""
        return "".join(axis for axis in self.axes if axis not in "CS")


def layer_path(layer: Any) -> str | None:
    """Return the path or address that a layer was opened from, None if it is not known."""
    path = getattr(getattr(layer, "source", None), "path", None)
    return None if path is None else str(path)


def find_reading(view: LayerView, plane: Plane) -> ImageReading:
    """Return the way in which the image of a view is read again.

    The file of the layer is named only if one plane has the same pixels there: a layer can hold
    other pixels than its file, a part of it, or one of its channels.

    Parameters
    ----------
    view : LayerView
        The image. Layers that are shown as colours may be channels of one file.
    plane : tuple
        A plane with rows and columns along the last two axes of the view.

    Raises
    ------
    InputError
        If the image has more axes than can be named.
    """
    parts = [_from_file(each, plane) for each in _grey_views(view)]
    known = [each for each in parts if each is not None]
    if len(known) == len(parts) and len({(each.path, each.axes) for each in known}) == 1:
        channels = tuple(c for each in known for c in each.channels)
        return ImageReading(known[0].path, known[0].axes, known[0].own_axes, channels)
    return ImageReading(None, *_as_array(view))


def _grey_views(view: LayerView) -> list[LayerView]:
    """Return a view of each layer, or the view itself if it has one layer."""
    return [LayerView(each) for each in view.layers] if view.others else [view]


def _as_array(view: LayerView) -> tuple[str, bool, tuple[int, ...]]:
    """Return axes and channels for the pixels of a view as one array, layers along the first."""
    count = view.ndim - 2
    if count > len(LEADING):
        raise InputError(
            f"{view.name} has {count} axes beside rows and columns; take a part of it."
        )
    axes = f"{LEADING[len(LEADING) - count :]}YX"
    if view.others:
        return f"C{axes}", False, tuple(range(len(view.layers)))
    if view.channels is not None:
        at = axis_in_file(view.layer)
        return f"{axes[:at]}C{axes[at:]}", False, view.channels
    return (f"{axes}S" if view.layer.rgb else axes), False, (0,)


def _from_file(view: LayerView, plane: Plane) -> ImageReading | None:
    """Return the reading of a view's file that gives these pixels, None if there is none."""
    path = layer_path(view.layer)
    if path is None:
        return None
    pixels = view.source().read(plane)
    # Not every file that napari opens can be read here.
    with suppress(SeganyError), open_image(path) as image:
        for axes, channels in _guesses(view, image.axes, image.shape):
            if _gives(image.data, axes, channels, view.shape, plane, pixels):
                return ImageReading(Path(path), axes, axes == image.axes, channels)
    return None


def _guesses(
    view: LayerView, axes: str, shape: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield axes and channels by which a file may have been opened, the likeliest first."""
    yield axes, view.channels or (0,)
    own, _, channels = _as_array(view)
    yield own, channels
    if view.channels is None and "C" in axes:
        # A reader may open each channel as a layer of its own.
        for channel in range(shape[axes.index("C")]):
            yield axes, (channel,)


def _gives(
    data: Any,
    axes: str,
    channels: tuple[int, ...],
    shape: tuple[int, ...],
    plane: Plane,
    pixels: NDArray[np.generic],
) -> bool:
    """Return True if an array has labels of a shape, and the same pixels in a plane."""
    try:
        layout = StackLayout(axes, tuple(int(n) for n in data.shape), channels)
    except InputError:
        return False
    if layout.labels_shape != shape:
        return False
    found = layout.plane(data, tuple(n or 0 for n in plane[:-2]))
    return found.dtype == pixels.dtype and np.array_equal(found, pixels, equal_nan=True)
