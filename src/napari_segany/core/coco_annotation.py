"""Masks as annotations of COCO's instance format."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core import binary_mask


def coco_annotations(
    crops: Iterable[NDArray[np.bool_]],
    shape: tuple[int, int],
    boxes: NDArray[np.int64],
    areas: NDArray[np.int64],
    scores: tuple[NDArray[np.float32], NDArray[np.float32]],
    image_id: int,
    category_ids: Sequence[int],
) -> list[dict[str, Any]]:
    """Return annotations with uncompressed run lengths; boxes are x, y, width, height.

    Parameters
    ----------
    crops : iterable of ndarray
        N boolean masks within their boxes, read one at a time.
    shape : tuple of int
        (H, W) of the plane.
    boxes : ndarray
        (N, 4) half-open row_min, col_min, row_max, col_max.
    areas : ndarray
        (N,) pixels.
    scores : tuple of ndarray
        (N,) predicted IoU and (N,) stability.
    image_id : int
        Id of the image.
    category_ids : sequence of int
        N ids of categories.
    """
    annotations = []
    for i, crop in enumerate(crops):
        a, b, c, d = (int(v) for v in boxes[i])
        predicted_iou, stability = (float(values[i]) for values in scores)
        annotations.append(
            {
                "id": i + 1,
                "image_id": image_id,
                "category_id": category_ids[i],
                "segmentation": {
                    "size": list(shape),
                    "counts": binary_mask.run_lengths_in_plane(crop, a, b, shape),
                },
                "area": int(areas[i]),
                "bbox": [b, a, d - b, c - a],
                "iscrowd": 0,
                "score": predicted_iou,
                "predicted_iou": predicted_iou,
                "stability_score": stability,
            }
        )
    return annotations
