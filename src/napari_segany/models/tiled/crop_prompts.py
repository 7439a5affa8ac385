"""Prompts and answers between a plane and a crop of it, which the model may see smaller."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from napari_segany.core.geometry import PlaneFrame
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.upsampling import draw
from napari_segany.models.sam.prediction import STABILITY_OFFSET
from napari_segany.models.tiled.crops import Crop, Region

OUTSIDE = -20.0
"""Logits of cells that lie outside of the crop in which a candidate was found."""

HALF = 128
"""Gray of a pixel of which half belongs to a mask."""


@dataclass(frozen=True)
class CropView:
    """A crop of a plane as the model sees it.

    Attributes
    ----------
    crop : Crop
        Rows and columns of the plane.
    frame : PlaneFrame
        The place in the model's frame of the picture that was embedded.
    """

    crop: Crop
    frame: PlaneFrame

    @property
    def is_reduced(self) -> bool:
        """True if the picture has fewer pixels than the crop."""
        return tuple(self.frame.shape) != self.crop.shape

    @property
    def own_frame(self) -> PlaneFrame:
        """The place in the model's frame of the crop in pixels of the plane."""
        # Frames of every family are frozen dataclasses with the shape of what they place.
        return replace(self.frame, shape=self.crop.shape)  # type: ignore[type-var]

    def prompt(self, prompt: Prompt) -> Prompt:
        """Return a prompt of the plane as one of the picture; its logits are those of the crop."""
        origin = np.array(self.crop.box[:2], np.float64)
        shape = np.array(self.frame.shape, np.float64)
        scale = shape / self.crop.shape
        parts: dict[str, Any] = {"logits_crop": None, "object_size": None}
        if prompt.points is not None:
            points = (prompt.points - origin) * scale
            parts["points"] = np.clip(points, -0.5, shape - 0.5)
        if prompt.box is not None:
            parts["box"] = (prompt.box - np.tile(origin, 2)) * np.tile(scale, 2)
        if prompt.region is not None:
            parts["mask"] = self._mask(prompt.region)
        return prompt.changed(**parts)

    def _mask(self, region: MaskSet) -> MaskSet:
        """Return a mask of the plane as one of the picture."""
        a, b, c, d = (int(n) for n in region.boxes[0])
        top, left, bottom, right = self.crop.box
        rows, cols = slice(max(a, top), min(c, bottom)), slice(max(b, left), min(d, right))
        part = region.crop(0)[rows.start - a : rows.stop - a, cols.start - b : cols.stop - b]
        if not self.is_reduced:
            origin = rows.start - top, cols.start - left
            return MaskSet.from_crops(self.crop.shape, [part], [origin])
        whole = np.zeros(self.crop.shape, np.uint8)
        whole[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = 255 * part
        height, width = self.frame.shape
        small = np.asarray(Image.fromarray(whole).resize((width, height), Image.Resampling.BOX))
        # A thin object has no pixel of which it fills half.
        return MaskSet.from_masks((small >= min(HALF, int(small.max())))[None])

    def masks(self, found: MaskSet, shape: tuple[int, int], prompt: Prompt) -> MaskSet:
        """Return candidates of the picture as masks of the plane of ``shape`` (H, W)."""
        top, left = self.crop.box[:2]
        stability = found.stability_score
        if self.is_reduced:
            logits = found.low_res_logits
            assert logits is not None
            drawn = draw(torch.from_numpy(logits), self.own_frame, STABILITY_OFFSET)
            masks, origins, stability = drawn.masks, drawn.origins, drawn.stability_score
        else:
            masks = [found.crop(i) for i in range(len(found))]
            origins = [(int(box[0]), int(box[1])) for box in found.boxes]
        return MaskSet.from_crops(
            shape,
            masks,
            [(top + row, left + col) for row, col in origins],
            predicted_iou=found.predicted_iou,
            stability_score=stability,
            points=np.tile(prompt.first_point, (len(found), 1)),
            low_res_logits=found._logits,
            crop_box=self.crop.box,
        )

    def cell_sides(self, cells: int) -> tuple[float, float]:
        """Return the height and width in pixels of the plane of one of ``cells`` x ``cells``."""
        used, (height, width) = self.frame.cells_used(cells), self.crop.shape
        longest = max(height, width) / cells
        # A frame that keeps the aspect of a plane leaves cells of its shorter side unused.
        squashed = used == (cells, cells)
        return (height / cells, width / cells) if squashed else (longest, longest)


def object_of_logits(logits: NDArray[np.float32], view: CropView) -> Region | None:
    """Return the region of the plane where logits are positive; None if they are nowhere."""
    rows, cols = view.frame.cells_used(len(logits))
    inside = logits[:rows, :cols] > 0
    if not inside.any():
        return None
    height, width = view.cell_sides(len(logits))
    at_rows, at_cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, left = view.crop.box[:2]
    return (
        top + at_rows[0] * height,
        left + at_cols[0] * width,
        top + (at_rows[-1] + 1) * height,
        left + (at_cols[-1] + 1) * width,
    )


def resample_logits(
    logits: NDArray[np.float32], source: CropView, target: CropView
) -> NDArray[np.float32]:
    """Return logits of one crop in the cells of another, bilinear; :data:`OUTSIDE` elsewhere.

    Parameters
    ----------
    logits : ndarray
        (m, m) float32.
    source, target : CropView
        The crop that they belong to, and the other.
    """
    cells = len(logits)
    places = []
    for axis in range(2):
        own, new = source.cell_sides(cells)[axis], target.cell_sides(cells)[axis]
        pixels = target.crop.box[axis] + (np.arange(cells) + 0.5) * new
        # Of the sampling, -1 is the outer edge of the first cell and 1 that of the last.
        places.append((pixels - source.crop.box[axis]) / (own * cells) * 2 - 1)
    x, y = np.meshgrid(places[1], places[0])
    where = torch.from_numpy(np.stack([x, y], axis=-1)[None].astype(np.float32))
    raised = torch.from_numpy(logits.copy())[None, None] - OUTSIDE
    sampled = F.grid_sample(raised, where, align_corners=False)[0, 0] + OUTSIDE
    out: NDArray[np.float32] = sampled.numpy()
    return out
