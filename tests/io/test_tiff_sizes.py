"""Pixel sizes that microscopes and slide scanners keep in places of their own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segany.io.read import SUFFIXES, open_image
from napari_segany.io.tiff_sizes import DIALECTS, pixel_size_of

PLANE = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
BYTE, ASCII = 1, 2


def write_lsm(path: Path) -> None:
    """As Zeiss has it: the image and its thumbnail by turns, and a record in a tag."""
    record = np.zeros(1, np.dtype(tifffile.TIFF.CZ_LSMINFO))
    record["MagicNumber"], record["StructureSize"] = 0x00400494C, record.dtype.itemsize
    for name, size in (("X", 30), ("Y", 20), ("Z", 3), ("Channels", 1), ("Time", 1)):
        record[f"Dimension{name}"] = size
    record["VoxelSizeX"], record["VoxelSizeY"], record["VoxelSizeZ"] = 1e-7, 2e-7, 5e-7
    record["ScanType"] = 0
    tags = [(34412, BYTE, record.dtype.itemsize, record.tobytes(), True)]
    with tifffile.TiffWriter(path) as writer:
        for n in range(3):
            options: Any = {"photometric": "minisblack", "metadata": None, "contiguous": False}
            writer.write(PLANE // (n + 1), extratags=tags if n == 0 else [], **options)
            writer.write(PLANE[::2, ::2].copy(), subfiletype=1, **options)


def test_a_confocal_stack_has_axes_and_voxels(tmp_path: Path) -> None:
    path = tmp_path / "a.LSM"
    write_lsm(path)
    with open_image(path) as image:
        assert image.axes == "ZYX"
        assert image.images_in_file == 1
        size = {axis: value for axis, (value, _) in image.pixel_size.items()}
        assert size == pytest.approx({"Z": 0.5, "Y": 0.2, "X": 0.1})
        assert {unit for _, unit in image.pixel_size.values()} == {"um"}
        np.testing.assert_array_equal(image.data[1], PLANE // 2)


def test_a_slide_states_microns_a_pixel(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    tifffile.imwrite(
        path,
        np.zeros((64, 64, 3), np.uint8),
        photometric="rgb",
        tile=(32, 32),
        description="Aperio Image Library v1.0|AppMag = 20|MPP = 0.4990|Left = 1.5",
        metadata=None,
    )
    with open_image(path) as image:
        assert image.pixel_size == {"Y": (0.499, "um"), "X": (0.499, "um")}


STATED: list[tuple[dict[str, Any], dict[str, tuple[float, str]]]] = [
    (
        {
            "is_stk": True,
            "stk_metadata": {
                "SpatialCalibration": 1,
                "XCalibration": (1, 4),
                "YCalibration": (1, 2),
                "CalibrationUnits": "um",
                "ZDistance": np.array([1.5, 1.5]),
            },
        },
        {"Y": (0.5, "um"), "X": (0.25, "um"), "Z": (1.5, "um")},
    ),
    (
        {"is_stk": True, "stk_metadata": {"SpatialCalibration": 0, "CalibrationUnits": "um"}},
        {},
    ),
    (
        {
            "is_fluoview": True,
            "fluoview_metadata": {
                "Dimensions": [
                    ("X", 30, 0.0, 0.2, "um"),
                    ("Y", 20, 0.0, 0.3, "um"),
                    ("T", 4, 0.0, 2.0, "s"),
                    ("Ch", 2, 0.0, 1.0, ""),
                ]
            },
        },
        {"X": (0.2, "um"), "Y": (0.3, "um"), "T": (2.0, "s")},
    ),
    (
        {
            "is_metaseries": True,
            "metaseries_metadata": {
                "PlaneInfo": {
                    "spatial-calibration-x": 0.65,
                    "spatial-calibration-y": 0.65,
                    "spatial-calibration-units": "um",
                }
            },
        },
        {"Y": (0.65, "um"), "X": (0.65, "um")},
    ),
    (
        {"is_sis": True, "sis_metadata": {"pixelsizex": 2.5e-7, "pixelsizey": 5e-7}},
        {"Y": (0.5, "um"), "X": (0.25, "um")},
    ),
    (
        {
            "is_micromanager": True,
            "micromanager_metadata": {"Summary": {"PixelSize_um": 0.1, "z-step_um": 2}},
        },
        {"Z": (2.0, "um"), "Y": (0.1, "um"), "X": (0.1, "um")},
    ),
    ({"is_fluoview": True, "fluoview_metadata": {"Dimensions": 7}}, {}),
    ({"is_lsm": True, "lsm_metadata": None}, {}),
]


@pytest.mark.parametrize(("stated", "size"), STATED)
def test_what_other_dialects_state(stated: Any, size: Any) -> None:
    tiff: Any = SimpleNamespace(**{f"is_{kind}": False for kind in DIALECTS} | stated)
    series = SimpleNamespace(keyframe=SimpleNamespace(tags=tifffile.tifffile.TiffTags()))
    found = pixel_size_of(tiff, series)
    assert set(found) == set(size)
    for axis, (value, unit) in size.items():
        assert found[axis] == (pytest.approx(value), unit)


def test_resolution_tags_serve_where_a_dialect_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        PLANE,
        imagej=True,
        resolution=(20_000, 20_000),
        resolutionunit="CENTIMETER",
    )
    with open_image(path) as image:
        assert image.pixel_size == {"Y": (0.5, "um"), "X": (0.5, "um")}


def test_endings_of_microscopes_are_known() -> None:
    assert {".lsm", ".stk", ".svs", ".qptiff", ".ndpi", ".scn", ".flex"} <= set(SUFFIXES)
