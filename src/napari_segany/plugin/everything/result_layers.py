"""Result layers of the Everything dock: labels of a stack, and the separate masks of a plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_segany.core.image_source import Plane, plane_shape, plane_slices
from napari_segany.core.label_images import shift_ids
from napari_segany.core.level_paint import LevelPainter
from napari_segany.core.masks import MaskSet
from napari_segany.core.window_paint import WINDOW_SIDE, windows_of
from napari_segany.errors import InputError
from napari_segany.generators.tile_params import AUTO_TILES
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.made_labels import MadeLabels
from napari_segany.plugin.everything.plane_choice import choose_objects
from napari_segany.plugin.layers.candidates import keep_candidates
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.metadata import FOUND, METADATA
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.layers.transforms import to_world


def preview_layer(view: LayerView, levels: Sequence[Any] = ()) -> Labels:
    """Return a labels layer for the kept masks of an image, which cannot be edited.

    Parameters
    ----------
    view : LayerView
        The image.
    levels : sequence of array, optional
        Levels of a multiscale layer; by default the layer has one array of zeros.
    """
    data = list(levels) if len(levels) else zeros(view.shape, np.int32)
    about: Any = {"name": FOUND, "opacity": 0.5, "multiscale": bool(len(levels))}
    layer = Labels(data, **about, **view.placement())
    layer.editable = False
    layer.selected_label = 0
    return layer


@dataclass(frozen=True, eq=False)
class PaintedLabels:
    """Labels of all searched planes of an image.

    Attributes
    ----------
    found : FoundMasks
        Masks, filters and decisions that they were made of.
    data : ndarray
        int32 of the shape of the image; ids are unique, in the order of planes.
    ids : dict
        For each plane the label of each candidate.
    columns : dict
        A list of values for each feature.
    """

    found: FoundMasks
    data: Any
    ids: dict[Plane, dict[int, int]]
    columns: dict[str, list[Any]]


def paint_planes(found: FoundMasks, shape: tuple[int, ...]) -> PaintedLabels:
    """Paint the labels of all searched planes of an image of ``shape``, in any thread.

    Labels are unique over the stack, in the order of planes, as those of the command line.

    Raises
    ------
    InputError
        If no plane was searched.
    """
    if not found.masks:
        raise InputError("Nothing was searched for yet.")
    data, last = zeros(shape, np.int32), 0
    ids: dict[Plane, dict[int, int]] = {}
    columns: dict[str, list[Any]] = {"index": [], "predicted_iou": [], "stability_score": []}
    for plane in sorted(found.masks, key=_plane_order):
        masks = _paint_plane(found, plane, data, last)
        own = range(last + 1, last + len(masks) + 1)
        ids[plane] = dict(zip(masks.candidate.tolist(), own, strict=True))
        columns["index"] += own
        columns["predicted_iou"] += masks.predicted_iou.tolist()
        columns["stability_score"] += masks.stability_score.tolist()
        if masks.classes is not None:
            for name, values in masks.classes.columns().items():
                columns.setdefault(name, []).extend(values.tolist())
        last += len(masks)
    return PaintedLabels(found, data, ids, columns)


def _paint_plane(found: FoundMasks, plane: Plane, data: Any, last: int) -> MaskSet:
    """Paint a plane with ids after ``last``, and return the mask of each."""
    if not AUTO_TILES.applies_to(plane_shape(data.shape, plane)):
        labels, masks = found.paint_labels(plane)
        data[plane_slices(plane)] = shift_ids(labels, last)
        return masks
    choice = choose_objects(found, plane)
    names = np.zeros(len(found.masks[plane].all_candidates) + 1, np.int64)
    names[choice.shown.candidate + 1] = np.arange(last + 1, last + len(choice.shown) + 1)
    painter = LevelPainter(choice.labels.masks, names[choice.labels.ids])
    pixels = data[plane_slices(plane)]
    for top, left, bottom, right in windows_of((0, 0, *pixels.shape), WINDOW_SIDE):
        painter.paint(pixels[top:bottom, left:right], (top, left), 1)
    return choice.shown


def labels_layer(painted: PaintedLabels, view: LayerView) -> MadeLabels:
    """Return a labels layer of painted planes, with features and recipe.

    The candidates of the search are kept beside the layer, see :func:`keep_candidates`. It is
    invisible until it is added.
    """
    found = painted.found
    layer = Labels(painted.data, name=f"{view.name} labels", visible=False, **view.placement())
    layer.features = painted.columns
    keep_candidates(layer, found.masks)
    layer.metadata[METADATA] = {
        "recipe": found.make_recipe().to_json(),
        "rejected": {str(p): sorted(n) for p, n in found.rejected.items() if n},
    }
    corrected = {str(p): sorted(n) for p, n in found.corrected.items() if n}
    if corrected:
        layer.metadata[METADATA]["corrected"] = corrected
    return MadeLabels(layer, painted.ids)


def mask_stack_layer(masks: MaskSet, view: LayerView, plane: Plane) -> Labels:
    """Return an (N, H, W) labels layer with each mask of a plane in an image of its own.

    Parameters
    ----------
    masks : MaskSet
        Masks, in the order of their labels.
    view : LayerView
        Image of the masks.
    plane : tuple
        Plane of the masks.

    Raises
    ------
    InputError
        If there is no mask.
    """
    if not len(masks):
        raise InputError("There is no mask in this plane to show.")
    data = zeros((len(masks), *masks.shape), np.int32)
    for i in range(len(masks)):
        a, b, c, d = masks.boxes[i]
        data[i, a:c, b:d][masks.crop(i)] = i + 1
    axes = [axis for axis, n in enumerate(plane) if n is None]
    matrix, offset = to_world(view)
    at = matrix @ [n or 0 for n in plane] + offset
    affine = np.eye(4)
    affine[1:3, 1:3], affine[1:3, 3] = matrix[np.ix_(axes, axes)], at[axes]
    # In a stack the masks lie along its last index axis.
    first = view.units[-3] if view.ndim > 2 else "pixel"
    units = (first, *(view.units[axis] for axis in axes))
    layer = Labels(data, name=f"{view.name} masks", affine=affine, units=units)
    layer.features = {
        "index": range(1, len(masks) + 1),
        "predicted_iou": masks.predicted_iou,
        "stability_score": masks.stability_score,
        "area": masks.area,
        **({} if masks.classes is None else masks.classes.columns()),
    }
    return layer


def _plane_order(plane: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(-1 if n is None else n for n in plane)
