"""Layers of tracks: labels with one id a track, lines with divisions, and what is selected."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from napari.layers import Labels, Tracks
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.metadata import SELECTION
from napari_segany.plugin.layers.tracks_layer import TRACKS, tracks_layer_data
from napari_segany.plugin.layers.transforms import place, placement_of
from napari_segany.plugin.tracks.movie_source import frame_in_view, frame_placement
from napari_segany.session.tracks.changes import Patch
from napari_segany.session.tracks.label_frames import LabelFrames

MOST_POINTS = 8_000
"""Objects whose tracks are drawn as lines, those nearest in time: more would block the window."""

SELECTED = ((0, 0, 0, 0), (1, 1, 1, 1), (1, 0.84, 0.04, 1), (0, 0.9, 1, 1))
"""Colours of no outline, and of those of the first, second and third selected track."""


OUTLINE = 2
"""Width of outlines in pixels."""


class LabelColours:
    """Colours of track ids, those of a labels layer, in the place of a colormap.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def map(self, ids: ArrayLike) -> NDArray[np.float32]:
        """Return the (N, 4) colours of (N,) ids."""
        found: NDArray[np.float32] = self.layer.colormap.map(np.asarray(ids).astype(np.int32))
        return found


class TrackLayers:
    """The layers of one session, which follow its changes.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.

    Attributes
    ----------
    labels : napari.layers.Labels or None
        Labels with the ids of tracks.
    tracks : napari.layers.Tracks or None
        The lines; None without an object.
    selection : napari.layers.Labels or None
        Outlines of the selected objects in the frame in view.
    """

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.labels: Any = None
        self.tracks: Any = None
        self.selection: Any = None
        # Labels, and shape of a frame, for which outlines are still to be shown.
        self._outlines_of: tuple[Any, tuple[int, ...]] | None = None
        # Frames that the lines are drawn of.
        self._drawn = range(0)

    def show(self, source: Any, data: NDArray[np.int32]) -> None:
        """Add the layers of new tracks beside the labels that they were made of, without lines.

        Parameters
        ----------
        source : napari.layers.Labels
            The labels, whose name and place are used.
        data : ndarray
            Labels with the ids of tracks, of the same shape; the layer's own copy.
        """
        placement = placement_of(source)
        if self.labels in self.viewer.layers:
            self.labels.visible = False
        self.labels = Labels(data, name=f"{source.name} tracks", **placement)
        source.visible = False
        add_layer(self.viewer, self.labels)
        self._outlines_of = source, data.shape[1:]
        if self._reusable(self.selection, data.ndim - 1) or self._reusable(self.tracks, data.ndim):
            self._show_outlines()
        if self._reusable(self.tracks, data.ndim):
            self.tracks.colormaps_dict = {"track_id": LabelColours(self.labels)}
            self.tracks.name = f"{self.labels.name} lines"
            place(self.tracks, placement)
            self._raise(self.tracks)
        else:
            self.tracks = None
        self.viewer.layers.selection.active = self.labels

    def _raise(self, layer: Any) -> None:
        """Move a layer above all others."""
        layers = self.viewer.layers
        layers.move(layers.index(layer), len(layers))

    def _reusable(self, layer: Any, ndim: int) -> bool:
        return layer in self.viewer.layers and layer.ndim == ndim

    def _show_outlines(self) -> None:
        """Show an empty layer for outlines, unless that is done."""
        if self._outlines_of is None:
            return
        (source, shape), self._outlines_of = self._outlines_of, None
        outlines = np.zeros(shape, np.uint8)
        placement = frame_placement(source)
        if self._reusable(self.selection, len(shape)):
            self.selection.data = outlines
            place(self.selection, placement)
            self.selection.visible = True
            self._raise(self.selection)
            return
        self.selection = Labels(
            outlines,
            name=SELECTION,
            # A colormap of single labels takes seconds to compile at first.
            colormap=CyclicLabelColormap(colors=np.array(SELECTED)),
            **placement,
        )
        self.selection.opacity = 1
        self.selection.editable = False
        self._add_beside(self.selection)

    def _add_beside(self, layer: Any) -> None:
        """Add a layer; the active one stays active, since clicks and keys go to it."""
        add_layer(self.viewer, layer, activate=False)

    @property
    def frame(self) -> int:
        """The frame in view."""
        return frame_in_view(self.viewer, self.labels)

    @property
    def every(self) -> list[Any]:
        """The layers that are there."""
        found = (self.labels, self.tracks, self.selection)
        return [layer for layer in found if layer is not None and layer in self.viewer.layers]

    def close(self) -> None:
        """Leave labels and lines as they are, and hide the outlines.

        Lines and outlines are used again by the next session. They are not removed: software OpenGL
        crashes when layers are removed beside a Tracks layer.
        """
        self._outlines_of = None
        if self.selection in self.viewer.layers:
            self.selection.visible = False
        if self.labels not in self.viewer.layers:
            self.labels = None
            if self.tracks in self.viewer.layers:
                self.tracks.visible = False

    def end(self) -> None:
        """Remove the outlines, because the dock is closed."""
        self.close()
        if self.selection in self.viewer.layers:
            self.viewer.layers.remove(self.selection)
        self.selection = None

    def write(self, patches: Iterable[Patch]) -> None:
        """Write changes of pixels, and draw the frame in view if it is among them."""
        frames = set()
        for patch in patches:
            mask = patch.mask
            self.labels.data[patch.frame][mask.box][mask.pixels] = patch.after
            frames.add(patch.frame)
        if self.frame in frames or (frames and self.viewer.dims.ndisplay > 2):
            self.labels.refresh()

    def outline(self, tracks: Sequence[int], frames: LabelFrames) -> None:
        """Outline objects of the frame in view."""
        if tracks:
            self._show_outlines()
        if self.selection not in self.viewer.layers:
            return
        shown = np.zeros(self.selection.data.shape, np.uint8)
        frame = self.frame
        for number, track in enumerate(tracks):
            mask = frames.mask(frame, track)
            if mask is not None:
                shown[mask.box][_border(mask.pixels)] = min(number + 1, len(SELECTED) - 1)
        if not np.array_equal(shown, self.selection.data):
            self.selection.data[:] = shown
            self.selection.refresh(extent=False)

    def draw_next(self, table: TrackTable) -> bool:
        """Show what is missing for outlines, else draw the lines; return True if they are left.

        napari takes a tenth of a second for a layer, so that each one has a turn of its own.
        """
        if self._outlines_of is not None:
            self._show_outlines()
            return True
        self.draw_lines(table)
        return False

    def draw_lines(self, table: TrackTable) -> None:
        """Draw the tracks as lines, with divisions; of long movies those near the frame in view.

        The labels carry the table, so that the Evaluate dock knows the divisions.
        """
        self.labels.metadata[TRACKS] = table
        table = self._near(table)
        there = self.tracks in self.viewer.layers
        if there:
            self.tracks.visible = bool(len(table.frame))
        if not len(table.frame):
            return
        data, settings = tracks_layer_data(table)
        if there:
            self.tracks.data = data
            self.tracks.features = settings["features"]
            self.tracks.graph = settings["graph"]
            return
        self.tracks = Tracks(
            data,
            graph=settings["graph"],
            features=settings["features"],
            colormaps_dict={"track_id": LabelColours(self.labels)},
            color_by="track_id",
            name=f"{self.labels.name} lines",
            tail_length=10,
            **placement_of(self.labels),
        )
        self._add_beside(self.tracks)

    def needs_lines(self, table: TrackTable) -> bool:
        """Return True if the frame in view is at the edge of the frames that lines show."""
        if len(table.frame) <= MOST_POINTS or not len(self._drawn):
            return False
        margin = len(self._drawn) // 4
        inner = range(self._drawn.start + margin, self._drawn.stop - margin)
        first, last = int(table.frame[0]), int(table.frame[-1])
        frame = self.frame
        before = frame < inner.start and self._drawn.start > first
        after = frame >= inner.stop and self._drawn.stop <= last
        return before or after

    def _near(self, table: TrackTable) -> TrackTable:
        """Return the tracks in frames around the one in view, as many as can be drawn."""
        count = len(table.frame)
        self._drawn = range(0, int(table.frame[-1]) + 1 if count else 0)
        if count <= MOST_POINTS:
            return table
        middle = int(np.searchsorted(table.frame, self.frame))
        start = max(0, min(middle - MOST_POINTS // 2, count - MOST_POINTS))
        first, last = table.frame[start], table.frame[min(start + MOST_POINTS, count) - 1]
        self._drawn = range(int(first), int(last) + 1)
        return table.take((table.frame >= first) & (table.frame <= last))


def _border(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the outermost pixels of a mask in its planes; napari draws no contours in 3-D."""
    cross = ndimage.generate_binary_structure(2, 1).reshape((1,) * (pixels.ndim - 2) + (3, 3))
    inner: NDArray[np.bool_] = ndimage.binary_erosion(pixels, cross, OUTLINE)
    return pixels & ~inner
