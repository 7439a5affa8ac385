"""Labels to files: what other programs read of them."""

from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import tifffile

from napari_segany import save_labels
from napari_segany.errors import InputError
from napari_segany.io.read import open_image

SIZES = {"Z": (2.0, "um"), "Y": (0.5, "um"), "X": (0.25, "um"), "T": (3.0, "s")}


def test_ome_types_and_tifffile_read_axes_and_size(tmp_path: Path):
    labels = np.arange(2 * 3 * 20 * 30).reshape(2, 3, 20, 30)
    path = save_labels(labels, tmp_path / "cells_labels.ome.tif", "TZYX", SIZES)
    ome = ome_types.from_tiff(path, validate=True)
    (image,) = ome.images
    pixels = image.pixels
    assert image.name == "cells"
    assert (pixels.size_t, pixels.size_z, pixels.size_c) == (2, 3, 1)
    assert (pixels.size_y, pixels.size_x) == (20, 30)
    assert pixels.physical_size_z_quantity.to("um").magnitude == 2.0
    assert pixels.physical_size_y_quantity.to("um").magnitude == 0.5
    assert pixels.physical_size_x_quantity.to("um").magnitude == 0.25
    assert pixels.time_increment_quantity.to("s").magnitude == 3.0
    assert ome.uuid is not None
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "TZYX"
        assert np.array_equal(file.asarray(), labels)
        tags = file.pages[0].tags
        assert tags["ResolutionUnit"].value == 3
        # Pixels a centimetre.
        assert tags["YResolution"].value[0] / tags["YResolution"].value[1] == 20_000


@pytest.mark.parametrize("name", ["a_labels.ome.tif", "a_labels.ome.zarr"])
@pytest.mark.parametrize(
    ("unit", "known"), [("micron", "um"), ("Å", "angstrom"), ("pm", "pm"), ("nm", "nm")]
)
def test_every_unit_comes_back_as_it_was(name: str, unit: str, known: str, tmp_path: Path):
    sizes = {"Y": (0.5, "mm"), "X": (0.25, unit)}
    path = save_labels(np.ones((20, 30), np.uint8), tmp_path / name, pixel_size=sizes)
    with open_image(path) as image:
        assert image.pixel_size == {"Y": (0.5, "mm"), "X": (0.25, known)}


def test_sizes_that_are_no_mapping_are_refused(tmp_path: Path):
    for size in (0.5, [0.5, 0.5]):
        with pytest.raises(InputError, match="Pixel sizes are such as"):
            save_labels(np.ones((20, 30), int), tmp_path / "a.tif", pixel_size=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(-1, "um"), (0, "um"), (float("nan"), "um"), (1, "furlong")])
def test_sizes_that_are_none_are_refused_before_anything_is_written(size: Any, tmp_path: Path):
    with pytest.raises(InputError, match="pixel size along X"):
        save_labels(np.ones((20, 30), np.uint8), tmp_path / "a.tif", pixel_size={"X": size})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("labels", "axes", "name", "message"),
    [
        (np.zeros((4, 5), np.float32), None, "a.tif", "whole numbers"),
        (np.zeros((4, 5), np.uint8), "XY", "a.tif", "end in YX"),
        (np.zeros(4, np.uint8), None, "a.tif", "shape"),
        (np.full((4, 5), 2**32, np.uint64), None, "a.tif", "id 4294967296, .*relabel_sequential"),
        (np.full((4, 5), 2**32), None, "a.ome.zarr", "id 4294967296, .*relabel_sequential"),
        (np.full((4, 5), 2**63, np.uint64), None, "a.tif", "id 9223372036854775808, .*relabel"),
        (np.zeros((4, 5), np.uint8), None, "a.png", "must end in"),
        (np.zeros((4, 5), np.uint8), None, "", "must end in"),
        ([np.zeros((4, 5), int), np.zeros((2, 3), int)], None, "a.tif", "different sizes"),
    ],
)
def test_what_cannot_be_labels_is_refused(
    labels: Any, axes: Any, name: str, message: str, tmp_path: Path
):
    with pytest.raises(InputError, match=message):
        save_labels(labels, tmp_path / name, axes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a_labels.ome.tif", "a_labels.ome.zarr"])
@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.uint32])
def test_ids_are_kept_exactly(name: str, kind: Any, tmp_path: Path):
    labels = np.zeros((20, 30), kind)
    labels[2:5, 2:5], labels[10:15, 2:5] = 2**32 - 1, 2**31 + 1
    path = save_labels(labels, tmp_path / name)
    with open_image(path) as image:
        assert np.array_equal(np.asarray(image.data), labels)


@pytest.mark.parametrize("name", ["a_labels.ome.tif", "a_labels.ome.zarr"])
def test_negative_labels_are_no_objects(name: str, tmp_path: Path):
    labels = np.full((2, 20, 30), -1, np.int16)
    labels[0, 2:5, 2:5] = 7
    with pytest.warns(UserWarning, match="Negative labels are no objects"):
        path = save_labels(labels, tmp_path / name)
    with open_image(path) as image:
        assert np.unique(np.asarray(image.data)).tolist() == [0, 7]


def test_planes_may_come_from_any_iterable(tmp_path):
    planes = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    for given in (iter(planes), planes.tolist()):
        path = save_labels(given, tmp_path / "a.ome.tif", "ZYX")
        assert np.array_equal(tifffile.imread(path), planes)
