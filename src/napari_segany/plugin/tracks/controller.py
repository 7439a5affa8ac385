"""Logic of the Tracks dock: labels of a movie, their tracks, and the layers that show them.

The module needs no Qt and works on a ``ViewerModel``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.intensity import Limits
from napari_segany.errors import InputError, SeganyError
from napari_segany.io.tracks.formats import read_tracks
from napari_segany.linking.tracks.label_tracks import tracks_of_labels
from napari_segany.linking.tracks.link_labels import link_labels
from napari_segany.linking.tracks.track_edit import TrackEdit
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.layers.transforms import show_plane
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.plugin.tracks.label_watch import LabelWatch
from napari_segany.plugin.tracks.movie_source import MovieSource
from napari_segany.plugin.tracks.opened_tracks import OpenedTracks, describe_tracks, open_tracks
from napari_segany.plugin.tracks.track_journals import TrackJournals
from napari_segany.plugin.tracks.track_layers import TrackLayers
from napari_segany.session.tracks.track_journal import SavedTracks
from napari_segany.session.tracks.track_session import TracksChanged, TrackSession

MOST_SELECTED = 3
"""Tracks that can be selected: a mother and two daughters."""


class TracksController(PendingModel):
    """Tracks of one labels layer at a time.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    jobs : JobQueue
        Queue of linking and of questions to the model.
    journals : Path or None
        Folder for journals; without it nothing is recorded.
    report : Progress, optional
        Called from the worker thread with frames done and in all.

    Attributes
    ----------
    changed : Signal
        Emitted when the tracks have changed, or other ones are shown.
    selected_changed : Signal
        Emitted when other tracks are selected, or another frame is in view.
    source : MovieSource or None
        The labels in work.
    image : LayerView or None
        The image of the labels, which the model is asked about.
    session : TrackSession or None
        The tracks; None until labels are linked.
    layers : TrackLayers
        The layers that show them.
    journals : TrackJournals
        Journals of the labels in work.
    selected : tuple of int
        Selected tracks, in the order in which they were selected.
    error : Exception or None
        Error of the latest job.
    """

    changed = Signal()
    selected_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        jobs: JobQueue,
        journals: Path | None = None,
        report: Progress | None = None,
    ) -> None:
        super().__init__()
        self.viewer, self.jobs, self.report = viewer, jobs, report
        self.source: MovieSource | None = None
        self.image: LayerView | None = None
        self.session: TrackSession | None = None
        self.layers = TrackLayers(viewer)
        self.journals = TrackJournals(jobs, journals, self.changed.emit)
        self.selected: tuple[int, ...] = ()
        self.error: Exception | None = None
        self._watch = LabelWatch(jobs, self.follow_frames)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.point.connect(self._on_frame)

    # Labels ---------------------------------------------------------------------------------

    def choose_labels(self, layer: Any) -> None:
        """Choose the labels to link; tracks of other labels are closed, their labels stay."""
        source = None if layer is None else MovieSource(layer)
        if self.source is not None and layer is self.source.layer:
            return
        self.close_session()
        self.source = source
        self.journals.search(source)
        self.changed.emit()

    def choose_image(self, layer: Any, limits: Limits | None = None) -> None:
        """Choose the image of the labels, or none; ``limits`` are as for :class:`LayerView`."""
        view = None if layer is None else LayerView(layer, limits=limits)
        if view is not None and self.source is not None:
            self.source.check_image(view)
        self.image = view

    def link(self, params: TrackParams | None = None) -> None:
        """Link the labels in the background, and show the tracks.

        Raises
        ------
        InputError
            If no labels are chosen.
        """
        source = self._chosen()
        view = self.image
        image = None if view is None else view.source()

        def load(frame: int) -> Any:
            assert image is not None
            return image.read((frame, *(None,) * (len(source.shape) - 1)))

        def link(report: Progress, should_stop: ShouldStop) -> TrackTable:
            return link_labels(
                source.frame,
                range(source.shape[0]),
                params,
                axes=source.axes,
                pixel_size=source.pixel_size,
                load_image=load if image is not None and source.axes == "YX" else None,
                progress=report,
                should_stop=should_stop,
            )

        self._open(link, "Linking ...")

    def use_table(self, table: TrackTable | None = None) -> None:
        """Show tracks of the chosen labels; by default their ids are the tracks already."""
        source = self._chosen()

        def find(report: Progress, should_stop: ShouldStop) -> TrackTable:
            if table is not None:
                return table
            found = tracks_of_labels(source.frame, source.shape[0], source.axes)
            return replace(found, pixel_size=source.pixel_size)

        self._open(find, "Reading ...")

    def import_tracks(self, path: str | Path) -> None:
        """Read a file of tracks in the background, and show them.

        Masks of the file become a labels layer of their own; the tracks of a file without masks
        are those of the labels that are chosen.
        """
        masks: list[Any] = []

        def read(should_stop: ShouldStop) -> TrackTable:
            table, load = read_tracks(path)
            if load is not None:
                data = zeros((load.count, *load.shape), np.int32)
                for frame in range(load.count):
                    check(should_stop)
                    data[frame] = load(frame)
                masks.append(data)
            return table

        def done(table: TrackTable) -> None:
            for data in masks:
                layer = Labels(data, name=Path(path).stem)
                add_layer(self.viewer, layer)
                self.choose_labels(layer)
            try:
                self.use_table(table)
            except SeganyError as error:
                self.refuse(error)

        self.error = None
        self.jobs.submit("tracks", Priority.REQUEST, read, done, self.refuse)
        self.status.emit("Reading ...", "info")

    def restore(self, saved: SavedTracks) -> None:
        """Bring back an earlier correction of the chosen labels."""
        self._open(lambda report, should_stop: saved.table, "Restoring ...", saved)

    def _open(
        self,
        find: Callable[[Progress, ShouldStop], TrackTable],
        text: str,
        saved: SavedTracks | None = None,
    ) -> None:
        source = self._chosen()
        self.error = None

        def work(should_stop: ShouldStop) -> OpenedTracks:
            folder = self.journals.folder_of(source)
            return open_tracks(source, find, saved, folder, self.report, should_stop)

        def done(opened: OpenedTracks) -> None:
            if source is self.source:
                self._show(source, opened)
            else:
                opened.session.close()

        self.jobs.submit("tracks", Priority.REQUEST, work, done, self.refuse)
        self.status.emit(text, "info")

    def _show(self, source: MovieSource, opened: OpenedTracks) -> None:
        self.close_session()
        session = self.session = opened.session
        self.layers.show(source.layer, opened.copy)
        self.jobs.call_later("track lines", self._draw_lines)
        session.changed.connect(self._on_session)
        session.trouble.connect(lambda text: self.status.emit(text, "warning"))
        self._watch.begin(self.layers.labels)
        if opened.trouble:
            self.status.emit(opened.trouble, "warning")
        else:
            self.status.emit(*describe_tracks(session.table))
        self.select()
        self.changed.emit()

    def close_session(self) -> None:
        """End the correction; the labels with the ids of tracks stay."""
        self.jobs.cancel()
        self._watch.end()
        if self.session is not None:
            self.session.close()
        self.session = None
        self.layers.close()
        self.selected = ()
        self.journals.search(self.source)

    def end(self) -> None:
        """End the correction, and disconnect from the viewer."""
        self.source = None
        self.close_session()
        self.layers.end()
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.dims.events.point.disconnect(self._on_frame)

    def opened(self) -> TrackSession:
        """Return the session; raise InputError if labels are not linked."""
        if self.session is None:
            raise InputError("There are no tracks yet: choose labels and link them.")
        return self.session

    def _chosen(self) -> MovieSource:
        if self.source is None:
            raise InputError("Choose a labels layer with frames along its first axis.")
        return self.source

    # Steps ----------------------------------------------------------------------------------

    def apply(self, *edits: TrackEdit, name: str = "", select: Sequence[int] | None = None) -> None:
        """Take edits as one step, say so, and select tracks."""
        session = self.opened()
        session.apply(*edits, name=name)
        self.select(*(self.selected if select is None else select))

    def accept(self, frame: int, track: int) -> None:
        """Accept a doubtful place."""
        self.opened().accept(frame, track)

    def undo(self) -> bool:
        """Undo one step; False without one."""
        return self.opened().undo()

    def redo(self) -> bool:
        """Redo the step that was undone last; False without one."""
        return self.opened().redo()

    def follow_frames(self, frames: Sequence[int] | None = None) -> int:
        """Take pixels of the labels that were painted; return the number of changed frames.

        Parameters
        ----------
        frames : sequence of int, optional
            Frames that may have changed; by default all.
        """
        session, labels = self.opened(), self.layers.labels
        if labels.data.shape != session.frames.data.shape:
            self.close_session()
            raise InputError(f"{labels.name} has another shape now, so its correction ended.")
        chosen = range(len(labels.data)) if frames is None else frames
        return session.follow_frames((frame, labels.data[frame]) for frame in chosen)

    def _on_session(self, event: TracksChanged) -> None:
        self.layers.write(event.patches)
        self.status.emit(f"{event.name[:1].upper()}{event.name[1:]}.", "info")
        self.select(*self.selected)
        if event.table:
            self.jobs.call_later("track lines", self._draw_lines)
        self.changed.emit()

    def _draw_lines(self) -> None:
        if self.session is not None and self.layers.draw_next(self.session.table):
            self.jobs.call_later("track lines", self._draw_lines)

    # Selection and view ---------------------------------------------------------------------

    @property
    def frame(self) -> int:
        """The frame in view."""
        self.opened()
        return self.layers.frame

    def select(self, *tracks: int) -> None:
        """Select tracks; those that are not there, and more than three, are left out."""
        if self.session is None:
            return
        there = [track for track in dict.fromkeys(tracks) if track in self.session.table.spans]
        self.selected = tuple(there[:MOST_SELECTED])
        if self.selected:
            self.layers.labels.selected_label = self.selected[0]
        self._show_selection()

    def pick(self, track: int, add: bool = False) -> None:
        """Select a track by a click, alone or beside others; a selected one is then left out."""
        if not add:
            self.select(*([track] if track else []))
        elif track in self.selected:
            self.select(*(each for each in self.selected if each != track))
        elif track:
            self.select(*self.selected[: MOST_SELECTED - 1], track)

    def go_to(self, track: int, frame: int | None = None) -> None:
        """Show an object in the middle of the view, and select its track.

        Parameters
        ----------
        track : int
            The track.
        frame : int, optional
            Frame, or the nearest one in which the track has an object; by default its first.
        """
        table = self.opened().table
        rows = table.rows_of(track)
        if not len(rows):
            raise InputError(f"There is no track {track}.")
        near = 0 if frame is None else int(np.abs(table.frame[rows] - frame).argmin())
        row = rows[near]
        place = table.position[row]
        inner = [round(float(n)) for n in place[:-2]]
        plane = (int(table.frame[row]), *inner, None, None)
        if self.viewer.dims.ndisplay != 2:
            self.viewer.dims.ndisplay = 2
        show_plane(self.viewer, self.layers.labels, plane, place[-2:], centre=False, fill=True)
        self.select(track, *(each for each in self.selected if each != track and frame is None))

    def refuse(self, error: Exception) -> None:
        """Report an error."""
        self.error = error
        self.status.emit(describe_error(error), "error")

    def _show_selection(self) -> None:
        self.jobs.call_later("track outlines", self._outline)
        self.selected_changed.emit()

    def _outline(self) -> None:
        if self.session is not None:
            self.layers.outline(self.selected, self.session.frames)

    def _on_frame(self, event: Any = None) -> None:
        if self.session is None:
            return
        self._show_selection()
        if self.layers.needs_lines(self.session.table):
            self.jobs.call_later("track lines", self._draw_lines)

    def _on_removed(self, event: Any) -> None:
        gone = event.value
        if self.session is not None and gone is self.layers.labels:
            # Other layers must not be removed while napari removes this one.
            self.jobs.call_later("tracks gone", lambda: self._on_labels_gone(gone))
        elif self.source is not None and gone is self.source.layer and self.session is None:
            self.choose_labels(None)
        elif self.image is not None and gone is self.image.layer:
            self.image = None

    def _on_labels_gone(self, gone: Any) -> None:
        if self.session is not None and gone is self.layers.labels:
            self.close_session()
            self.refuse(SeganyError(f"{gone.name} was removed; its tracks can be restored."))
            self.changed.emit()
