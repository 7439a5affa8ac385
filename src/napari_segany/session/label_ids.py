"""The labels that objects get when they are committed."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.session.labels_target import LabelsTarget
from napari_segany.session.state import Commit, OnOverlap, SegmentedObject


class LabelIds:
    """Labels that are given away.

    No two objects of a plane share a label; in parallel planes the same label means one object that
    goes through all of them.

    Parameters
    ----------
    target : LabelsTarget
        What is committed into.
    committed : iterable of SegmentedObject
        What has a label already.
    """

    def __init__(self, target: LabelsTarget, committed: Iterable[SegmentedObject]) -> None:
        self._target = target
        self._taken: dict[int, list[Plane]] = {}
        for each in committed:
            if each.label is not None:
                self._taken.setdefault(each.label, []).append(each.plane)

    def label_for(self, each: SegmentedObject) -> int:
        """The label that an object brings along, unless another has it, else a free one.

        Raises
        ------
        InputError
            If it does not fit into the labels' type.
        """
        label = each.label
        if label is None or not all(_parallel(each.plane, p) for p in self._taken.get(label, ())):
            label = self._target.free_label()
            while label in self._taken:
                # Another object brings it along, and is not in the labels yet.
                label = self._target.free_label()
        else:
            self._target.check(label)
        self._taken.setdefault(label, []).append(each.plane)
        return label

    def commit(
        self,
        meant: Iterable[tuple[SegmentedObject, MaskSet | None]],
        on_overlap: OnOverlap,
        order: int,
        identity: Callable[[], tuple[str, ...]],
    ) -> dict[int, SegmentedObject]:
        """Objects as they are committed, by number; those with an empty mask are left out.

        Parameters
        ----------
        meant : iterable of tuple
            Open objects, and the mask that each means.
        on_overlap : {"keep", "replace"}
            What becomes of pixels that belong to something.
        order : int
            Of the last commit before these.
        identity : callable
            Who answered, asked for only if something is committed.

        Raises
        ------
        InputError
            If an object has no mask yet, or its label does not fit.
        """
        done: dict[int, SegmentedObject] = {}
        for each, mask in meant:
            if mask is None:
                raise InputError("The object is not segmented yet; ask() first.")
            if mask.area[0]:
                label = self.label_for(each)
                commit = Commit(mask, on_overlap, order + len(done) + 1, identity())
                done[each.id] = replace(each, label=label, commit=commit)
        return done


def _parallel(one: Plane, other: Plane) -> bool:
    """Whether two planes lie beside each other, without a common pixel."""
    return one != other and [n is None for n in one] == [n is None for n in other]
