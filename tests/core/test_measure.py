import tracemalloc

import numpy as np
import pytest
from skimage.measure import regionprops

from napari_segany.core.measure import measure_plane, place_columns


def test_columns_equal_scikit_image_and_areas_have_units():
    labels = np.zeros((40, 50), np.int32)
    labels[5:15, 10:30], labels[20:35, 5:12] = 1, 2
    image = np.random.default_rng(0).integers(0, 1000, labels.shape).astype(np.uint16)

    columns = measure_plane(labels, image, {"Y": (0.5, "um"), "X": (0.25, "um")})

    props = regionprops(labels, image)
    assert columns["label"].tolist() == [1, 2]
    assert columns["area"].tolist() == [200, 105]
    physical = next(name for name in columns if name.startswith("area_"))
    assert "um" in physical
    assert columns[physical] == pytest.approx(np.array([200, 105]) * 0.5 * 0.25)
    assert columns["centroid_row"] == pytest.approx([p.centroid[0] for p in props])
    assert columns["solidity"] == pytest.approx([1, 1])
    assert columns["row_max"].tolist() == [15, 35]
    assert columns["intensity_mean"] == pytest.approx([p.intensity_mean for p in props])
    assert columns["intensity_max"] == pytest.approx([p.intensity_max for p in props])


@pytest.mark.parametrize("sizes", [((90.0, "nm"), (0.5, "um")), ((0.09, "um"), (500.0, "nm"))])
def test_sides_in_two_units_give_an_area_in_the_larger_one(sizes):
    pixel = dict(zip("YX", sizes, strict=True))
    columns = measure_plane(np.ones((4, 5), np.int32), np.ones((4, 5)), pixel)
    assert columns["area_um2"] == pytest.approx([20 * 0.09 * 0.5])


def test_sides_that_do_not_measure_the_same_give_no_area():
    pixel = {"Y": (1.0, "um"), "X": (1.0, "pixel")}
    columns = measure_plane(np.ones((4, 5), np.int32), np.ones((4, 5)), pixel)
    assert [name for name in columns if name.startswith("area")] == ["area"]


def test_pixels_that_are_no_numbers_do_not_spoil_the_mean():
    labels = np.ones((4, 4), np.int32)
    image = np.full((4, 4), 2.0)
    image[0, 0] = np.nan

    assert measure_plane(labels, image)["intensity_mean"] == pytest.approx([2])


def test_colours_are_measured_one_by_one_and_no_object_is_an_empty_table():
    image = np.zeros((6, 6, 3), np.uint8)
    image[..., 1] = 7
    columns = measure_plane(np.ones((6, 6), np.int32), image, channels=(0, 1, 2))

    means = [v[0] for k, v in columns.items() if k.startswith("intensity_mean")]
    assert means == [0, 7, 0]
    two = measure_plane(np.ones((6, 6), np.int32), image, channels=(4, 1))
    assert [two["intensity_mean_4"][0], two["intensity_mean_1"][0]] == [0, 7]
    assert not any(name.endswith("_2") for name in two), "two channels fill two colours"
    empty = measure_plane(np.zeros((6, 6), np.int32), image, channels=(0, 1, 2))
    assert list(empty) == list(columns)
    assert all(len(v) == 0 for v in empty.values())


def test_objects_are_measured_within_their_boxes_so_large_planes_are_not_copied():
    labels = np.zeros((2000, 2000), np.int32)
    labels[5:15, 10:30], labels[8:12, 14:20], labels[1990:, 1900:] = 1, 2, 3
    image = np.random.default_rng(0).integers(0, 60000, labels.shape).astype(np.uint16)
    measure_plane(labels[:50, :50], image[:50, :50])
    tracemalloc.start()
    try:
        columns = measure_plane(labels, image)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    for i in (1, 2, 3):
        values = image[labels == i]
        assert columns["intensity_mean"][i - 1] == values.astype(np.float64).mean()
        assert columns["intensity_min"][i - 1] == values.min()
        assert columns["intensity_max"][i - 1] == values.max()
    assert columns["intensity_min"].dtype == np.uint16
    assert peak < image.nbytes / 4


def test_an_object_without_a_finite_pixel_has_no_intensity():
    labels = np.zeros((6, 6), np.int32)
    labels[:2], labels[4:] = 1, 2
    image = np.full((6, 6), 3, np.float32)
    image[:2] = np.inf
    columns = measure_plane(labels, image)
    for name in ("mean", "min", "max"):
        assert np.array_equal(columns[f"intensity_{name}"], [np.nan, 3], equal_nan=True)


def test_where_a_plane_is_goes_into_columns():
    place = place_columns(7, "TZ", (1, 3), 2)
    assert {name: values.tolist() for name, values in place.items()} == {
        "plane": [7, 7],
        "T": [1, 1],
        "Z": [3, 3],
    }
    assert place_columns(0, "", (), 2) == {}
