"""Small stacks, and batches of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile


def write_stacks(folder: Path, files: int = 3, planes: int = 20) -> Path:
    """Write stacks that differ in every plane into a new folder, and return it."""
    folder.mkdir()
    rng = np.random.default_rng(8)
    for n in range(files):
        coarse = rng.integers(0, 4000, (planes, 6, 7)).astype(np.uint16)
        tifffile.imwrite(
            folder / f"stack{n}.tif",
            coarse.repeat(8, axis=1).repeat(8, axis=2),
            imagej=True,
            metadata={"axes": "ZYX", "unit": "um", "spacing": 0.5},
            resolution=(10, 10),
        )
    return folder


@pytest.fixture
def stacks(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of stacks that differ in every plane."""

    def make(files: int = 3, planes: int = 20, name: str = "in") -> Path:
        return write_stacks(tmp_path / name, files, planes)

    return make


RESULTS = (
    *("labels.ome.tif", "table.csv", "overlay.png", "coco.json", "rois.zip", "recipe.json"),
    *("yolo.zip", "masks.tif", "overlays.tif"),
)


def results(folder: Path) -> dict[str, bytes]:
    """Name and content of every result, the report with them."""
    found = {p.name: p.read_bytes() for p in folder.iterdir() if p.name.endswith(RESULTS)}
    return found | {"report": (folder / "segany_report.html").read_bytes()}
