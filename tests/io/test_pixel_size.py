"""Pixel sizes as files state them, believed only where they mean something."""

import pytest

from napari_segany.io.pixel_size import (
    describe,
    from_imagej,
    from_ome,
    from_resolution_tags,
    to_ome,
    to_resolution,
)

XY = {"XResolution": (10, 1), "YResolution": (10, 1)}


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("um", (0.1, "um")),
        ("micron", (0.1, "um")),
        ("µm", (0.1, "um")),
        ("\\u00B5m", (0.1, "um")),
        ("nm", (0.1, "nm")),
        ("inch", (2540.0, "um")),
        ("pixel", None),
        ("", None),
    ],
)
def test_imagej_units(unit, expected):
    size = from_imagej({"unit": unit}, XY)

    assert size.get("X") == (expected and (pytest.approx(expected[0]), expected[1]))


@pytest.mark.parametrize("value", [(0, 1), (1, 0), "broken", None])
def test_impossible_resolutions_are_no_pixel_size(value):
    assert from_imagej({"unit": "um"}, {"XResolution": value, "YResolution": value}) == {}
    assert from_resolution_tags({"XResolution": value, "ResolutionUnit": 3}) == {}


@pytest.mark.parametrize("xml", ["", "<no", "<OME/>", '<OME><Pixels PhysicalSizeX="-1"/></OME>'])
def test_broken_ome_is_no_pixel_size(xml):
    assert from_ome(xml) == {}


def test_units_that_cannot_be_written_are_left_out():
    assert to_ome({"T": (2.0, "um"), "X": (1.0, "s")}) == {}
    assert to_resolution({"X": (1.0, "um")}) is None
    assert to_resolution({"X": (1e-9, "nm"), "Y": (1e-9, "nm")}) is None
    assert to_resolution({"X": (0.1, "um"), "Y": (0.2, "um")}) == pytest.approx((1e5, 5e4))


def test_in_words():
    assert describe({}) == ""
    assert describe({"Y": (0.1, "um"), "X": (0.1, "um")}) == "pixel 0.1 x 0.1 um"
    mixed = {"Z": (1.0, "um"), "Y": (90.0, "nm"), "X": (90.0, "nm")}
    assert describe(mixed) == "pixel 1 um x 90 nm x 90 nm (Z, Y, X)"
