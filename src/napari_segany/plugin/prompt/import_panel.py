"""Panel that imports prompts from other layers and from tables."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from napari.layers import Labels, Points, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QWidget

from napari_segany.io.detections import DIALECTS, TableOptions
from napari_segany.plugin.shared.controls import button, column, combo_box, grid, row, with_tip
from napari_segany.plugin.shared.layer_combo import LayerCombo


class ImportPanel(QWidget):
    """Controls for prompts from labels, from points or shapes, and from tables."""

    labels_requested = Signal(object, str, bool)
    """Emitted with a labels layer, "mask" or "box", and True for every plane."""

    layer_requested = Signal(object)
    """Emitted with a points or shapes layer."""

    table_requested = Signal()
    """Emitted to choose a table."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = LayerCombo([Labels], "labels…", "Objects of a labels layer")
        self.every_plane = with_tip(
            QCheckBox("every plane"), "Of the whole stack, not only of the plane in view"
        )
        self.layers = LayerCombo(
            [Points, Shapes],
            "points or shapes…",
            'A feature "sign" may say "negative"; a feature "object" says what belongs together',
        )
        self.dialect = combo_box(
            {"written by…": None, **{name: name for name in DIALECTS}},
            "The program that wrote the table, told by its columns",
        )
        self.first_plane = combo_box(
            {"first plane…": None, "first is 0": 0, "first is 1": 1},
            "The number of the first plane of a stack in the table",
        )
        self.units = combo_box(
            {"units…": None, "pixels": "pixels", "calibrated": "calibrated"},
            "Lengths are pixels, or in the unit of the image's scale",
        )
        self.table_line = QLabel()
        self.table_line.setWordWrap(True)
        self.table_line.hide()
        refine = button(
            "Refine",
            partial(self._request_labels, "mask"),
            "Segment every object again, prompted with its mask",
        )
        boxes = button(
            "Boxes",
            partial(self._request_labels, "box"),
            "Segment every object, prompted with the box around it",
        )
        self._use = button(
            "Use",
            self._request_layer,
            "Segment the objects that the layer's points or shapes mark; the layer stays",
        )
        table = button(
            "Boxes or points from a table…",
            self.table_requested.emit,
            "CSV, COCO or GeoJSON, YOLO text or ImageJ ROIs of any other tool",
        )
        self._of_labels = (refine, boxes)
        for choice in (self.labels, self.layers):
            choice.currentIndexChanged.connect(lambda _: self._show_possible())
        self._show_possible()
        layout = column(
            row(self.labels, self.every_plane, wide=self.labels),
            row(*self._of_labels),
            row(self.layers, self._use, wide=self.layers),
            row(table),
            grid(self.dialect, self.first_plane, self.units),
            row(self.table_line),
        )
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)

    def _request_labels(self, how: str) -> None:
        self.labels_requested.emit(self.labels.layer, how, self.every_plane.isChecked())

    def _request_layer(self) -> None:
        self.layer_requested.emit(self.layers.layer)

    @property
    def choices(self) -> TableOptions:
        """Options that override the interpretation of the next table."""
        return TableOptions(
            self.dialect.currentData(), self.first_plane.currentData(), self.units.currentData()
        )

    def show_table(self, lines: Sequence[str] = ()) -> None:
        """Show how the last table was interpreted; the lines stay until the next table."""
        ending = ["The choices above override this."] if lines else []
        self.table_line.setText("\n".join([*lines, *ending]))
        self.table_line.setVisible(bool(lines))

    def fill(self, layers: Sequence[Any]) -> None:
        """Offer these layers."""
        self.labels.fill(layers)
        self.layers.fill(layers)
        self._show_possible()

    def _show_possible(self) -> None:
        """Enable the buttons of layers that are chosen."""
        for each in self._of_labels:
            each.setEnabled(self.labels.layer is not None)
        self._use.setEnabled(self.layers.layer is not None)
