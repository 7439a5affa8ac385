"""The Learn dock in a real window: propose, correct, train, keep, next; killed twice on the way.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/learn_window.py --data FOLDER

Images are planes of ``em_isbi2012`` in FOLDER (neurites, which the built-in finder does poorly on).
The true labels stand in for a person: each object of which a proposed one has not an IoU of 0.9 is
painted over, through the labels layer, and so is each proposed one that is no object. Windows are
processes of their own. The first is killed (-9) a few seconds after corrections, the second while
it trains; each next one goes on. Printed are the objects to correct and mSA of proposals for each
plane, before training and after (of planes that the training never saw), what the training took,
and the longest of our own callbacks in the GUI thread while it ran, by the processor's time of the
thread, without the collection of garbage that falls into any of them, and by the clock. The kept
finder is taken out of the cache again. ``--pictures FOLDER`` saves the window at each step in two
sizes.
"""

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import add_data_option, data_folder

SET = "em_isbi2012"
GOOD = 0.9
"""IoU from which on a proposed object is left as it is."""

LEARNED, TESTED = 4, 2
"""Planes that are corrected, and planes whose proposals are compared before and after."""

CHECKPOINT, LEARNING = 26, 60
"""Steps with a checkpoint among them, after which the training is killed; seconds at most."""

SIZES = ((1366, 768), (1600, 1000))
PATIENCE = 900
"""Seconds after which a step is given up."""


class Callbacks:
    """Longest calls of our own callbacks in the GUI thread."""

    def __init__(self) -> None:
        from napari_segany.plugin.jobs.qt_queue import QtJobQueue
        from napari_segany.plugin.learn.controller import LearnController
        from napari_segany.plugin.learn.corrections import Corrections
        from napari_segany.plugin.learn.widget import LearnWidget

        self._garbage, self._began = 0.0, 0.0
        gc.callbacks.append(self._on_garbage)
        self.processor: dict[str, float] = defaultdict(float)
        self.clock: dict[str, float] = defaultdict(float)
        for owner, names in (
            (QtJobQueue, ("_deliver", "_call_next")),
            (LearnWidget, ("_on_stage", "_on_report", "_refresh", "reset_choices")),
            (LearnController, ("show", "complete")),
            (Corrections, ("_on_edit", "_on_press")),
        ):
            for name in names:
                setattr(owner, name, self._timed(name, getattr(owner, name)))

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            garbage, spent, began = self._garbage, time.thread_time(), time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent, passed = time.thread_time() - spent, time.perf_counter() - began
                spent -= self._garbage - garbage
                # A delivery is called by what it delivers.
                done = getattr(arguments[1], "done", None) if name == "_deliver" else None
                called = name if done is None else f"{name} to {done.__qualname__}"
                self.processor[called] = max(self.processor[called], spent)
                self.clock[called] = max(self.clock[called], passed)

        return call

    def _on_garbage(self, phase: str, _: dict[str, int]) -> None:
        if threading.current_thread() is threading.main_thread():
            if phase == "start":
                self._began = time.thread_time()
            else:
                self._garbage += time.thread_time() - self._began

    def begin(self) -> None:
        """Forget what was measured."""
        self.processor.clear()
        self.clock.clear()

    def longest(self) -> dict[str, Any]:
        """Return the longest call, in ms."""
        name = max(self.processor, key=self.processor.__getitem__)
        return {
            "longest_callback": name,
            "processor_ms": round(1000 * self.processor[name], 1),
            "clock_ms": round(1000 * max(self.clock.values()), 1),
        }


class Loop:
    """One window with the Learn dock on a project."""

    def __init__(self, folder: Path, data: Path, pictures: Path | None) -> None:
        import napari

        self.folder, self.data, self.pictures = folder, data, pictures
        self.callbacks = Callbacks()
        self.viewer = napari.Viewer(show_welcome_screen=False)
        self.viewer.window.resize(*SIZES[-1])
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-segany", "Learn")
        self.until(lambda: self.widget.isVisible())
        self.widget.open_project(folder)
        self.until(lambda: self.widget.controller.folder is not None)

    def until(self, condition: Callable[[], Any]) -> None:
        """Let the window work until something is so."""
        from qtpy.QtWidgets import QApplication

        latest = time.monotonic() + PATIENCE
        while not condition():
            QApplication.processEvents()
            time.sleep(0.002)
            if time.monotonic() > latest:
                raise SystemExit(f"It took too long: {self.widget.message.text()}")

    def rest(self, seconds: float) -> None:
        """Let the window work for some time."""
        latest = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > latest)

    def picture(self, name: str) -> None:
        """Save the window in two sizes."""
        if self.pictures is None:
            return
        for width, height in SIZES:
            self.viewer.window.resize(width, height)
            self.rest(1)
            path = self.pictures / f"{name}_{width}.png"
            self.viewer.screenshot(str(path), canvas_only=False, flash=False)

    def truth(self, name: str) -> NDArray[np.int32]:
        """Return the true labels of an image."""
        import tifffile

        path = self.data / SET / "labels" / f"{name}.tif"
        return np.asarray(tifffile.imread(path)).astype(np.int32)

    def show_next(self) -> str:
        """Show the next image and wait for its proposal."""
        before = self.widget.controller.current
        self.widget.next()
        self.until(lambda: self.widget.controller.current != before or not self.widget.jobs.busy)
        self.until(lambda: not self.widget.jobs.busy)
        return str(self.widget.controller.current)

    def correct(self) -> int:
        """Paint what is wrong in the labels in work as in the truth; return how many objects."""
        layer = self.widget.controller.layers.labels
        truth = self.truth(self.widget.controller.current)
        wrong, missing = differences(truth, np.asarray(layer.data))
        for label in wrong:
            layer.data_setitem(np.nonzero(np.asarray(layer.data) == label), 0)
            self.rest(0)
        free = int(np.asarray(layer.data).max()) + 1
        for number, label in enumerate(missing):
            layer.data_setitem(np.nonzero(truth == label), free + number)
            self.rest(0)
        return len(missing)


def differences(
    truth: NDArray[np.integer], found: NDArray[np.integer]
) -> tuple[list[int], list[int]]:
    """Return the found objects that are no object, and the true ones that were not found."""
    pairs, shared = np.unique(np.stack([truth.ravel(), found.ravel()]), axis=1, return_counts=True)
    of_truth, of_found = np.bincount(truth.ravel()), np.bincount(found.ravel())
    matched = {
        (one, other)
        for (one, other), count in zip(pairs.T.tolist(), shared.tolist(), strict=True)
        if one and other and count >= GOOD * (of_truth[one] + of_found[other] - count)
    }
    wrong = set(np.flatnonzero(of_found).tolist()) - {0} - {other for _, other in matched}
    missing = set(np.flatnonzero(of_truth).tolist()) - {0} - {one for one, _ in matched}
    return sorted(wrong), sorted(missing)


def score(loop: Loop, name: str) -> dict[str, Any]:
    """Return mSA of a proposal, and the objects in it that need a correction."""
    from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances

    folder = loop.widget.controller.folder
    found = folder.read_labels("proposals", name)
    truth = loop.truth(name)
    scores = score_instances(ObjectOverlaps.from_labels(truth, found))
    wrong, missing = differences(truth, found)
    return {
        "plane": name,
        "msa": round(scores.msa, 3),
        "objects": scores.truth,
        "to_correct": len(missing),
        "to_remove": len(wrong),
    }


def tell(**values: Any) -> None:
    """Print a line for the process that watches."""
    print(json.dumps(values), flush=True)


def first_window(loop: Loop, minutes: float) -> None:
    """Add images, correct half an image, and wait to be killed."""
    del minutes
    names = sorted((loop.data / SET / "images").glob("*.png"))[: LEARNED + TESTED]
    loop.widget.add_files(names, wait=True)
    loop.widget.load_model(wait=True)
    loop.until(lambda: not loop.widget.jobs.busy)
    tell(ranked=[[e.name, e.doubt.value, e.doubt.reason] for e in loop.widget.project.to_do])
    tell(before=[score(loop, each.name) for each in loop.widget.project.to_do])
    loop.picture("1_ranked")
    loop.show_next()
    loop.picture("2_proposed")
    loop.callbacks.begin()
    loop.correct()
    loop.rest(4)
    tell(correcting=loop.callbacks.longest())
    loop.picture("3_corrected")
    labels = np.asarray(loop.widget.controller.layers.labels.data)
    tell(corrected=int(labels.astype(np.int64).sum()), image=loop.widget.controller.current)
    loop.rest(PATIENCE)


def second_window(loop: Loop, minutes: float) -> None:
    """Go on with the corrections, complete all images, train, and wait to be killed."""
    loop.until(lambda: loop.widget.controller.is_editing)
    labels = np.asarray(loop.widget.controller.layers.labels.data)
    name = loop.widget.controller.current
    tell(resumed=int(labels.astype(np.int64).sum()), image=name)
    loop.until(lambda: loop.widget.model is not None and not loop.widget.jobs.busy)
    for number in range(LEARNED):
        if number:
            loop.show_next()
            loop.correct()
        loop.widget.complete(wait=True)
    loop.picture("4_complete")
    loop.widget.train(minutes)
    loop.until(lambda: "Learning" in loop.widget.form.training.line.text())
    latest = time.monotonic() + LEARNING
    bar = loop.widget.form.training.bar
    loop.until(lambda: bar.value() > CHECKPOINT or time.monotonic() > latest)
    tell(learning=loop.widget.form.training.bar.value(), pid=loop.widget.trainings.pid)
    loop.rest(PATIENCE)


def third_window(loop: Loop, minutes: float) -> None:
    """Continue the training, keep its finder, and show what it proposes."""
    from napari_segany.weights.finders import installed_finders

    loop.until(lambda: loop.widget.model is not None and not loop.widget.jobs.busy)
    tell(message=loop.widget.message.text())
    loop.callbacks.begin()
    began = time.monotonic()
    loop.widget.train(minutes)
    seen: list[int] = []

    def is_learning() -> bool:
        line = loop.widget.form.training.line.text()
        if "Learning" in line and not seen:
            seen.append(loop.widget.form.training.bar.value())
        return "Learning" in line and loop.widget.form.training.bar.value() > seen[0] + 10

    loop.until(lambda: is_learning() or not loop.widget.trainings.is_running)
    tell(continued_at=seen[0] if seen else None, **loop.callbacks.longest())
    # A person goes on with the next image meanwhile.
    loop.widget.next()
    loop.until(lambda: loop.widget.controller.is_editing)
    loop.rest(1)
    loop.picture("5_training")
    loop.until(lambda: loop.widget.result is not None or not loop.widget.trainings.is_running)
    tell(training=loop.callbacks.longest(), seconds=round(time.monotonic() - began))
    result = loop.widget.result
    if result is None:
        raise SystemExit(loop.widget.message.text())
    tell(held_back=result.held_back, before=result.before, after=result.after)
    loop.picture("6_result")
    loop.widget.keep(wait=True)
    loop.until(lambda: not loop.widget.jobs.busy)
    tell(after=[score(loop, each.name) for each in loop.widget.project.to_do])
    loop.picture("7_kept")
    tell(figures=loop.widget.form.figures.text())
    for each in installed_finders():
        if each.sha256 == loop.widget.project.finder:
            each.path.unlink()
    loop.viewer.close()


WINDOWS = {"1": first_window, "2": second_window, "3": third_window}


def run_window(number: str, arguments: list[str], last: str) -> list[dict[str, Any]]:
    """Run a window in a process; kill it after a line with a key, and return its lines."""
    command = [sys.executable, __file__, "--window", number, *arguments]
    lines: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            if not text.startswith("{"):
                continue
            lines.append(json.loads(text))
            print(f"window {number}: {text.strip()}", flush=True)
            if last in lines[-1]:
                os.kill(process.pid, signal.SIGKILL)
                break
    return lines


def is_running(pid: int) -> bool:
    """Return True if a process is there and works."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def main() -> None:
    """Run the three windows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--minutes", type=float, default=2.0, help="most time of the training")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the window")
    parser.add_argument("--window", choices=sorted(WINDOWS), help=argparse.SUPPRESS)
    parser.add_argument("--project", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    data = data_folder(args)
    if args.window:
        WINDOWS[args.window](Loop(args.project, data, args.pictures), args.minutes)
        return
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "neurites"
        given = ["--project", str(project), "--data", str(data), "--minutes", str(args.minutes)]
        if args.pictures is not None:
            args.pictures.mkdir(parents=True, exist_ok=True)
            given += ["--pictures", str(args.pictures.absolute())]
        first = run_window("1", given, "corrected")
        second = run_window("2", given, "pid")
        same = first[-1]["corrected"] == second[0]["resumed"]
        print(f"labels after the first kill are {'the same' if same else 'DIFFERENT'}")
        began = time.monotonic()
        while is_running(second[-1]["pid"]) and time.monotonic() - began < 60:
            time.sleep(0.1)
        print(f"the training's process ended {time.monotonic() - began:.1f} s after its window")
        run_window("3", given, "nothing")


if __name__ == "__main__":
    main()
