"""One plane, some prompts: what was asked is what is written, with everything that decided it."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_segany import Prompt, refine
from napari_segany.cli.main import main
from napari_segany.core.labels import paint

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    coarse = np.random.default_rng(5).integers(0, 4000, (2, 3, 8, 9)).astype(np.uint16)
    image = coarse.repeat(8, axis=2).repeat(8, axis=3)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": "TZYX"})
    return path


def run(stack: Path, *options: str) -> tuple[int, Path]:
    out = stack.parent / "out"
    return main(["prompt", str(stack), *options, "-o", str(out)]), out


def test_points_make_one_object_and_boxes_one_each_on_the_plane_asked_for(tiny, stack, capsys):
    box = ["--box", "5,5,30,30", "--box", "30,30,60,60"]
    code, out = run(stack, "--plane", "1,2", "--point", "20,20", "--point", "50,60,-", *box)

    assert code == 0
    plane = tifffile.imread(stack)[1, 2]
    embedding = tiny.embed(plane)
    # Points one after the other, each refining the answer before.
    clicked = refine(tiny, embedding, Prompt([[20, 20], [50, 60]], [1, 0]))
    boxes = [Prompt(box=[5, 5, 30, 30]), Prompt(box=[30, 30, 60, 60])]
    answers = [clicked, *tiny.predict(embedding, boxes)]
    expected, _ = paint(type(answers[0]).concatenate([a[:1] for a in answers]))
    assert expected.max() > 0
    assert np.array_equal(tifffile.imread(out / "stack_labels.ome.tif"), expected)
    record = json.loads((out / "stack_prompts.json").read_text())
    assert record["plane"] == [1, 2]
    assert record["axes"] == "TZYX"
    assert [p["box"] is None for p in record["prompts"]] == [True, False, False]
    assert record["weights_sha256"] == tiny.weights.sha256
    said = capsys.readouterr().out
    assert said.count("<- kept") == 3
    assert "predicted IoU" in said


def test_all_candidates_are_printed_and_one_is_kept(stack, capsys):
    where = ["--plane", "0,0", "--point", "20,20"]

    run(stack, *where, "--candidate", "2", "--json")
    (answer,) = json.loads(capsys.readouterr().out)["prompts"]

    assert [c["kept"] for c in answer["candidates"]] == [False, True, False]


def test_a_mask_is_a_prompt_too(stack, capsys):
    mask = np.zeros((64, 72), np.uint8)
    mask[10:40, 10:40] = 255
    Image.fromarray(mask).save(stack.parent / "mask.png")

    code, out = run(stack, "--plane", "0,0", "--mask", str(stack.parent / "mask.png"))

    assert code == 0
    (asked,) = json.loads((out / "stack_prompts.json").read_text())["prompts"]
    assert asked["mask"] == "mask.png"
    assert len(asked["mask_sha256"]) == 64
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Nothing was asked for"),
        (["--point", "1,1"], "give --plane with T 0..1, Z 0..2"),
        (["--point", "1,1", "--plane", "1"], "got --plane 1"),
        (["--point", "1,1", "--plane", "2,0"], "got --plane 2,0"),
        (["--point", "1,1", "--axes", "ZYX"], "TZYX 2 x 3 x 64 x 72"),
        (["--point", "99,1", "--plane", "0,0"], "outside the plane"),
        (["--box", "9,9,9,20", "--plane", "0,0"], "min < max"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(options, message, stack, capsys):
    code, out = run(stack, *options)

    assert code == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_earlier_results_stay_unless_told(stack, capsys):
    options = ["--plane", "0,0", "--point", "20,20"]

    assert run(stack, *options)[0] == 0
    assert run(stack, *options)[0] == 2
    assert "is there already; give --overwrite." in capsys.readouterr().err
    assert run(stack, *options, "--overwrite")[0] == 0


def test_a_table_of_another_tool_gives_an_object_a_row(tiny, stack, tmp_path):
    table = tmp_path / "found.csv"
    table.write_text("x1,y1,x2,y2,z\n5,5,30,30,2\n40,30,60,60,2\n5,5,20,20,1\n")
    code, out = run(stack, "--plane", "1,2", "--table", str(table))
    assert code == 0
    plane = tifffile.imread(stack)[1, 2]
    boxes = [Prompt(box=[5, 5, 30, 30]), Prompt(box=[30, 40, 60, 60])]
    answers = tiny.predict(tiny.embed(plane), boxes)
    expected, _ = paint(type(answers[0]).concatenate(answers))
    assert np.array_equal(tifffile.imread(out / "stack_labels.ome.tif"), expected)
    assert len(json.loads((out / "stack_prompts.json").read_text())["prompts"]) == 2


def test_a_table_without_anything_in_the_plane_is_said(stack, tmp_path, capsys):
    table = tmp_path / "found.csv"
    table.write_text("y,x,z\n5,5,7\n")
    code, _ = run(stack, "--plane", "1,2", "--table", str(table))
    assert code == 2
    assert "nothing in plane 1, 2" in capsys.readouterr().err
