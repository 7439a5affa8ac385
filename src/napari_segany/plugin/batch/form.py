"""The Batch widget's controls and where they stand; what they do is in ``batch``."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_segany.errors import InputError
from napari_segany.io.exports import EXPORTS
from napari_segany.io.result_files import LABELS, Outputs
from napari_segany.io.table import TABLES
from napari_segany.plugin.batch.file_list import HERE
from napari_segany.plugin.batch.file_table import FileTable
from napari_segany.plugin.layers.image_view import COLOURS
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.parameter_form import ParameterForm
from napari_segany.plugin.shared.scroll_panel import MARGINS, ScrollPanel
from napari_segany.recipe import LabelParams, Recipe


class BatchForm(QWidget):
    """Controls as attributes; those of :meth:`build` are in ``buttons``, by their text."""

    def __init__(self) -> None:
        super().__init__()
        self.message = MessageLine()
        self.buttons: dict[str, QPushButton] = {}
        self.table = FileTable()
        self.recipe_line = QLabel("the controls below")
        self.recipe_line.setWordWrap(True)
        self.search = GeneratorForm()
        self.label_form = ParameterForm(LabelParams(), "Advanced: masks to labels")
        self.channels_line = QLineEdit("0")
        self.channels_line.setToolTip(
            "Channel to look at, from 0, or two or three seen as colours: 0,1,2"
        )
        self.output_line = QLineEdit("results")
        self.output_line.setToolTip("The folder for the results")
        self.where = QComboBox()
        self.where.setEditable(True)
        self.where.addItems([HERE, "local:2"])
        self.where.setToolTip(
            "here; local:N for N processes; or a dask scheduler such as tcp://host:8786"
        )
        self.progress = QProgressBar()
        self.progress.setVisible(False)
        self.progress_line = QLabel("")
        self.labels_kind, self.table_kind = QComboBox(), QComboBox()
        for box, kinds in ((self.labels_kind, LABELS), (self.table_kind, TABLES)):
            for kind in kinds:
                box.addItem(kind, kind)
        self.exports = {kind: QCheckBox(kind) for kind in EXPORTS}
        for kind, export in self.exports.items():
            export.setToolTip(EXPORTS[kind][1].__doc__ or "")
        self.overwrite = QCheckBox("do everything anew")
        self.overwrite.setToolTip("Replace files that are there, whoever made or changed them")

    @property
    def output(self) -> Path:
        """The folder with the results."""
        return Path(self.output_line.text().strip() or "results")

    @output.setter
    def output(self, folder: str | Path) -> None:
        self.output_line.setText(str(folder))

    @property
    def channels(self) -> tuple[int, ...]:
        """The channel that is looked at, or those that are seen as colours."""
        parts = [part.strip() for part in self.channels_line.text().split(",")]
        if not all(part.isdecimal() for part in parts) or len(parts) > COLOURS:
            raise InputError(
                f"Channel {self.channels_line.text()!r} is not one to three whole numbers with "
                "commas between."
            )
        return tuple(map(int, parts))

    @channels.setter
    def channels(self, channels: Iterable[int]) -> None:
        self.channels_line.setText(",".join(map(str, channels)))
        self.channels_line.editingFinished.emit()

    @property
    def outputs(self) -> Outputs:
        """Which files are wanted."""
        return Outputs(
            self.labels_kind.currentData(),
            self.table_kind.currentData(),
            tuple(kind for kind, box in self.exports.items() if box.isChecked()),
        )

    @property
    def start_button(self) -> QPushButton:
        """Begins the batch."""
        return self.buttons["Start"]

    @property
    def stop_button(self) -> QPushButton:
        """Stops it."""
        return self.buttons["stop"]

    def build(self, picker: QWidget, acts: dict[str, tuple[str, Callable[[], Any]]]) -> None:
        """Put everything into its place.

        Parameters
        ----------
        picker : QWidget
            Where the model is chosen.
        acts : dict
            Tooltip and what is done, by the button's text.
        """
        self.buttons = {
            text: self.message.button(text, act, tip) for text, (tip, act) in acts.items()
        }
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(*MARGINS)
        column.addWidget(self.table, 1)
        column.addLayout(self._beside("Add files ...", "Add folder ...", "Remove"))
        form = QFormLayout()
        form.addRow("Recipe", self._beside("Load ...", "Save ..."))
        form.addRow("", self.recipe_line)
        form.addRow("Model", picker)
        column.addLayout(form)
        column.addWidget(self.search)
        column.addWidget(self.label_form)
        below = QFormLayout()
        below.addRow("Channel", self.channels_line)
        below.addRow("Results in", self._beside(self.output_line, "..."))
        below.addRow("Compute", self.where)
        column.addLayout(below)
        column.addWidget(self._files())
        around = QVBoxLayout(self)
        around.addWidget(ScrollPanel(inside), 1)
        row = self._beside("Start", "stop")
        row.setStretch(0, 1)
        around.addLayout(row)
        around.addWidget(self.progress)
        around.addWidget(self.progress_line)
        around.addLayout(self._beside("Report", "Show", "Copy as command line"))
        around.addWidget(self.message)

    def _beside(self, *parts: str | QWidget) -> QHBoxLayout:
        """Parts in a row, buttons by their text; what is no button takes the room."""
        row = QHBoxLayout()
        for part in parts:
            if isinstance(part, str):
                row.addWidget(self.buttons[part])
            else:
                row.addWidget(part, 1)
        return row

    def _files(self) -> QWidget:
        inside = QWidget()
        form = QFormLayout(inside)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Labels", self.labels_kind)
        form.addRow("Table", self.table_kind)
        for box in (*self.exports.values(), self.overwrite):
            form.addRow("", box)
        fold = QCollapsible("Files")
        fold.addWidget(inside)
        return fold


def described(recipe: Recipe) -> str:
    """Return a recipe in one line."""
    params = recipe.point_params()
    return f"{recipe.model}, {params.points_per_side} points per side, {params.strategy}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as a person says them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
