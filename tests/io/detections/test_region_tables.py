"""Tables of programs that measure label images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skimage.measure import regionprops_table

from napari_segany.core.measure import measure_plane
from napari_segany.errors import InputError
from napari_segany.io.table import CsvTable


@pytest.fixture
def labels() -> Any:
    data = np.zeros((100, 200), int)
    data[14:60, 28:76] = 7
    data[62:70, 10:13] = 300
    return data


def test_boxes_of_scikit_image_end_before_their_last_edge(read: Any, labels: Any) -> None:
    table = pd.DataFrame(regionprops_table(labels, properties=("label", "bbox", "centroid")))
    found = read(table.to_csv())
    assert [each.box for each in found] == [[14, 28, 59, 75], [62, 10, 69, 12]]
    assert [each.id for each in found] == ["7", str(300)]
    assert all(each.signs == [] for each in found)
    assert found.understood == "scikit-image: boxes from bbox-0 to bbox-3"


def test_a_label_is_an_id_and_no_sign(read: Any) -> None:
    found = read("label,centroid-0,centroid-1\n1,5,6\n2,7,8\n0,1,1\n")
    assert [(each.points, each.signs) for each in found] == [([[5, 6]], [1]), ([[7, 8]], [1])]
    assert found.skipped == ("row 3 (line 4): label 0 is no object",)


def test_objects_of_volumes_are_asked_in_every_plane(read: Any) -> None:
    volume = np.zeros((5, 100, 200), int)
    volume[1:4, 14:60, 28:76] = 3
    boxes = pd.DataFrame(regionprops_table(volume, properties=("label", "bbox")))
    found = read(boxes.to_csv(index=False), axes={"Z": 5})
    assert [each.place for each in found] == [{"Z": 1}, {"Z": 2}, {"Z": 3}]
    assert all(each.box == [14, 28, 59, 75] and each.number == 1 for each in found)
    assert "in every plane" in found.understood
    middles = pd.DataFrame(regionprops_table(volume, properties=("label", "centroid")))
    (found,) = read(middles.to_csv(index=False), axes={"Z": 5})
    assert (found.points, found.place) == ([[36.5, 51.5]], {"Z": 2})


def test_tables_of_this_package_are_read_as_they_were_written(
    read: Any, labels: Any, tmp_path: Path
) -> None:
    labels[labels > 7] = 8
    columns = measure_plane(labels, np.zeros(labels.shape))
    place = {"plane": np.array([5, 5]), "T": np.array([1, 1]), "Z": np.array([2, 2])}
    table = CsvTable()
    table.add(place | columns)
    table.save(tmp_path / "ours.csv")
    table.close()
    found = read((tmp_path / "ours.csv").read_bytes(), axes={"T": 2, "Z": 3})
    assert [each.box for each in found] == [[14, 28, 59, 75], [62, 10, 69, 12]]
    assert [each.place for each in found] == [{"T": 1, "Z": 2}] * 2
    assert [each.id for each in found] == ["7", "8"]
    assert found.understood.startswith("table of napari-segany: boxes from row_min")


CELLS = (
    "ImageNumber,ObjectNumber,AreaShape_BoundingBoxMaximum_X,AreaShape_BoundingBoxMaximum_Y,"
    "AreaShape_BoundingBoxMinimum_X,AreaShape_BoundingBoxMinimum_Y,FileName_DNA,"
    "Location_Center_X,Location_Center_Y,Location_Center_Z\n"
)


def test_cellprofiler(read: Any) -> None:
    found = read(CELLS + "4,1,76,60,28,14,a.tif,51.5,36.5,0\n")
    assert found.found[0].box == [14, 28, 59, 75]
    assert found.found[0].id == "1"
    assert found.understood.startswith("CellProfiler: boxes from AreaShape_BoundingBoxMinimum_Y")
    (found,) = read("ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y\n1,1,6,5\n")
    assert found.points == [[5, 6]]
    # Names of objects stand above those of columns if several kinds share a sheet.
    text = "Image,Cells,Cells,Cells\nImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y\n"
    found = read(text + "1,1,6,5\n1,2,nan,5\n")
    assert found.found[0].points == [[5, 6]]
    assert found.skipped == ("row 2 (line 4): Location_Center_X is 'nan', no number",)


def test_kinds_of_objects_of_cellprofiler(read: Any) -> None:
    centres = "{0}_Location_Center_X,{0}_Location_Center_Y"
    nuclei, cells = centres.format("Nuclei"), centres.format("Cells")
    (found,) = read(f"ImageNumber,ObjectNumber,{nuclei}\n1,1,6,5\n")
    assert found.points == [[5, 6]]
    with pytest.raises(InputError, match=r"2 kinds of objects .Nuclei_, Cells_"):
        read(f"ImageNumber,ObjectNumber,{nuclei},{cells}\n1,1,6,5,6,5\n")
    with pytest.raises(InputError, match=r"volumes .Location_Center_Z"):
        read(CELLS + "4,1,76,60,28,14,a.tif,51.5,36.5,2\n")


def test_image_numbers_are_images_and_planes_only_if_somebody_says_so(read: Any) -> None:
    text = CELLS + "1,1,76,60,28,14,a.tif,51,36,0\n2,1,76,60,28,14,b.tif,51,36,0\n"
    with pytest.raises(InputError, match=r"2 images by its column FileName_DNA"):
        read(text, image="c.tif", axes={"T": 3})
    assert [each.number for each in read(text, image="b.tif")] == [2]
    text = text.replace("b.tif", "a.tif")
    with pytest.raises(InputError, match=r"2 images .ImageNumber 1 to 2.*--first-plane 1"):
        read(text, axes={"T": 3})
    found = read(text, axes={"T": 3}, first_plane=1)
    assert [each.place for each in found] == [{"T": 0}, {"T": 1}]


def test_middles_of_volumes_lie_in_the_nearest_plane(read: Any) -> None:
    text = "label,centroid-0,centroid-1,centroid-2\n1,1.7,5,6\n2,2.2,7,8\n"
    found = read(text, axes={"Z": 5})
    assert [each.place for each in found] == [{"Z": 2}, {"Z": 2}]
    assert "in the nearest plane" in found.understood
