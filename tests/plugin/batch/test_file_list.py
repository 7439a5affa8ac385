"""A batch as the widget has it, without a window."""

import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from tests.recipes import followed, recipes

from napari_segany import AutomaticParams, LabelParams, Recipe, segment_everything
from napari_segany.batch.inputs import find_inputs
from napari_segany.batch.options import BatchOptions, ModelRequest
from napari_segany.batch.plan import Outcome
from napari_segany.cli.batch import axes_of
from napari_segany.cli.main import build_parser, main
from napari_segany.cli.segment import segment_options
from napari_segany.errors import InputError
from napari_segany.io.result_files import Outputs
from napari_segany.plugin.batch.file_list import FileList, FileRow
from napari_segany.weights.catalog import CATALOG

PARAMS = AutomaticParams(
    points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "in"
    images.mkdir()
    rng = np.random.default_rng(0)
    for n in range(2):
        image = rng.integers(0, 255, (3, 40, 50)).astype(np.uint8)
        tifffile.imwrite(images / f"a{n}.tif", image, photometric="minisblack")
    (images / "bad.tif").write_bytes(b"II*\0nothing")
    return images


def test_files_are_listed_once_and_understood(folder: Path):
    files = FileList()
    assert [row.path.name for row in files.add([folder])] == ["a0.tif", "a1.tif", "bad.tif"]
    assert files.add([folder / "a0.tif"]) == []
    files.rows[1].axes = "TYX"
    files.show_inspected(files.inspect_files(BatchOptions(folder).read_options))
    assert files.rows[0].understood.startswith("QYX 3 x 40 x 50")
    assert files.rows[1].understood.startswith("TYX 3 x 40 x 50")
    assert not files.rows[2].readable
    assert [row.short_state for row in files.rows] == ["", "", "unreadable"]
    files.remove([0, 2])
    assert [row.path.name for row in files.rows] == ["a1.tif"]


def test_a_batch_is_done_and_told(folder: Path, tiny_model: Any, tmp_path: Path):
    files = FileList()
    files.add([folder])
    files.rows[1].axes = "TYX"
    options = BatchOptions(tmp_path / "out", params=PARAMS, outputs=Outputs(exports=("coco",)))
    told: list[Outcome] = []
    moved: list[Any] = []
    work = files.prepare_run(options, tiny_model, told.append, moved.append)
    assert work(lambda: False) == 1
    for outcome in told:
        files.show_outcome(outcome)
    assert [row.state.split(",")[0].split(":")[0] for row in files.rows] == [
        *("done", "done", "failed")
    ]
    assert (moved[-1].done, moved[-1].total) == (6.0, 6)
    with tifffile.TiffFile(tmp_path / "out" / "a1_labels.ome.tif") as file:
        assert file.series[0].axes == "TYX"
    told.clear()
    files.prepare_run(options, tiny_model, told.append, lambda *_: None)(lambda: False)
    assert [outcome.state for outcome in told] == ["failed", "same", "same"]


def test_folders_are_mirrored_as_on_the_command_line(folder: Path, tiny_model: Any, tmp_path: Path):
    (folder / "bad.tif").unlink()
    for name, place in (("a0.tif", "p1"), ("a1.tif", "p2")):
        (folder / place).mkdir()
        (folder / name).rename(folder / place / "a0.tif")
    files = FileList()
    assert [row.place for row in files.add([folder])] == ["p1", "p2"]
    options = BatchOptions(tmp_path / "out", params=PARAMS)
    assert (
        files.prepare_run(options, tiny_model, lambda _: None, lambda *_: None)(lambda: False) == 0
    )
    assert sorted(p.parent.name for p in (tmp_path / "out").rglob("a0_labels.ome.tif")) == [
        *("p1", "p2")
    ]


def test_nothing_to_do_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="Add images first"):
        FileList().prepare_run(BatchOptions(tmp_path), None, print, print)


def test_the_command_says_the_same(folder: Path, tmp_path: Path):
    files = FileList()
    files.add([folder])
    options = BatchOptions(
        tmp_path / "out put",
        params=replace(PARAMS, min_area=7, exclude_border=True, strategy="adaptive"),
        labels=LabelParams(min_area=7, overlap="best_on_top"),
        channels=(0, 1, 2),
        normalise=((-5.0, 10.5),),
        outputs=Outputs("zarr", "parquet", ("rois",)),
        cluster="local:3",
    )
    args, again = read_back(files.as_command(options))
    assert len(args.inputs) == 3
    assert again == options
    own = replace(options, params=AutomaticParams(point_grids=(((0.5, 0.5),),)))
    with pytest.raises(InputError, match="--recipe"):
        files.as_command(own)


def test_the_command_of_a_folder_with_subfolders_names_the_folder(folder: Path, tmp_path: Path):
    inside = folder / "day 1"
    inside.mkdir()
    tifffile.imwrite(inside / "b.tif", np.zeros((40, 50), np.uint8))
    alone = tmp_path / "alone.tif"
    tifffile.imwrite(alone, np.zeros((40, 50), np.uint8))
    files = FileList()
    files.add([alone, folder])
    options = BatchOptions(tmp_path / "out")
    args, _ = read_back(files.as_command(options))
    assert args.inputs == [str(folder), str(alone)]
    assert files.command_notes == []
    places = {row.path: row.place for row in files.rows}
    assert find_inputs(args.inputs) == places
    files.remove([0])
    args, _ = read_back(files.as_command(options))
    assert args.inputs == [str(folder)]
    # Without a file of the folder, the others are named.
    files.remove([0])
    args, _ = read_back(files.as_command(options))
    assert args.inputs == [str(row.path) for row in files.rows]
    assert "subfolders" in files.command_notes[0]
    alone.unlink()
    files.remove(range(len(files.rows)))
    assert files.command_notes == []


def read_back(command: str) -> tuple[Any, BatchOptions]:
    """Return the arguments of a command, and the options that they make."""
    program, *words = shlex.split(command)
    assert program == "napari-segany"
    args = build_parser().parse_args(words)
    return args, segment_options(args)


@pytest.mark.parametrize("name", CATALOG)
def test_every_models_recipe_is_the_same_as_a_command(name: str, tmp_path: Path):
    own = CATALOG[name].defaults
    params = AutomaticParams().resolved(
        own.pred_iou_thresh, own.stability_score_thresh, own.min_area
    )
    options = BatchOptions(tmp_path).with_recipe(Recipe(name, "0", params, precision="exact"))
    _, again = read_back(FileList([FileRow(Path("a.tif"))]).as_command(options))
    assert again.recipe_values == options.recipe_values
    assert again.request == ModelRequest(name, "auto", "exact")


@given(recipes())
def test_any_recipe_is_the_same_as_a_command(recipe: Recipe):
    options = BatchOptions(Path("out")).with_recipe(recipe)
    _, again = read_back(FileList([FileRow(Path("a.tif"))]).as_command(options))
    assert again.recipe_values == options.recipe_values == followed(recipe)
    assert again.request == options.request


def test_axes_of_single_files_are_in_the_command(folder: Path, tmp_path: Path):
    files = FileList()
    files.add([folder / "a0.tif", folder / "a1.tif"])
    files.rows[1].axes = "TYX"
    command = files.as_command(BatchOptions(tmp_path, axes="ZYX"))
    args, again = read_back(command)
    assert again.axes == "ZYX"
    results = dict.fromkeys(row.path for row in files.rows)
    assert axes_of(args, results) == {files.rows[1].path: "TYX"}
    files.rows[0].axes = "TYX"
    args, again = read_back(files.as_command(BatchOptions(tmp_path, axes="ZYX")))
    assert (again.axes, args.axes_of) == ("TYX", [])
    with pytest.raises(InputError, match=r"--axes-of b.tif: that is none"):
        axes_of(SimpleNamespace(axes_of=[["b.tif", "YX"]]), results)


def test_a_file_that_looks_like_an_option_is_a_file(tmp_path: Path):
    args, _ = read_back(
        FileList([FileRow(Path("-o.tif"), axes="YX")]).as_command(BatchOptions(tmp_path))
    )
    assert args.inputs == ["./-o.tif"]


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX", "ZYXC"])
def test_channels_anywhere_are_seen_as_colours(axes: str, tiny_model: Any, tmp_path: Path):
    stack = np.random.default_rng(0).integers(0, 4000, (2, 2, 40, 50)).astype(np.uint16)
    data = np.moveaxis(stack, 1, axes.index("C"))
    given = {"photometric": "minisblack", "planarconfig": "separate", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", data, **given)
    files = FileList([FileRow(tmp_path / "a.tif", axes=axes)])
    options = BatchOptions(tmp_path / "out", params=PARAMS, channels=(0, 1))
    told: list[Outcome] = []
    assert files.prepare_run(options, tiny_model, told.append, lambda *_: None)(lambda: False) == 0
    with tifffile.TiffFile(tmp_path / "out" / "a_labels.ome.tif") as file:
        found = file.asarray()
    wanted = segment_everything(stack, "ZCYX", tiny_model, PARAMS, channels=(0, 1))
    assert wanted.any()
    assert np.array_equal(found, wanted)


def test_axes_of_one_file_are_followed_by_the_command(
    folder: Path, tiny_model: Any, tmp_path: Path, monkeypatch: Any
):
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    files = FileList()
    files.add([folder / "a0.tif", folder / "a1.tif"])
    files.rows[1].axes = "TYX"
    assert main(shlex.split(files.as_command(BatchOptions(tmp_path, params=PARAMS)))[1:]) == 0
    kinds = {}
    for name in ("a0", "a1"):
        with tifffile.TiffFile(tmp_path / f"{name}_labels.ome.tif") as file:
            kinds[name] = file.series[0].axes
    assert kinds["a0"] != kinds["a1"] == "TYX"


def test_a_file_that_a_recipes_axes_do_not_fit_goes_by_its_own(folder: Path, tmp_path: Path):
    tifffile.imwrite(folder / "flat.tif", np.zeros((40, 50), np.uint8))
    files = FileList()
    files.add([folder / "a0.tif", folder / "flat.tif"])
    options = BatchOptions(tmp_path).with_recipe(Recipe("minisam", "0", axes="TYX"))
    files.show_inspected(files.inspect_files(options.read_options))
    assert [row.readable for row in files.rows] == [True, True]
    assert [row.understood.split()[0] for row in files.rows] == ["TYX", "YX"]
    args, again = read_back(files.as_command(options))
    assert again.axes == "TYX"
    assert args.axes_of == [[str(folder / "flat.tif"), "YX"]]
