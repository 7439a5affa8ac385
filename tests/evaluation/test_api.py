"""Measuring on arrays."""

from typing import Any

import numpy as np
import pytest

from napari_segany import AutomaticParams, evaluate
from napari_segany.errors import InputError
from napari_segany.evaluation.interactive_models import WatershedModel
from napari_segany.evaluation.tasks import EvaluationSettings


@pytest.fixture
def pairs() -> Any:
    rng = np.random.default_rng(0)
    truth = np.zeros((2, 48, 56), np.int64)
    truth[:, 5:20, 8:30] = 3
    truth[1, 30:40, 30:50] = 10**9
    return rng.integers(0, 255, (2, 48, 56)).astype(np.uint8), truth


def test_predictors_are_measured_side_by_side(pairs: Any, tiny_model: Any) -> None:
    told: list[tuple[int, int]] = []
    found = evaluate(
        *pairs,
        [tiny_model, WatershedModel()],
        EvaluationSettings(tasks=("clicks", "boxes"), clicks=2),
        progress=lambda done, of: told.append((done, of)),
    )
    assert list(found) == ["tiny", "watershed"]
    assert found["tiny"].objects == found["watershed"].asked == 3
    assert {"mIoU@1", "oracle mIoU@2", "box mIoU"} <= set(found["tiny"].scores())
    assert told == [(n, 4) for n in (1, 2, 3, 4)]


def test_what_does_not_fit_is_told(pairs: Any, tiny_model: Any) -> None:
    images, truth = pairs
    with pytest.raises(InputError, match="2 images and 1 truths"):
        evaluate(images, truth[:1], tiny_model)
    with pytest.raises(InputError, match="not that of an image"):
        evaluate(images, truth[:, :40], tiny_model)
    with pytest.raises(InputError, match="boundaries"):
        evaluate(images, truth, tiny_model, EvaluationSettings(tasks=("edges",)))


def test_iterables_of_any_kind_are_taken(pairs: Any, tiny_model: Any) -> None:
    settings = EvaluationSettings(tasks=("boxes",))
    wanted = evaluate(*pairs, tiny_model, settings)
    for predictor in (tiny_model, iter([tiny_model])):
        found = evaluate(iter(pairs[0]), map(np.asarray, pairs[1]), predictor, settings)
        assert found["tiny"].scores() == wanted["tiny"].scores()


@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.float64])
def test_ids_of_truth_are_told_apart_and_negative_ones_are_none(
    pairs: Any, tiny_model: Any, kind: Any
) -> None:
    images, truth = pairs
    wide = truth.astype(kind)
    wide[truth == 3], wide[truth == 10**9] = 2**32 + 1, 2**40 + 1
    if kind is not np.uint64:
        wide[truth == 0] = -1
    settings = EvaluationSettings(
        tasks=("boxes", "automatic"), params=AutomaticParams(points_per_side=2)
    )
    plain, others = (evaluate(images, each, tiny_model, settings) for each in (truth, wide))
    assert others["tiny"].objects == plain["tiny"].objects == 3
    assert others["tiny"].scores() == pytest.approx(plain["tiny"].scores(), nan_ok=True)


def test_truth_that_is_no_ids_is_refused(pairs: Any, tiny_model: Any) -> None:
    images, truth = pairs
    for bad in (truth + 0.5, np.where(truth, 2**64 - 1, 0).astype(np.uint64)):
        with pytest.raises(InputError, match="The truth"):
            evaluate(images, bad, tiny_model)
