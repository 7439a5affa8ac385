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
from tests.piles import Piles

from napari_segany import MaskSet, Prompt
from napari_segany.session import ArraySource, Session

SHAPE = (2, 24, 28)
ROWS, COLS = st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[2] - 1)
PLANES = st.sampled_from([(0, None, None), (1, None, None), (None, 5, None)])


class AgainstADict(RuleBasedStateMachine):
    """Labels are those of :class:`Piles`."""

    model: Any = None

    @initialize()
    def begin(self) -> None:
        self.session = Session(ArraySource(np.zeros(SHAPE, np.uint8)), self.model)
        self.piles = Piles(SHAPE)

    def follow(self, before: Any) -> None:
        self.piles.follow(before, self.session.state)

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

    @rule(row=ROWS, col=COLS)
    def add_a_part(self, row: int, col: int) -> None:
        active = self.active_in_a_stack(row, col)
        part = (1 - active.plane[0], None, None), Prompt(points=[[row, col]])
        wanted = {each.id: (each.plane, each.prompt) for each in self.session.state.open}
        self.session.set_open({**wanted, -1: part}, wholes={-1: active.whole})
        self.session.ask()

    def active_in_a_stack(self, row: int, col: int) -> Any:
        active = self.session.active
        if active is None or active.plane[0] is None:
            self.session.set_prompt(Prompt(points=[[row, col]]), (0, None, None))
            self.session.ask()
        return self.session.active

    @rule(row=ROWS, col=COLS, replace=st.booleans())
    def commit_through_planes(self, row: int, col: int, replace: bool) -> None:
        active = self.active_in_a_stack(row, col)
        before = self.session.state
        self.session.on_overlap = "replace" if replace else "keep"
        self.session.commit([each.id for each in before.parts(active.whole) if not each.commit])
        mask = np.zeros(SHAPE[1:], bool)
        mask[row : row + 7, col : col + 9] = True
        further = 1 - active.plane[0], None, None
        masks = [(active.whole, further, MaskSet.from_masks(mask[None]))]
        self.session.commit_parts(masks, join=self.session.state is not before)
        self.follow(before)
        after = self.session.state
        if after is not before:
            self.session.undo()
            assert self.session.state is before
            self.session.redo()
            assert self.session.state is after

    @rule(plane=PLANES, absent=st.booleans())
    def say_where_it_is_not(self, plane: Any, absent: bool) -> None:
        active, before = self.session.active, self.session.state
        if active is None or any(each.plane == plane for each in before.parts(active.whole)):
            return
        self.session.set_absent(active.whole, plane, absent)
        after = self.session.state
        assert (plane in after.absent_planes(active.whole)) is absent
        if after is not before:
            self.session.undo()
            assert self.session.state is before
            self.session.redo()
            assert self.session.state is after

    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        before = self.session.state
        if before.committed:
            chosen = data.draw(st.sampled_from(before.committed))
            if all(each.propagated for each in before.parts(chosen.whole) if each.commit):
                return
            self.session.reopen(chosen.id)
            assert not any(each.commit for each in self.session.state.parts(chosen.whole))
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
        before = self.image.copy()
        self.image[z, row, col : col + 6] = 0 if erase else 100_000
        self.piles.paint(before, self.image)

    # What holds at any time -------------------------------------------------------------------

    @property
    def image(self) -> Any:
        return self.session.labels.data  # type: ignore[attr-defined]

    @invariant()
    def labels_are_those_of_the_dict(self) -> None:
        if not hasattr(self, "session"):
            return
        assert np.array_equal(self.image, self.piles.image())


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


def test_many_random_steps(model: Any) -> None:
    run(model, examples=20, steps=50)


@pytest.mark.slow
def test_ten_thousand_random_steps(model: Any) -> None:
    run(model, examples=100, steps=100)
