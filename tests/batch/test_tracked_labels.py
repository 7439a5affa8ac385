"""Labels of a batch that are linked over time: the same whatever computes the planes, resumed."""

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.batch.test_linked_labels import PARAMS, Backwards, Stopping

import napari_segany as sa
from napari_segany import LinkParams, Recipe, SamModel, TrackParams, run_recipe
from napari_segany.batch.batch_run import BatchRun
from napari_segany.batch.command import as_command
from napari_segany.batch.executor import Executor, LocalExecutor, PlaneJob
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.options import BatchOptions
from napari_segany.batch.plan import Batch, Item, ReadOptions, inspect
from napari_segany.batch.plane_loop import run
from napari_segany.batch.products.tracked_labels import (
    TRACKED_LABELS_PRODUCT,
    TRACKED_VOLUMES_PRODUCT,
)
from napari_segany.errors import Cancelled, InputError

TRACKS = TrackParams(max_distance=20)
SIZES = {"T": (2.0, "min"), "Y": (0.5, "um"), "X": (0.5, "um")}


def save_movie(folder: Path, axes: str) -> Path:
    folder.mkdir()
    blocks = np.random.default_rng(1).integers(0, 4000, (5, 6)).astype(np.uint16)
    blocks = blocks.repeat(8, axis=0).repeat(8, axis=1)
    image = np.stack([np.roll(blocks, shift, axis=1) for shift in (0, 1, 2)])
    if "Z" in axes:
        image = np.stack([image, image], axis=axes.index("Z"))
    metadata: dict[str, Any] = {"axes": axes, "TimeIncrement": 2.0, "TimeIncrementUnit": "min"}
    metadata |= {f"PhysicalSize{a}": 0.5 for a in "XY"}
    tifffile.imwrite(folder / "m.ome.tif", image, metadata=metadata, photometric="minisblack")
    return folder


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return save_movie(tmp_path / "images", "TYX")


def batch(movie: Path, out: str, executor: Executor, **given: Any) -> list[Any]:
    """Run a batch with an executor of the test's own."""
    chosen = BatchOptions(movie.parent / out, PARAMS, tracks=TRACKS, **given)
    named = name_results(find_inputs([str(movie)]), chosen.output, "recipe")
    items = tuple(item for item in inspect(named, ReadOptions()) if isinstance(item, Item))
    recipe = executor.make_recipe(**chosen.recipe_values)
    product = TRACKED_VOLUMES_PRODUCT if chosen.link else TRACKED_LABELS_PRODUCT
    return list(run(Batch(items, chosen.output, recipe, product), executor))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("m_*"))}


def test_objects_have_one_id_in_all_frames(movie: Path, tiny_model: SamModel):
    (outcome,) = batch(movie, "a", LocalExecutor(tiny_model))
    assert outcome.state == "done"
    out = movie.parent / "a"
    labels = tifffile.imread(out / "m_labels.ome.tif")
    rows = list(csv.DictReader((out / "m_table.csv").read_text().splitlines()))
    assert len(rows) == outcome.objects > 3
    for row in rows:
        mine = labels[int(row["frame"])] == int(row["track"])
        assert int(row["area"]) == mine.sum() > 0
        assert float(row["time_min"]) == 2 * int(row["frame"])
        assert float(row["x_um"]) == pytest.approx(0.5 * float(row["x"]), rel=1e-4)
        assert np.isfinite(float(row["predicted_iou"]))
        assert "intensity_mean" in row
    assert len({row["track"] for row in rows}) < len(rows)
    recipe = Recipe.from_json((out / "m_recipe.json").read_bytes())
    assert recipe.tracks == TRACKS
    assert recipe.link is None
    assert np.array_equal(run_recipe(recipe, movie / "m.ome.tif", model=tiny_model), labels)
    # The same as the labels of planes, linked by themselves.
    plain = sa.segment_everything(tifffile.imread(movie / "m.ome.tif"), "TYX", tiny_model, PARAMS)
    by_itself = sa.track(plain, "TYX", TRACKS, pixel_size=SIZES)
    assert np.array_equal(by_itself.to_labels(), labels)


def test_neither_order_nor_a_stop_changes_a_byte(movie: Path, tiny_model: SamModel):
    batch(movie, "a", LocalExecutor(tiny_model))
    batch(movie, "b", Backwards(tiny_model))
    with pytest.raises(Cancelled):
        batch(movie, "c", Stopping(tiny_model))
    (outcome,) = batch(movie, "c", LocalExecutor(tiny_model))
    assert outcome.resumed == 2
    first = bytes_of(movie.parent / "a")
    assert len(first) == 4
    assert bytes_of(movie.parent / "b") == bytes_of(movie.parent / "c") == first


@pytest.mark.parametrize("axes", ["TZYX", "ZTYX"])
def test_volumes_are_linked_over_time(tmp_path: Path, tiny_model: SamModel, axes: str):
    movie = save_movie(tmp_path / "volumes", axes)
    (outcome,) = batch(movie, "a", LocalExecutor(tiny_model), link=LinkParams())
    assert outcome.state == "done"
    labels = tifffile.imread(movie.parent / "a" / "m_labels.ome.tif")
    rows = list(csv.DictReader((movie.parent / "a" / "m_table.csv").read_text().splitlines()))
    for row in rows:
        volume = np.take(labels, int(row["frame"]), axis=axes.index("T"))
        assert (volume == int(row["track"])).sum() == int(row["area"])
        assert 0 <= float(row["z"]) <= 1
    assert len({row["track"] for row in rows}) < len(rows)
    recipe = Recipe.from_json((movie.parent / "a" / "m_recipe.json").read_bytes())
    assert recipe.link == LinkParams()
    assert np.array_equal(run_recipe(recipe, movie / "m.ome.tif", model=tiny_model), labels)


def test_axes_that_do_not_fit_are_refused(tmp_path: Path, tiny_model: SamModel):
    movie = save_movie(tmp_path / "volumes", "TZYX")
    (outcome,) = batch(movie, "a", LocalExecutor(tiny_model))
    assert outcome.state == "failed"
    assert "zt" in outcome.error
    with pytest.raises(InputError, match="planes along Z"):
        sa.segment_everything(np.zeros((2, 8, 8)), "ZYX", tiny_model, PARAMS, tracks=TRACKS)
    with pytest.raises(InputError, match="TZYX"):
        sa.segment_everything(
            np.zeros((2, 8, 8)), "TYX", tiny_model, PARAMS, tracks=TRACKS, link=LinkParams()
        )


def test_the_batch_chooses_the_product_and_has_a_command(movie: Path, tiny_model: SamModel):
    chosen = BatchOptions(movie.parent / "out", PARAMS, tracks=TrackParams(max_gap=3))
    named = name_results(find_inputs([str(movie)]), chosen.output, "recipe", chosen.outputs)
    batch_run = BatchRun(chosen, named, load_model=lambda _: tiny_model)
    assert batch_run.product is TRACKED_LABELS_PRODUCT
    (outcome,) = batch_run.outcomes()
    assert outcome.state == "done"
    assert "--link t --max-gap 3" in as_command([movie], chosen)
    both = BatchOptions(movie.parent / "out", PARAMS, tracks=TrackParams(), link=LinkParams())
    assert "--link zt" in as_command([movie], both)
    assert BatchRun(both, named).product is TRACKED_VOLUMES_PRODUCT
    differing = BatchOptions(
        movie.parent / "out", PARAMS, tracks=TrackParams(max_gap=3), link=LinkParams()
    )
    with pytest.raises(InputError, match="max_gap"):
        as_command([movie], differing)


@pytest.mark.parametrize("product", [TRACKED_LABELS_PRODUCT, TRACKED_VOLUMES_PRODUCT])
def test_jobs_can_be_sent_to_workers(movie: Path, tiny_model: SamModel, product: Any):
    recipe = LocalExecutor(tiny_model).make_recipe(tracks=TRACKS)
    job = PlaneJob("m", movie / "m.ome.tif", recipe, (0,), product)
    assert pickle.loads(pickle.dumps(job)) == job
