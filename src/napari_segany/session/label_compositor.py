"""The label compositor: add objects to labels and remove them again, whatever lies over them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.session.labels_target import Box, LabelsTarget, pixels_of
from napari_segany.session.state import SegmentedObject

Loss = Literal["undone", "painted over"]
"""Its pixels have the values from before, or values that the session did not write."""

CELL = 128
"""Side in pixels of the cells of the index by which overlapping objects are found."""

CELL_PLANES = 8
"""Planes of such a cell: an object through planes has one part on each of hundreds."""


@dataclass
class _Patch:
    """Pixels that one object wrote.

    Attributes
    ----------
    each : SegmentedObject
        The object.
    order : int
        Number of its commit.
    where : ndarray
        Pixels of the object in the box, visible or below others.
    before : ndarray
        (n,) labels below these pixels.
    visible : int
        Number of its pixels that no other object covers.
    probe : tuple of int
        A pixel of ``where`` in the image, which is visible as far as is known; empty without any.
    """

    each: SegmentedObject
    box: Box
    label: int
    order: int
    where: NDArray[np.bool_]
    before: NDArray[np.integer]
    visible: int
    probe: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.probe = self.first(self.where) if self.where.any() else ()

    def first(self, where: NDArray[np.bool_]) -> tuple[int, ...]:
        """Return the first of some pixels of the box, in the image."""
        at = np.unravel_index(int(where.argmax()), where.shape)
        return tuple(side.start + int(k) for side, k in zip(self.box, at, strict=True))

    def full(self) -> NDArray[np.integer]:
        """Return the labels below, as an image of the box."""
        image = np.zeros(self.where.shape, self.before.dtype)
        image[self.where] = self.before
        return image


@dataclass(eq=False)
class _Probes:
    """The probes of all patches, to be read in one go.

    Attributes
    ----------
    patches : list of _Patch
        The N patches that wrote any pixel.
    pixels : ndarray
        (ndim, N) their probes.
    labels : ndarray
        (N,) the labels that they wrote there.
    """

    patches: list[_Patch]
    pixels: NDArray[np.intp]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, patches: list[_Patch]) -> "_Probes":
        pixels = np.array([patch.probe for patch in patches], np.intp).T
        return cls(patches, pixels, np.array([patch.label for patch in patches], np.int64))

    def move(self, number: int, probe: tuple[int, ...]) -> None:
        """Use another pixel of a patch."""
        self.patches[number].probe = probe
        self.pixels[:, number] = probe


class LabelCompositor:
    """Adds objects to labels and removes them again.

    The compositor knows the stack of objects at every pixel, in the order of commits. Removing an
    object changes only pixels that it wrote and that still have its label, so that paint by hand
    stays. These pixels get the label of the object below.
    """

    def __init__(self, target: LabelsTarget) -> None:
        self.target = target
        self._patches: dict[int, _Patch] = {}
        # Patches by cell of the image, an index for finding neighbours.
        self._cells: dict[tuple[int, ...], set[int]] = {}
        self._probes: _Probes | None = None

    @property
    def objects(self) -> list[SegmentedObject]:
        """The objects that are in the labels."""
        return [patch.each for patch in self._patches.values()]

    def __contains__(self, number: int) -> bool:
        return number in self._patches

    def add(self, each: SegmentedObject) -> SegmentedObject:
        """Add a committed object, below the objects that were committed later.

        An object that is added again gets the same pixels, whichever other objects are present.
        Only paint by hand in the meantime excludes pixels, with "keep".

        Returns
        -------
        SegmentedObject
            The object, whose commit knows the pixels that it left out.
        """
        commit, label = each.commit, each.label
        assert commit is not None
        assert label is not None
        box, wanted = pixels_of(commit.mask, each.plane)
        below = self.target.read(box)
        near = sorted(self._overlapping(box), key=lambda p: -p.order)
        later = [p for p in near if p.order > commit.order]
        earlier = near[len(later) :]
        # For every pixel the lowest patch that covers it, 0 for none.
        cover = np.zeros(wanted.shape, np.intp)
        for k, patch in enumerate(later, start=1):
            _lift(patch, box, below, cover, k)
        where = wanted
        if commit.left_out is not None:
            where = wanted & ~_left_out(commit.left_out, commit.mask).reshape(wanted.shape)
        if commit.on_overlap == "keep" and below[where].any():
            bottom = below
            if commit.left_out is not None:
                bottom = below.copy()
                for patch in earlier:
                    _lift(patch, box, bottom)
            # Pixels with this label, for example from the undo of the labels, are this object.
            where = where & ((bottom == 0) | (bottom == label))
        visible = where & (cover == 0)
        self.target.write(box, visible, np.full(int(visible.sum()), label, below.dtype))
        for k, patch in enumerate(later, start=1):
            mine, theirs = _common(box, patch.box)
            image = patch.full()
            image[theirs] = np.where(where[mine] & (cover[mine] == k), label, image[theirs])
            patch.before = image[patch.where]
        _count_visible(earlier, box, visible, below, -1)
        if commit.left_out is None:
            each = replace(each, commit=replace(commit, left_out=_rest(commit.mask, where)))
        count = int(np.count_nonzero(visible))
        self._probes = None
        self._patches[each.id] = _Patch(each, box, label, commit.order, where, below[where], count)
        for cell in _cells_of(box):
            self._cells.setdefault(cell, set()).add(each.id)
        return each

    def remove(self, number: int) -> None:
        """Remove an object; its pixels get the label below."""
        patch = self._patches[number]
        now = self.target.read(patch.box)
        below = patch.full()
        still = patch.where & (now == patch.label)
        self.target.write(patch.box, still, below[still])
        del self._patches[number]
        self._probes = None
        for cell in _cells_of(patch.box):
            self._cells[cell].discard(number)
        others = list(self._overlapping(patch.box))
        for other in others:
            mine, theirs = _common(patch.box, other.box)
            image = other.full()
            on_it = patch.where[mine] & (image[theirs] == patch.label)
            image[theirs] = np.where(on_it, below[mine], image[theirs])
            other.before = image[other.where]
        _count_visible(others, patch.box, still, below, 1)

    def area(self, number: int) -> int:
        """Return the number of pixels of an object that no other object covers."""
        return self._patches[number].visible

    def missing(self) -> dict[int, Loss]:
        """Return the objects that were removed from the labels from outside, and their loss.

        An object that is only covered by objects committed later is not missing. One visible pixel
        of each object is known, and all of these are read at once; further pixels are read for
        objects of which none is visible there any more.
        """
        if self._probes is None:
            self._probes = _Probes.of([p for p in self._patches.values() if len(p.before)])
        known = self._probes
        if not known.patches:
            return {}
        there = self.target.read_pixels(tuple(known.pixels)) == known.labels
        found: dict[int, Loss] = {}
        for k in np.flatnonzero(~there).tolist():
            patch = known.patches[k]
            now = self.target.read(patch.box)
            seen = patch.where & (now == patch.label)
            if seen.any():
                known.move(k, patch.first(seen))
            elif loss := self._loss(patch, now):
                found[patch.each.id] = loss
        return found

    def is_empty(self, number: int) -> bool:
        """Return True if an object has no pixel in the labels, visible or below others."""
        return not len(self._patches[number].before)

    def _loss(self, patch: _Patch, now: NDArray[np.integer]) -> Loss | None:
        """Return what became of a patch without a visible pixel in the labels of its box."""
        left = patch.where.copy()
        for other in self._overlapping(patch.box):
            if other.order > patch.order:
                mine, theirs = _common(patch.box, other.box)
                left[mine] &= ~(other.where[theirs] & (now[mine] == other.label))
        if not left.any():
            return None
        return "undone" if (now[left] == patch.full()[left]).all() else "painted over"

    def _overlapping(self, box: Box) -> Iterator[_Patch]:
        """Yield the patches whose boxes overlap a box."""
        near = set().union(*(self._cells.get(cell, ()) for cell in _cells_of(box)))
        for number in sorted(near):
            patch = self._patches[number]
            if all(
                max(a.start, b.start) < min(a.stop, b.stop)
                for a, b in zip(box, patch.box, strict=True)
            ):
                yield patch


def _lift(
    patch: _Patch,
    box: Box,
    labels: NDArray[np.integer],
    cover: NDArray[np.intp] | None = None,
    number: int = 0,
) -> None:
    """Replace visible labels of a patch in a box by those below; write ``number`` to ``cover``."""
    mine, theirs = _common(box, patch.box)
    over = patch.where[theirs] & (labels[mine] == patch.label)
    labels[mine] = np.where(over, patch.full()[theirs], labels[mine])
    if cover is not None:
        cover[mine] = np.where(over, number, cover[mine])


def _count_visible(
    patches: list[_Patch],
    box: Box,
    where: NDArray[np.bool_],
    labels: NDArray[np.integer],
    sign: int,
) -> None:
    """Add pixels ``where`` the ``labels`` become visible to the counts, or subtract them."""
    if not labels[where].any():
        return
    for patch in patches:
        mine, theirs = _common(box, patch.box)
        theirs_there = where[mine] & patch.where[theirs] & (labels[mine] == patch.label)
        patch.visible += sign * int(np.count_nonzero(theirs_there))


def _left_out(left_out: MaskSet, mask: MaskSet) -> NDArray[np.bool_]:
    """Return the pixels that were left out, within the box of the mask."""
    a, b, c, d = mask.boxes[0].tolist()
    return left_out.mask(0)[a:c, b:d]


def _rest(mask: MaskSet, where: NDArray[np.bool_]) -> MaskSet:
    """Return the pixels of a mask that are not ``where``, an array of its box."""
    crop = mask.crop(0)
    a, b = mask.boxes[0, :2].tolist()
    return MaskSet.from_crops(mask.shape, [crop & ~where.reshape(crop.shape)], [(a, b)])


def _cells_of(box: Box) -> Iterator[tuple[int, ...]]:
    """Yield the cells of the image that a box overlaps."""
    sizes = [CELL_PLANES] * (len(box) - 2) + [CELL, CELL]
    return product(
        *(range(s.start // n, (s.stop - 1) // n + 1) for s, n in zip(box, sizes, strict=True))
    )


def _common(box: Box, other: Box) -> tuple[Box, Box]:
    """Return the intersection of two overlapping boxes, relative to each of them."""
    both = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other, strict=True)]

    def within(outer: Box) -> Box:
        return tuple(
            slice(start - side.start, stop - side.start)
            for (start, stop), side in zip(both, outer, strict=True)
        )

    return within(box), within(other)
