"""Likeness of masks to examples: the expected IoU with an object like these.

A small network sees how a mask differs from an example in features, colours, size and shape, and
how good a mask it is for those who proposed it. It was fitted on labelled images of many kinds
(``scripts/fit_likeness.py``).
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.exemplars.example_set import ExampleSet, Exemplar, thaw
from napari_segany.generators.quality import Perceptron

FEATURES = (
    "inside_coarse",
    "inside_fine",
    "contrast_coarse",
    "contrast_fine",
    "around_coarse",
    "around_fine",
    "log2_area",
    "log2_area_size",
    "elongation",
    "filling",
    "colour",
    "colour_spread",
    "colour_around",
    "colour_contrast",
    "region_quality",
    "is_region",
    "predicted_iou",
    "stability",
)
"""Features of a mask and an example. "coarse" is the embedding, "fine" all finer stages."""

COARSE = 256
"""Features of the embedding; those after them are of the finer stages."""

TURN = 0.08
"""Difference of the distances to the nearest example and negative within which likeness falls."""

PAIRS_AT_ONCE = 2000
"""Pairs of masks and examples that are compared together."""


@dataclass(frozen=True)
class Scores:
    """What is known of N masks from those who proposed them.

    Attributes
    ----------
    region_quality : ndarray
        (N,) expected IoU by the finder, 0 for masks of the model.
    is_region : ndarray
        (N,) boolean, True for regions of the finder.
    predicted_iou, stability : ndarray
        (N,) the model's scores, 0 for regions.
    """

    region_quality: NDArray[np.float32]
    is_region: NDArray[np.bool_]
    predicted_iou: NDArray[np.float32]
    stability: NDArray[np.float32]


def rate_likeness(
    found: Descriptors, scores: Scores, examples: ExampleSet, network: Perceptron | None = None
) -> NDArray[np.float32]:
    """Return the (N,) expected IoU of masks with an object like the examples.

    Parameters
    ----------
    found : Descriptors
        Of the N masks.
    scores : Scores
        Of the same masks.
    examples : ExampleSet
        Examples and negatives. A mask that is nearer to a negative than to every example loses
        its likeness.
    network : Perceptron, optional
        By default the one of the package.
    """
    network = network or likeness_network()
    if not len(found):
        return np.zeros(0, np.float32)
    alike = np.stack(
        [
            network(pair_features(found, scores, example_of(examples.examples, k)))
            for k in range(len(examples.examples))
        ]
    ).max(axis=0)
    if examples.negatives:
        near = nearest(found, examples.examples)
        unlike = nearest(found, examples.negatives)
        turn = np.clip((near - unlike) / TURN, -30, 30)
        alike = alike * np.minimum(2 / (1 + np.exp(-turn)), 1)
    return alike.astype(np.float32)


def example_of(examples: tuple[Exemplar, ...], number: int) -> Descriptors:
    """Return the descriptors of one example."""
    return Descriptors(**thaw(examples[number : number + 1]))


def pair_features(found: Descriptors, scores: Scores, example: Descriptors) -> NDArray[np.float32]:
    """Return the (N, F) features of N masks and one example, see :data:`FEATURES`."""
    coarse, fine = slice(0, COARSE), slice(COARSE, None)

    def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        # Not a matrix product: its last bits would depend on the number of threads.
        return np.einsum("nc,c->n", a, b)

    columns = []
    inside, around = example.inside[0], example.around[0]
    similar = [cosine(found.inside[:, part], inside[part]) for part in (coarse, fine)]
    other = [cosine(found.inside[:, part], around[part]) for part in (coarse, fine)]
    rings = [cosine(found.around[:, part], around[part]) for part in (coarse, fine)]
    columns += [*similar, *(s - o for s, o in zip(similar, other, strict=True)), *rings]
    ratio = np.log2(found.area / example.area[0])
    columns += [ratio, np.abs(ratio)]
    columns += [
        np.abs(found.elongation - example.elongation[0]),
        np.abs(found.filling - example.filling[0]),
    ]
    mean, spread = found.colour[:, :3], found.colour[:, 3:]
    contrast = mean - found.colour_around
    columns += [
        _distance(mean, example.colour[0, :3]),
        _distance(spread, example.colour[0, 3:]),
        _distance(found.colour_around, example.colour_around[0]),
        _distance(contrast, example.colour[0, :3] - example.colour_around[0]),
    ]
    columns += [
        scores.region_quality,
        scores.is_region.astype(np.float32),
        scores.predicted_iou,
        scores.stability,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _distance(values: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N,) Euclidean distances of rows from one."""
    distance: NDArray[np.float32] = np.sqrt(((values - one) ** 2).sum(axis=1))
    return distance


def nearest(found: Descriptors, others: tuple[Exemplar, ...]) -> NDArray[np.float64]:
    """Return the (N,) similarity of masks to the most similar one of some examples.

    It is about 0 to 1: cosines of features less differences of colour, size and shape.
    """
    best = np.full(len(found), -np.inf)
    for k in range(len(others)):
        one = example_of(others, k)
        each = np.einsum("nc,c->n", found.inside, one.inside[0])
        levels = max(float(np.einsum("c,c->", one.inside[0], one.inside[0])), 1e-6)
        each = each / levels - 0.5 * _distance(found.colour, one.colour[0])
        each -= 0.05 * np.abs(np.log2(found.area / one.area[0]))
        each -= 0.1 * np.abs(found.elongation - one.elongation[0])
        best = np.maximum(best, each)
    return best


@cache
def likeness_network() -> Perceptron:
    """Return the network of the package."""
    text = resources.files(__package__).joinpath("likeness.json").read_text("utf-8")
    values = json.loads(text)
    assert tuple(values["features"]) == FEATURES
    return Perceptron.from_dict(values)
