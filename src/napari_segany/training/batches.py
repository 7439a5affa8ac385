"""Batches of views: their order, and their reading ahead of the training step."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

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
    """Tensors of B views, all on one device.

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


@dataclass(frozen=True)
class BatchOrder:
    """Batches of a training run, in the order in which they are learned from.

    Attributes
    ----------
    steps : int
        Number of batches.
    batch : int
        Views a batch.
    crop : int
        Side, in cells of the embedding, of the part of each view that is read; a larger one reads
        whole views.
    seed : int
        Of everything that is random.
    start : int
        First batch that is wanted; those before it are those of a run that began with 0.
    """

    steps: int
    batch: int
    crop: int
    seed: int
    start: int = 0


class ViewSource(Protocol):
    """Views to learn from."""

    @property
    def name(self) -> str:
        """A name that is another for other views; checkpoints keep it."""

    def train_batches(self, order: BatchOrder) -> Generator[Batch]:
        """Yield the batches of a run; they depend on nothing but the order."""

    def all_batches(self, batch: int) -> Iterable[Batch]:
        """Return whole views, each once, with at most this many a batch."""


@dataclass(frozen=True)
class CachedViews:
    """Views whose features are on disk; each is learned from many times, in random parts.

    Attributes
    ----------
    cache : FeatureCache
        The views.
    """

    cache: FeatureCache

    @property
    def name(self) -> str:
        """Name of the folder of the features, a hash of all that decides them."""
        return self.cache.folder.name

    def train_batches(self, order: BatchOrder) -> Generator[Batch]:
        """Yield the batches of a run, read in another thread ahead of their use."""
        numbers = order_of_views(len(self.cache), order.batch, order.steps, order.seed, order.start)

        def read(numbered: tuple[int, NDArray[np.int64]]) -> Batch:
            step, chosen = numbered
            rng = np.random.default_rng([order.seed, step])
            return read_batch(self.cache, chosen, order.crop, rng)

        return prefetch(read, enumerate(numbers, order.start))

    def all_batches(self, batch: int) -> Iterator[Batch]:
        """Yield whole views in the order of their numbers."""
        for start in range(0, len(self.cache), batch):
            yield read_batch(self.cache, np.arange(start, min(start + batch, len(self.cache))))


def normalised(images: Tensor) -> Tensor:
    """Return (B, S, S, 3) uint8 images as the encoder's input, (B, 3, S, S) float32."""
    mean, std = (
        torch.tensor(each, device=images.device).view(3, 1, 1) for each in (PIXEL_MEAN, PIXEL_STD)
    )
    return (images.permute(0, 3, 1, 2).float() - mean) / std


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

    weights = read("weights").float()
    return Batch(
        read("embedding").float(),
        [read(name).float() for name in sorted(arrays) if name.startswith("stage")],
        normalised(read("image")),
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
