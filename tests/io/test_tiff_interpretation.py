"""The meaning of stored values: colours or channels or planes, which way is bright, which image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from skimage import data

from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.io.read import choose_series, open_image, stem

COINS = data.coins()[:60, :80]
FOUR = np.stack([COINS // (n + 1) for n in range(4)])


def write(path: Path, image: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, image, **options)
    return path


def said(image: Any) -> str:
    return " ".join(image.notes)


PLANAR: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate"}


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("count", "options", "axes"),
    [
        (4, {}, "ZYX"),
        (4, {"metadata": None}, "ZYX"),
        (3, {}, "ZYX"),
        (3, {"metadata": None}, "SYX"),
        (3, {"metadata": {"axes": "SYX"}}, "SYX"),
        (4, {"metadata": {"axes": "SYX"}}, "SYX"),
    ],
)
def test_slices_written_as_planar_colours(
    count: int, options: Any, axes: str, compression: str | None, tmp_path: Path
) -> None:
    """Programs take three or four slices for the colours of one image, and say so in the file."""
    extra: Any = {"extrasamples": ["unassalpha"]} if count == 4 else {}
    path = write(
        tmp_path / "a.tif", FOUR[:count], **PLANAR, **extra, **options, compression=compression
    )
    with open_image(path) as image:
        assert image.axes == axes
        np.testing.assert_array_equal(np.asarray(image.data), FOUR[:count])
        if axes == "ZYX":
            assert "--axes SYX" in said(image)
            assert "--axes CYX" in said(image)
            assert StackLayout(axes, image.shape).plane_count == count


SAMPLES = np.moveaxis(FOUR, 0, -1).astype(np.uint16)
INTERLEAVED: dict[str, Any] = {"planarconfig": "contig", "metadata": None}


@pytest.mark.parametrize(
    ("options", "axes", "note"),
    [
        ({"photometric": "rgb", "extrasamples": ["unassalpha"]}, "YXS", "--axes YXC takes all"),
        ({"photometric": "rgb", "extrasamples": ["assocalpha"]}, "YXS", "--axes YXC takes all"),
        ({"photometric": "rgb", "extrasamples": ["unspecified"]}, "YXC", "--axes YXS takes three"),
        (
            {"photometric": "minisblack", "extrasamples": ["unspecified"] * 3},
            "YXC",
            "",
        ),
    ],
)
def test_only_what_the_file_calls_so_is_transparency(
    options: Any, axes: str, note: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.tif", SAMPLES, **INTERLEAVED, **options)
    with open_image(path) as image:
        assert image.axes == axes
        assert note in said(image)
        if axes == "YXC":
            layout = StackLayout(axes, image.shape, (3,))
            np.testing.assert_array_equal(layout.plane(image.data, ()), FOUR[3])


@pytest.mark.parametrize(("count", "axes", "other"), [(3, "YXS", "YXC"), (4, "YXC", "YXS")])
def test_last_axes_without_a_name(count: int, axes: str, other: str, tmp_path: Path) -> None:
    stack = np.stack([SAMPLES[..., :count]] * 5)
    path = write(tmp_path / "a.tif", stack, photometric="minisblack")
    with open_image(path) as image:
        assert image.axes == f"Q{axes}"
        assert f"--axes Q{other}" in said(image)


def test_an_axis_without_a_name_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FOUR, photometric="minisblack")
    with open_image(path) as image:
        assert image.axes == "QYX"
        assert "--axes CYX" in said(image)
    with open_image(path, axes="TYX") as image:
        assert image.notes == ()
    # Too few answer nothing.
    with open_image(path, axes="YX") as image:
        assert "--axes CYX" in said(image)
    # One that is none says nothing.
    single = write(tmp_path / "c.tif", FOUR[:1], photometric="minisblack", metadata={"axes": "QYX"})
    with open_image(single) as image:
        assert image.notes == ()
    named = write(tmp_path / "b.tif", FOUR, photometric="minisblack", metadata={"axes": "TYX"})
    with open_image(named) as image:
        assert image.notes == ()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"]
)
def test_white_that_is_stored_as_zero(dtype: str, compression: str | None, tmp_path: Path) -> None:
    stack = FOUR > 100 if dtype == "bool" else (FOUR // 2).astype(dtype)
    stored = -stack if dtype == "float32" else ~stack
    path = write(
        tmp_path / "a.tif",
        stored,
        photometric="miniswhite",
        compression=compression,
        metadata={"axes": "ZYX"},
    )
    with open_image(path) as image:
        assert (image.axes, image.dtype) == ("ZYX", np.dtype(dtype))
        np.testing.assert_array_equal(image.data[2], stack[2])
        assert "inverted" in said(image)


def test_twelve_bits_are_inverted_within_twelve_bits(tmp_path: Path) -> None:
    stack = FOUR.astype(np.uint16) * 16
    path = write(
        tmp_path / "a.tif",
        4095 - stack,
        photometric="miniswhite",
        bitspersample=12,
        metadata=None,
    )
    with tifffile.TiffFile(path) as tiff:
        assert tiff.pages.first.bitspersample == 12
    with open_image(path) as image:
        np.testing.assert_array_equal(np.asarray(image.data), stack)


def palette(*functions: Any) -> np.ndarray:
    values = np.arange(256)
    table = [np.array([f(int(v)) for v in values]) for f in functions]
    return (np.stack(table) * 257).astype(np.uint16)


PALETTES = {
    "gray": palette(*[lambda v: v] * 3),
    "green": palette(lambda v: 0, lambda v: v, lambda v: 0),
    "hot": palette(lambda v: min(3 * v, 255), lambda v: max(v - 85, 0), lambda v: max(v - 170, 0)),
    # The brightest is red.
    "marked": palette(lambda v: v, lambda v: v % 255, lambda v: v % 255),
    "glasbey": palette(lambda v: v * 37 % 256, lambda v: v * 91 % 256, lambda v: v * 53 % 256),
    "inverted": palette(*[lambda v: 255 - v] * 3),
}


@pytest.mark.parametrize("name", PALETTES)
def test_palettes_are_colours_unless_they_show_intensities(name: str, tmp_path: Path) -> None:
    table = PALETTES[name]
    path = write(
        tmp_path / "a.tif", COINS, photometric="palette", colormap=table, compression="zlib"
    )
    colours = np.moveaxis((table >> 8)[:, COINS], 0, -1)
    with open_image(path) as image:
        pixels = np.asarray(image.data)
        if name == "glasbey":
            assert image.axes == "YXS"
            np.testing.assert_array_equal(pixels, colours)
            assert "--axes YX " in said(image)
        elif name == "inverted":
            np.testing.assert_array_equal(pixels, 255 - COINS)
        else:
            np.testing.assert_array_equal(pixels, COINS)
            assert ("--axes YXS" in said(image)) == (name != "gray")
    for axes, right in (("YX", COINS), ("YXS", colours)):
        if name in ("green", "hot", "glasbey"):
            with open_image(path, axes=axes) as image:
                assert image.axes == axes
                np.testing.assert_array_equal(np.asarray(image.data), right)


def test_a_palette_of_two_colours(tmp_path: Path) -> None:
    table = np.array([[200, 0], [10, 90], [0, 255]], np.uint16) * 257
    tag: Any = (320, "H", 6, table.ravel().tolist(), True)
    path = write(tmp_path / "a.tif", COINS > 99, photometric="minisblack", extratags=[tag])
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["PhotometricInterpretation"].overwrite(3)
    with open_image(path) as image:
        assert image.axes == "YXS"
        np.testing.assert_array_equal(image.data[...], (table >> 8).T[(COINS > 99).astype(int)])


@pytest.mark.parametrize("name", ["glasbey", "inverted", "white"])
def test_labels_and_masks_are_what_is_stored(name: str, tmp_path: Path) -> None:
    options: Any = {"photometric": "palette", "colormap": PALETTES.get(name)}
    path = write(
        tmp_path / "a.tif", COINS, **({"photometric": "miniswhite"} if name == "white" else options)
    )
    with open_image(path, stored=True) as image:
        assert (image.axes, image.notes) == ("YX", ())
        np.testing.assert_array_equal(np.asarray(image.data), COINS)


@pytest.mark.parametrize("photometric", ["cielab", "icclab", "itulab", "cfa", "ycbcr"])
def test_other_colours_are_refused(photometric: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.moveaxis(FOUR[:3], 0, -1), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["PhotometricInterpretation"].overwrite(
            int(tifffile.PHOTOMETRIC[photometric.upper()])
        )
    with pytest.raises(InputError, match="save it as RGB or gray"):
        open_image(path)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    path = tmp_path / "scenes.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for n, size in enumerate((1.0, 2.0, 3.0)):
            metadata = {"Name": f"scene {n}", "PhysicalSizeX": size, "PhysicalSizeY": size}
            writer.write(COINS[: 20 + n] // (n + 1), metadata=metadata, photometric="minisblack")
    return path


def test_the_first_of_several_images_is_a_guess_that_lists_them(scenes: Path) -> None:
    with open_image(scenes) as image:
        assert image.shape == (20, 80)
        assert image.notes == (
            "It holds 3 images, and the first is taken; --series N takes another, --series all "
            "takes each: 0 (scene 0): YX 20 x 80 uint8; 1 (scene 1): YX 21 x 80 uint8; "
            "2 (scene 2): YX 22 x 80 uint8.",
        )


def test_one_of_several_images(scenes: Path) -> None:
    for given in (scenes, str(scenes)):
        with open_image(given, series=2) as image:
            np.testing.assert_array_equal(np.asarray(image.data), COINS[:22] // 3)
            assert image.pixel_size["X"] == (3.0, "um")
            assert image.notes == ()
    with pytest.raises(InputError, match=r"no image 3 in .*2 \(scene 2\): YX 22 x 80"):
        open_image(scenes, series=3)


def test_all_images_of_a_file_have_paths_and_names(scenes: Path, tmp_path: Path) -> None:
    single = write(tmp_path / "single.tif", COINS)
    missing = tmp_path / "missing.tif"
    found = choose_series([scenes, single, missing], "all")
    assert [path.name for path in found] == [
        *("scenes.ome.tif[0]", "scenes.ome.tif[1]", "scenes.ome.tif[2]", "single.tif"),
        "missing.tif",
    ]
    assert [stem(path) for path in found[:4]] == ["scenes_s0", "scenes_s1", "scenes_s2", "single"]
    assert choose_series([scenes, single], 1) == [found[1], tmp_path / "single.tif[1]"]
    assert choose_series([scenes], None) == [scenes]
    with open_image(found[1]) as image:
        assert image.shape == (21, 80)
        assert image.name == "scenes_s1"
        assert image.files == (scenes,)
    with pytest.raises(InputError, match="no image 1"):
        open_image(tmp_path / "single.tif[1]")


def test_a_file_whose_name_looks_like_it_is_itself(scenes: Path) -> None:
    odd = scenes.with_name("scenes.ome.tif[1]")
    write(odd, COINS)
    with open_image(odd) as image:
        assert image.shape == COINS.shape


def test_thumbnails_and_levels_are_no_images_to_ask_about(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as writer:
        options: Any = {"photometric": "minisblack", "metadata": None, "contiguous": False}
        writer.write(COINS, **options)
        writer.write(COINS[::2, ::2], **options)
        writer.write(COINS[::4, ::4], **options)
        writer.write(COINS[:9, :9], subfiletype=1, **options)
    with open_image(path) as image:
        assert image.images_in_file == 1
        assert image.notes == ()
    with tifffile.TiffWriter(path) as writer:
        writer.write(COINS, subifds=1, **options)
        writer.write(COINS[::2, ::2], subfiletype=1, **options)
    with open_image(path) as image:
        assert (image.images_in_file, image.notes) == (1, ())


def test_three_samples_that_may_be_planes_say_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FOUR[:3], **PLANAR, metadata=None)
    with open_image(path) as image:
        assert image.axes == "SYX"
        assert "--axes ZYX takes them as planes" in said(image)


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_pages_that_a_description_does_not_count_are_told(kind: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {kind: True, "metadata": {"axes": "ZYX"}}
    path = write(tmp_path / f"a{'.ome' * (kind == 'ome')}.tif", FOUR, photometric="minisblack",
                 **options)  # fmt: skip
    with open_image(path) as image:
        assert image.notes == ()
    text = path.read_bytes()
    for name in (b"images=", b"slices=", b'SizeZ="', b'PlaneCount="'):
        text = text.replace(name + b"4", name + b"2")
    path.write_bytes(text)
    with open_image(path) as image:
        assert (image.axes, image.shape) == ("ZYX", (2, 60, 80))
        assert "2 of its 4 pages are not among the planes" in said(image)


def test_what_python_says_of_a_damaged_file_is_not_passed_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", FOUR, imagej=True, metadata={"axes": "ZYX"})
    path.write_bytes(path.read_bytes().replace(b"images=4", b"images=x"))
    with pytest.raises(InputError, match=r"damaged or truncated TIFF file; copy"):
        open_image(path)
