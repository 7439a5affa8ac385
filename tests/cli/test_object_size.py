"""Sizes of objects in pixels, and as lengths that become pixels of the images."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_segany.cli.main import main
from napari_segany.cli.object_size import Length, object_size, settle_object_size
from napari_segany.errors import InputError


def image(path: Path, height: float | None = 0.5, width: float | None = None) -> Path:
    """Write an image with a pixel size in micrometres; None for one without."""
    metadata = {"axes": "YX"}
    if height is not None:
        sizes = {"PhysicalSizeY": height, "PhysicalSizeX": width or height}
        units = {"PhysicalSizeYUnit": "µm", "PhysicalSizeXUnit": "µm"}
        metadata |= sizes | units
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8), metadata=metadata, ome=True)
    return path


def settled(size: float | Length, *paths: Path) -> float:
    args = argparse.Namespace(object_size=size, axes=None)
    settle_object_size(args, paths)
    number: float = args.object_size
    return number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25", 25.0),
        ("2.5e1 px", 25.0),
        ("12um", Length(12, "um")),
        ("12 \u00b5m", Length(12, "um")),
        ("12\u03bcm", Length(12, "um")),
        ("0.1mm", Length(0.1, "mm")),
        ("3 microns", Length(3, "um")),
    ],
)
def test_pixels_and_lengths_are_read(text: str, expected: float | Length) -> None:
    assert object_size(text) == expected


@pytest.mark.parametrize("text", ["0", "-3", "nan", "inf", "wide", "", "1-2", "5 apples", "3s"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="pixels, or"):
        object_size(text)


def test_lengths_become_pixels_of_the_images(tmp_path: Path) -> None:
    paths = image(tmp_path / "a.ome.tif"), image(tmp_path / "b.ome.tif", 0.501)
    assert settled(Length(12, "um"), *paths) == 24
    assert settled(Length(0.012, "mm"), *paths) == 24
    plain = image(tmp_path / "plain.ome.tif", None)
    assert settled(24.0, *paths, plain) == 24
    without = argparse.Namespace(axes=None)
    settle_object_size(without, [plain])
    assert not hasattr(without, "object_size")


def test_an_image_that_cannot_be_read_is_left_to_the_batch(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"no image")
    assert settled(Length(12, "um"), broken, image(tmp_path / "a.ome.tif")) == 24
    with pytest.raises(InputError, match="No image could be read"):
        settled(Length(12, "um"), broken)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([(None, None)], "a0.ome.tif does not state its pixel size.*give --object-size in pixels"),
        ([(0.5, 1.0)], "no squares .0.5 x 1 um"),
        ([(0.5, None), (0.25, None)], "24 pixels of a0.ome.tif and 48 pixels of a1.ome.tif"),
    ],
)
def test_lengths_that_are_not_one_number_of_pixels_are_refused(tmp_path, sizes, said) -> None:
    paths = [image(tmp_path / f"a{i}.ome.tif", *each) for i, each in enumerate(sizes)]
    with pytest.raises(InputError, match=said):
        settled(Length(12, "um"), *paths)


@pytest.mark.usefixtures("tiny")
def test_commands_take_a_length(tmp_path: Path) -> None:
    path, plain = image(tmp_path / "cells.ome.tif"), image(tmp_path / "plain.ome.tif", None)
    size = ("--object-size", "3 um")
    prompt = ("--point", "4,4", *size, "-o", str(tmp_path / "prompted"))
    assert main(["prompt", str(path), *prompt]) == 0
    record = json.loads((tmp_path / "prompted" / "cells_prompts.json").read_text("utf-8"))
    assert record["object_size"] == 6
    search = ("--tiles", "always", "--points-per-side", "2", "--strategy", "grid", *size)
    assert main(["segment", str(path), *search, "-o", str(tmp_path / "found")]) == 0
    recipe = json.loads((tmp_path / "found" / "cells_recipe.json").read_text("utf-8"))
    assert recipe["tiles"]["object_size"] == 6
    assert main(["segment", str(plain), *search, "-o", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
