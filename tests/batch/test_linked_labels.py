"""Linked labels of a batch: the same whatever computes the planes, resumed, refused."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany import AutomaticParams, LinkParams, Recipe, SamModel, run_recipe
from napari_segany.batch.batch_run import BatchRun
from napari_segany.batch.command import as_command
from napari_segany.batch.executor import LocalExecutor, PlaneJob
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.options import BatchOptions
from napari_segany.batch.plan import Batch, Item, ReadOptions, inspect
from napari_segany.batch.plane_loop import run
from napari_segany.batch.products.linked_labels import LINKED_LABELS_PRODUCT
from napari_segany.errors import Cancelled, InputError, SeganyError
from napari_segany.io.result_files import Outputs

PARAMS = AutomaticParams(
    points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1
)
LINK = LinkParams(min_planes=2)


class Backwards(LocalExecutor):
    """Gives the planes in the opposite order, as a cluster may."""

    def compute_planes(self, jobs: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from reversed(list(super().compute_planes(jobs, *args, **kwargs)))


class Stopping(LocalExecutor):
    """Stops after two planes."""

    def compute_planes(self, jobs: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, done in enumerate(super().compute_planes(jobs, *args, **kwargs)):
            if number == 2:
                raise Cancelled
            yield done


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 4000, (2, 5, 6)).astype(np.uint16)
    image = blocks.repeat(2, axis=0).repeat(8, axis=1).repeat(8, axis=2)
    options: Any = {"resolution": (2, 2), "imagej": True}
    tifffile.imwrite(
        folder / "v.tif", image, metadata={"axes": "ZYX", "spacing": 2.0, "unit": "um"}, **options
    )
    return folder


def options(volume: Path, out: str, **given: Any) -> BatchOptions:
    return BatchOptions(volume.parent / out, PARAMS, link=LINK, **given)


def batch(volume: Path, out: str, executor: LocalExecutor) -> list[Any]:
    """Run a batch with an executor of the test's own."""
    chosen = options(volume, out)
    named = name_results(find_inputs([str(volume)]), chosen.output, "recipe")
    items = tuple(item for item in inspect(named, ReadOptions()) if isinstance(item, Item))
    recipe = executor.make_recipe(**chosen.recipe_values)
    product = LINKED_LABELS_PRODUCT
    return list(run(Batch(items, chosen.output, recipe, product), executor))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("v_*"))}


def test_objects_have_one_id_and_one_row(volume: Path, tiny_model: SamModel):
    (outcome,) = batch(volume, "a", LocalExecutor(tiny_model))
    assert outcome.state == "done"
    out = volume.parent / "a"
    labels = tifffile.imread(out / "v_labels.ome.tif")
    rows = list(csv.DictReader((out / "v_table.csv").read_text().splitlines()))
    assert [int(row["label"]) for row in rows] == list(range(1, outcome.objects + 1))
    assert outcome.objects == labels.max() > 0
    for row in rows:
        mine = labels == int(row["label"])
        assert int(row["volume"]) == mine.sum()
        assert int(row["planes"]) == mine.any(axis=(1, 2)).sum() >= 2
        assert float(row["volume_um3"]) == pytest.approx(mine.sum() * 0.5)
    recipe = Recipe.from_json((out / "v_recipe.json").read_bytes())
    assert recipe.link == LINK
    assert np.array_equal(run_recipe(recipe, volume / "v.tif", model=tiny_model), labels)


def test_neither_order_nor_a_stop_changes_a_byte(volume: Path, tiny_model: SamModel):
    batch(volume, "a", LocalExecutor(tiny_model))
    batch(volume, "b", Backwards(tiny_model))
    with pytest.raises(Cancelled):
        batch(volume, "c", Stopping(tiny_model))
    (outcome,) = batch(volume, "c", LocalExecutor(tiny_model))
    assert outcome.resumed == 2
    first = bytes_of(volume.parent / "a")
    assert len(first) == 4
    assert bytes_of(volume.parent / "b") == bytes_of(volume.parent / "c") == first


def test_the_same_run_leaves_results_alone_and_other_links_do_not(
    volume: Path, tiny_model: SamModel
):
    def outcome(chosen: BatchOptions) -> Any:
        results = name_results(find_inputs([str(volume)]), chosen.output, "recipe", chosen.outputs)
        (found,) = BatchRun(chosen, results, load_model=lambda _: tiny_model).outcomes()
        return found

    chosen = options(volume, "out", outputs=Outputs(exports=("yolo", "overlays")))
    first = outcome(chosen)
    assert first.state == "done"
    assert outcome(chosen).state == "same"
    assert outcome(replace(chosen, link=LinkParams(min_planes=4))).objects <= first.objects
    # Planes by themselves are another result.
    plain = outcome(replace(chosen, link=None))
    assert plain.state == "done"
    text = (chosen.output / "v_recipe.json").read_text()
    assert "link" not in json.loads(text)
    assert len(tifffile.imread(chosen.output / "v_overlays.tif")) == 4


def test_exports_of_single_planes_are_refused(volume: Path):
    with pytest.raises(InputError, match=r"coco.*yolo and overlays"):
        BatchRun(options(volume, "out", outputs=Outputs(exports=("coco",))), {})


def test_an_image_without_planes_to_link_fails_by_itself(volume: Path, tiny_model: SamModel):
    tifffile.imwrite(volume / "flat.tif", np.zeros((16, 16), np.uint8))
    flat, linked = sorted(batch(volume, "out", LocalExecutor(tiny_model)), key=lambda o: o.path)
    assert (flat.state, linked.state) == ("failed", "done")
    assert "no such axis" in flat.error


def test_planes_that_are_damaged_are_computed_again(volume: Path):
    with pytest.raises(SeganyError, match="done again"):
        LINKED_LABELS_PRODUCT.decode(b"PK broken")


def test_the_command_of_the_options_links(volume: Path):
    command = as_command([Path("v.tif")], options(volume, "out"))
    assert "--link z --min-planes 2" in command
    assert "--max-gap" not in command
    plain = as_command([Path("v.tif")], replace(options(volume, "out"), link=None))
    assert "--link" not in plain


def test_jobs_can_be_sent_to_workers(volume: Path, tiny_model: SamModel):
    import pickle

    recipe = LocalExecutor(tiny_model).make_recipe(**options(volume, "out").recipe_values)
    job = PlaneJob("v", volume / "v.tif", recipe, (0,), LINKED_LABELS_PRODUCT)
    assert pickle.loads(pickle.dumps(job)) == job
