"""ROIs of ImageJ as prompts: every kind of area, points and lines, and our own export."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi
from skimage.draw import polygon2mask
from tests.io.detections.test_geojson import SHAPE, some_labels, write

from napari_segany.errors import InputError
from napari_segany.io.detections import TableImage, read_detections
from napari_segany.io.detections.polygons import to_labels

SQUARE = [[10, 5], [30, 5], [30, 15], [10, 15]]
"""x and y of corners, which surround columns 10..29 and rows 5..14."""

BOX = [5.0, 10.0, 14.0, 29.0]


def write_zip(path: Path, *rois: ImagejRoi) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for number, roi in enumerate(rois):
            zipped.writestr(f"{number}.roi", roi.tobytes())
    return path


def rectangle(kind: ROI_TYPE) -> ImagejRoi:
    roi = ImagejRoi.frompoints(SQUARE, name="area")
    roi.roitype, roi.n_coordinates, roi.integer_coordinates = kind, 0, None
    roi.subpixel_coordinates = None
    roi.bottom, roi.right = 15, 30
    roi.options &= ~ROI_OPTIONS.SUB_PIXEL_RESOLUTION
    return roi


def test_our_export_is_read_again(tmp_path: Path) -> None:
    labels = some_labels()
    # The export fills holes, which the format has no simple place for.
    solid = labels.copy()
    solid[polygon2mask(SHAPE, [(5, 5), (5, 25), (25, 25), (25, 5)]) & (labels == 0)] = 0
    path = write("rois", tmp_path / "a.zip", [labels])
    found = read_detections(path, TableImage(SHAPE, {"Z": 1}))
    assert found.understood.startswith("ImageJ ROIs")
    assert [each.id for each in found] == [f"{n:06d}" for n in range(1, 6)]
    again = to_labels(found, SHAPE)
    for number in (2, 3, 4, 5):
        np.testing.assert_array_equal(again == number, labels == number)
    assert (again[labels == 1] == 1).all()


@pytest.mark.parametrize("kind", [ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED])
@pytest.mark.parametrize("subpixel", [False, True])
def test_polygons_surround_pixels(kind: ROI_TYPE, subpixel: bool, tmp_path: Path) -> None:
    points = np.array(SQUARE, np.float32 if subpixel else np.int32)
    roi = ImagejRoi.frompoints(points, name="area")
    roi.roitype = kind
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    (each,) = read_detections(tmp_path / "a.roi", TableImage(SHAPE))
    assert (each.id, each.box) == ("area", BOX)
    expected = np.zeros(SHAPE, int)
    expected[5:15, 10:30] = 1
    np.testing.assert_array_equal(polygon2mask(SHAPE, each.outline), expected)


def test_rectangles_are_boxes_and_ovals_have_an_outline(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", rectangle(ROI_TYPE.RECT), rectangle(ROI_TYPE.OVAL))
    box, oval = read_detections(path, TableImage(SHAPE))
    assert (box.box, box.outline) == (BOX, None)
    assert oval.box == pytest.approx(BOX, abs=0.2)
    area = polygon2mask(SHAPE, oval.outline).sum()
    assert area == pytest.approx(np.pi / 4 * 20 * 10, rel=0.05)


def test_points_and_lines(tmp_path: Path) -> None:
    whole = ImagejRoi.frompoints(np.array([[12, 7], [20, 9]], np.int32))
    exact = ImagejRoi.frompoints(np.array([[12.5, 7.5]], np.float32))
    line = ImagejRoi.frompoints(np.array([[2.5, 3.5], [16.5, 3.5]], np.float32))
    whole.roitype = exact.roitype = ROI_TYPE.POINT
    line.roitype = ROI_TYPE.POLYLINE
    path = write_zip(tmp_path / "a.zip", whole, exact, line)
    first, second, third = read_detections(path, TableImage(SHAPE))
    assert (first.points, first.signs) == ([[7.0, 12.0], [9.0, 20.0]], [1, 1])
    assert second.points == [[7.0, 12.0]]
    np.testing.assert_allclose(third.points, [[3.0, 2.0 + 2 * n] for n in range(8)], atol=1e-6)


def test_composites_have_holes(tmp_path: Path) -> None:
    inner = [[15, 8], [20, 8], [20, 12], [15, 12]]
    path: list[float] = []
    for ring in (SQUARE, inner):
        path += [0, *ring[0], *(n for corner in ring[1:] for n in (1, *corner)), 4]
    roi = rectangle(ROI_TYPE.RECT)
    roi.multi_coordinates = np.array(path, np.float32)
    roi.shape_roi_size = len(path)
    write_zip(tmp_path / "a.zip", roi)
    (each,) = read_detections(tmp_path / "a.zip", TableImage(SHAPE))
    expected = np.zeros(SHAPE, bool)
    expected[5:15, 10:30] = True
    expected[8:12, 15:20] = False
    np.testing.assert_array_equal(polygon2mask(SHAPE, each.outline), expected)
    assert each.box == BOX


def test_planes_count_from_one_and_zero_is_each(tmp_path: Path) -> None:
    rois = [ImagejRoi.frompoints(SQUARE) for _ in range(3)]
    for roi, z in zip(rois, (0, 1, 3), strict=True):
        roi.z_position = z
    path = write_zip(tmp_path / "a.zip", *rois)
    found = read_detections(path, TableImage(SHAPE, {"Z": 4}))
    assert [dict(each.place) for each in found] == [{}, {"Z": 0}, {"Z": 2}]


def test_damaged_zips_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = write("rois", tmp_path / "a.zip", [some_labels()])
    content = path.read_bytes()
    for end in (0, 5, len(content) // 2, len(content) - 4):
        path.write_bytes(content[:end])
        with pytest.raises(InputError) as caught:
            read_detections(path, TableImage(SHAPE))
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("notes.txt", "no ROI")
    with pytest.raises(InputError, match="holds no ROIs"):
        read_detections(path, TableImage(SHAPE))
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("a.roi", b"Iout" + bytes(40))
    with pytest.raises(InputError, match=r"holds no ROIs|can be used"):
        read_detections(path, TableImage(SHAPE))
