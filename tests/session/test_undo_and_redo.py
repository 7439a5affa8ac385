"""Any history, undone and redone in any mix, gives the same bytes of labels."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.effort import choose_count

from napari_segany import Prompt
from napari_segany.session import ArraySource, ArrayTarget, Session
from napari_segany.session.journal import read_journal
from napari_segany.session.journal_file import find_journals
from napari_segany.session.replay import provenance, replay

SHAPE = (60, 70)
IMAGE = np.zeros(SHAPE, np.uint8)


def labels_of(session: Session) -> NDArray[np.integer]:
    return session.labels.data  # type: ignore[attr-defined, no-any-return]


def boxes(seed: int, count: int, shape: tuple[int, int] = SHAPE) -> list[Prompt]:
    """Boxes that overlap a lot."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        row, col = random.integers(0, shape[0] - 8), random.integers(0, shape[1] - 8)
        height, width = random.integers(2, 8, 2)
        found.append(Prompt(box=[row, col, row + height, col + width]))
    return found


class History:
    """Takes steps, and notes the labels after each."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.images = [labels_of(session).copy()]

    def note(self) -> None:
        self.images.append(labels_of(self.session).copy())

    def step(self, number: int, seed: int, portion: int) -> None:
        session, random = self.session, np.random.default_rng(seed)
        done, before = session.state.committed, session.state
        if number == 0 or not done:
            session.on_overlap = "keep" if number == 0 else "replace"
            self.commit(boxes(seed, int(random.integers(1, 30))), portion)
        elif number == 1:
            session.on_overlap = "replace"
            self.commit(boxes(seed, int(random.integers(1, 30))), portion)
        elif number == 2:
            session.delete([each.id for each in done if random.random() < 0.4])
        elif number == 3:
            session.reopen(done[random.integers(len(done))].id)
        else:
            session.commit([each.id for each in session.state.open])
        if session.state is not before and number > 1 and done:
            self.note()

    def commit(self, prompts: list[Prompt], portion: int) -> None:
        """Begin objects, and commit them some at a time as one step."""
        session = self.session
        numbers = session.add_many(prompts)
        self.note()
        session.ask()
        joined = False
        for start in range(0, len(numbers), portion):
            before = session.state
            session.commit(numbers[start : start + portion], join=joined)
            joined = joined or session.state is not before
        if joined:
            self.note()

    def travel(self, at: int, to: int, at_most: int | None) -> None:
        """Undo or redo from one image to another, and look at each on the way."""
        while at != to:
            move = self.session.undo if to < at else self.session.redo
            assert move(at_most)
            while self.session.is_between_steps:
                move(at_most)
            at += 1 if to > at else -1
            assert np.array_equal(labels_of(self.session), self.images[at])


@given(
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99)), min_size=1, max_size=8),
    journeys=st.lists(st.integers(0, 10_000), min_size=1, max_size=5),
    portion=st.integers(1, 40),
    at_most=st.one_of(st.none(), st.integers(1, 40)),
)
@settings(
    max_examples=choose_count(40, 20),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_any_history_in_any_mix(
    steps: list[tuple[int, int]],
    journeys: list[int],
    portion: int,
    at_most: int | None,
    model: Any,
) -> None:
    history = History(Session(ArraySource(IMAGE), model))
    for number, seed in steps:
        history.step(number, seed, portion)
    at = len(history.images) - 1
    for journey in journeys:
        to = journey % len(history.images)
        history.travel(at, to, at_most)
        at = to


@pytest.mark.parametrize("count", [1, 2, 160, choose_count(1000, 500)])
@pytest.mark.parametrize("overlap", ["keep", "replace"])
def test_a_commit_in_portions_undone_and_redone_in_portions(
    count: int, overlap: Any, model: Any, tmp_path: Path
) -> None:
    shape = (200, 220) if count < 500 else (700, 800)
    # Something of somebody else is there already, which "keep" leaves alone.
    there = np.zeros(shape, np.int32)
    there[50:60] = 77
    session = Session(ArraySource(np.zeros(shape, np.uint8)), model, ArrayTarget(there), tmp_path)
    session.on_overlap = overlap
    history = History(session)
    history.commit(boxes(0, count, shape), 50)
    done = history.images[-1]
    for at_most in (50, None, 170):
        history.travel(2, 1, at_most)
        assert np.array_equal(labels_of(session), there)
        history.travel(1, 2, at_most)
    for number in [each.id for each in session.state.committed]:
        label = session.state.objects[number].label
        assert session.area(number) == np.count_nonzero(done == label)
    again = replay(provenance(session), session.source, model)
    assert np.array_equal(again, np.where(done == 77, 0, done))
    session.close()
    saved = read_journal(find_journals(tmp_path)[0], shape)
    restored = Session(session.source, model)
    restored.restore(saved)
    assert np.array_equal(labels_of(restored), np.where(done == 77, 0, done))
    restored.close()


def test_an_object_that_goes_below_others_again_gets_its_pixels_and_no_others(model: Any) -> None:
    session = Session(ArraySource(IMAGE), model)
    history = History(session)
    history.commit([Prompt(box=[10, 10, 20, 20])], 50)
    history.commit([Prompt(box=[15, 15, 30, 30])], 50)
    second = session.state.committed[1]
    session.delete([1])
    history.note()
    history.commit([Prompt(box=[12, 12, 16, 16])], 50)
    assert session.area(second.id) == 16 * 16 - 6 * 6
    for at, to in itertools.pairwise((7, 0, 6, 3, 5, 1, 7)):
        history.travel(at, to, None)


@pytest.mark.parametrize("overlap", ["keep", "replace"])
def test_an_object_that_refines_one_of_its_label_gives_it_back(overlap: Any, model: Any) -> None:
    there = np.zeros(SHAPE, np.int32)
    there[5:20, 5:20] = 7
    before = there.copy()
    session = Session(ArraySource(IMAGE), model, ArrayTarget(there))
    session.on_overlap = overlap
    session.add_many([Prompt(box=[10, 10, 29, 29])], labels=[7])
    session.ask()
    assert session.commit([1]) == [7]
    assert (there[10:30, 10:30] == 7).all()
    after = there.copy()
    session.undo()
    assert np.array_equal(there, before)
    session.redo()
    assert np.array_equal(there, after)
