from pathlib import Path

import numpy as np
import pytest
from tests.finders import write_tiny_finder
from tests.generators.maps import draw_discs, draw_maps, random_maps
from tests.generators.trees import grow_tree
from tests.training.scenes import write_manifest, write_set

from napari_segany import SamModel
from napari_segany.core.masks import MaskSet
from napari_segany.generators.quality import FEATURES, Perceptron, Quality
from napari_segany.generators.region_features import MaskMeter
from napari_segany.generators.region_tree import FOREGROUND
from napari_segany.models.finder import load_finder
from napari_segany.training import calibration
from napari_segany.training.calibration import (
    Table,
    calibrate,
    choose_images,
    fit_perceptron,
    make_view,
    region_iou,
    true_iou,
)
from napari_segany.training.datasets import find_images

LABELS = draw_discs((60, 80), [(20, 20, 12), (22, 43, 12), (45, 60, 14)]) * 7


def test_the_true_iou_is_that_with_the_best_object() -> None:
    rng = np.random.default_rng(0)
    labels = LABELS.copy()
    labels[:8] = -1
    full = rng.random((12, *LABELS.shape)) < 0.5
    full[0], full[1], full[2] = False, LABELS == 7, LABELS > 0
    full[3] = labels < 0
    expected = []
    for mask in full:
        known = mask & (labels >= 0)
        each = [(mask & (labels == n)).sum() / (known | (labels == n)).sum() for n in (7, 14, 21)]
        expected.append(max(each))
    found = true_iou(MaskSet.from_masks(full), labels)
    assert found == pytest.approx(expected, abs=1e-6)
    assert found[1] == 1
    assert found[3] == 0
    assert (true_iou(MaskSet.from_masks(full), np.zeros_like(labels)) == 0).all()


@pytest.mark.parametrize("unknown", [False, True])
def test_the_iou_of_regions_is_counted_in_cells(unknown: bool) -> None:
    labels = LABELS.copy()
    if unknown:
        labels[:12] = -1
    maps = draw_maps(LABELS, noise=0.3, side=128)
    tree, meter = grow_tree(maps), MaskMeter.of(maps)
    grid = labels[np.ix_(meter.rows, meter.cols)]
    iou = region_iou(tree, maps, labels)
    assert iou.shape == (len(tree), 3)
    assert iou.max() > 0.9
    for node in range(len(tree)):
        first, last = tree.spans[node]
        mask = (tree.places > first) & (tree.places <= last)
        mask &= (maps.foreground > FOREGROUND) & (grid >= 0)
        each = [(mask & (grid == n)).sum() / (mask | (grid == n)).sum() for n in (7, 14, 21)]
        assert iou[node] == pytest.approx(each, abs=1e-6)


def test_planes_without_objects_have_no_good_region() -> None:
    maps = random_maps((60, 80))
    tree = grow_tree(maps)
    assert region_iou(tree, maps, np.zeros((60, 80), np.int32)).shape == (len(tree), 0)


def test_views_keep_image_and_labels_together() -> None:
    rgb = np.repeat(LABELS.astype(np.uint8)[..., None], 3, axis=-1)
    same, labels = make_view(rgb, LABELS, 0, np.random.default_rng(0))
    assert same is rgb
    assert labels is LABELS
    sizes = set()
    for seed in range(8):
        view, labels = make_view(rgb, LABELS, 1, np.random.default_rng(seed))
        assert view.dtype == np.uint8
        assert view.shape == (*labels.shape, 3)
        sizes.add(labels.shape)
        again, _ = make_view(rgb, LABELS, 1, np.random.default_rng(seed))
        assert np.array_equal(again, view)
    assert any(shape[0] > 60 for shape in sizes)
    assert any(shape[0] < 60 for shape in sizes)


def test_nothing_to_learn_from_gives_an_estimate_that_says_nothing(tiny_model: SamModel) -> None:
    quality = calibrate(tiny_model, None, [])  # type: ignore[arg-type]
    again = Quality.from_dict(quality.to_dict())
    for name, names in FEATURES.items():
        values = getattr(again, name)(np.full((2, len(names)), 3, np.float32))
        assert values.tolist() == [0.5, 0.5]


def test_an_estimate_is_fitted_on_regions_and_on_answers(
    tiny_model: SamModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part of it: the finder knows nothing here, but its regions have an IoU."""
    for name in ("REGION_FIT", "ANSWER_FIT"):
        monkeypatch.setattr(calibration, name, calibration.FitSize((4,), 20))
    fitted: dict[str, int] = {}
    fit = calibration._fit

    def count(name: str, tables: list[Table], seed: int) -> Perceptron:
        fitted[name] = sum(len(table.iou) for table in tables)
        return fit(name, tables, seed)

    monkeypatch.setattr(calibration, "_fit", count)
    write_manifest(tmp_path, own=write_set(tmp_path, "own", 2))
    images = choose_images(find_images(tmp_path))
    finder = load_finder(tiny_model, write_tiny_finder(tmp_path / "f", tiny_model).path)
    done: list[tuple[int, int]] = []
    quality = calibrate(
        tiny_model, finder, images, seed=3, progress=lambda *steps: done.append(steps)
    )
    assert done == [(number, 6) for number in range(1, 7)]
    assert set(fitted) == set(FEATURES)
    assert fitted["region"] > 50
    assert fitted["mask"] > 0
    again = calibrate(tiny_model, finder, images, seed=3)
    assert again.to_dict() == quality.to_dict()


def test_a_fit_learns_what_the_features_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    size = calibration.FitSize((48,), 120)
    monkeypatch.setattr(calibration, "ROWS", 128)
    rng = np.random.default_rng(0)
    tables = []
    for number in range(4):
        features = rng.normal(0, 1, (200, 3)).astype(np.float32) * (1, 50, 0) + (0, 7, 3)
        iou = (1 / (1 + np.exp(-2 * features[:, 0]))).astype(np.float32)
        tables.append(Table(f"kind{number % 2}", str(number), features.astype(np.float32), iou))
    fitted = fit_perceptron(tables, size)
    error = np.abs(fitted(tables[0].features) - tables[0].iou)
    assert error.mean() < 0.08
    again = fit_perceptron(tables, size)
    assert np.array_equal(again(tables[0].features), fitted(tables[0].features))
