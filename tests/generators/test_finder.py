"""The finder's generator, with a network of random weights and with one that makes no mistakes."""

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.finders import write_tiny_finder
from tests.generators.contract import is_same
from tests.generators.maps import draw_discs, draw_maps, random_quality, separating_quality
from tests.generators.trees import grow_tree

from napari_segany import MaskSet, SamModel
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators import finder, finder_candidates, finder_crop, plane_finder
from napari_segany.generators.finder import FinderGenerator, layers_for
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.quality import Quality
from napari_segany.models import finder as finders
from napari_segany.models.finder import ObjectMaps
from napari_segany.models.protocol import Embedding

PARAMS = FinderParams(
    finder="0", mask_source="best", pred_iou_thresh=0.4, min_area=0, grid_points_per_side=2
)
"""Resolved already."""


@dataclass(eq=False)
class Oracle:
    """A finder of images whose gray values are the labels of their objects."""

    quality: Quality
    seen: list[tuple[int, int]]

    @property
    def card(self) -> Any:
        return SimpleNamespace(quality=self.quality.to_dict(), base=None, gate=None)

    def predict_maps(self, embedding: Embedding, rgb: NDArray[np.uint8], **_: Any) -> ObjectMaps:
        assert embedding.shape == rgb.shape[:2]
        self.seen.append((rgb.shape[0], rgb.shape[1]))
        return draw_maps(rgb[..., 0].astype(np.int32), side=128)


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """The finder of all models is one that knows the truth."""
    known = Oracle(separating_quality(), [])
    monkeypatch.setattr(plane_finder, "require_finder", lambda *_: known)
    # Objects of maps without mistakes end at one half, and this estimate cannot choose outlines.
    monkeypatch.setattr(finder_candidates, "grow_trees", lambda maps: [grow_tree(maps)])
    return known


@pytest.fixture
def noisy(cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> FinderParams:
    """Parameters with an installed finder of random weights, which asks the model a little."""
    monkeypatch.setattr(finder_crop, "MOST_ASKED", 3)
    path = cache / "finders" / "own.safetensors"
    file = write_tiny_finder(path, tiny_model, quality=random_quality().to_dict())
    return replace(PARAMS, finder=file.sha256, pred_iou_thresh=0.3)


def as_image(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    return np.repeat(labels.astype(np.uint8)[..., None], 3, axis=-1)


def noise(shape: tuple[int, ...] = (40, 56)) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (*shape[:2], 3)).astype(np.uint8)


LABELS = draw_discs((100, 128), [(30, 30, 18), (30, 62, 17), (75, 50, 20), (70, 100, 14)])

Find = Callable[..., MaskSet]


@pytest.fixture
def find(tiny_model: SamModel) -> Find:
    def finding(params: FinderParams, plane: NDArray[np.uint8], **given: Any) -> MaskSet:
        return FinderGenerator(params).find(tiny_model, plane, **given)

    return finding


def check_objects(found: MaskSet, labels: NDArray[np.integer], least: float = 0.85) -> None:
    """Every object is found once, and nothing else."""
    numbers = [n for n in np.unique(labels).tolist() if n]
    assert len(found) == len(numbers)
    for number in numbers:
        truth = labels == number
        masks = (found.mask(i) for i in range(len(found)))
        assert max((m & truth).sum() / (m | truth).sum() for m in masks) > least


def test_all_objects_are_found_once(find: Find, oracle: Oracle) -> None:
    found = find(PARAMS, as_image(LABELS))
    check_objects(found, LABELS)
    assert (np.diff(found.predicted_iou) <= 0).all()
    # The plane, and a crop in which tiny objects would be seen first.
    assert oracle.seen == [(100, 128), (56, 70)]
    labels = found.to_labels()
    assert len(np.unique(labels)) == 5


def test_a_small_plane_is_seen_in_two_scales(find: Find, oracle: Oracle) -> None:
    """All objects are found once; one that the edge cuts, with what lies in the plane."""
    labels = draw_discs((24, 28), [(8, 8, 6), (16, 26, 6)])
    params = replace(PARAMS, mask_source="region", grid_points_per_side=0)
    found = find(params, as_image(labels))
    assert oracle.seen == [(24, 28), (50, 50)]
    assert found.shape == (24, 28)
    check_objects(found, labels)
    left = np.zeros((24, 28), bool)
    left[:, :14] = True
    check_objects(find(params, as_image(labels), region=left), np.where(left, labels, 0))
    # Crops that are asked for are of the plane itself.
    oracle.seen.clear()
    find(replace(params, crop_n_layers=1), as_image(labels))
    assert (50, 50) not in oracle.seen
    # It can be asked to fill the frame alone.
    oracle.seen.clear()
    find(replace(params, fill_frame=True), as_image(labels))
    assert oracle.seen == [(24, 28)]


@pytest.mark.parametrize("source", ["best", "region", "model"])
def test_sources_of_masks(find: Find, oracle: Oracle, source: Any) -> None:
    found = find(replace(PARAMS, mask_source=source), as_image(LABELS))
    if source == "model":
        assert len(found) == 0, "the estimate never trusts the model"
        oracle.quality = separating_quality(mask_bias=5.0)
        found = find(replace(PARAMS, mask_source=source), as_image(LABELS))
        assert found.prompts_asked > 0
        assert (found.predicted_iou > 0.9).all()
    else:
        check_objects(found, LABELS)
        # Three of the four points of the coarse grid lie in objects.
        assert source == "best" or found.prompts_asked == 1


def test_a_better_mask_of_the_model_takes_the_place_of_a_doubtful_region(
    find: Find, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder_crop, "SURE_REGION", 1.1)
    monkeypatch.setattr(finder_crop, "MARGIN", 0.0)
    params = replace(PARAMS, grid_points_per_side=0, pred_iou_thresh=0.0, nms="mask")
    regions = find(params, as_image(LABELS))
    oracle.quality = separating_quality(mask_bias=20.0)
    masks = find(params, as_image(LABELS))
    assert len(masks.all_candidates) == len(regions.all_candidates)
    assert (masks.all_candidates.predicted_iou > 0.99).all()
    assert masks.prompts_asked >= 4
    monkeypatch.setattr(finder_crop, "MOST_ASKED", 1)
    one = find(params, as_image(LABELS))
    assert (one.all_candidates.predicted_iou > 0.9999).sum() == 1


def test_a_region_has_the_objects_whose_middle_lies_in_it(find: Find, oracle: Oracle) -> None:
    region = np.zeros(LABELS.shape, bool)
    region[:, :46] = True
    check_objects(find(PARAMS, as_image(LABELS), region=region), np.where(LABELS == 1, 1, 0))
    region[:] = False
    oracle.seen.clear()
    assert len(find(PARAMS, as_image(LABELS), region=region)) == 0
    assert not oracle.seen, "nothing is embedded for nothing"


def test_steps_of_regions() -> None:
    generator = FinderGenerator(PARAMS)
    region = np.zeros((50, 60), bool)
    assert generator.count_steps((50, 60), region) == 0
    region[0, 0] = True
    assert generator.count_steps((50, 60), region) == 1
    assert generator.count_steps((50, 60)) == generator.count_steps((9, 9))


def test_layers_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "SMALL_SIDE", 16.0)
    monkeypatch.setattr(finder, "MOST_LAYERS", 2)
    sides = (0.0, np.nan, np.inf, 16.0, 15.9, 8.0, 7.9, 0.001)
    assert [layers_for(side, 1.0) for side in sides] == [0, 0, 0, 0, 1, 1, 2, 2]
    assert [layers_for(2.0, enlarged) for enlarged in (0.25, 2.0, 2.1, 4.0, 10.0)] == [
        2,
        1,
        0,
        0,
        0,
    ]


@pytest.fixture
def small_objects() -> NDArray[np.int32]:
    """Discs all over a plane, some of them on the borders of its crops and at the plane's."""
    places = [(r, c) for r in range(6, 200, 19) for c in range(5, 250, 20)]
    labels = draw_discs((200, 250), [(r, c, 6.5) for r, c in places])
    assert labels.max() < 256
    return labels


def test_small_objects_are_found_in_crops_neither_cut_nor_doubled(
    find: Find, oracle: Oracle, small_objects: NDArray[np.int32], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Objects are seven pixels of the frame wide, in the plane as a whole.
    monkeypatch.setattr(finder, "SMALL_SIDE", 11.0)
    told: list[tuple[int, int]] = []
    params = replace(PARAMS, grid_points_per_side=0)
    found = find(params, as_image(small_objects), progress=lambda *steps: told.append(steps))
    assert len(oracle.seen) == 5
    check_objects(found, small_objects, 0.7)
    done = [each[0] for each in told]
    assert done == sorted(set(done))
    assert len(done) > 5
    assert told[-1] == (100, 100)

    oracle.seen.clear()
    whole = find(replace(params, crop_n_layers=0), as_image(small_objects))
    assert len(oracle.seen) == 1
    areas = np.bincount(small_objects.ravel())[1:]
    assert np.abs(np.sort(found.area) - np.sort(areas)).mean() < 0.3 * areas.mean()
    assert len(whole) <= len(found)


def test_tiny_objects_that_look_like_a_large_one_are_told_apart_in_a_crop(
    find: Find, oracle: Oracle, small_objects: NDArray[np.int32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the plane as a whole, the finder sees one object where there are many."""
    monkeypatch.setattr(finder, "SMALL_SIDE", 11.0)
    params = replace(PARAMS, grid_points_per_side=0)
    predict = oracle.predict_maps

    def predict_maps(embedding: Embedding, rgb: NDArray[np.uint8]) -> ObjectMaps:
        if rgb.shape[:2] == small_objects.shape:
            rgb = as_image(np.ones_like(small_objects))
        return predict(embedding, rgb)

    monkeypatch.setattr(oracle, "predict_maps", lambda e, rgb, **_: predict_maps(e, rgb))
    found = find(params, as_image(small_objects))
    # The plane, the crop that is looked at, and the four crops that are searched.
    assert len(oracle.seen) == 6
    assert len(found) > 0.9 * small_objects.max()
    oracle.seen.clear()
    assert len(find(replace(params, crop_n_layers=0), as_image(small_objects))) <= 1
    assert len(oracle.seen) == 1


def test_no_crop_is_looked_at_where_many_objects_are_clear(
    find: Find, oracle: Oracle, small_objects: NDArray[np.int32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "SMALL_SIDE", 5.0)
    find(replace(PARAMS, grid_points_per_side=0), as_image(small_objects))
    assert oracle.seen == [small_objects.shape]


def test_a_crop_is_looked_at_where_the_map_of_sizes_contradicts_many_objects(
    find: Find, oracle: Oracle, small_objects: NDArray[np.int32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clusters of tiny objects may be clear regions, but are not of the size that is predicted."""
    monkeypatch.setattr(finder, "SMALL_SIDE", 5.0)
    predict = oracle.predict_maps

    def of_half_the_size(embedding: Embedding, rgb: NDArray[np.uint8], **_: Any) -> ObjectMaps:
        maps = predict(embedding, rgb)
        return replace(maps, log2_size=maps.log2_size - 1)

    monkeypatch.setattr(oracle, "predict_maps", of_half_the_size)
    find(replace(PARAMS, grid_points_per_side=0), as_image(small_objects))
    assert len(oracle.seen) > 1


def test_crops_are_searched_where_the_region_is(
    find: Find, oracle: Oracle, small_objects: NDArray[np.int32]
) -> None:
    region = np.zeros(small_objects.shape, bool)
    region[:20, :30] = True
    params = replace(PARAMS, crop_n_layers=1, crop_overlap_ratio=0.2, grid_points_per_side=0)
    found = find(params, as_image(small_objects), region=region)
    assert len(oracle.seen) == 2
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert len(found) == 2
    assert (middles < (20, 30)).all()


def test_nothing_of_a_crop_is_held_while_the_next_is_embedded(
    find: Find, noisy: FinderParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[weakref.ref[finder_crop.SeenCrop]] = []
    look = finder_crop.CropSearch.look

    def looking(*given: Any) -> finder_crop.SeenCrop:
        gc.collect()
        assert not any(crop() is not None for crop in seen)
        crop = look(*given)
        seen.append(weakref.ref(crop))
        return crop

    monkeypatch.setattr(finder_crop.CropSearch, "look", looking)
    find(replace(noisy, crop_n_layers=1), noise())
    assert len(seen) == 5


def test_masks_of_a_grid_that_the_model_judges_come_first(
    find: Find, oracle: Oracle, small_objects: NDArray[np.int32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep the model's scores, and regions rank below them; every point is prompted."""
    for name in ("GRID_IOU", "GRID_STABILITY", "TRUSTED_IOU", "TRUSTED_STABILITY"):
        monkeypatch.setattr(finder_crop, name, -9.0)
    params = replace(
        PARAMS,
        **{"mask_source": "region", "grid_points_per_side": 4, "grid_scores": "model"},
        **{"pred_iou_thresh": 0.0, "crop_n_layers": 0, "box_nms_thresh": 1.0},
    )
    asked: list[MaskSet] = []
    prompted = finder_crop.prompt_silent_points

    def watched(*given: Any) -> MaskSet:
        asked.append(prompted(*given))
        return asked[-1]

    monkeypatch.setattr(finder_crop, "prompt_silent_points", watched)
    found = find(params, as_image(small_objects))
    (own,) = asked
    assert own.prompts_asked == 16
    kept = found.predicted_iou[np.isin(found.predicted_iou, own.predicted_iou)]
    assert len(kept)
    monkeypatch.setattr(finder_crop, "TRUSTED_STABILITY", 2.0)
    find(params, as_image(small_objects))
    assert not len(asked[1])


def test_regions_rank_below_what_the_model_judged() -> None:
    masks = MaskSet.from_masks([np.eye(4, dtype=bool)] * 3, predicted_iou=[0.95, 0.88, 0.5])
    below = finder_crop.rank_below_trusted(masks).predicted_iou
    assert below.dtype == np.float32
    assert below.tolist() == pytest.approx([0.88, 0.88, 0.5])


def test_prompts_of_crops_are_counted(find: Find, oracle: Oracle) -> None:
    params = replace(PARAMS, grid_points_per_side=3)
    blank = as_image(np.zeros((100, 128)))
    assert find(params, blank).prompts_asked == 9
    oracle.seen.clear()
    layered = find(replace(params, crop_n_layers=1), blank)
    assert layered.prompts_asked == 9 * len(oracle.seen) == 45


def test_candidates_are_the_same_with_and_without_an_embedding(
    noisy: FinderParams, find: Find, tiny_model: SamModel
) -> None:
    plane = noise()
    found = find(noisy, plane)
    assert len(found) > 3
    for stages in (False, True):
        embedding = tiny_model.embed(plane, stages=stages)
        assert is_same(find(noisy, plane, embedding=embedding), found)


FILTERS: list[dict[str, Any]] = [
    {"pred_iou_thresh": 0.25},
    {"pred_iou_thresh": 0.5},
    {"box_nms_thresh": 0.7},
    {"nms": "mask"},
    {"nms": "box", "box_nms_thresh": 0.1},
    {"min_area": 40},
    {"max_area_fraction": 0.05},
    {"min_solidity": 0.8},
    {"exclude_border": True},
    {"min_mask_region_area": 9},
    {"stability_score_thresh": 0.97},
]


@pytest.mark.parametrize("changes", FILTERS, ids=[next(iter(each)) for each in FILTERS])
def test_a_filter_gives_what_a_new_run_does(
    noisy: FinderParams, find: Find, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GRID_IOU", "GRID_STABILITY"):
        monkeypatch.setattr(finder_crop, name, float("-inf"))
    params = replace(noisy, grid_points_per_side=2)
    plane = noise((48, 40))
    given = dict(changes)
    if "box_nms_thresh" in given:
        given["nms_thresh"] = given.pop("box_nms_thresh")
    if fraction := given.pop("max_area_fraction", None):
        given["max_area"] = int(fraction * plane.shape[0] * plane.shape[1])
    filtered = find(params, plane).filter(**given)
    again = find(replace(params, **changes), plane)
    assert is_same(filtered, again)
    assert np.array_equal(filtered.candidate, again.candidate)


def test_looser_bounds_than_candidates_were_kept_for_are_refused(
    noisy: FinderParams, find: Find
) -> None:
    found = find(noisy, noise())
    with pytest.raises(InputError, match="loosest bound"):
        found.filter(pred_iou_thresh=0.01)
    everything = find(replace(noisy, pred_iou_thresh=0.0), noise())
    assert len(everything.filter(nms_thresh=1.0)) >= len(everything)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_number_of_threads_changes_no_byte(
    noisy: FinderParams, find: Find, threads: Callable[[int], None]
) -> None:
    params = replace(noisy, crop_n_layers=1)
    threads(1)
    one = find(params, noise())
    threads(2)
    two = find(params, noise())
    assert is_same(one, two)
    assert np.array_equal(one.to_labels(), two.to_labels())


def test_it_can_be_stopped_at_every_poll(noisy: FinderParams, find: Find) -> None:
    params = replace(noisy, crop_n_layers=1, crop_overlap_ratio=0.1)
    polls: list[int] = []

    def counting(last: int) -> Callable[[], bool]:
        polls.clear()

        def should_stop() -> bool:
            polls.append(1)
            return len(polls) >= last

        return should_stop

    plane = noise((16, 20))
    whole = find(params, plane, should_stop=counting(10**9))
    total = len(polls)
    assert total > 30
    for last in (*range(1, total, max(1, total // 8)), total):
        with pytest.raises(Cancelled):
            find(params, plane, should_stop=counting(last))
        assert len(polls) == last, "nothing goes on after that"
    assert is_same(find(params, plane), whole)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (9, 400)])
@pytest.mark.parametrize("layers", [0, 1])
def test_planes_of_odd_shapes(
    noisy: FinderParams, find: Find, shape: tuple[int, int], layers: int
) -> None:
    found = find(replace(noisy, crop_n_layers=layers, pred_iou_thresh=0.0), noise(shape))
    assert found.shape == shape
    assert (found.area > 0).all()
    assert np.isfinite(found.predicted_iou).all()


@pytest.mark.parametrize("value", [0, 255])
def test_blank_planes(noisy: FinderParams, find: Find, value: int) -> None:
    found = find(noisy, np.full((30, 40, 3), value, np.uint8))
    assert found.shape == (30, 40)


def test_gray_and_colour_planes_of_any_type(noisy: FinderParams, tiny_model: SamModel) -> None:
    rgb = noise()
    assert len(generate_masks(tiny_model, rgb, noisy))
    gray = generate_masks(tiny_model, rgb[..., 0].astype(np.float32) * 1e-9, noisy)
    assert gray.shape == (40, 56)


def test_without_the_finder_it_says_so(
    find: Find, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(finders, "find_finder", lambda *_: None)
    with pytest.raises(
        InputError, match="No finder on this machine fits the image encoder of tiny"
    ):
        find(PARAMS, noise())


def test_a_damaged_estimate_is_refused(find: Find, oracle: Oracle) -> None:
    broken = SimpleNamespace(quality={"bias": 0.25}, base=None, gate=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Oracle, "card", broken)
        with pytest.raises(InputError, match="another version of napari-segany"):
            find(PARAMS, noise())


def test_two_views_show_the_turned_plane_as_well(find: Find, oracle: Oracle) -> None:
    image = as_image(LABELS)
    found = find(replace(PARAMS, views=2, crop_n_layers=0), image)
    check_objects(found, LABELS)
    assert oracle.seen == [(100, 128)] * 2
    oracle.seen.clear()
    find(replace(PARAMS, crop_n_layers=0), image)
    assert oracle.seen == [(100, 128)]


@pytest.mark.parametrize("views", [1, 2])
def test_outlines_end_between_the_bounds(find: Find, noisy: FinderParams, views: int) -> None:
    """Both bounds give the same regions; each lies between what its bounds would give."""
    params = replace(noisy, mask_source="region", grid_points_per_side=0, box_nms_thresh=1.0)
    params = replace(params, crop_n_layers=0, views=views, pred_iou_thresh=0.0)
    between, better = (
        find(replace(params, outlines=each), noise((128, 128))).all_candidates
        for each in ("between", "better")
    )
    assert np.array_equal(between.predicted_iou, better.predicted_iou)
    assert not np.array_equal(between.area, better.area)
    default = find(replace(params, outlines=FinderParams().outlines), noise((128, 128)))
    assert is_same(default.all_candidates, between)


def test_two_views_depend_less_on_how_a_plane_lies(find: Find, noisy: FinderParams) -> None:
    """Turned by 180 degrees, a plane has the same objects; seen once, it has others."""
    plane = noise((128, 128))

    def labels(views: int, turn: bool) -> NDArray[np.integer]:
        params = replace(noisy, views=views, crop_n_layers=0, mask_source="region")
        params = replace(params, grid_points_per_side=0)
        painted = find(params, np.ascontiguousarray(plane[::-1, ::-1]) if turn else plane)
        painted = painted.to_labels() > 0
        return painted[::-1, ::-1] if turn else painted

    differing = [(labels(views, False) != labels(views, True)).mean() for views in (1, 2)]
    assert differing[1] < differing[0] / 4
