"""Controls of the Tracks dock."""

from collections.abc import Callable, Sequence
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QWidget

from napari_segany.io.tracks.formats import FORMATS
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.plugin.layers.metadata import FOUND
from napari_segany.plugin.shared.contrast_picker import ContrastPicker
from napari_segany.plugin.shared.controls import (
    button,
    column,
    combo_box,
    form,
    narrow,
    panel,
    primary,
    row,
    set_due,
    with_tip,
)
from napari_segany.plugin.shared.dock import ModelDock
from napari_segany.plugin.shared.fold import Fold, SetupFold
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.parameter_form import ParameterForm
from napari_segany.plugin.tracks.tool_bar import ToolBar
from napari_segany.plugin.tracks.track_list import TrackList
from napari_segany.session.tracks.track_journal import SavedTracks
from napari_segany.session.tracks.track_session import TrackSession

NO_TRACKS = "Choose the labels of a movie above, and press Link."
"""Text without tracks."""

MOVIE = 3
"""Fewest axes of a movie."""


class RestoreRow(QWidget):
    """Choice of earlier corrections, the latest first, and a button; hidden if there is none.

    Parameters
    ----------
    start : QPushButton
        The button.
    """

    def __init__(self, start: QPushButton) -> None:
        super().__init__()
        self.choice = with_tip(QComboBox(), "Start of the correction, and its number of steps")
        narrow(self.choice)
        # One below the other: beside the button a narrow dock has no room for the text.
        self.state = QLabel("")
        self.state.setWordWrap(True)
        self.choice.currentIndexChanged.connect(self._show_state)
        layout = column(self.choice, self.state, start)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self._saved: list[SavedTracks] = []
        self.setVisible(False)

    @property
    def chosen(self) -> SavedTracks | None:
        """The chosen correction, None if there is none."""
        at = self.choice.currentIndex()
        return self._saved[at] if 0 <= at < len(self._saved) else None

    def show_sessions(self, saved: Sequence[SavedTracks]) -> None:
        """Offer these corrections; the choice stays if they are the same."""
        if list(saved) != self._saved:
            self._saved = list(saved)
            self.choice.clear()
            self.choice.addItems([_described(each) for each in saved])
            self._show_state()
        self.setVisible(bool(self._saved))

    def _show_state(self) -> None:
        chosen = self.chosen
        self.state.setText("" if chosen is None else _state(chosen))
        self.state.setVisible(bool(self.state.text()))


def _described(saved: SavedTracks) -> str:
    """Return a line about a correction that a narrow dock has room for: its time and its steps."""
    count = len(saved.events)
    return f"{saved.begun:%Y-%m-%d %H:%M}, {count} step{'s' if count != 1 else ''}"


def _state(saved: SavedTracks) -> str:
    """Return what is not as usual with a correction; empty if all is."""
    if saved.damage:
        return "Its end is damaged; what comes before is restored."
    return "" if saved.closed else "It was not closed."


class TracksForm:
    """Controls of the dock and their layout.

    Parameters
    ----------
    dock : ModelDock
        The dock.
    act : callable
        Returns what a button does, by the name of the dock's method.

    Attributes
    ----------
    labels, image : LayerCombo
        Controls that choose the labels to link, and their image.
    params : ParameterForm
        Parameters of linking.
    restoring : RestoreRow
        Earlier corrections.
    tools : ToolBar
        Buttons of the corrections.
    table : TrackList
        Table of tracks.
    format : QComboBox
        Format of the export.
    """

    def __init__(
        self,
        dock: ModelDock,
        act: Callable[[str], Callable[..., None]],
        contrast: ContrastPicker,
    ) -> None:
        self.labels = LayerCombo([Labels], "choose labels", "Labels with frames along axis 0")
        self.image = LayerCombo([Image], "none", "Image of the labels, for Split and Fill")
        for choice in (self.labels, self.image):
            choice.activated.connect(act("choose_layers"))
        self.params = ParameterForm(TrackParams(), "Advanced")
        self.link_button = button("Link", act("link"), "Link the labels over time")
        self.stop_button = button("Stop", act("stop"), "Stop what is being computed")
        self.stop_button.setEnabled(False)
        self.import_button = button(
            "Import…",
            act("import_tracks"),
            "Tracks of a file, with its masks or of these labels",
        )
        self.use_button = button(
            "Use as tracks",
            act("use_table"),
            "The ids of the labels are tracks; do not link",
        )
        self.restoring = RestoreRow(
            button("Restore", act("restore"), "Bring back an earlier correction of the labels")
        )
        self.selection = QLabel("")
        self.selection.setWordWrap(True)
        self.tools = ToolBar(act)
        self.table = TrackList()
        self.doubt_button = button(
            "Next doubtful (Y)", act("next_doubtful"), "Go to the next doubtful place (key Y)"
        )
        self.accept_button = button(
            "Accept (A)", act("accept"), "Accept the doubtful place, go to the next one (key A)"
        )
        self.format = combo_box(
            {each.title: name for name, each in FORMATS.items()}, "Format of the file"
        )
        for at, each in enumerate(FORMATS.values()):
            self.format.setItemData(at, each.about, Qt.ItemDataRole.ToolTipRole)
        narrow(self.format)
        self.export_button = button(
            "Export…", act("export_as_chosen"), "Write the tracks for other programs"
        )
        self.corrections = panel(
            column(
                self.selection,
                self.tools,
                row(self.doubt_button, self.accept_button),
            )
        )
        self.exports = panel(row(self.export_button, self.format, wide=self.format))
        choices = form((("Labels", self.labels), ("Image", self.image)))
        start = column(
            row(primary(self.link_button), self.stop_button, wide=self.link_button),
            row(self.use_button, self.import_button),
        )
        self.setup = SetupFold(
            "Choose labels", panel(column(choices, Fold("Linking", self.params), start))
        )
        asked = (("Model", dock.picker), ("Contrast", contrast))
        self.scrolling = (
            contrast.notice,
            self.setup,
            dock.progress,
            self.restoring,
            Fold("Model, for Split and Fill", panel(form(asked))),
            self.corrections,
            self.table,
        )
        self.fixed = (self.exports,)

    def offer_layers(self, layers: Sequence[Any]) -> None:
        """Offer layers as labels or image; the masks of a search are neither."""
        some = [layer for layer in layers if layer.name != FOUND]
        self.labels.fill([layer for layer in some if isinstance(layer, Labels)])
        self.image.fill([layer for layer in some if isinstance(layer, Image)])

    def choose_only_layers(self) -> bool:
        """Choose labels and image where there is one of them; return False without labels."""
        for choice in (self.labels, self.image):
            # The first entry is no layer.
            only = choice.itemData(1) if choice.count() == 2 else None
            if only is not None and only.ndim >= MOVIE:
                choice.choose(only)
        return self.labels.layer is not None

    def set_ready(self, session: TrackSession | None, summary: str) -> None:
        """Enable what is possible with tracks, or without.

        Parameters
        ----------
        session : TrackSession or None
            The tracks.
        summary : str
            A line about the labels that were linked.
        """
        for part in (self.corrections, self.table, self.exports):
            part.setEnabled(session is not None)
        set_due(self.link_button, session is None)
        self.setup.show_summary("" if session is None else summary)
        if session is not None:
            self.tools.buttons["undo"].setEnabled(session.can_undo)
            self.tools.buttons["redo"].setEnabled(session.can_redo)

    def show_selection(self, selected: Sequence[int], table: TrackTable | None) -> None:
        """Show which tracks are selected."""
        if table is None:
            self.selection.setText(NO_TRACKS)
        elif not selected:
            self.selection.setText("Click on an object; Shift+click adds another one.")
        else:
            parts = []
            for track in selected:
                first, last = table.spans[track]
                parts.append(f"{track} (frames {first} to {last})")
            self.selection.setText(f"Selected: {', '.join(parts)}")
        self.tools.show_selected(0 if table is None else len(selected))
        self.table.show_track(selected[0] if selected else None)
