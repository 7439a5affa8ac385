"""How long a person waits in the Prompt widget, and how long the window does.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/interaction.py

prints medians of click to preview, next reading and commit for images of several sizes, the longest
of our own callbacks in the GUI thread, and the longest gap between turns of the event loop, with
the plugin and without (the same clicks into an ordinary Points layer).
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from skimage import data, transform

from napari_segany.plugin.controller import Controller
from napari_segany.plugin.widgets.prompt import PromptWidget

CALLBACKS = (
    (Controller, ("_on_view", "_on_prompts", "_on_session", "_on_answer", "_on_labels", "commit")),
    (Controller, ("_write_prompts", "_show", "_go_on")),
    (PromptWidget, ("_refresh", "_say", "reset_choices")),
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
        times["next reading"].append(time.perf_counter() - began)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    watch: Watch | None = None
    for name, (image, scale) in images().items():
        app_viewer = napari.Viewer(show=False)
        watch = watch or Watch()
        before = without_plugin(image, scale, watch)
        times, gap, callbacks = with_plugin(image, scale, watch)
        app_viewer.close()
        print(name)
        for what, seconds in times.items():
            print(
                f"  {what:18} {1e3 * np.median(seconds):7.1f} ms, longest {1e3 * max(seconds):.1f}"
            )
        print(f"  longest gap        {1e3 * gap:7.1f} ms, without the plugin {1e3 * before:.1f}")
        longest = sorted(callbacks.items(), key=lambda pair: -pair[1])[:4]
        print("  longest callbacks  " + ", ".join(f"{n} {1e3 * s:.1f} ms" for n, s in longest))


if __name__ == "__main__":
    main()
