"""Files of microscopes: axes, scenes, sizes and pixels; missing packages and damage in words."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.microscope_files import write_czi, write_lif, write_nd2

from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.io.formats.registry import FORMATS
from napari_segany.io.read import choose_series, open_image, stem

RNG = np.random.default_rng(0)
READERS = {"nd2": "nd2", "lif": "liffile", "czi": "czifile"}
CZI_XML = """<ImageDocument><Metadata><Scaling><Items>
<Distance Id="X"><Value>1e-07</Value></Distance><Distance Id="Y"><Value>2e-07</Value></Distance>
</Items></Scaling><Information><Image><Dimensions><Channels><Channel Name="DAPI"/>
<Channel Name="GFP"/></Channels><S><Scenes><Scene Index="0" Name="A1"/><Scene Index="1" Name="A2"/>
</Scenes></S></Dimensions></Image></Information></Metadata></ImageDocument>"""


def values(*shape: int) -> np.ndarray:
    return RNG.integers(0, 60_000, shape).astype(np.uint16)


def nd2(path: Path) -> list[np.ndarray]:
    pixels = values(2, 2, 3, 2, 8, 10)
    write_nd2(path, pixels, ("left", "right"), ("DAPI", "GFP"))
    return [pixels[:, 0], pixels[:, 1]]


def lif(path: Path) -> list[np.ndarray]:
    images = {"left": values(2, 3, 2, 8, 10), "right": values(2, 3, 2, 8, 10)}
    write_lif(path, images, ("DAPI", "GFP"))
    return list(images.values())


def czi(path: Path) -> list[np.ndarray]:
    """Two scenes of 2 x 2 tiles each, with a coarser level that must not be taken."""
    pixels, blocks = values(2, 2, 16, 20), []
    for scene, channel in np.ndindex(2, 2):
        plane, at = pixels[scene, channel], {"C": channel, "S": scene}
        for tile, (row, col) in enumerate([(0, 0), (0, 10), (8, 0), (8, 10)]):
            part = plane[row : row + 8, col : col + 10]
            place = at | {"M": tile}
            blocks.append(
                {"pixels": part, "row": row + 100 * scene, "col": col - 5, "place": place}
            )
        small = {"pixels": plane[::2, ::2], "full": (16, 20), "row": 100 * scene, "col": -5}
        blocks.append(small | {"place": at})
    write_czi(path, blocks, CZI_XML)
    return list(pixels)


WRITERS: dict[str, Callable[[Path], list[np.ndarray]]] = {"nd2": nd2, "lif": lif, "czi": czi}
ABOUT: dict[str, tuple[str, dict[str, tuple[float, str]], tuple[str, ...]]] = {
    "nd2": (
        "TZCYX",
        {"T": (2.0, "s"), "Z": (0.5, "um"), "Y": (0.25, "um"), "X": (0.25, "um")},
        ("left", "right"),
    ),
    "lif": (
        "TZCYX",
        {"T": (2.0, "s"), "Z": (0.5, "um"), "Y": (0.2, "um"), "X": (0.1, "um")},
        ("left", "right"),
    ),
    "czi": ("CYX", {"Y": (0.2, "um"), "X": (0.1, "um")}, ("A1", "A2")),
}


@pytest.fixture(params=WRITERS)
def kind(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    pytest.importorskip(READERS[name], reason=f'reading {name} needs the extra "formats"')
    return name


def test_axes_sizes_channels_and_pixels_of_each_scene(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    scenes = WRITERS[kind](path)
    axes, sizes, names = ABOUT[kind]
    for number, pixels in enumerate(scenes):
        for chosen in (number, names[number].upper()):
            with open_image(path, series=chosen) as image:
                assert (image.axes, image.images_in_file, image.notes) == (axes, 2, ())
                assert image.channel_names == ("DAPI", "GFP")
                assert image.pixel_size == {a: (pytest.approx(v), u) for a, (v, u) in sizes.items()}
                assert image.dtype == np.uint16
                np.testing.assert_array_equal(image.data[()], pixels)
                last = (-1,) * (pixels.ndim - 2)
                np.testing.assert_array_equal(
                    image.data[tuple(n - 1 for n in pixels.shape[:-2])], pixels[last]
                )


def test_the_first_of_several_scenes_with_a_note(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    scenes, names = WRITERS[kind](path), ABOUT[kind][2]
    with open_image(path) as image:
        (note,) = image.notes
        assert "--series N takes another" in note
        assert all(name in note for name in names)
        np.testing.assert_array_equal(image.data[()], scenes[0])
    images = choose_series([path], "all")
    assert [stem(each) for each in images] == ["a_s0", "a_s1"]
    with open_image(images[1]) as image:
        np.testing.assert_array_equal(image.data[()], scenes[1])
    assert choose_series([path], names[1]) == [images[1]]
    for wrong in (2, "middle"):
        with pytest.raises(InputError, match=f"There is no image '?{wrong}'? in .*; it holds 0"):
            open_image(path, series=wrong)
    with pytest.raises(InputError, match="only level 0 is read"):
        open_image(path, level=1)


def test_only_the_plane_that_is_indexed_is_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{kind}"
    pixels = WRITERS[kind](path)[0]
    with open_image(path) as image:
        read: list[int] = []
        whole = image.data._read
        monkeypatch.setattr(image.data, "_read", lambda n, *w: (read.append(n), whole(n, *w))[1])
        leading = tuple(0 for _ in pixels.shape[:-2])
        np.testing.assert_array_equal(image.data[leading], pixels[leading])
    assert read == [0]


def test_windows_are_cut_from_a_page_that_is_read_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{kind}"
    pixels = WRITERS[kind](path)[0]
    with open_image(path) as image:
        layout = StackLayout(image.axes, image.shape)
        index = tuple(0 for _ in layout.leading)
        plane = layout.plane(image.data, index)
        reader = image.data._read
        read: list[int] = []
        whole = reader._whole
        monkeypatch.setattr(reader, "_whole", lambda n: (read.append(n), whole(n))[1])
        height, width = plane.shape[:2]
        for box in ((0, 0, 1, 1), (1, 2, height, width), (height - 1, 0, height, width)):
            top, left, bottom, right = box
            found = layout.window(image.data, index, box)
            np.testing.assert_array_equal(found, plane[top:bottom, left:right])
    # The page of the plane may be at hand from before.
    assert len(read) <= 1
    assert pixels.dtype == plane.dtype


def test_cut_files_give_one_sentence(kind: str, tmp_path: Path) -> None:
    whole, cut = tmp_path / f"a.{kind}", tmp_path / f"cut.{kind}"
    pixels = WRITERS[kind](whole)[0]
    content = whole.read_bytes()
    refused = 0
    for end in (9, 17, 40, 200, 600, *np.linspace(700, len(content) - 1, 12).astype(int)):
        cut.write_bytes(content[:end])
        try:
            with open_image(cut) as image:
                found = image.data[()]
        except InputError as error:
            said = str(error)
            refused += 1
            assert str(cut) in said
            assert "\n" not in said
            assert len(said) < 500
        else:
            # What is missing may only be behind the pixels of the first image.
            np.testing.assert_array_equal(found, pixels)
    assert refused >= 8


def test_damaged_bytes_give_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    WRITERS[kind](path)
    content = path.read_bytes()
    for seed in range(25):
        rng = np.random.default_rng(seed)
        spoilt = bytearray(content)
        for at in rng.integers(10, min(len(content), 30_000), 40):
            spoilt[at] = rng.integers(256)
        path.write_bytes(bytes(spoilt))
        said = ""
        try:
            with open_image(path) as image:
                image.data[(0,) * (len(image.shape) - 2)]
        except InputError as error:
            said = str(error)
        assert "\n" not in said


@pytest.mark.parametrize("name", READERS)
def test_a_missing_package_is_named_with_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{name}"
    WRITERS[name](path)
    monkeypatch.setitem(sys.modules, READERS[name], None)
    with pytest.raises(InputError) as caught:
        open_image(path)
    assert str(caught.value) == (
        f"{path} is a{'n' if name == 'nd2' else ''} {name.upper()} file, which needs the package "
        f'{READERS[name]}: pip install "napari-segany[formats]".'
    )
    # The batch goes on, and says it of this file.
    assert choose_series([path], "all") == [path]


def test_formats_are_told_by_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    WRITERS[kind](path)
    other = path.rename(tmp_path / "a.tif")
    with open_image(other) as image:
        assert image.axes == ABOUT[kind][0]


def test_colours_of_czi_are_red_green_blue(tmp_path: Path) -> None:
    pytest.importorskip("czifile", reason='reading CZI needs the extra "formats"')
    pixels = RNG.integers(0, 255, (8, 9, 3)).astype(np.uint8)
    block: dict[str, Any] = {"pixels": pixels, "row": 3, "col": 4, "place": {}}
    write_czi(tmp_path / "a.czi", [block])
    with open_image(tmp_path / "a.czi") as image:
        assert (image.axes, image.pixel_size) == ("YXS", {})
        np.testing.assert_array_equal(image.data[()], pixels)


def test_every_format_has_a_name_and_its_own_endings() -> None:
    endings = [end for each in FORMATS.values() for end in each.suffixes]
    shared = {end for end in endings if endings.count(end) > 1}
    # Slides are TIFF files as well, and are read as such without the package.
    assert shared <= {".svs", ".ndpi", ".scn"}
    assert all(each.name == name for name, each in FORMATS.items())
