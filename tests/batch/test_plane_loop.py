"""Tests of a run: images that are computed, computed again, and left unchanged."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.batch.conftest import results

from napari_segany import AutomaticParams, SamModel
from napari_segany.batch import plane_loop as running
from napari_segany.batch.executor import LocalExecutor, PlaneJob
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.manifest import PlaneCheckpoint, ResultStore
from napari_segany.batch.plan import Batch, Outcome, ReadOptions, inspect
from napari_segany.batch.products.labels import LABELS_PRODUCT, LabelsProduct
from napari_segany.batch.protocol import Item
from napari_segany.errors import Cancelled, InputError
from napari_segany.io.result_files import Outputs

PARAMS = AutomaticParams(
    points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1
)


class Counting(LocalExecutor):
    """Counts the planes that it computes."""

    def __init__(self, model: SamModel) -> None:
        super().__init__(model)
        self.computed: list[tuple[str, tuple[int, ...]]] = []

    def compute_planes(self, jobs: Any, *args: Any, **kwargs: Any) -> Any:
        for job, result in super().compute_planes(jobs, *args, **kwargs):
            self.computed.append((job.name, job.index))
            yield job, result


@pytest.fixture
def do(tiny_model: SamModel) -> Callable[..., tuple[list[Outcome], list[Any]]]:
    """Run a batch on a folder; gives outcomes and the planes that were computed."""

    def doing(
        folder: Path, output: Path, outputs: Outputs | None = None, **given: Any
    ) -> tuple[list[Outcome], list[Any]]:
        where = Counting(tiny_model)
        named = name_results(find_inputs([str(folder)]), output, "recipe", outputs)
        overwrite = given.pop("overwrite", False)
        region = given.pop("region", None)
        should_stop = given.pop("should_stop", None)
        items = list(inspect(named, ReadOptions()))
        assert all(isinstance(item, Item) for item in items)
        params = replace(PARAMS, **given)
        recipe = where.make_recipe(params=params, axes="auto")
        batch = Batch(tuple(items), output, recipe, LABELS_PRODUCT, region, overwrite)  # type: ignore[arg-type]
        outcomes = list(running.run(batch, where, should_stop=should_stop))
        return outcomes, where.computed

    return doing


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_what_is_done_is_not_done_again(stacks, do):
    folder = stacks(2, 3)
    output = folder.parent / "out"
    outcomes, computed = do(folder, output)
    assert states(outcomes) == ["done", "done"]
    assert len(computed) == 6
    before = {p.name: p.stat().st_mtime_ns for p in output.glob("stack*")}

    outcomes, computed = do(folder, output)

    assert states(outcomes) == ["same", "same"]
    assert computed == []
    assert {p.name: p.stat().st_mtime_ns for p in output.glob("stack*")} == before
    assert outcomes[0].objects > 0


def test_a_touched_file_is_read_but_not_done_again(stacks, do):
    folder = stacks(1, 2)
    do(folder, folder.parent / "out")
    os.utime(folder / "stack0.tif", (1, 1))
    outcomes, computed = do(folder, folder.parent / "out")
    assert states(outcomes) == ["same"]
    assert computed == []


def test_changed_content_and_changed_recipes_are_done_anew(stacks, do):
    folder = stacks(2, 2)
    output = folder.parent / "out"
    do(folder, output)
    tifffile.imwrite(
        folder / "stack1.tif", np.ones((2, 40, 50), np.uint8), metadata={"axes": "ZYX"}
    )

    outcomes, computed = do(folder, output)
    assert states(outcomes) == ["same", "done"]
    assert {name for name, _ in computed} == {"stack1"}

    outcomes, computed = do(folder, output, min_area=3)
    assert states(outcomes) == ["done", "done"]
    assert len(computed) == 4


def test_exports_that_are_not_wanted_any_more_do_not_stay_behind(stacks, do):
    folder = stacks(1, 2)
    output = folder.parent / "out"
    do(folder, output, Outputs(exports=("coco", "rois")))
    (output / "stack0_rois.zip").write_bytes(b"mine")

    outcomes, _ = do(folder, output, min_area=3)

    assert states(outcomes) == ["done"]
    assert not (output / "stack0_coco.json").exists()
    assert (output / "stack0_rois.zip").read_bytes() == b"mine"


def test_results_changed_by_hand_are_left_alone(stacks, do):
    folder = stacks(1, 2)
    output = folder.parent / "out"
    do(folder, output)
    labels = output / "stack0_labels.ome.tif"
    labels.write_bytes(b"painted")

    assert states(do(folder, output)[0]) == ["edited"]
    (outcome,), computed = do(folder, output, min_area=3)
    assert outcome.state == "failed"
    assert "was changed since it was made; give --overwrite" in outcome.error
    assert computed == []
    assert labels.read_bytes() == b"painted"
    assert states(do(folder, output, overwrite=True)[0]) == ["done"]
    assert labels.read_bytes() != b"painted"


def test_a_missing_result_is_made_again(stacks, do):
    folder = stacks(1, 2)
    output = folder.parent / "out"
    do(folder, output)
    before = results(output)
    (output / "stack0_table.csv").unlink()
    assert states(do(folder, output)[0]) == ["done"]
    assert results(output) == before


def test_stopping_keeps_whole_planes(stacks, do):
    folder = stacks(1, 5)
    output, whole = folder.parent / "out", folder.parent / "whole"
    do(folder, whole)
    work = output / ".segany" / "stack0.work"

    def after_two() -> bool:
        return len(list(work.glob("plane_*"))) >= 2

    with pytest.raises(Cancelled):
        do(folder, output, should_stop=after_two)
    assert not list(output.glob("stack0*"))

    (outcome,), computed = do(folder, output)

    assert (outcome.state, outcome.resumed) == ("done", 2)
    assert len(computed) == 3
    assert results(output) == results(whole)
    assert not work.exists()


def test_a_damaged_plane_is_done_again(stacks, do):
    folder = stacks(1, 4)
    output, whole = folder.parent / "out", folder.parent / "whole"
    do(folder, whole)
    work = output / ".segany" / "stack0.work"
    with pytest.raises(Cancelled):
        do(folder, output, should_stop=lambda: len(list(work.glob("plane_*"))) >= 3)
    first = work / "plane_000000.npz"
    first.write_bytes(first.read_bytes()[:-40])

    (outcome,), _ = do(folder, output)

    assert outcome.resumed == 2
    assert results(output) == results(whole)


def test_a_bad_plane_fails_its_image_only(stacks, do, monkeypatch):
    folder = stacks(2, 3)
    original = running.PlaneJob

    def with_bad_plane(name: str, *rest: Any) -> PlaneJob:
        job = original(name, *rest)
        bad = name == "stack0" and job.index == (1,)
        return replace(job, index=(99,)) if bad else job

    monkeypatch.setattr(running, "PlaneJob", with_bad_plane)
    outcomes, computed = do(folder, folder.parent / "out")
    assert states(outcomes) == ["failed", "done"]
    # What comes after the bad plane is not computed in vain.
    assert ("stack0", (2,)) not in computed
    assert "stack0" in (folder.parent / "out" / "segany_report.html").read_text()


def test_a_disk_that_is_full_is_one_sentence(stacks, do, monkeypatch):
    folder = stacks(1, 2)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_segany.io.result_files.write_png", full)
    (outcome,), _ = do(folder, folder.parent / "out")
    assert outcome.state == "failed"
    assert "No space left on device" in outcome.error
    monkeypatch.undo()
    (outcome,), computed = do(folder, folder.parent / "out")
    assert (outcome.state, computed) == ("done", [])


@pytest.mark.parametrize("planes", [1, 5])
def test_an_image_that_is_written_anew_before_it_is_finished_is_told(
    planes, stacks, do, monkeypatch
):
    folder = stacks(1, 2)
    path = folder / "stack0.tif"
    original = PlaneCheckpoint.save

    def rewritten(checkpoint: Any, number: int, content: bytes) -> None:
        original(checkpoint, number, content)
        if number == 1:
            shape = (planes, 40, 50)
            tifffile.imwrite(path, np.ones(shape, np.uint8), photometric="minisblack")

    monkeypatch.setattr(PlaneCheckpoint, "save", rewritten)
    (outcome,), _ = do(folder, folder.parent / "out")
    assert outcome.state == "failed"
    assert outcome.error == f"{path} was changed while it was segmented; run it again."


def test_an_image_that_changes_while_it_is_segmented_is_told(stacks, do, monkeypatch):
    folder = stacks(1, 2)
    path = folder / "stack0.tif"
    original = LabelsProduct.finish

    def touched(*args: Any) -> Any:
        os.utime(path, (5, 5))
        return original(*args)

    monkeypatch.setattr(LabelsProduct, "finish", touched)
    (outcome,), _ = do(folder, folder.parent / "out")
    assert "changed while it was segmented" in outcome.error


def test_two_processes_share_a_folder(stacks, do):
    folder = stacks(2, 2)
    output = folder.parent / "out"
    with ResultStore(output).lock("stack0") as mine:
        assert mine
        outcomes, computed = do(folder, output)
    assert states(outcomes) == ["locked", "done"]
    assert {name for name, _ in computed} == {"stack1"}
    assert states(do(folder, output)[0]) == ["done", "same"]


def test_times_are_in_the_log_only(stacks, do):
    folder = stacks(1, 2)
    do(folder, folder.parent / "a")
    time.sleep(1.1)
    do(folder, folder.parent / "b")
    assert results(folder.parent / "a") == results(folder.parent / "b")
    lines = (folder.parent / "a" / "segany_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        *("started", "plane", "plane", "done", "ended")
    ]


def test_a_region_is_part_of_what_is_done(stacks, do, tmp_path):
    folder = stacks(1, 2)
    region = tmp_path / "region.tif"
    mask = np.zeros((48, 56), np.uint8)
    mask[:24] = 1
    tifffile.imwrite(region, mask)
    output = tmp_path / "out"
    do(folder, output, region=region)
    assert states(do(folder, output, region=region)[0]) == ["same"]
    tifffile.imwrite(region, 1 - mask)
    assert states(do(folder, output, region=region)[0]) == ["done"]


def test_outputs_are_named_and_checked():
    assert Outputs(exports=("rois", "coco")).exports == ("coco", "rois")
    with pytest.raises(InputError, match="labels must be of tiff, zarr"):
        Outputs(labels="png")
