"""How long a person waits in the Prompt widget, and how long the window does.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/interaction.py

prints medians of click to preview, next candidate and commit for images of several sizes, the
longest of our own callbacks in the GUI thread, and the longest gap between turns of the event
loop, with the plugin and without (the same clicks into an ordinary Points layer): medians of five
windows each, in turns. Then 500 objects at once, from the boxes around those of a labels layer.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from skimage import data, transform

from napari_segany.plugin.jobs.qt_queue import QtJobQueue
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.layer_sync import LayerSync
from napari_segany.plugin.prompt.session_host import SessionHost
from napari_segany.plugin.prompt.widget import PromptWidget

CALLBACKS = (
    (LayerSync, ("_on_view", "_on_prompts", "_on_stroke", "_on_labels_redrawn")),
    (LayerSync, ("write_prompts", "show_preview")),
    (SessionHost, ("_on_session", "_on_candidates", "_schedule")),
    (PromptController, ("commit",)),
    (PromptWidget, ("_refresh", "say", "reset_choices")),
    # What other threads have done is taken up there, and what has turns of its own.
    (QtJobQueue, ("_deliver", "_call_next")),
)
CLICKS = ((195, 102), (125, 165), (50, 235), (260, 40), (60, 60))
"""Coins, in the picture's own pixels."""


def images() -> dict[str, tuple[np.ndarray, float]]:
    """Pictures of coins and how many pixels one of the original has become."""
    coins = data.coins()

    def scaled(side: int) -> np.ndarray:
        factor = side / coins.shape[1]
        shape = (round(coins.shape[0] * factor), side)
        return transform.resize(coins, shape, preserve_range=True).astype(np.uint8)

    stack = np.broadcast_to(scaled(512), (200, *scaled(512).shape)).copy()
    return {
        "512": (scaled(512), 512 / coins.shape[1]),
        "2048": (scaled(2048), 2048 / coins.shape[1]),
        "200 planes of 512": (stack, 512 / coins.shape[1]),
    }


class Watch:
    """Seconds inside callbacks, and gaps between turns of the event loop."""

    def __init__(self) -> None:
        self.callbacks: dict[str, float] = defaultdict(float)
        self.gap, self._last = 0.0, time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._turn)
        self._timer.start(0)
        for owner, names in CALLBACKS:
            for name in names:
                setattr(owner, name, self._timed(name, getattr(owner, name)))

    def begin(self) -> None:
        self.gap, self._last = 0.0, time.perf_counter()
        self.callbacks.clear()

    def _turn(self) -> None:
        now = time.perf_counter()
        self.gap, self._last = max(self.gap, now - self._last), now

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.perf_counter() - began
                self.callbacks[name] = max(self.callbacks[name], spent)

        return call


def turn_until(condition: Callable[[], Any], seconds: float = 60) -> float:
    """Let the window work until something is so; returns how long that took."""
    began = time.perf_counter()
    while not condition() and time.perf_counter() - began < seconds:
        QApplication.processEvents()
    return time.perf_counter() - began


def rest(seconds: float) -> None:
    end = time.perf_counter() + seconds
    turn_until(lambda: time.perf_counter() > end)


def position(image: np.ndarray, row: float, col: float, scale: float) -> np.ndarray:
    leading = [100.0] * (image.ndim - 2)
    return np.array([*leading, row * scale, col * scale])


def without_plugin(image: np.ndarray, scale: float, watch: Watch) -> float:
    viewer = napari.Viewer()
    viewer.add_image(image)
    points = viewer.add_points(ndim=image.ndim)
    rest(1)
    watch.begin()
    for row, col in CLICKS:
        points.add(position(image, row, col, scale))
        rest(0.3)
    viewer.close()
    return watch.gap


def with_plugin(
    image: np.ndarray, scale: float, watch: Watch
) -> tuple[dict[str, list[float]], float, dict[str, float]]:
    viewer = napari.Viewer()
    layer = viewer.add_image(image)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
    if image.ndim == 3:
        viewer.dims.set_current_step(0, 100)
    widget.image_layer = layer
    turn_until(lambda: widget.model is not None)
    turn_until(lambda: not widget.jobs.busy)
    rest(1)
    times: dict[str, list[float]] = defaultdict(list)
    gap = 0.0
    callbacks: dict[str, float] = {}
    for number, (row, col) in enumerate(CLICKS):
        watch.begin()
        widget.controller.points.add(position(image, row, col, scale))
        times["click to preview"].append(
            turn_until(lambda: widget.session.candidates() is not None)
        )
        began = time.perf_counter()
        widget.next_candidate()
        times["next candidate"].append(time.perf_counter() - began)
        began = time.perf_counter()
        widget.commit()
        times["commit"].append(time.perf_counter() - began)
        rest(0.3)
        if number:
            # The first commit makes the labels' layer.
            gap = max(gap, watch.gap)
            callbacks = {
                name: max(spent, callbacks.get(name, 0)) for name, spent in watch.callbacks.items()
            }
    viewer.close()
    return times, gap, callbacks


def many_objects(watch: Watch) -> dict[str, float]:
    """500 boxes from a labels layer, committed and undone at once."""
    image, _ = images()["2048"]
    labels = np.zeros(image.shape, np.int32)
    for number in range(500):
        row, col = divmod(number, 25)
        labels[100 * row + 20 : 100 * row + 60, 80 * col + 20 : 80 * col + 60] = number + 1
    viewer = napari.Viewer()
    layer = viewer.add_image(image)
    squares = viewer.add_labels(labels)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
    widget.asks_on_close = False
    widget.image_layer = layer
    turn_until(lambda: widget.model is not None)
    turn_until(lambda: not widget.jobs.busy)
    widget.controller.commit_into(None)
    rest(1)
    found = {}
    for what, act in (
        ("500 boxes, seconds", lambda: widget.take_labels(squares, "box")),
        ("commit, seconds", widget.commit),
        ("undo, seconds", widget.undo),
    ):
        watch.begin()
        act()
        found[what] = turn_until(lambda: not widget.jobs.busy, 120)
        found[f"longest callback, {what.split(',')[0]}, ms"] = 1e3 * max(watch.callbacks.values())
    viewer.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="windows of each kind")
    parser.add_argument("--json", help="file for all figures")
    args = parser.parse_args()
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    watch: Watch | None = None
    figures: dict[str, Any] = {}
    for name, (image, scale) in images().items():
        app_viewer = napari.Viewer(show=False)
        watch = watch or Watch()
        times: dict[str, list[float]] = defaultdict(list)
        gaps: dict[str, list[float]] = defaultdict(list)
        callbacks: dict[str, list[float]] = defaultdict(list)
        for _ in range(args.repeats):
            gaps["without"].append(without_plugin(image, scale, watch))
            each, gap, called = with_plugin(image, scale, watch)
            gaps["with"].append(gap)
            for what, seconds in each.items():
                # The first commit makes the labels' layer.
                times[what] += seconds[1:] if what == "commit" else seconds
            for what, spent in called.items():
                callbacks[what].append(spent)
        app_viewer.close()
        longest = {what: 1e3 * float(np.median(spent)) for what, spent in callbacks.items()}
        row = {what: 1e3 * float(np.median(seconds)) for what, seconds in times.items()}
        row |= {f"gap {kind}": 1e3 * float(np.median(gap)) for kind, gap in gaps.items()}
        row["longest callback"] = max(longest.values())
        figures[name] = row
        print(name)
        for what, value in row.items():
            print(f"  {what:18} {value:7.1f} ms")
        slow = sorted(longest.items(), key=lambda pair: -pair[1])[:4]
        print("  callbacks          " + ", ".join(f"{n} {ms:.1f}" for n, ms in slow))
    assert watch is not None
    figures["many"] = many_objects(watch)
    for what, value in figures["many"].items():
        print(f"  {what:36} {value:7.2f}")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
