"""Mask sets as plain arrays, for files and other processes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.mask_classes import MaskClasses
from napari_segany.core.masks import MaskSet

_KEPT = ("boxes", "area", "predicted_iou", "stability_score", "points", "crop_boxes", "candidate")


def pack(masks: MaskSet) -> dict[str, NDArray[np.generic]]:
    """Return arrays from which :func:`unpack` makes the same masks with the same scores.

    Logits and the candidates that a filter could bring back are left out.
    """
    crops = [np.packbits(masks.crop(i)) for i in range(len(masks))]
    return {
        "shape": np.array(masks.shape, np.int64),
        "prompts_asked": np.array(masks.prompts_asked, np.int64),
        "bits": np.concatenate([np.zeros(0, np.uint8), *crops]),
        **{name: getattr(masks, name) for name in _KEPT},
        **({} if masks.classes is None else masks.classes.to_arrays()),
    }


def unpack(arrays: Mapping[str, NDArray[np.generic]]) -> MaskSet:
    """Restore the mask set that :func:`pack` took apart."""
    rows, cols = (int(n) for n in arrays["shape"])
    boxes = np.asarray(arrays["boxes"], np.int64)
    crops, start = [], 0
    for top, left, bottom, right in boxes.tolist():
        height, width = bottom - top, right - left
        end = start + -(-height * width // 8)
        bits = np.unpackbits(np.asarray(arrays["bits"][start:end], np.uint8), count=height * width)
        crops.append(bits.view(bool).reshape(height, width))
        start = end
    found = MaskSet.from_crops((rows, cols), crops, [(b[0], b[1]) for b in boxes.tolist()])
    columns = {name: arrays[name] for name in _KEPT}
    found = found.with_columns(columns, int(arrays["prompts_asked"]))
    return replace(found, classes=MaskClasses.from_arrays(arrays))
