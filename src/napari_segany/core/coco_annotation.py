"""Masks as annotations of COCO's instance format."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core import binary_mask


def coco_annotations(
    masks: Iterable[NDArray[np.bool_]],
    boxes: NDArray[np.int64],
    areas: NDArray[np.int64],
    scores: tuple[NDArray[np.float32], NDArray[np.float32]],
    image_id: int,
    category_ids: Sequence[int],
) -> list[dict[str, Any]]:
    """Return annotations with uncompressed run lengths; boxes are x, y, width, height.

    Parameters
    ----------
    masks : iterable of ndarray
        N boolean (H, W) masks, read one at a time.
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
    for i, mask in enumerate(masks):
        a, b, c, d = (int(v) for v in boxes[i])
        predicted_iou, stability = (float(values[i]) for values in scores)
        annotations.append(
            {
                "id": i + 1,
                "image_id": image_id,
                "category_id": category_ids[i],
                "segmentation": {
                    "size": list(mask.shape),
                    "counts": binary_mask.run_lengths(mask),
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
