"""Scores by kind of image."""

import math

import numpy as np
import pytest

from napari_segany.errors import InputError
from napari_segany.evaluation.kinds import (
    NO_KIND,
    kinds_as_text,
    mean_over_kinds,
    paired_difference,
    summarise_kinds,
)
from napari_segany.evaluation.run import PlaneEvaluation
from napari_segany.evaluation.summary import summarise


def boxes(image: str, *ious: float) -> PlaneEvaluation:
    values = {"objects": len(ious), "asked": len(ious), "boxes": [{"iou": each} for each in ious]}
    return PlaneEvaluation("model", image, (), values)


def test_kinds_are_the_first_folders_of_names() -> None:
    measured = [boxes("em/a/1", 0.2), boxes("em/2", 0.4, 0.6), boxes("nuclei/1", 0.8)]
    kinds = summarise_kinds(measured)
    assert {kind: each.objects for kind, each in kinds["model"].items()} == {"em": 3, "nuclei": 1}
    lines = kinds_as_text(kinds, summarise(measured)).splitlines()
    assert [line.split() for line in lines if line] == [
        ["model", "planes", "objects", "box", "mIoU"],
        ["em", "2", "3", "0.4000"],
        ["nuclei", "1", "1", "0.8000"],
        ["mean", "over", "kinds", "0.6000"],
        ["all", "planes", "3", "4", "0.5000"],
    ]


def test_images_without_a_folder_are_a_kind_only_beside_others() -> None:
    assert summarise_kinds([boxes("1", 0.2), boxes("2", 0.4)]) == {}
    assert list(summarise_kinds([boxes("1", 0.2), boxes("em/2", 0.4)])["model"]) == [NO_KIND, "em"]


def test_a_score_that_a_kind_lacks_is_left_out_of_its_mean() -> None:
    mean = mean_over_kinds({"a": {"x": 0.2, "y": math.nan}, "b": {"x": 0.4}, "c": {"y": math.nan}})
    assert mean["x"] == pytest.approx(0.3)
    assert math.isnan(mean["y"])


def test_intervals_of_paired_differences() -> None:
    rng = np.random.default_rng(1)
    first, noise = rng.random(200), rng.normal(0.1, 0.05, 200)
    found = paired_difference(first + noise, first)
    assert found.mean == pytest.approx(noise.mean())
    # That of the normal distribution, which these differences have.
    spread = 1.96 * noise.std() / np.sqrt(200)
    assert found.low == pytest.approx(noise.mean() - spread, abs=spread / 5)
    assert found.high == pytest.approx(noise.mean() + spread, abs=spread / 5)
    # The scores of the images vary far more than their differences.
    assert spread < first.std() / np.sqrt(200)
    assert paired_difference(first + noise, first) == found


def test_every_kind_counts_the_same_in_paired_differences() -> None:
    found = paired_difference([1.0, 1.0, 1.0, 0.0], [0.0] * 4, ["a", "a", "a", "b"])
    # Images are drawn within their kind, and here those of a kind are alike.
    assert (found.mean, found.low, found.high, found.images) == (0.5, 0.5, 0.5, 4)
    assert paired_difference([1.0, 1.0, 1.0, 0.0], [0.0] * 4).mean == 0.75


def test_scores_of_other_images_cannot_be_paired() -> None:
    for first, second, kinds in (([], [], None), ([1.0], [1.0, 2.0], None), ([1.0], [1.0], [])):
        with pytest.raises(InputError, match="of the same images"):
            paired_difference(first, second, kinds)
