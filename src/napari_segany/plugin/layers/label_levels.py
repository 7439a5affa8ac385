"""Levels of a labels layer that are painted in blocks, only where the canvas shows them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane
from napari_segany.core.level_paint import WindowLabels, level_box

BLOCK = 512
"""Side of a block in pixels of its level."""

MOST_BLOCKS = 1024
"""Blocks that are kept, 1 MB each."""

Block = tuple[int, int, int]
"""Level, row and column of a block."""


def level_steps(shape: tuple[int, int]) -> tuple[int, ...]:
    """Return the steps of the levels of a plane of ``shape`` (H, W), the last of one block.

    Examples
    --------
    >>> level_steps((3000, 4000))
    (1, 2, 4, 8)
    """
    steps = [1]
    while -(-max(shape) // steps[-1]) > BLOCK:
        steps.append(2 * steps[-1])
    return tuple(steps)


@dataclass(frozen=True, eq=False)
class PaintedBlocks:
    """Labels of a plane, and blocks of them that are painted.

    Attributes
    ----------
    labels : WindowLabels
        The labels.
    blocks : dict
        (h, w) int32 pixels by block.
    """

    labels: WindowLabels
    blocks: dict[Block, NDArray[np.int32]]


class LabelLevels:
    """Levels of the labels of one plane at a time, which a multiscale labels layer shows.

    Blocks that are not painted yet are shown from the coarsest level, and are noted as missing, or
    they are painted when they are read. All methods but :meth:`paint` are called in the GUI thread.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image's labels.
    axes : tuple of int
        The two axes of its planes.

    on_missing : callable, optional
        Called in the GUI thread when a block is read that is not painted. Without it reading
        paints, which is meant for labels of a few objects.

    Attributes
    ----------
    steps : tuple of int
        Pixels of the plane for a pixel of each level.
    levels : list of LabelLevel
        The arrays of the layer.
    missing : set
        Blocks that were asked for and are not painted.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        axes: tuple[int, int],
        on_missing: Callable[[], object] | None = None,
    ) -> None:
        self.shape, self.axes, self._on_missing = tuple(shape), axes, on_missing
        self.plane_shape = shape[axes[0]], shape[axes[1]]
        self.steps = level_steps(self.plane_shape)
        self.levels = [LabelLevel(self, number) for number in range(len(self.steps))]
        self.missing: set[Block] = set()
        # Blocks that were shown last, which are painted with the next labels.
        self._seen: set[Block] = set()
        self._plane: Plane | None = None
        self._painted: PaintedBlocks | None = None

    def level_shape(self, level: int) -> tuple[int, int]:
        """Return (h, w) of the plane at a level."""
        rows, cols = (-(-length // self.steps[level]) for length in self.plane_shape)
        return rows, cols

    @property
    def in_view(self) -> tuple[Block, ...]:
        """Blocks that new labels are painted in before they are shown."""
        last = (len(self.steps) - 1, 0, 0)
        return tuple(sorted(self._seen | {last}))

    def paint(
        self,
        labels: WindowLabels,
        blocks: Iterable[Block],
        known: PaintedBlocks | None = None,
        changed: NDArray[np.int64] | None = None,
    ) -> PaintedBlocks:
        """Paint blocks; called in any thread.

        Parameters
        ----------
        labels : WindowLabels
            The labels.
        blocks : iterable of tuple
            The blocks.
        known : PaintedBlocks, optional
            Labels of the same plane.
        changed : ndarray, optional
            (n, 4) half-open boxes of the plane outside of which the known labels are the same.

        Returns
        -------
        PaintedBlocks
            These blocks, and known ones in which nothing changed.
        """
        same = {}
        if known is not None and changed is not None:
            same = self._unchanged(known.blocks, changed)
        made = {}
        for block in blocks:
            if block not in same:
                made[block] = self._paint_block(labels, block)
        return PaintedBlocks(labels, {**same, **made})

    def _paint_block(self, labels: WindowLabels, block: Block) -> NDArray[np.int32]:
        level, row, col = block
        height, width = self.level_shape(level)
        origin = row * BLOCK, col * BLOCK
        out = np.zeros((min(BLOCK, height - origin[0]), min(BLOCK, width - origin[1])), np.int32)
        # Pixels in the middle of a step may lie beyond the plane, where no mask is.
        labels.paint(out, origin, self.steps[level])
        return out

    def _unchanged(
        self, blocks: dict[Block, NDArray[np.int32]], changed: NDArray[np.int64]
    ) -> dict[Block, NDArray[np.int32]]:
        kept = {}
        for level, step in enumerate(self.steps):
            here = [block for block in blocks if block[0] == level]
            if not here:
                continue
            rows, cols = (-(-n // BLOCK) for n in self.level_shape(level))
            touched = np.zeros((rows + 1, cols + 1), np.int64)
            boxes = level_box(changed, step)
            boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
            first, last = boxes[:, :2] // BLOCK, (boxes[:, 2:] - 1) // BLOCK + 1
            # Sums over rows and columns count the boxes that touch each block.
            for sign, r, c in (
                (1, first[:, 0], first[:, 1]),
                (-1, first[:, 0], last[:, 1]),
                (-1, last[:, 0], first[:, 1]),
                (1, last[:, 0], last[:, 1]),
            ):
                np.add.at(touched, (r, c), sign)
            count = touched.cumsum(axis=0).cumsum(axis=1)
            kept.update({each: blocks[each] for each in here if not count[each[1], each[2]]})
        return kept

    def show(self, plane: Plane | None, painted: PaintedBlocks | None) -> None:
        """Take the labels of a plane in place of what was shown; None for none."""
        self._plane, self._painted = plane, painted
        self.missing.clear()

    def add(self, painted: PaintedBlocks) -> bool:
        """Take more blocks of the labels that are shown; False if others are shown by now."""
        shown = self._painted
        if shown is None or shown.labels is not painted.labels:
            return False
        blocks = {**shown.blocks, **painted.blocks}
        for block in list(blocks)[: max(len(blocks) - MOST_BLOCKS, 0)]:
            if block[0] != len(self.steps) - 1:
                del blocks[block]
        self._painted = PaintedBlocks(shown.labels, blocks)
        self.missing -= set(painted.blocks)
        return True

    @property
    def painted(self) -> PaintedBlocks | None:
        """The labels that are shown, with their blocks."""
        return self._painted

    def read(self, level: int, plane: Plane, rows: range, cols: range) -> NDArray[np.int32]:
        """Return labels of a window of a level; see the class."""
        out = np.zeros((len(rows), len(cols)), np.int32)
        if self._painted is None or plane != self._plane or not out.size:
            return out
        blocks = self._painted.blocks
        seen = set()
        for row in range(rows.start // BLOCK, (rows.stop - 1) // BLOCK + 1):
            for col in range(cols.start // BLOCK, (cols.stop - 1) // BLOCK + 1):
                block = level, row, col
                seen.add(block)
                top, left = max(row * BLOCK, rows.start), max(col * BLOCK, cols.start)
                bottom = min((row + 1) * BLOCK, rows.stop)
                right = min((col + 1) * BLOCK, cols.stop)
                part = blocks.get(block)
                if part is None and self._on_missing is None:
                    part = blocks[block] = self._paint_block(self._painted.labels, block)
                if part is None:
                    self.missing.add(block)
                    part = self._from_coarsest(level, range(top, bottom), range(left, right))
                else:
                    at = top - row * BLOCK, left - col * BLOCK
                    part = part[at[0] : at[0] + bottom - top, at[1] : at[1] + right - left]
                out[
                    top - rows.start : bottom - rows.start, left - cols.start : right - cols.start
                ] = part
        if level < len(self.steps) - 1:
            self._seen = seen
        if self.missing and self._on_missing is not None:
            self._on_missing()
        return out

    def _from_coarsest(self, level: int, rows: range, cols: range) -> NDArray[np.int32]:
        last = len(self.steps) - 1
        coarse = None if self._painted is None else self._painted.blocks.get((last, 0, 0))
        if coarse is None:
            return np.zeros((len(rows), len(cols)), np.int32)
        factor = self.steps[last] // self.steps[level]
        found: NDArray[np.int32] = coarse[
            np.ix_(np.array(rows) // factor, np.array(cols) // factor)
        ]
        return found


class LabelLevel:
    """One level of :class:`LabelLevels` as an array that napari reads.

    Parameters
    ----------
    owner : LabelLevels
        All levels.
    number : int
        The level.
    """

    dtype = np.dtype(np.int32)

    def __init__(self, owner: LabelLevels, number: int) -> None:
        self._owner, self._number = owner, number
        sides = dict(zip(owner.axes, owner.level_shape(number), strict=True))
        self.shape = tuple(sides.get(axis, n) for axis, n in enumerate(owner.shape))
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, key: Any) -> NDArray[np.int32]:
        """Return the labels at integers and slices along the axes."""
        keys: Sequence[Any] = key if isinstance(key, tuple) else (key,)
        full = [*keys, *[slice(None)] * (self.ndim - len(keys))]
        leading = [each for axis, each in enumerate(full) if axis not in self._owner.axes]
        if any(isinstance(each, slice) for each in leading):
            # Seen from another side or in 3-D there is nothing to show.
            return np.broadcast_to(np.int32(0), self.shape)[tuple(full)]
        spans = []
        plane: list[int | None] = []
        for axis, (each, length) in enumerate(zip(full, self.shape, strict=True)):
            if axis in self._owner.axes:
                one = not isinstance(each, slice)
                span = range(length)[slice(int(each), int(each) + 1) if one else each]
                spans.append((range(span.start, span.stop), span.step, one))
                plane.append(None)
            else:
                plane.append(int(each))
        (rows, down, one_row), (cols, right, one_col) = spans
        found = self._owner.read(self._number, tuple(plane), rows, cols)[::down, ::right]
        return found[0 if one_row else slice(None), ...][..., 0 if one_col else slice(None)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        # Of the coarsest level napari makes a thumbnail; finer ones are never read as a whole.
        del copy
        return np.asarray(self[tuple(slice(None) for _ in self.shape)], dtype)
