"""Whatever is in a file: boxes and points of the image, or one plain error."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.effort import choose_count

from napari_segany.errors import InputError
from napari_segany.io.detections import (
    DIALECTS,
    Detections,
    TableImage,
    TableOptions,
    read_detections,
)

SHAPE = (40, 60)
IMAGES = [
    TableImage(SHAPE),
    TableImage(SHAPE, {"T": 3}, {"Y": (0.5, "um"), "X": (0.5, "um")}, "a.tif"),
    TableImage(SHAPE, {"T": 2, "C": 2, "Z": 3}, {"Y": (65.0, "nm"), "X": (65.0, "nm")}, "a.tif"),
    TableImage(SHAPE, {"Q": 4}, plane_is_last=False),
]
HEADERS = [
    ["x1", "y1", "x2", "y2", "z", "label", "image"],
    ["x", "y", "width", "height", "frame", "id"],
    ["row", "col", "object", "sign", "label", "plane"],
    [" ", "Area", "X", "Y", "BX", "BY", "Width", "Height", "Ch", "Slice", "Frame"],
    ["index", "shape-type", "vertex-index", "axis-0", "axis-1"],
    ["index", "axis-0", "axis-1", "axis-2", "label"],
    ["label", "bbox-0", "bbox-1", "bbox-2", "bbox-3", "bbox-4", "bbox-5"],
    ["LABEL", "ID", "QUALITY", "POSITION_X", "POSITION_Y", "POSITION_Z", "FRAME", "RADIUS"],
    ["Image", "Object ID", "Centroid X µm", "Centroid Y µm"],
    ["ImageNumber", "ObjectNumber", "Location_Center_X", "Location_Center_Y", "FileName_DNA"],
    ["label", "row_min", "col_min", "row_max", "col_max", "centroid_row", "centroid_col", "T", "Z"],
    ["Type", "X", "Y", "Width", "Height", "LWidth", "Z", "T"],
]
CELLS = st.one_of(
    st.integers(-3, 70).map(str),
    st.integers(0, 3).map(str),
    st.floats(-5, 65).map(lambda v: f"{v:.3f}"),
    st.sampled_from(["", "nan", "inf", "1e999", "-1", "0", "1,5", "1.234,5", "x", "a.tif"]),
    st.sampled_from(["rectangle", "ellipse", "path", "(micron)", "18446744073709551615"]),
    st.sampled_from(["=1+1", "−3", "1_0", "٣"]),
)


@st.composite
def tables(draw: Any) -> str:
    header = draw(st.sampled_from(HEADERS))
    header = header[: draw(st.integers(2, len(header)))] if draw(st.booleans()) else header
    separator = draw(st.sampled_from([",", ";", "\t"]))
    width = st.integers(len(header) - 1, len(header) + 1) if draw(st.booleans()) else None
    rows = draw(
        st.lists(
            st.lists(CELLS, min_size=len(header), max_size=len(header))
            if width is None
            else width.flatmap(lambda n: st.lists(CELLS, min_size=n, max_size=n)),
            max_size=8,
        )
    )
    return "\n".join(separator.join(row) for row in [header, *rows])


KEYS = [
    *("images", "annotations", "id", "image_id", "file_name", "bbox", "plane", "source"),
    *("segmentation", "iscrowd"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.sampled_from(["a.tif", "b"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=20,
)


def check(path: Path, image: TableImage, options: TableOptions) -> None:
    with suppress(InputError):
        found = read_detections(path, image, options)
        check_found(found, image)


def check_found(found: Detections, image: TableImage) -> None:
    assert "\n" not in found.understood
    assert len(found.ids) >= found.count >= 1
    for each in found:
        assert each.where
        assert 1 <= each.number <= len(found.ids)
        assert all(0 <= n < image.leading[axis] for axis, n in each.place.items())
        # It is a prompt of this image.
        each.prompt(image.shape).check_inside(image.shape)
        assert np.isfinite(np.asarray(each.box or 0)).all()


CHOICES = st.builds(
    TableOptions,
    st.none() | st.sampled_from(DIALECTS),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, "pixels", "calibrated"]),
)
quick = settings(
    max_examples=choose_count(200, 40),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@quick
@given(tables(), st.sampled_from(IMAGES), CHOICES, st.sampled_from([".csv", ".txt", ".tsv"]))
def test_tables(
    tmp_path: Path, text: str, image: TableImage, options: TableOptions, ending: str
) -> None:
    path = tmp_path / f"table{ending}"
    path.write_text(text, encoding="utf-8", newline="")
    check(path, image, options)


@quick
@given(JSON, st.sampled_from(IMAGES))
def test_json(tmp_path: Path, content: Any, image: TableImage) -> None:
    path = tmp_path / "table.json"
    for each in (content, {"images": content, "annotations": content}):
        path.write_text(json.dumps(each), encoding="utf-8")
        check(path, image, TableOptions())


@quick
@given(st.binary(max_size=200), st.sampled_from([".csv", ".txt", ".json", ".xls"]))
def test_bytes(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    path.write_bytes(content)
    check(path, IMAGES[1], TableOptions())
