"""Pool of threads of one core each, for groups of prompts and pieces of layers.

A decoder's operations are too small to share among cores. What a group or a piece gives does not
depend on how many threads there are.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TypeVar

import torch

from napari_segany.networks.work_pieces import Piece, Spread, one_by_one

Item = TypeVar("Item")
Result = TypeVar("Result")


_alone = threading.Lock()
_here = threading.local()


def _after_fork() -> None:
    """Make a forked process able to compute.

    None of its parent's threads exist in it, and torch would wait for its own for ever. With one
    thread it needs no others.
    """
    global _alone
    _alone = threading.Lock()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@lru_cache(maxsize=1)
def _pool(count: int, process: int) -> ThreadPoolExecutor:
    """Return a pool of ``count`` threads; ``process`` makes a forked process start its own."""
    del process
    ready = threading.Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="decode", initializer=begin)
    for _ in range(count):
        pool.submit(int)
    # A thread that began later would set the whole process to one core again.
    ready.wait()
    return pool


@contextmanager
def _one_core_each() -> Iterator[int]:
    """Give every operation one core; yields the number that torch used before.

    torch keeps part of this setting per thread and part of it (its matrix library's) per process,
    so it has to be switched for as long as the threads compute, by one caller at a time.
    """
    with _alone:
        count = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield count
        finally:
            torch.set_num_threads(count)


def _all(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result]:
    """Yield results in order; items not begun when the iterator is closed are left out."""

    def call(item: Item) -> Result:
        _here.pool = pool
        try:
            with torch.inference_mode():
                return function(item)
        finally:
            # A thread that knew its pool for good would keep it, and itself, alive.
            _here.pool = None

    futures = [pool.submit(call, item) for item in items]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def spread(
    function: Callable[[Item], Result], items: Iterable[Item], device: torch.device
) -> Generator[Result]:
    """Yield the results of a function for each item, in order, computed without gradients.

    On a CPU as many items at once as torch uses threads, each in a thread of its own; elsewhere
    one after the other in this thread. If the iterator is closed early, items not yet begun are
    left out and the others waited for.
    """
    if device.type != "cpu":
        for item in items:
            with torch.inference_mode():
                result = function(item)
            yield result
        return
    with (
        _one_core_each() as count,
        closing(_all(_pool(count, os.getpid()), function, items)) as results,
    ):
        yield from results


@contextmanager
def spreading_pieces(device: torch.device) -> Iterator[Spread]:
    """Yield a function that computes pieces of an encoder: on a CPU several at once."""
    if device.type != "cpu":
        yield one_by_one
        return
    with _one_core_each() as count:
        pool = _pool(count, os.getpid())

        def at_once(function: Callable[[Piece], None], pieces: Sequence[Piece]) -> None:
            for _ in _all(pool, function, pieces):
                pass

        yield at_once


def share_out(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return a function's results for each item, from within a function given to :func:`spread`.

    Threads that have nothing to do take some of the items.
    """
    pool: ThreadPoolExecutor | None = getattr(_here, "pool", None)
    if pool is None:
        return [function(item) for item in items]

    held = [function]

    def call(item: Item) -> Result:
        with torch.inference_mode():
            return held[0](item)

    futures = [pool.submit(call, item) for item in items[:-1]]
    try:
        results = [function(item) for item in items[-1:]]
        # Other threads begin at the front. Items that none has begun are done here, from the back;
        # waiting for them could be a deadlock.
        for item, future in zip(reversed(items[:-1]), reversed(futures), strict=True):
            results.append(function(item) if future.cancel() else future.result())
    finally:
        for future in futures:
            future.cancel()
        # Cancelled items stay in the queue behind all others and would keep arguments alive.
        held.clear()
    return results[::-1]
