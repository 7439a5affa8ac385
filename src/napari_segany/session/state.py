"""What a session is about, as frozen values: going back in time is taking up an earlier one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError

OnOverlap = Literal["keep", "replace"]
"""Whether a commit leaves pixels that belong to something, or takes them."""


@dataclass(frozen=True)
class Commit:
    """How an object was written into the labels.

    Attributes
    ----------
    mask : MaskSet
        One mask with its scores: all that was wanted.
    on_overlap : {"keep", "replace"}
        What happened to pixels that belonged to something.
    order : int
        Commits are numbered; later ones lie over earlier ones.
    model : tuple of str
        Name, sha256 of the weights and precision of the model that answered; empty if unknown.
    left_out : MaskSet or None
        One mask: the pixels that were left to what they belonged to. It is known from the first
        writing on, so that doing it again writes the same pixels; None before.
    """

    mask: MaskSet
    on_overlap: OnOverlap
    order: int
    model: tuple[str, ...] = ()
    left_out: MaskSet | None = None


@dataclass(frozen=True)
class PromptHistory:
    """What an object was asked for with before more was added: its answer is refined.

    The model is given the logits of the candidate that was meant, as the paper does (section
    "Interactive", iterative prompts); without them a second click often makes things worse.

    Attributes
    ----------
    prompt : Prompt
        What was asked.
    choice : int
        Which of the candidates was meant.
    before : PromptHistory or None
        What that refined.
    """

    prompt: Prompt
    choice: int
    before: "PromptHistory | None" = None


@dataclass(frozen=True)
class SegmentedObject:
    """One object of a session.

    Attributes
    ----------
    id : int
        Number within the session, never used again.
    plane : tuple
        Plane it lies in.
    prompt : Prompt
        What it is asked for with.
    choice : int
        Which of the candidates is meant, 0 for the best.
    label : int or None
        Its value in the labels; kept when it is reopened.
    commit : Commit or None
        None while it is open.
    before : PromptHistory or None
        What the prompt refines.
    """

    id: int
    plane: Plane
    prompt: Prompt
    choice: int = 0
    label: int | None = None
    commit: Commit | None = None
    before: PromptHistory | None = None


Step = tuple[Literal["put", "take"], SegmentedObject]
"""What happened to the labels."""


@dataclass(frozen=True)
class State:
    """All objects of a session at one moment.

    Attributes
    ----------
    objects : mapping
        By number, in the order they were begun.
    active : int or None
        The object that further prompts belong to.
    """

    objects: Mapping[int, SegmentedObject] = field(default_factory=dict)
    active: int | None = None

    def find(self, number: int | None) -> SegmentedObject:
        """The object with a number; InputError if there is none."""
        each = None if number is None else self.objects.get(number)
        if each is None:
            raise InputError(f"There is no object {number}.")
        return each

    def with_objects(self, *changed: SegmentedObject) -> "State":
        """With objects added or exchanged."""
        return replace(self, objects={**self.objects, **{each.id: each for each in changed}})

    def without(self, numbers: Collection[int]) -> "State":
        """With some objects left out."""
        kept = {n: each for n, each in self.objects.items() if n not in numbers}
        return State(kept, None if self.active in numbers else self.active)

    @property
    def open(self) -> list[SegmentedObject]:
        """Objects that are not committed."""
        return [each for each in self.objects.values() if each.commit is None]

    @property
    def committed(self) -> list[SegmentedObject]:
        """Objects that are."""
        return [each for each in self.objects.values() if each.commit is not None]


def middle(each: SegmentedObject) -> tuple[float, float]:
    """Row and column of an object: of its mask, box, rough place or points."""
    if each.commit is not None:
        a, b, c, d = each.commit.mask.boxes[0].tolist()
    elif each.prompt.box is not None:
        a, b, c, d = each.prompt.box.tolist()
    elif each.prompt.region is not None:
        a, b, c, d = each.prompt.region.boxes[0].tolist()
    elif each.prompt.points is not None:
        row, col = each.prompt.points.mean(axis=0).tolist()
        return row, col
    else:
        return 0.0, 0.0
    return (a + c) / 2, (b + d) / 2
