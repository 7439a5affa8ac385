"""Recipes from files, and done again in Python."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_segany as sa
from napari_segany import SamModel
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.io.recipe_file import read_recipe

FAST = ("--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0")


@pytest.fixture
def tiny(tiny_model: SamModel, monkeypatch: Any) -> SamModel:
    """Return the model that loading any model gives."""
    for place in ("models.registry", "io.recipe_file"):
        name = f"napari_segany.{place}.load_model"
        monkeypatch.setattr(name, lambda *_, **__: tiny_model)
    return tiny_model


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    coarse = np.random.default_rng(5).integers(0, 4000, (3, 2, 6, 7)).astype(np.uint16)
    image = coarse.repeat(8, axis=2).repeat(8, axis=3)
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": "ZCYX", "unit": "um"})
    return path


@pytest.fixture
def done(tiny: SamModel, stack: Path) -> Path:
    """Results of the command line."""
    out = stack.parent / "out"
    options = ("--channel", "1", "--normalise", "stack", "--planes", "1:3", "--min-area", "9")
    assert main(["segment", str(stack), "-o", str(out), *FAST, *options]) == 0
    return out


@pytest.mark.parametrize("as_file", [True, False])
def test_a_recipe_gives_the_bytes_of_the_command_line(done, stack, tmp_path, tiny, as_file):
    recipe: Any = done / "cells_recipe.json"
    recipe = recipe if as_file else read_recipe(recipe)
    image: Any = stack if as_file else tifffile.imread(stack)
    model = None if as_file else tiny

    labels = sa.run_recipe(recipe, image, model=model)

    assert not labels[0].any()
    assert labels.max() > 2
    size = {"Y": (1.0, "um"), "X": (1.0, "um")}
    path = sa.save_labels(labels, tmp_path / "again" / "cells_labels.ome.tif", "ZYX", size)
    first = done / "cells_labels.ome.tif"
    assert np.array_equal(tifffile.imread(path), tifffile.imread(first))
    with tifffile.TiffFile(first) as ours, tifffile.TiffFile(path) as again:
        assert ours.pages[0].dtype == again.pages[0].dtype
    # The same bytes where the same is said of the pixels.
    from napari_segany.io.read import open_image

    with open_image(stack) as opened:
        sa.save_labels(labels, path, "ZYX", opened.pixel_size)
    assert path.read_bytes() == first.read_bytes()


def test_what_cannot_be_done_is_told(done, stack, tmp_path, tiny):
    recipe = json.loads((done / "cells_recipe.json").read_text())
    other = tmp_path / "other.json"
    for change, message in (
        ({"weights_sha256": "f" * 64}, "has others"),
        ({"product": "edges"}, "an edges recipe, and labels are asked for"),
        ({"product": "soup"}, "product must be of labels, edges, proposals"),
        ({"params": {"points_per_side": "3"}}, "points_per_side"),
        ({"channels": [True]}, "channels"),
    ):
        other.write_text(json.dumps(recipe | change))
        with pytest.raises(InputError, match=message):
            sa.run_recipe(other, stack)
    with pytest.raises(InputError, match=r"gone.json cannot be read \(No such file"):
        sa.run_recipe(tmp_path / "gone.json", stack)
    with pytest.raises(InputError, match="There is no channel 1"):
        sa.run_recipe(done / "cells_recipe.json", np.zeros((1, 9, 9)))


def test_a_mark_of_byte_order_is_skipped(done, stack, tmp_path):
    text = (done / "cells_recipe.json").read_text()
    for encoding in ("utf-8-sig", "utf-8"):
        (tmp_path / "marked.json").write_text(text, encoding=encoding)
        assert read_recipe(tmp_path / "marked.json") == read_recipe(done / "cells_recipe.json")


def test_axes_that_do_not_fit_are_the_images_own(tiny, tmp_path, stack):
    out = tmp_path / "flat"
    image = tifffile.imread(stack)[0, 0]
    tifffile.imwrite(tmp_path / "flat.tif", image)
    assert main(["segment", str(tmp_path / "flat.tif"), "-o", str(out), *FAST]) == 0
    recipe = read_recipe(out / "flat_recipe.json")
    alone = sa.run_recipe(recipe, image)
    assert alone.shape == image.shape
    both = sa.run_recipe(recipe, np.stack([image, image]))
    assert np.array_equal(both[0], alone)


@pytest.mark.parametrize("command", ["edges", "proposals"])
def test_recipes_of_other_products_do_not_segment(command, tiny, tmp_path, stack, capsys):
    out = tmp_path / "out"
    options = ("--points-per-side", "2")
    assert main([command, str(stack), "-o", str(out), *options]) == 0
    recipe = out / f"cells_{command}_recipe.json"
    assert read_recipe(recipe).product == command

    code = main(["segment", str(stack), "-o", str(tmp_path / "x"), "--recipe", str(recipe)])

    assert code == 2
    assert f"{command} recipe, and labels are asked for" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_planes_of_any_iterable(tiny: SamModel) -> None:
    planes = np.random.default_rng(2).integers(0, 255, (2, 40, 50)).astype(np.uint8)
    recipe = sa.Recipe("tiny", tiny.weights.sha256, sa.AutomaticParams(points_per_side=2))
    whole = sa.run_recipe(recipe, planes, model=tiny)
    assert np.array_equal(sa.run_recipe(recipe, (p for p in planes), model=tiny), whole)
    assert np.array_equal(sa.run_recipe(recipe, list(planes), model=tiny), whole)
