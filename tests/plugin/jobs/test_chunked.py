from typing import Any

import pytest

from napari_segany.plugin.jobs.chunked import PORTION, ChunkedTasks


def test_the_first_portion_is_done_at_once_and_the_others_in_turns(jobs: Any) -> None:
    portions, seen, done = ChunkedTasks(jobs), [], []

    def act(some: Any, going_on: bool) -> None:
        assert portions.at_work
        seen.append((len(some), going_on))

    portions.act("key", range(2 * PORTION + 3), act, lambda: done.append(1), jobs.fail)
    assert seen == [(PORTION, False)]
    assert not portions.at_work
    assert not done
    jobs.run()
    assert seen == [(PORTION, False), (PORTION, True), (3, True)]
    assert done == [1]


def test_stopping_leaves_what_is_done_and_says_that_it_is_over(jobs: Any) -> None:
    portions, seen, done = ChunkedTasks(jobs), [], []
    portions.act("key", range(500), lambda some, _: seen.extend(some), lambda: done.append(1),
                 jobs.fail)  # fmt: skip
    portions.stop()
    jobs.run()
    assert len(seen) == PORTION
    assert done == [1]


def test_errors_are_raised_at_first_and_told_later(jobs: Any) -> None:
    portions, told, done = ChunkedTasks(jobs), [], []

    def act(some: Any, going_on: bool) -> None:
        if going_on or some[0] == 1:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        portions.act("key", [1], act, lambda: done.append(1), told.append)
    portions.act("key", [0] * 500, act, lambda: done.append(1), told.append)
    jobs.run()
    assert len(told) == 1
    assert done == [1, 1]
    assert not portions.at_work


def test_what_is_on_its_way_is_finished_before_anything_else_begins(jobs: Any) -> None:
    portions, seen = ChunkedTasks(jobs), []

    def begin(name: str) -> None:
        portions.act(name, range(120), lambda some, _: seen.append((name, len(some))),
                     lambda: seen.append((name, "done")), jobs.fail)  # fmt: skip

    begin("first")
    begin("second")
    whole = [("first", PORTION), ("first", PORTION), ("first", 20), ("first", "done")]
    assert seen == [*whole, ("second", PORTION)]
    portions.finish()
    assert seen[5:] == [("second", PORTION), ("second", 20), ("second", "done")]
    jobs.run()
    assert len(seen) == 8, "turns that were asked for find nothing to do"


def test_what_is_finished_tells_its_errors(jobs: Any) -> None:
    portions, told = ChunkedTasks(jobs), []

    def act(some: Any, going_on: bool) -> None:
        if going_on:
            raise ValueError("no")

    portions.act("key", range(500), act, lambda: None, told.append)
    portions.finish()
    jobs.run()
    assert len(told) == 1


def test_what_is_begun_within_a_turn_is_done_too(jobs: Any) -> None:
    portions, seen = ChunkedTasks(jobs), []

    def inner() -> None:
        portions.act("inner", range(60), lambda some, _: seen.append(len(some)), list, jobs.fail)

    def outer(some: Any, going_on: bool) -> None:
        if not going_on:
            inner()

    portions.act("outer", range(120), outer, list, jobs.fail)
    jobs.run()
    assert seen == [PORTION, 10]
    assert not portions.at_work
