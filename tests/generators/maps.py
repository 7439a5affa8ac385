"""Maps of drawn label images, as a finder without mistakes predicts them, and estimates."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.geometry import Frame
from napari_segany.generators.quality import FEATURES, Perceptron, Quality
from napari_segany.models.finder import CELL, ObjectMaps
from napari_segany.networks.finder import CENTRE, CONTOUR, FOREGROUND, INTERIOR, SIZE
from napari_segany.training.targets import make_targets

SIDE = 256
"""Side of the frame of the maps in pixels."""


def draw_discs(shape: tuple[int, int], discs: Any) -> NDArray[np.int32]:
    """Labels of discs given by row, column and radius; each pixel belongs to the nearest middle."""
    rows, cols = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    nearest = np.full(shape, np.inf)
    for number, (row, col, radius) in enumerate(discs, 1):
        away = np.hypot(rows - row, cols - col)
        here = (away < radius) & (away < nearest)
        labels[here], nearest[here] = number, away[here]
    return labels


def draw_maps(
    labels: NDArray[np.integer], noise: float = 0.0, side: int = SIDE, seed: int = 0
) -> ObjectMaps:
    """The maps of a label image, with smooth noise of a standard deviation."""
    frame = Frame((labels.shape[0], labels.shape[1]), side)
    cells = frame.cells_used(side // CELL)
    places = [
        np.minimum((np.arange(count) + 0.5) * CELL / scaled * size, size - 1).astype(np.int64)
        for count, scaled, size in zip(cells, frame.scaled, frame.shape, strict=True)
    ]
    grid = labels[np.ix_(*places)]
    scale = side / max(labels.shape)
    sides = np.sqrt(np.bincount(labels.ravel())) * scale
    maps = make_targets(grid, sides, np.ones(grid.shape, bool)).maps
    rng = np.random.default_rng(seed)

    def noisy(each: NDArray[np.float32]) -> NDArray[np.float32]:
        if not noise:
            return each
        added = ndimage.gaussian_filter(rng.normal(0, 1, each.shape), 1)
        return np.clip(each + noise * added / added.std(), 0, 1).astype(np.float32)

    return ObjectMaps(
        frame,
        foreground=noisy(maps[FOREGROUND]),
        contour=noisy(maps[CONTOUR]),
        interior=noisy(maps[INTERIOR]),
        centre=noisy(maps[CENTRE]),
        log2_size=maps[SIZE],
    )


def random_maps(shape: tuple[int, int], seed: int = 0, side: int = SIDE) -> ObjectMaps:
    """Maps of smooth noise: regions of all shapes, which fit nothing."""
    rng = np.random.default_rng(seed)
    frame = Frame(shape, side)
    cells = frame.cells_used(side // CELL)

    def field() -> NDArray[np.float32]:
        smooth = ndimage.gaussian_filter(rng.normal(0, 1, cells), 1.5)
        return (1 / (1 + np.exp(-15 * smooth))).astype(np.float32)

    return ObjectMaps(frame, field(), field(), field(), field(), 4 * field() - 2)


def linear(names: tuple[str, ...], bias: float, **weights: float) -> Perceptron:
    """A network of one layer: the logit is a sum of some features."""
    column = np.zeros((len(names), 1), np.float32)
    for name, weight in weights.items():
        column[names.index(name)] = weight
    zeros, ones = np.zeros(len(names), np.float32), np.ones(len(names), np.float32)
    return Perceptron(zeros, ones, (column,), (np.array([bias], np.float32),))


def separating_quality(mask_bias: float = -20.0) -> Quality:
    """An estimate that trusts regions with strong borders around and none inside.

    It trusts the model's masks by ``mask_bias`` alone, by default never.
    """
    borders = {"lost_at": 8.0, "joined_at": -8.0}
    return Quality(
        linear(FEATURES["region"], -2, **borders),
        linear(FEATURES["asked_region"], -2, **borders),
        linear(FEATURES["mask"], mask_bias),
    )


def random_quality(seed: int = 0) -> Quality:
    """An estimate of no meaning, which differs from mask to mask."""
    rng = np.random.default_rng(seed)

    def perceptron(count: int) -> Perceptron:
        widths = (count, 8, 1)
        return Perceptron(
            rng.normal(0, 0.3, count).astype(np.float32),
            rng.uniform(0.5, 2, count).astype(np.float32),
            tuple(rng.normal(0, 0.4, ab).astype(np.float32) for ab in pairwise(widths)),
            tuple(rng.normal(0, 0.1, b).astype(np.float32) for b in widths[1:]),
        )

    return Quality(**{name: perceptron(len(names)) for name, names in FEATURES.items()})
