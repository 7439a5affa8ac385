"""Clicks where a person would click, and what is measured of the answers."""

from typing import Any

import numpy as np
import pytest

from napari_segany import Prompt
from napari_segany.evaluation.click_metrics import (
    innermost_pixel,
    iou,
    jittered_box,
    next_click,
    simulate_clicks,
)
from napari_segany.evaluation.interactive_models import BASELINES, SamInteractiveModel
from napari_segany.evaluation.summary import EvaluationSummary


def disc(row: float, col: float, radius: float, shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return np.asarray(np.hypot(rows - row, cols - col) <= radius)


def test_the_first_click_is_in_the_middle():
    depth, place = innermost_pixel(disc(20, 30, 9))
    assert place == (20, 30)
    assert depth == pytest.approx(9, abs=1)
    # At the border of the plane, outside counts as not the object.
    assert innermost_pixel(disc(0, 0, 9))[1] == (3, 3)
    assert innermost_pixel(np.zeros((5, 5), bool)) == (0, (0, 0))


def test_the_next_click_is_in_the_largest_error():
    truth = disc(20, 30, 9)
    assert next_click(truth, truth) is None
    assert next_click(np.zeros_like(truth), truth) == ((20, 30), 1)
    too_much = truth | disc(40, 60, 12)
    assert next_click(too_much, truth) == ((40, 60), 0)


class Scripted:
    """Answers with what it was told, and notes what it was asked."""

    name = "scripted"

    def __init__(self, answers: list[list[np.ndarray]]) -> None:
        self.answers = answers
        self.asked: list[tuple[list[Any], list[int]]] = []
        self.objects = 0

    def begin(self, image: np.ndarray) -> None:
        self.image = image

    def begin_object(self) -> None:
        self.objects += 1

    def click(self, points: np.ndarray, labels: np.ndarray) -> Any:
        self.asked.append((points.tolist(), labels.tolist()))
        masks = np.stack(self.answers[len(points) - 1])
        return masks, np.linspace(1, 0.5, len(masks))


def test_clicks_follow_the_confident_mask_and_the_oracle_takes_the_best():
    truth = disc(20, 30, 9)
    half = truth & (np.arange(80) < 30)
    clicker = Scripted([[half, truth], [truth]])
    (scores,) = simulate_clicks(clicker, np.zeros((60, 80)), [(4, truth)], 5)
    assert scores.label == 4
    assert scores.confident == pytest.approx([iou(half, truth), 1, 1, 1, 1])
    assert scores.oracle.tolist() == [1, 1, 1, 1, 1]
    reached = EvaluationSummary("", confident=scores.confident[None])
    assert [reached.clicks_to(t).tolist() for t in (0.85, 0.3)] == [[2], [1]]
    # All is right after two; nothing more is asked.
    assert len(clicker.asked) == 2
    points, labels = clicker.asked[1]
    assert points[0] == [20, 30]
    assert labels == [1, 1]
    assert truth[tuple(map(int, points[1]))]


def test_an_object_that_is_never_reached_takes_all_clicks():
    truth = disc(20, 30, 9)
    never = Scripted([[disc(50, 70, 3)]] * 4)
    (scores,) = simulate_clicks(never, np.zeros((60, 80)), [(1, truth)], 4)
    assert EvaluationSummary("", confident=scores.confident[None]).clicks_to(0.9).tolist() == [4]


def test_one_by_one_and_together_are_the_same(tiny_model: Any):
    image = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
    objects = [(1, disc(20, 30, 9)), (2, disc(40, 60, 12)), (3, disc(10, 70, 5))]
    together = simulate_clicks(SamInteractiveModel(tiny_model), image, objects, 4)

    class OneByOne(SamInteractiveModel):
        click_together: Any = None

    alone = simulate_clicks(OneByOne(tiny_model), image, objects, 4)
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.confident, other.confident)
        assert np.array_equal(one.oracle, other.oracle)
        assert (one.oracle >= one.confident).all()


@pytest.mark.parametrize("name", list(BASELINES))
def test_baselines_find_a_bright_disc(name: str):
    truth = disc(30, 40, 12)
    image = (truth * 200).astype(np.uint8) + 20
    (scores,) = simulate_clicks(BASELINES[name](), image, [(1, truth)], 3)
    assert scores.confident[0] > 0.8


def test_boxes_are_moved_as_in_training():
    truth = disc(30, 40, 12)
    assert jittered_box(truth, 0.0, 1) == (18, 28, 42, 52)
    moved = np.array([jittered_box(truth, 0.1, seed) for seed in range(300)])
    off = moved - [18, 28, 42, 52]
    assert off.std(axis=0) == pytest.approx([2.5] * 4, rel=0.2)
    assert jittered_box(truth, 0.1, 5) == jittered_box(truth, 0.1, 5)
    assert (moved[:, 2] > moved[:, 0]).all()


def test_what_is_meant_may_be_what_is_plausible(tiny_model: Any):
    image = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    points, labels = np.array([[20.0, 25.0]]), np.array([1])
    first = {}
    for ranking in ("predicted_iou", "plausible"):
        clicker = SamInteractiveModel(tiny_model, ranking=ranking)
        clicker.begin(image)
        clicker.begin_object()
        first[clicker.name] = clicker.click(points, labels)[0][0]
    found = tiny_model.predict(tiny_model.embed(image), Prompt(points, labels))
    assert list(first) == ["tiny", "tiny, plausible"]
    assert np.array_equal(first["tiny, plausible"], found.mask(0))
