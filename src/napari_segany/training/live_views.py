"""Views that are made while a finder learns from them, encoded on a GPU.

A GPU encodes views faster than a disk reads their features, so none are kept. Processes make the
views, which takes longer than a step; so each is learned from twice, the second time turned.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_segany.training.augmentation import ViewSize, random_view
from napari_segany.training.batches import Batch, BatchOrder, normalised
from napari_segany.training.datasets import LabelledImage
from napari_segany.training.encoder import ViewEncoder
from napari_segany.training.feature_cache import (
    IMAGES_IN_MEMORY,
    ViewPlan,
    padded,
    signed_weights,
)

AHEAD = 4
"""Batches that each process makes in advance."""

TIMES = 2
"""Steps that learn from the same views: as they were made, then turned."""


class RawViews(NamedTuple):
    """Views before they are encoded, one or B of them.

    Attributes
    ----------
    image : Tensor
        (..., S, S, 3) uint8, with the colour of padding beyond the image.
    known : Tensor
        (..., S, S) boolean, false beyond the image.
    maps : Tensor
        (..., MAPS, H, W) float16 targets.
    weights : Tensor
        (..., H, W) float16, negative where the size is unknown.
    """

    image: Tensor
    known: Tensor
    maps: Tensor
    weights: Tensor


def turn_views(views: RawViews, seed: int, step: int) -> RawViews:
    """Return B views as a step learns from them: every second step has them turned.

    Parameters
    ----------
    views : RawViews
        As they were made.
    seed : int
        Of the turns.
    step : int
        Number of the step, from 0.

    Returns
    -------
    RawViews
        The same for an even step, else rotated by a quarter turn or more, and maybe mirrored.
    """
    if step % TIMES == 0:
        return views
    rng = np.random.default_rng([seed, step])
    turns, mirror = int(rng.integers(1, 4)), bool(rng.integers(2))

    def turn(array: Tensor, rows: int) -> Tensor:
        turned = torch.rot90(array, turns, (rows, rows + 1))
        return turned.flip(rows + 1) if mirror else turned

    return RawViews(
        turn(views.image, 1), turn(views.known, 1), turn(views.maps, 2), turn(views.weights, 1)
    )


class _Views(Dataset[RawViews]):
    """The views of a plan by number; a process makes each when it is asked for."""

    def __init__(self, plan: ViewPlan, size: ViewSize) -> None:
        self._plan, self._size = plan, size

    def __getitem__(self, number: int) -> RawViews:
        chosen, rng = self._plan.choose(number)
        view = random_view(*_read(chosen), rng, self._size, chosen.background_weight)
        return RawViews(
            torch.from_numpy(padded(view)),
            torch.from_numpy(view.known),
            torch.from_numpy(view.targets.maps).half(),
            torch.from_numpy(signed_weights(view.targets)).half(),
        )


_read = lru_cache(IMAGES_IN_MEMORY)(LabelledImage.read)


@dataclass(frozen=True)
class LiveViews:
    """Views of a plan, each made when it is due and learned from once.

    Attributes
    ----------
    plan : ViewPlan
        The images and the seed; a training run makes as many views as it needs.
    encoder : ViewEncoder
        Makes their features, on its device, where the batches are then.
    workers : int
        Processes that make views; 0 makes them in this one. They decide nothing about the views.
    """

    plan: ViewPlan
    encoder: ViewEncoder
    workers: int
    _kept: dict[int, list[Batch]] = field(default_factory=dict, init=False, compare=False)

    @property
    def name(self) -> str:
        """Hash of the images, the seed and the encoder."""
        return f"live-{self.plan.fingerprint(self.encoder)}"

    def train_batches(self, order: BatchOrder) -> Generator[Batch]:
        """Yield the batches of a run: views 0 to ``batch`` - 1, these views turned, and so on."""
        first = order.start // TIMES
        numbers = range(first * order.batch, -(-order.steps // TIMES) * order.batch)
        with closing(self._make(numbers, order.batch)) as made:
            for made_at, raw in enumerate(made, first):
                for step in range(made_at * TIMES, (made_at + 1) * TIMES):
                    if order.start <= step < order.steps:
                        yield self._encode(turn_views(raw, order.seed, step))

    def all_batches(self, batch: int) -> Sequence[Batch]:
        """Return the views of the plan, made once."""
        if batch not in self._kept:
            made = self._make(range(self.plan.count), batch)
            self._kept[batch] = [self._encode(raw) for raw in made]
        return self._kept[batch]

    def _make(self, numbers: range, batch: int) -> Generator[RawViews]:
        views = _Views(self.plan, self.encoder.view_size)
        device = self.encoder.device
        loader = DataLoader(
            views,
            batch_size=batch,
            sampler=numbers,
            num_workers=self.workers,
            prefetch_factor=AHEAD if self.workers else None,
            multiprocessing_context="spawn" if self.workers else None,
            pin_memory=device.type == "cuda",
        )
        for raw in loader:
            yield RawViews(*(each.to(device, non_blocking=True) for each in raw))

    def _encode(self, raw: RawViews) -> Batch:
        image, known, maps, weights = raw
        embedding, stages = self.encoder.encode(image, known)
        weights = weights.float()
        # Made in inference mode, which a training step cannot read.
        return Batch(
            embedding.clone(),
            [stage.clone() for stage in stages],
            normalised(image),
            maps.float(),
            weights.abs(),
            weights >= 0,
        )
