"""Pyramids: levels of TIFF, slides and OME-Zarr; windows of slides; codecs that are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_segany.errors import InputError
from napari_segany.io.read import choose_series, open_image

RNG = np.random.default_rng(0)
APERIO = "Aperio Image Library v1\n256x192 [0,0 256x192] (64x64) |AppMag = 20|MPP = 0.5"


def write_slide(path: Path) -> np.ndarray:
    """A slide as Aperio's scanners write them: the image, a thumbnail and a coarser level."""
    pixels = RNG.integers(0, 255, (192, 256, 3)).astype(np.uint8)
    tile = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, description=APERIO, subfiletype=0, **tile)
        file.write(pixels[::8, ::8], photometric="rgb", metadata=None, description=APERIO)
        small = np.ascontiguousarray(pixels[::2, ::2])
        file.write(small, description=APERIO, subfiletype=0, **tile)
    return pixels


def write_pyramid(path: Path) -> np.ndarray:
    """A pyramidal OME-TIFF of two channels."""
    pixels = RNG.integers(0, 999, (2, 128, 96)).astype(np.uint16)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    with tifffile.TiffWriter(path, ome=True) as file:
        options = {"photometric": "minisblack", "tile": (32, 32)}
        file.write(pixels, subifds=1, metadata={"axes": "CYX", **sizes}, **options)
        file.write(pixels[:, ::2, ::2], subfiletype=1, **options)
    return pixels


def write_zarr(path: Path, version: str) -> np.ndarray:
    pixels = RNG.integers(0, 999, (2, 64, 96)).astype(np.uint16)
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for level in range(3):
        step = 2**level
        group.create_array(f"s{level}", data=np.ascontiguousarray(pixels[:, ::step, ::step]))
        scale = {"type": "scale", "scale": [1.0, 0.25 * step, 0.5 * step]}
        datasets.append({"path": f"s{level}", "coordinateTransformations": [scale]})
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    scales = [{"axes": axes, "datasets": datasets, "version": version}]
    if version == "0.4":
        group.attrs["multiscales"] = scales
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
    return pixels


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_levels_of_ome_zarr_have_larger_pixels(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.ome.zarr"
    pixels = write_zarr(path, version)
    for level in range(3):
        step = 2**level
        with open_image(path, level=level) as image:
            np.testing.assert_array_equal(image.data[...], pixels[:, ::step, ::step])
            assert image.axes == "CYX"
            assert image.pixel_size == {"Y": (0.25 * step, "um"), "X": (0.5 * step, "um")}
    with pytest.raises(InputError, match=r"There is no level 3 in .*levels 0\.\.2"):
        open_image(path, level=3)


def test_levels_of_a_pyramid_in_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    pixels = write_pyramid(path)
    for level in range(2):
        step = 2**level
        with open_image(path, level=level) as image:
            assert (image.axes, image.images_in_file) == ("CYX", 1)
            np.testing.assert_array_equal(image.data[()], pixels[:, ::step, ::step])
            assert image.pixel_size == {"Y": (0.25 * step, "um"), "X": (0.5 * step, "um")}
    with pytest.raises(InputError, match=r"There is no level 2 in .*levels 0\.\.1"):
        open_image(path, level=2)


def test_images_without_a_pyramid_have_one_level(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(path)
    with pytest.raises(InputError, match="only level 0"):
        open_image(path, level=1)


def test_windows_of_a_slide_are_those_of_the_whole_page(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    pixels = write_slide(path)
    with open_image(path) as image:
        assert (image.axes, image.shape) == ("YXS", (192, 256, 3))
        assert image.pixel_size == {"Y": (0.5, "um"), "X": (0.5, "um")}
        np.testing.assert_array_equal(image.data[20:90, 30:200], pixels[20:90, 30:200])
        np.testing.assert_array_equal(image.data[3:9, 4:8, 1], pixels[3:9, 4:8, 1])
        assert image.level_sizes == ((192, 256), (96, 128))
    with open_image(path, level=1) as image:
        np.testing.assert_array_equal(image.data[()], pixels[::2, ::2])
        assert image.pixel_size == {"Y": (1.0, "um"), "X": (1.0, "um")}


def test_tiffslide_states_a_pixel_size_that_the_tags_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tiffslide", reason='pixel sizes of slides need the extra "slides"')
    path = tmp_path / "a.svs"
    write_slide(path)
    monkeypatch.setattr("napari_segany.io.tiff.pixel_size_of", lambda *_: {})
    with open_image(path) as image:
        assert image.pixel_size == {"Y": (0.5, "um"), "X": (0.5, "um")}
    (tmp_path / "b.svs").write_bytes(path.read_bytes())
    monkeypatch.setattr("napari_segany.io.formats.slide.find_spec", lambda name: None)
    with open_image(tmp_path / "b.svs") as image:
        assert image.pixel_size == {}


def test_codecs_that_run_programs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), shape=(4, 5), dtype="u2", zarr_format=2)
    about = json.loads((path / ".zarray").read_text())
    for place in ("filters", "compressor"):
        codec = {"id": "pickle", "protocol": 5}
        spoilt = about | {place: [codec] if place == "filters" else codec, "dtype": "|O"}
        (path / ".zarray").write_text(json.dumps(spoilt))
        with pytest.raises(InputError, match="names a codec that can run programs"):
            open_image(path)
    (path / ".zarray").write_text(json.dumps(about))
    with open_image(path) as image:
        assert image.shape == (4, 5)


def test_codecs_of_a_level_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    write_zarr(path, "0.5")
    file = path / "s1" / "zarr.json"
    about = json.loads(file.read_text())
    about["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})
    file.write_text(json.dumps(about))
    open_image(path).close()
    with pytest.raises(InputError, match="names a codec that can run programs"):
        open_image(path, level=1)


def test_images_in_a_zarr_folder_are_chosen_by_path(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.open_group(str(path), mode="w", zarr_format=2)
    written = [write_zarr(path / str(n), "0.4") for n in range(2)]
    with open_image(path, series="1") as image:
        np.testing.assert_array_equal(image.data[...], written[1])
    assert choose_series([path], "1") == [path / "1"]
    with pytest.raises(InputError, match="There is no image 'x' in"):
        choose_series([path], "x")


def test_images_of_tiff_are_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    images = [RNG.integers(0, 99, (8, 9)).astype(np.uint8) for _ in range(2)]
    with tifffile.TiffWriter(path, ome=True) as file:
        for name, pixels in zip(("Left", "Right"), images, strict=True):
            file.write(pixels, metadata={"axes": "YX", "Name": name}, photometric="minisblack")
    with open_image(path, series="right") as image:
        np.testing.assert_array_equal(image.data[()], images[1])
    assert choose_series([path], "left") == [path.with_name("a.ome.tif[0]")]
    with pytest.raises(InputError, match=r"There is no image 'top' in .*0 \(Left\), 1 \(Right\)"):
        choose_series([path], "top")
