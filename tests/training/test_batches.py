"""Order of views, batches, and reading ahead in a thread that ends."""

import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_segany.training.batches import order_of_views, prefetch, read_batch
from napari_segany.training.feature_cache import FeatureCache


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 12), st.integers(0, 12))
def test_all_views_are_seen_once_before_any_is_again(
    count: int, batch: int, steps: int, start: int
) -> None:
    order = list(order_of_views(count, batch, steps, seed=3))
    assert [len(each) for each in order] == [batch] * steps
    seen = np.concatenate(order).tolist() if order else []
    for begin in range(0, len(seen) - count + 1, count):
        assert sorted(seen[begin : begin + count]) == list(range(count))
    # A later start skips steps and changes none.
    later = list(order_of_views(count, batch, steps, seed=3, start=start))
    assert [each.tolist() for each in later] == [each.tolist() for each in order[start:]]


def test_the_order_stays_that_of_trained_finders() -> None:
    order = [each.tolist() for each in order_of_views(7, 3, 5, seed=1)]
    assert order == [[5, 0, 1], [4, 2, 6], [3, 6, 1], [4, 0, 3], [2, 5, 0]]


def random_cache(count: int = 3) -> FeatureCache:
    rng = np.random.default_rng(0)
    shapes = {"embedding": (8, 2, 2), "stage0": (4, 8, 8), "stage1": (6, 4, 4)}
    shapes |= {"maps": (5, 16, 16), "weights": (16, 16)}
    arrays: dict[str, Any] = {
        name: rng.normal(size=(count, *shape)).astype(np.float16) for name, shape in shapes.items()
    }
    arrays["image"] = rng.integers(0, 255, (count, 32, 32, 3), np.uint8)
    return FeatureCache(Path("folder"), arrays)


def test_a_batch_holds_the_views_in_their_order() -> None:
    cache = random_cache()
    batch = read_batch(cache, np.array([2, 0]))
    assert batch.embedding.shape == (2, 8, 2, 2)
    assert [tuple(each.shape) for each in batch.stages] == [(2, 4, 8, 8), (2, 6, 4, 4)]
    assert batch.image.shape == (2, 3, 32, 32)
    assert (batch.maps[1].numpy() == cache.arrays["maps"][0]).all()
    assert (batch.weights.numpy() == np.abs(cache.arrays["weights"][[2, 0]])).all()
    assert (batch.sized.numpy() == (cache.arrays["weights"][[2, 0]] >= 0)).all()
    for tensor in (batch.embedding, *batch.stages, batch.image, batch.maps, batch.weights):
        assert tensor.dtype == torch.float32
    shown = batch.image[0, 1].numpy() * 57.12 + 116.28
    assert shown == pytest.approx(cache.arrays["image"][2][..., 1].astype(float), abs=1e-3)


def test_parts_of_views_stay_aligned() -> None:
    """Every array of a part is cut at the same place."""
    cache = random_cache()
    rng = np.random.default_rng(5)
    starts = np.random.default_rng(5).integers(2, size=(4, 2)).tolist()
    assert len({tuple(start) for start in starts}) > 1
    numbers = np.array([0, 1, 2, 0])
    batch = read_batch(cache, numbers, 1, rng)
    parts = {"embedding": batch.embedding, "maps": batch.maps, "weights": batch.weights}
    parts |= {f"stage{number}": stage for number, stage in enumerate(batch.stages)}
    for name, part in parts.items():
        whole = np.abs(cache.arrays[name]) if name == "weights" else cache.arrays[name]
        finer = whole.shape[-1] // 2
        for got, number, (row, col) in zip(part, numbers, starts, strict=True):
            rows = slice(row * finer, (row + 1) * finer)
            cols = slice(col * finer, (col + 1) * finer)
            assert (got.numpy() == whole[number][..., rows, cols]).all()
    assert batch.image.shape == (4, 3, 16, 16)
    row, col = starts[1]
    shown = batch.image[1, 1].numpy() * 57.12 + 116.28
    window = np.s_[row * 16 : row * 16 + 16, col * 16 : col * 16 + 16, 1]
    assert shown == pytest.approx(cache.arrays["image"][1][window].astype(float), abs=1e-3)


def test_a_part_is_no_larger_than_its_view() -> None:
    batch = read_batch(random_cache(), np.array([1]), 24, np.random.default_rng(0))
    assert batch.embedding.shape == (1, 8, 2, 2)


def prefetching() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("prefetch")]


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_items_come_in_their_order(ahead: int) -> None:
    assert list(prefetch(lambda key: 2 * key, range(20), ahead)) == list(range(0, 40, 2))
    assert list(prefetch(lambda key: key, (), ahead)) == []
    assert not prefetching()


def test_another_thread_reads_ahead() -> None:
    read: list[int] = []
    threads: set[int] = set()

    def note(key: int) -> int:
        threads.add(threading.get_ident())
        read.append(key)
        return key

    with closing(prefetch(note, range(100), ahead=3)) as items:
        assert next(items) == 0
        for _ in range(1000):
            if len(read) == 4:
                break
            time.sleep(0.002)
        # Not more than that, or memory would fill up.
        assert read == [0, 1, 2, 3]
    assert threads == threads - {threading.get_ident()}
    assert not prefetching()


def test_an_error_of_the_reader_is_raised_in_its_turn() -> None:
    def fail_at_two(key: int) -> int:
        if key == 2:
            raise OSError("the disk is gone")
        return key

    items = prefetch(fail_at_two, range(9))
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)
    assert not prefetching()


def test_an_error_of_the_consumer_ends_the_thread() -> None:
    def consume() -> None:
        with closing(prefetch(int, range(99))) as items:
            for each in items:
                1 / each

    with pytest.raises(ZeroDivisionError):
        consume()
    assert not prefetching()
