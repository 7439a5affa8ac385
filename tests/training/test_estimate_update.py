"""The quality estimate learns from few planes and stays an estimate."""

import numpy as np

from napari_segany.generators.quality import FEATURES, Perceptron, Quality
from napari_segany.training.estimate_update import Regions, UpdateParams, update_estimate


def make_perceptron(features: int, seed: int) -> Perceptron:
    rng = np.random.default_rng(seed)
    return Perceptron(
        np.zeros(features, np.float32),
        np.ones(features, np.float32),
        tuple(rng.normal(0, 0.1, shape).astype(np.float32) for shape in ((features, 8), (8, 1))),
        (np.zeros(8, np.float32), np.zeros(1, np.float32)),
    )


def make_quality() -> Quality:
    return Quality(
        *(make_perceptron(len(names), seed) for seed, names in enumerate(FEATURES.values()))
    )


def make_regions(seed: int) -> Regions:
    """Regions whose IoU is high where their first feature is."""
    features = np.random.default_rng(seed).normal(size=(200, len(FEATURES["region"])))
    iou = 0.1 + 0.8 * (features[:, 0] > 0)
    return Regions(features.astype(np.float32), iou.astype(np.float32))


def test_regions_of_the_planes_are_expected_better() -> None:
    quality, unseen = make_quality(), make_regions(9)
    updated = update_estimate(quality, [make_regions(0), make_regions(1)])
    before = np.abs(quality.region(unseen.features) - unseen.iou).mean()
    after = np.abs(updated.region(unseen.features) - unseen.iou).mean()
    assert after < 0.5 * before
    assert updated.mask is quality.mask
    assert Quality.from_dict(updated.to_dict()).region(unseen.features).shape == (200,)


def test_without_regions_it_stays() -> None:
    quality = make_quality()
    nothing = Regions(np.zeros((0, len(FEATURES["region"])), np.float32), np.zeros(0, np.float32))
    assert update_estimate(quality, [nothing]) is quality


def test_a_strong_pull_keeps_it() -> None:
    quality, unseen = make_quality(), make_regions(9)
    kept = update_estimate(quality, [make_regions(0)], params=UpdateParams(pull=100.0))
    assert np.abs(kept.region(unseen.features) - quality.region(unseen.features)).max() < 0.05


def test_replayed_regions_are_expected_as_before() -> None:
    quality = make_quality()
    other = np.random.default_rng(3).normal(size=(200, len(FEATURES["region"]))).astype(np.float32)
    other[:, 1] += 6
    before = quality.region(other)
    replay = [Regions(other, before)]
    held = update_estimate(quality, [make_regions(0)], replay)
    free = update_estimate(quality, [make_regions(0)])
    off = [float(np.abs(each.region(other) - before).mean()) for each in (held, free)]
    assert off[0] < 0.5 * off[1]
