from typing import Any

import pytest

from napari_segany.plugin.jobs.chunked import CHUNK, ChunkedTasks


def test_the_first_chunk_is_done_at_once_and_the_others_in_turns(jobs: Any) -> None:
    tasks, seen, done = ChunkedTasks(jobs), [], []

    def act(some: Any, going_on: bool) -> None:
        assert tasks.running
        seen.append((len(some), going_on))

    tasks.for_each("key", range(2 * CHUNK + 3), act, lambda: done.append(1), jobs.fail)
    assert seen == [(CHUNK, False)]
    assert not tasks.running
    assert not done
    jobs.run()
    assert seen == [(CHUNK, False), (CHUNK, True), (3, True)]
    assert done == [1]


def test_stopping_leaves_what_is_done_and_says_that_it_is_over(jobs: Any) -> None:
    tasks, seen, done = ChunkedTasks(jobs), [], []
    tasks.for_each("key", range(500), lambda some, _: seen.extend(some), lambda: done.append(1),
                 jobs.fail)  # fmt: skip
    tasks.cancel()
    jobs.run()
    assert len(seen) == CHUNK
    assert done == [1]


def test_errors_are_raised_at_first_and_told_later(jobs: Any) -> None:
    tasks, told, done = ChunkedTasks(jobs), [], []

    def act(some: Any, going_on: bool) -> None:
        if going_on or some[0] == 1:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        tasks.for_each("key", [1], act, lambda: done.append(1), told.append)
    tasks.for_each("key", [0] * 500, act, lambda: done.append(1), told.append)
    jobs.run()
    assert len(told) == 1
    assert done == [1, 1]
    assert not tasks.running


def test_what_is_on_its_way_is_finished_before_anything_else_begins(jobs: Any) -> None:
    tasks, seen = ChunkedTasks(jobs), []

    def begin(name: str) -> None:
        tasks.for_each(name, range(120), lambda some, _: seen.append((name, len(some))),
                     lambda: seen.append((name, "done")), jobs.fail)  # fmt: skip

    begin("first")
    begin("second")
    whole = [("first", CHUNK), ("first", CHUNK), ("first", 20), ("first", "done")]
    assert seen == [*whole, ("second", CHUNK)]
    tasks.finish()
    assert seen[5:] == [("second", CHUNK), ("second", 20), ("second", "done")]
    jobs.run()
    assert len(seen) == 8, "turns that were asked for find nothing to do"


def test_what_is_finished_tells_its_errors(jobs: Any) -> None:
    tasks, told = ChunkedTasks(jobs), []

    def act(some: Any, going_on: bool) -> None:
        if going_on:
            raise ValueError("no")

    tasks.for_each("key", range(500), act, lambda: None, told.append)
    tasks.finish()
    jobs.run()
    assert len(told) == 1


def test_what_is_begun_within_a_turn_is_done_too(jobs: Any) -> None:
    tasks, seen = ChunkedTasks(jobs), []

    def inner() -> None:
        tasks.for_each("inner", range(60), lambda some, _: seen.append(len(some)), list, jobs.fail)

    def outer(some: Any, going_on: bool) -> None:
        if not going_on:
            inner()

    tasks.for_each("outer", range(120), outer, list, jobs.fail)
    jobs.run()
    assert seen == [CHUNK, 10]
    assert not tasks.running
