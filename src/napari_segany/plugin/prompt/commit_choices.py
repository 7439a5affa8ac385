"""Choices after a commit: to undo it, or to give an object the pixels that others have."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.jobs.chunked import CHUNK
from napari_segany.plugin.prompt.object_actions import confirm, undo_choice
from napari_segany.plugin.shared.choices import Choice
from napari_segany.session.prompt_updates import PartMask
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject

if TYPE_CHECKING:
    from napari_segany.plugin.prompt.controller import PromptController


def commit_choices(
    controller: "PromptController", numbers: Sequence[int], propagated: Sequence[PartMask]
) -> tuple[Choice, ...]:
    """Return the choices after a commit.

    Parameters
    ----------
    controller : PromptController
        The controller.
    numbers : sequence of int
        Objects that were to be committed.
    propagated : sequence of tuple
        Masks of objects on further planes, which were committed with them.
    """
    session = controller.sync.open_session()
    some = [session.state.objects[n] for n in numbers if n in session.state.objects]
    choices = []
    # Thousands of objects, or hundreds of planes, are no matter of one press.
    few = not propagated and len(numbers) <= CHUNK
    short = [each for each in some if _gave_up(session, each)] if few else []
    if short:
        if session.on_overlap == "keep":
            choices.append(
                Choice(
                    "Replace",
                    "Take the pixels that belong to other objects",
                    lambda: replace_others(controller, numbers),
                )
            )
        below = _owner(session, short[0]) if len(some) == 1 else None
        if below is not None:
            choices.append(
                Choice(
                    f"Merge into {below.label}",
                    f"Make it part of label {below.label}, which has most of its pixels",
                    lambda: merge(controller, short[0].id, below.id),
                )
            )
    if any(each.commit is not None for each in some):
        choices.append(undo_choice(controller))
    return tuple(choices)


def replace_others(controller: "PromptController", numbers: Sequence[int]) -> None:
    """Commit objects again, with the pixels that belong to others; one undo takes it back.

    Their labels stay.
    """
    session = controller.sync.open_session()
    begun = False
    for number in numbers:
        if session.state.find(number).commit is not None:
            session.reopen(number, join=begun)
            begun = True
    before, session.on_overlap = session.on_overlap, "replace"
    try:
        controller.commit_objects(numbers, join=begun)
    finally:
        session.on_overlap = before


def merge(controller: "PromptController", number: int, into: int) -> None:
    """Make an object part of a committed one."""
    session = controller.sync.open_session()
    session.merge([number], into)
    confirm(controller, f"Label {session.state.find(into).label}, {session.area(into):,} px now.")


def _gave_up(session: Session, each: SegmentedObject) -> bool:
    """Return True if an object left pixels to others: some, or all, so that it is still open."""
    if each.commit is None:
        return session.preview(each.id) is not None
    left_out = each.commit.left_out
    return left_out is not None and bool(len(left_out) and left_out.area[0])


def _owner(session: Session, each: SegmentedObject) -> SegmentedObject | None:
    """Return the object of one plane that has most of the pixels of another one."""
    mask = each.commit.mask if each.commit is not None else session.preview(each.id)
    if mask is None or not len(mask) or len(session.state.parts(each.whole)) > 1:
        return None
    shared: dict[int, int] = {}
    for other in session.state.committed:
        if other.plane == each.plane and other.id != each.id and other.commit is not None:
            a, b, c, d = mask.boxes[0]
            e, f, g, h = other.commit.mask.boxes[0]
            if max(a, e) < min(c, g) and max(b, f) < min(d, h):
                both = MaskSet.concatenate([mask, other.commit.mask])
                shared[other.id] = both.shared_pixels(0, 1)
    shared = {number: count for number, count in shared.items() if count}
    if not shared:
        return None
    found = session.state.find(max(shared, key=lambda number: shared[number]))
    return found if len(session.state.parts(found.whole)) == 1 else None
