"""Batches of views: their order, and their reading ahead of the training step."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.networks.sam import PIXEL_MEAN, PIXEL_STD
from napari_segany.training.feature_cache import FeatureCache

Key = TypeVar("Key")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Batch:
    """Tensors of B views.

    Attributes
    ----------
    embedding : Tensor
        (B, C, g, g) float32.
    stages : list of Tensor
        (B, C', h, w) float32 of each of the encoder's stages.
    image : Tensor
        (B, 3, S, S) float32, normalised.
    maps : Tensor
        (B, MAPS, H, W) float32 targets.
    weights : Tensor
        (B, H, W) float32, 0 where nothing is known.
    sized : Tensor
        (B, H, W) boolean, where the size of the object is known; true in the background.
    """

    embedding: Tensor
    stages: list[Tensor]
    image: Tensor
    maps: Tensor
    weights: Tensor
    sized: Tensor


def read_batch(
    cache: FeatureCache,
    numbers: NDArray[np.integer],
    crop: int | None = None,
    rng: np.random.Generator | None = None,
) -> Batch:
    """Read the views of a cache with these numbers, in their order.

    Parameters
    ----------
    cache : FeatureCache
        The views.
    numbers : ndarray
        (B,) integers.
    crop : int, optional
        Side, in cells of the embedding, of the part of each view that is read; the whole view by
        default, and if it is smaller.
    rng : Generator, optional
        Places the parts; without it they are the first rows and columns.
    """
    arrays = cache.arrays
    cells = arrays["embedding"].shape[-1]
    side = min(crop or cells, cells)
    starts = [(0, 0)] * len(numbers)
    if rng is not None:
        starts = [tuple(pair) for pair in rng.integers(cells - side + 1, size=(len(numbers), 2))]

    def read(name: str) -> Tensor:
        axis = 1 if name == "image" else -1
        finer = arrays[name].shape[axis] // cells
        parts = []
        for number, start in zip(numbers, starts, strict=True):
            rows, cols = (slice(at * finer, (at + side) * finer) for at in start)
            place = (rows, cols) if name == "image" else (..., rows, cols)
            parts.append(arrays[name][number][place])
        return torch.from_numpy(np.stack(parts))

    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (PIXEL_MEAN, PIXEL_STD))
    image = read("image").permute(0, 3, 1, 2).float()
    weights = read("weights").float()
    return Batch(
        read("embedding").float(),
        [read(name).float() for name in sorted(arrays) if name.startswith("stage")],
        (image - mean) / std,
        read("maps").float(),
        weights.abs(),
        weights >= 0,
    )


def order_of_views(
    count: int, batch: int, steps: int, seed: int, start: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Yield the views of every step from ``start`` on; all are seen once before any is again.

    Parameters
    ----------
    count : int
        Number of views, at least 1.
    batch : int
        Views a step.
    steps : int
        Number of steps in all.
    seed : int
        Of the permutation of each round.
    start : int
        First step that is yielded; the steps before it are those of a run that began with 0.

    Yields
    ------
    ndarray
        (batch,) int64 numbers of views.
    """
    pool: list[int] = []
    rounds = 0
    for step in range(steps):
        while len(pool) < batch:
            pool += np.random.default_rng([seed, rounds]).permutation(count).tolist()
            rounds += 1
        chosen, pool = pool[:batch], pool[batch:]
        if step >= start:
            yield np.array(chosen)


def prefetch(read: Callable[[Key], Item], keys: Iterable[Key], ahead: int = 3) -> Generator[Item]:
    """Yield ``read(key)`` of every key, read in another thread up to ``ahead`` items in advance.

    An error of ``read`` is raised to the consumer when its item is due. The thread has ended when
    the iterator is exhausted, has raised, or was closed.
    """
    waiting: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(1, "prefetch") as thread:
        try:
            for key in keys:
                waiting.append(thread.submit(read, key))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
