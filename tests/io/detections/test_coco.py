import json
from typing import Any

import pytest

from napari_segany.errors import InputError

BOXES = [
    {"id": 5, "image_id": 2, "bbox": [2, 1, 19, 10]},
    {"id": 6, "image_id": 1, "bbox": [0, 0, 5, 5]},
]
IMAGES = [{"id": 1, "file_name": "in/a.png"}, {"id": 2, "file_name": "b.png"}]


def test_datasets_and_results(read: Any) -> None:
    text = json.dumps({"images": IMAGES, "annotations": BOXES})
    found = read(text, "set.json", image="b.png")
    assert [(each.box, each.id) for each in found] == [([1, 2, 10, 20], "5")]
    assert found.understood == "COCO: boxes from bbox, of 1 of 2 images"
    for name in (None, "c.png"):
        with pytest.raises(InputError, match="about 2 images"):
            read(text, "set.json", image=name)
    (found,) = read(json.dumps(BOXES[:1]), "results.json")
    assert found.box == [1, 2, 10, 20]
    with pytest.raises(InputError, match="about 2 images"):
        read(json.dumps(BOXES), "results.json", image="b.png")


def test_names_without_an_ending_are_those_of_older_files(read: Any) -> None:
    images = [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "b"}]
    text = json.dumps({"images": images, "annotations": BOXES})
    assert read(text, "set.json", image="b.ome.tif").found[0].id == "5"


def test_planes_of_a_stack_are_images(read: Any) -> None:
    images = [
        {"id": n, "file_name": f"s_Z00{n}.tif", "source": "s.tif", "plane": {"Z": n}}
        for n in (1, 2)
    ]
    text = json.dumps({"images": images, "annotations": BOXES})
    found = read(text, "set.json", image="s.tif", axes={"Z": 3})
    assert [each.place for each in found] == [{"Z": 2}, {"Z": 1}]


def test_bad_annotations_are_named(read: Any) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "bbox": [2, 1, 19, 10]},
        {"id": 2, "bbox": [2, 1, 0, 10]},
        {"id": 3, "bbox": [2, 1, "x", 10]},
        {"id": 4, "bbox": 7},
        {"id": 5, "bbox": [2, 1, 19, 10], "iscrowd": 1},
        {"id": 6, "segmentation": [[2, 1, 21, 1, 21, 11, 2, 11]]},
        {"id": 7},
        {"id": 8, "bbox": [float("nan"), 1, 2, 3]},
    ]
    rows = [{"image_id": 1, **row} for row in rows]
    found = read(json.dumps({"images": IMAGES[:1], "annotations": rows}), "set.json", image="a.png")
    assert [(each.box, each.id) for each in found] == [
        ([1, 2, 10, 20], "1"),
        ([1, 2, 10, 20], "6"),
    ]
    assert [reason.partition(":")[0] for reason in found.skipped] == [
        f"annotation {n}" for n in (2, 3, 4, 5, 7, 8)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1]", "no list of results"),
        ("{}", "no list of images"),
        ("7", "it is a int"),
        ('{"images": [{"id": 1}], "annotations": []}', "image 1 has no file_name"),
        ('{"images": [{"id": [], "file_name": "a"}], "annotations": []}', r"id is \[\]"),
        ('{"images": [], "annotations": [{"image_id": null}]}', "image_id is None"),
        ('{"images": [{"id": 1, "file_name": "a", "plane": 3}], "annotations": []}', "plane of"),
        ('{"images": [], "annotations": []}', "no boxes"),
    ],
)
def test_what_is_no_coco_is_said(read: Any, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(text, "a.json")


def test_boxes_of_another_size_of_the_image_are_refused(read: Any) -> None:
    image = {"id": 1, "file_name": "a.png", "height": 100, "width": 200}
    rows = [{"id": 1, "image_id": 1, "bbox": [2, 1, 19, 10]}]
    for more in ({}, {"height": 0, "width": None}, {"height": "100"}):
        text = json.dumps({"images": [{**image, **more}], "annotations": rows})
        assert read(text, "set.json", image="a.png").found[0].box == [1, 2, 10, 20]
    text = json.dumps({"images": [{**image, "width": 400}], "annotations": rows})
    for name in ("a.png", "renamed.png"):
        with pytest.raises(InputError, match=r"a.png has 100 rows and 400 columns.*100 and 200"):
            read(text, "set.json", image=name)
