"""The files of one image appear together, ids count on over planes, the fullest plane is shown."""

import csv
from functools import partial

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_segany import MaskSet
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError, SeganyError
from napari_segany.io.measured_plane import measure_result
from napari_segany.io.result_files import Outputs, ResultFiles, ResultWriter


def plane_masks(count: int) -> MaskSet:
    masks = np.zeros((count, 20, 30), bool)
    for i in range(count):
        masks[i, 2:10, 8 * i : 8 * i + 5] = True
    return MaskSet.from_masks(masks)


def write(files: ResultFiles) -> str:
    with ResultWriter(files, "cells", StackLayout("TYX", (3, 20, 30)), {}) as writer:
        for t, count in enumerate((1, 3, 0)):
            masks = plane_masks(count)
            image = np.full((20, 30), t, np.uint16)
            plane = measure_result((t,), image, masks.to_labels(), masks, {}, (0,))
            writer.add(plane, partial(np.copy, image))
        writer.save("{}\n")
        return writer.pictured


def test_ids_are_unique_over_planes_and_the_fullest_plane_is_shown(tmp_path):
    files = ResultFiles.of(tmp_path, "cells")

    assert write(files) == "T 1"

    labels = tifffile.imread(files.labels)
    assert [np.unique(p[p > 0]).tolist() for p in labels] == [[1], [2, 3, 4], []]
    rows = list(csv.DictReader(files.table.read_text().splitlines()))
    assert [(r["label"], r["plane"], r["T"]) for r in rows] == [
        ("1", "0", "0"),
        ("2", "1", "1"),
        ("3", "1", "1"),
        ("4", "1", "1"),
    ]
    with Image.open(files.overlay) as picture:
        assert picture.text["Description"] == "cells: 3 objects on plane T 1"
    assert files.provenance.read_text() == "{}\n"
    assert len(list(tmp_path.iterdir())) == 4


def test_when_one_file_cannot_be_made_none_appears(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_segany.io.result_files.write_png", full)

    with pytest.raises(SeganyError, match="No space left"):
        write(ResultFiles.of(tmp_path, "cells"))

    assert list(tmp_path.iterdir()) == []


def test_exports_may_come_from_any_iterable():
    assert Outputs(exports=iter(["rois", "coco"])).exports == ("coco", "rois")
    with pytest.raises(InputError, match="exports must be of"):
        Outputs(exports=iter(["coco", "nothing"]))
