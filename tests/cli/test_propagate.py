"""Objects through a volume from the command line."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality
from tests.linking.propagation.bright import BrightModel, balls, box_of
from tests.linking.propagation.remembering import RememberingModel

from napari_segany import MultiViewModel, Prompt, PropagationParams, SamModel, propagate
from napari_segany.cli.main import main

VOLUME, LABELS = balls((9, 40, 50), (4, 18, 15, 3.5), (4, 20, 36, 3.5))


def text(plane: int, i: int) -> str:
    return ",".join(f"{n:g}" for n in box_of(LABELS[plane] == i))


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    model = BrightModel()
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: model)
    path = tmp_path / "cells.tif"
    tifffile.imwrite(
        path,
        VOLUME,
        imagej=True,
        resolution=(2.0, 2.0),
        metadata={"axes": "ZYX", "spacing": 1.0, "unit": "um"},
    )
    return path


def run(volume: Path, *options: str) -> tuple[int, Path]:
    out = volume.parent / "out"
    return main(["propagate", str(volume), *options, "-o", str(out)]), out


def test_boxes_on_one_plane_become_objects_of_the_volume(volume: Path, capsys: Any) -> None:
    code, out = run(volume, "--plane", "4", "--box", text(4, 1), "--box", text(4, 2))
    assert code == 0
    assert np.array_equal(tifffile.imread(out / "cells_propagated_labels.ome.tif"), LABELS)
    rows = list(csv.DictReader((out / "cells_propagated_planes.csv").read_text().splitlines()))
    assert len(rows) == sum(len(np.unique(plane)) - 1 for plane in LABELS)
    objects = list(csv.DictReader((out / "cells_propagated_table.csv").read_text().splitlines()))
    assert [row["label"] for row in objects] == ["1", "2"]
    for i, row in enumerate(objects, start=1):
        pixels = i == LABELS
        planes = np.flatnonzero(pixels.any((1, 2)))
        assert (row["first_plane"], row["last_plane"]) == (str(planes[0]), str(planes[-1]))
        assert (row["planes"], row["volume"]) == (str(len(planes)), str(np.count_nonzero(pixels)))
        # A voxel has 1 x 0.5 x 0.5 um.
        assert float(row["volume_um3"]) == pytest.approx(0.25 * np.count_nonzero(pixels))
        assert float(row["intensity_mean"]) == pytest.approx(VOLUME[pixels].mean(), rel=1e-5)
        sure = [float(each["confidence"]) for each in rows if each["label"] == str(i)]
        assert float(row["mean_confidence"]) == pytest.approx(np.mean(sure), abs=1e-5)
        assert float(row["min_confidence"]) == pytest.approx(min(sure), abs=1e-5)
    record = json.loads((out / "cells_propagated.json").read_text())
    assert record["along"] == "Z"
    assert record["plane"] == [4]
    # A step of 1 um, pixels of 0.5 um.
    assert record["spacing"] == 2
    assert record["propagation"]["max_gap"] == 0
    assert [prompt["box"] is None for prompt in record["prompts"]] == [False, False]
    said = capsys.readouterr().out
    assert "object 1: planes 1..7" in said
    assert "2 objects" in said

    assert run(volume, "--plane", "4", "--box", text(4, 1))[0] == 2
    assert "there already" in capsys.readouterr().err


def test_masks_on_some_planes_are_kept_and_followed(volume: Path, capsys: Any) -> None:
    sparse = np.zeros_like(LABELS, np.uint16)
    sparse[3] = np.where(LABELS[3] == 1, 7, 0)
    # By hand, and not what the model would answer.
    sparse[5, 16:20, 13:16] = 7
    masks = volume.parent / "masks.tif"
    tifffile.imwrite(masks, sparse, photometric="minisblack")
    code, out = run(
        volume, "--masks", str(masks), "--plane", "4", "--box", text(4, 2), "--json", "--max-gap=1"
    )
    assert code == 0
    labels = tifffile.imread(out / "cells_propagated_labels.ome.tif")
    assert np.array_equal(labels[5] == 7, sparse[5] == 7)
    assert np.array_equal(labels[2] == 7, LABELS[2] == 1)
    assert np.array_equal(labels == 8, LABELS == 2)
    said = json.loads(capsys.readouterr().out)
    assert [row["object"] for row in said["objects"]] == [7, 8]
    assert said["objects"][1]["planes"] == list(range(1, 8))
    record = json.loads((out / "cells_propagated.json").read_text())
    assert record["masks"]["planes"] == {"7": [3, 5]}
    assert record["propagation"]["max_gap"] == 1


def test_objects_are_followed_by_memory(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = RememberingModel()
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: model)
    code, out = run(volume, "--plane=4", "--box", text(4, 1), "--method=memory")
    assert code == 0
    labels = tifffile.imread(out / "cells_propagated_labels.ome.tif")
    assert np.array_equal(labels, np.where(LABELS == 1, 1, 0))
    assert model.seen == [(4,), (4,)]
    record = json.loads((out / "cells_propagated.json").read_text())
    assert record["propagation"]["method"] == "memory"


def test_regions_of_a_named_finder_are_those_of_python(
    volume: Path, cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finder that is named by its file is installed, and the record holds its hash."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    quality = random_quality().to_dict()
    built_in = write_tiny_finder(cache / "finders" / "base.safetensors", tiny_model, 0)
    path = volume.parent / "mine.safetensors"
    file = write_tiny_finder(path, tiny_model, 1, quality=quality, base=built_in.sha256)
    options = ("--method=regions", f"--finder={path}", "--min-fit=0", "--smoothing=0.5")
    code, out = run(volume, "--plane=4", "--box", text(4, 1), *options)
    assert code == 0
    record = json.loads((out / "cells_propagated.json").read_text())
    assert record["propagation"]["finder"] == file.sha256
    labels = tifffile.imread(out / "cells_propagated_labels.ome.tif")
    params = PropagationParams(method="regions", finder=file.sha256, min_fit=0.0, smoothing=0.5)
    prompts = {1: {4: Prompt(box=box_of(LABELS[4] == 1))}}
    found = propagate(VOLUME, prompts, axes="ZYX", model=tiny_model, params=params, spacing=2)
    assert labels.tobytes() == found.to_labels().astype(labels.dtype).tobytes()
    assert len(found.objects[1].planes) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plane", "4"], "no prompt"),
        (["--box", "1,1,9,9"], "give --plane"),
        (["--plane", "4", "--along", "T", "--box", "1,1,9,9"], "along Z"),
        (["--plane", "0", "--box", "1,1,9,9"], "gives no mask"),
        (["--plane", "4", "--box", "1,1,9,9", "--min-score", "3"], "min_score"),
        (["--plane", "4", "--box", "1,1,9,9", "--method", "memory"], "has no video memory"),
        (["--plane", "4", "--box", "1,1,9,9", "--method", "regions"], "No finder on this machine"),
    ],
)
def test_what_cannot_be_followed_is_an_error(
    volume: Path, capsys: Any, options: list[str], message: str
) -> None:
    assert run(volume, *options)[0] == 2
    assert message in capsys.readouterr().err


def test_masks_of_another_shape_are_refused(volume: Path, capsys: Any) -> None:
    masks = volume.parent / "masks.tif"
    tifffile.imwrite(masks, LABELS[:4].astype(np.uint16), photometric="minisblack")
    assert run(volume, "--masks", str(masks))[0] == 2
    assert "labels of this image have shape" in capsys.readouterr().err


def test_views_are_those_of_python(
    volume: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    limits = PropagationParams(min_score=0.0, min_overlap=0.0, min_similarity=0.0, min_presence=0.0)
    options = [f"--{name}=0" for name in ("min-score", "min-overlap", "min-similarity")]
    options += ["--min-presence=0", "--views=2"]
    code, out = run(volume, "--plane=4", "--box", text(4, 1), *options)
    assert code == 0
    record = json.loads((out / "cells_propagated.json").read_text())
    assert record["views"] == 2
    prompts = {1: {4: Prompt(box=box_of(LABELS[4] == 1))}}
    given = {"axes": "ZYX", "params": limits, "spacing": 2.0}
    found = propagate(VOLUME, prompts, model=MultiViewModel(tiny_model, 2), **given)
    labels = tifffile.imread(out / "cells_propagated_labels.ome.tif")
    assert len(found.objects[1].answers) > 1
    assert np.array_equal(labels, found.to_labels())
    alone = propagate(VOLUME, prompts, model=tiny_model, **given)
    assert not np.array_equal(labels, alone.to_labels())


def test_a_memory_sees_planes_as_they_are(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = RememberingModel()
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: model)
    code, out = run(volume, "--plane=4", "--box", text(4, 1), "--method=memory", "--views=2")
    assert code == 0
    labels = tifffile.imread(out / "cells_propagated_labels.ome.tif")
    assert np.array_equal(labels, np.where(LABELS == 1, 1, 0))
