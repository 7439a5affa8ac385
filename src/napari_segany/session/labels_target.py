"""Labels that a session writes into, and how what it wrote is taken back."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane
from napari_segany.core.label_images import LARGEST_ID
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.session.state import SegmentedObject

Box = tuple[slice, ...]
"""Part of an image: a slice with start and stop for every axis."""

Loss = Literal["undone", "painted over"]
"""Its pixels are again what they were, or they are something that nobody here wrote."""

CELL = 128
"""Side, in pixels, of the cells by which objects are found that may overlap."""


class LabelsTarget(Protocol):
    """Integer labels of an image, read and written by parts."""

    def read(self, box: Box) -> NDArray[np.integer]:
        """A copy of the labels in a box."""
        ...

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Set the pixels ``where`` (of the box) to the (n,) ``values``."""
        ...

    def free_label(self) -> int:
        """A label larger than any that was ever in use."""
        ...

    def check(self, label: int) -> None:
        """Raise InputError if a label does not fit into the labels' type."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Within it, many writes are one for whoever watches the labels."""
        ...


class ArrayTarget:
    """Labels in an array.

    Parameters
    ----------
    data : ndarray
        Of any integer type; written in place.
    """

    def __init__(self, data: NDArray[np.integer]) -> None:
        if data.dtype.kind not in "iu":
            raise InputError(f"Labels must be whole numbers, got an array of {data.dtype}.")
        if not data.flags.writeable:
            raise InputError("The labels are read-only; give a copy that can be written.")
        self.data = data
        self._last = int(data.max(initial=0))

    def read(self, box: Box) -> NDArray[np.integer]:
        """A copy of the labels in a box."""
        found: NDArray[np.integer] = self.data[box].copy()
        return found

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Set the pixels ``where`` (of the box) to the (n,) ``values``."""
        self.data[box][where] = values
        self._last = max(self._last, int(values.max(initial=0)))

    def free_label(self) -> int:
        """A label larger than any that was ever in use."""
        self._last += 1
        self.check(self._last)
        return self._last

    def check(self, label: int) -> None:
        """Raise InputError if a label does not fit into the labels' type."""
        check_label(label, self.data.dtype)

    def together(self) -> AbstractContextManager[None]:
        """Nobody watches."""
        return nullcontext()


class NoTarget:
    """Stands for labels that are not there yet."""

    def read(self, box: Box) -> NDArray[np.integer]:
        """Nothing can be read."""
        raise self._error()

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Nothing can be written."""
        raise self._error()

    def free_label(self) -> int:
        """There is no label."""
        raise self._error()

    def check(self, label: int) -> None:
        """There is no label."""
        raise self._error()

    def together(self) -> AbstractContextManager[None]:
        """Nobody watches."""
        return nullcontext()

    @staticmethod
    def _error() -> InputError:
        return InputError("There are no labels to commit into; session.set_target() gives some.")


def pixels_of(mask: MaskSet, plane: Plane) -> tuple[Box, NDArray[np.bool_]]:
    """Where the first mask of a set lies in the image, and its pixels there."""
    a, b, c, d = (int(n) for n in mask.boxes[0])
    sides = iter((slice(a, c), slice(b, d)))
    box = tuple(next(sides) if n is None else slice(n, n + 1) for n in plane)
    return box, mask.crop(0).reshape([each.stop - each.start for each in box])


def check_label(label: int, dtype: np.dtype[np.integer]) -> None:
    """Raise InputError if ``label`` does not fit into the labels' type."""
    largest = min(int(np.iinfo(dtype).max), LARGEST_ID)
    if label > largest:
        raise InputError(
            f"The labels are of type {dtype}, which ends at {largest} for ids: there is no place "
            f"for {label}. Commit into labels of a larger type, or number them anew, for example "
            "with skimage.segmentation.relabel_sequential."
        )


@dataclass
class _Patch:
    """What one object wrote.

    Attributes
    ----------
    each : SegmentedObject
        The object.
    order : int
        When it was committed, as a number that grows.
    where : ndarray
        Pixels of the box that are its, seen or below others.
    before : ndarray
        (n,) what is below it there.
    seen : int
        How many of its pixels no other object lies over.
    """

    each: SegmentedObject
    box: Box
    label: int
    order: int
    where: NDArray[np.bool_]
    before: NDArray[np.integer]
    seen: int

    def full(self) -> NDArray[np.integer]:
        """What is below, as an image of the box."""
        image = np.zeros(self.where.shape, self.before.dtype)
        image[self.where] = self.before
        return image


class LabelCompositor:
    """Writes objects into labels and takes them back.

    For every pixel it knows who lies over whom, in the order of commits. Only pixels that an object
    wrote and that still carry its label are ever taken back, so that whatever was painted by hand
    stays; they become what is below them.
    """

    def __init__(self, target: LabelsTarget) -> None:
        self.target = target
        self._patches: dict[int, _Patch] = {}
        # Which patches reach into which cell of the image, so that neighbours are soon found.
        self._cells: dict[tuple[int, ...], set[int]] = {}

    @property
    def objects(self) -> list[SegmentedObject]:
        """What is in the labels at present."""
        return [patch.each for patch in self._patches.values()]

    def __contains__(self, number: int) -> bool:
        return number in self._patches

    def put(self, each: SegmentedObject) -> SegmentedObject:
        """Write a committed object, below those that were committed later.

        What was written once is written again to the same pixels, whichever other objects are there
        by then: only what somebody painted in the meantime keeps them from "keep".

        Returns
        -------
        SegmentedObject
            The object, whose commit knows which pixels it left out.
        """
        commit, label = each.commit, each.label
        assert commit is not None
        assert label is not None
        box, wanted = pixels_of(commit.mask, each.plane)
        below = self.target.read(box)
        near = sorted(self._overlapping(box), key=lambda p: -p.order)
        later = [p for p in near if p.order > commit.order]
        earlier = near[len(later) :]
        # For every pixel the lowest of those that lie over it, 0 for none.
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
            # Whatever else brought this label, for example the labels' own undo, is this object.
            where = where & ((bottom == 0) | (bottom == label))
        seen = where & (cover == 0)
        self.target.write(box, seen, np.full(int(seen.sum()), label, below.dtype))
        for k, patch in enumerate(later, start=1):
            mine, theirs = _common(box, patch.box)
            image = patch.full()
            image[theirs] = np.where(where[mine] & (cover[mine] == k), label, image[theirs])
            patch.before = image[patch.where]
        _count(earlier, box, seen, below, -1)
        if commit.left_out is None:
            each = replace(each, commit=replace(commit, left_out=_rest(commit.mask, where)))
        count = int(np.count_nonzero(seen))
        self._patches[each.id] = _Patch(each, box, label, commit.order, where, below[where], count)
        for cell in _cells_of(box):
            self._cells.setdefault(cell, set()).add(each.id)
        return each

    def take(self, number: int) -> None:
        """Take an object back."""
        patch = self._patches[number]
        now = self.target.read(patch.box)
        below = patch.full()
        still = patch.where & (now == patch.label)
        self.target.write(patch.box, still, below[still])
        del self._patches[number]
        for cell in _cells_of(patch.box):
            self._cells[cell].discard(number)
        others = list(self._overlapping(patch.box))
        for other in others:
            mine, theirs = _common(patch.box, other.box)
            image = other.full()
            on_it = patch.where[mine] & (image[theirs] == patch.label)
            image[theirs] = np.where(on_it, below[mine], image[theirs])
            other.before = image[other.where]
        _count(others, patch.box, still, below, 1)

    def area(self, number: int) -> int:
        """Pixels of an object that no other object lies over."""
        return self._patches[number].seen

    def lost(self) -> dict[int, Loss]:
        """Objects that others took out of the labels altogether, and how.

        An object that is only hidden below objects committed later is not lost.
        """
        written = [(number, p) for number, p in self._patches.items() if len(p.before)]
        found = {number: self._loss(patch) for number, patch in written}
        return {number: loss for number, loss in found.items() if loss is not None}

    def is_empty(self, number: int) -> bool:
        """Whether an object has not a single pixel in the labels, seen or below others."""
        return not len(self._patches[number].before)

    def _loss(self, patch: _Patch) -> Loss | None:
        if self._shows(patch):
            return None
        now = self.target.read(patch.box)
        left = patch.where.copy()
        for other in self._overlapping(patch.box):
            if other.order > patch.order:
                mine, theirs = _common(patch.box, other.box)
                left[mine] &= ~(other.where[theirs] & (now[mine] == other.label))
        if not left.any():
            return None
        return "undone" if (now[left] == patch.full()[left]).all() else "painted over"

    def _shows(self, patch: _Patch) -> bool:
        """Whether any pixel of a patch still carries its label; nearly always its first does."""
        first = np.unravel_index(int(patch.where.argmax()), patch.where.shape)
        at = [side.start + int(k) for side, k in zip(patch.box, first, strict=True)]
        if self.target.read(tuple(slice(k, k + 1) for k in at)).item() == patch.label:
            return True
        return bool((self.target.read(patch.box)[patch.where] == patch.label).any())

    def _overlapping(self, box: Box) -> Iterator[_Patch]:
        """Patches whose boxes overlap one."""
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
    """Replace what a patch shows of labels in a box by what is below it; ``cover`` is numbered."""
    mine, theirs = _common(box, patch.box)
    over = patch.where[theirs] & (labels[mine] == patch.label)
    labels[mine] = np.where(over, patch.full()[theirs], labels[mine])
    if cover is not None:
        cover[mine] = np.where(over, number, cover[mine])


def _count(
    patches: list[_Patch],
    box: Box,
    where: NDArray[np.bool_],
    labels: NDArray[np.integer],
    sign: int,
) -> None:
    """Those ``labels`` of a box come into sight, or go out of it, ``where`` it says."""
    if not labels[where].any():
        return
    for patch in patches:
        mine, theirs = _common(box, patch.box)
        theirs_there = where[mine] & patch.where[theirs] & (labels[mine] == patch.label)
        patch.seen += sign * int(np.count_nonzero(theirs_there))


def _left_out(left_out: MaskSet, mask: MaskSet) -> NDArray[np.bool_]:
    """Pixels that were left out, within the box of the mask."""
    a, b, c, d = mask.boxes[0].tolist()
    return left_out.mask(0)[a:c, b:d]


def _rest(mask: MaskSet, where: NDArray[np.bool_]) -> MaskSet:
    """The pixels of a mask that are not ``where``, an array of its box."""
    crop = mask.crop(0)
    a, b = mask.boxes[0, :2].tolist()
    return MaskSet.from_crops(mask.shape, [crop & ~where.reshape(crop.shape)], [(a, b)])


def _cells_of(box: Box) -> Iterator[tuple[int, ...]]:
    """Cells of the image that a box reaches into."""
    return product(*(range(side.start // CELL, (side.stop - 1) // CELL + 1) for side in box))


def _common(box: Box, other: Box) -> tuple[Box, Box]:
    """Where two overlapping boxes overlap, within each of them."""
    both = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, other, strict=True)]

    def within(outer: Box) -> Box:
        return tuple(
            slice(start - side.start, stop - side.start)
            for (start, stop), side in zip(both, outer, strict=True)
        )

    return within(box), within(other)
