"""Rules for masks that overlap: how overlap is measured, and which mask owns a pixel."""

from typing import Literal

Nms = Literal["mask", "box"]
"""Whether overlap is measured between masks, or between their bounding boxes."""

Overlap = Literal["small_on_top", "large_on_top", "best_on_top"]
"""Which mask owns a pixel that several masks cover: the smallest, the largest, the best scored."""
