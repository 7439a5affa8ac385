"""A session against a plain dict of committed objects, in long random runs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from napari_segany import Prompt
from napari_segany.session import ArraySource, Session

SHAPE = (2, 24, 28)
ROWS, COLS = st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[2] - 1)
PLANES = st.sampled_from([(0, None, None), (1, None, None), (None, 5, None)])


class AgainstADict(RuleBasedStateMachine):
    """Labels are those of painting the committed objects' masks one after the other.

    With "keep" an object gets the pixels that are free when it is committed. The model keeps for
    every pixel a pile of who wrote there; what is taken out leaves the piles.
    """

    model: Any = None

    @initialize()
    def begin(self) -> None:
        self.session = Session(ArraySource(np.zeros(SHAPE, np.uint8)), self.model)
        # For every pixel who wrote there, lowest first: object (None for a hand), value, order.
        self.piles: dict[tuple[int, int, int], list[tuple[int | None, int, int]]] = {}
        self.past: list[tuple[Any, Any]] = []
        self.future: list[tuple[Any, Any]] = []

    # What a step does to the piles ------------------------------------------------------------

    def put(self, number: int) -> None:
        each = self.session.state.objects[number]
        assert each.commit is not None
        assert each.label is not None
        full = np.zeros(SHAPE, bool)
        index = tuple(slice(None) if n is None else n for n in each.plane)
        full[index] = each.commit.mask.mask(0)
        for at in map(tuple, np.argwhere(full).tolist()):
            pile = self.piles.setdefault(at, [])
            # Below those that were committed later, which is so when a commit is done again.
            place = len(pile)
            while place and pile[place - 1][2] > each.commit.order:
                place -= 1
            below = pile[place - 1][1] if place else 0
            if each.commit.on_overlap == "replace" or below == 0:
                pile.insert(place, (number, each.label, each.commit.order))

    def take(self, number: int) -> None:
        for pile in self.piles.values():
            # Below what was painted by hand nothing is seen, and nothing is ever taken back.
            hand = max((i for i, entry in enumerate(pile) if entry[0] is None), default=-1)
            pile[hand + 1 :] = [entry for entry in pile[hand + 1 :] if entry[0] != number]

    def follow(self, before: Any) -> None:
        """What the step from ``before`` to the present state does."""
        now = self.session.state
        for number, each in before.objects.items():
            other = now.objects.get(number)
            if each.commit and (other is None or other.commit is not each.commit):
                self.take(number)
        done = [(n, each) for n, each in now.objects.items() if each.commit]
        for number, each in sorted(done, key=lambda pair: pair[1].commit.order):
            earlier = before.objects.get(number)
            if earlier is None or earlier.commit is not each.commit:
                self.put(number)

    # Steps ------------------------------------------------------------------------------------

    @rule(row=ROWS, col=COLS, positive=st.booleans())
    def add_point(self, row: int, col: int, positive: bool) -> None:
        shape = [n for n, at in zip(SHAPE, self.session.plane, strict=True) if at is None]
        self.session.add_point(min(row, shape[0] - 1), min(col, shape[1] - 1), positive)
        self.session.ask()

    @rule(row=ROWS, col=COLS)
    def move_a_point(self, row: int, col: int) -> None:
        active = self.session.active
        if active is not None and active.prompt.points is not None:
            shape = [n for n, at in zip(SHAPE, active.plane, strict=True) if at is None]
            points = active.prompt.points.copy()
            points[-1] = min(row, shape[0] - 1), min(col, shape[1] - 1)
            self.session.set_prompt(Prompt(points, active.prompt.labels), active.plane)
            self.session.ask()

    @rule()
    def give_up(self) -> None:
        if self.session.active is not None:
            before = self.session.state
            self.session.set_prompt(None)
            self.follow(before)

    @rule(plane=PLANES)
    def change_plane(self, plane: Any) -> None:
        self.session.plane = plane

    @rule(step=st.sampled_from([-1, 1]))
    def choose(self, step: int) -> None:
        self.session.next_candidate(step)

    @rule(replace=st.booleans())
    def commit(self, replace: bool) -> None:
        before = self.session.state
        self.session.on_overlap = "replace" if replace else "keep"
        self.session.commit()
        self.follow(before)

    @rule(replace=st.booleans())
    def commit_all(self, replace: bool) -> None:
        before = self.session.state
        self.session.on_overlap = "replace" if replace else "keep"
        self.session.commit([each.id for each in before.open])
        self.follow(before)

    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        before = self.session.state
        if before.committed:
            chosen = data.draw(st.sampled_from(before.committed))
            self.session.reopen(chosen.id)
            self.follow(before)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        before = self.session.state
        if before.objects:
            self.session.delete([data.draw(st.sampled_from(list(before.objects)))])
            self.follow(before)

    @rule()
    def undo(self) -> None:
        before = self.session.state
        self.session.undo()
        self.follow(before)

    @rule()
    def redo(self) -> None:
        before = self.session.state
        self.session.redo()
        self.follow(before)

    @rule(z=st.integers(0, 1), row=ROWS, col=COLS, erase=st.booleans())
    def paint_by_hand(self, z: int, row: int, col: int, erase: bool) -> None:
        value = 0 if erase else 100_000
        self.image[z, row, col : col + 6] = value
        for at in range(col, min(col + 6, SHAPE[2])):
            self.piles.setdefault((z, row, at), []).append((None, value, 0))

    # What holds at any time -------------------------------------------------------------------

    @property
    def image(self) -> Any:
        return self.session.labels.data  # type: ignore[attr-defined]

    @invariant()
    def labels_are_those_of_the_dict(self) -> None:
        if not hasattr(self, "session"):
            return
        wanted = np.zeros(SHAPE, np.int32)
        for at, pile in self.piles.items():
            if pile:
                wanted[at] = pile[-1][1]
        assert np.array_equal(self.image, wanted)


def run(model: Any, examples: int, steps: int) -> None:
    AgainstADict.model = model
    run_state_machine_as_test(
        AgainstADict,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            # What fails is printed as it was found; making it shorter takes minutes.
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_thousand_random_steps(model: Any) -> None:
    run(model, examples=20, steps=50)


@pytest.mark.slow
def test_ten_thousand_random_steps(model: Any) -> None:
    run(model, examples=100, steps=100)
