"""Options of reading on the command line: images of a file, channels, planes, and guesses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import Recipe
from napari_segany.cli.main import main

pytestmark = pytest.mark.usefixtures("tiny")

FAST = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


def blocks(seed: int, top: int = 250) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, top, (8, 9)).repeat(8, axis=0).repeat(8, axis=1)


def segment(path: Path | str, out: Path, *options: str) -> int:
    return main(["segment", str(path), "-o", str(out), *FAST, *options])


def labels(out: Path, name: str) -> np.ndarray:
    found: np.ndarray = tifffile.imread(out / f"{name}_labels.ome.tif")
    return found


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    path = tmp_path / "scenes.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for n in range(3):
            writer.write(
                blocks(n)[: 40 + 8 * n].astype(np.uint8),
                metadata={"Name": f"scene {n}"},
                photometric="minisblack",
            )
    return path


def test_the_first_image_is_taken_and_all_are_listed(scenes, tmp_path, capsys):
    assert segment(scenes, tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert said.count("note: ") == 1
    assert "--series N takes another" in said
    assert all(f"{n} (scene {n}): YX {40 + 8 * n} x 72 uint8" in said for n in range(3))
    assert labels(tmp_path / "out", "scenes").shape == (40, 72)


@pytest.mark.parametrize("command", ["segment", "edges", "proposals"])
def test_all_images_of_a_file_each_with_its_results(command, scenes, tmp_path, capsys):
    out = tmp_path / "out"
    options = FAST if command == "segment" else ["--points-per-side", "2"]
    assert main([command, str(scenes), "-o", str(out), "--series", "all", *options]) == 0
    assert "note" not in capsys.readouterr().err
    ending = {"segment": "labels.ome.tif", "edges": "edges.ome.tif"}.get(command, "proposals.json")
    assert sorted(path.name for path in out.glob(f"scenes*_{ending}")) == [
        f"scenes_s{n}_{ending}" for n in range(3)
    ]
    if command == "segment":
        assert [labels(out, f"scenes_s{n}").shape[0] for n in range(3)] == [40, 48, 56]
        assert main([command, str(scenes), "-o", str(out), "--series", "all", *options]) == 0
        assert capsys.readouterr().out.count("done before") == 4


def test_one_image_of_a_file(scenes, tmp_path, capsys):
    out = tmp_path / "out"
    assert segment(scenes, out, "--series", "2") == 0
    assert labels(out, "scenes_s2").shape == (56, 72)
    assert segment(scenes, out, "--series", "3") == 1
    assert "There is no image 3" in capsys.readouterr().err
    given = ["--series", "1", "--point", "20,20"]
    assert main(["prompt", str(scenes), "-o", str(out), *given]) == 0
    assert labels(out, "scenes_s1").shape == (48, 72)
    assert json.loads((out / "scenes_s1_prompts.json").read_text())["image"] == "scenes.ome.tif[1]"
    assert main(["prompt", str(scenes), "-o", str(out), "--series", "all", "--point", "2,2"]) == 2
    assert "give --series 0..2" in capsys.readouterr().err
    assert main(["segment", str(scenes), "-o", str(out), "--series", "one"]) == 2
    assert "There is no image 'one' in" in capsys.readouterr().err
    assert main(["segment", str(scenes), "-o", str(out), "--series", "-1"]) == 2


def test_evaluate_takes_the_image_that_is_meant(scenes, tmp_path, capsys):
    truth = tmp_path / "truth"
    truth.mkdir()
    tifffile.imwrite(truth / "scenes_s1_labels.tif", (blocks(1)[:48] > 120).astype(np.uint16))
    given = ["--truth", str(truth), "-o", str(tmp_path / "out"), "--tasks", "boxes"]
    assert main(["evaluate", str(scenes), "--series", "1", *given]) == 0


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX", "ZYXC", "ZYCX"])
@pytest.mark.parametrize(("channel", "names"), [("1", [""]), ("1,0", ["_1", "_0"])])
def test_channels_in_any_place(axes, channel, names, tmp_path):
    image = np.stack([np.stack([blocks(2 * z + c) for c in range(2)]) for z in range(3)])
    stack = image.astype(np.uint16).transpose(["ZCYX".index(axis) for axis in axes])
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": axes})
    out = tmp_path / "out"
    assert segment(path, out, "--channel", channel) == 0
    wanted = [int(c) for c in channel.split(",")]
    seen = np.zeros((3, 64, 72, 3), np.uint16)
    seen[..., : len(wanted)] = image[:, wanted].transpose(0, 2, 3, 1)
    alone = tmp_path / "alone.tif"
    if len(wanted) == 1:
        plain = image[:, 1].astype(np.uint16)
        tifffile.imwrite(alone, plain, photometric="minisblack", metadata={"axes": "ZYX"})
    else:
        tifffile.imwrite(alone, seen, photometric="rgb", metadata={"axes": "ZYXS"})
    assert segment(alone, out) == 0
    found = labels(out, "stack")
    assert found.shape == (3, 64, 72)
    assert np.array_equal(found, labels(out, "alone"))
    header = (out / "stack_table.csv").read_text().splitlines()[0].split(",")
    assert [name for name in header if name.startswith("intensity_mean")] == [
        f"intensity_mean{name}" for name in names
    ]
    recipe = Recipe.from_json((out / "stack_recipe.json").read_text())
    assert recipe.channels == tuple(wanted)


def test_two_channels_between_given_limits(tmp_path):
    image = np.stack([blocks(0), blocks(1)]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"axes": "CYX"})
    out = tmp_path / "out"
    assert segment(tmp_path / "a.tif", out, "--channel", "0,1", "--normalise", "0,99,5,250") == 0
    recipe = Recipe.from_json((out / "a_recipe.json").read_text())
    assert recipe.normalise == ((0.0, 99.0), (5.0, 250.0), (0.0, 1.0))
    again = ["--recipe", str(out / "a_recipe.json"), "--overwrite"]
    assert main(["segment", str(tmp_path / "a.tif"), "-o", str(out), *again]) == 0


def test_white_as_zero_gives_the_objects_of_its_inverse(tmp_path):
    image = blocks(4).astype(np.uint8)
    tifffile.imwrite(tmp_path / "black.tif", image, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white.tif", ~image, photometric="miniswhite")
    for name in ("black", "white"):
        assert segment(tmp_path / f"{name}.tif", tmp_path / "out") == 0
    first, second = (labels(tmp_path / "out", name) for name in ("black", "white"))
    assert first.any()
    assert np.array_equal(first, second)


def test_four_slices_as_planar_colours_stay_four(tmp_path, capsys):
    image = np.stack([blocks(n) for n in range(4)]).astype(np.uint8)
    options: Any = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "a.tif", image, extrasamples=["unassalpha"], **options)
    assert segment(tmp_path / "a.tif", tmp_path / "out") == 0
    assert "taken as planes; --axes SYX takes them as colours" in capsys.readouterr().err
    assert labels(tmp_path / "out", "a").shape == (4, 64, 72)
    assert segment(tmp_path / "a.tif", tmp_path / "colours", "--axes", "SYX") == 0
    assert labels(tmp_path / "colours", "a").shape == (64, 72)


def test_a_palette_is_read_as_it_is_asked_for(tmp_path, capsys):
    values = np.arange(256)
    table = np.stack([values * 37 % 256, values * 91 % 256, values * 53 % 256]) * 257
    image = blocks(4).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric="palette", colormap=table.astype(np.uint16)
    )
    tifffile.imwrite(tmp_path / "values.tif", image, photometric="minisblack")
    assert segment(tmp_path / "a.tif", tmp_path / "out", "--axes", "YX") == 0
    assert segment(tmp_path / "values.tif", tmp_path / "out") == 0
    assert np.array_equal(labels(tmp_path / "out", "a"), labels(tmp_path / "out", "values"))
    assert segment(tmp_path / "a.tif", tmp_path / "colours") == 0
    assert "--axes YX takes the values" in capsys.readouterr().err
    recipe = Recipe.from_json((tmp_path / "colours" / "a_recipe.json").read_text())
    assert recipe.axes == "YXS"


def test_what_cannot_be_read_is_told_before_anything_is_computed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_segany.models.registry.load_model", None)
    six = tmp_path / "six.tif"
    tifffile.imwrite(six, np.zeros((2, 2, 2, 2, 20, 30), np.uint8), photometric="minisblack")
    for given, message in (
        (six, "too many dimensions"),
        ("https://example.org/data/a.ome.zarr", "is an address; only files on this machine"),
        ("s3://bucket/a.tif", "is an address; only files on this machine"),
    ):
        assert segment(given, tmp_path / "out") == 1
        assert message in capsys.readouterr().err
        assert main(["prompt", str(given), "--point", "1,1", "-o", str(tmp_path / "out")]) == 2
        capsys.readouterr()


@pytest.mark.parametrize(
    ("axes", "shape", "given", "index"),
    [
        ("TYX", (5,), "0,3", [3]),
        ("TYX", (5,), "3", [3]),
        ("TYX", (5,), "0,0,3", [3]),
        ("TZYX", (1, 5), "3", [0, 3]),
        ("TZYX", (2, 5), "1,3", [1, 3]),
        ("YX", (), "0", []),
    ],
)
def test_a_plane_by_its_place_in_a_viewer(axes, shape, given, index, tmp_path):
    path = tmp_path / "a.tif"
    image = np.broadcast_to(blocks(0).astype(np.uint16), (*shape, 64, 72))
    tifffile.imwrite(path, image, photometric="minisblack", metadata={"axes": axes})
    out = tmp_path / "out"
    given = ["--plane", given, "--axes", axes, "--point", "20,20"]
    assert main(["prompt", str(path), "-o", str(out), *given]) == 0
    assert json.loads((out / "a_prompts.json").read_text())["plane"] == index


@pytest.mark.parametrize("given", ["1,3", "5", "0,5"])
def test_a_plane_that_is_not_there(given, tmp_path, capsys):
    path = tmp_path / "a.tif"
    image = np.zeros((5, 64, 72), np.uint16)
    tifffile.imwrite(path, image, photometric="minisblack", metadata={"axes": "TYX"})
    options = ["--plane", given, "--point", "20,20", "-o", str(tmp_path / "out")]
    assert main(["prompt", str(path), *options]) == 2
    assert f"give --plane with T 0..4, got --plane {given}" in capsys.readouterr().err
