"""The only place that knows the model's frame: (row, column) planes <-> (x, y) in a square.

A plane is scaled so that its long side fills the frame and padded below and right. Points map
by ``p * scale``, as in the published code; the half pixel is added inside the prompt encoder.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

MASK_EPSILON = 1e-3
"""A binary mask prompt becomes logits of this probability and its complement: +-6.9."""


@dataclass(frozen=True)
class Frame:
    """How one plane lies in the model's square frame.

    Attributes
    ----------
    shape : tuple of int
        (H, W) of the plane in pixels.
    side : int
        Side of the frame in pixels, 1024 for the published models.
    """

    shape: tuple[int, int]
    side: int = 1024

    @property
    def scaled(self) -> tuple[int, int]:
        """(h, w) of the plane inside the frame."""
        scale = self.side / max(self.shape)
        h, w = (max(1, int(n * scale + 0.5)) for n in self.shape)
        return h, w

    @property
    def mask_side(self) -> int:
        """Side of the low-resolution logits, a quarter of the frame."""
        return self.side // 4

    def to_xy(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map (..., 2) row, column to x, y in the frame."""
        (h, w), (rows, cols) = self.scaled, self.shape
        points = np.asarray(points, dtype=np.float64)
        return np.stack([points[..., 1] * (w / cols), points[..., 0] * (h / rows)], axis=-1)

    def boxes_to_xyxy(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map (..., 4) row_min, col_min, row_max, col_max to x0, y0, x1, y1 in the frame."""
        corners = np.asarray(boxes, dtype=np.float64)
        corners = corners.reshape(*corners.shape[:-1], 2, 2)
        return self.to_xy(corners).reshape(*corners.shape[:-2], 4)

    def place_image(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale (H, W, 3) uint8 to the size it has in the frame, without the padding.

        Bilinear with antialiasing in Pillow, which is what the models were trained with.
        """
        h, w = self.scaled
        image = Image.fromarray(np.ascontiguousarray(rgb), mode=None)
        return np.asarray(image.resize((w, h), Image.Resampling.BILINEAR))

    def place_mask(self, mask: NDArray[np.bool_]) -> Tensor:
        """Turn a binary (H, W) mask into (mask_side, mask_side) logits for the prompt encoder."""
        h, w = (max(1, round(n * self.mask_side / self.side)) for n in self.scaled)
        soft = F.interpolate(
            torch.from_numpy(mask.astype(np.float32))[None, None],
            (h, w),
            mode="bilinear",
            antialias=True,
        )
        inside = soft[0, 0].clamp(MASK_EPSILON, 1 - MASK_EPSILON)
        placed = inside.new_full((self.mask_side, self.mask_side), MASK_EPSILON)
        placed[:h, :w] = inside
        return torch.logit(placed)

    def enlarge(self, logits: Tensor) -> Tensor:
        """Low-resolution logits (..., m, m) -> logits of the plane (..., H, W), float32.

        Two bilinear steps, to the frame and then to the plane, as in the published code: doing
        it in one gives other pixels at the borders of objects.
        """
        lead = logits.shape[:-2]
        x = logits.reshape(1, -1, *logits.shape[-2:]).float()
        x = F.interpolate(x, (self.side, self.side), mode="bilinear", align_corners=False)
        h, w = self.scaled
        x = F.interpolate(x[..., :h, :w], self.shape, mode="bilinear", align_corners=False)
        return x.reshape(*lead, *self.shape)
