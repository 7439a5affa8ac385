"""Contrast limits, gamma and colours as options: the model sees what a viewer shows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import AutomaticParams, Display, Recipe, segment_everything
from napari_segany.cli.main import main

DATA = np.random.default_rng(4).integers(0, 4000, (2, 60, 70)).astype(np.uint16)
SHOWN = Display(((500, 3000), (0, 2000)), (0.5, 2), ("green", "#ff00ff"))
OPTIONS = ["--normalise=500,3000,0,2000", "--gamma", "0.5,2", "--colour", "green,#ff00ff"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, DATA, ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    return path


def test_options_make_the_labels_of_python(tiny: Any, image: Path, tmp_path: Path) -> None:
    params = AutomaticParams(
        points_per_side=5, pred_iou_thresh=0, stability_score_thresh=0, min_area=0
    )
    given: Any = {"axes": "CYX", "model": tiny, "params": params, "channels": (0, 1)}
    wanted = segment_everything(DATA, **given, normalise=SHOWN)
    assert wanted.any()
    assert not np.array_equal(wanted, segment_everything(DATA, **given))
    words = ["segment", str(image), "--channel", "0,1", "-o", str(tmp_path / "out"), "--quiet"]
    words += ["--strategy", "grid", "--points-per-side", "5", "--pred-iou-thresh", "0"]
    words += ["--stability-score-thresh", "0", "--min-area", "0"]
    assert main([*words, *OPTIONS]) == 0
    assert np.array_equal(tifffile.imread(tmp_path / "out/cells_labels.ome.tif"), wanted)
    recipe = tmp_path / "out/cells_recipe.json"
    kept = Recipe.from_json(recipe.read_text()).normalise
    assert isinstance(kept, Display)
    assert (kept.gamma, kept.colours) == (SHOWN.gamma, SHOWN.colours)
    # A recipe's gamma and colours stay unless others are given.
    again = [*words[:2], "--recipe", str(recipe), "--quiet", "-o"]
    assert main([*again, str(tmp_path / "same")]) == 0
    assert np.array_equal(tifffile.imread(tmp_path / "same/cells_labels.ome.tif"), wanted)
    assert main([*again, str(tmp_path / "other"), "--gamma", "1"]) == 0
    other = Recipe.from_json((tmp_path / "other/cells_recipe.json").read_text()).normalise
    assert isinstance(other, Display)
    assert (other.limits, other.gamma, other.colours) == (kept.limits, (1.0,), kept.colours)


def test_prompt_and_propagate_take_them_too(tiny: Any, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, DATA, imagej=True, metadata={"axes": "ZYX"})
    words = [str(path), "--plane", "0", "--point", "30,30", "-o", str(tmp_path)]
    shown = ["--normalise=500,3000", "--gamma", "0.5"]
    assert main(["prompt", *words, *shown]) == 0
    written = {"limits": [[500.0, 3000.0]], "gamma": [0.5], "colours": []}
    assert json.loads((tmp_path / "stack_prompts.json").read_text())["normalise"] == written
    assert main(["propagate", *words, *shown]) == 0
    assert json.loads((tmp_path / "stack_propagated.json").read_text())["normalise"] == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gamma", "0"], "above 0"),
        (["--gamma", "a"], "numbers"),
        (["--colour", "red"], "two or three"),
        (["--colour", "red,puce"], "puce"),
    ],
)
def test_impossible_options_are_refused(
    options: list[str], message: str, image: Path, tmp_path: Path, capsys: Any
) -> None:
    assert main(["segment", str(image), "-o", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err


def test_gamma_must_fit_the_channels(tiny: Any, image: Path, tmp_path: Path, capsys: Any) -> None:
    words = ["segment", str(image), "-o", str(tmp_path / "out"), "--gamma", "1,2,3"]
    assert main([*words, "--channel", "0,1"]) == 1
    assert "gamma has 3 values for 2 channels" in capsys.readouterr().err
