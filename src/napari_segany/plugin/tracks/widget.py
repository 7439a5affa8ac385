"""Dock that links the labels of a movie into tracks, and corrects them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_segany.errors import InputError
from napari_segany.io.tracks.formats import FORMATS
from napari_segany.linking.tracks.doubts import Doubt
from napari_segany.linking.tracks.split import Point
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.plugin.layers.shown_display import shown_limits
from napari_segany.plugin.shared.contrast_picker import Contrast, ContrastPicker
from napari_segany.plugin.shared.dock import ModelDock
from napari_segany.plugin.shared.settings import journals_folder
from napari_segany.plugin.tracks.actions import TrackActions
from napari_segany.plugin.tracks.controller import TracksController
from napari_segany.plugin.tracks.export import write_beside
from napari_segany.plugin.tracks.form import TracksForm
from napari_segany.plugin.tracks.keys import LayerInput
from napari_segany.plugin.tracks.model_tools import ModelTools
from napari_segany.plugin.tracks.track_clicks import TrackClicks
from napari_segany.plugin.tracks.track_layers import LabelColours
from napari_segany.session.tracks.track_journal import SavedTracks
from napari_segany.session.tracks.track_session import TrackSession

if TYPE_CHECKING:
    import napari.viewer

GIGABYTE = 2**30


class TracksWidget(ModelDock):
    """Link the labels of a movie into tracks, and correct them.

    The chosen labels stay as they are. Tracks are shown as labels with one id a track and as lines.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Attributes
    ----------
    correct : TrackActions
        Corrections that need no model, such as ``join`` and ``cut``.
    contrast : ContrastPicker
        Control that chooses the intensities that the model sees.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Tracks")
    >>> widget.labels = viewer.layers["cells"]
    >>> table = widget.link(wait=True)
    >>> widget.correct.join(3, 7)
    3
    >>> widget.undo()
    True
    >>> widget.export("cells_tracks.csv", "csv")
    """

    _reported = Signal(int, int)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.controller = TracksController(
            self.viewer, self.jobs, journals_folder() / "tracks", self._reported.emit
        )
        self.correct = TrackActions(self.controller)
        size = int(self.preferences.embeddings_gb * GIGABYTE)
        self.tools = ModelTools(self.controller, size)
        self.connect_model(self.controller)
        self._clicks = TrackClicks(self.controller, self.split)
        self._input = LayerInput(self.act, self.guarded_with(self._clicks.click))
        self._shown: TrackTable | None = None
        self.contrast = ContrastPicker(self.guarded_with(self._choose_contrast))
        self.form = TracksForm(self, self.act, self.contrast)
        self.form.table.chosen.connect(self.guarded_with(self.go_to))
        self.lay_out(self.form.scrolling, (*self.form.fixed, self.message), tall=self.form.table)
        self._reported.connect(self._on_report)
        self.controller.changed.connect(self._refresh)
        self.controller.selected_changed.connect(self._show_selection)
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def labels(self) -> Any:
        """The labels layer to link, with frames along its first axis."""
        return None if self.controller.source is None else self.controller.source.layer

    @labels.setter
    def labels(self, layer: Any) -> None:
        if layer is not None and not isinstance(layer, Labels):
            raise InputError(f"{layer!r} is no labels layer.")
        self.controller.choose_labels(layer)
        self.reset_choices()

    @property
    def image(self) -> Any:
        """The image of the labels, which the model is asked about; None without one."""
        return None if self.controller.image is None else self.controller.image.layer

    @image.setter
    def image(self, layer: Any) -> None:
        shown = layer is not None and self.contrast.contrast == "shown"
        self.controller.choose_image(layer, shown_limits([layer]) if shown else None)
        self.reset_choices()

    @property
    def session(self) -> TrackSession | None:
        """The tracks in correction, None until labels are linked."""
        return self.controller.session

    @property
    def table(self) -> TrackTable | None:
        """The tracks as a table, None until labels are linked."""
        return None if self.session is None else self.session.table

    @property
    def track_layer(self) -> Any:
        """The labels layer with the ids of tracks, None until labels are linked."""
        return None if self.session is None else self.controller.layers.labels

    @property
    def selected(self) -> tuple[int, ...]:
        """Selected tracks, at most three; setting it selects others."""
        return self.controller.selected

    @selected.setter
    def selected(self, tracks: tuple[int, ...]) -> None:
        self.controller.select(*tracks)

    def link(self, params: TrackParams | None = None, wait: bool = False) -> TrackTable | None:
        """Link the labels over time; the tracks before are closed.

        Parameters
        ----------
        params : TrackParams, optional
            Rules of linking; by default those of the controls.
        wait : bool
            Return when the tracks are shown.

        Returns
        -------
        TrackTable or None
            The tracks, None before they are linked.

        Raises
        ------
        InputError
            If no labels are chosen, with ``wait`` also other errors of linking.
        """
        self.controller.link(params or self.form.params.params)
        return self._table_after(wait)

    def use_table(self, table: TrackTable | None = None, wait: bool = False) -> TrackTable | None:
        """Show tracks of the chosen labels; by default their ids are the tracks already."""
        self.controller.use_table(table)
        return self._table_after(wait)

    def import_tracks(
        self, path: str | Path | None = None, wait: bool = False
    ) -> TrackTable | None:
        """Show tracks of a file: of the Cell Tracking Challenge, GEFF, TrackMate or a table.

        Parameters
        ----------
        path : str or Path, optional
            The file or folder; without it a file dialog is shown.
        wait : bool
            Return when the tracks are shown.
        """
        if path is None:
            path, _ = QFileDialog.getOpenFileName(self, "Tracks, or a file in their folder")
        if path:
            self.controller.import_tracks(path)
        return self._table_after(wait and bool(path))

    def restore(self, saved: SavedTracks | None = None, wait: bool = False) -> TrackTable | None:
        """Bring back an earlier correction of the chosen labels, by default the latest."""
        found = saved or self.form.restoring.chosen
        if found is None:
            raise InputError("There is no earlier correction of these labels.")
        self.controller.restore(found)
        return self._table_after(wait)

    def export(
        self, path: str | Path | None = None, format: str = "", wait: bool = True
    ) -> Path | None:
        """Write the tracks for other programs.

        Parameters
        ----------
        path : str or Path, optional
            File or folder to write; without it a file dialog is shown.
        format : str
            A key of ``napari_segany.io.tracks.formats.FORMATS``; by default the one chosen in the
            dock.
        wait : bool
            Return when the file is written.

        Returns
        -------
        Path or None
            What was written, None if the dialog was cancelled.

        Raises
        ------
        InputError
            If there are no tracks; with ``wait`` also other errors of writing.
        """
        session = self.controller.opened()
        format = format or self.form.format.currentData()
        if path is None:
            name = f"{self.labels.name}{FORMATS[format].ending}"
            path, _ = QFileDialog.getSaveFileName(self, "Export", name)
        if not path:
            return None
        write_beside(self, session, format, Path(path), wait)
        return Path(path)

    def export_as_chosen(self) -> None:
        """Export in the format that is chosen in the dock, to a file that is asked for."""
        self.export(wait=False)

    def stop(self) -> None:
        """Stop linking, splitting or filling."""
        self.jobs.cancel()
        self.controller.give_up()
        self.say("Stopped.")

    def split(
        self,
        points: tuple[Point, Point] | None = None,
        track: int | None = None,
        frame: int | None = None,
        wait: bool = False,
    ) -> None:
        """Split an object into two, by the model's answers for a point in each part.

        Parameters
        ----------
        points : tuple, optional
            Row and column of both points; without them the next two clicks on the object.
        track, frame : int, optional
            The object.
        wait : bool
            Return when it is split.
        """
        track, frame = self._object(track, frame, "split")
        if points is None:
            self._clicks.begin_split(track, frame)
            self.say(f"Click on the two parts of {track}.")
            return
        both = points
        self.controller.error = None
        self.run_when_ready(lambda: self.tools.split(track, frame, both), wait)
        self._raise_error(wait)

    def fill(self, track: int | None = None, frame: int | None = None, wait: bool = False) -> None:
        """Add the object of a track to a frame in which it is missing, by propagation."""
        track, frame = self._object(track, frame, "fill the frame with")
        self.controller.error = None
        self.run_when_ready(lambda: self.tools.fill(track, frame), wait)
        self._raise_error(wait)

    def undo(self) -> bool:
        """Undo one step; False without one."""
        return self.controller.undo()

    def redo(self) -> bool:
        """Redo the step that was undone last; False without one."""
        return self.controller.redo()

    def clear_selection(self) -> None:
        """Select no track, and forget the clicks of a split."""
        self._clicks.clear()
        self.controller.select()

    def go_to(self, track: int, frame: int | None = None) -> None:
        """Show an object of a track in the middle of the view, by default its first one."""
        self.controller.go_to(track, frame)

    def follow_labels(self) -> int:
        """Take pixels of the tracks' labels that a script has changed; return changed frames."""
        return self.controller.follow_frames()

    def next_doubtful(self) -> Doubt | None:
        """Show the next doubtful place with its reason, and return it."""
        return self._show_doubt(self.correct.next_doubt())

    def accept(self) -> Doubt | None:
        """Accept the doubtful place that was shown last, and show the next one."""
        return self._show_doubt(self.correct.accept_doubt())

    def _begin(self) -> None:
        super()._begin()
        if self.labels is None and not self._ended and self.form.choose_only_layers():
            self.act("choose_layers")()

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        own = self.controller.layers.every
        self.form.offer_layers([layer for layer in self.viewer.layers if layer not in own])
        self.form.labels.choose(self.labels)
        self.form.image.choose(self.image)
        self.contrast.follow(self.controller.image)

    # Events ---------------------------------------------------------------------------------

    def act(self, name: str) -> Callable[[], None]:
        """Return a method of the dock or a correction as a slot that shows errors as messages."""
        return self.guarded(getattr(self, name, None) or getattr(self.correct, name))

    def choose_layers(self) -> None:
        """Use the layers that are chosen in the form."""
        self.say("")
        # Setting one of them fills both controls anew.
        labels, image = self.form.labels.layer, self.form.image.layer
        if labels is not self.labels:
            self.labels = labels
        if image is not self.image:
            self.image = image

    def _choose_contrast(self, contrast: Contrast) -> None:
        self.contrast.contrast = contrast
        self.image = self.image

    def _show_doubt(self, doubt: Doubt | None) -> Doubt | None:
        left = len(self.correct.doubts)
        if doubt is None:
            self.say("No doubtful place is left.")
        else:
            self.say(f"Track {doubt.track}, frame {doubt.frame}: {doubt.reason}. {left} left.")
        return doubt

    def _on_report(self, done: int, total: int) -> None:
        if self.jobs.busy:
            self.progress.show_progress(done, total)

    def _on_busy(self, busy: bool) -> None:
        self.form.stop_button.setEnabled(busy)
        super()._on_busy(busy)

    def _refresh(self) -> None:
        session, labels = self.session, self.track_layer
        self.form.restoring.show_sessions(self.controller.journals.saved)
        shown = [each.name for each in (self.labels, self.image) if each is not None]
        self.form.set_ready(session, ", ".join(shown))
        if labels is not self._input.layer:
            self._input.follow(labels)
            self.reset_choices()
            if labels is not None:
                self.form.table.tracks.colour = lambda track: LabelColours(labels).map([track])[0]
        if self.table is not self._shown:
            self._shown = self.table
            self.form.table.tracks.show_table(self.table)
        if session is not None:
            self.correct.rank_doubts(self._on_doubts)
        self._show_selection()

    def _on_doubts(self) -> None:
        self.form.table.tracks.show_doubts(self.correct.doubts)
        self._show_selection()

    def _show_selection(self) -> None:
        self.form.show_selection(self.selected, self.table)

    def _object(self, track: int | None, frame: int | None, act: str) -> tuple[int, int]:
        self.controller.opened()
        if track is None and not self.selected:
            raise InputError(f"Select the track to {act}: click on it.")
        return (
            self.selected[0] if track is None else track,
            self.controller.frame if frame is None else frame,
        )

    def _table_after(self, wait: bool) -> TrackTable | None:
        if wait:
            self.jobs.wait()
            self._raise_error(wait)
        return self.table

    def _raise_error(self, wait: bool) -> None:
        if wait and self.controller.error is not None:
            raise self.controller.error

    def _release(self) -> None:
        self._input.follow(None)
        self.contrast.end()
        self.controller.end()
