import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany.core.lazy_logits import RecomputedLogits
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError


def random_masks(
    seed: int, count: int = 12, shape: tuple[int, int] = (23, 31)
) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    masks = rng.random((count, *shape)) < rng.choice([0.01, 0.3, 1.0], (count, 1, 1))
    for mask in masks[2:]:
        a, b = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        mask[:a] = False
        mask[:, :b] = False
    masks[0] = False
    return masks


@pytest.fixture
def scored() -> MaskSet:
    masks = np.zeros((4, 6, 8), bool)
    masks[0, :2, :2] = True  # 4
    masks[1, 2:5, 2:5] = True  # 9
    masks[2, 2:5, 2:6] = True  # 12, IoU with 1: 9 / 12
    masks[3, :, :] = True  # 48
    return MaskSet.from_masks(
        masks,
        predicted_iou=[0.9, 0.8, 0.85, 0.5],
        stability_score=[0.99, 0.9, 0.95, 0.7],
        points=[[0, 0], [3, 3], [3, 4], [np.nan, np.nan]],
        low_res_logits=np.arange(4 * 4, dtype=np.float32).reshape(4, 2, 2),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (23, 31)])
def test_packing_loses_nothing(seed: int, shape: tuple[int, int]) -> None:
    masks = random_masks(seed, shape=shape)
    packed = MaskSet.from_masks(masks)
    assert len(packed) == len(masks)
    assert packed.shape == shape
    for i, mask in enumerate(masks):
        assert np.array_equal(packed.mask(i), mask)
        a, b, c, d = packed.boxes[i]
        assert np.array_equal(packed.crop(i), mask[a:c, b:d])
        if mask.any():
            rows, cols = np.nonzero(mask)
            assert (a, b, c, d) == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)
        else:
            assert (a, b, c, d) == (0, 0, 0, 0)
    assert packed.area.tolist() == masks.sum(axis=(1, 2)).tolist()


def test_masks_are_kept_as_cropped_bits() -> None:
    masks = np.zeros((50, 1000, 1000), bool)
    masks[:, 100:108, 100:108] = True
    packed = MaskSet.from_masks(masks)
    assert packed._bits.buffer.nbytes == 50 * 8 * 2, "a row of eight bits lies in two bytes"


def test_scores_default_to_one_and_points_to_nan() -> None:
    packed = MaskSet.from_masks(np.ones((2, 3, 3)))
    assert packed.predicted_iou.tolist() == [1, 1]
    assert packed.stability_score.tolist() == [1, 1]
    assert np.isnan(packed.points).all()
    assert packed.crop_boxes.tolist() == [[0, 0, 3, 3]] * 2


def test_masks_and_scores_must_fit() -> None:
    with pytest.raises(InputError, match=r"masks must have shape \(N, H, W\), got \(3, 3\)"):
        MaskSet.from_masks(np.ones((3, 3)))
    for name in ("predicted_iou", "stability_score", "points"):
        with pytest.raises(InputError, match=f"There are 2 masks but 3 {name}"):
            MaskSet.from_masks(np.ones((2, 3, 3)), **{name: np.zeros((3, 2))})


def test_indexing_keeps_scores_with_their_masks(scored: MaskSet) -> None:
    for index, expected in [
        (1, [1]),
        (-1, [3]),
        (slice(1, 3), [1, 2]),
        (np.array([3, 0]), [3, 0]),
        (np.array([True, False, False, True]), [0, 3]),
        (np.array([], int), []),
    ]:
        chosen = scored[index]  # type: ignore[index]
        assert len(chosen) == len(expected)
        for i, j in enumerate(expected):
            assert np.array_equal(chosen.mask(i), scored.mask(j))
            assert chosen.predicted_iou[i] == scored.predicted_iou[j]
            assert np.array_equal(chosen.points[i], scored.points[j], equal_nan=True)
            assert chosen.low_res_logits is not None
            assert scored.low_res_logits is not None
            assert np.array_equal(chosen.low_res_logits[i], scored.low_res_logits[j])
    with pytest.raises(IndexError):
        scored[4]
    assert [one.area.tolist() for one in scored] == [[4], [9], [12], [48]]


def test_filters_are_bounds_on_every_column(scored: MaskSet) -> None:
    def areas(**bounds: float) -> list[int]:
        return scored.filter(**bounds).area.tolist()  # type: ignore[arg-type]

    assert areas() == [4, 9, 12, 48]
    assert areas(pred_iou_thresh=0.8) == [4, 12], "predicted IoU must exceed its threshold"
    assert areas(stability_score_thresh=0.95) == [4, 12], "stability must reach it"
    assert areas(min_area=9, max_area=12) == [9, 12]
    assert areas(nms_thresh=0.7) == [4, 12, 48]
    assert areas(nms_thresh=0.75) == [4, 12, 9, 48], "best first"
    assert areas(min_area=1000) == []


def test_joining_and_what_cannot_be_joined(scored: MaskSet) -> None:
    both = MaskSet.concatenate([scored[2:], scored[:1]])
    assert both.area.tolist() == [12, 48, 4]
    assert both.low_res_logits is not None
    assert np.array_equal(both.mask(2), scored.mask(0))
    without = MaskSet.concatenate([scored, MaskSet.from_masks(np.ones((1, 6, 8)))])
    assert without.low_res_logits is None
    with pytest.raises(InputError, match="one plane"):
        MaskSet.concatenate([scored, MaskSet.empty((6, 9))])
    with pytest.raises(InputError, match="at least one"):
        MaskSet.concatenate([])


def test_masks_of_a_crop_lie_in_the_plane() -> None:
    mask = random_masks(3, shape=(6, 8))[4]
    box = (10, 20, 16, 28)
    placed = MaskSet.from_crops((30, 40), [mask], [(10, 20)], points=[[13, 23]], crop_box=box)
    expected = np.zeros((30, 40), bool)
    expected[10:16, 20:28] = mask
    assert np.array_equal(placed.mask(0), expected)
    assert placed.crop_boxes.tolist() == [list(box)]


@pytest.mark.parametrize("seed", range(5))
def test_shared_pixels_are_those_of_whole_masks(seed: int) -> None:
    masks = random_masks(seed)
    packed = MaskSet.from_masks(masks)
    for i in range(len(masks)):
        for j in range(len(masks)):
            assert packed.shared_pixels(i, j) == np.count_nonzero(masks[i] & masks[j])


def test_boxes_as_the_reference_measures_them() -> None:
    masks = np.zeros((2, 9, 9), bool)
    masks[0, 2:5, 3:4] = True
    assert MaskSet.from_masks(masks).inclusive_boxes.tolist() == [[2, 3, 4, 3], [0, 0, 0, 0]]


def test_the_table_has_a_row_a_mask(scored: MaskSet) -> None:
    table = scored.table()
    assert {len(column) for column in table.values()} == {4}
    assert table["area"].tolist() == [4, 9, 12, 48]
    assert table["row_min"].tolist() == [0, 2, 2, 0]
    assert table["col_max"].tolist() == [2, 5, 6, 8]
    assert table["point_col"].tolist()[:3] == [0, 3, 4]
    assert {len(column) for column in MaskSet.empty((3, 3)).table().values()} == {0}


# pycocotools does not know the keywords of NumPy 2 yet.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_annotations_describe_the_masks() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    masks = random_masks(9)[1:]
    for mask, annotation in zip(masks, MaskSet.from_masks(masks).to_coco(image_id=7), strict=True):
        runs = annotation["segmentation"]
        packed = coco.frPyObjects(runs, *runs["size"])
        assert np.array_equal(coco.decode(packed).astype(bool), mask)
        assert coco.area(packed) == annotation["area"]
        assert coco.toBbox(packed).tolist() == annotation["bbox"]
        assert annotation["image_id"] == 7


def test_an_empty_set_does_everything() -> None:
    nothing = MaskSet.empty((4, 5))
    assert len(nothing) == len(nothing.filter(nms_thresh=0.5)) == 0
    assert nothing.to_coco() == []
    assert not nothing.to_labels().any()
    assert repr(nothing) == "MaskSet(0 masks on 4 x 5)"


def test_logits_that_are_not_kept_are_computed_when_they_are_read(scored: MaskSet) -> None:
    kept = scored.low_res_logits
    assert kept is not None
    read: list[int] = []

    def compute() -> NDArray[np.float32]:
        read.append(1)
        return kept

    masks = [scored.mask(i) for i in range(4)]
    later = MaskSet.from_crops(
        scored.shape, masks, [(0, 0)] * 4, low_res_logits=RecomputedLogits(compute, np.arange(4))
    )
    some, joined = later[[2, 0]], MaskSet.concatenate([later[1:], scored])
    assert not read
    for found, wanted in (
        (later, kept),
        (some, kept[[2, 0]]),
        (joined[2:5], np.concatenate([kept[3:], kept[:2]])),
        (pickle.loads(pickle.dumps(some)), kept[[2, 0]]),
    ):
        assert found.low_res_logits is not None
        assert np.array_equal(found.low_res_logits, wanted)
    assert later.without_logits().low_res_logits is None
    assert MaskSet.concatenate([later, scored.without_logits()]).low_res_logits is None
    with pytest.raises(InputError, match="There are 3 masks but 4 low_res_logits"):
        MaskSet.from_crops(
            scored.shape,
            masks[:3],
            [(0, 0)] * 3,
            low_res_logits=RecomputedLogits(compute, np.arange(4)),
        )


def test_iterables_of_any_kind_are_taken(scored: MaskSet) -> None:
    masks = [scored.mask(i) for i in range(4)]
    for same in (
        MaskSet.from_masks(iter(masks)),
        MaskSet.from_masks(dict(enumerate(masks)).values()),
        MaskSet.from_crops(scored.shape, iter(masks), ((0, 0) for _ in masks)),
        MaskSet.concatenate(map(MaskSet.__getitem__, [scored] * 4, range(4))),
        scored[iter(range(4))],
    ):
        assert same.area.tolist() == scored.area.tolist()
