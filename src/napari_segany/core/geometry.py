"""Frames of models: (row, column) of a plane to and from the coordinates of a model.

:class:`Frame` is SAM's, a square: a plane is scaled so that its long side fills the frame and
padded below and right. Points map by ``p * scale``, as in the published code; the half pixel is
added inside the prompt encoder. Code outside of ``models/sam`` needs a :class:`PlaneFrame` only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

MASK_EPSILON = 1e-3
"""Probability, and its complement, that a binary mask prompt has as logits: +-6.9."""


PIXELS_AT_ONCE = 256
"""Width of the strips that masks are enlarged in."""


def resize(
    rgb: NDArray[np.uint8],
    shape: tuple[int, int],
    how: Image.Resampling,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[np.uint8]:
    """Scale (H, W, 3) uint8 to ``shape``, colour by colour, and the one of a gray image once.

    Pillow would hold four bytes a pixel for all colours together. With ``box`` only the part
    between x0, y0, x1 and y1 is scaled.
    """
    gray = rgb.strides[2] == 0
    scaled = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(rgb[..., i])).resize(
                (shape[1], shape[0]), how, box=box
            )
        )
        for i in range(1 if gray else 3)
    ]
    return np.stack(scaled * 3 if gray else scaled, axis=-1)


class PlaneFrame(Protocol):
    """The relation between a plane's pixels and the cells of a model's low-resolution logits.

    Masks are enlarged and outlined through these members, so another family of models may place
    planes in its own way: with another aspect ratio, padding or number of cells.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane in pixels."""
        ...

    @property
    def mask_side(self) -> int:
        """Side of the low-resolution logits, in cells."""
        ...

    def cells_used(self, cells: int) -> tuple[int, int]:
        """Return the rows and columns that the plane depends on, of ``cells`` x ``cells``."""
        ...

    def extent(self, cells: int) -> tuple[float, float]:
        """Return the height and width of the plane in cells, of a frame of ``cells`` x ``cells``.

        The last cells may belong to it in part.
        """
        ...

    def pixels_of(self, cells: tuple[int, int, int, int], side: int) -> tuple[slice, slice]:
        """Return the rows and columns of pixels that a box of ``side`` cells contributes to."""
        ...

    def strips_within(
        self, logits: Tensor, cells: tuple[int, int, int, int]
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yield the enlarged logits of those pixels as strips of columns."""
        ...

    def enlarge_within(
        self, logits: Tensor, cells: tuple[int, int, int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """Return the enlarged logits of those pixels and the row and column of the first."""
        ...


@dataclass(frozen=True, eq=False)
class _Resizing:
    """The two bilinear steps of enlarging along one axis, as a banded matrix.

    Attributes
    ----------
    weights : Tensor
        (pixels, cells); row p holds what each cell contributes to pixel p.
    first_cell, last_cell : ndarray
        (pixels,) the first and last cell that contribute to each pixel.
    first_pixel, last_pixel : ndarray
        (cells,) the first and last pixel that each cell contributes to; none where first > last.
    """

    weights: Tensor
    first_cell: NDArray[np.int64]
    last_cell: NDArray[np.int64]
    first_pixel: NDArray[np.int64]
    last_pixel: NDArray[np.int64]

    @staticmethod
    @lru_cache(maxsize=16)
    def make(cells: int, side: int, scaled: int, size: int) -> "_Resizing":
        """Return the steps from ``cells`` to ``side``; ``scaled`` of it become ``size`` pixels."""
        each_cell = torch.eye(cells)[None]
        x = F.interpolate(each_cell, side, mode="linear", align_corners=False)
        x = F.interpolate(x[..., :scaled], size, mode="linear", align_corners=False)
        weights = x[0].T.contiguous()
        used = (weights > 0).numpy()
        return _Resizing(
            weights,
            first_cell=used.argmax(axis=1),
            last_cell=cells - 1 - used[:, ::-1].argmax(axis=1),
            first_pixel=np.where(used.any(axis=0), used.argmax(axis=0), size),
            last_pixel=np.where(used.any(axis=0), size - 1 - used[::-1].argmax(axis=0), -1),
        )

    def pixels(self, start: int, stop: int) -> slice:
        """Return the pixels that cells ``start`` to ``stop`` contribute to."""
        if start >= stop:
            return slice(0, 0)
        first = int(self.first_pixel[start:stop].min())
        return slice(first, max(first, int(self.last_pixel[start:stop].max()) + 1))

    def cells(self, pixels: slice) -> slice:
        """Return the cells that contribute to some pixels."""
        first = int(self.first_cell[pixels].min())
        return slice(first, int(self.last_cell[pixels].max()) + 1)

    def weights_of(self, pixels: slice, like: Tensor) -> Tensor:
        """Return the (pixels, cells) weights of pixels and the cells that contribute to them."""
        part = pixels, self.cells(pixels)
        if like.device.type == "cpu":
            return self.weights[part]
        return _copied(self, like.device)[part].contiguous()


@lru_cache(maxsize=4)
def _copied(resizing: _Resizing, device: torch.device) -> Tensor:
    """Return the weights of a resizing on a device, copied once and not for every mask."""
    return resizing.weights.to(device)


@dataclass(frozen=True)
class Frame:
    """The place of one plane in SAM's square frame, a :class:`PlaneFrame`.

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
        return resize(rgb, self.scaled, Image.Resampling.BILINEAR)

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

    def enlarge_within(
        self, logits: Tensor, cells: tuple[int, int, int, int]
    ) -> tuple[Tensor, tuple[int, int]]:
        """Enlarge low-resolution logits to the pixels that depend on a box of cells.

        The published code enlarges whole planes in two bilinear steps, to the frame and from
        there to the plane; one step would give other pixels at the borders of objects. Both are
        linear and separable, so a pixel is known from the few cells around it, and small objects
        never cost a whole plane.

        Parameters
        ----------
        logits : Tensor
            (m, m) float32.
        cells : tuple of int
            Half-open row_min, col_min, row_max, col_max in cells, within the plane's part.

        Returns
        -------
        pixels : Tensor
            (h, w) logits of all pixels that any of the cells contributes to.
        origin : tuple of int
            Row and column in the plane of the first of them.
        """
        rows, cols = self.pixels_of(cells, logits.shape[-1])
        out = logits.new_empty(rows.stop - rows.start, cols.stop - cols.start)
        for part, pixels in self.strips_within(logits, cells):
            out[:, part] = pixels
        return out, (rows.start, cols.start)

    def pixels_of(self, cells: tuple[int, int, int, int], side: int) -> tuple[slice, slice]:
        """Return the rows and columns of pixels that a box of ``side`` cells contributes to."""
        by_row, by_col = self._resizings(side)
        rows, cols = by_row.pixels(cells[0], cells[2]), by_col.pixels(cells[1], cells[3])
        # No cells, or cells that a plane of fewer pixels than cells leaves out.
        empty = rows.start == rows.stop or cols.start == cols.stop
        return (slice(0, 0), slice(0, 0)) if empty else (rows, cols)

    def strips_within(
        self, logits: Tensor, cells: tuple[int, int, int, int]
    ) -> Iterator[tuple[slice, Tensor]]:
        """Enlarge as :meth:`enlarge_within` does, in strips of columns that take little memory.

        Yields
        ------
        part : slice
            Columns of the strip, counted from the first of all.
        pixels : Tensor
            (h, n) logits.
        """
        rows, cols = self.pixels_of(cells, logits.shape[-1])
        if rows.start == rows.stop:
            return
        by_row, by_col = self._resizings(logits.shape[-1])
        needed = by_row.cells(rows), by_col.cells(cols)
        narrow = by_row.weights_of(rows, logits) @ logits[needed[0], needed[1]]
        for start in range(cols.start, cols.stop, PIXELS_AT_ONCE):
            # A strip of pixels needs a narrow band of cells only.
            strip = slice(start, min(start + PIXELS_AT_ONCE, cols.stop))
            band = by_col.cells(strip)
            inside = slice(band.start - needed[1].start, band.stop - needed[1].start)
            weights = by_col.weights_of(strip, logits)
            part = slice(strip.start - cols.start, strip.stop - cols.start)
            yield part, narrow[:, inside] @ weights.T

    def cells_used(self, cells: int) -> tuple[int, int]:
        """Return the rows and columns that the plane depends on, of ``cells`` x ``cells``."""
        by_row, by_col = self._resizings(cells)
        return int(by_row.last_cell[-1]) + 1, int(by_col.last_cell[-1]) + 1

    def extent(self, cells: int) -> tuple[float, float]:
        """Return the height and width of the plane in cells, of a frame of ``cells`` x ``cells``.

        The last cells may belong to it in part.
        """
        height, width = self.scaled
        return height * cells / self.side, width * cells / self.side

    def _resizings(self, cells: int) -> tuple[_Resizing, _Resizing]:
        by_row, by_col = (
            _Resizing.make(cells, self.side, scaled, size)
            for size, scaled in zip(self.shape, self.scaled, strict=True)
        )
        return by_row, by_col


@dataclass(frozen=True)
class SquashedFrame(Frame):
    """The place of one plane in a square frame that it fills, whatever its shape.

    Attributes
    ----------
    cells : int, optional
        Side of the low-resolution logits; by default a quarter of the frame.

    Notes
    -----
    Logits are enlarged to the plane in one bilinear step, as in the published code of SAM 2.
    """

    cells: int | None = None

    @property
    def scaled(self) -> tuple[int, int]:
        """(h, w) of the plane inside the frame: all of it."""
        return self.side, self.side

    @property
    def mask_side(self) -> int:
        """Side of the low-resolution logits."""
        return self.cells or super().mask_side

    def _resizings(self, cells: int) -> tuple[_Resizing, _Resizing]:
        by_row, by_col = (_Resizing.make(cells, cells, cells, size) for size in self.shape)
        return by_row, by_col
