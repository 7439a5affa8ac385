"""Labels to files: what other programs read of them."""

from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import tifffile

from napari_segany import save_labels
from napari_segany.errors import InputError

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


@pytest.mark.parametrize(
    ("labels", "axes", "name", "message"),
    [
        (np.zeros((4, 5), np.float32), None, "a.tif", "whole numbers"),
        (np.zeros((4, 5), np.uint8), "XY", "a.tif", "end in YX"),
        (np.zeros(4, np.uint8), None, "a.tif", "shape"),
        (np.full((4, 5), -1), None, "a.tif", "negative"),
        (np.zeros((4, 5), np.uint8), None, "a.png", "must end in"),
    ],
)
def test_what_cannot_be_labels_is_refused(
    labels: Any, axes: Any, name: str, message: str, tmp_path: Path
):
    with pytest.raises(InputError, match=message):
        save_labels(labels, tmp_path / name, axes)
    assert list(tmp_path.iterdir()) == []


def test_planes_may_come_from_any_iterable(tmp_path):
    planes = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    for given in (iter(planes), planes.tolist()):
        path = save_labels(given, tmp_path / "a.ome.tif", "ZYX")
        assert np.array_equal(tifffile.imread(path), planes)
