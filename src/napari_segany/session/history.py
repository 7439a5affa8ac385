"""The states of a session over time; labels and journal follow them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from psygnal import Signal

from napari_segany.errors import InputError, SeganyError
from napari_segany.session.journal import Journal, SavedSession
from napari_segany.session.label_compositor import LabelCompositor
from napari_segany.session.labels_target import LabelsTarget
from napari_segany.session.state import SegmentedObject, State, Step, reopened

UNDO_STEPS = 1000


class History:
    """Undo and redo of session states; labels and journal are kept in step.

    Parameters
    ----------
    target : LabelsTarget
        Labels that committed objects are written into.

    Attributes
    ----------
    changed : Signal
        Emitted after every step, with the state before and the state after.
    trouble : Signal
        Emitted once if the journal cannot be written any more, with the reason.
    state : State
        The present state.
    steps : list of tuple
        All steps that wrote the present labels, in order.
    former : list of list
        The steps of labels that were written into before and left as they were.
    """

    changed = Signal(State, State)
    trouble = Signal(str)

    def __init__(self, target: LabelsTarget) -> None:
        self.state = State()
        self.steps: list[Step] = []
        self.former: list[list[Step]] = []
        self._journal_error = ""
        self._is_error_reported = False
        self._writing = False
        # The state that an undo or redo in several parts began in.
        self._origin: State | None = None
        self._compositor = LabelCompositor(target)
        self._journal: Journal | None = None
        self._past: list[State] = []
        self._future: list[State] = []

    @property
    def target(self) -> LabelsTarget:
        """The labels that committed objects are written into."""
        return self._compositor.target

    @property
    def can_undo(self) -> bool:
        """True if there is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """True if there is a step to redo."""
        return bool(self._future)

    def advance(self, state: State, join: bool = False) -> None:
        """Take a new step to another state; with ``join`` one undo reverts the step before, too."""
        if state is self.state:
            return
        before = self.state
        self._go_to(state)
        if not (join and self._past):
            self._past = [*self._past[-UNDO_STEPS + 1 :], before]
        self._future.clear()
        self._emit_changed(before)

    def undo(self, at_most: int | None = None) -> bool:
        """Undo one step, or a part of it that changes ``at_most`` objects; False without one."""
        return self._travel(self._past, self._future, at_most)

    def redo(self, at_most: int | None = None) -> bool:
        """Redo the step that was undone last, or a part of it; False without one."""
        return self._travel(self._future, self._past, at_most)

    @property
    def is_between_steps(self) -> bool:
        """True if the last undo or redo was done in part."""
        return self._origin is not None

    def _travel(self, ahead: list[State], behind: list[State], at_most: int | None) -> bool:
        """Go to the last state of a list, or a part of the way, and remember the way back."""
        if not ahead:
            return False
        before = self.state
        origin, self._origin = self._origin or before, None
        part = state_towards(before, ahead[-1], at_most)
        self._go_to(part)
        if part is ahead[-1]:
            behind.append(origin)
            ahead.pop()
        else:
            self._origin = origin
        self._emit_changed(before)
        return True

    def drop_lost(self) -> list[int]:
        """Find objects that were removed from the labels from outside; return their numbers.

        Objects whose pixels were reverted are open again. Objects that were painted over are
        deleted, so that no later commit writes over the paint.
        """
        # While labels are being written, objects may seem to be missing.
        missing = {} if self._writing else self._compositor.missing()
        if missing:
            before = state = self.state
            steps: list[Step] = []
            for number, loss in missing.items():
                each = state.objects[number]
                # No pixel is left to revert, but the removal is recorded.
                self._compositor.remove(number)
                steps.append(("take", each))
                opened = reopened(each) if loss == "undone" else None
                state = state.without({number}) if opened is None else state.with_objects(opened)
            self._past = [*self._past[-UNDO_STEPS + 1 :], self.state]
            self._future.clear()
            self._set_state(state, steps)
            self._emit_changed(before)
        return list(missing)

    def area(self, number: int) -> int:
        """Return the number of visible pixels of a committed object."""
        return self._compositor.area(number)

    def commit(
        self, committed: Mapping[int, SegmentedObject], join: bool = False
    ) -> dict[int, SegmentedObject]:
        """Write committed objects; return those that have a pixel of their own, by number.

        The others are open again, or not there, as they were before.
        """
        done = dict(committed)
        if done:
            before, state = self.state.objects, self.state.with_objects(*done.values())
            active = None if state.active in done else state.active
            self.advance(replace(state, active=active), join)
            written = [n for n in done if n in self._compositor]
            if empty := [n for n in written if self._compositor.is_empty(n)]:
                lost = [done.pop(n) for n in empty]
                back = [
                    replace(e, label=before[e.id].label, commit=None)
                    for e in lost
                    if e.id in before
                ]
                gone = {each.id for each in lost} - before.keys()
                self.advance(self.state.without(gone).with_objects(*back), join=True)
        return done

    def set_target(self, target: LabelsTarget, reopen: bool = False) -> None:
        """Write into other labels from now on; no commit before can be undone.

        Committed objects stay in the labels before and leave the state; with ``reopen`` they are
        open again.
        """
        before = self.state
        every = before.objects.values() if reopen else before.open
        kept = [each for each in map(reopened, every) if each is not None]
        state = State({each.id: each for each in kept}, before.active)
        if self._compositor.objects and not reopen:
            self.former.append(self.steps)
        self._compositor, self.steps = LabelCompositor(target), []
        if any(each.committed for each in (before, *self._past, *self._future)):
            self._past.clear()
            self._future.clear()
        self._set_state(state, [])
        self._emit_changed(before)

    def check_unused(self) -> None:
        """Raise InputError if any step was taken."""
        if self.is_begun:
            raise InputError("Only a session in which nothing has happened can be restored into.")

    def restore(self, saved: SavedSession) -> None:
        """Restore the state that a journal recorded, and write the labels anew.

        Raises
        ------
        InputError
            If any step was taken already.
        """
        self.check_unused()
        before = self.state
        self._writing = True
        try:
            with self.target.together():
                self._compositor = write_steps(self.target, saved.steps)
                self.steps = list(saved.steps)
                state = _with_known_pixels(saved.state, self._compositor.objects)
                self.state = self._write_labels(state, self.steps)
        finally:
            self._writing = False
        self.former = list(saved.former)
        self._record_all()
        self._emit_changed(before)

    @property
    def is_begun(self) -> bool:
        """True if any step was taken, undone or not."""
        return bool(self.state.objects or self.steps or self.former or self._past or self._future)

    def begin_journal(self, journal: Journal) -> Journal:
        """Record all steps so far, and every further one; close the journal before."""
        before, self._journal = self._journal, journal
        self._record_all()
        if before is not None:
            before.close()
        return journal

    def _record_all(self) -> None:
        """Record the steps of all labels, and the present state."""
        for steps in self.former:
            self._record_labels(steps, State())
        self._record_labels(self.steps, self.state)

    def _record_labels(self, steps: list[Step], state: State) -> None:
        """Record the steps of some labels, and the state that they were left in."""
        recorded: dict[int, SegmentedObject] = {}
        for what, each in steps:
            if what == "put":
                recorded[each.id] = each
                self._record(State(), State({each.id: each}), [("put", each)])
            else:
                self._record(State(), State(), [("take", each)])
        if recorded or state.objects:
            self._record(State(recorded), state, [])

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def _go_to(self, state: State) -> None:
        """Bring the labels to another state; on an error, they and the state stay as they were."""
        steps: list[Step] = []
        self._writing = True
        try:
            with self.target.together():
                state = self._write_labels(state, steps)
        finally:
            self._writing = False
        self._set_state(state, steps)

    def _write_labels(self, state: State, steps: list[Step]) -> State:
        """Remove and add objects until the labels show another state; on an error, revert it all.

        Returns
        -------
        State
            The state, whose commits know the pixels that they wrote.
        """
        begun = len(steps)
        try:
            # Few of thousands differ, so they are chosen before they are sorted.
            gone = [
                each
                for each in self._compositor.objects
                if (other := state.objects.get(each.id)) is None or other.commit is not each.commit
            ]
            for each in reversed(in_commit_order(gone)):
                self._compositor.remove(each.id)
                steps.append(("take", each))
            new = [each for each in state.objects.values() if each.id not in self._compositor]
            for each in in_commit_order(new):
                put = self._compositor.add(each)
                # At once, because the next one may fail.
                steps.append(("put", put))
        except Exception:
            for what, each in reversed(steps[begun:]):
                if what == "put":
                    self._compositor.remove(each.id)
                else:
                    self._compositor.add(each)
            raise
        return _with_known_pixels(state, [each for what, each in steps[begun:] if what == "put"])

    def _set_state(self, state: State, steps: list[Step]) -> None:
        self._origin = None
        before, self.state = self.state, state
        self.steps += steps
        self._record(before, state, steps)

    def _record(self, before: State, after: State, steps: list[Step]) -> None:
        """Record a step. An error of the journal does not stop the session."""
        if self._journal is not None and not self._journal_error:
            try:
                self._journal.record(before, after, steps)
            except SeganyError as error:
                self._journal_error = str(error)

    def _emit_changed(self, before: State) -> None:
        if self._journal_error and not self._is_error_reported:
            self._is_error_reported = True
            self.trouble.emit(self._journal_error)
        self.changed.emit(before, self.state)


def write_steps(target: LabelsTarget, steps: Iterable[Step]) -> LabelCompositor:
    """Repeat steps of other labels on these."""
    compositor = LabelCompositor(target)
    with target.together():
        for what, each in steps:
            if what == "put":
                compositor.add(each)
            else:
                compositor.remove(each.id)
    return compositor


def _with_known_pixels(state: State, added: Iterable[SegmentedObject]) -> State:
    """Return the state with commits that know their pixels, from objects added to labels."""
    known = {each.id: each for each in added}
    found = [
        now if now.absent == each.absent else replace(each, commit=now.commit)
        for each in state.committed
        if (now := known.get(each.id, each)) is not each and _order(now) == _order(each)
    ]
    return state.with_objects(*found) if found else state


def _order(each: SegmentedObject) -> int | None:
    return None if each.commit is None else each.commit.order


def state_towards(state: State, target: State, at_most: int | None) -> State:
    """Return the target, or a state between that differs in at most so many objects."""
    numbers = {**state.objects, **target.objects}
    different = [n for n in numbers if state.objects.get(n) is not target.objects.get(n)]
    if at_most is None or len(different) <= at_most:
        return target
    objects = dict(state.objects)
    for number in sorted(different)[-at_most:]:
        objects.pop(number, None)
        if number in target.objects:
            objects[number] = target.objects[number]
    return State(dict(sorted(objects.items())))


def in_commit_order(objects: Iterable[SegmentedObject]) -> list[SegmentedObject]:
    """Return the committed ones among some objects, in the order of their commits."""
    done = [(each.commit.order, each) for each in objects if each.commit is not None]
    return [each for _, each in sorted(done, key=lambda pair: pair[0])]
