"""Windows of pages: the pixels of the whole page, and no more is read than is needed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError, PlaneError
from napari_segany.io.page_windows import split_index
from napari_segany.io.read import open_image

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 60_000, (3, 150, 210)).astype(np.uint16)
COLOURS = RNG.integers(0, 255, (150, 210, 3)).astype(np.uint8)
WINDOWS = [
    (slice(20, 90), slice(30, 200)),
    (slice(0, 5), slice(200, 400)),
    (slice(-9, None), slice(None, 3)),
    (slice(63, 64), slice(None)),
    (slice(None), slice(64, 65)),
    (7, slice(3, 70)),
    (slice(10, 90, 7), slice(3, 8)),
    (slice(5, 5), slice(3, 8)),
    (-1, -1),
]

LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "rows": {"rowsperstrip": 16},
    "zlib": {"compression": "zlib", "rowsperstrip": 16, "predictor": True},
    "one strip": {"compression": "zlib", "rowsperstrip": 150},
    "tiles": {"tile": (64, 32)},
    "zlib tiles": {"tile": (64, 64), "compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["gray", "big-endian", "colours", "planar"])
def test_windows_are_those_of_the_whole_page(tmp_path: Path, layout: str, kind: str) -> None:
    path = tmp_path / "a.tif"
    options = dict(LAYOUTS[layout])
    pixels = GRAY if kind in ("gray", "big-endian") else COLOURS
    if kind in ("gray", "big-endian"):
        options |= {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    else:
        options |= {"photometric": "rgb", "planarconfig": "contig"}
    if kind == "planar":
        pixels = np.ascontiguousarray(COLOURS.transpose(2, 0, 1))
        options |= {"planarconfig": "separate"}
    byteorder: Any = ">" if kind == "big-endian" else "<"
    tifffile.imwrite(path, pixels, byteorder=byteorder, **options)
    with open_image(path) as image:
        rows = image.axes.index("Y")
        whole = image.data[()]
        np.testing.assert_array_equal(whole, pixels)
        for window in WINDOWS:
            key = (slice(None),) * rows + window
            np.testing.assert_array_equal(image.data[key], pixels[key])
            first = (0,) * rows + window
            np.testing.assert_array_equal(image.data[first], pixels[first])
        with pytest.raises(IndexError):
            image.data[(0,) * rows + (slice(0, 5), 210)]


def test_only_the_tiles_of_a_window_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GRAY[0], tile=(32, 32), compression="zlib")
    read: list[int] = []
    whole = tifffile.FileHandle.read_segments

    def counted(self: Any, offsets: Any, *rest: Any, **options: Any) -> Any:
        read.append(len(offsets))
        return whole(self, offsets, *rest, **options)

    monkeypatch.setattr(tifffile.FileHandle, "read_segments", counted)
    with open_image(path) as image:
        np.testing.assert_array_equal(image.data[30:34, 64:96], GRAY[0, 30:34, 64:96])
    assert read == [2]


def test_a_tile_that_cannot_be_decoded_is_an_error_of_windows_that_need_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GRAY[0], tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages.first.dataoffsets[-1], tiff.pages.first.databytecounts[-1]
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(b"\xff" * count)
    with open_image(path) as image:
        layout = StackLayout(image.axes, image.shape)
        found = layout.window(image.data, (), (0, 0, 64, 64))
        np.testing.assert_array_equal(found, GRAY[0, :64, :64])
        with pytest.raises(PlaneError, match="page 1 of 1 cannot be decoded"):
            layout.window(image.data, (), (100, 150, 150, 210))


def test_windows_of_white_that_is_stored_as_0_and_of_palettes(tmp_path: Path) -> None:
    turned, palette = tmp_path / "turned.tif", tmp_path / "palette.tif"
    tifffile.imwrite(turned, GRAY[0], photometric="miniswhite", tile=(64, 64))
    table = RNG.integers(0, 65_535, (3, 256)).astype(np.uint16)
    tifffile.imwrite(palette, COLOURS[..., 0], photometric="palette", colormap=table, tile=(64, 64))
    for path in (turned, palette):
        with open_image(path) as image:
            whole = image.data[()]
            np.testing.assert_array_equal(image.data[20:90, 30:200], whole[20:90, 30:200])


def test_a_window_is_split_from_its_index() -> None:
    assert split_index((slice(None), slice(None)), (8, 9)) == (None, (slice(None), slice(None)))
    window, rest = split_index((np.array([1, 3]), slice(2, 4)), (8, 9))
    assert window == (slice(0, 8), slice(2, 4))
    assert len(rest) == 2
    with pytest.raises(ValueError):
        split_index((slice(None),), (8, 9))


def test_levels_are_lazy_arrays_and_chosen_by_scale(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        options: Any = {"photometric": "minisblack", "tile": (32, 32)}
        file.write(GRAY, subifds=2, metadata={"axes": "CYX"}, **options)
        file.write(GRAY[:, ::2, ::2], subfiletype=1, **options)
        file.write(GRAY[:, ::4, ::4], subfiletype=1, **options)
    with open_image(path) as image:
        assert image.level_sizes == ((150, 210), (75, 105), (38, 53))
        for level, data in enumerate(image.levels):
            step = 2**level
            np.testing.assert_array_equal(data[...], GRAY[:, ::step, ::step])
        assert [image.level_for(scale) for scale in (2, 1, 0.6, 0.5, 0.26, 0.1)] == [
            *(0, 0, 0, 1, 1, 2)
        ]
    with open_image(path, level=1) as image:
        assert image.level_sizes == ((75, 105), (38, 53))


def test_boxes_beyond_the_plane_are_refused() -> None:
    layout = StackLayout("YX", (8, 9))
    for box in ((0, 0, 9, 9), (-1, 0, 3, 3), (3, 3, 3, 5)):
        with pytest.raises(InputError, match=r"is no part of a plane of 8 x 9 pixels"):
            layout.window(np.zeros((8, 9)), (), box)
