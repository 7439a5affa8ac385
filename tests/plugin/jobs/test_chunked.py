from typing import Any

import pytest

from napari_segany.plugin.jobs.chunked import CHUNK, PART, TURN, ChunkedTasks, do_in_turns


def test_the_first_chunk_is_done_at_once_and_the_others_in_turns(jobs: Any) -> None:
    tasks, seen, done = ChunkedTasks(jobs), [], []

    def act(some: Any, going_on: bool) -> None:
        assert tasks.running
        seen.append((len(some), going_on))

    tasks.for_each("key", range(CHUNK + 2 * PART + 3), act, [lambda: done.append(1)], jobs.fail)
    assert seen == [(CHUNK, False)]
    assert not tasks.running
    assert not done
    jobs.run()
    assert seen == [(CHUNK, False), (PART, True), (PART, True), (3, True)]
    assert done == [1]


class _Turns:
    """Queue of one delayed call, which the test makes."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def call_later(self, key: str, act: Any) -> None:
        self.waiting.append(act)


def test_a_later_turn_ends_by_the_clock() -> None:
    now, turns, queue = [0.0], [[]], _Turns()
    tasks = ChunkedTasks(queue, lambda: now[0])
    parts = [CHUNK + n * PART for n in range(12)]
    slow = parts[5:8]

    def act(some: Any, going_on: bool) -> None:
        now[0] += 20 * TURN if some[0] in slow else TURN / 3.5
        turns[-1].append(some[0])

    tasks.for_each("key", range(CHUNK + 12 * PART), act, (), list)
    while queue.waiting:
        turns.append([])
        queue.waiting.pop()()
    # Four parts fit into a turn; one that is slow ends it.
    assert turns == [[0], parts[:4], parts[4:6], parts[6:7], parts[7:8], parts[8:]]


def test_the_first_turn_may_be_shorter(jobs: Any) -> None:
    tasks, seen = ChunkedTasks(jobs), []
    tasks.for_each("key", range(20), lambda some, _: seen.append(len(some)), (), jobs.fail, 3)
    assert seen == [3]
    jobs.run()
    assert seen == [3, PART, PART, 1]


def test_stopping_leaves_what_is_done_and_says_that_it_is_over(jobs: Any) -> None:
    tasks, seen, done = ChunkedTasks(jobs), [], []
    tasks.for_each("key", range(500), lambda some, _: seen.extend(some), [lambda: done.append(1)],
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
        tasks.for_each("key", [1], act, [lambda: done.append(1)], told.append)
    tasks.for_each("key", [0] * 500, act, [lambda: done.append(1)], told.append)
    jobs.run()
    assert len(told) == 1
    assert done == [1, 1]
    assert not tasks.running


def test_what_is_on_its_way_is_finished_before_anything_else_begins(jobs: Any) -> None:
    tasks, seen = ChunkedTasks(jobs), []

    def begin(name: str) -> None:
        tasks.for_each(name, range(120), lambda some, _: seen.append((name, len(some))),
                     [lambda: seen.append((name, "done"))], jobs.fail)  # fmt: skip

    begin("first")
    begin("second")
    sizes = [CHUNK, *[PART] * (70 // PART), 70 % PART]
    assert seen == [*(("first", n) for n in sizes), ("first", "done"), ("second", CHUNK)]
    tasks.finish()
    assert seen[len(sizes) + 2 :] == [*(("second", n) for n in sizes[1:]), ("second", "done")]
    jobs.run()
    assert len(seen) == 2 * (len(sizes) + 1), "turns that were asked for find nothing to do"


def test_what_is_finished_tells_its_errors(jobs: Any) -> None:
    tasks, told = ChunkedTasks(jobs), []

    def act(some: Any, going_on: bool) -> None:
        if going_on:
            raise ValueError("no")

    tasks.for_each("key", range(500), act, (), told.append)
    tasks.finish()
    jobs.run()
    assert len(told) == 1


def test_what_is_begun_within_a_turn_is_done_too(jobs: Any) -> None:
    tasks, seen = ChunkedTasks(jobs), []

    def inner() -> None:
        tasks.for_each("inner", range(60), lambda some, _: seen.append(len(some)), (), jobs.fail)

    def outer(some: Any, going_on: bool) -> None:
        if not going_on:
            inner()

    tasks.for_each("outer", range(120), outer, (), jobs.fail)
    jobs.run()
    assert seen == [CHUNK, PART, 10 - PART]
    assert not tasks.running


def test_each_part_has_a_turn_of_its_own() -> None:
    queue, seen = _Turns(), []
    do_in_turns(queue, "key", (seen.append(n) for n in range(3)), seen.append)
    assert seen == [0]
    for expected in ([0, 1], [0, 1, 2], [0, 1, 2]):
        queue.waiting.pop()()
        assert seen == expected
    assert not queue.waiting


def test_an_error_of_a_part_ends_the_work() -> None:
    queue, errors = _Turns(), []
    parts = iter([lambda: 1, lambda: 1 / 0, lambda: 2])
    do_in_turns(queue, "key", (part() for part in parts), errors.append)
    queue.waiting.pop()()
    assert [type(each) for each in errors] == [ZeroDivisionError]
    assert not queue.waiting
    with pytest.raises(ZeroDivisionError):
        do_in_turns(queue, "key", (1 / zero for zero in [0]), errors.append)


def test_what_ends_many_steps_has_turns_of_its_own() -> None:
    queue, seen = _Turns(), []
    tasks = ChunkedTasks(queue)
    ends = [lambda n=n: seen.append(n) for n in "ab"]
    tasks.for_each("short", range(3), lambda *_: seen.append("step"), ends, list)
    assert seen == ["step", "a", "b"]
    assert not queue.waiting
    tasks.for_each("long", range(CHUNK + 1), lambda *_: seen.append("step"), ends, list)
    turns = []
    while queue.waiting:
        before = len(seen)
        queue.waiting.pop()()
        turns.append("".join(seen[before:]))
    assert turns == ["step", "a", "b"]
    # Until the last one is called the step is not over.
    tasks.for_each("long", range(CHUNK + 1), lambda *_: seen.append("step"), ends, list)
    queue.waiting.pop()()
    before = len(seen)
    tasks.finish()
    assert seen[before:] == ["a", "b"]
    queue.waiting.pop()()
    assert len(seen) == before + 2


def test_what_ends_steps_is_called_after_an_error_too(jobs: Any) -> None:
    tasks, seen = ChunkedTasks(jobs), []

    def fail(*_: Any) -> None:
        raise ValueError("no")

    def fail_later(_: Any, continues: bool) -> None:
        if continues:
            fail()

    ends = [lambda: seen.append("a"), lambda: seen.append("b")]
    with pytest.raises(ValueError, match="no"):
        tasks.for_each("key", range(3), fail, ends, jobs.fail)
    assert seen == ["a", "b"]
    tasks.for_each("key", range(CHUNK + 9), fail_later, ends, lambda error: seen.append(str(error)))
    jobs.run()
    assert seen[2:] == ["no", "a", "b"]
    tasks.finish()
    assert len(seen) == 5
