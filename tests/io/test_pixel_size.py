"""Pixel sizes as files state them, believed only where they mean something."""

import pytest

from napari_segany.errors import InputError
from napari_segany.io.pixel_size import (
    check_sizes,
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
        ("micrometers", (0.1, "um")),
        ("Å", (0.1, "angstrom")),
        ("\u212b", (0.1, "angstrom")),
        ("\\u00C5", (0.1, "angstrom")),
        ("Angstroms", (0.1, "angstrom")),
        ("pm", (0.1, "pm")),
        ("inch", (2540.0, "um")),
        ("pixel", None),
        ("", None),
    ],
)
def test_imagej_units(unit, expected):
    size = from_imagej({"unit": unit}, XY)

    assert size.get("X") == (expected and (pytest.approx(expected[0]), expected[1]))


def test_imagej_has_a_unit_an_axis():
    metadata = {"unit": "micron", "yunit": "nm", "zunit": "mm", "spacing": -2.0}
    assert from_imagej(metadata, XY) == {"X": (0.1, "um"), "Y": (0.1, "nm"), "Z": (2.0, "mm")}


@pytest.mark.parametrize(
    ("unit", "known"),
    [
        *(("micron", "um"), ("micrometer", "um"), ("um", "um"), ("µm", "um"), ("μm", "um")),
        *(("nm", "nm"), ("Å", "angstrom"), ("angstrom", "angstrom"), ("pm", "pm"), (" MM ", "mm")),
    ],
)
def test_sizes_that_a_person_gives(unit, known):
    assert check_sizes({"Y": (2, unit)}) == {"Y": (2.0, known)}


def test_inches_become_micrometres():
    assert check_sizes({"X": (1, "inch"), "T": (2, "min")}) == {
        "X": (25_400.0, "um"),
        "T": (2.0, "min"),
    }


@pytest.mark.parametrize(
    "size",
    [
        *({"X": (value, "um")} for value in (-1, 0, float("nan"), float("inf"), "wide", None)),
        *({"X": (1.0, unit)} for unit in ("parsec", "", "pixel", "s", None)),
        *({"T": (1.0, "um")}, {"x": (1.0, "um")}, {"C": (1.0, "um")}, {"X": 1.0}, {"X": ()}),
    ],
)
def test_what_is_no_size_is_refused(size):
    with pytest.raises(InputError, match=r"The pixel size along .* Units are pm, angstrom, nm, um"):
        check_sizes(size)


@pytest.mark.parametrize(
    ("number", "x"), [(0, {"X": (1.0, "um")}), (1, {"X": (2.0, "angstrom")}), (2, {})]
)
def test_each_image_of_a_file_has_its_size(number, x):
    xml = (
        '<OME><Image><Pixels PhysicalSizeX="1"/></Image>'
        '<Image><Pixels PhysicalSizeX="2" PhysicalSizeXUnit="Å"/></Image></OME>'
    )
    assert from_ome(xml, number) == x


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
