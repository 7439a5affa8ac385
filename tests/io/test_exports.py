import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
from pycocotools.coco import COCO
from skimage.draw import disk, polygon2mask

from napari_segany.core.labels import paint
from napari_segany.core.masks import MaskSet
from napari_segany.io.exports import EXPORTS

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
    export, first = EXPORTS[kind][1](), 1
    for number, (labels, masks) in enumerate(planes):
        export.add({"T": 0, "Z": number}, labels, first, masks)
        first += len(masks)
    export.save(path, "cells")
    export.close()
    return path


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_reads_every_mask_back(planes: Any, tmp_path: Path) -> None:
    path = write("coco", planes, tmp_path / "cells_coco.json")
    coco = COCO(str(path))
    assert sorted(coco.imgs) == [1, 2]
    assert coco.imgs[2]["plane"] == {"T": 0, "Z": 1}
    assert sorted(coco.anns) == [1, 2, 3]
    for number, (_, masks) in enumerate(planes, start=1):
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=number)):
            at = annotation["id"] - (1 if number == 1 else 3)
            assert np.array_equal(coco.annToMask(annotation), masks.mask(at))
            assert annotation["score"] == pytest.approx(masks.predicted_iou[at])


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
    path = write(kind, empty, tmp_path / ("none.json" if kind == "coco" else "none.zip"))
    if kind == "coco":
        assert json.loads(path.read_text())["annotations"] == []
    else:
        assert path.read_bytes()[:2] == b"PK"
