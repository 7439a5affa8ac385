"""Masks of a window on the plane that it was cut from, and the other way round."""

from dataclasses import replace

import numpy as np

from napari_segany.core.masks import MaskSet


def place_on_plane(masks: MaskSet, origin: tuple[int, int], shape: tuple[int, int]) -> MaskSet:
    """Return masks of a window in pixels of its plane, without logits and empty masks.

    Parameters
    ----------
    masks : MaskSet
        Masks of the window.
    origin : tuple of int
        Row and column of the window's first pixel; the column is a multiple of eight, so that
        packed bits stay as they are.
    shape : tuple of int
        (H, W) of the plane.
    """
    if origin[1] % 8:
        raise ValueError(f"column {origin[1]} is no multiple of 8")
    masks = masks[masks.area > 0].without_logits()
    offset = np.array(origin * 2, np.int64)
    return replace(
        # Bits of masks that were left out are not kept.
        MaskSet.concatenate([masks]),
        shape=shape,
        boxes=masks.boxes + offset,
        points=masks.points + offset[:2],
        crop_boxes=masks.crop_boxes + offset,
        candidate=np.arange(len(masks), dtype=np.int64),
    )


def place_in_window(masks: MaskSet, window: tuple[int, int, int, int]) -> MaskSet:
    """Return masks of a plane in pixels of a window that holds them whole, without logits.

    Parameters
    ----------
    masks : MaskSet
        Masks of the plane, none of them empty.
    window : tuple of int
        Half-open row_min, col_min, row_max, col_max; ``col_min`` is a multiple of eight.
    """
    top, left, bottom, right = window
    if left % 8:
        raise ValueError(f"column {left} is no multiple of 8")
    offset = np.array([top, left] * 2, np.int64)
    return replace(
        masks.without_logits(),
        shape=(bottom - top, right - left),
        boxes=masks.boxes - offset,
        points=masks.points - offset[:2],
        crop_boxes=masks.crop_boxes - offset,
    )
