"""One plane, some prompts: what was asked is what is written, with everything that decided it."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pyarrow import parquet

from napari_segany import MultiViewModel, Prompt, TiledModel, refine
from napari_segany.cli.main import main
from napari_segany.core.image_source import ArraySource
from napari_segany.core.masks import MaskSet
from napari_segany.core.plane_windows import SourcePlane
from napari_segany.core.rasterize import paint, paint_sources

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
        ([], "There is no prompt"),
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


def test_another_channel_and_every_row_of_a_table_are_other_questions(tiny, tmp_path, capsys):
    image, table = tmp_path / "a.tif", tmp_path / "a.csv"
    tifffile.imwrite(image, np.arange(2 * 30 * 40, dtype=np.uint16).reshape(2, 30, 40) % 251,
                     photometric="minisblack", metadata={"axes": "CYX"})  # fmt: skip
    table.write_text("x1,y1,x2,y2\n2,3,20,25\n")
    command = ["prompt", str(image), "-o", str(tmp_path / "out")]
    questions = [
        ["--point", "9,9"],
        ["--point", "9,9", "--channel", "1"],
        ["--table", str(table)],
        ["--table", str(table), "--keep-rows"],
    ]

    assert [main([*command, *each]) for each in questions] == [0] * 4
    assert [main([*command, *each]) for each in questions] == [2] * 4

    assert capsys.readouterr().err.count("is there already") == 4
    assert len(list((tmp_path / "out").glob("*_prompts.json"))) == 4


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
    table.write_text("y,x,z\n5,5,1\n")
    code, _ = run(stack, "--plane", "1,2", "--table", str(table))
    assert code == 2
    assert "nothing in plane 1, 2" in capsys.readouterr().err
    table.write_text("y,x,z\n5,5,7\n")
    code, _ = run(stack, "--plane", "1,2", "--table", str(table))
    assert code == 2
    assert "row 1 (line 2): z 7 is not there: the image has planes 0..2" in capsys.readouterr().err


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_how_a_table_was_understood_is_one_line_and_bad_rows_are_named(stack, tmp_path, capsys):
    table = tmp_path / "Results.csv"
    table.write_text(
        " ,Area,X,Y,BX,BY,Width,Height,Slice\n"
        "1,9,5,5,5,5,26,26,3\n2,9,5,5,5,5,0,9,3\n3,9,5,5,5,5,9,9,1\n"
    )
    where = ["--plane", "0,2", "--axes", "TZYX"]
    code, out = run(stack, *where, "--table", str(table))
    assert code == 2
    assert "which plane a slice is cannot be known" in capsys.readouterr().err
    table.write_text(table.read_text().replace("Slice", "Z"))
    code, out = run(stack, *where, "--table", str(table))
    assert code == 0
    said = capsys.readouterr()
    assert (
        "Results.csv: ImageJ results: boxes from BX, BY, Width, Height; planes from Z, counted "
        "from 1 (--table-dialect and --first-plane override this)\n" in said.err
    )
    assert "1 of 3 skipped: row 2 (line 3): its box has no area." in said.err
    assert "1 of 2 lie in this plane." in said.err
    assert "row 1 (line 2): Prompt(box [5.0, 5.0, 30.0, 30.0])" in said.out
    record = json.loads((out / "stack_prompts.json").read_text())
    assert record["prompts"][0]["row"] == 1
    assert record["prompts"][0]["box"] == [5, 5, 30, 30]
    assert record["table"]["skipped"] == ["row 2 (line 3): its box has no area"]
    code, _ = run(stack, *where, "--table", str(table), "--first-plane", "0", "--overwrite")
    assert code == 2
    assert "row 1 (line 2): Z 3 is not there" in capsys.readouterr().err


@pytest.fixture
def crowded(monkeypatch, tmp_path) -> Path:
    """A table of four boxes, whose second object lies below the first and whose third is empty."""
    squares = [(5, 5, 30, 30), (8, 8, 27, 27), None, (40, 40, 60, 60)]

    def predict(self, embedding, prompts, **_):
        found = []
        for prompt in prompts:
            mask = np.zeros((1, 64, 72), bool)
            square = squares[int(prompt.box[0])]
            if square is not None:
                a, b, c, d = square
                mask[0, a:c, b:d] = True
            found.append(MaskSet.from_masks(mask, [0.5], [0.75]))
        return found

    monkeypatch.setattr("napari_segany.SamModel.predict", predict)
    monkeypatch.setattr(
        "napari_segany.cli.prompt_results.paint", partial(paint, overlap="large_on_top")
    )
    sources = partial(paint_sources, overlap="large_on_top")
    monkeypatch.setattr("napari_segany.cli.prompt_results.paint_sources", sources)
    table = tmp_path / "found.csv"
    rows = [f"{name},0,{n},9,{n + 9}\n" for n, name in enumerate(["=a", "7", "8", "9"])]
    table.write_text("id,x1,y1,x2,y2\n" + "nan,5,5,5,5\n" + "".join(rows))
    return table


def test_rows_without_an_object_are_named_with_the_reason(stack, crowded, capsys):
    code, out = run(stack, "--plane", "0,0", "--table", str(crowded))
    assert code == 0
    said = capsys.readouterr()
    assert (
        "2 of 4 prompts have no object: row 3 (line 4) (100% of it is covered by row 2 (line 3)), "
        "row 4 (line 5) (the answer is empty).\n" in said.err
    )
    assert "2 objects in" in said.out
    rows = rows_of(out / "stack_table.csv")
    assert [(r["label"], r["input_row"], r["input_id"]) for r in rows] == [
        ("1", "2", "'=a"),
        ("2", "5", "9"),
    ]
    record = json.loads((out / "stack_prompts.json").read_text())
    assert list(record["without_object"]) == ["row 3 (line 4)", "row 4 (line 5)"]
    run(stack, "--plane", "0,0", "--table", str(crowded), "--overwrite", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["without_object"]["row 4 (line 5)"] == "the answer is empty"
    assert answer["table"]["skipped"] == ["row 1 (line 2): its box has no area"]
    assert answer["objects"] == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_row_can_be_kept(stack, crowded, capsys, kind):
    options = ["--keep-rows", "--export", "coco", "rois", "yolo", "masks", "overlays"]
    options += ["--table-format", kind]
    code, out = run(stack, "--plane", "0,0", "--table", str(crowded), *options)
    assert code == 0
    assert "2 objects in" in capsys.readouterr().out
    labels = tifffile.imread(out / "stack_labels.ome.tif")
    assert np.unique(labels).tolist() == [0, 2, 5]
    assert (labels[5:30, 5:30] == 2).all()
    coco = json.loads((out / "stack_coco.json").read_text())
    # Masks are whole there, also those that are covered.
    assert [each["id"] for each in coco["annotations"]] == [2, 3, 5]
    if kind == "parquet":
        table = parquet.read_table(out / "stack_table.parquet").to_pydict()
        assert table["input_row"] == [1, 2, 3, 4, 5]
        assert table["area"] == [0, 625, 0, 0, 400]
        assert table["input_id"] == ["nan", "=a", "7", "8", "9"]
        return
    rows = rows_of(out / "stack_table.csv")
    assert [r["label"] for r in rows] == ["1", "2", "3", "4", "5"] == [r["input_row"] for r in rows]
    assert [r["area"] for r in rows] == ["0", "625", "0", "0", "400"]
    assert [r["centroid_row"] for r in rows] == ["", "17", "", "", "49.5"]
    assert [r["row_min"] for r in rows] == ["", "5", "", "", "40"]
    assert [r["predicted_iou"] for r in rows] == ["", "0.5", "0.5", "0.5", "0.5"]
    assert [r["input_id"] for r in rows] == ["nan", "'=a", "7", "8", "9"]


def test_boxes_without_an_object_are_named_too(stack, crowded, capsys):
    boxes = [f"--box={n},0,9,9" for n in range(4)]
    code, out = run(stack, "--plane", "0,0", *boxes)
    assert code == 0
    assert "2 of 4 prompts have no object: box 2 (100% of it is" in capsys.readouterr().err
    assert "input_row" not in rows_of(out / "stack_table.csv")[0]


def test_ids_of_64_bits_stay_what_they_are(stack, crowded, capsys):
    text = crowded.read_text().replace("=a", "18446744073709551615").replace("nan", "1")
    crowded.write_text(text.replace("id,", "label,"))
    _, out = run(stack, "--plane", "0,0", "--table", str(crowded), "--table-format", "parquet")
    table = parquet.read_table(out / "stack_table.parquet").to_pydict()
    assert table["input_id"] == [18446744073709551615, 9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep-rows", "--point", "1,1"], "--keep-rows is about a table"),
        (["--first-plane", "0", "--point", "1,1"], "--first-plane is about a table"),
        (["--table-units", "pixels", "--box", "1,1,2,2"], "--table-units is about a table"),
        (["--keep-rows", "--table", "a.csv", "--box", "1,1,2,2"], "one object of every row"),
        (["--keep-rows", "--table", "a.csv", "--candidate", "all"], "one object of every row"),
        (["--table", "a.csv", "--table-dialect", "excel"], "invalid choice"),
    ],
)
def test_options_of_tables_go_with_tables(options, message, stack, capsys):
    code, _ = run(stack, "--plane", "0,0", *options)
    assert code == 2
    assert message in capsys.readouterr().err


def test_where_the_results_are_is_shown_escaped(stack, capsys):
    out = stack.parent / "out\x1b[31m"
    at = ("--plane", "1,2", "--point", "20,20")
    assert main(["prompt", str(stack), *at, "-o", str(out)]) == 0
    assert (out / "stack_labels.ome.tif").exists()
    said = capsys.readouterr().out
    assert "out\\x1b[31m" in said
    assert "\x1b" not in said


def test_large_planes_are_seen_in_crops_unless_told_otherwise(tiny, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 2100)).astype(np.uint8)
    path = tmp_path / "long.tif"
    tifffile.imwrite(path, pixels)
    for number, options in enumerate(([], ["--object-size", "6"], ["--tiles", "off"])):
        out = tmp_path / str(number)
        assert main(["prompt", str(path), "--point", "30,1200", *options, "-o", str(out)]) == 0
    said = capsys.readouterr().err
    assert "64 x 2100 pixels, so the model sees a crop around each prompt" in said
    assert "objects of 6 pixels (--object-size)" in said
    records = [json.loads((tmp_path / str(i) / "long_prompts.json").read_text()) for i in range(3)]
    assert ["object_size" in each for each in records] == [False, True, False]
    assert records[1]["object_size"] == 6
    assert [each.get("tiles") for each in records] == [None, None, "off"]
    whole = tiny.predict(tiny.embed(pixels), Prompt(points=[(30, 1200)]))
    labels = tifffile.imread(tmp_path / "2" / "long_labels.ome.tif")
    assert np.array_equal(labels > 0, whole.mask(0))


def test_large_crops_are_read_from_the_level_of_a_pyramid_as_in_the_window(tiny, tmp_path):
    rng = np.random.default_rng(0)
    # Other pixels than those of the image, so that it shows which ones were read.
    levels = [rng.integers(0, 255, (64 // n, 2100 // n)).astype(np.uint8) for n in (1, 2)]
    path = tmp_path / "long.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(levels[0], subifds=1, tile=(16, 512))
        writer.write(levels[1], subfiletype=1, tile=(16, 512))
    point = ("--point", "30,1200", "--object-size", "200")
    assert main(["prompt", str(path), *point, "-o", str(tmp_path / "out")]) == 0
    labels = tifffile.imread(tmp_path / "out" / "long_labels.ome.tif") > 0
    model = TiledModel(tiny, object_size=200)
    masks = []
    for coarser in (levels[1:], []):
        plane = SourcePlane(ArraySource(levels[0], coarser=coarser), (None, None))
        masks.append(model.predict(model.embed(plane), Prompt(points=[(30, 1200)])).mask(0))
    assert not np.array_equal(*masks)
    assert np.array_equal(labels, masks[0])


def test_scale_options_that_do_not_go_together_are_refused(stack, capsys):
    assert run(stack, "--point", "1,1", "--object-size", "9", "--tiles", "off")[0] == 2
    assert "leaves out" in capsys.readouterr().err
    assert run(stack, "--point", "1,1", "--object-size", "0")[0] == 2
    assert "not above 0" in capsys.readouterr().err


def test_views_are_those_of_python_and_written_down(tiny, stack, capsys):
    box = ["--plane", "1,2", "--box", "5,5,30,30"]
    code, out = run(stack, *box, "--views", "4")
    assert code == 0
    model = MultiViewModel(tiny, 4)
    plane = tifffile.imread(stack)[1, 2]
    found = model.predict(model.embed(plane), Prompt(box=[5, 5, 30, 30]))
    expected, _ = paint(found[:1])
    assert expected.max() > 0
    assert np.array_equal(tifffile.imread(out / "stack_labels.ome.tif"), expected)
    assert json.loads((out / "stack_prompts.json").read_text())["views"] == 4
    # Another number of views is another question.
    assert run(stack, *box)[0] == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(stack, *box, "--views", "5")[0] == 2
    assert "choose from 1, 2, 3, 4" in capsys.readouterr().err
