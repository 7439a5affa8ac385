"""Likeness: examples are like themselves, other things less, and negatives lower their own kind."""

from dataclasses import replace

import numpy as np
import pytest
from tests.generators.exemplars.test_example_set import random_descriptors

from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.exemplars.example_set import ExampleSet, freeze
from napari_segany.generators.exemplars.likeness import (
    FEATURES,
    Comparison,
    fitted_comparison,
    pair_features,
    rate_likeness,
)


def example_set(examples: Descriptors, negatives: Descriptors | None = None) -> ExampleSet:
    return ExampleSet(
        "m", "a", "", freeze(examples), () if negatives is None else freeze(negatives)
    )


@pytest.fixture
def two_kinds() -> Descriptors:
    """Six masks, three of each of two kinds that differ in features, colour and size."""
    inside = np.zeros((6, 300), np.float32)
    inside[:3, [0, 280]] = 1
    inside[3:, [1, 281]] = 1
    around = np.zeros((6, 300), np.float32)
    around[:, [2, 282]] = 1
    colour = np.tile(np.float32([[0.2] * 6]), (6, 1))
    colour[3:] = 0.7
    area = np.float32([100, 110, 90, 100, 390, 420])
    none = np.zeros(6, np.float32)
    return Descriptors(inside, around, colour, colour[:, :3] * 0, area, none, none)


def test_the_features_are_those_of_the_package() -> None:
    comparison = fitted_comparison()
    assert comparison.weights.shape == (len(FEATURES),)
    assert Comparison.from_dict(comparison.to_dict()).to_dict() == comparison.to_dict()
    with pytest.raises(ValueError, match="other features"):
        Comparison.from_dict({**comparison.to_dict(), "features": ["colour"]})


def test_a_mask_and_itself_do_not_differ() -> None:
    one = random_descriptors(1, 300)
    features = dict(zip(FEATURES, pair_features(one, one)[0], strict=True))
    for name in ("area", "area_size", "elongation", "filling", "colour", "colour_contrast"):
        assert features[name] == 0


def test_masks_like_the_example_are_rated_higher(two_kinds: Descriptors) -> None:
    quality = np.full(6, 0.8, np.float32)
    alike = rate_likeness(two_kinds, quality, example_set(two_kinds[:1]))
    assert alike[:3].min() > alike[3:].max()
    assert (alike <= quality).all()
    both = rate_likeness(two_kinds, quality, example_set(two_kinds[[0, 4]]))
    assert (both >= alike).all()
    assert both[4] > alike[4]


def test_negatives_lower_what_resembles_them_more(two_kinds: Descriptors) -> None:
    quality = np.ones(6, np.float32)
    every = example_set(two_kinds[[0, 3]])
    without = rate_likeness(two_kinds, quality, every)
    unlike = rate_likeness(two_kinds, quality, example_set(two_kinds[[0]], two_kinds[[3]]))
    assert unlike[3] < 0.5 * without[3]
    np.testing.assert_allclose(
        unlike[0], rate_likeness(two_kinds, quality, example_set(two_kinds[[0]]))[0]
    )


def test_better_masks_are_rated_higher(two_kinds: Descriptors) -> None:
    quality = np.linspace(0.2, 1, 6, dtype=np.float32)
    same = replace(two_kinds, **{n: v[[0] * 6] for n, v in vars(two_kinds).items()})
    rated = rate_likeness(same, quality, example_set(two_kinds[:1]))
    assert (np.diff(rated) > 0).all()
    assert not len(rate_likeness(same[:0], quality[:0], example_set(two_kinds[:1])))


def test_ranked_by_likeness_a_poor_mask_that_is_alike_comes_first(two_kinds: Descriptors) -> None:
    quality = np.float32([0.8, 0.4, 0.4, 0.9, 0.9, 0.9])
    examples = example_set(two_kinds[:1])
    by_quality = rate_likeness(two_kinds, quality, examples)
    by_likeness = rate_likeness(two_kinds, quality, examples, rank_by="likeness")
    assert by_likeness[1:3].min() > 10 * by_likeness[3:].max()
    assert by_likeness[0] > by_likeness[1]
    assert (
        by_quality.tolist()
        == rate_likeness(two_kinds, quality, examples, rank_by="quality").tolist()
    )
