"""Tables that napari itself writes, and some written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Points, Shapes
from napari_builtins.io import napari_write_points, napari_write_shapes

from napari_segany.errors import InputError

SHAPES = "index,shape-type,vertex-index,axis-0,axis-1\n"


def shape(index: int, kind: str, corners: list[list[float]]) -> str:
    rows = (f"{index},{kind},{n},{','.join(map(str, at))}\n" for n, at in enumerate(corners))
    return "".join(rows)


SQUARE: list[list[float]] = [[14, 28], [14, 76], [60, 76], [60, 28]]


def test_points(read: Any) -> None:
    flat = read("index,axis-0,axis-1\n0,5,6\n")
    assert (flat.found[0].points, flat.found[0].place) == ([[5, 6]], {})
    deep = read("index,axis-0,axis-1,axis-2\n0,3.4,5,6\n", axes={"Z": 5})
    assert (deep.found[0].points, deep.found[0].place) == ([[5, 6]], {"Z": 3})
    assert deep.understood == (
        "napari points: points from axis-1, axis-2; planes from axis-0, counted from 0"
    )
    whole = read("index,axis-0,axis-1,axis-2,axis-3\n0,1,2,5,6\n", axes={"T": 2, "Z": 3})
    assert whole.found[0].place == {"T": 1, "Z": 2}
    # A viewer has an axis of channels, which prompts have not.
    whole = read("index,axis-0,axis-1,axis-2,axis-3\n0,1,2,5,6\n", axes={"C": 2, "Z": 3})
    assert whole.found[0].place == {"Z": 2}


def test_points_of_more_axes_than_the_image_are_refused(read: Any) -> None:
    text = "index,axis-0,axis-1,axis-2\n0,3,5,6\n1,4,5,6\n"
    with pytest.raises(InputError, match="along 3 axes and the image has 2"):
        read(text)
    with pytest.raises(InputError, match="the view shows others"):
        read(text, axes={"Z": 9}, is_last=False)


def test_shapes_are_objects_whatever_their_number_of_vertices(read: Any) -> None:
    triangle: list[list[float]] = [[1, 1], [1, 20], [20, 1]]
    text = (
        SHAPES
        + shape(0, "rectangle", SQUARE)
        + shape(1, "ellipse", SQUARE)
        + shape(2, "polygon", triangle)
        + shape(3, "line", [[10, 10], [10, 80]])
        + shape(4, "path", triangle)
    )
    found = read(text)
    assert found.understood == (
        "napari shapes: rectangles and ellipses and polygons and lines and paths with vertices in "
        "axis-0, axis-1"
    )
    box, ellipse, polygon, line, path = found
    assert (box.box, box.outline) == ([14, 28, 60, 76], None)
    assert ellipse.box == [14, 28, 60, 76]
    mask = ellipse.prompt((100, 200)).mask
    assert mask is not None
    assert mask[37, 52]
    assert not mask[15, 29]
    assert mask.sum() == pytest.approx(np.pi / 4 * 46 * 48, rel=0.03)
    assert polygon.box == [1, 1, 20, 20]
    assert polygon.prompt((100, 200)).mask is not None
    assert (len(line.points), line.signs) == (8, [1] * 8)
    assert line.points[0] == [10, 10]
    assert len(path.points) == 8
    assert [each.where for each in found][:2] == ["shape 1 (lines 2-5)", "shape 2 (lines 6-9)"]


def test_shapes_of_stacks(read: Any) -> None:
    header = "index,shape-type,vertex-index,axis-0,axis-1,axis-2\n"
    rows = [[3.0, *corner] for corner in SQUARE]
    (found,) = read(header + shape(0, "rectangle", rows), axes={"T": 5})
    assert (found.box, found.place) == ([14, 28, 60, 76], {"T": 3})
    rows[2][0] = 4.0
    with pytest.raises(InputError, match="vertices lie in different planes"):
        read(header + shape(0, "rectangle", rows), axes={"T": 5})


def test_bad_shapes_are_named(read: Any) -> None:
    text = (
        SHAPES
        + shape(0, "rectangle", SQUARE)
        + shape(1, "rectangle", SQUARE[:3])
        + shape(2, "rectangle", [[a + 300, b] for a, b in SQUARE])
        + shape(3, "circle", SQUARE)
        + shape(4, "rectangle", [[5, 5]] * 4)
        + shape(5, "rectangle", [[a - 30, b] for a, b in SQUARE])
        + "6,rectangle,0,nan,5\n"
    )
    found = read(text)
    assert [each.box for each in found] == [[14, 28, 60, 76], [0, 28, 30, 76]]
    assert [reason.partition(": ")[2] for reason in found.skipped] == [
        "it has 3 vertices, and rectangles have 4",
        "it lies outside the image",
        "'circle' is none of rectangle, ellipse, polygon, line, path",
        "it has no area",
        "axis-0 is 'nan', no number",
    ]
    assert found.notes == ("shape 6 (lines 21-24) was cut at the border of the image",)


@pytest.mark.parametrize("layer", ["points", "shapes"])
def test_what_napari_writes_is_read(read: Any, tmp_path: Path, layer: str) -> None:
    path = tmp_path / "written.csv"
    if layer == "points":
        data, settings, _ = Points([[2, 5, 6], [3, 7, 8]]).as_layer_data_tuple()
        napari_write_points(str(path), data, settings)
    else:
        data, settings, _ = Shapes([[[2, *corner] for corner in SQUARE]]).as_layer_data_tuple()
        napari_write_shapes(str(path), data, settings)
    found = read(path.read_bytes(), axes={"Z": 4})
    if layer == "points":
        assert [(e.points, e.place) for e in found] == [([[5, 6]], {"Z": 2}), ([[7, 8]], {"Z": 3})]
    else:
        assert [(e.box, e.place) for e in found] == [([14, 28, 60, 76], {"Z": 2})]
