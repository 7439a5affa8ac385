"""What a batch costs beside the segmentation itself, and what several processes bring.

    python benchmarks/batch.py --data FOLDER [--planes 12] [--points 16]

segments one stack: the bare loop over planes, the command line (which keeps every plane on disk,
measures, writes and reports), the same again when all is done, and --dask local:2; medians of
--repeats runs, all in the same order.
"""

import argparse
import contextlib
import io
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from skimage.io import imread

import napari_segany as sa
from data import add_data_option, data_folder
from napari_segany.cli.main import main
from napari_segany.segmentation import make_recipe, resolve_stack, segment_planes


def quiet(arguments: list[str]) -> None:
    """The command line without its output."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(arguments) == 0


def measure(act: Callable[[], None], before: Callable[[], None] | None, repeats: int) -> float:
    """Median of seconds."""
    taken = []
    for _ in range(repeats):
        if before is not None:
            before()
        start = time.perf_counter()
        act()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def run() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--planes", type=int, default=12)
    parser.add_argument("--points", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    images = sorted((data_folder(args) / "phc_usiigaci" / "images").iterdir())
    plane = imread(images[0])
    stack = np.stack([np.roll(plane, 31 * n, axis=1) for n in range(args.planes)])
    path, out = folder / "stack.tif", folder / "out"
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX"}, photometric="minisblack")
    command = ["segment", str(path), "-o", str(out), "--points-per-side", str(args.points)]
    model = sa.load_model()
    params = sa.AutomaticParams(points_per_side=args.points)
    layout, recipe = resolve_stack(stack, make_recipe(model, params, axes="ZYX"))

    def bare() -> None:
        for _ in segment_planes(stack, layout, recipe, model):
            pass

    def fresh() -> None:
        shutil.rmtree(out, ignore_errors=True)

    bare()
    found = {
        "planes alone": measure(bare, None, args.repeats),
        "command line": measure(lambda: quiet(command), fresh, args.repeats),
        "again, all done": measure(lambda: quiet(command), None, args.repeats),
        "two processes (--dask local:2)": measure(
            lambda: quiet([*command, "--dask", "local:2"]), fresh, args.repeats
        ),
    }
    print(f"{args.planes} planes of {plane.shape[0]} x {plane.shape[1]}, {args.points}^2 points")
    for name, seconds in found.items():
        ratio = seconds / found["planes alone"]
        print(
            f"{name:32} {seconds:7.2f} s  {args.planes / seconds * 60:7.1f} planes/min  {ratio:.2f}"
        )
    print(json.dumps(found))
    shutil.rmtree(folder)


if __name__ == "__main__":
    run()
