import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch

from napari_segany.models.sam import thread_pool as workers
from napari_segany.models.sam.thread_pool import share_out, spread

CPU = torch.device("cpu")
ELSEWHERE = torch.device("meta")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def all_of(
    function: Callable[[int], object], items: Iterable[int], device: torch.device
) -> list[object]:
    return list(spread(function, items, device))


def threads_of_a_new_thread() -> int:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return seen[0]


def fail_at(bad: int, item: int) -> int:
    if item == bad:
        raise KeyError(f"item {bad}")
    return item


@pytest.mark.parametrize("device", [CPU, ELSEWHERE], ids=str)
def test_results_are_in_the_order_of_the_items(device: torch.device) -> None:
    done = [threading.Event() for _ in range(6)]
    done[5].set()

    def later_ones_sooner(item: int) -> int:
        # Of two at a time, the first ends after the second.
        if device == CPU and item % 2 == 0:
            assert done[item + 1].wait(60)
        done[item].set()
        return item * item

    assert all_of(later_ones_sooner, range(5), device) == [0, 1, 4, 9, 16]
    assert all_of(later_ones_sooner, [], device) == []
    assert all_of(later_ones_sooner, iter([4, 3]), device) == [16, 9]


def test_as_many_items_at_once_as_torch_had_threads() -> None:
    both = threading.Barrier(2, timeout=60)

    def wait(item: int) -> str:
        both.wait()
        return threading.current_thread().name

    names = all_of(wait, range(4), CPU)
    assert len(set(names)) == 2
    assert threading.current_thread().name not in names


def test_every_item_has_one_core() -> None:
    assert all_of(lambda _: torch.get_num_threads(), range(4), CPU) == [1] * 4
    assert torch.get_num_threads() == 2
    assert threads_of_a_new_thread() == 2


def test_a_change_of_torchs_threads_is_heeded() -> None:
    all_of(str, range(2), CPU)
    torch.set_num_threads(3)
    three = threading.Barrier(3, timeout=60)
    all_of(lambda _: three.wait(), range(3), CPU)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("device", [CPU, ELSEWHERE], ids=str)
@pytest.mark.parametrize("bad", [0, 3])
def test_an_error_reaches_the_caller_and_torch_has_its_threads_back(
    device: torch.device, bad: int
) -> None:
    with pytest.raises(KeyError, match=f"item {bad}"):
        all_of(lambda item: fail_at(bad, item), range(4), device)
    assert torch.get_num_threads() == 2
    assert threads_of_a_new_thread() == 2
    assert all_of(str, range(2), device) == ["0", "1"], "and it works again"


@pytest.mark.parametrize("device", [CPU, ELSEWHERE], ids=str)
def test_no_gradients_are_kept(device: torch.device) -> None:
    weight = torch.ones(2, requires_grad=True)
    found = all_of(lambda item: (weight * item, torch.is_inference_mode_enabled()), [3], device)
    assert [(result.requires_grad, inside) for result, inside in found] == [(False, True)]
    assert not torch.is_inference_mode_enabled()


def test_elsewhere_than_on_a_cpu_everything_is_done_in_the_callers_thread() -> None:
    def where(_: int) -> tuple[str, int]:
        return threading.current_thread().name, torch.get_num_threads()

    assert all_of(where, range(3), ELSEWHERE) == [(threading.current_thread().name, 2)] * 3


def test_callers_in_several_threads_take_turns() -> None:
    def ask(_: int) -> None:
        torch.ones(100, 100) @ torch.ones(100, 100)

    callers = [threading.Thread(target=spread, args=(ask, range(4), CPU)) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert torch.get_num_threads() == 2
    assert threads_of_a_new_thread() == 2


def test_closing_it_early_ends_what_has_begun_and_begins_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []
    ended: list[int] = []
    second, closing = threading.Event(), threading.Event()

    def wait_for_all(futures: Any) -> None:
        # Closing has come to where it waits for what has begun.
        closing.set()
        workers_wait(futures)

    workers_wait = workers.wait
    monkeypatch.setattr(workers, "wait", wait_for_all)

    def slow(item: int) -> int:
        begun.append(item)
        if item:
            second.set()
            assert closing.wait(60)
        ended.append(item)
        return item

    results = spread(slow, range(100), CPU)
    assert next(results) == 0
    assert second.wait(60)
    results.close()
    # Two at a time: those that had begun by then.
    assert sorted(begun) == sorted(ended)
    assert set(begun) <= {0, 1, 2}
    assert torch.get_num_threads() == 2


def test_idle_threads_take_some_of_what_is_shared_out() -> None:
    both = threading.Barrier(2, timeout=60)

    def wait(item: int) -> tuple[int, str, bool]:
        both.wait()
        return item, threading.current_thread().name, torch.is_inference_mode_enabled()

    ((first, second),) = all_of(lambda _: share_out(wait, [7, 8]), [0], CPU)
    assert (first[0], second[0]) == (7, 8)
    assert first[1] != second[1]
    assert first[2]
    assert second[2]


def test_what_is_shared_out_while_all_are_busy_gets_done() -> None:
    found = all_of(lambda item: share_out(lambda part: item * part, range(5)), range(20), CPU)
    assert found == [[item * part for part in range(5)] for item in range(20)]


def test_a_thread_that_has_no_others_does_it_all() -> None:
    assert share_out(abs, [-1, 2, -3]) == [1, 2, 3]
    assert all_of(lambda _: share_out(abs, [-1, 2]), [0], ELSEWHERE) == [[1, 2]]


@pytest.mark.parametrize("bad", [0, 2])
def test_an_error_in_what_is_shared_out_reaches_the_caller(bad: int) -> None:
    with pytest.raises(KeyError, match=f"item {bad}"):
        all_of(lambda _: share_out(lambda item: fail_at(bad, item), range(3)), [0], CPU)


class Large:
    """Stands for a tensor that a shared function works on."""


@pytest.mark.parametrize("bad", [None, 2])
def test_what_was_shared_out_is_let_go_while_others_still_wait(bad: int | None) -> None:
    torch.set_num_threads(1)
    seen: list[weakref.ref[Large]] = []
    alive: list[int] = []

    def work(_: int) -> None:
        gc.collect()
        alive.append(sum(each() is not None for each in seen))
        large = Large()
        seen.append(weakref.ref(large))
        with contextlib.suppress(KeyError):
            share_out(lambda part: (large, fail_at(-1 if bad is None else bad, part)), range(3))

    all_of(work, range(6), CPU)
    assert len(alive) == 6
    assert max(alive) <= 1, "nothing is kept until the last item"


def test_threads_end_when_torch_is_given_others() -> None:
    def decoding() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name.startswith("decode")]

    for count in (2, 3, 4, 2, 3):
        torch.set_num_threads(count)
        all_of(lambda _: share_out(str, range(3)), range(8), CPU)
        gc.collect()
    for thread in decoding()[:-3]:
        thread.join(10)
    assert len(decoding()) == 3
