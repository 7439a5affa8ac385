import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps, box_nms, iou_of_pairs, mask_nms
from napari_segany.errors import InputError


def greedy(iou: NDArray[np.float64], scores: NDArray[np.floating], threshold: float) -> list[int]:
    """The definition, pair by pair."""
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(iou[i, j] <= threshold for j in kept):
            kept.append(i)
    return kept


def test_iou_of_boxes() -> None:
    others = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [10, 10, 20, 20], [2, 2, 4, 4]], float)
    iou = iou_of_pairs(others[[0] * 4], others)
    assert iou == pytest.approx([1, 50 / 150, 0, 4 / 100])
    assert iou_of_pairs(np.zeros((2, 4)), np.zeros((2, 4))).tolist() == [0, 0]


def test_boxes_above_the_threshold_lose_to_better_ones() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [0, 3, 10, 13], [50, 50, 60, 60]])
    scores = np.array([0.8, 0.9, 0.7, 0.1])
    # IoU of 1 and 0 is 90/110 = 0.818, of 1 and 2 is 80/120 = 0.667, of 0 and 2 is 70/130.
    assert box_nms(boxes, scores, 0.7).tolist() == [1, 2, 3]
    assert box_nms(boxes, scores, 0.6).tolist() == [1, 3]
    assert box_nms(boxes, scores, 0.9).tolist() == [1, 0, 2, 3]
    assert box_nms(boxes, scores, 80 / 120).tolist() == [1, 2, 3], "equal is not above"


def test_equal_scores_keep_their_order() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [20, 20, 30, 30]])
    assert box_nms(boxes, np.ones(3), 0.5).tolist() == [0, 2]


def test_what_a_dropped_box_overlaps_is_not_dropped_with_it() -> None:
    boxes = np.array([[0, 0, 1, 10], [0, 4, 1, 14], [0, 8, 1, 18]])
    # 0-1 and 1-2 overlap by 6/14, 0-2 by 2/18.
    assert box_nms(boxes, np.array([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]


def test_touching_neighbours_survive_by_masks_and_not_by_boxes() -> None:
    rows, cols = np.mgrid[:40, :40]
    # Two halves of a square along its diagonal: their boxes are nearly the same.
    cells = MaskSet.from_masks([rows > cols, rows <= cols], predicted_iou=[0.9, 0.95])
    assert len(cells.nms(0.7, "mask")) == 2
    by_box = cells.nms(0.7, "box")
    assert by_box.predicted_iou.tolist() == pytest.approx([0.95])


def test_masks_above_the_threshold_lose_and_those_at_it_stay() -> None:
    full = np.zeros((3, 1, 8), bool)
    full[0, 0, [0, 1, 2, 5]] = True
    full[1, 0, [0, 1, 4, 5]] = True  # 3 pixels of 5 are shared
    full[2, 0, [0, 4, 5]] = True  # 2 of 5 with the first, 3 of 4 with the second
    masks = MaskSet.from_masks(full, predicted_iou=[0.9, 0.8, 0.7])
    assert masks.nms(0.6).area.tolist() == [4, 4]
    assert masks.nms(0.59).area.tolist() == [4, 3]
    assert masks.nms(0.75).area.tolist() == [4, 4, 3]


def test_rectangles_have_the_iou_of_their_boxes() -> None:
    full = np.zeros((2, 1, 100), bool)
    full[0, 0, :84], full[1, 0, 16:] = True, True  # 68 of 100
    masks = MaskSet.from_masks(full)
    assert len(masks.nms(0.679)) == 1
    assert len(masks.nms(0.681)) == 2


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("smaller", [False, True])
def test_mask_suppression_is_that_of_whole_images(
    seed: int, threshold: float, smaller: bool
) -> None:
    rng = np.random.default_rng(seed)
    full = np.zeros((40, 37, 41), bool)
    for mask in full[1:]:  # the first stays empty
        a, b = rng.integers(0, 30, 2)
        h, w = rng.integers(1, 25, 2)
        mask[a : a + h, b : b + w] = rng.random(mask[a : a + h, b : b + w].shape) < 0.9
    for copy in range(30, 40):  # near copies, so that high thresholds have something to do
        full[copy] = full[copy - 20] & (rng.random(full[copy].shape) < 0.95)
    scores = rng.integers(0, 6, len(full)) / 5  # with ties
    flat = full.reshape(len(full), -1).astype(np.int64)
    shared = flat @ flat.T
    union = flat.sum(1)[:, None] + flat.sum(1) - shared
    whole = np.minimum(flat.sum(1)[:, None], flat.sum(1)) if smaller else union
    overlap = np.divide(shared, whole, out=np.zeros(whole.shape), where=whole > 0)
    masks = MaskSet.from_masks(full)
    overlaps = Overlaps(masks.boxes, masks.area, masks.count_shared)
    kept = mask_nms(overlaps, scores, threshold, smaller=smaller)
    assert kept.tolist() == greedy(overlap, scores, threshold)
    some = np.arange(0, len(full), 3)
    among = mask_nms(overlaps, scores[some], threshold, some, smaller)
    assert among.tolist() == greedy(overlap[np.ix_(some, some)], scores[some], threshold)


def test_a_mask_inside_a_better_one_goes_where_the_smaller_counts() -> None:
    full = np.zeros((3, 10, 10), bool)
    full[0], full[1, 2:4, 2:4], full[2, :2] = True, True, True
    nested = MaskSet.from_masks(full, predicted_iou=[0.8, 0.7, 0.9])
    assert len(nested.nms(0.5, "mask")) == 3
    assert nested.nms(0.5, "smaller").area.tolist() == [20, 4]
    empty = MaskSet.from_masks(np.zeros((2, 10, 10), bool))
    assert len(empty.nms(0.0, "smaller")) == 2


def test_box_suppression_is_the_definition() -> None:
    rng = np.random.default_rng(3)
    corners = rng.integers(0, 50, (60, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 40, (60, 2))], axis=1)
    one, other = np.indices((60, 60)).reshape(2, -1)
    iou = iou_of_pairs(boxes[one].astype(float), boxes[other]).reshape(60, 60)
    scores = rng.random(60)
    for threshold in (0.1, 0.5, 0.8):
        assert box_nms(boxes, scores, threshold).tolist() == greedy(iou, scores, threshold)


def test_nothing_in_nothing_out() -> None:
    assert len(box_nms(np.zeros((0, 4)), np.zeros(0), 0.5)) == 0
    assert len(MaskSet.empty((5, 5)).nms(0.5)) == 0


def test_a_kind_that_does_not_exist_is_told() -> None:
    with pytest.raises(InputError, match="kind must be 'mask', 'box' or 'smaller', got 'boxes'"):
        MaskSet.empty((5, 5)).nms(0.5, "boxes")  # type: ignore[arg-type]
