"""Pictures of two runs of ``docs/jobs.py`` side by side, small enough for the documentation.

    python docs/jobs_beside.py BEFORE AFTER

writes ``window_JOB.png`` into docs/images from the pictures of single steps in two folders.
"""

import argparse
from pathlib import Path

from PIL import Image

STEPS = {
    "one_coin": "3_click",
    "every_cell": "4_reviewed",
    "one_nucleus": "2_box",
    "a_folder": "3_running",
}
"""Step of each job that is shown."""

SIZE = "1366x768"
SCALE, GAP, COLOURS = 0.5, 6, 256
FOLDER = Path(__file__).resolve().parent / "images"


def beside(before: Path, after: Path) -> Image.Image:
    """Return two pictures at half their size, the first one on the left."""
    shown = [Image.open(path).convert("RGB") for path in (before, after)]
    width, height = (round(SCALE * n) for n in shown[0].size)
    sheet = Image.new("RGB", (2 * width + GAP, height), "white")
    for number, each in enumerate(shown):
        small = each.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (number * (width + GAP), 0))
    return sheet.quantize(COLOURS, Image.Quantize.FASTOCTREE)


def main() -> None:
    """Write a picture for each job."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="folder of the earlier run")
    parser.add_argument("after", type=Path, help="folder of the later run")
    args = parser.parse_args()
    for job, step in STEPS.items():
        name = f"{job}_{step}_{SIZE}.png"
        path = FOLDER / f"window_{job}.png"
        beside(args.before / name, args.after / name).save(path, optimize=True)
        print(path.name, path.stat().st_size // 1024, "kB")


if __name__ == "__main__":
    main()
