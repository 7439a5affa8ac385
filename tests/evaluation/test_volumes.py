"""Scores of volumes are those of the whole label image."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality

from napari_segany import AutomaticParams, LinkParams, SamModel, segment_everything
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.evaluation.api import evaluate
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, mean_scores, score_instances
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.evaluation.volumes import measure_volumes
from napari_segany.generators.finder_params import FinderParams
from napari_segany.io.read import open_image
from napari_segany.weights import finders

PARAMS = AutomaticParams(
    points_per_side=2, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1
)
SETTINGS = EvaluationSettings(("volumes",), params=PARAMS, link=LinkParams())


def test_as_if_the_whole_volume_were_compared(tmp_path: Path, tiny_model: SamModel):
    """Two times of three planes each: the mean of two volumes."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (2, 3, 5, 6), np.uint8).repeat(8, axis=2).repeat(8, axis=3)
    found = segment_everything(image, "TZYX", tiny_model, PARAMS, link=LinkParams())
    # Some are right, and others are not.
    truth = np.where(found % 3 == 1, 0, np.roll(found, 1, axis=-1)).astype(np.uint16)
    opened = []
    for name, pixels in (("image", image), ("truth", truth)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "TZYX"})
        opened.append(path)
    layout = StackLayout("TZYX", image.shape)
    with open_image(opened[0]) as first, open_image(opened[1], stored=True) as second:
        args: Any = (tiny_model, first, second, layout, SETTINGS, tmp_path, lambda share: None)
        measured = measure_volumes(*args)
    expected = [score_instances(ObjectOverlaps.from_labels(truth[t], found[t])) for t in range(2)]
    assert measured["instances"] == asdict(mean_scores(expected))
    assert measured["instances"]["truth"] > 0


def test_arrays_of_planes_are_no_volumes(tiny_model: SamModel):
    plane = np.zeros((8, 8), np.uint8)
    with pytest.raises(InputError, match="measure_volumes"):
        evaluate([plane], [plane], tiny_model, SETTINGS)


def test_settings_without_links_are_what_they_were():
    """Measurements that were kept before there were links are found again."""
    assert "link" not in EvaluationSettings().to_dict()
    linked = SETTINGS.to_dict()["link"]
    assert linked == LinkParams().to_dict()
    assert set(linked) == set(asdict(LinkParams())) - {"link_from", "smoothing", "outline"}


def test_maps_are_kept_beside_candidates(
    tmp_path: Path, cache: Path, tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch
):
    """A blank plane is kept as an empty file, and nothing is computed twice."""
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    path = cache / "finders" / "own.safetensors"
    write_tiny_finder(path, tiny_model, quality=random_quality().to_dict())
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 1, (4, 5, 6)).astype(np.float32).repeat(8, axis=1).repeat(8, axis=2)
    image[2] = np.nan
    link = LinkParams(link_from="maps", outline=0.25)
    settings = EvaluationSettings(("volumes",), params=FinderParams(), link=link)
    found = segment_everything(image, "ZYX", tiny_model, FinderParams(), link=link)
    assert found.max() > 0
    opened = []
    for name, pixels in (("image", image), ("truth", found.astype(np.uint16))):
        opened.append(tmp_path / f"{name}.tif")
        tifffile.imwrite(opened[-1], pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    layout = StackLayout("ZYX", image.shape)
    with open_image(opened[0]) as first, open_image(opened[1], stored=True) as second:
        args: Any = (tiny_model, first, second, layout, settings, tmp_path, lambda share: None)
        measured = [measure_volumes(*args) for _ in range(2)]
    assert measured[0] == measured[1]
    assert measured[0]["instances"]["msa"] == 1
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("maps_*.npz"))]
    assert [size > 0 for size in sizes] == [True, True, False, True]
