"""Which label an object gets when it is committed."""

from collections.abc import Iterable

from napari_segany.session.objects import SegmentedObject
from napari_segany.session.source import Plane
from napari_segany.session.target import LabelsTarget


class Labelling:
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


def _parallel(one: Plane, other: Plane) -> bool:
    """Whether two planes lie beside each other, without a common pixel."""
    return one != other and [n is None for n in one] == [n is None for n in other]
