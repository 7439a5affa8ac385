import json
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import roifile
import tifffile
from pycocotools.coco import COCO
from skimage.draw import disk, polygon2mask

from napari_segany.core.mask_classes import MaskClasses
from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import StackLayout
from napari_segany.core.rasterize import paint
from napari_segany.io.detections import TableImage, read_detections
from napari_segany.io.exports import EXPORTS
from napari_segany.io.exports.plane import ExportedImage, ResultPlane

SHAPE = (60, 80)


@pytest.fixture
def planes() -> list[tuple[Any, MaskSet]]:
    """Two planes: a disk and one in two parts, and a ring that touches the border."""
    masks = np.zeros((3, *SHAPE), bool)
    masks[0][disk((20, 20), 9)] = True
    masks[1, 40:45, 10:30] = True
    masks[1, 50:53, 60:70] = True
    masks[2][disk((30, 70), 12, shape=SHAPE)] = True
    masks[2][disk((30, 70), 4, shape=SHAPE)] = False
    sets = [MaskSet.from_masks(masks[:2], [0.9, 0.8]), MaskSet.from_masks(masks[2:], [0.7])]
    found = []
    for each in sets:
        labels, source = paint(each)
        found.append((labels, each[source]))
    return found


def write(kind: str, planes: Any, path: Path) -> Path:
    layout = StackLayout("TZYX", (1, len(planes), *SHAPE))
    export, first = EXPORTS[kind].begin(ExportedImage("cells", "cells.ome.tif", layout)), 1
    image = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(SHAPE)
    for number, (labels, masks) in enumerate(planes):
        place = {"T": 0, "Z": number}
        export.add(ResultPlane(place, partial(np.copy, image), labels, first, masks))
        first += len(masks)
    export.save(path)
    export.close()
    return path


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_reads_every_mask_back(planes: Any, tmp_path: Path) -> None:
    path = write("coco", planes, tmp_path / "cells_coco.json")
    coco = COCO(str(path))
    assert sorted(coco.imgs) == [1, 2]
    assert coco.imgs[2]["plane"] == {"T": 0, "Z": 1}
    # Every plane has a name of its own, beside that of the file.
    names = [coco.imgs[n]["file_name"] for n in (1, 2)]
    assert names == ["cells_T000_Z000.ome.tif", "cells_T000_Z001.ome.tif"]
    assert [coco.imgs[n]["source"] for n in (1, 2)] == ["cells.ome.tif"] * 2
    assert sorted(coco.anns) == [1, 2, 3]
    for number, (_, masks) in enumerate(planes, start=1):
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=number)):
            at = annotation["id"] - (1 if number == 1 else 3)
            assert np.array_equal(coco.annToMask(annotation), masks.mask(at))
            assert annotation["score"] == pytest.approx(masks.predicted_iou[at])


def test_coco_of_a_single_image_names_its_file(planes: Any, tmp_path: Path) -> None:
    layout = StackLayout("YX", SHAPE)
    export = EXPORTS["coco"].begin(ExportedImage("coins", "coins.png", layout))
    labels, masks = planes[0]
    export.add(ResultPlane({}, partial(np.zeros, SHAPE), labels, 1, masks))
    export.save(tmp_path / "coins_coco.json")
    export.close()
    (image,) = json.loads((tmp_path / "coins_coco.json").read_text())["images"]
    assert (image["file_name"], image["source"], image["plane"]) == ("coins.png", "coins.png", {})


def test_coco_is_read_back_plane_by_plane(planes: Any, tmp_path: Path) -> None:
    path = write("coco", planes, tmp_path / "cells_coco.json")
    about = TableImage(SHAPE, {"T": 1, "Z": 2}, name="cells.ome.tif")
    found = read_detections(path, about)
    assert [(each.id, each.place) for each in found] == [
        ("1", {"T": 0, "Z": 0}),
        ("2", {"T": 0, "Z": 0}),
        ("3", {"T": 0, "Z": 1}),
    ]
    a, b, c, d = planes[1][1].boxes[0].tolist()
    assert found.found[2].box == [a, b, c - 1, d - 1]


def test_rois_enclose_just_the_pixels(planes: Any, tmp_path: Path) -> None:
    path = write("rois", planes, tmp_path / "cells_rois.zip")
    rois = {roi.name: roi for roi in roifile.roiread(path)}
    assert sorted(rois) == ["000001", "000002-1", "000002-2", "000003"]
    assert rois["000003"].z_position == 2
    assert rois["000001"].z_position == 1
    seen = np.zeros((2, *SHAPE), int)
    for name, roi in rois.items():
        # ImageJ's 0 is the corner of the first pixel.
        corners = roi.coordinates()[:, ::-1] - 0.5
        inside = polygon2mask(SHAPE, corners)
        seen[roi.z_position - 1][inside] = int(name[:6])
    assert np.array_equal(seen[0], planes[0][0])
    ring = planes[1][0] > 0
    # Holes are filled.
    assert np.array_equal(seen[1] == 3, ring | (seen[1] == 3))
    assert (seen[1] == 3).sum() > ring.sum()


@pytest.mark.parametrize("kind", list(EXPORTS))
def test_the_same_objects_give_the_same_bytes(kind: str, planes: Any, tmp_path: Path) -> None:
    one, other = write(kind, planes, tmp_path / "one"), write(kind, planes, tmp_path / "two")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", list(EXPORTS))
def test_nothing_found_is_a_valid_file(kind: str, tmp_path: Path) -> None:
    empty = [(np.zeros(SHAPE, np.int32), MaskSet.empty(SHAPE))]
    path = write(kind, empty, tmp_path / "none")
    if kind == "coco":
        assert json.loads(path.read_text())["annotations"] == []
    elif kind == "geojson":
        assert json.loads(path.read_text())["features"] == []
    elif kind in ("overlays", "masks"):
        with tifffile.TiffFile(path) as file:
            assert len(file.pages) == 1
    else:
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None


def test_yolo_draws_the_objects_again(planes: Any, tmp_path: Path) -> None:
    path = write("yolo", planes, tmp_path / "cells_yolo.zip")
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == ["cells_T000_Z000.txt", "cells_T000_Z001.txt"]
        lines = file.read("cells_T000_Z000.txt").decode().splitlines()
        (tmp_path / "cells.txt").write_bytes(file.read("cells_T000_Z000.txt"))
    assert len(lines) == 2
    labels = planes[0][0]
    for number, line in enumerate(lines, start=1):
        kind, *numbers = line.split()
        corners = np.array(numbers, float).reshape(-1, 2)[:, ::-1] * SHAPE - 0.5
        largest = labels == number
        if number == 2:
            # The other part is left out.
            largest = largest & (np.arange(SHAPE[0])[:, None] < 48)
        assert kind == "0"
        assert np.array_equal(polygon2mask(SHAPE, corners), largest)
    boxes = read_detections(tmp_path / "cells.txt", TableImage(SHAPE))
    assert [np.round(each.box).tolist() for each in boxes] == [
        [12, 12, 28, 28],
        [40, 10, 44, 29],
    ]


def with_phrases(planes: Any) -> Any:
    """Return the planes with masks of two phrases, of which a third found nothing."""
    names, best = ("round", "two\nparts", "missing"), (0.9, 0.8, 0.1)
    found = []
    for labels, masks in planes:
        index = np.arange(len(masks))[::-1].copy()
        scores = np.full(len(masks), 0.5, np.float32)
        found.append((labels, replace(masks, classes=MaskClasses(names, index, scores, best))))
    return found


def test_yolo_says_by_which_phrase_an_object_was_found(planes: Any, tmp_path: Path) -> None:
    path = write("yolo", with_phrases(planes), tmp_path / "cells_yolo.zip")
    with zipfile.ZipFile(path) as file:
        assert file.read("classes.txt").decode() == "round\ntwo parts\nmissing\n"
        kinds = [
            [line.split()[0] for line in file.read(f"cells_T000_Z00{n}.txt").decode().splitlines()]
            for n in (0, 1)
        ]
    assert kinds == [["1", "0"], ["0"]]


@pytest.mark.parametrize("named", [False, True])
def test_coco_follows_the_published_format(planes: Any, tmp_path: Path, named: bool) -> None:
    """Fields and types of the format's page, cocodataset.org/#format-data."""
    whole = {"type": "integer", "minimum": 0}
    counts = {"type": "array", "items": whole}
    size = {"type": "array", "items": whole, "minItems": 2, "maxItems": 2}
    image = {"id": whole, "width": whole, "height": whole, "file_name": {"type": "string"}}
    category = {"id": {"type": "integer", "minimum": 1}, "name": {"type": "string"}}
    annotation = {
        **dict.fromkeys(("id", "image_id", "category_id"), whole),
        "segmentation": {"properties": {"counts": counts, "size": size}, "type": "object"},
        "area": {"type": "number", "exclusiveMinimum": 0},
        "bbox": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        # Run lengths are for crowds only in COCO's own data; readers take either.
        "iscrowd": {"enum": [0, 1]},
    }
    lists = {
        name: {"type": "array", "items": {"properties": parts, "required": list(parts)}}
        for name, parts in (
            ("images", image),
            ("categories", category),
            ("annotations", annotation),
        )
    }
    schema = {"type": "object", "properties": lists, "required": list(lists)}
    path = write("coco", with_phrases(planes) if named else planes, tmp_path / "cells_coco.json")
    content = json.loads(path.read_text())
    jsonschema.validate(content, schema)
    known = {each["id"] for each in content["categories"]}
    assert len(known) == (3 if named else 1)
    assert {each["category_id"] for each in content["annotations"]} <= known
    assert len({each["id"] for each in content["annotations"]}) == 3


def test_every_mask_is_a_page_and_every_plane_a_picture(planes: Any, tmp_path: Path) -> None:
    masks = tifffile.imread(write("masks", planes, tmp_path / "masks.tif"))
    assert masks.shape == (3, *SHAPE)
    assert np.array_equal(masks[2] == 255, planes[1][1].mask(0))
    overlays = tifffile.imread(write("overlays", planes, tmp_path / "overlays.tif"))
    assert overlays.shape[0] == 2
    assert overlays.shape[-1] == 3
