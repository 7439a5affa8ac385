"""GeoJSON of QuPath: what is exported is read again, pixel for pixel; polygons of others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.draw import disk, polygon2mask

from napari_segany.core.mask_classes import MaskClasses
from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.io.detections import TableImage, read_detections
from napari_segany.io.detections.polygons import joined, to_labels
from napari_segany.io.exports import EXPORTS
from napari_segany.io.exports.pixel_polygons import polygons_of
from napari_segany.io.exports.plane import ExportedImage, ResultPlane

SHAPE = (40, 60)


def some_labels() -> np.ndarray:
    """A ring, a disk in it, an object in two parts, pixels that only share a corner."""
    labels = np.zeros(SHAPE, np.int32)
    labels[disk((15, 15), 12)] = 1
    labels[disk((15, 15), 7)] = 0
    labels[disk((15, 15), 4)] = 2
    labels[30:34, 5:20] = labels[36:39, 30:33] = 3
    labels[2:6, 40:44] = labels[6:9, 44:50] = 4
    labels[20, 59] = labels[39, 59] = 5
    return labels


def mask_set(labels: np.ndarray) -> MaskSet:
    count = int(labels.max())
    masks = np.stack([labels == n for n in range(1, count + 1)])
    return MaskSet.from_masks(masks, np.linspace(0.9, 0.5, count).tolist())


def write(kind: str, path: Path, planes: list[np.ndarray], masks: MaskSet | None = None) -> Path:
    layout = StackLayout("ZYX", (len(planes), *SHAPE))
    export, first = EXPORTS[kind].begin(ExportedImage("a", "a.tif", layout)), 1
    for z, labels in enumerate(planes):
        found = masks or mask_set(labels)
        export.add(ResultPlane({"Z": z}, lambda: np.zeros(SHAPE), labels, first, found))
        first += len(found)
    export.save(path)
    export.close()
    return path


@pytest.mark.parametrize(("kind", "name"), [("geojson", "a.geojson"), ("geojson", "a.json")])
def test_labels_are_the_same_after_export_and_import(kind: str, name: str, tmp_path: Path) -> None:
    labels = some_labels()
    path = write(kind, tmp_path / name, [labels])
    found = read_detections(path, TableImage(SHAPE))
    assert found.understood.startswith("GeoJSON")
    assert found.ids == ("1", "2", "3", "4", "5")
    np.testing.assert_array_equal(to_labels(found, SHAPE), labels)
    for each in found:
        rows, cols = np.nonzero(labels == each.number)
        assert each.box == [rows.min(), cols.min(), rows.max(), cols.max()] or each.number == 5
        assert each.prompt(SHAPE).mask is not None


def test_features_are_as_qupath_reads_them(tmp_path: Path) -> None:
    labels = some_labels()
    masks = mask_set(labels)
    index, scores = np.array([0, 1, 0, 1, 0]), np.full(5, 0.5, np.float32)
    classed = MaskClasses(("cell", "nucleus"), index, scores, (0.5, 0.5))
    path = write("geojson", tmp_path / "a.geojson", [labels], replace(masks, classes=classed))
    found = json.loads(path.read_text())
    assert found["type"] == "FeatureCollection"
    ring, inner, two, *_ = found["features"]
    assert ring["type"] == "Feature"
    assert ring["properties"] == {
        "objectType": "detection",
        "name": "1",
        "classification": {"name": "cell"},
        "measurements": {"score": pytest.approx(0.9), "area": int((labels == 1).sum())},
    }
    assert inner["properties"]["classification"] == {"name": "nucleus"}
    # A single plane needs no position.
    assert "plane" not in ring["geometry"]
    assert ring["geometry"]["type"] == "Polygon"
    assert len(ring["geometry"]["coordinates"]) == 2
    assert two["geometry"]["type"] == "MultiPolygon"
    assert two["geometry"]["coordinates"][0] == [[[5, 30], [20, 30], [20, 34], [5, 34], [5, 30]]]


def test_planes_are_told_apart(tmp_path: Path) -> None:
    labels = some_labels()
    path = write("geojson", tmp_path / "a.geojson", [labels, np.where(labels == 3, 1, 0)])
    features = json.loads(path.read_text())["features"]
    assert features[-1]["geometry"]["plane"] == {"c": -1, "z": 1, "t": 0}
    assert features[-1]["properties"]["name"] == "6"
    found = read_detections(path, TableImage(SHAPE, {"Z": 2}))
    assert [each.place["Z"] for each in found] == [0] * 5 + [1]


@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_any_mask_is_filled_again_and_no_ring_touches_itself(mask: np.ndarray) -> None:
    filled = np.zeros_like(mask)
    for outer, holes in polygons_of(mask):
        rings = [np.array(ring, float) for ring in (outer, *holes)]
        part = polygon2mask(mask.shape, joined(rings) - 0.5)
        assert not (part & filled).any()
        filled |= part
        for ring in (outer, *holes):
            assert len(set(ring)) == len(ring) >= 4
            turned = np.roll(np.array(ring), -1, axis=0) - np.array(ring)
            assert (np.count_nonzero(turned, axis=1) == 1).all()
        # Each hole is a ring inside of the outer one.
        alone = polygon2mask(mask.shape, rings[0] - 0.5)
        assert (part & ~alone).sum() == 0
    np.testing.assert_array_equal(filled, mask)


FEATURES: dict[str, tuple[dict[str, Any] | None, str]] = {
    "none": (None, "no geometry"),
    "kind": ({"type": "Curve", "coordinates": []}, "'Curve', no polygon"),
    "text": ({"type": "Polygon", "coordinates": [[["a", 1], [2, 3], [4, 5]]]}, "no numbers"),
    "two": ({"type": "Polygon", "coordinates": [[[0, 0], [9, 9], [0, 0]]]}, "three corners"),
    "deep": ({"type": "MultiPolygon", "coordinates": [[[0, 0], [1, 1]]]}, "no numbers"),
    "flat": ({"type": "Polygon", "coordinates": [[[0, 1], [9, 1], [5, 1], [0, 1]]]}, "no area"),
    "line": ({"type": "LineString", "coordinates": [[-9, -9], [-5, -7]]}, "outside the image"),
    "huge": ({"type": "Polygon", "coordinates": [[[1e999, 1], [9, 1], [5, 1]]]}, "no numbers"),
}


@pytest.mark.parametrize("case", FEATURES)
def test_features_that_are_no_objects_are_skipped_with_the_reason(
    case: str, tmp_path: Path
) -> None:
    geometry, reason = FEATURES[case]
    good = {"type": "Point", "coordinates": [10.5, 20.5]}
    features = [{"type": "Feature", "geometry": each} for each in (good, geometry)]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(features))
    found = read_detections(path, TableImage(SHAPE))
    (skipped,) = found.skipped
    assert skipped.startswith("feature 2: ")
    assert reason in skipped
    assert [each.points for each in found] == [[[20.0, 10.0]]]


def test_lines_are_points_along_them(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    line = {"type": "LineString", "coordinates": [[0.5, 5.5], [14.5, 5.5]]}
    path.write_text(json.dumps({"type": "Feature", "geometry": line}))
    (each,) = read_detections(path, TableImage(SHAPE))
    assert each.points == [[5.0, 2.0 * n] for n in range(8)]


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"type": "FeatureCollection"}', "[" * 99_999])
def test_other_files_are_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_detections(path, TableImage(SHAPE))
    assert "\n" not in str(caught.value)
