"""Planes that are computed tile by tile: stored, resumed and written without the whole plane."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
import tifffile
import zarr
from tests.batch.conftest import results
from tests.stub import StubModel

from napari_segany import AutomaticParams, SamModel, segment_everything
from napari_segany.batch.executor import LocalExecutor
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.options import BatchOptions
from napari_segany.batch.plan import Batch, Outcome, ReadOptions, inspect
from napari_segany.batch.plane_loop import run
from napari_segany.batch.plane_tiles import region_box, region_window
from napari_segany.batch.products import labels as labels_product
from napari_segany.batch.products.labels import LABELS_PRODUCT
from napari_segany.classification.class_set import ClassSet, ObjectClass
from napari_segany.classification.classify_masks import describe_objects
from napari_segany.core.intensity import to_rgb
from napari_segany.core.rasterize import paint
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.exemplars.example_set import freeze
from napari_segany.generators.tile_params import TileParams
from napari_segany.io.read import open_image
from napari_segany.io.result_files import Outputs
from napari_segany.plane_search import find_masks
from napari_segany.segmentation import make_recipe, resolve_stack

PARAMS = AutomaticParams(points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0)
TILES = TileParams("always", object_size=16, tile_side=128, tile_overlap=32, tile_scales=1)
EXPORTS = ("coco", "rois", "geojson")


SHAPE = (250, 310)


def pixels_of(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Noise with bright discs."""
    rng = np.random.default_rng(3)
    rows, cols = np.indices(shape)
    pixels = rng.normal(200, 20, shape)
    for _ in range(40):
        row, col, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(4, 10)
        pixels[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] += rng.uniform(400, 900)
    return pixels.astype(np.uint16)


def save_slide(folder: Path, kind: str, shape: tuple[int, int] = SHAPE) -> Path:
    folder.mkdir(exist_ok=True)
    if kind == "tiff":
        path = folder / "slide.ome.tif"
        tifffile.imwrite(path, pixels_of(shape), tile=(32, 32), compression="zlib")
        return path
    path = folder / "slide.ome.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=pixels_of(shape), chunks=(32, 32))
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    scales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    group.attrs["multiscales"] = scales
    return path


def batch_of(image: Path, output: Path, where: Any, **others: Any) -> Batch:
    outputs = others.pop("outputs", Outputs(exports=EXPORTS))
    named = name_results(find_inputs([str(image)]), output, "recipe", outputs)
    items: Any = tuple(inspect(named, ReadOptions()))
    params = others.pop("params", PARAMS)
    chosen = {"tiles": others.pop("tiles", TILES), "classes": others.pop("classes", None)}
    options = BatchOptions(output, params, **chosen)
    recipe = where.make_recipe(**options.recipe_values)
    return Batch(items, output, recipe, LABELS_PRODUCT, **others)


def segment(image: Path, output: Path, model: StubModel, **others: Any) -> Outcome:
    where = LocalExecutor(model)
    (outcome,) = run(batch_of(image, output, where, **others), where)
    assert not outcome.error, outcome.error
    return outcome


@pytest.fixture
def stub() -> StubModel:
    return StubModel()


@pytest.fixture(params=[False, True], ids=["painted whole", "painted in tiles"])
def in_tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param:
        monkeypatch.setattr(labels_product, "STREAMED_PIXELS", 1000)
    return bool(request.param)


@pytest.mark.parametrize("kind", ["tiff", "zarr"])
def test_labels_are_those_of_python(
    tmp_path: Path, stub: StubModel, in_tiles: bool, kind: str
) -> None:
    outputs = Outputs(labels=kind, exports=EXPORTS)
    outcome = segment(save_slide(tmp_path / "in", kind), tmp_path, stub, outputs=outputs)
    expected = segment_everything(pixels_of(), "YX", stub, PARAMS, tiles=TILES)
    assert outcome.objects == expected.max() > 20
    assert outcome.files is not None
    with open_image(outcome.files.all()[0], stored=True) as labels:
        np.testing.assert_array_equal(labels.data[...], expected)
        if kind == "zarr":
            for level, data in enumerate(labels.levels):
                step = 2**level
                np.testing.assert_array_equal(data[...], expected[::step, ::step])
    recipe = json.loads((tmp_path / "slide_recipe.json").read_text())
    assert recipe["tiles"]["tile_side"] == 128


def test_tables_and_exports_hold_the_same_objects(
    tmp_path: Path, stub: StubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = save_slide(tmp_path / "in", "tiff")
    segment(image, tmp_path / "whole", stub)
    monkeypatch.setattr(labels_product, "STREAMED_PIXELS", 1000)
    monkeypatch.setattr("napari_segany.io.tiled_plane.GROUP_SIDE", 100)
    monkeypatch.setattr("napari_segany.io.tiled_plane.READ_SIDE", 75)
    segment(image, tmp_path / "tiled", stub)
    whole, tiled = (rows_of(tmp_path / name / "slide_table.csv") for name in ("whole", "tiled"))
    assert sorted(tiled) == sorted(whole)
    for name in ("coco", "geojson"):
        first, second = (objects_of(tmp_path / each, name) for each in ("whole", "tiled"))
        assert sorted(first) == sorted(second)
    first, second = (
        {roi.name: roi.coordinates().tolist() for roi in roifile.roiread(path / "slide_rois.zip")}
        for path in (tmp_path / "whole", tmp_path / "tiled")
    )
    assert first == second
    overlays = [
        (tmp_path / name / "slide_overlay.png").stat().st_size for name in ("whole", "tiled")
    ]
    assert min(overlays) > 1000


def rows_of(path: Path) -> list[tuple[str, ...]]:
    lines = path.read_text().splitlines()
    return [tuple(line.split(",")) for line in lines]


def objects_of(folder: Path, kind: str) -> Iterator[str]:
    if kind == "coco":
        found = json.loads((folder / "slide_coco.json").read_text())
        assert len(found["images"]) == 1
        return (json.dumps(each) for each in found["annotations"])
    found = json.loads((folder / "slide_objects.geojson").read_text())
    return (json.dumps(each) for each in found["features"])


def test_a_stopped_run_goes_on_at_the_tile(
    tmp_path: Path,
    stub: StubModel,
    in_tiles: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    image = save_slide(tmp_path / "in", "zarr")
    segment(image, tmp_path / "through", stub)
    searched: list[int] = []
    from napari_segany.batch import plane_tiles

    original = plane_tiles.find_tile

    def watched(*args: Any, **options: Any) -> Any:
        searched.append(options["number"])
        return original(*args, **options)

    monkeypatch.setattr(plane_tiles, "find_tile", watched)
    where, output = LocalExecutor(stub), tmp_path / "stopped"
    with pytest.raises(Cancelled):
        list(run(batch_of(image, output, where), where, should_stop=lambda: len(searched) >= 4))
    before = len(searched)
    # A tile that was cut short is done again.
    stored = sorted((output / ".segany").rglob("tile_*.npz"))
    assert len(stored) == before - 1
    stored[0].write_bytes(stored[0].read_bytes()[:50])
    searched.clear()
    with caplog.at_level("INFO"):
        (outcome,) = run(batch_of(image, output, where), where)
    assert outcome.state == "done"
    assert f"{before - 2} of its tiles were searched before" in caplog.text
    assert results(output) == results(tmp_path / "through")
    grid = TILES.grid(SHAPE)
    assert sum(number < len(grid) for number in searched) >= len(grid) - (before - 2)
    assert not list((output / ".segany").rglob("tile_*.npz"))
    (again,) = run(batch_of(image, output, where), where)
    assert again.state == "same"


def test_tiles_of_two_scales_are_those_of_python_and_of_the_box_only(
    tmp_path: Path, stub: StubModel, monkeypatch: pytest.MonkeyPatch, in_tiles: bool
) -> None:
    from napari_segany.batch import plane_tiles

    original, searched = plane_tiles.find_tile, []

    def watched(*args: Any, **options: Any) -> Any:
        searched.append((options["level"], options["number"]))
        return original(*args, **options)

    monkeypatch.setattr(plane_tiles, "find_tile", watched)
    # With tiles of one scale the recipe does not speak of it.
    image, tiles = save_slide(tmp_path / "in", "tiff"), replace(TILES, tile_scales=2)
    box = (100, 0, 250, 150)
    segment(image, tmp_path / "part", stub, box=box, tiles=tiles)
    labels = tifffile.imread(tmp_path / "part" / "slide_labels.ome.tif")
    region = np.zeros(labels.shape, bool)
    region[100:250, :150] = True
    expected = segment_everything(pixels_of(), "YX", stub, PARAMS, tiles=tiles, region=region)
    np.testing.assert_array_equal(labels, expected)
    one = segment_everything(pixels_of(), "YX", stub, PARAMS, tiles=TILES, region=region)
    assert not np.array_equal(one, expected)
    fine, coarse = tiles.grid(SHAPE).covering
    wanted = [(0, n) for n in fine.reaching(box)] + [(1, n) for n in coarse.reaching(box)]
    assert sorted(each for each in searched if each[0] < 2) == wanted
    assert len(wanted) < tiles.grid(SHAPE).count
    for name, stored in (("part", 2), ("one", None)):
        if name == "one":
            segment(image, tmp_path / name, stub, box=box)
        recipe = json.loads((tmp_path / name / "slide_recipe.json").read_text())
        assert recipe["tiles"].get("tile_scales") == stored


def test_progress_of_two_scales_only_grows(tmp_path: Path, stub: StubModel) -> None:
    image, tiles = save_slide(tmp_path / "in", "tiff"), replace(TILES, tile_scales=2)
    where, told = LocalExecutor(stub), []
    batch = batch_of(image, tmp_path / "out", where, tiles=tiles)
    (outcome,) = run(batch, where, progress=lambda event: told.append(event.done))
    assert not outcome.error
    assert len(set(told)) > tiles.grid(SHAPE).count / 2
    assert all(after >= before for before, after in pairwise(told))


def test_only_tiles_of_the_box_are_searched(
    tmp_path: Path, stub: StubModel, monkeypatch: pytest.MonkeyPatch, in_tiles: bool
) -> None:
    image = save_slide(tmp_path / "in", "zarr")
    read: list[Any] = []
    from napari_segany.io.ome_zarr import ZarrArray

    original = ZarrArray.__getitem__

    def watched(self: ZarrArray, key: Any) -> Any:
        read.append(key)
        return original(self, key)

    monkeypatch.setattr(ZarrArray, "__getitem__", watched)
    box = (150, 200, 240, 300)
    segment(image, tmp_path / "part", stub, box=box)
    labels = tifffile.imread(tmp_path / "part" / "slide_labels.ome.tif")
    region = np.zeros(labels.shape, bool)
    region[150:240, 200:300] = True
    expected = segment_everything(pixels_of(), "YX", stub, PARAMS, tiles=TILES, region=region)
    np.testing.assert_array_equal(labels, expected)
    assert labels.any()
    # Another box is another result.
    with pytest.raises(InputError, match="holds no pixel of a plane of 250 x 310"):
        region_box((300, 0, 350, 10), SHAPE)


def test_objects_of_tiles_have_their_classes(
    tmp_path: Path, tiny_model: SamModel, in_tiles: bool
) -> None:
    pixels = pixels_of((96, 120))
    image = save_slide(tmp_path / "in", "tiff", (96, 120))
    tiles = TileParams("always", object_size=8, tile_side=64, tile_overlap=16)
    params = replace(PARAMS, min_area=1, box_nms_thresh=0.95)
    plain = make_recipe(tiny_model, params, axes="YX", tiles=tiles)
    layout, plain = resolve_stack(pixels, plain)
    _, found = find_masks(pixels, layout, plain, tiny_model, ())
    described = describe_objects(tiny_model, to_rgb(pixels, plain.limits), found[:2])
    named = ObjectClass("one", "#123456"), ObjectClass("other", "#654321", left_out=True)
    about = tiny_model.id, tiny_model.weights.sha256
    classes = ClassSet(*about, named, freeze(described), (0, 1))
    _, expected = find_masks(pixels, layout, replace(plain, classes=classes), tiny_model, ())
    assert 0 < len(expected) < len(found)
    segment(
        image, tmp_path, tiny_model, params=params, tiles=tiles, classes=classes, outputs=Outputs()
    )
    with (tmp_path / "slide_table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {"one"}
    kept, source = paint(expected, **asdict(plain.labels))
    painted = expected[source].classes
    assert painted is not None
    scores = [float(row["class_score"]) for row in rows]
    np.testing.assert_allclose(sorted(scores), np.sort(painted.scores), atol=1e-3)
    with open_image(tmp_path / "slide_labels.ome.tif", stored=True) as labels:
        np.testing.assert_array_equal(labels.data[...], kept)


def test_a_region_is_read_in_the_window_only() -> None:
    region = np.zeros((40, 50))
    region[10:20, 10:20] = 1
    found = region_window(region, (), (0, 0, 15, 50), (12, 12, 30, 30), (40, 50))
    assert found is not None
    assert found.sum() == 3 * 8
    stack = region_window(np.stack([region * 0, region]), (1,), None, (0, 0, 40, 50), (40, 50))
    np.testing.assert_array_equal(stack, region > 0)
    assert region_window(None, (), None, (0, 0, 4, 5), (40, 50)) is None


def test_small_planes_have_no_tiles_and_the_recipe_of_before(
    tmp_path: Path, stub: StubModel
) -> None:
    image = save_slide(tmp_path / "in", "tiff")
    segment(image, tmp_path / "auto", stub, tiles=TileParams())
    segment(image, tmp_path / "off", stub, tiles=None)
    assert results(tmp_path / "auto") == results(tmp_path / "off")
    assert "tiles" not in json.loads((tmp_path / "auto" / "slide_recipe.json").read_text())


def test_exports_of_whole_planes_are_refused_before_anything_is_computed(
    tmp_path: Path, stub: StubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_segany.batch.preparation.STREAMED_PIXELS", 1000)
    where = LocalExecutor(stub)
    image = save_slide(tmp_path / "in", "tiff")
    (outcome,) = run(batch_of(image, tmp_path, where, outputs=Outputs(exports=("masks",))), where)
    assert "The export masks needs planes that fit memory" in outcome.error


def test_planes_of_a_stack_are_tiled_one_by_one(
    tmp_path: Path, stub: StubModel, in_tiles: bool
) -> None:
    path = tmp_path / "in.tif"
    stack = np.stack([pixels_of(), np.full(SHAPE, np.nan), pixels_of()[::-1]])
    tifffile.imwrite(
        path, stack.astype(np.float32), metadata={"axes": "ZYX"}, photometric="minisblack"
    )
    outcome = segment(path, tmp_path / "out", stub, outputs=Outputs())
    assert len(outcome.notes) == 1
    labels = tifffile.imread(tmp_path / "out" / "in_labels.ome.tif")
    expected = segment_everything(stack, "ZYX", stub, PARAMS, tiles=TILES)
    np.testing.assert_array_equal(labels, expected)
    assert not labels[1].any()


def test_the_size_of_objects_is_settled_once(tmp_path: Path, stub: StubModel) -> None:
    image = save_slide(tmp_path / "in", "tiff")
    asked: list[Path] = []

    class Counting(LocalExecutor):
        def settle_tiles(self, path: Path, recipe: Any) -> Any:
            asked.append(path)
            return replace(recipe, tiles=TILES)

    where = Counting(stub)
    unsettled = TileParams("always")
    (outcome,) = run(batch_of(image, tmp_path / "a", where, tiles=unsettled), where)
    assert outcome.state == "done"
    (outcome,) = run(batch_of(image, tmp_path / "a", where, tiles=unsettled), where)
    assert outcome.state == "same"
    assert asked == [image]
