"""Rules for masks that overlap: the measure of overlap, and the owner of a shared pixel."""

from typing import Literal

Nms = Literal["mask", "box", "smaller"]
"""Measure of overlap: IoU of masks, IoU of their boxes, or the shared part of the smaller mask."""

Overlap = Literal["small_on_top", "large_on_top", "best_on_top"]
"""Owner of a pixel that several masks cover: the smallest, the largest, the best scored."""
