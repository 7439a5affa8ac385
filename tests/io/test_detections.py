import json
from pathlib import Path

import pytest

from napari_segany.errors import InputError
from napari_segany.io.detections import Detection, read_detections

SHAPE = (100, 200)


def read(tmp_path: Path, name: str, text: str, image: str | None = None) -> list[Detection]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_detections(path, SHAPE, image)


@pytest.mark.parametrize(
    ("header", "row", "wanted"),
    [
        ("row_min,col_min,row_max,col_max", "1,2,10,20", [1, 2, 10, 20]),
        ("label,bbox-0,bbox-1,bbox-2,bbox-3", "7,1,2,11,21", [1, 2, 10, 20]),
        ("x1,y1,x2,y2,score", "2,1,20,10,.9", [1, 2, 10, 20]),
        ("x,y,width,height", "2,1,19,10", [1, 2, 10, 20]),
        ("X_min,Y_min,X_max,Y_max", "2,1,20,10", [1, 2, 10, 20]),
    ],
)
def test_boxes_of_tables(tmp_path: Path, header: str, row: str, wanted: list[float]) -> None:
    (found,) = read(tmp_path, "boxes.csv", f"{header}\n{row}\n")
    assert found.box == wanted
    assert found.plane is None
    (found,) = read(tmp_path, "b.tsv", f"{header},z\n{row},4\n".replace(",", "\t"))
    assert (found.box, found.plane) == (wanted, 4)


def test_points_of_tables_are_grouped_by_object(tmp_path: Path) -> None:
    text = "object,sign,y,x\na,positive,1,2\nb,+,3,4\na,negative,5,6\n"
    first, second = read(tmp_path, "points.csv", text)
    assert first.points == [[1, 2], [5, 6]]
    assert first.signs == [1, 0]
    assert second.points == [[3, 4]]


def test_points_as_napari_saves_them(tmp_path: Path) -> None:
    (flat,) = read(tmp_path, "flat.csv", "index,axis-0,axis-1\n0,5,6\n")
    assert (flat.points, flat.plane) == ([[5, 6]], None)
    (deep,) = read(tmp_path, "deep.csv", "index,axis-0,axis-1,axis-2\n0,3,5,6\n")
    assert (deep.points, deep.plane) == ([[5, 6]], 3)


def test_coco_datasets_and_results(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "in/a.png"}, {"id": 2, "file_name": "b.png"}]
    boxes = [{"image_id": 2, "bbox": [2, 1, 19, 10]}, {"image_id": 1, "bbox": [0, 0, 5, 5]}]
    text = json.dumps({"images": images, "annotations": boxes})
    (found,) = read(tmp_path, "set.json", text, "b.png")
    assert found.box == [1, 2, 10, 20]
    with pytest.raises(InputError, match="about 2 images"):
        read(tmp_path, "set.json", text)
    (found,) = read(tmp_path, "results.json", json.dumps(boxes[:1]))
    assert found.box == [1, 2, 10, 20]


def test_yolo_boxes_are_fractions(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "a.txt", "0 0.25 0.5 0.1 0.2 0.9\n\n")
    assert found.box == pytest.approx([40, 40, 59, 59])


def test_a_box_of_one_pixel_has_a_size(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "a.csv", "x,y,width,height\n3,4,1,1\n")
    assert found.box == [4, 3, 4.5, 3.5]
    assert found.prompt().box is not None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "no boxes"),
        ("a.csv", "colour,shape\nred,round\n", "known are"),
        ("a.csv", "x1,y1,x2,y2\n1,2,three,4\n", "not understood"),
        ("a.csv", "x1,y1,x2,y2\n10,2,3,4\n", "row_min"),
        ("a.csv", "x1,y1,x2,y2\n1,2\n", "not understood"),
        ("a.json", "[", "not understood"),
        ("a.json", "[1]", "not understood"),
        ("a.json", "{}", "not understood"),
        ("a.txt", "0 0.5", "not understood"),
        ("a.xls", "", "neither"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, name, text)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_detections(tmp_path / "none.csv", SHAPE)
