"""Images that ship with scikit-image, on which a finder that learns is held to its base.

A finder that learns from few images of one kind forgets all others. Pictures of other kinds, with
what the base predicts of them as targets, keep it from that. They need no labels.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.geometry import Frame
from napari_segany.core.intensity import to_rgb
from napari_segany.models.finder import ObjectMaps
from napari_segany.networks.finder import (
    CENTRE,
    CONTOUR,
    FOREGROUND,
    INTERIOR,
    SIZE,
    Finder,
    predict_maps,
)
from napari_segany.training.augmentation import random_view
from napari_segany.training.batches import Batch, BatchOrder, ViewSource, normalised
from napari_segany.training.encoder import ViewEncoder, computing_threads
from napari_segany.training.feature_cache import padded

PICTURES = (
    *("brick", "camera", "cell", "coins", "grass", "gravel", "hubble_deep_field"),
    *("immunohistochemistry", "microaneurysms", "moon", "retina", "coffee"),
)
"""Functions of ``skimage.data`` whose files are in its package."""

VIEWS = 2
"""Views of each picture."""


def read_picture(name: str) -> NDArray[np.uint8]:
    """Return a picture of scikit-image as the model sees it, (H, W, 3) uint8."""
    from skimage import data

    load: Callable[[], NDArray[Any]] = getattr(data, name)
    return to_rgb(load())


class ReplayViews:
    """Views of the pictures with what the base predicts of them.

    Parameters
    ----------
    encoder : ViewEncoder
        The model's encoder.
    base : Finder
        Whose maps are the targets.
    seed : int
        Of the views.
    progress, should_stop : callable, optional
        Called with views done and in all; polled between views.
    """

    def __init__(
        self,
        encoder: ViewEncoder,
        base: Finder,
        seed: int = 0,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> None:
        parts: list[Batch] = []
        total = VIEWS * len(PICTURES)
        with computing_threads(1):
            for number, name in enumerate(PICTURES):
                rgb = read_picture(name)
                for view in range(VIEWS):
                    check(should_stop)
                    rng = np.random.default_rng([seed, number, view])
                    parts.append(_make(encoder, base, rgb, rng))
                    if progress is not None:
                        progress(len(parts), total)
        self._all = _join(parts)

    def __len__(self) -> int:
        return len(self._all.image)

    def predict_maps(self, network: Finder) -> Iterator[ObjectMaps]:
        """Yield what a network predicts of each view, as of a plane that fills its frame."""
        side = self._all.image.shape[-1]
        for number in range(len(self)):
            view = _cut(self._all, torch.tensor([number]), 0, 0, self._all.embedding.shape[-1])
            with torch.inference_mode():
                maps = predict_maps(network(view.embedding, view.stages, view.image))[0].numpy()
            yield ObjectMaps(
                Frame((side, side), side),
                foreground=maps[FOREGROUND],
                contour=maps[CONTOUR],
                interior=maps[INTERIOR],
                centre=maps[CENTRE],
                log2_size=maps[SIZE],
            )

    def batch(self, step: int, size: int, crop: int, seed: int) -> Batch:
        """Return the random parts of ``size`` views that a step learns from."""
        rng = np.random.default_rng([seed, step, 1])
        numbers = rng.choice(len(self), size, replace=False)
        cells = self._all.embedding.shape[-1]
        side = min(crop, cells)
        row, col = rng.integers(cells - side + 1, size=2)
        return _cut(self._all, torch.from_numpy(numbers), int(row), int(col), side)


class WithReplay:
    """Views of a person's planes, each batch joined by views of the pictures.

    Parameters
    ----------
    views : ViewSource
        Of the planes.
    replay : ReplayViews
        Of the pictures.
    share : int
        Views of the pictures in each batch.
    """

    def __init__(self, views: ViewSource, replay: ReplayViews, share: int) -> None:
        self.views, self.replay, self.share = views, replay, share
        self.name = f"{views.name} with {share} of {len(replay)} pictures"

    def train_batches(self, order: BatchOrder) -> Generator[Batch]:
        """Yield the batches from step ``order.start`` on."""
        with closing(self.views.train_batches(order)) as batches:
            for step, batch in enumerate(batches, order.start):
                more = self.replay.batch(step, self.share, order.crop, order.seed)
                yield _join([batch, more])

    def all_batches(self, batch: int) -> Iterable[Batch]:
        """Yield the views of the planes."""
        return self.views.all_batches(batch)


def _make(
    encoder: ViewEncoder, base: Finder, rgb: NDArray[np.uint8], rng: np.random.Generator
) -> Batch:
    view = random_view(rgb, np.zeros(rgb.shape[:2], np.int32), rng, encoder.view_size)
    known = torch.from_numpy(view.known)[None]
    embedding, stages = encoder.encode(torch.from_numpy(view.image)[None], known)
    image = normalised(torch.from_numpy(padded(view))[None])
    with torch.inference_mode():
        maps = predict_maps(base(embedding, stages, image))
    weights = torch.from_numpy(view.targets.weights)[None]
    # Tensors of inference cannot be learned from.
    learned_from = [each.clone() for each in stages]
    return Batch(embedding.clone(), learned_from, image, maps.clone(), weights, weights > 0)


def _join(parts: list[Batch]) -> Batch:
    levels = range(len(parts[0].stages))
    return Batch(
        torch.cat([each.embedding for each in parts]),
        [torch.cat([each.stages[level] for each in parts]) for level in levels],
        torch.cat([each.image for each in parts]),
        torch.cat([each.maps for each in parts]),
        torch.cat([each.weights for each in parts]),
        torch.cat([each.sized for each in parts]),
    )


def _cut(whole: Batch, numbers: torch.Tensor, row: int, col: int, side: int) -> Batch:
    """Return the same part of some views; places are in cells of the embedding."""
    cells = whole.embedding.shape[-1]

    def cut(values: torch.Tensor) -> torch.Tensor:
        finer = values.shape[-1] // cells
        rows, cols = (slice(at * finer, (at + side) * finer) for at in (row, col))
        return values[numbers][..., rows, cols]

    return Batch(
        cut(whole.embedding),
        [cut(each) for each in whole.stages],
        cut(whole.image),
        cut(whole.maps),
        cut(whole.weights),
        cut(whole.sized),
    )
