from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_segany.core.binary_mask import (
    bounding_box,
    drop_small_specks,
    fill_small_holes,
    run_lengths_in_plane,
)
from napari_segany.core.label_images import as_ids, shift_ids
from napari_segany.core.masks import MaskSet
from napari_segany.core.rasterize import paint
from napari_segany.errors import InputError

Mask = NDArray[np.bool_]


def run_lengths(mask: Mask) -> list[int]:
    """Return the run lengths of a mask whose part in the plane is as small as it can be."""
    top, left, bottom, right = bounding_box(mask)
    return run_lengths_in_plane(mask[top:bottom, left:right], top, left, mask.shape)


def drawn(*rows: str) -> Mask:
    return np.array([[c == "#" for c in row] for row in rows])


def test_bounding_boxes_are_half_open() -> None:
    assert bounding_box(drawn("....", ".##.", "..#.", "....")) == (1, 1, 3, 3)
    assert bounding_box(drawn("#")) == (0, 0, 1, 1)
    assert bounding_box(np.zeros((3, 4), bool)) == (0, 0, 0, 0)


def test_run_lengths_go_down_the_columns_from_the_zeros() -> None:
    assert run_lengths(drawn("..#", ".##")) == [3, 3]
    assert run_lengths(drawn("#.", "..")) == [0, 1, 3]
    assert run_lengths(np.zeros((2, 3), bool)) == [6]
    assert run_lengths(np.ones((2, 3), bool)) == [0, 6]


# pycocotools does not know the keywords of NumPy 2 yet.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("density", [0.02, 0.5, 0.97])
def test_run_lengths_mean_the_same_to_pycocotools(density: float) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(5)
    for shape in [(1, 1), (1, 9), (7, 1), (13, 29)]:
        mask = rng.random(shape) < density
        packed = coco.frPyObjects({"size": list(shape), "counts": run_lengths(mask)}, *shape)
        assert np.array_equal(coco.decode(packed).astype(bool), mask)
        assert packed["counts"] == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]


def test_holes_below_the_area_are_filled() -> None:
    ring = drawn(
        "#######",
        "#.#...#",
        "###...#",
        "#######",
    )
    assert np.array_equal(fill_small_holes(ring, 1), ring)
    assert fill_small_holes(ring, 2).sum() == ring.sum() + 1
    assert np.array_equal(fill_small_holes(ring, 6), fill_small_holes(ring, 2)), "6 is not below 6"
    assert fill_small_holes(ring, 7).all()


def test_holes_that_touch_at_corners_are_one() -> None:
    diagonal = drawn(
        "####",
        "#.##",
        "##.#",
        "####",
    )
    assert np.array_equal(fill_small_holes(diagonal, 2), diagonal)
    assert fill_small_holes(diagonal, 3).all()


def test_specks_below_the_area_go_but_never_the_largest() -> None:
    mask = drawn(
        "##..#",
        "##...",
        "....#",
        "...#.",
    )
    kept = drop_small_specks(mask, 2)
    assert kept.sum() == 6, "the single pixel goes, the diagonal pair is one piece of two"
    assert drop_small_specks(mask, 3).sum() == 4
    assert drop_small_specks(mask, 100).sum() == 4
    empty = np.zeros((3, 3), bool)
    assert not drop_small_specks(empty, 5).any()


OVERLAPPING = MaskSet.from_masks(
    [
        drawn("####", "####", "...."),
        drawn(".##.", ".##.", ".##."),
        drawn("...#", "...#", "...#"),
    ],
    predicted_iou=[0.9, 0.7, 0.8],
)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("small_on_top", [[1, 2, 2, 3], [1, 2, 2, 3], [0, 2, 2, 3]]),
        ("large_on_top", [[1, 1, 1, 1], [1, 1, 1, 1], [0, 2, 2, 3]]),
        ("best_on_top", [[1, 1, 1, 1], [1, 1, 1, 1], [0, 2, 2, 3]]),
    ],
)
def test_who_owns_a_shared_pixel(overlap: str, expected: list[list[int]]) -> None:
    labels = OVERLAPPING.to_labels(overlap=overlap)  # type: ignore[arg-type]
    assert labels.tolist() == expected
    assert labels.dtype == np.int32


def test_the_best_owns_what_it_claims_whatever_its_size() -> None:
    masks = MaskSet.from_masks([np.ones((1, 3)), [[0, 1, 0]]], predicted_iou=[0.5, 0.9])
    assert masks.to_labels("best_on_top").tolist() == [[1, 2, 1]]
    assert masks.to_labels("large_on_top").tolist() == [[1, 1, 1]]
    worse = MaskSet.from_masks([np.ones((1, 3)), [[0, 1, 0]]], predicted_iou=[0.9, 0.5])
    assert worse.to_labels("best_on_top").tolist() == [[1, 1, 1]]


def test_equals_go_to_the_earlier_mask() -> None:
    twins = MaskSet.from_masks([[[1, 1, 0]], [[0, 1, 1]]])
    for overlap in ("small_on_top", "large_on_top", "best_on_top"):
        assert twins.to_labels(overlap).tolist() == [[1, 1, 2]]  # type: ignore[arg-type]


def test_objects_are_numbered_without_gaps_and_name_their_masks() -> None:
    hidden = MaskSet.from_masks([[[1, 0, 0]], [[0, 1, 1]], [[0, 1, 1]], [[0, 0, 0]]])
    labels, source = paint(hidden, "best_on_top")
    assert labels.tolist() == [[1, 2, 2]]
    assert source.tolist() == [0, 1]
    labels, source = paint(hidden, min_area=2)
    assert labels.tolist() == [[0, 1, 1]]
    assert source.tolist() == [1]


def test_min_area_counts_what_is_left_once_painted() -> None:
    masks = MaskSet.from_masks([[[1, 1, 1, 0]], [[0, 1, 1, 0]]])
    labels, source = paint(masks, min_area=2)
    assert labels.tolist() == [[0, 1, 1, 0]]
    assert source.tolist() == [1]


def test_rims_that_others_leave_over_are_no_objects() -> None:
    large = np.ones((10, 20), bool)
    left, right = large.copy(), large.copy()
    left[:, 10:], right[:, :9] = False, False  # 100 and 110 pixels; nothing is left between
    right[9] = False  # 99; 10 pixels of the large one stay visible, 5 %
    pair = MaskSet.from_masks([large, left, right])
    assert np.unique(pair.to_labels()).tolist() == [0, 1, 2]
    labels, source = paint(pair, min_visible=0.05)
    assert source.tolist() == [0, 1, 2]
    assert (labels == 1).sum() == 10
    assert paint(pair, min_visible=0.0501)[1].tolist() == [1, 2]
    assert paint(MaskSet.from_masks([large, large]), min_visible=0)[1].tolist() == [0]


def test_single_masks_are_cleaned_before_they_are_painted() -> None:
    mask = drawn("####.#", "#.##..", "####..")
    labels = MaskSet.from_masks([mask]).to_labels(fill_holes=5, drop_specks=2)
    assert labels.tolist() == [[1, 1, 1, 1, 0, 0]] * 3


def test_nothing_paints_nothing() -> None:
    labels, source = paint(MaskSet.empty((4, 5)))
    assert labels.shape == (4, 5)
    assert not labels.any()
    assert len(source) == 0


def test_unknown_policies_are_told() -> None:
    with pytest.raises(InputError, match=r"overlap must be one of .*got 'on_top'"):
        OVERLAPPING.to_labels(overlap="on_top")  # type: ignore[arg-type]


def test_ids_go_on_from_the_plane_before() -> None:
    labels = np.array([[0, 1], [2, 0]], np.int32)
    shifted = shift_ids(labels, 7)
    assert shifted.tolist() == [[0, 8], [9, 0]]
    assert shifted.dtype == np.int32


def test_ids_that_become_too_large_are_refused() -> None:
    last = np.iinfo(np.int32).max - 2
    assert shift_ids(np.array([[2]], np.int32), last).tolist() == [[2**31 - 1]]
    with pytest.raises(InputError, match="id 2147483648, and ids end at 2147483647"):
        shift_ids(np.array([[3]], np.int32), last)


@pytest.mark.parametrize(
    ("given", "wanted", "kind"),
    [
        (np.array([2**63 - 1, 0], np.uint64), [2**63 - 1, 0], "u"),
        (np.array([2**40, -1, 3]), [2**40, 0, 3], "i"),
        (np.array([-128, 5], np.int8), [0, 5], "i"),
        (np.array([True, False]), [1, 0], "u"),
        (np.array([2.0, -1.0, 0.0], np.float32), [2, 0, 0], "i"),
        ([], [], "i"),
    ],
)
def test_ids_are_those_that_were_given(given: Any, wanted: list[int], kind: str) -> None:
    if isinstance(given, list):
        given = np.array(given, int)
    before = given.copy()
    found = as_ids(given)
    assert found.tolist() == wanted
    assert found.dtype.kind == kind
    assert np.array_equal(given, before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.5, 1.0], "Cells must be whole numbers, and hold 1.5"),
        ([1.0, np.nan], "hold nan"),
        ([np.inf], "hold inf"),
        ([1e300], "hold 1e\\+300"),
        ([1j], "got an array of complex"),
        (["a"], "got an array of"),
        ([2**63], "id 9223372036854775808, and ids end at 9223372036854775807"),
    ],
)
def test_what_is_no_id_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_ids(given, "Cells")


def test_what_is_left_out_leaves_no_hole_below_it() -> None:
    masks = np.zeros((3, 20, 20), bool)
    masks[0, 2:18, 2:18] = True
    masks[1, 4:10, 4:8] = masks[2, 4:10, 8:12] = True
    pair = masks[1] | masks[2]
    pair[10, 4] = True  # a pixel more than the two together
    found = MaskSet.from_masks(np.concatenate([masks, pair[None]]))

    labels, source = paint(found)

    assert source.tolist() == [0, 1, 2], "of the pair only a rim is visible"
    assert labels[10, 4] == 1
    assert np.array_equal(labels > 0, masks[0])
    everything, kept = paint(found, min_visible=0)
    assert kept.tolist() == [0, 1, 2, 3]
    assert everything[10, 4] == 4


def test_ids_are_shifted_without_touching_background_or_the_original():
    labels = np.array([[0, 1], [2, 0]], np.int32)
    shifted = shift_ids(labels, 70_000)
    assert shifted.tolist() == [[0, 70_001], [70_002, 0]]
    assert shift_ids(labels.astype(np.uint8), 300).tolist() == [[0, 301], [302, 0]]
    assert labels.tolist() == [[0, 1], [2, 0]]
    assert shift_ids(labels, 0) is labels, "the first plane is not copied"


def test_ids_that_become_smaller_are_never_taken_for_each_other():
    masks = np.zeros((6, 8, 8), bool)
    for i, where in enumerate([(0, 0), (0, 1), (0, 2), (4, 4), (4, 6), (6, 6)]):
        masks[i, where[0] : where[0] + 2, where[1] : where[1] + 2] = True
    masks[0] = masks[2] = masks[1]
    labels, source = paint(MaskSet.from_masks(masks))
    assert np.unique(labels).tolist() == list(range(len(source) + 1))
    for number, i in enumerate(source.tolist(), start=1):
        assert np.array_equal(labels == number, masks[i])
