"""The generator's rules on planes whose gray values name the objects, with no model in between."""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.generate import choose_generator
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.point_grids import count_points
from napari_segany.models.protocol import PointCandidates
from napari_segany.models.screening import Screen, SparseEstimate

Plane = NDArray[np.uint8]
PARAMS = AutomaticParams(points_per_side=16, points_per_batch=10).resolved(0.88, 0.95, 0)


@dataclasses.dataclass
class Oracle:
    """Stands for a model: a point is answered with all pixels of the gray value under it."""

    iou: dict[int, float] = dataclasses.field(default_factory=dict)
    """Predicted IoU of each gray value, 1 if it is not here; 0 is background, never answered."""
    logits: Callable[[NDArray[np.bool_], int], NDArray[np.float32]] = lambda mask, value: np.where(
        mask, 10, -10
    ).astype(np.float32)
    crops: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    asked: list[NDArray[np.float64]] = dataclasses.field(default_factory=list)

    def embed(self, crop: Plane, *, should_stop: Any = None) -> "SeenCrop":
        self.crops.append(crop.shape[:2])
        return SeenCrop(self, crop[..., 0])

    def prepare(self, embedding: "SeenCrop") -> "SeenCrop":
        return embedding


@dataclasses.dataclass
class SeenCrop:
    oracle: Oracle
    gray: Plane

    @property
    def frame(self) -> Frame:
        # As large as the crop, so that enlarging changes nothing.
        return Frame((self.gray.shape[0], self.gray.shape[1]), max(self.gray.shape))

    def predict_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Any],
    ) -> Generator[Any]:
        for start in range(0, len(points), at_once):
            yield finish(self.answers(points[start : start + at_once], screen))

    def answers(self, points: NDArray[np.float64], screen: Screen) -> PointCandidates:
        self.oracle.asked.append(points)
        side = self.frame.side
        used, scores, maps = [], [], []
        for point in points:
            value = int(self.gray[tuple(np.floor(point).astype(int))])
            score = self.oracle.iou.get(value, 1.0)
            if value and score > screen.pred_iou:
                framed = np.full((side, side), -10, np.float32)
                h, w = self.gray.shape
                framed[:h, :w] = self.oracle.logits(self.gray == value, value)
                used.append(point)
                scores.append(score)
                maps.append(torch.from_numpy(framed))
        logits = torch.stack(maps) if maps else torch.zeros(0, side, side)
        estimate = SparseEstimate.nothing(len(used))
        at = np.reshape(used, (-1, 2))
        return PointCandidates(len(points), at, torch.tensor(scores), estimate, logits)

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Objects look alike, and so does the background."""
        on = self.gray[tuple(np.floor(points).astype(int).T)] > 0
        return np.stack([on, ~on], axis=1).astype(np.float32)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads cost more than they bring in planes as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seen(gray: Plane) -> Plane:
    return np.repeat(gray[..., None], 3, axis=-1)


def find(gray: Plane, params: AutomaticParams = PARAMS, oracle: Any = None, **rest: Any) -> MaskSet:
    generator = choose_generator(params, rest.pop("faithful", False))
    return generator.find(oracle or Oracle(), seen(gray), **rest)


def plane(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (96, 128)) -> Plane:
    """Rectangles with gray values 1, 2, ..."""
    gray = np.zeros(shape, np.uint8)
    for value, (a, b, c, d) in enumerate(boxes, start=1):
        gray[a:c, b:d] = value
    return gray


THREE = plane((10, 10, 40, 50), (50, 20, 80, 60), (5, 70, 90, 120))


def changed(**values: Any) -> AutomaticParams:
    return dataclasses.replace(PARAMS, **values)


def test_every_object_is_found_once_best_first() -> None:
    found = find(THREE, oracle=Oracle({1: 0.9, 2: 0.95, 3: 0.91}))
    assert [int(THREE[m.mask(0)][0]) for m in found] == [2, 3, 1]
    for one in found:
        value = THREE[one.mask(0)][0]
        assert np.array_equal(one.mask(0), value == THREE)
        row, col = np.floor(one.points[0]).astype(int)
        assert THREE[row, col] == value, "the point that found it lies on it"
    assert found.stability_score.tolist() == [1, 1, 1]


def test_points_are_asked_in_batches_in_the_middle_of_their_cells() -> None:
    oracle = Oracle()
    find(THREE, changed(points_per_side=4, points_per_batch=6), oracle)
    assert [len(points) for points in oracle.asked] == [6, 6, 4]
    asked = np.concatenate(oracle.asked)
    assert asked[:5].tolist() == [[12, 16], [12, 48], [12, 80], [12, 112], [36, 16]]
    for size in (1, 1000):
        again = find(THREE, changed(points_per_batch=size))
        assert again.area.tolist() == find(THREE).area.tolist()


def test_predicted_iou_must_exceed_its_threshold() -> None:
    oracle = Oracle({1: 0.5, 2: 0.75, 3: 0.8})
    assert len(find(THREE, changed(pred_iou_thresh=0.75), oracle)) == 1
    assert len(find(THREE, changed(pred_iou_thresh=0.7), oracle)) == 2
    negative = Oracle({1: -1.0, 2: -2.0, 3: -3.0})
    assert len(find(THREE, changed(pred_iou_thresh=0), negative)) == 3, "0 keeps all"


def rim(mask: NDArray[np.bool_], value: int) -> NDArray[np.float32]:
    """Object 1 is unstable: its upper half is barely on."""
    logits = np.where(mask, 10, -10).astype(np.float32)
    if value == 1:
        rows = np.flatnonzero(mask.any(axis=1))
        logits[rows[: len(rows) // 2]] = np.where(mask[rows[: len(rows) // 2]], 0.5, -10)
    return logits


def test_unstable_masks_are_dropped() -> None:
    oracle = Oracle(logits=rim)
    assert len(find(THREE, changed(stability_score_thresh=0.51), oracle)) == 2
    found = find(THREE, changed(stability_score_thresh=0.5), oracle)
    assert sorted(found.stability_score.tolist()) == [0.5, 1, 1]
    assert len(find(THREE, changed(stability_score_thresh=0), oracle)) == 3
    offset = changed(stability_score_offset=0.25)
    assert len(find(THREE, offset, oracle)) == 3, "0.5 is above 0.25"


def nothing_on(mask: NDArray[np.bool_], value: int) -> NDArray[np.float32]:
    return np.where(mask, -0.5, -10).astype(np.float32)


def test_without_thresholds_there_are_still_no_empty_masks() -> None:
    off = changed(pred_iou_thresh=0, stability_score_thresh=0)
    assert len(find(THREE, off, Oracle(logits=nothing_on))) == 0


TRIANGLES = np.where(np.subtract.outer(np.arange(96), np.arange(96)) > 0, 1, 2).astype(np.uint8)


def test_touching_neighbours_are_kept_by_masks_and_lost_by_boxes() -> None:
    assert len(find(TRIANGLES)) == 2
    assert len(find(TRIANGLES, changed(nms="box"))) == 1
    assert len(find(TRIANGLES, PARAMS.as_reference())) == 1


def test_large_and_small_masks_can_be_left_out() -> None:
    areas = sorted(int((v == THREE).sum()) for v in (1, 2, 3))
    assert sorted(find(THREE).area.tolist()) == areas == [1200, 1200, 4250]
    share = 4250 / THREE.size
    assert len(find(THREE, changed(max_area_fraction=share + 1e-6))) == 3
    assert len(find(THREE, changed(max_area_fraction=share - 1e-3))) == 2
    assert len(find(THREE, changed(min_area=1200))) == 3
    assert len(find(THREE, changed(min_area=1201))) == 1
    everything = np.ones((96, 96), np.uint8)
    assert len(find(everything)) == 0, "a mask of the whole plane is no object"
    assert len(find(everything, PARAMS.as_reference())) == 1


def quarters(params: AutomaticParams) -> AutomaticParams:
    """Ask only in the four crops of the first layer, which do not overlap."""
    grid = tuple((float(r), float(c)) for r in np.linspace(0, 0.99, 25) for c in (0.3, 0.5, 0.7))
    return dataclasses.replace(
        params, crop_n_layers=1, crop_overlap_ratio=0.0, point_grids=((), grid)
    )


@pytest.mark.parametrize(
    ("last_row", "kept"),
    [(98, True), (99, True), (100, False), (119, False)],
    ids=["22 px away", "21 px away", "20 px away", "at the border"],
)
def test_objects_within_20_px_of_an_inner_border_are_dropped(last_row: int, kept: bool) -> None:
    # Crops end at row 120; the reference measures from the last row of the mask itself.
    gray = plane((60, 40, last_row + 1, 80), shape=(240, 240))
    assert len(find(gray, quarters(PARAMS))) == kept


@pytest.mark.parametrize(("first_row", "kept"), [(141, True), (140, False)])
def test_the_edge_rule_holds_at_the_upper_border_too(first_row: int, kept: bool) -> None:
    gray = plane((first_row, 40, 180, 80), shape=(240, 240))
    assert len(find(gray, quarters(PARAMS))) == kept


def test_the_planes_own_border_cuts_nothing() -> None:
    gray = plane((0, 0, 50, 50), (190, 190, 240, 240), shape=(240, 240))
    assert len(find(gray, quarters(PARAMS))) == 2


def test_a_mask_found_in_a_crop_is_put_in_its_place() -> None:
    gray = plane((150, 30, 190, 70), (150, 160, 200, 215), shape=(240, 240))
    oracle = Oracle()
    found = find(gray, quarters(PARAMS), oracle)
    assert oracle.crops == [(120, 120)] * 4, "the whole plane has no points and is not embedded"
    assert {tuple(box) for box in found.crop_boxes.tolist()} == {
        (120, 0, 240, 120),
        (120, 120, 240, 240),
    }
    for one in found:
        row, col = np.floor(one.points[0]).astype(int)
        assert np.array_equal(one.mask(0), gray == gray[row, col])


def test_the_smaller_crop_wins() -> None:
    gray = plane((30, 30, 80, 80), shape=(240, 240))
    found = find(gray, changed(crop_n_layers=1))
    assert len(found) == 1
    (box,) = found.crop_boxes.tolist()
    assert box == [0, 0, 161, 161], "ceil((int(240 * 512 / 1500) + 240) / 2)"


def test_layers_ask_at_fewer_points() -> None:
    params = changed(crop_n_layers=1, crop_n_points_downscale_factor=3)
    oracle = Oracle()
    find(THREE, params, oracle)
    assert sum(len(points) for points in oracle.asked) == 16**2 + 4 * 5**2
    assert count_points((96, 128), params) == 16**2 + 4 * 5**2


def test_own_points_are_row_and_column() -> None:
    params = changed(point_grids=(((0.9, 0.1),),))
    gray = plane((80, 0, 96, 20), (0, 110, 20, 128))
    found = find(gray, params)
    assert [gray[m.mask(0)][0] for m in found] == [1]
    assert found.points.tolist() == [[pytest.approx(86.4), pytest.approx(12.8)]]


def test_small_holes_and_specks_are_repaired_and_the_repaired_one_loses() -> None:
    whole = np.zeros((96, 128), bool)
    whole[20:40, 20:40] = True

    def answers(mask: NDArray[np.bool_], value: int) -> NDArray[np.float32]:
        on = whole.copy()
        if value == 1:  # a hole of 12 x 12, so an IoU of 0.64 with the whole
            on[24:36, 24:36] = False
        if value == 2:  # a speck
            on = np.zeros_like(whole)
            on[60:80, 60:90] = True
            on[90:92, 100:102] = True
        return np.where(on, 10, -10).astype(np.float32)

    gray = plane((0, 0, 20, 20), (60, 60, 80, 90), (0, 60, 20, 90))
    oracle = Oracle({1: 1.0, 2: 0.95, 3: 0.9}, logits=answers)
    rough = find(gray, PARAMS, oracle)
    assert sorted(rough.area.tolist()) == [256, 400, 604]
    clean = find(gray, changed(min_mask_region_area=200), oracle)
    assert sorted(clean.area.tolist()) == [400, 600]
    whole_one = clean[clean.area == 400]
    assert np.array_equal(whole_one.mask(0), whole)
    assert whole_one.predicted_iou.tolist() == pytest.approx([0.9]), "the one that was whole"
    small = find(gray, changed(min_mask_region_area=4), oracle)
    assert sorted(small.area.tolist()) == [256, 400, 604], "4 px are not below 4"


def test_a_region_restricts_the_points() -> None:
    region = np.zeros(THREE.shape, bool)
    region[:, :65] = True
    oracle = Oracle()
    assert sorted(THREE[m.mask(0)][0] for m in find(THREE, PARAMS, oracle, region=region)) == [1, 2]
    asked = np.concatenate(oracle.asked)
    assert (asked[:, 1] < 65).all()
    assert len(asked) == count_points((96, 128), PARAMS, region) == 16 * 8
    unasked = Oracle()
    nothing = find(THREE, PARAMS, unasked, region=np.zeros(THREE.shape, bool))
    assert len(nothing) == 0
    assert nothing.shape == THREE.shape
    assert unasked.crops == [], "no point, no embedding"


def test_a_region_is_of_the_plane_in_every_crop() -> None:
    region = np.zeros(THREE.shape, bool)
    region[60:, 80:] = True
    params = changed(crop_n_layers=1, crop_overlap_ratio=0.0)
    oracle = Oracle()
    find(THREE, params, oracle, region=region)
    # The whole plane, then its lower right quarter; the region has no point in the others.
    assert oracle.crops == [(96, 128), (48, 64)]
    assert count_points((96, 128), params, region) == 6 * 6 + 12 * 12


def test_a_region_must_fit() -> None:
    with pytest.raises(InputError, match=r"region has shape \(5, 5\) but the plane has .*96, 128"):
        find(THREE, region=np.ones((5, 5), bool))


def test_progress_counts_points_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    params = changed(crop_n_layers=1, crop_n_points_downscale_factor=2)
    find(THREE, params, progress=lambda done, total: told.append((done, total)))
    total = 16**2 + 4 * 8**2
    assert {t for _, t in told} == {total}
    done = [d for d, _ in told]
    assert done == sorted(set(done))
    assert done[-1] == total


def test_it_stops_between_batches_when_asked_to() -> None:
    oracle = Oracle()
    answers = iter([False, False, False, True])
    with pytest.raises(Cancelled):
        find(THREE, PARAMS, oracle, should_stop=lambda: next(answers))
    assert len(oracle.asked) == 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 2)])
def test_tiny_planes_are_legal(shape: tuple[int, int]) -> None:
    gray = np.zeros(shape, np.uint8)
    gray[0, 0] = 1
    params = changed(crop_n_layers=2, max_area_fraction=1.0)
    found = find(gray, params)
    assert [m.mask(0).sum() for m in found] == [1]
    assert len(find(np.zeros(shape, np.uint8), params)) == 0


def test_a_small_object_is_enlarged_alone_and_not_with_its_plane() -> None:
    pixels: list[int] = []

    class Watched(Frame):
        def strips_within(
            self, logits: Tensor, cells: tuple[int, int, int, int]
        ) -> Iterator[tuple[slice, Tensor]]:
            found = list(super().strips_within(logits, cells))
            pixels.append(sum(strip.numel() for _, strip in found))
            return iter(found)

    class WatchedCrop(SeenCrop):
        @property
        def frame(self) -> Frame:
            return Watched((96, 128), 128)

    class WatchedOracle(Oracle):
        def embed(self, crop: Plane, *, should_stop: Any = None) -> SeenCrop:
            return WatchedCrop(self, crop[..., 0])

    found = find(plane((10, 10, 40, 50)), oracle=WatchedOracle())
    assert found.area.tolist() == [30 * 40]
    assert max(pixels) <= 34 * 44


TWO_SMALL = plane((4, 4, 8, 8), (50, 30, 54, 34))
"""One is hit by a point that is asked first, the other only by others."""
ADAPTIVE = changed(strategy="adaptive", points_per_side=32).resolved(0.88, 0.95, 0)


def test_adaptive_asking_goes_where_it_looks_like_a_find() -> None:
    oracle = Oracle()
    progress: list[tuple[int, int]] = []
    found = find(TWO_SMALL, ADAPTIVE, oracle, progress=lambda *done: progress.append(done))
    asked = np.concatenate(oracle.asked)
    assert len(found) == len(find(TWO_SMALL, changed(points_per_side=32))) == 2
    assert found.prompts_asked == len(asked) < 300
    assert len(np.unique(asked, axis=0)) == len(asked), "no point is asked twice"
    later = asked[256:]
    assert len(later) > 0
    assert (TWO_SMALL[tuple(np.floor(later).astype(int).T)] > 0).all()
    assert progress[-1] == (1024, 1024), "points that were passed over count as done"
    assert progress == sorted(progress)


def test_other_thresholds_ask_the_same_points_if_those_that_steer_are_given() -> None:
    weak = Oracle({1: 0.9, 2: 0.85})
    found = find(TWO_SMALL, ADAPTIVE, weak)
    assert len(found) == 1
    more = found.filter(pred_iou_thresh=0.84)
    again = Oracle({1: 0.9, 2: 0.85})
    fresh = find(TWO_SMALL, dataclasses.replace(ADAPTIVE, pred_iou_thresh=0.84), again)
    assert more.area.tolist() == fresh.area.tolist()
    assert len(more) == 2
    assert np.array_equal(np.concatenate(weak.asked), np.concatenate(again.asked))


def test_adaptive_asking_needs_a_regular_grid() -> None:
    with pytest.raises(InputError, match="leave out point_grids"):
        AutomaticParams(strategy="adaptive", point_grids=(((0.5, 0.5),),))
    with pytest.raises(InputError, match="'grid' or 'adaptive', got 'random'"):
        AutomaticParams(strategy="random")  # type: ignore[arg-type]
