"""Examples on the command line: boxes and labels, the recipe that holds them, and refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import ExemplarParams, Recipe, make_examples, segment_everything
from napari_segany.classification.class_set import ClassSet, usual_classes
from napari_segany.cli.main import main


@pytest.fixture(autouse=True)
def _tiny(cache: Path, tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / "one.tif", tmp_path / "two.tif"]
    for path in paths:
        tifffile.imwrite(path, rng.integers(0, 255, (40, 56)).astype(np.uint8))
    labels = np.zeros((40, 56), np.uint16)
    labels[4:14, 5:20], labels[20:30, 5:20] = 3, 8
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    return paths


LOOSE = ["--pred-iou-thresh", "0", "--points", "4"]


def test_a_box_finds_the_same_as_python_and_the_recipe(
    images: list[Path], tmp_path: Path, tiny_model: Any
) -> None:
    out = tmp_path / "out"
    command = ["segment", *map(str, images), "-o", str(out), "--like-box", "3,4,30,40", *LOOSE]
    assert main([*command, "--unlike-box", "0,0,8,9"]) == 0
    recipe = Recipe.from_json((out / "two_recipe.json").read_text())
    assert isinstance(recipe.params, ExemplarParams)
    examples = make_examples(
        tiny_model,
        tifffile.imread(images[0]),
        boxes=(3, 4, 30, 40),
        unlike_boxes=(0, 0, 8, 9),
    )
    assert recipe.params.examples == examples
    labels = segment_everything(tifffile.imread(images[1]), params=recipe.params, model=tiny_model)
    np.testing.assert_array_equal(tifffile.imread(out / "two_labels.ome.tif"), labels)
    again = tmp_path / "again"
    words = ["segment", str(images[1]), "-o", str(again), "--recipe", str(out / "two_recipe.json")]
    assert main(words) == 0
    name = "two_labels.ome.tif"
    assert (again / name).read_bytes() == (out / name).read_bytes()
    # The recipe's examples, and one more.
    more = tmp_path / "more"
    words = ["segment", str(images[1]), "-o", str(more), "--like-box", "2,2,20,20"]
    assert main([*words, "--recipe", str(out / "two_recipe.json")]) == 0
    recipe = Recipe.from_json((more / "two_recipe.json").read_text())
    assert isinstance(recipe.params, ExemplarParams)
    assert recipe.params.examples is not None
    assert recipe.params.examples.summary == "2 examples, 1 not wanted"


@pytest.mark.parametrize(("ids", "count"), [("", 2), (":8", 1), (":3,8", 2)])
def test_labels_are_examples(images: list[Path], tmp_path: Path, ids: str, count: int) -> None:
    out = tmp_path / "out"
    like = f"{tmp_path / 'labels.tif'}{ids}"
    assert main(["segment", str(images[0]), "-o", str(out), "--like", like, *LOOSE]) == 0
    recipe = json.loads((out / "one_recipe.json").read_text())
    assert len(recipe["params"]["examples"]["examples"]) == count
    assert recipe["params"]["strategy"] == "exemplars"
    # A recipe is a file of examples, too.
    words = ["segment", str(images[0]), "-o", str(tmp_path / "b"), *LOOSE]
    assert main([*words, "--examples", str(out / "one_recipe.json")]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--like-box", "1,2,9,9", "--strategy", "grid"], "not with --strategy grid"),
        (["--unlike-box", "1,2,9,9"], "Only negatives were given"),
        (["--like", "labels.tif:5"], "has no object 5"),
        (["--strategy", "exemplars"], "No example was given"),
        (["--examples", "one.tif"], "--examples"),
    ],
)
def test_what_is_no_example_is_refused(
    images: list[Path],
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["segment", str(images[0]), "-o", str(tmp_path / "out"), *words]) != 0
    assert message in capsys.readouterr().err


def test_classes_of_a_recipe_are_in_tables_and_exports(
    images: list[Path], tmp_path: Path, tiny_model: Any
) -> None:
    plane = tifffile.imread(images[0])
    labels = tifffile.imread(tmp_path / "labels.tif")
    examples = make_examples(tiny_model, plane, labels=labels)
    classes = ClassSet(
        tiny_model.id,
        tiny_model.weights.sha256,
        usual_classes(("upper", "lower")),
        examples.examples,
        (0, 1),
    )
    params = ExemplarParams(examples=examples, pred_iou_thresh=0.0, points=4)
    recipe = Recipe(tiny_model.id, tiny_model.weights.sha256, params, classes=classes)
    path = tmp_path / "recipe.json"
    path.write_text(recipe.to_json())
    out = tmp_path / "out"
    words = ["segment", str(images[0]), "-o", str(out), "--recipe", str(path)]
    assert main([*words, "--export", "coco", "geojson"]) == 0
    table = (out / "one_table.csv").read_text().splitlines()
    at = table[0].split(",").index("class")
    assert {row.split(",")[at] for row in table[1:]} <= {"upper", "lower"}
    assert len(table) > 1
    coco = json.loads((out / "one_coco.json").read_text())
    assert [each["name"] for each in coco["categories"]] == ["upper", "lower"]
    written = Recipe.from_json((out / "one_recipe.json").read_text())
    assert written.classes == classes
