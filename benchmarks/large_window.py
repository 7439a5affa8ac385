"""The window on a plane of 8192 pixels: searched in tiles, filtered, and prompted.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/large_window.py filter
    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/large_window.py search --data FOLDER
    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/large_window.py prompt --data FOLDER

``filter`` moves a slider over 100,000 synthetic objects, and prints the time from the move until
the canvas has drawn them, and the time of the processor, which other work on the machine changes
little. ``search`` and ``prompt`` open images of dsb2018 that fill a dask
pyramid; they pan and zoom while tiles are searched, and click, look and commit. Of every step the
longest turn of the event loop is printed, and the longest part of one in our code, as in
``turns.py``.
``--pictures FOLDER`` saves screenshots.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

from data import add_data_option, as_rgb, data_folder, pairs
from large_plane_prompts import SIDE, mosaic
from napari_segany import FinderParams
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.join_tiles import join_tiles
from napari_segany.plugin.everything.tile_search import SearchTiles
from napari_segany.plugin.layers.transforms import camera_of
from tiles import many_objects
from turns import Tour, turn_until

MOVES = 8
"""Moves of a slider, or of the camera."""


def pyramid(plane: np.ndarray) -> list[Any]:
    """Return a plane as levels of a dask pyramid, each half of the one before."""
    levels = [da.from_array(plane, chunks=(512, 512, 3))]
    while levels[-1].shape[0] > 1024:
        levels.append(levels[-1][::2, ::2])
    return levels


def open_plane(args: argparse.Namespace, tour: Tour) -> Any:
    """Show a plane of images of dsb2018, and return its layer."""
    images = [as_rgb(image) for _, image, _ in pairs(data_folder(args), "dsb2018")]
    plane, _ = mosaic(images, SIDE)
    return tour.viewer.add_image(pyramid(plane), rgb=True, multiscale=True, name="slide")


def open_dock(args: argparse.Namespace, tour: Tour, name: str) -> Any:
    """Open a dock beside the canvas, and wait for its model."""
    tour.viewer.window.resize(*args.size)
    dock = tour.open_dock(name)
    tour.step("its model", lambda: None, lambda: dock.model and not dock.jobs.busy)
    return dock


def picture(args: argparse.Namespace, tour: Tour, name: str) -> None:
    """Save a screenshot of the window, if that was asked for."""
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
        tour.rest(0.5)
        at = args.pictures / f"{name}_{args.size[0]}_{args.theme}.png"
        tour.viewer.window.screenshot(str(at), canvas_only=False, flash=False)


def look_around(tour: Tour, seconds: float) -> None:
    """Zoom in and out and pan for some seconds."""
    camera = camera_of(tour.viewer)
    began, middle, zoom = time.perf_counter(), SIDE / 2, camera.zoom
    while (spent := time.perf_counter() - began) < seconds:
        camera.zoom = zoom * 2 ** (1.5 + 1.5 * np.sin(spent))
        camera.center = (0, middle + 1500 * np.sin(spent / 2), middle + 1500 * np.cos(spent / 3))
        QApplication.processEvents()
        time.sleep(0.02)
    camera.zoom, camera.center = zoom, (0, middle, middle)


def run_filter(args: argparse.Namespace, tour: Tour) -> None:
    """Move a slider over many objects."""
    grid, parts = many_objects(args.objects)
    side = grid.shape[0]
    noise = np.random.default_rng(0).integers(0, 60, (1024, 1024)).astype(np.uint8)
    plane = da.tile(da.from_array(noise), (-(-side // 1024),) * 2)[:side, :side]
    levels = [plane[:: 2**n, :: 2**n] for n in range(4)]
    layer = tour.viewer.add_image(levels, multiscale=True, name="objects")
    dock = open_dock(args, tour, "Everything")
    dock.image_layer = layer
    of = dock.controller
    params = resolve_params(dock.model, FinderParams(pred_iou_thresh=0.5, min_area=0))
    masks = join_tiles(grid, parts, params)
    tiles = SearchTiles(TileParams("always", 24), TileParams("always", 24, 1024, 64))
    plane_index = of.plane
    of.found.add_plane(plane_index, masks, dock.model, params, tiles=tiles)
    tour.step("show", of.redraw, lambda: of.shown is not None and not dock.jobs.busy)
    print(f"{len(masks)} objects of {len(masks.all_candidates)} candidates, {side} x {side} pixels")
    picture(args, tour, "filter")
    for place in ("whole plane", "zoomed in"):
        if place == "zoomed in":
            camera_of(tour.viewer).zoom *= 6
            tour.rest(1)
        seconds, busy = [], []
        for bound in np.linspace(0.55, 0.9, MOVES):
            before = of.shown

            def drawn(before: Any = before) -> bool:
                return of.shown is not before

            began, used = time.perf_counter(), time.process_time()
            dock.sliders.iou.setValue(float(bound))
            turn_until(drawn)
            # The canvas draws what has changed in its next turn.
            QApplication.processEvents()
            seconds.append(time.perf_counter() - began)
            busy.append(time.process_time() - used)
            tour.rest(0.3)
        print(
            f"slider, {place}: median {1e3 * statistics.median(seconds):.0f} ms, "
            f"most {1e3 * max(seconds):.0f} ms; of the processor, all threads together: median "
            f"{1e3 * statistics.median(busy):.0f} ms, most {1e3 * max(busy):.0f} ms"
        )

    def drag() -> None:
        for bound in np.linspace(0.5, 0.9, 40):
            dock.sliders.iou.setValue(float(bound))
            end = time.perf_counter() + 0.03
            turn_until(lambda end=end: time.perf_counter() > end)

    tour.step("drag", drag, lambda: not dock.jobs.busy)
    tour.step("next doubtful", dock.next_uncertain, lambda: not dock.jobs.busy)
    tour.step("next doubtful", dock.next_uncertain, lambda: not dock.jobs.busy)
    picture(args, tour, "review")
    button = dock.form.buttons["Make labels"]
    tour.step("make labels", button.click, lambda: not dock.jobs.busy)
    picture(args, tour, "labels")


def run_search(args: argparse.Namespace, tour: Tour) -> None:
    """Pan and zoom while tiles are searched, stop, and filter what was found."""
    layer = open_plane(args, tour)
    dock = open_dock(args, tour, "Everything")
    dock.image_layer = layer
    dock.tiles.params = TileParams(object_size=args.object_size)
    tour.viewer.reset_view()
    tour.rest(1)
    tour.step("look around before", lambda: look_around(tour, 8))
    picture(args, tour, "before")
    tour.step("begin", dock.find, lambda: dock.controller.layer is not None)
    tour.step("look around", lambda: look_around(tour, args.seconds))
    picture(args, tour, "search")
    idle = lambda: not dock.jobs.busy  # noqa: E731
    tour.step("stop", dock.stop, lambda: idle() and dock.controller.shown is not None)
    print(dock.message.text())
    picture(args, tour, "stopped")
    tour.step("slider", lambda: dock.sliders.iou.setValue(0.8), idle)
    tour.step("look around after", lambda: look_around(tour, 8))


def run_prompt(args: argparse.Namespace, tour: Tour) -> None:
    """Click, look at the preview, and commit."""
    layer = open_plane(args, tour)
    dock = open_dock(args, tour, "Prompt")
    dock.image_layer = layer
    tour.step("image", lambda: None, lambda: dock.session is not None and not dock.jobs.busy)
    camera = camera_of(tour.viewer)
    camera.zoom *= 8
    tour.rest(1)
    idle = lambda: not dock.jobs.busy  # noqa: E731
    spots = {"first": (4100, 4100), "second": (4160, 4200), "third": (4050, 4010)}
    for name, spot in spots.items():
        click = lambda spot=spot: dock.controller.points.add(spot)  # noqa: E731
        tour.step(f"{name} click", click, lambda: dock.session.candidates() and idle())
        if name == "first":
            picture(args, tour, "click")
        print(f"{dock.session.candidates().area[0]} pixels")
        tour.step(f"{name} commit", dock.commit, idle)
    picture(args, tour, "prompt")


PARTS = {"filter": run_filter, "search": run_search, "prompt": run_prompt}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    add_data_option(parser)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--object-size", type=float, default=160, help="size of objects in pixels")
    parser.add_argument("--seconds", type=float, default=40, help="time of panning and zooming")
    parser.add_argument("--size", type=int, nargs=2, default=(1600, 1000), help="of the window")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--pictures", type=Path, help="folder for screenshots")
    args = parser.parse_args()
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    # Settings that are not saved: docks take their colours from there, too.
    get_settings(None).appearance.theme = args.theme
    tour = Tour()
    PARTS[args.part](args, tour)
    sys.stdout.flush()
    # A window that is destroyed at exit may take long, and is not measured.
    os._exit(0)


if __name__ == "__main__":
    main()
