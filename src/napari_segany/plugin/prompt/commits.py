"""Commits of open objects, and choices where other objects have their pixels."""

from collections.abc import Sequence

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.jobs.chunked import CHUNK
from napari_segany.plugin.prompt.commit_message import commit_message
from napari_segany.plugin.prompt.session_host import SessionHost
from napari_segany.plugin.shared.choices import Choice, Tell
from napari_segany.session.prompt_updates import PartMask
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject


class Commits:
    """Writes open objects into the labels, and tells what was written.

    Parameters
    ----------
    host : SessionHost
        Host of the session.
    tell : callable
        Shows a message with choices.
    undo_choice : Choice
        Choice to undo the last step.
    """

    def __init__(self, host: SessionHost, tell: Tell, undo_choice: Choice) -> None:
        self._host, self._tell, self._undo = host, tell, undo_choice

    def write(self, numbers: Sequence[int], low: int = 0, join: bool = False) -> list[int]:
        """Write open objects that have candidates into the labels.

        Parameters
        ----------
        numbers : sequence of int
            The objects.
        low : int
            Others that stay open because of low scores, for the message.
        join : bool
            Merge this step with the one before.

        Returns
        -------
        list of int
            Labels of the first chunk.
        """
        sync = self._host.sync
        session = sync.open_session()
        propagated = self._host.through.masks_to_commit(list(numbers))
        numbers, failed = self._without_failed(session, numbers)
        if failed:
            # The object would stay open with them, and further prompts would correct it.
            session.delete([each.id for each in failed], join)
            join = True
        if sync.labels.layer is None:
            sync.set_labels(None)

        def report(empty: int) -> None:
            objects = session.state.objects
            wholes = {objects[number].whole for number in numbers if number in objects}
            written = [each for each in objects.values() if each.whole in wholes]
            previews = (session.preview(n) for n in numbers if n in objects)
            no_mask = sum(mask is not None and not mask.area[0] for mask in previews)
            text, severity = commit_message(written, low, empty - no_mask, no_mask, len(failed))
            self._tell(text, self._choices(numbers, propagated), severity)

        return self._host.steps.commit(session, numbers, report, propagated, join)

    def _without_failed(
        self, session: Session, numbers: Sequence[int]
    ) -> tuple[list[int], list[SegmentedObject]]:
        """Return objects to commit, and corrections of them that give no mask.

        What was found on their planes is committed instead.
        """
        failed = {each.id: each for each in self._host.through.without_mask}
        kept = [number for number in numbers if number not in failed]
        wholes = {session.state.find(number).whole for number in kept}
        gone = [each for each in failed.values() if each.whole in wholes]
        left = {each.id for each in gone}
        return [number for number in numbers if number not in left], gone

    def replace_others(self, numbers: Sequence[int]) -> None:
        """Commit objects again, with the pixels that belong to others; one undo takes it back.

        Their labels stay.
        """
        session = self._host.sync.open_session()
        begun = False
        for number in numbers:
            if session.state.find(number).commit is not None:
                session.reopen(number, join=begun)
                begun = True
        before, session.on_overlap = session.on_overlap, "replace"
        try:
            self.write(numbers, join=begun)
        finally:
            session.on_overlap = before

    def merge(self, number: int, into: int) -> None:
        """Make an object part of a committed one."""
        session = self._host.sync.open_session()
        session.merge([number], into)
        label, area = session.state.find(into).label, session.area(into)
        self._tell(f"Label {label}, {area:,} px now.", (self._undo,))

    def _choices(
        self, numbers: Sequence[int], propagated: Sequence[PartMask]
    ) -> tuple[Choice, ...]:
        """Return the choices after a commit of objects, and of their masks on further planes."""
        session = self._host.sync.open_session()
        some = [session.state.objects[n] for n in numbers if n in session.state.objects]
        choices = []
        # Thousands of objects, or hundreds of planes, are no matter of one press.
        few = not propagated and len(numbers) <= CHUNK
        short = [each for each in some if _gave_up(session, each)] if few else []
        if short and session.on_overlap == "keep":
            tip = "Take the pixels that belong to other objects"
            choices.append(Choice("Replace", tip, lambda: self.replace_others(numbers)))
        below = _owner(session, short[0]) if short and len(some) == 1 else None
        if below is not None:
            tip = f"Make it part of label {below.label}, which has most of its pixels"
            number, into = short[0].id, below.id
            text = f"Merge into {below.label}"
            choices.append(Choice(text, tip, lambda: self.merge(number, into)))
        if any(each.commit is not None for each in some):
            choices.append(self._undo)
        return tuple(choices)


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
