"""Pictures of the Tracks dock, for ``docs/screenshots.py``, of a movie of drawn cells."""

from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from skimage.draw import ellipse

from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.plugin.tracks.track_list import COLUMNS

Picture = Callable[[Any, str], None]
"""Saves a window under a name, and closes it."""

SIZE = (1200, 800)


FRAMES, HEIGHT, WIDTH = 12, 420, 360
CELLS, RADIUS, STEP = 45, 11.0, 5.0
DIVISIONS = {4: (3, 17), 7: (8, 30), 9: (21,)}
"""Cells that divide, by the frame in which their daughters appear."""


def draw_movie() -> NDArray[np.int32]:
    """Return (T, Y, X) labels of cells that move and divide; ids of frames say nothing."""
    random = np.random.default_rng(7)
    grid = np.stack(np.meshgrid(np.linspace(30, 390, 7), np.linspace(30, 330, 7)), -1)
    places = grid.reshape(-1, 2)[:CELLS] + random.normal(0, 6, (CELLS, 2))
    sizes = RADIUS * random.uniform(0.8, 1.2, (CELLS, 2))
    angles, steps = random.uniform(0, np.pi, CELLS), random.normal(0, STEP / 2, (CELLS, 2))
    movie = np.zeros((FRAMES, HEIGHT, WIDTH), np.int32)
    for frame in range(FRAMES):
        for cell in DIVISIONS.get(frame, ()):
            apart = 1.1 * RADIUS * np.array([np.sin(angles[cell]), np.cos(angles[cell])])
            places = np.vstack([places, places[cell] + apart])
            places[cell] -= apart
            sizes = np.vstack([sizes, sizes[cell] * 0.75])
            sizes[cell] *= 0.75
            angles, steps = np.append(angles, angles[cell]), np.vstack([steps, steps[cell]])
        for number, cell in enumerate(random.permutation(len(places)), start=1):
            rows, cols = ellipse(*places[cell], *sizes[cell], movie[0].shape, angles[cell])
            movie[frame, rows, cols] = number
        places = places + steps + random.normal(0, 1, places.shape)
    return movie


def _open(divisions: bool = True) -> tuple[Any, Any]:
    """A window with the tracks of the movie."""
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    layer = viewer.add_labels(draw_movie(), name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Tracks")
    widget.labels = layer
    widget.link(TrackParams(divisions=divisions), wait=True)
    return viewer, widget


def _camera(viewer: Any) -> Any:
    """Return the camera, which napari 0.9 moved out of the viewer."""
    return getattr(viewer, "scene", viewer).camera


def show_lineage(picture: Picture) -> None:
    """Tracks with their divisions, as linked."""
    viewer, widget = _open()
    mother = min(widget.table.children)
    viewer.dims.set_point(0, 11)
    widget.selected = (mother, *widget.table.children[mother])
    viewer.reset_view()
    picture(viewer, "tracks")


def show_division(picture: Picture) -> None:
    """A division that was not linked, and was marked in the dock."""
    viewer, widget = _open()
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


def show_doubts(picture: Picture) -> None:
    """Tracks by their most doubtful place, and the first of them."""
    viewer, widget = _open()
    widget.jobs.wait()
    column = COLUMNS.index("Doubt")
    widget.form.table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    widget.next_doubtful()
    _camera(viewer).zoom = 3
    picture(viewer, "tracks_doubts")
