"""Assignment of label values to committed objects."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.session.labels_target import LabelsTarget
from napari_segany.session.state import Commit, OnOverlap, SegmentedObject

ChosenMasks = Iterable[tuple[SegmentedObject, MaskSet | None]]
"""Open objects with their chosen masks; None for one that is not segmented yet."""


class LabelIds:
    """Label values in use, and new ones for further objects.

    No two objects of a plane share a label. In parallel planes the same label means one object
    that extends through all of them.

    Parameters
    ----------
    target : LabelsTarget
        The labels that objects are committed into.
    committed : iterable of SegmentedObject
        Objects that have a label already.
    """

    def __init__(self, target: LabelsTarget, committed: Iterable[SegmentedObject]) -> None:
        self._target = target
        self._taken: dict[int, list[Plane]] = {}
        # Labels of objects through planes, by the number of the whole.
        self._of_whole: dict[int, int] = {}
        for each in committed:
            if each.label is not None:
                self._note(each, each.label)

    def _note(self, each: SegmentedObject, label: int) -> None:
        self._taken.setdefault(label, []).append(each.plane)
        self._of_whole.setdefault(each.whole, label)

    def label_for(self, each: SegmentedObject) -> int:
        """Return the label of an object, or of its other parts, if no other object uses it.

        Else return a free label.

        Raises
        ------
        InputError
            If the label does not fit into the type of the labels.
        """
        label = self._of_whole.get(each.whole) if each.label is None else each.label
        if label is None or not all(_parallel(each.plane, p) for p in self._taken.get(label, ())):
            label = self._target.free_label()
            while label in self._taken:
                # An object that is not in the labels yet has this label.
                label = self._target.free_label()
        else:
            self._target.check(label)
        self._note(each, label)
        return label

    def commit(
        self,
        masks: ChosenMasks,
        on_overlap: OnOverlap,
        order: int,
        identity: Callable[[], tuple[str, ...]],
    ) -> dict[int, SegmentedObject]:
        """Return committed objects by number; objects with an empty mask are left out.

        Parameters
        ----------
        masks : iterable of tuple
            Open objects with their chosen masks.
        on_overlap : {"keep", "replace"}
            Treatment of pixels that belong to another object.
        order : int
            Number of the last commit before these.
        identity : callable
            Returns the identity of the model; called only if an object is committed.

        Raises
        ------
        InputError
            If an object has no mask yet, or its label does not fit.
        """
        done: dict[int, SegmentedObject] = {}
        for each, mask in masks:
            if mask is None:
                raise InputError("The object is not segmented yet; ask() first.")
            if mask.area[0]:
                label = self.label_for(each)
                commit = Commit(mask, on_overlap, order + len(done) + 1, identity())
                done[each.id] = replace(each, label=label, commit=commit)
        return done


def _parallel(one: Plane, other: Plane) -> bool:
    """Return True if two planes are parallel and have no pixel in common."""
    return one != other and [n is None for n in one] == [n is None for n in other]
