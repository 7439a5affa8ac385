"""Segmentation by text from the command line to table, COCO file, recipe and resumed run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from tests.generators.test_text import StubDetector
from tests.text_models import tiny_folder

from napari_segany import Recipe, TextParams, segment_text
from napari_segany.cli.main import main
from napari_segany.weights.text_folders import import_folder


@pytest.fixture
def detector(cache: Path, tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> StubDetector:
    import_folder(tiny_folder("owlv2"))
    stub = StubDetector()
    monkeypatch.setattr("napari_segany.generators.text.load_text_model", lambda *_: stub)
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    return stub


@pytest.fixture
def image(tmp_path: Path) -> Path:
    plane = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "car.tif", plane)
    return tmp_path / "car.tif"


def test_phrases_become_classes_of_all_files(
    detector: StubDetector, image: Path, tiny_model: Any, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    command = ["text", str(image), "grille", "wheel", "-o", str(out), "--box-nms-thresh", "1"]
    command += ["--min-visible", "0", "--export", "coco"]
    assert main(command) == 0
    table = pd.read_csv(out / "car_table.csv")
    masks = segment_text(
        tifffile.imread(image), ["grille", "wheel"], tiny_model, TextParams(box_nms_thresh=1)
    )
    assert masks.classes is not None
    assert set(table["class"]) == {"grille", "wheel"}
    assert sorted(table["class_score"].round(3)) == [0.6, 0.9]
    coco = json.loads((out / "car_coco.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "grille"}, {"id": 2, "name": "wheel"}]
    names = {each["id"]: each["name"] for each in coco["categories"]}
    assert [names[each["category_id"]] for each in coco["annotations"]] == table["class"].tolist()
    recipe = Recipe.from_json((out / "car_recipe.json").read_text())
    assert isinstance(recipe.params, TextParams)
    assert recipe.params.text == ("grille", "wheel")

    # The same by the other command, by the recipe, and not again.
    before = (out / "car_labels.ome.tif").read_bytes()
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["status"] == "skipped"
    for number, more in enumerate(
        (
            ["--text", "grille", "wheel", "--box-nms-thresh", "1", "--min-visible", "0"],
            ["--recipe", str(out / "car_recipe.json")],
        )
    ):
        again = tmp_path / f"again{number}"
        assert main(["segment", str(image), "-o", str(again), *more]) == 0
        assert (again / "car_labels.ome.tif").read_bytes() == before
        assert (again / "car_table.csv").read_bytes() == (out / "car_table.csv").read_bytes()


def test_a_phrase_without_an_object_is_told_and_leaves_a_table_with_its_columns(
    detector: StubDetector, image: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    command = ["text", str(image), "grille", "wheel", "-o", str(out), "--text-threshold", "0.95"]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "Nothing above 0.95 for 'grille'; the best score was 0.90: lower the text thr" in said
    assert "Nothing above 0.95 for 'wheel'; the best score was 0.60" in said
    assert {"class", "class_score"} <= set(pd.read_csv(out / "car_table.csv").columns)
    assert tifffile.imread(out / "car_labels.ome.tif").max() == 0


def test_without_a_text_model_the_command_says_what_to_do(
    cache: Path, tiny_model: Any, image: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    assert main(["text", str(image), "grille", "-o", str(cache / "out")]) == 2
    said = capsys.readouterr().err
    assert "No text model is on this machine; fetch one with: napari-segany models fetch ow" in said


def test_options_of_text_choose_it(
    detector: StubDetector, image: Path, tmp_path: Path, capsys: Any
) -> None:
    command = ["segment", str(image), "-o", str(tmp_path / "out")]
    assert main([*command, "--strategy", "grid", "--text", "grille"]) == 2
    assert "--text goes with the strategy text, not with --strategy grid" in capsys.readouterr().err
    assert main([*command, "--strategy", "text"]) == 2
    assert "Nothing was asked for: give one or more phrases" in capsys.readouterr().err


def test_text_models_from_the_command_line(cache: Path, capsys: Any) -> None:
    folder = tiny_folder("owlv2")
    assert main(["models", "import", str(folder), "--name", "mine"]) == 0
    target = cache / "text" / "mine"
    assert capsys.readouterr().out == f"mine\t{target}\t(imported; owlv2)\n"
    assert main(["models", "list", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"]["cached"]
    assert rows["owlv2_base"]["licence"] == "Apache-2.0"
    assert not rows["owlv2_base"]["cached"]
    assert main(["models", "verify"]) == 0
    assert capsys.readouterr().out.startswith("mine\tok\tsha256 ")
    assert main(["models", "path", "mine"]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    weights = target / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    assert main(["models", "verify", "mine"]) == 1
    assert "model.safetensors is damaged" in capsys.readouterr().err


def test_stacks_plane_by_plane_and_linked(
    detector: StubDetector, tmp_path: Path, tiny_model: Any, capsys: Any
) -> None:
    stack = np.random.default_rng(1).integers(0, 255, (3, 40, 56)).astype(np.float32)
    # A plane without pixels, as registration leaves it.
    stack[0] = np.nan
    path, out = tmp_path / "stack.tif", tmp_path / "out"
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX"})
    command = ["segment", str(path), "--text", "grille", "wheel", "--box-nms-thresh", "1"]
    command += ["--min-visible", "0", "-o", str(out)]
    assert main(command) == 0
    table = pd.read_csv(out / "stack_table.csv")
    assert set(table["plane"]) == {1, 2}
    assert [set(rows["class"]) for _, rows in table.groupby("plane")] == [{"grille", "wheel"}] * 2
    linked = tmp_path / "linked"
    assert main([*command[:-1], str(linked), "--link", "z"]) == 0
    labels = tifffile.imread(linked / "stack_labels.ome.tif")
    assert labels.max() > 0
    objects = pd.read_csv(linked / "stack_table.csv")
    assert set(objects["class"]) <= {"grille", "wheel"}
    assert objects["class_score"].between(0, 1).all()
