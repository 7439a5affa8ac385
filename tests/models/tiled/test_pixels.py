"""Crops are read as the model's own scaling would make them, in strips and from levels."""

from typing import Any

import numpy as np
import pytest

from napari_segany.core.geometry import Frame
from napari_segany.core.image_source import ArraySource
from napari_segany.core.intensity import to_rgb
from napari_segany.core.plane_windows import ArrayPlane, SourcePlane
from napari_segany.errors import Cancelled
from napari_segany.models.tiled import pixels
from napari_segany.models.tiled.crops import Crop
from napari_segany.models.tiled.pixels import level_for, read_crop, seen_shape

IMAGE = np.random.default_rng(0).integers(0, 4096, (2300, 3100)).astype(np.uint16)
LIMITS = ((10.0, 4000.0),)


def test_small_crops_are_pixels_of_the_plane() -> None:
    crop = Crop(256, 100, 200, 356, 456)
    found = read_crop(ArrayPlane(IMAGE), crop, LIMITS)
    assert np.array_equal(found, to_rgb(IMAGE[100:356, 200:456], LIMITS))


@pytest.mark.parametrize("strip", [1 << 22, 70_000])
def test_large_crops_are_scaled_as_in_the_frame(monkeypatch: Any, strip: int) -> None:
    monkeypatch.setattr(pixels, "STRIP_PIXELS", strip)
    crop = Crop(2048, 100, 200, 2148, 2248)
    found = read_crop(ArrayPlane(IMAGE), crop, LIMITS)
    whole = Frame((2048, 2048)).place_image(to_rgb(IMAGE[100:2148, 200:2248], LIMITS))
    assert found.shape == whole.shape == (1024, 1024, 3)
    assert np.abs(found.astype(int) - whole).max() <= 1


def test_the_whole_of_an_oblong_plane() -> None:
    crop = Crop(4096, 0, 0, 2300, 3100)
    found = read_crop(ArrayPlane(IMAGE), crop, LIMITS)
    assert found.shape[:2] == seen_shape(crop) == (760, 1024)
    whole = Frame((2300, 3100)).place_image(to_rgb(IMAGE, LIMITS))
    assert np.abs(found.astype(int) - whole).max() <= 1


def test_coarser_levels_are_read_where_they_show_as_much() -> None:
    levels = [IMAGE, IMAGE[::2, ::2], IMAGE[::4, ::4]]
    plane = SourcePlane(ArraySource(levels[0], coarser=levels[1:]), (None, None))
    assert level_for(plane, Crop(1024, 0, 0, 1024, 1024)) == 0
    assert level_for(plane, Crop(2048, 0, 0, 2048, 2048)) == 1
    assert level_for(plane, Crop(4096, 0, 0, 2300, 3100)) == 1
    found = read_crop(plane, Crop(2048, 128, 512, 2176, 2560), LIMITS)
    expected = to_rgb(levels[1][64:1088, 256:1280], LIMITS)
    assert np.array_equal(found, expected)


def test_reading_can_be_stopped() -> None:
    with pytest.raises(Cancelled):
        read_crop(ArrayPlane(IMAGE), Crop(2048, 0, 0, 2048, 2048), LIMITS, lambda: True)
