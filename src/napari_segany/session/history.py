"""The states of a session in time, and the labels and the journal that follow them."""

from collections.abc import Iterable
from dataclasses import replace

from napari_segany.errors import InputError, SeganyError
from napari_segany.session.journal import Journal, SavedSession
from napari_segany.session.labels_target import LabelCompositor, LabelsTarget
from napari_segany.session.state import SegmentedObject, State, Step

UNDO_STEPS = 1000


class History:
    """Goes from state to state, forward and back; labels and journal go along.

    Parameters
    ----------
    target : LabelsTarget
        Labels that committed objects are written into.

    Attributes
    ----------
    state : State
        The present one.
    steps : list of tuple
        All that happened to the labels, in order.
    former : list of list
        The same for labels that were written into before, and left as they were.
    trouble : str
        Why the journal could not be written; empty while it can.
    """

    def __init__(self, target: LabelsTarget) -> None:
        self.state = State()
        self.steps: list[Step] = []
        self.former: list[list[Step]] = []
        self.trouble = ""
        self._writing = False
        # Where an undo or redo began that is on its way.
        self._left: State | None = None
        self._ledger = LabelCompositor(target)
        self._journal: Journal | None = None
        self._past: list[State] = []
        self._future: list[State] = []

    @property
    def target(self) -> LabelsTarget:
        """Labels that committed objects are written into."""
        return self._ledger.target

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return bool(self._future)

    def advance(self, state: State, join: bool = False) -> None:
        """Take a new step; with ``join`` the step before and this one are undone together."""
        before = self.state
        self._go_to(state)
        if not (join and self._past):
            self._past = [*self._past[-UNDO_STEPS + 1 :], before]
        self._future.clear()

    def undo(self, at_most: int | None = None) -> None:
        """Go back one step; if more objects than ``at_most`` change, only part of the way."""
        self._travel(self._past, self._future, at_most)

    def redo(self, at_most: int | None = None) -> None:
        """Go forward to where undoing came from, or part of the way."""
        self._travel(self._future, self._past, at_most)

    @property
    def is_between_steps(self) -> bool:
        """Whether the last undo or redo went part of its way only."""
        return self._left is not None

    def _travel(self, there: list[State], behind: list[State], at_most: int | None) -> None:
        left, self._left = self._left or self.state, None
        part = nearer(self.state, there[-1], at_most)
        self._go_to(part)
        if part is there[-1]:
            behind.append(left)
            there.pop()
        else:
            self._left = left

    def drop_lost(self) -> list[int]:
        """Follow others who took objects out of the labels; the numbers of these objects.

        What was undone is open again. What was painted over is given up, so that no later commit
        writes it over what somebody painted.
        """
        # While labels are written they may look as if others had taken something out.
        lost = {} if self._writing else self._ledger.lost()
        if lost:
            state = self.state
            steps: list[Step] = []
            for number, how in lost.items():
                each = state.objects[number]
                # Nothing is left to take back, but it is written down that it is gone.
                self._ledger.take(number)
                steps.append(("take", each))
                if how == "undone":
                    state = state.with_objects(replace(each, commit=None))
                else:
                    state = state.without({number})
            self._past = [*self._past[-UNDO_STEPS + 1 :], self.state]
            self._future.clear()
            self._arrive(state, steps)
        return list(lost)

    def area(self, number: int) -> int:
        """Pixels of a committed object in the labels that no other object lies over."""
        return self._ledger.area(number)

    def without_pixels(self, numbers: Iterable[int]) -> list[int]:
        """Which of some committed objects have not a single pixel in the labels."""
        return [n for n in numbers if n in self._ledger and self._ledger.is_empty(n)]

    def move_to(self, target: LabelsTarget, reopen: bool = False) -> None:
        """Write into other labels from now on; there is no way back beyond a commit.

        What is committed stays where it is and is done with, or, with ``reopen``, is open again.
        """
        come = self.state.objects.values() if reopen else self.state.open
        left = State({each.id: replace(each, commit=None) for each in come}, self.state.active)
        if self._ledger.objects and not reopen:
            self.former.append(self.steps)
        self._ledger, self.steps = LabelCompositor(target), []
        if any(state.committed for state in (self.state, *self._past, *self._future)):
            self._past.clear()
            self._future.clear()
        self._arrive(left, [])

    def restore(self, story: SavedSession) -> None:
        """Take up what a journal tells. The labels are written anew.

        Raises
        ------
        InputError
            If something has happened here already.
        """
        if self.is_begun:
            raise InputError("Only a session in which nothing has happened can be restored into.")
        self._writing = True
        try:
            with self._ledger.target.together():
                self._ledger = written(self._ledger.target, story.steps)
                self.steps = list(story.steps)
                state = _settled(story.state, self._ledger.objects)
                self.state = self._write_labels(state, self.steps)
        finally:
            self._writing = False
        self.former = list(story.former)
        self._tell_all()

    @property
    def is_begun(self) -> bool:
        """Whether anything has happened, undone or not."""
        return bool(self.state.objects or self.steps or self.former or self._past or self._future)

    def begin_journal(self, journal: Journal) -> Journal:
        """Write down all that has happened, and from now on every step; a journal before ends."""
        before, self._journal = self._journal, journal
        self._tell_all()
        if before is not None:
            before.close()
        return journal

    def _tell_all(self) -> None:
        """Write down how all labels came about, and the present state."""
        for steps in self.former:
            self._tell(steps, State())
        self._tell(self.steps, self.state)

    def _tell(self, steps: list[Step], state: State) -> None:
        """Write down how labels came about, and in which state they were left."""
        told: dict[int, SegmentedObject] = {}
        for what, each in steps:
            if what == "put":
                told[each.id] = each
                self._write(State(), State({each.id: each}), [("put", each)])
            else:
                self._write(State(), State(), [("take", each)])
        if told or state.objects:
            self._write(State(told), state, [])

    def close(self) -> None:
        """End the journal properly."""
        if self._journal is not None:
            self._journal.close()

    def _go_to(self, state: State) -> None:
        """Make the labels those of another state; if that fails, all stays as it was."""
        steps: list[Step] = []
        self._writing = True
        try:
            with self._ledger.target.together():
                state = self._write_labels(state, steps)
        finally:
            self._writing = False
        self._arrive(state, steps)

    def _write_labels(self, state: State, steps: list[Step]) -> State:
        """Take out and put in what another state asks for; on an error all of it is reversed.

        Returns
        -------
        State
            The state, whose commits know what they wrote.
        """
        begun = len(steps)
        try:
            for each in reversed(in_order(self._ledger.objects)):
                other = state.objects.get(each.id)
                if other is None or other.commit is not each.commit:
                    self._ledger.take(each.id)
                    steps.append(("take", each))
            for each in in_order(state.objects.values()):
                if each.id in self._ledger:
                    continue
                put = self._ledger.put(each)
                # At once, because the next one may fail.
                steps.append(("put", put))
        except Exception:
            for what, each in reversed(steps[begun:]):
                if what == "put":
                    self._ledger.take(each.id)
                else:
                    self._ledger.put(each)
            raise
        return _settled(state, [each for what, each in steps[begun:] if what == "put"])

    def _arrive(self, state: State, steps: list[Step]) -> None:
        self._left = None
        before, self.state = self.state, state
        self.steps += steps
        self._write(before, state, steps)

    def _write(self, before: State, after: State, steps: list[Step]) -> None:
        """Write down a step. A journal that cannot be written stops nobody from working."""
        if self._journal is not None and not self.trouble:
            try:
                self._journal.record(before, after, steps)
            except SeganyError as error:
                self.trouble = str(error)


def written(target: LabelsTarget, steps: Iterable[Step]) -> LabelCompositor:
    """Do to labels what was done to others."""
    ledger = LabelCompositor(target)
    with target.together():
        for what, each in steps:
            if what == "put":
                ledger.put(each)
            else:
                ledger.take(each.id)
    return ledger


def _settled(state: State, put: Iterable[SegmentedObject]) -> State:
    """A state whose commits know what they wrote, from objects that were put into labels."""
    known = {each.id: each for each in put}
    found = [
        now
        for each in state.committed
        if (now := known.get(each.id, each)) is not each and _order(now) == _order(each)
    ]
    return state.with_objects(*found) if found else state


def _order(each: SegmentedObject) -> int | None:
    return None if each.commit is None else each.commit.order


def nearer(state: State, target: State, at_most: int | None) -> State:
    """The target, or a state on the way to it that differs in at most so many objects."""
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


def in_order(objects: Iterable[SegmentedObject]) -> list[SegmentedObject]:
    """The committed ones among some objects, in the order of their commits."""
    done = [(each.commit.order, each) for each in objects if each.commit is not None]
    return [each for _, each in sorted(done, key=lambda pair: pair[0])]
