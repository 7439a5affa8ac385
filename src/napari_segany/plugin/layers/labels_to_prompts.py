"""Prompts from the objects of a labels layer, with any transform."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.core.label_images import as_ids
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import full_data, in_image, in_layer

How = Literal["mask", "box"]
"""Kind of prompt made from an object: its mask, which is refined, or its bounding box."""

NEGATIVE_IDS = "Negative labels are no objects."


def objects_of(
    viewer: Any,
    view: LayerView,
    layer: Any,
    plane: Plane,
    how: How,
    notes: set[str] | None = None,
) -> Callable[[ShouldStop], list[tuple[Prompt, Plane, int | None]]]:
    """Return a function that makes prompts from the objects of a labels layer in one plane.

    Transforms are read by this function; the returned function may be called in another thread.

    Parameters
    ----------
    viewer, view, layer, plane
        See :func:`sample_labels`.
    how : {"mask", "box"}
        Kind of prompt.
    notes : set of str, optional
        The returned function adds messages for the user.

    Raises
    ------
    InputError
        If the layer has more axes than the image.
    """
    read = sample_labels(viewer, view, layer, plane)

    def find(should_stop: ShouldStop) -> list[tuple[Prompt, Plane, int | None]]:
        labels = read()
        check(should_stop)
        if notes is not None and labels.min(initial=0) < 0:
            notes.add(NEGATIVE_IDS)
        return [
            (Prompt(mask=mask) if how == "mask" else Prompt(box=_box(mask)), plane, label)
            for label, mask in masks_of(labels)
        ]

    return find


def sample_labels(
    viewer: Any, view: LayerView, layer: Any, plane: Plane
) -> Callable[[], NDArray[np.integer]]:
    """Return a function that reads (H, W) labels at the pixels of one plane of an image.

    Transforms are read by this function; the returned function may be called in another thread.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer of the layers.
    view : LayerView
        The image.
    layer : napari.layers.Labels
        Labels to read.
    plane : tuple
        Plane of the image.

    Raises
    ------
    InputError
        If the layer has more axes than the image.
    """
    if layer.ndim > view.ndim:
        raise InputError(f"{layer.name} has more axes than {view.name}.")
    shape = plane_shape(view.shape, plane)
    matrix, offset = _to_layer(viewer, view, layer)
    data = full_data(layer)

    def read() -> NDArray[np.integer]:
        rows, cols = np.mgrid[: shape[0], : shape[1]]
        spots = in_layer(plane, np.stack([rows, cols], axis=-1))[:, -layer.ndim :]
        return _sampled(data, spots @ matrix.T + offset).reshape(shape)

    return read


def masks_of(labels: NDArray[np.integer]) -> list[tuple[int, MaskSet]]:
    """Return label and mask of each object of an (H, W) plane, in the order of labels."""
    values, index = np.unique(as_ids(labels), return_inverse=True)
    index = index.reshape(labels.shape)
    found = []
    for number, where in enumerate(ndimage.find_objects(index + 1)):
        value = int(values[number])
        if value and where is not None:
            rows, cols = where
            crop = index[where] == number
            mask = MaskSet.from_crops(labels.shape, [crop], [(rows.start, cols.start)])
            found.append((value, mask))
    return found


def _box(mask: MaskSet) -> list[float]:
    # Edges run through the centres of the outermost pixels, because box prompts are continuous.
    a, b, c, d = mask.boxes[0].tolist()
    return [a, b, max(c - 1, a + 0.5), max(d - 1, b + 0.5)]


def _to_layer(
    viewer: Any, view: LayerView, layer: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return matrix and offset from the image's last axes to the layer's, in data coordinates."""
    corners = np.concatenate([np.zeros((1, layer.ndim)), np.eye(layer.ndim)])
    there = in_image(viewer, layer, corners, view)[:, -layer.ndim :]
    inverse = np.linalg.inv((there[1:] - there[0]).T)
    return inverse, -inverse @ there[0]


def _sampled(data: Any, positions: NDArray[np.float64]) -> NDArray[np.integer]:
    """Return values at (N, n) positions, 0 outside; only data around the positions is read."""
    index = np.rint(positions).astype(np.intp)
    inside = ((index >= 0) & (index < data.shape)).all(axis=1)
    values = np.zeros(len(index), data.dtype)
    if inside.any():
        low, high = index[inside].min(axis=0), index[inside].max(axis=0) + 1
        part = np.asarray(data[tuple(map(slice, low, high))])
        values[inside] = part[tuple((index[inside] - low).T)]
    return values
