"""Masks as packed bits in one piece of memory or in a file, and the pixels that they share.

Packed masks are described in :mod:`napari_segany.core.binary_mask`. Sets of a hundred thousand
masks are chosen from and compared without a Python object for each.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BYTES_AT_ONCE = 2**20
"""Bytes of pairs of masks that are compared together."""


@dataclass(frozen=True, eq=False)
class PackedMasks:
    """N packed masks.

    Attributes
    ----------
    buffer : ndarray
        (B,) uint8, the bits of all masks; it may be a file that is mapped to memory.
    starts : ndarray
        (N,) int64 first byte of each mask.
    sizes : ndarray
        (N, 2) int64 rows, and bytes of a row, of each mask.
    """

    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, masks: Sequence[NDArray[np.uint8]]) -> "PackedMasks":
        """Join masks that were packed one by one."""
        sizes = np.array([bits.shape for bits in masks], np.int64).reshape(-1, 2)
        ends = sizes.prod(axis=1).cumsum()
        parts = [np.zeros(0, np.uint8), *(bits.ravel() for bits in masks)]
        return cls(np.concatenate(parts), ends - sizes.prod(axis=1), sizes)

    @classmethod
    def concatenate(cls, parts: Iterable["PackedMasks"]) -> "PackedMasks":
        """Join several of them, in order, in one piece of memory."""
        compact = [part.compacted() for part in parts]
        lengths = [len(part.buffer) for part in compact]
        before = np.cumsum([0, *lengths])[:-1].tolist()
        starts = [part.starts + first for part, first in zip(compact, before, strict=True)]
        return cls(
            np.concatenate([np.zeros(0, np.uint8), *(part.buffer for part in compact)]),
            np.concatenate([np.zeros(0, np.int64), *starts]),
            np.concatenate([np.zeros((0, 2), np.int64), *(part.sizes for part in compact)]),
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self.bits(i) for i in range(len(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Masks that were left out are not sent to other processes, nor is the name of a file.
        compact = self.compacted()
        return PackedMasks, (np.array(compact.buffer), compact.starts, compact.sizes)

    def bits(self, i: int) -> NDArray[np.uint8]:
        """Return the (rows, bytes) bits of one mask."""
        start, (rows, width) = int(self.starts[i]), self.sizes[i].tolist()
        return self.buffer[start : start + rows * width].reshape(rows, width)

    def __getitem__(self, chosen: NDArray[np.integer]) -> "PackedMasks":
        """Return the chosen masks, in the given order and in the same memory."""
        return PackedMasks(self.buffer, self.starts.take(chosen), self.sizes.take(chosen, axis=0))

    def compacted(self) -> "PackedMasks":
        """Return the masks in one piece of memory without gaps and in their order."""
        lengths = self.sizes.prod(axis=1)
        ends = lengths.cumsum()
        starts = ends - lengths
        total = int(ends[-1]) if len(ends) else 0
        if total == len(self.buffer) and np.array_equal(starts, self.starts):
            return self
        buffer = np.empty(total, np.uint8)
        where = zip(self.starts.tolist(), starts.tolist(), lengths.tolist(), strict=True)
        for old, new, length in where:
            buffer[new : new + length] = self.buffer[old : old + length]
        return PackedMasks(buffer, starts, self.sizes)

    def on_disk(self, folder: str | os.PathLike[str] | None = None) -> "PackedMasks":
        """Return the masks with their bits in a temporary file, which goes when they go.

        Parameters
        ----------
        folder : path, optional
            Place of the file; by default that of temporary files.
        """
        compact = self.compacted()
        if not len(compact.buffer):
            return compact
        handle, name = tempfile.mkstemp(prefix="segany-masks-", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(compact.buffer.tobytes())
        mapped = np.memmap(name, np.uint8, "r")
        # The mapping keeps the content. Windows removes no file that is in use; its clean-up does.
        with suppress(OSError):
            Path(name).unlink()
        return PackedMasks(mapped, compact.starts, compact.sizes)

    def count_shared(
        self, boxes: NDArray[np.int64], one: NDArray[np.integer], two: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Count the pixels that pairs of masks share.

        Parameters
        ----------
        boxes : ndarray
            (N, 4) half-open box of each mask in pixels.
        one, two : ndarray
            (P,) the masks of each pair.

        Returns
        -------
        ndarray
            (P,) pixels.
        """
        top = np.maximum(boxes[one, 0], boxes[two, 0])
        left = np.maximum(boxes[one, 1], boxes[two, 1]) // 8
        rows = np.minimum(boxes[one, 2], boxes[two, 2]) - top
        # In bytes; those at the sides hold zeros beyond each mask's own box.
        width = -(-np.minimum(boxes[one, 3], boxes[two, 3]) // 8) - left
        length = np.maximum(rows, 0) * np.maximum(width, 0)
        first = [
            self.starts[i] + (top - boxes[i, 0]) * self.sizes[i, 1] + left - boxes[i, 1] // 8
            for i in (one, two)
        ]
        shared = np.zeros(len(length), np.int64)
        todo = np.flatnonzero(length)
        ends = length[todo].cumsum()
        begin = 0
        while begin < len(todo):
            before = int(ends[begin - 1]) if begin else 0
            end = max(int(np.searchsorted(ends, before + BYTES_AT_ONCE, "right")), begin + 1)
            some = todo[begin:end]
            count, across = length[some], width[some]
            # The place of every byte of every pair, within its pair.
            pair = np.repeat(np.arange(len(some)), count)
            offsets = count.cumsum() - count
            place = np.arange(int(count.sum())) - offsets[pair]
            row = place // across[pair]
            col = place - row * across[pair]
            both = [
                self.buffer[start[some][pair] + row * self.sizes[i[some], 1][pair] + col]
                for start, i in zip(first, (one, two), strict=True)
            ]
            bits = np.bitwise_count(both[0] & both[1]).astype(np.int64)
            shared[some] = np.add.reduceat(bits, offsets)
            begin = end
        return shared
