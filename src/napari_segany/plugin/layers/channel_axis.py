"""Views of image layers with the channel axis first.

napari aligns layers by their last axes. Labels have no channel axis, so they are aligned with their
image only if the channel axis is the image's first.
"""

from contextlib import suppress
from typing import Any

import numpy as np
from napari.layers import Image
from napari.layers._source import layer_source

from napari_segany.errors import InputError, SeganyError
from napari_segany.io.read import open_image
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.transforms import full_data, to_world

MOVED = "napari_segany_channel_axis"
"""Metadata key: channel axis in the original layer of a view."""

NAMES = ("c", "channel", "channels")


def likely_axis(layer: Any) -> int:
    """Return the axis that is named like a channel axis, else the first."""
    names = [str(name).lower() for name in layer.axis_labels]
    return next((axis for axis, name in enumerate(names) if name in NAMES), 0)


def channels_in_file(layer: Any) -> tuple[int | None, tuple[str, ...]]:
    """Return the channel axis of a layer and the names of its channels, as its file states them.

    None and no names for a layer without a file, or with another shape than its file. Opens the
    file.
    """
    path = getattr(layer.source, "path", None)
    if path is None or layer.rgb:
        return None, ()
    # Not every file that napari opens can be read here.
    with suppress(SeganyError), open_image(path) as image:
        moved = MOVED in layer.metadata
        shape = list(image.shape)
        axis = image.axes.find("C")
        if axis >= 0 and moved:
            shape.insert(0, shape.pop(axis))
            axis = 0
        if axis >= 0 and tuple(shape) == tuple(full_data(layer).shape):
            return axis, image.channel_names
    return None, ()


def find_axis(layer: Any, axis: int | str) -> int:
    """Return an axis of a layer that is given by number or by its label.

    Raises
    ------
    InputError
        If no axis, or more than one, has the label.
    """
    if isinstance(axis, int):
        return axis
    labels = [str(label).lower() for label in layer.axis_labels]
    if labels.count(axis.lower()) != 1:
        raise InputError(f"{layer.name} has no axis {axis!r}; its axes are {', '.join(labels)}.")
    return labels.index(axis.lower())


def axis_in_file(layer: Any) -> int:
    """Return the channel axis in the file of a layer, which may be a view with that axis first."""
    return int(layer.metadata.get(MOVED, 0))


def with_channels_first(viewer: Any, layer: Any, axis: int) -> Any:
    """Return an image layer with its channels along the first axis.

    The result is the layer itself, or a view of its pixels that is added to the viewer. The
    original of a view is hidden and not changed.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer of the layer.
    layer : napari.layers.Image
        The image.
    axis : int
        Its channel axis.

    Raises
    ------
    InputError
        If the layer has no such axis in addition to those of its planes.
    """
    if layer.rgb or layer.ndim < 3 or not -layer.ndim <= axis < layer.ndim:
        raise InputError(f"{layer.name} has no axis of channels beside its planes.")
    axis %= layer.ndim
    if axis == 0:
        return layer
    order = [axis, *(n for n in range(layer.ndim) if n != axis)]
    levels = [_moved(level, axis) for level in (layer.data if layer.multiscale else [layer.data])]
    matrix, offset = to_world(layer)
    affine = np.eye(layer.ndim + 1)
    affine[:-1, :-1], affine[:-1, -1] = matrix[np.ix_(order, order)], offset[order]
    with layer_source(path=layer.source.path):
        view = Image(
            levels if layer.multiscale else levels[0],
            multiscale=layer.multiscale,
            rgb=False,
            name=f"{layer.name} (channels first)",
            affine=affine,
            units=[layer.units[n] for n in order],
            axis_labels=[layer.axis_labels[n] for n in order],
            contrast_limits=layer.contrast_limits,
            colormap=layer.colormap,
            metadata={MOVED: axis},
        )
    place = viewer.dims.point[-layer.ndim :]
    add_layer(viewer, view, viewer.layers.index(layer) + 1)
    layer.visible = False
    # Keep the plane in view.
    first = viewer.dims.ndim - layer.ndim
    viewer.dims.set_point([first + n for n in range(layer.ndim)], [place[n] for n in order])
    return view


def _moved(data: Any, axis: int) -> Any:
    if not hasattr(data, "transpose"):
        # Zarr and similar arrays are read in parts, as napari does.
        import dask.array

        data = dask.array.from_array(data)  # type: ignore[no-untyped-call]
    return np.moveaxis(data, axis, 0)
