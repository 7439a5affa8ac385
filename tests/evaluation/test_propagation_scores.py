"""Scores of propagation with a model whose answers are known, and through the command line."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.linking.propagation.bright import BrightModel, balls

from napari_segany import SamModel
from napari_segany.cli.main import main
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.evaluation.api import evaluate
from napari_segany.evaluation.propagation_scores import measure_propagation
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.io.read import open_image

SETTINGS: Any = {"tasks": ("propagation",)}


def measure(tmp_path: Path, image: Any, truth: Any, axes: str, **more: Any) -> list[dict[str, Any]]:
    for name, pixels in (("image", image), ("truth", truth)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": axes})
    model: Any = BrightModel()
    shares: list[float] = []
    with (
        open_image(tmp_path / "image.tif") as one,
        open_image(tmp_path / "truth.tif", stored=True) as other,
    ):
        layout = StackLayout(axes, image.shape)
        settings = EvaluationSettings(**SETTINGS, **more)
        found = measure_propagation(model, one, other, layout, settings, shares.append)
    assert shares == sorted(shares)
    return found


def test_each_volume_is_followed_from_the_largest_planes(tmp_path: Path) -> None:
    """The second volume has a truth that goes on where the object has ended.

    Planes 3 to 5 are the same; the first of them is prompted.
    """
    volume, labels = balls((9, 40, 44), (4, 18, 20, 3.5))
    image, truth = np.stack([volume] * 2), np.stack([labels] * 2).astype(np.uint16)
    size = int((labels > 0).sum())
    truth[1][truth[1] == 1] = 5
    truth[1, 8, 30:34, 30:34] = 5
    # On one plane only: nothing is to be followed.
    truth[0, 0, :3, :3] = 9
    first, second = measure(tmp_path, image, truth, "TZYX")
    assert first == {"label": 1, "prompted": 3, "planes": 7, "area": size, "iou": 1.0}
    assert (second["label"], second["planes"], second["area"]) == (5, 8, size + 16)
    assert second["iou"] == pytest.approx(size / (size + 16))


def test_a_sample_of_large_objects(tmp_path: Path) -> None:
    volume, labels = balls((9, 40, 80), (4, 18, 20, 3.5), (4, 18, 60, 2.5))
    both = measure(tmp_path, volume, labels.astype(np.uint16), "ZYX")
    assert [each["iou"] for each in both] == [1.0, 1.0]
    area = int((labels[4] == 2).sum())
    (large,) = measure(tmp_path, volume, labels.astype(np.uint16), "ZYX", min_pixels=area + 1)
    assert large["label"] == 1
    (one,) = measure(tmp_path, volume, labels.astype(np.uint16), "ZYX", objects=1)
    assert one in both
    nothing = measure(tmp_path, volume, np.zeros(volume.shape, np.uint16), "ZYX")
    assert nothing == []


def test_a_plane_is_no_stack(tmp_path: Path) -> None:
    plane = np.zeros((20, 20), np.uint8)
    with pytest.raises(InputError, match="is one plane"):
        measure(tmp_path, plane, plane.astype(np.uint16), "YX")
    with pytest.raises(InputError, match="measure_propagation"):
        evaluate([plane], [plane], [], EvaluationSettings(**SETTINGS))


def test_the_command_writes_the_iou_of_every_object(
    tmp_path: Path, tiny_model: SamModel, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    volume, labels = balls((5, 40, 44), (2, 18, 20, 3.5))
    for name, pixels in (("v", volume), ("v_labels", labels.astype(np.uint16))):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    out = tmp_path / "scores"
    command = ["evaluate", str(tmp_path / "v.tif"), "--truth", str(tmp_path / "v_labels.tif")]
    command += ["-o", str(out), "--tasks", "propagation"]
    assert main(command) == 0
    assert "propagation IoU" in capsys.readouterr().out
    written = json.loads((out / "evaluation.json").read_text())
    (scores,) = written["scores"].values()
    with (out / "objects.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["label"] == "1"
    assert float(row["propagation_iou"]) == pytest.approx(scores["propagation IoU"], rel=1e-5)
    # The second run takes what the first one measured.
    monkeypatch.setattr("napari_segany.evaluation.run.measure_propagation", None)
    assert main(command) == 0
