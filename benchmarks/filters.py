"""How long a slider of the Everything widget takes, and how soon "stop" answers.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/filters.py --data FOLDER

finds everything in an image of nuclei, repeated to 1040 x 1392, and prints medians of: choosing
anew and painting, the same with drawing, and from "stop" to the search being over.
"""

import argparse
import time
from collections.abc import Callable

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from data import add_data_option, data_folder, pairs
from memory import tiled
from napari_segany.plugin.everything.filters import Filters

IMAGE = "07fb37aafa66"
SHAPE = (1040, 1392)


def wait_until(condition: Callable[[], object]) -> float:
    """Let the window work until something is so; seconds."""
    began = time.perf_counter()
    while not condition():
        QApplication.processEvents()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    args = parser.parse_args()
    rgb = next(rgb for name, rgb, _ in pairs(data_folder(args), "dsb2018") if name == IMAGE)
    viewer = napari.Viewer()
    layer = viewer.add_image(tiled(rgb, max(SHAPE))[: SHAPE[0], : SHAPE[1]], rgb=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Everything")
    widget.image_layer = layer
    wait_until(lambda: widget.model is not None)
    widget.search.points_per_side.setValue(48)

    stops = []
    for seconds in (2.0, 3.0, 4.0, 5.0, 6.0):
        widget.find()
        end = time.perf_counter() + seconds
        wait_until(lambda end=end: time.perf_counter() > end)
        widget.stop()
        stops.append(wait_until(lambda: not widget.jobs.busy))
    widget.find(wait=True)
    controller = widget.controller
    shown, found = controller.shown, controller.found.masks[controller.plane]
    count = len(found.all_candidates)
    print(f"{len(shown)} shown of {count} found in {SHAPE[0]} x {SHAPE[1]}")
    chosen, drawn = [], []
    iou, stability = found.loosest
    for step in np.linspace(0, 1, 21):
        filters = Filters(
            pred_iou_thresh=iou + 0.1 * step, stability_score_thresh=stability + 0.05 * step
        )
        began = time.perf_counter()
        widget.filter(filters)
        chosen.append(time.perf_counter() - began)
        QApplication.processEvents()
        drawn.append(time.perf_counter() - began)
    for what, seconds in (
        ("choose and paint", chosen),
        ("the same, drawn", drawn),
        ("stop", stops),
    ):
        print(f"  {what:18} {1e3 * np.median(seconds):7.1f} ms, longest {1e3 * max(seconds):.1f}")
    viewer.close()


if __name__ == "__main__":
    main()
