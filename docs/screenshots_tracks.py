"""Pictures of the Tracks dock, for ``docs/screenshots.py``.

They show labels of HeLa nuclei of the Cell Tracking Challenge (Fluo-N2DL-HeLa), not the images,
whose conditions of use are the challenge's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt
from skimage.io import imread

from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.plugin.tracks.track_list import COLUMNS

Picture = Callable[[Any, str], None]
"""Saves a window under a name, and closes it."""

SIZE = (1200, 800)


def _open(folder: Path, divisions: bool = True) -> tuple[Any, Any]:
    """A window with the tracks of the movie."""
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    layer = viewer.add_labels(
        imread(folder / "tl_hela/labels/hela_dev.tif").astype(np.int32), name="nuclei"
    )
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Tracks")
    widget.labels = layer
    widget.link(TrackParams(divisions=divisions), wait=True)
    return viewer, widget


def _camera(viewer: Any) -> Any:
    """Return the camera, which napari 0.9 moved out of the viewer."""
    return getattr(viewer, "scene", viewer).camera


def show_lineage(folder: Path, picture: Picture) -> None:
    """Tracks of HeLa nuclei with their divisions, as linked."""
    viewer, widget = _open(folder)
    mother = min(widget.table.children)
    viewer.dims.set_point(0, 11)
    widget.selected = (mother, *widget.table.children[mother])
    viewer.reset_view()
    picture(viewer, "tracks")


def show_division(folder: Path, picture: Picture) -> None:
    """A division that was not linked, and was marked in the dock."""
    viewer, widget = _open(folder)
    known = widget.table
    mother, daughters = next(
        (mother, each) for mother, each in known.children.items() if known.spans[each[0]][0] > 3
    )
    frame = known.spans[daughters[0]][0]
    places = [known.position[known.rows_of(track)[0]] for track in daughters]
    end = known.position[known.rows_of(mother)[-1]]
    widget.link(TrackParams(divisions=False), wait=True)
    data = widget.track_layer.data
    here = [int(data[(frame, *np.rint(place).astype(int))]) for place in places]
    before = int(data[(frame - 1, *np.rint(end).astype(int))])
    viewer.dims.set_point(0, frame)
    widget.correct.divide(before, (here[0], here[1]), frame)
    widget.jobs.wait()
    widget.go_to(widget.table.children[before][0], frame)
    widget.selected = (before, *widget.table.children[before])
    _camera(viewer).zoom = 5
    picture(viewer, "tracks_division")


def show_doubts(folder: Path, picture: Picture) -> None:
    """Tracks by their most doubtful place, and the first of them."""
    viewer, widget = _open(folder)
    widget.jobs.wait()
    column = COLUMNS.index("Doubt")
    widget.form.table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    widget.next_doubtful()
    _camera(viewer).zoom = 3
    picture(viewer, "tracks_doubts")
