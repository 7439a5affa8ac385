"""Layers that stay of what was found: labels of a whole stack, and the masks of a plane apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_segany.core.image_source import Plane, plane_slices
from napari_segany.core.label_images import shift_ids
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.sparse_array import empty
from napari_segany.plugin.layers.transforms import to_world
from napari_segany.plugin.prompt.labels_layer import METADATA


def labels_of(everything: FoundMasks, picture: LayerView) -> Labels:
    """All planes that were searched, with features and recipe.

    Ids are unique over the stack, in the order of planes, as the command line makes them.

    Raises
    ------
    InputError
        If no plane was.
    """
    if not everything.found:
        raise InputError("Nothing was searched for yet.")
    data, last = empty(picture.shape, np.int32), 0
    columns: dict[str, list[Any]] = {"index": [], "predicted_iou": [], "stability_score": []}
    for plane in sorted(everything.found, key=_in_order):
        labels, masks = everything.labels(plane)
        data[plane_slices(plane)] = shift_ids(labels, last)
        columns["index"] += range(last + 1, last + len(masks) + 1)
        columns["predicted_iou"] += masks.predicted_iou.tolist()
        columns["stability_score"] += masks.stability_score.tolist()
        last += len(masks)
    layer = Labels(data, name=f"{picture.name} labels", **picture.placement())
    layer.features = columns
    layer.metadata[METADATA] = {
        "recipe": everything.recipe().to_json(),
        "rejected": {str(p): sorted(n) for p, n in everything.rejected.items() if n},
    }
    return layer


def stack_of(masks: MaskSet, picture: LayerView, plane: Plane) -> Labels:
    """Every mask of a plane by itself, also where others overlap.

    (N, H, W), along the first axis the masks in the order of their labels.

    Raises
    ------
    InputError
        If there is none.
    """
    if not len(masks):
        raise InputError("There is no mask in this plane to show.")
    data = empty((len(masks), *masks.shape), np.int32)
    for i in range(len(masks)):
        a, b, c, d = masks.boxes[i]
        data[i, a:c, b:d][masks.crop(i)] = i + 1
    axes = [axis for axis, n in enumerate(plane) if n is None]
    matrix, offset = to_world(picture)
    at = matrix @ [n or 0 for n in plane] + offset
    affine = np.eye(4)
    affine[1:3, 1:3], affine[1:3, 3] = matrix[np.ix_(axes, axes)], at[axes]
    # In a stack the masks lie along the axis that counts its planes.
    first = picture.units[-3] if picture.ndim > 2 else "pixel"
    units = (first, *(picture.units[axis] for axis in axes))
    layer = Labels(data, name=f"{picture.name} masks", affine=affine, units=units)
    layer.features = {
        "index": range(1, len(masks) + 1),
        "predicted_iou": masks.predicted_iou,
        "stability_score": masks.stability_score,
        "area": masks.area,
    }
    return layer


def _in_order(plane: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(-1 if n is None else n for n in plane)
