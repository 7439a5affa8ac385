"""Immutable session state; undo restores an earlier state."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from numpy.typing import NDArray

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError

OnOverlap = Literal["keep", "replace"]
"""Treatment of pixels that already belong to an object: a commit keeps or replaces them."""


@dataclass(frozen=True)
class Commit:
    """Record of how an object was written into the labels.

    Attributes
    ----------
    mask : MaskSet
        One mask with its scores: the chosen candidate.
    on_overlap : {"keep", "replace"}
        Treatment of pixels that belonged to another object.
    order : int
        Number of the commit; later commits lie over earlier ones.
    model : tuple of str
        Name, sha256 of the weights and precision of the model, and its number of views if there
        are several; empty if unknown.
    left_out : MaskSet or None
        One mask: pixels that were left to other objects. It is set when the object is written for
        the first time, so that redo writes the same pixels; None before.
    """

    mask: MaskSet
    on_overlap: OnOverlap
    order: int
    model: tuple[str, ...] = ()
    left_out: MaskSet | None = None

    @property
    def views(self) -> int:
        """The number of views in which the model saw the plane."""
        return int(self.model[3]) if self.model[3:] else 1


@dataclass(frozen=True)
class PromptHistory:
    """The previous prompt, whose logits the current prompt refines.

    The model gets the logits of the chosen candidate, as in the paper (section "Interactive",
    iterative prompts); without them a second click often gives a worse mask.

    Attributes
    ----------
    prompt : Prompt
        The previous prompt.
    choice : int
        Its chosen candidate, 0 for the best.
    before : PromptHistory or None
        The prompt that it refined.
    """

    prompt: Prompt
    choice: int
    before: "PromptHistory | None" = None


@dataclass(frozen=True, eq=False)
class PaintedPixels:
    """Pixels of an object that were painted by hand, whatever the model says of them.

    Attributes
    ----------
    added, removed : MaskSet or None
        One mask each: pixels on the object, and pixels off it. They share none.
    """

    added: MaskSet | None = None
    removed: MaskSet | None = None


@dataclass(frozen=True)
class SegmentedObject:
    """One object of a session.

    Attributes
    ----------
    id : int
        Number within the session, never reused.
    plane : tuple
        Its plane.
    prompt : Prompt
        Its prompt.
    choice : int
        Its chosen candidate, 0 for the best.
    label : int or None
        Its label value; kept when it is reopened.
    commit : Commit or None
        The commit; None while it is open.
    before : PromptHistory or None
        The prompt history that its prompt refines.
    part_of : int or None
        Number of the object that it is a part of, on another plane; None for an object by itself
        and for the first part. Parts share a label.
    propagated : bool
        True if its mask came from other planes by propagation, and its prompt is that mask. It is
        never open.
    absent : frozenset of tuple
        Planes on which the object is said not to be; see :meth:`State.absent_planes`.
    painted : PaintedPixels or None
        Pixels painted by hand; None without any.
    """

    id: int
    plane: Plane
    prompt: Prompt
    choice: int = 0
    label: int | None = None
    commit: Commit | None = None
    before: PromptHistory | None = None
    part_of: int | None = None
    propagated: bool = False
    absent: frozenset[Plane] = frozenset()
    painted: PaintedPixels | None = None

    @property
    def whole(self) -> int:
        """Number of the object through all planes: that of its first part."""
        return self.id if self.part_of is None else self.part_of


Step = tuple[Literal["put", "take"], SegmentedObject]
"""A change of the labels: an object was added ("put") or removed ("take")."""


@dataclass(frozen=True)
class State:
    """All objects of a session at one moment.

    Attributes
    ----------
    objects : mapping
        Objects by number, in the order in which they were begun.
    active : int or None
        Number of the object that prompts are added to.
    """

    objects: Mapping[int, SegmentedObject] = field(default_factory=dict)
    active: int | None = None

    def find(self, number: int | None) -> SegmentedObject:
        """Return the object with a number; raise InputError if there is none."""
        each = None if number is None else self.objects.get(number)
        if each is None:
            raise InputError(f"There is no object {number}.")
        return each

    def get(self, number: int | None = None) -> SegmentedObject | None:
        """Return the object with a number (the active one), None if there is none."""
        number = self.active if number is None else number
        return None if number is None else self.objects.get(number)

    def with_objects(self, *changed: SegmentedObject) -> "State":
        """Return the state with objects added or replaced."""
        return replace(self, objects={**self.objects, **{each.id: each for each in changed}})

    def parts(self, whole: int) -> list[SegmentedObject]:
        """Return the parts of an object through planes; one for an object of one plane."""
        return [each for each in self.objects.values() if each.whole == whole]

    def absent_planes(self, whole: int) -> frozenset[Plane]:
        """Return the planes on which an object is said not to be, whichever part knows of them."""
        return frozenset[Plane]().union(*(each.absent for each in self.parts(whole)))

    def with_reopened(self, number: int) -> "State":
        """Return the state in which an object is open and active, with all its parts.

        Propagated parts are left out: they follow from the others.
        """
        each = self.find(number)
        if each.commit is None:
            return self if self.active == number else replace(self, active=number)
        parts = [part for part in self.parts(each.whole) if part.commit is not None]
        opened = [opened for part in parts if (opened := reopened(part)) is not None]
        if not opened:
            raise InputError("The prompts of this object were deleted; delete it, too.")
        numbers = [part.id for part in opened]
        left = self.without({part.id for part in parts if part.propagated})
        active = number if number in numbers else numbers[0]
        return replace(left.with_objects(*opened), active=active)

    def without(self, numbers: Collection[int]) -> "State":
        """Return the state without some objects.

        Planes on which an object is said not to be are kept by the parts that are left.
        """
        if not numbers:
            return self
        kept = {n: each for n, each in self.objects.items() if n not in numbers}
        for gone in (self.objects[n] for n in numbers if n in self.objects):
            left = (p for p in kept.values() if p.whole == gone.whole and not p.propagated)
            if gone.absent and (heir := next(left, None)) is not None:
                kept[heir.id] = replace(heir, absent=heir.absent | gone.absent)
        return State(kept, None if self.active in numbers else self.active)

    @property
    def open(self) -> list[SegmentedObject]:
        """The objects that are not committed."""
        return [each for each in self.objects.values() if each.commit is None]

    @property
    def committed(self) -> list[SegmentedObject]:
        """The committed objects."""
        return [each for each in self.objects.values() if each.commit is not None]


def reopened(each: SegmentedObject) -> SegmentedObject | None:
    """Return an object that is not committed any more; None for a propagated part."""
    return None if each.propagated else replace(each, commit=None)


def object_center(each: SegmentedObject) -> tuple[float, float]:
    """Return row and column of the center of an object's mask, box, mask prompt or points."""
    if each.commit is not None:
        return box_center(each.commit.mask.boxes[0])
    if each.prompt.box is not None:
        return box_center(each.prompt.box)
    if each.prompt.region is not None:
        return box_center(each.prompt.region.boxes[0])
    if each.prompt.points is not None:
        row, col = each.prompt.points.mean(axis=0).tolist()
        return row, col
    return 0.0, 0.0


def box_center(box: NDArray[Any]) -> tuple[float, float]:
    """Return row and column of the center of a box (row0, col0, row1, col1)."""
    a, b, c, d = box.tolist()
    return (a + c) / 2, (b + d) / 2
