"""Linking from the command line, and measuring it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import Recipe
from napari_segany.cli.main import main

FAST = ["--points-per-side", "2", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    blocks = np.random.default_rng(5).integers(0, 4000, (3, 5, 6)).astype(np.uint16)
    image = blocks.repeat(8, axis=1).repeat(8, axis=2)
    for name, pixels in (("v", image), ("truth", (image > 2000).astype(np.uint8))):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", pixels, photometric="minisblack", metadata={"axes": "ZYX"}
        )
    return tmp_path


def test_linking_is_part_of_the_recipe(tiny: Any, stack: Path, capsys: Any):
    command = ["segment", str(stack / "v.tif"), *FAST]
    link = ["--link", "z", "--max-gap", "2", "--no-fill-gaps"]
    assert main([*command, "-o", str(stack / "a"), *link]) == 0
    recipe = stack / "a" / "v_recipe.json"
    found = Recipe.from_json(recipe.read_bytes()).link
    assert found is not None
    assert (found.max_gap, found.fill_gaps) == (2, False)
    given = ["--recipe", str(recipe), "--min-planes", "3"]
    assert main([*command, "-o", str(stack / "b"), *given]) == 0
    again = Recipe.from_json((stack / "b" / "v_recipe.json").read_bytes()).link
    assert again is not None
    assert (again.max_gap, again.min_planes) == (2, 3)


def test_options_of_linking_need_it(tiny: Any, stack: Path, capsys: Any):
    command = ["segment", str(stack / "v.tif"), "-o", str(stack / "a"), *FAST]
    assert main([*command, "--max-gap", "2"]) == 2
    assert "--max-gap goes with --link z" in capsys.readouterr().err
    assert main([*command, "--link", "z", "--export", "rois"]) == 2
    assert "yolo and overlays" in capsys.readouterr().err


def test_volumes_are_measured_whole(tiny: Any, stack: Path, capsys: Any):
    command = ["evaluate", str(stack / "v.tif"), "--truth", str(stack / "truth.tif"), *FAST]
    command += ["-o", str(stack / "scores")]
    assert main([*command, "--link", "z"]) == 2
    assert "--tasks volumes" in capsys.readouterr().err
    assert main([*command, "--tasks", "volumes", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]["tiny"]
    assert {"3-D msa", "3-D panoptic_quality"} <= set(scores)
    assert scores["planes"] == 3
    kept = sorted((stack / "scores").rglob("candidates_*.npz"))
    times = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 3
    # Other links need no model, and the planes are not searched again.
    assert main([*command, "--tasks", "volumes", "--min-planes", "3"]) == 0
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert sorted((stack / "scores").rglob("candidates_*.npz")) == kept


def test_links_over_time_are_part_of_the_recipe(tiny: Any, stack: Path, capsys: Any):
    command = ["segment", str(stack / "v.tif"), *FAST, "--axes", "TYX"]
    assert main([*command, "-o", str(stack / "a"), "--link", "t", "--max-gap", "2"]) == 0
    recipe = stack / "a" / "v_recipe.json"
    found = Recipe.from_json(recipe.read_bytes())
    assert found.link is None
    assert found.tracks is not None
    assert found.tracks.max_gap == 2
    given = ["--recipe", str(recipe), "--max-distance", "9", "--max-gap", "1"]
    assert main([*command, "-o", str(stack / "b"), *given]) == 0
    again = Recipe.from_json((stack / "b" / "v_recipe.json").read_bytes()).tracks
    assert again is not None
    assert (again.max_gap, again.max_distance) == (1, 9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--max-distance", "3"], "--max-distance goes with --link t"),
        (["--link", "z", "--no-divisions"], "--divisions goes with --link t"),
        (["--link", "t", "--min-planes", "2"], "--min-planes goes with --link z"),
        (["--link", "t", "--export", "rois"], "yolo and overlays"),
    ],
)
def test_options_of_other_links_are_refused(
    tiny: Any, stack: Path, capsys: Any, options: list[str], sentence: str
):
    command = ["segment", str(stack / "v.tif"), "-o", str(stack / "a"), *FAST]
    assert main([*command, *options]) == 2
    assert sentence in capsys.readouterr().err
