"""The strategy that the model chooses, from the command line to report, recipe and scores."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.generators.squares import SHA256, spots, use_squares

from napari_segany import AutomaticParams, FinderParams, Recipe, segment_everything
from napari_segany.batch.manifest import ResultStore
from napari_segany.batch.report import read_strategies
from napari_segany.cli.main import main

NO_FINDER = (
    "No finder was trained for tiny: strategy 'grid', the method of the Segment Anything paper."
)
"""Line about a model without a finder."""


@pytest.fixture
def image(tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image of six spots, which every command segments with the tiny model."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    # As many points as by default would take seconds.
    few = partial(AutomaticParams, points_per_side=3)
    monkeypatch.setattr("napari_segany.generators.default_params.AutomaticParams", few)
    tifffile.imwrite(tmp_path / "a.tif", spots())
    return tmp_path / "a.tif"


def read_recipe(folder: Path) -> Recipe:
    return Recipe.from_json((folder / "a_recipe.json").read_text(encoding="utf-8"))


def test_the_finder_is_the_default_where_it_fits(
    image: Path, tiny_model: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_squares(monkeypatch)
    out = tmp_path / "out"
    command = ["segment", str(image), "-o", str(out)]
    assert main([*command, "--min-solidity", "0.5"]) == 0
    said = capsys.readouterr().err
    assert said.count("in one pass, with the finder trained for tiny. Choose strategy 'grid'") == 1
    params = FinderParams(finder=SHA256, pred_iou_thresh=0.5, min_area=10, min_solidity=0.5)
    assert read_recipe(out).params == params
    labels = tifffile.imread(out / "a_labels.ome.tif")
    assert labels.max() == 6
    python = segment_everything(spots(), None, tiny_model, FinderParams(min_solidity=0.5))
    assert np.array_equal(labels, python)
    assert "Strategy: finder" in (out / "segany_report.html").read_text(encoding="utf-8")
    (out / "segany_report.html").unlink()
    assert main([*command, "--min-solidity", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["status"] == "skipped"


def test_the_grid_is_the_default_elsewhere(image: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["segment", str(image), "-o", str(tmp_path / "out"), "--pred-iou-thresh", "0.5"]
    assert main(command) == 0
    assert NO_FINDER in capsys.readouterr().err
    params = read_recipe(tmp_path / "out").params
    assert isinstance(params, AutomaticParams)
    assert params.pred_iou_thresh == 0.5
    out = tmp_path / "out"
    assert read_strategies(out, ResultStore(out).all()) == {"a": "grid"}


@pytest.mark.parametrize("words", [("--strategy", "adaptive"), ("--points-per-side", "3")])
def test_a_strategy_that_was_named_is_not_told(
    image: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, words: Any
) -> None:
    use_squares(monkeypatch)
    assert main(["segment", str(image), "-o", str(tmp_path / "out"), *words]) == 0
    assert "inder" not in capsys.readouterr().err
    assert isinstance(read_recipe(tmp_path / "out").params, AutomaticParams)


def test_the_published_set_of_masks_is_that_of_the_grid(
    image: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_squares(monkeypatch)
    command = ["segment", str(image), "-o", str(tmp_path / "out"), "--faithful"]
    assert main(command) == 0
    assert "inder" not in capsys.readouterr().err
    assert isinstance(read_recipe(tmp_path / "out").params, AutomaticParams)
    assert main([*command, "--strategy", "finder"]) == 2
    assert "Only the point generators can be faithful" in capsys.readouterr().err


def test_a_finder_that_is_not_here_is_told(image: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["segment", str(image), "-o", str(tmp_path / "out"), "--strategy", "finder"]
    assert main(command) == 2
    assert "No finder on this machine fits the image encoder of tiny" in capsys.readouterr().err


def test_scores_are_those_of_the_models_strategy(
    image: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a_labels.tif", spots())
    command = ["evaluate", str(image), "--truth", str(tmp_path / "a_labels.tif")]
    command += ["-o", str(tmp_path / "scores"), "--tasks", "automatic", "--json"]

    def score() -> tuple[float, str]:
        assert main(command) == 0
        out, err = capsys.readouterr()
        return json.loads(out)["scores"]["tiny"]["msa"], err

    before, said = score()
    assert "No finder was trained for tiny: strategy 'grid'" in said
    use_squares(monkeypatch)
    after, said = score()
    assert "the finder trained for tiny" in said
    about = json.loads((tmp_path / "scores" / "evaluation.json").read_text(encoding="utf-8"))
    assert about["params"]["tiny"]["finder"] == SHA256
    assert after == 1 > before, "results of another strategy are not taken for these"
