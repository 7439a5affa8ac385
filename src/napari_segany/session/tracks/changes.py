"""Reversible changes of tracks: rows of the table, and pixels of frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_edit import FrameMask, rebuilt
from napari_segany.linking.tracks.track_table import TrackTable


@dataclass(frozen=True)
class Patch:
    """Pixels of a frame that go from one id to another.

    Attributes
    ----------
    frame : int
        The frame.
    start, shape : tuple of int
        First corner and size of their box in the frame.
    bits : bytes
        The pixels in the box, eight a byte.
    before, after : int
        Their ids; 0 for none.
    """

    frame: int
    start: tuple[int, ...]
    shape: tuple[int, ...]
    bits: bytes
    before: int
    after: int

    @classmethod
    def of(cls, frame: int, mask: FrameMask, before: int, after: int) -> "Patch":
        """Return the change of the pixels of a mask."""
        bits = np.packbits(mask.pixels).tobytes()
        return cls(frame, mask.start, mask.pixels.shape, bits, before, after)

    @property
    def mask(self) -> FrameMask:
        """The pixels."""
        count = int(np.prod(self.shape))
        flat = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=count)
        return FrameMask(self.start, flat.view(bool).reshape(self.shape))

    def reversed(self) -> "Patch":
        """Return the change back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, eq=False)
class TableChange:
    """Rows and parents that leave a table, and those that enter it.

    Attributes
    ----------
    removed, added : TrackTable
        The rows, without parents.
    parents_removed, parents_added : mapping
        Parents by track.
    """

    removed: TrackTable
    added: TrackTable
    parents_removed: Mapping[int, int] = field(default_factory=dict)
    parents_added: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def between(cls, before: TrackTable, after: TrackTable) -> "TableChange":
        """Return the change from one table to another, whose labels are the ids of tracks."""
        if before is after:
            nothing = _rows(before, np.zeros(len(before.frame), bool))
            return cls(nothing, nothing)
        factor = 1 + max(_largest(before), _largest(after))
        one, two = (table.frame * factor + table.track for table in (before, after))
        changed, new = np.ones(len(one), bool), np.ones(len(two), bool)
        if len(one) and len(two):
            at = np.minimum(np.searchsorted(two, one), len(two) - 1)
            common = np.flatnonzero(two[at] == one)
            there = at[common]
            same = _same_rows(before, common, after, there)
            changed[common[same]] = False
            new[there[same]] = False
        old_pairs, new_pairs = before.parents.items(), after.parents.items()
        return cls(
            _rows(before, changed),
            _rows(after, new),
            {c: p for c, p in old_pairs if after.parents.get(c) != p},
            {c: p for c, p in new_pairs if before.parents.get(c) != p},
        )

    @property
    def is_empty(self) -> bool:
        """True if nothing changes."""
        rows = len(self.removed.frame) or len(self.added.frame)
        return not (rows or self.parents_removed or self.parents_added)

    def reversed(self) -> "TableChange":
        """Return the change back."""
        return TableChange(self.added, self.removed, self.parents_added, self.parents_removed)

    def apply(self, table: TrackTable) -> TrackTable:
        """Return the table after the change.

        Raises
        ------
        InputError
            If rows that are removed are not there.
        """
        factor = 1 + max(_largest(table), _largest(self.removed))
        gone = self.removed.frame * factor + self.removed.track
        present = table.frame * factor + table.track
        at = np.searchsorted(present, gone)
        if (at >= len(present)).any() or (present[at] != gone).any():
            raise InputError("A change removes objects that are not in the tracks.")
        kept = np.ones(len(table.frame), bool)
        kept[at] = False
        left, added = _rows(table, kept), self.added
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(left, name), getattr(added, name)])
            for name in ("frame", "track", "position", "area", "confidence")
        }
        columns["features"] = {
            name: np.concatenate([column, added.features[name]])
            for name, column in left.features.items()
        }
        parents = {c: p for c, p in table.parents.items() if c not in self.parents_removed}
        return rebuilt(table, columns, parents | dict(self.parents_added))


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a session: everything that it changed.

    Attributes
    ----------
    name : str
        The step in words.
    change : TableChange
        Change of the table.
    patches : tuple of Patch
        Changes of pixels, in order.
    accepted : frozenset
        Links that were accepted: frame and track of their later object.
    """

    name: str
    change: TableChange
    patches: tuple[Patch, ...] = ()
    accepted: frozenset[tuple[int, int]] = frozenset()

    @property
    def size(self) -> int:
        """Memory in bytes, roughly."""
        rows = len(self.change.removed.frame) + len(self.change.added.frame)
        each = 8 * (7 + len(self.change.removed.features))
        return rows * each + sum(len(patch.bits) + 200 for patch in self.patches)


def _largest(table: TrackTable) -> int:
    return int(table.track.max(initial=0))


def _rows(table: TrackTable, rows: NDArray[np.bool_]) -> TrackTable:
    """Return some rows without parents."""
    columns = ("frame", "track", "label", "position", "area", "confidence")
    found: dict[str, Any] = {name: getattr(table, name)[rows] for name in columns}
    features = {name: column[rows] for name, column in table.features.items()}
    return replace(table, parents={}, features=features, **found)


def _same_rows(
    before: TrackTable, rows: NDArray[np.intp], after: TrackTable, there: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return for pairs of rows if all their columns are equal."""
    same: NDArray[np.bool_] = before.area[rows] == after.area[there]
    same &= (before.position[rows] == after.position[there]).all(axis=1)
    same &= _equal(before.confidence[rows], after.confidence[there])
    for name, column in before.features.items():
        same &= _equal(column[rows], after.features[name][there])
    return same


def _equal(one: NDArray[Any], two: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = one == two
    if one.dtype.kind == "f":
        found |= np.isnan(one) & np.isnan(two)
    return found
