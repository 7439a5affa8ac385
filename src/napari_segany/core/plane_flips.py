"""Mirror images of a plane: its pixels, prompts about it, and logits of what is found in it."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.geometry import PlaneFrame
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt

Scalar = TypeVar("Scalar", bound=np.generic)

INSIDE = 0.499
"""Distance in pixels from the middle of the first pixel at which a box ends within the plane."""


@dataclass(frozen=True)
class Flip:
    """A mirror image of a plane; the same flip again gives the plane.

    Attributes
    ----------
    rows, columns : bool
        Whether their order is reversed; both turns the plane by 180 degrees.
    """

    rows: bool
    columns: bool

    @property
    def axes(self) -> tuple[bool, bool]:
        """Rows and columns: True for each that is reversed."""
        return self.rows, self.columns

    def plane(self, pixels: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return (H, W, ...) pixels of the mirror image, a view of those that are given."""
        return pixels[tuple(slice(None, None, -1 if each else 1) for each in self.axes)]

    def prompt(self, prompt: Prompt, frame: PlaneFrame) -> Prompt:
        """Return a prompt about a plane as one about its mirror image.

        Parameters
        ----------
        prompt : Prompt
            The prompt.
        frame : PlaneFrame
            The place of the plane in the model's frame.
        """
        parts: dict[str, Any] = {}
        if prompt.points is not None:
            parts["points"] = self._points(prompt.points, frame.shape)
        if prompt.box is not None:
            corners = self._points(prompt.box.reshape(2, 2), frame.shape)
            # A box may begin within the last half pixel, and lies inside then.
            last = np.maximum(corners.max(axis=0), -INSIDE)
            parts["box"] = np.concatenate([corners.min(axis=0), last])
        if prompt.region is not None:
            parts["mask"] = self._mask(prompt.region)
        if prompt.mask_logits is not None:
            parts["mask_logits"] = self.logits(prompt.mask_logits, frame)
        return prompt.changed(**parts)

    def logits(self, logits: NDArray[np.float32], frame: PlaneFrame) -> NDArray[np.float32]:
        """Return (..., m, m) low-resolution logits of a plane as those of its mirror image.

        Cells beyond those that the plane depends on have no mirror image, and stay.
        """
        flipped = self.cells(logits, frame, logits.shape[-1]).copy()
        rows, cols = frame.cells_used(logits.shape[-1])
        flipped[..., rows:, :] = logits[..., rows:, :]
        flipped[..., cols:] = logits[..., cols:]
        return flipped

    def cells(
        self, values: NDArray[np.float32], frame: PlaneFrame, cells: int
    ) -> NDArray[np.float32]:
        """Return (..., h, w) values in cells of a plane as those of its mirror image.

        Where the plane is no whole number of cells high or wide, values are linear between them.

        Parameters
        ----------
        values : ndarray
            float32, of the first h rows and w columns of cells of the frame.
        frame : PlaneFrame
            The place of the plane, and of its mirror image, in the model's frame.
        cells : int
            Cells along each side of the frame.
        """
        extent = frame.extent(cells)
        for axis, (flipped, used) in enumerate(zip(self.axes, extent, strict=True)):
            if flipped:
                values = _reverse(values, axis - 2, used)
        return values

    def _points(self, points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
        moved = np.where(self.axes, np.subtract(shape, 1) - points, points)
        return moved.astype(np.float64)

    def _mask(self, mask: MaskSet) -> MaskSet:
        """Return one mask of a plane as one of the mirror image."""
        a, b, c, d = mask.boxes[0].tolist()
        height, width = mask.shape
        origin = height - c if self.rows else a, width - d if self.columns else b
        return MaskSet.from_crops(mask.shape, [self.plane(mask.crop(0))], [origin])


TURNED = Flip(rows=True, columns=True)

FLIPS = (TURNED, Flip(rows=False, columns=True), Flip(rows=True, columns=False))
"""The mirror images of a plane, in the order in which further views show them."""


def _reverse(values: NDArray[np.float32], axis: int, used: float) -> NDArray[np.float32]:
    """Return values along an axis of cells, of which ``used`` belong to the plane, in reverse."""
    length = values.shape[axis]
    # The middle of cell i lies i + 0.5 cells from one end of the plane and as far from the other.
    places = np.clip(used - 1 - np.arange(length), 0, length - 1)
    first = np.floor(places).astype(np.int64)
    second = np.minimum(first + 1, length - 1)
    part = (places - first).astype(np.float32)
    part = part if axis == -1 else part[:, None]
    ends = np.take(values, first, axis), np.take(values, second, axis)
    reversed_values: NDArray[np.float32] = ends[0] * (1 - part) + ends[1] * part
    return reversed_values
