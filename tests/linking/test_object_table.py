"""Measurements that are gathered plane by plane are those of the whole volume."""

import numpy as np
import pytest
from skimage.measure import regionprops_table

from napari_segany.linking.object_table import ObjectMeasurer, measure_objects


def test_as_scikit_image_measures_the_volume():
    rng = np.random.default_rng(3)
    labels = np.kron(rng.integers(0, 5, (3, 4, 5)), np.ones((2, 4, 4), int))
    image = rng.integers(0, 4000, labels.shape).astype(np.uint16)
    measurer = ObjectMeasurer(4)
    for number, (each, pixels) in enumerate(zip(labels, image, strict=True)):
        measurer.add(number, each, pixels)
    found = measurer.columns({"Z": (2.0, "um"), "Y": (500.0, "nm"), "X": (0.5, "um")}, "Z")
    names = ("area", "centroid", "bbox", "intensity_mean", "intensity_min", "intensity_max")
    known = regionprops_table(labels, image, properties=names)
    for ours, theirs in (
        *(("volume", "area"), ("centroid_plane", "centroid-0"), ("centroid_row", "centroid-1")),
        *(("centroid_col", "centroid-2"), ("row_min", "bbox-1"), ("col_min", "bbox-2")),
        *(("row_max", "bbox-4"), ("col_max", "bbox-5"), ("intensity_mean", "intensity_mean")),
        *(("intensity_min", "intensity_min"), ("intensity_max", "intensity_max")),
    ):
        assert found[ours] == pytest.approx(known[theirs]), ours
    assert found["volume_um3"] == pytest.approx(known["area"] * 0.5)
    planes = [sum((each == k).any() for each in labels) for k in range(1, 5)]
    assert found["planes"].tolist() == planes


def test_channels_and_pixels_that_are_no_numbers():
    labels = np.array([[1, 1, 2]])
    image = np.array([[[1.0, 10], [np.nan, 30], [np.nan, 5]]])
    measurer = ObjectMeasurer(2, (0, 3))
    measurer.add(0, labels, image)
    found = measurer.columns({}, "Z")
    assert found["intensity_mean_0"].tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert found["intensity_mean_3"].tolist() == [20, 5]
    assert not [name for name in found if name.startswith("volume_")]


def test_an_object_without_a_pixel():
    measurer = ObjectMeasurer(2)
    measurer.add(0, np.array([[1]]), np.array([[7]]))
    found = measurer.columns({}, "Z")
    assert found["volume"].tolist() == [1, 0]
    assert np.isnan(found["centroid_row"][1])
    assert (found["row_min"][1], found["row_max"][1]) == (0, 0)


def test_ids_that_are_not_consecutive_and_pixels_that_are_no_objects():
    labels = np.array([[[4, 4, 900], [0, -3, 5]], [[900, 0, 0], [0, 0, 0]]])
    planes = [(n + 10, each, each * 2) for n, each in enumerate(labels)]
    found = measure_objects([4, 7, 900], planes, {}, "Z")
    assert found["label"].tolist() == [4, 7, 900]
    assert found["volume"].tolist() == [2, 0, 2]
    assert found["planes"].tolist() == [1, 0, 2]
    assert found["centroid_plane"].tolist() == pytest.approx([10, np.nan, 10.5], nan_ok=True)
    assert found["intensity_mean"].tolist() == pytest.approx([8, np.nan, 1800], nan_ok=True)
    assert measure_objects([], planes, {}, "Z")["label"].tolist() == []


def test_objects_over_time_have_an_area_and_no_volume():
    labels = np.array([[[1, 1, 1]], [[1, 0, 0]], [[0, 0, 0]]])
    sizes = {"T": (5.0, "s"), "Y": (2.0, "um"), "X": (500.0, "nm")}
    planes = [(n, each, None) for n, each in enumerate(labels)]
    found = measure_objects([1], planes, sizes, "T")
    assert (found["planes"].tolist(), found["mean_area"].tolist()) == ([2], [2])
    assert found["mean_area_um2"].tolist() == pytest.approx([2])
    assert not [name for name in found if name.startswith(("volume", "intensity"))]
