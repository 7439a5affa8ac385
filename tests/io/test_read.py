"""What a person drops on the program is understood, or refused in words; stacks stay lazy."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.io.read import choose_series, members, open_image
from napari_segany.io.tiff_interpretation import to_known_axes
from napari_segany.io.tiff_pages import ContiguousPages, TiffPages

RNG = np.random.default_rng(0)


def pixels(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    return (RNG.random(shape) * 200).astype(dtype)


def write_compressed(path: Path, data: np.ndarray) -> None:
    tifffile.imwrite(
        path, data, photometric="minisblack", compression="zlib", metadata={"axes": "TZYX"}
    )


TIFFS: dict[str, tuple[tuple[int, ...], dict[str, Any], str, dict[str, tuple[float, str]]]] = {
    "plain": ((20, 30), {}, "YX", {}),
    "imagej": (
        (3, 5, 20, 30),
        {
            "imagej": True,
            "resolution": (10.0, 5.0),
            "metadata": {"axes": "TZYX", "unit": "um", "spacing": 1.5, "finterval": 4.0},
        },
        "TZYX",
        {"T": (4.0, "s"), "Z": (1.5, "um"), "Y": (0.2, "um"), "X": (0.1, "um")},
    ),
    "imagej_micro_sign": (
        (20, 30),
        {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"unit": "\\u00B5m"}},
        "YX",
        {"Y": (0.25, "um"), "X": (0.25, "um")},
    ),
    "imagej_channels_compressed": (
        (4, 2, 20, 30),
        {"imagej": True, "compression": "zlib", "metadata": {"axes": "ZCYX"}},
        "ZCYX",
        {},
    ),
    "ome": (
        (3, 2, 20, 30),
        {
            "ome": True,
            "metadata": {
                "axes": "TCYX",
                "PhysicalSizeX": 65.0,
                "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 65.0,
                "PhysicalSizeYUnit": "nm",
                "TimeIncrement": 0.5,
                "TimeIncrementUnit": "min",
            },
        },
        "TCYX",
        {"T": (0.5, "min"), "Y": (65.0, "nm"), "X": (65.0, "nm")},
    ),
    "centimetres": (
        (20, 30),
        {"resolution": (20_000, 40_000), "resolutionunit": "CENTIMETER"},
        "YX",
        {"Y": (0.25, "um"), "X": (0.5, "um")},
    ),
    "inches": (
        (20, 30),
        {"resolution": (25_400, 25_400), "resolutionunit": "INCH"},
        "YX",
        {"Y": (1.0, "um"), "X": (1.0, "um")},
    ),
    "screen_resolution_is_no_pixel_size": (
        (20, 30),
        {"resolution": (72, 72), "resolutionunit": "INCH"},
        "YX",
        {},
    ),
    "lzw": ((6, 20, 30), {"compression": "lzw", "metadata": {"axes": "ZYX"}}, "ZYX", {}),
    "tiled": (
        (6, 40, 50),
        {"compression": "zlib", "tile": (16, 16), "metadata": {"axes": "TYX"}},
        "TYX",
        {},
    ),
    "big_endian": ((6, 20, 30), {"byteorder": ">", "metadata": {"axes": "ZYX"}}, "ZYX", {}),
    "bigtiff": ((6, 20, 30), {"bigtiff": True, "metadata": {"axes": "ZYX"}}, "ZYX", {}),
    "no_metadata": ((6, 20, 30), {"metadata": None, "photometric": "minisblack"}, "IYX", {}),
    "unnamed": ((6, 20, 30), {"photometric": "minisblack"}, "QYX", {}),
    "rgb": ((20, 30, 3), {"photometric": "rgb"}, "YXS", {}),
    "rgba": ((20, 30, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "YXS", {}),
    "rgb_planar_stack": (
        (5, 3, 20, 30),
        {
            "photometric": "rgb",
            "planarconfig": "separate",
            "compression": "zlib",
            "metadata": {"axes": "ZSYX"},
        },
        "ZSYX",
        {},
    ),
    "colour_saved_as_pages": ((20, 30, 3), {"photometric": "minisblack"}, "YXS", {}),
    "many_samples_are_channels": (
        (5, 20, 30),
        {"photometric": "minisblack", "planarconfig": "separate", "metadata": {"axes": "SYX"}},
        "CYX",
        {},
    ),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_axes_pixel_size_and_planes(name: str, tmp_path: Path) -> None:
    shape, options, axes, size = TIFFS[name]
    data = pixels(shape, "uint8" if options.get("photometric") == "rgb" else "uint16")
    path = tmp_path / f"{name}.tif"
    tifffile.imwrite(path, data, **options)
    with open_image(path) as image:
        assert image.axes == axes
        assert image.shape == shape
        assert set(image.pixel_size) == set(size)
        for axis, (value, unit) in size.items():
            assert image.pixel_size[axis] == (pytest.approx(value, rel=1e-6), unit)
        layout = StackLayout(axes, shape)
        for index in layout.indices():
            np.testing.assert_array_equal(
                layout.plane(image.data, index), layout.plane(data, index)
            )


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "float16",
        "float32",
        "float64",
    ],
)
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
def test_every_pixel_type(dtype: str, options: dict[str, str], tmp_path: Path) -> None:
    data = pixels((3, 20, 30), dtype)
    path = tmp_path / "typed.tif"
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    with open_image(path) as image:
        assert image.dtype.newbyteorder("=") == np.dtype(dtype)
        np.testing.assert_array_equal(np.asarray(image.data[1]), data[1])


def test_one_plane_reads_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path,
        pixels((3, 4, 20, 30)),
        compression="zlib",
        photometric="minisblack",
        metadata={"axes": "TZYX"},
    )
    read: list[int] = []
    original = tifffile.TiffPage.asarray

    def counted(page: Any, *args: Any, **kwargs: Any) -> Any:
        read.append(page.index)
        return original(page, *args, **kwargs)

    monkeypatch.setattr(tifffile.TiffPage, "asarray", counted)
    monkeypatch.setattr(tifffile.TiffFrame, "asarray", counted)
    with open_image(path) as image:
        assert not read
        StackLayout("TZYX", image.shape).plane(image.data, (1, 2))
    assert read == [6]


def test_uncompressed_stacks_are_read_plane_by_plane_and_not_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stack.tif"
    data = pixels((3, 20, 30))
    tifffile.imwrite(path, data, photometric="minisblack", metadata={"axes": "ZYX"})
    read: list[int] = []
    original = ContiguousPages.__call__

    def counted(pages: ContiguousPages, number: int) -> Any:
        read.append(number)
        return original(pages, number)

    monkeypatch.setattr(ContiguousPages, "__call__", counted)
    with open_image(path) as image:
        assert isinstance(image.data, TiffPages)
        assert not read
        np.testing.assert_array_equal(image.data[1], data[1])
    assert read == [1]


def test_lazy_pages_index_like_an_array(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    data = pixels((3, 4, 20, 30))
    tifffile.imwrite(
        path, data, compression="zlib", photometric="minisblack", metadata={"axes": "TZYX"}
    )
    with open_image(path) as image:
        assert isinstance(image.data, TiffPages)
        s = slice
        for key in [(), 1, (2, -1), (s(None), 1), (s(0, 2), s(3, None, -2), s(5), 7), (0, s(0, 0))]:
            np.testing.assert_array_equal(image.data[key], data[key])
        np.testing.assert_array_equal(np.asarray(image.data), data)


def test_describe_says_what_was_understood(tmp_path: Path) -> None:
    path = tmp_path / "cells.tif"
    shape, options, *_ = TIFFS["imagej"]
    tifffile.imwrite(path, pixels(shape), **options)
    with open_image(path) as image:
        assert image.name == "cells"
        assert image.describe() == (
            "TZYX 3 x 5 x 20 x 30 uint16, pixel 1.5 x 0.2 x 0.1 um (Z, Y, X), every 4 s"
        )


def test_several_images_in_a_file_are_mentioned(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels((20, 30)), metadata=None)
        writer.write(pixels((50, 60)), metadata=None)
    with open_image(path) as image:
        assert image.shape == (20, 30)
        assert "one of 2 images" in image.describe()


@pytest.mark.parametrize(
    ("axes", "shape", "known"),
    [
        ("HYX", (7, 20, 30), "QYX"),
        ("QQYX", (7, 5, 20, 30), "QIYX"),
        ("QQQQYX", (2, 2, 2, 2, 20, 30), "QIZTYX"),
        ("YXS", (20, 30, 2), "YXC"),
    ],
)
def test_unknown_axes_get_letters(axes: str, shape: tuple[int, ...], known: str) -> None:
    assert to_known_axes(axes, shape) == known


def test_too_many_axes_are_refused() -> None:
    with pytest.raises(InputError, match="too many dimensions"):
        to_known_axes("QQQQQYX", (2,) * 7)


PICTURES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "gray.png": (lambda p: Image.new("L", (30, 20), 7).save(p), "YX", "uint8"),
    "deep.png": (lambda p: Image.fromarray(pixels((20, 30))).save(p), "YX", "uint16"),
    "bits.png": (lambda p: Image.new("1", (30, 20)).save(p), "YX", "bool"),
    "rgb.png": (lambda p: Image.new("RGB", (30, 20)).save(p), "YXS", "uint8"),
    "rgba.png": (lambda p: Image.new("RGBA", (30, 20)).save(p), "YXS", "uint8"),
    "gray_alpha.png": (lambda p: Image.new("LA", (30, 20)).save(p), "YX", "uint8"),
    "gray.jpg": (lambda p: Image.new("L", (30, 20)).save(p), "YX", "uint8"),
    "rgb.JPEG": (lambda p: Image.new("RGB", (30, 20)).save(p), "YXS", "uint8"),
    "cmyk.jpg": (lambda p: Image.new("CMYK", (30, 20)).save(p), "YXS", "uint8"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name: str, tmp_path: Path) -> None:
    make, axes, dtype = PICTURES[name]
    make(tmp_path / name)
    with open_image(tmp_path / name) as image:
        assert (image.axes, image.dtype) == (axes, np.dtype(dtype))
        assert image.shape[:2] == (20, 30)
        assert image.shape[2:] in ((), (3,))


def test_palettes_become_colours_and_gray_palettes_gray(tmp_path: Path) -> None:
    colours = Image.new("P", (30, 20), 1)
    colours.putpalette([0, 0, 0, 250, 120, 3])
    colours.save(tmp_path / "colours.png")
    grays = Image.new("P", (30, 20), 1)
    grays.putpalette([0, 0, 0, 90, 90, 90])
    grays.save(tmp_path / "grays.png")
    with open_image(tmp_path / "colours.png") as image:
        assert image.data[0, 0].tolist() == [250, 120, 3]
    with open_image(tmp_path / "colours.png", stored=True) as image:
        assert (image.axes, image.data[0, 0]) == ("YX", 1)
    with open_image(tmp_path / "grays.png") as image:
        assert image.shape == (20, 30)
        assert image.data[0, 0] == 90


def test_sixteen_bit_colour_png_keeps_its_depth(tmp_path: Path) -> None:
    from imagecodecs import png_encode

    data = (RNG.random((20, 30, 3)) * 65_535).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(png_encode(data))
    with open_image(tmp_path / "deep.png") as image:
        np.testing.assert_array_equal(image.data, data)


def test_camera_orientation_is_left_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (30, 20)).save(tmp_path / "turned.jpg", exif=exif)
    with open_image(tmp_path / "turned.jpg") as image:
        assert image.shape == (20, 30)


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    Image.new("L", (30, 20)).save(tmp_path / "really_png.tif", format="PNG")
    with open_image(tmp_path / "really_png.tif") as image:
        assert image.shape == (20, 30)


def whole_tiff(path: Path, **options: Any) -> bytes:
    tifffile.imwrite(path, pixels((4, 64, 64)), photometric="minisblack", **options)
    return path.read_bytes()


def cut_tiff(path: Path) -> None:
    path.write_bytes(whole_tiff(path)[:-3000])


def cut_only_page(path: Path) -> None:
    tifffile.imwrite(path, pixels((64, 64)), compression="zlib")
    path.write_bytes(path.read_bytes()[:-3000])


def cut_png(path: Path) -> None:
    Image.fromarray(pixels((64, 64), "uint8")).save(path, format="PNG")
    path.write_bytes(path.read_bytes()[:1000])


def huge_png(path: Path) -> None:
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + content))
        png += struct.pack(">I", len(content)) + name + content + check
    path.write_bytes(png)


HOSTILE: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "missing": ("a.tif", lambda p: None, "There is no file"),
    "folder": ("a.tif", lambda p: p.mkdir(), "is a folder"),
    "empty": ("a.tif", lambda p: p.touch(), r"is empty \(0 bytes\)"),
    "text": ("a.tif", lambda p: p.write_text("no image at all"), "not what its name says.*TIFF"),
    "unsupported": ("a.oib", lambda p: p.write_bytes(b"\xd0\xcf\x11\xe0" * 9), "Accepted are TIFF"),
    "only_magic": ("a.tif", lambda p: p.write_bytes(b"II*\0"), "damaged or truncated"),
    "no_pages": ("a.tif", lambda p: p.write_bytes(b"II*\0" + bytes(4)), "without pages|truncated"),
    "header_beyond_end": (
        "a.tif",
        lambda p: p.write_bytes(b"II*\0\xff\xff\0\0"),
        "truncated|pages",
    ),
    "cut": ("a.tif", cut_tiff, "truncated"),
    "cut_page": ("a.tif", cut_only_page, "truncated"),
    "complex": (
        "a.tif",
        lambda p: tifffile.imwrite(p, np.ones((9, 9), np.complex64)),
        "complex64 pixels",
    ),
    "cmyk": (
        "a.tif",
        lambda p: tifffile.imwrite(p, np.zeros((9, 9, 4), np.uint8), photometric="separated"),
        "CMYK",
    ),
    "cut_png": ("a.png", cut_png, "is damaged"),
    "huge_png": ("a.png", huge_png, "too large"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_words(case: str, tmp_path: Path) -> None:
    name, make, message = HOSTILE[case]
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        open_image(path)
    assert str(path) in str(caught.value)


def test_a_damaged_page_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bad_page.tif"
    tifffile.imwrite(path, pixels((4, 64, 64)), photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[2].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 200] = b"\xff" * 200
    path.write_bytes(content)
    with open_image(path) as image:
        image.data[0]
        with pytest.raises(InputError, match="page 3 of 4 cannot be decoded"):
            image.data[2]


def test_planes_beyond_the_end_of_a_cut_file_fail_by_name_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cut.tif"
    data = pixels((4, 64, 64))
    tifffile.imwrite(path, data, photometric="minisblack", compression="zlib")
    path.write_bytes(path.read_bytes()[:-3000])
    with open_image(path) as image:
        assert any("truncated: 1 of its 4 planes, from plane 3 on" in each for each in image.notes)
        assert image.shape == data.shape, "a stack that was cut is not a shorter one"
        np.testing.assert_array_equal(image.data[:3], data[:3])
        with pytest.raises(InputError, match=r"cut\.tif: page 4 .* truncated"):
            image.data[3]


def read_last_plane(path: Path, shape: tuple[int, ...]) -> None:
    """A cut file whose planes are known says so, and those that are there are read."""
    with open_image(path) as opened:
        assert opened.shape == shape
        assert any("It is truncated" in note for note in opened.notes)
        opened.data[-1]


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"ome": True}, {"compression": "zlib"}])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.95])
def test_a_stack_that_was_cut_short_is_never_taken_for_a_shorter_one(
    tmp_path: Path, options: Any, part: float, caplog: Any
):
    image = np.random.default_rng(0).integers(0, 999, (9, 60, 70)).astype(np.uint16)
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, image, photometric="minisblack", **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        read_last_plane(path, image.shape)
    assert caplog.text == ""


def test_pages_that_are_listed_one_after_the_other_and_cut_short(tmp_path: Path):
    path = tmp_path / "cut.tif"
    with tifffile.TiffWriter(path) as writer:
        for n in range(5):
            writer.write(np.full((40, 50), n, np.uint8), contiguous=False, metadata=None)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)])
    with pytest.raises(InputError, match="truncated"):
        open_image(path)


def write_set(folder: Path, data: np.ndarray, parts: int) -> list[Path]:
    """One image spread over OME-TIFF files, half of its planes in each, as microscopes write."""
    each = len(data) // parts
    names = [f"part_{n}.ome.tif" for n in range(parts)]
    ids = [f"urn:uuid:00000000-0000-4000-8000-{n:012d}" for n in range(parts)]
    places = "".join(
        f'<TiffData FirstZ="{n * each + k}" IFD="{k}" PlaneCount="1">'
        f'<UUID FileName="{names[n]}">{ids[n]}</UUID></TiffData>'
        for n in range(parts)
        for k in range(each)
    )
    for n, name in enumerate(names):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{ids[n]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            f'SizeX="{data.shape[2]}" SizeY="{data.shape[1]}" SizeZ="{len(data)}" SizeC="1" '
            f'SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{places}</Pixels></Image>'
            "</OME>"
        )
        with tifffile.TiffWriter(folder / name) as writer:
            for k, plane in enumerate(data[n * each : (n + 1) * each]):
                writer.write(
                    plane,
                    description=xml if k == 0 else None,
                    metadata=None,
                    photometric="minisblack",
                    contiguous=False,
                )
    return [folder / name for name in names]


def test_a_set_of_files_is_one_image_whichever_is_given(tmp_path: Path) -> None:
    data = pixels((4, 20, 30))
    first, second = write_set(tmp_path, data, 2)
    assert members(first) == (first, second)
    assert members(second) == (second, first)
    with open_image(second) as image:
        assert image.axes == "ZYX"
        assert image.files == (second, first)
        np.testing.assert_array_equal(np.asarray(image.data), data)


def test_what_is_no_set_is_its_only_member(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels((3, 20, 30)), metadata={"axes": "ZYX"})
    (tmp_path / "b.tif").write_bytes(b"II*\0 damaged")
    (tmp_path / "c.png").write_bytes(b"no picture")
    for path in (*sorted(tmp_path.iterdir()), tmp_path / "missing.tif", tmp_path):
        assert members(path) == (path,)


FUZZED: list[dict[str, Any]] = [
    {"photometric": "minisblack"},
    {"photometric": "minisblack", "compression": "zlib"},
    {"photometric": "minisblack", "imagej": True},
    {"photometric": "minisblack", "ome": True, "metadata": {"axes": "ZYX"}},
    {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unassalpha"]},
    {"photometric": "miniswhite", "compression": "lzw", "tile": (16, 16)},
]


@pytest.mark.parametrize("seed", range(120))
def test_whatever_a_header_says_it_is_read_or_refused_in_words(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / "fuzzed.tif"
    tifffile.imwrite(path, pixels((4, 40, 50), "uint8"), **FUZZED[seed % len(FUZZED)])
    content = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 8)):
        at = rng.integers(0, 600) if rng.random() < 0.7 else len(content) - rng.integers(1, 800)
        content[at] = rng.choice([0, 1, 2, 3, 255, rng.integers(0, 256)])
    path.write_bytes(content[: None if rng.random() < 0.8 else int(len(content) * rng.random())])
    assert path in members(path)
    assert choose_series([path], "all")
    with contextlib.suppress(InputError), open_image(path) as image:
        assert image.describe()
        if image.data.size < 10**7:
            np.asarray(image.data)


def test_pages_understand_an_ellipsis(tmp_path: Path):
    image = pixels((2, 3, 20, 30))
    write_compressed(tmp_path / "a.tif", image)
    with open_image(tmp_path / "a.tif") as opened:
        assert isinstance(opened.data, TiffPages)
        assert np.array_equal(opened.data[...], image)
        assert np.array_equal(opened.data[1, ...], image[1])
        assert np.array_equal(opened.data[..., 5:7], image[..., 5:7])
