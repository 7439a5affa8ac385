"""The part of the Prompt widget that takes prompts from other layers and tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from napari.layers import Labels, Points, Shapes
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_segany.io.detections import DIALECTS, TableOptions
from napari_segany.plugin.layers.labels_to_prompts import How
from napari_segany.plugin.shared.layer_combo import LayerCombo


class ImportPanel(QWidget):
    """Buttons for labels, for points or shapes, and for tables.

    Parameters
    ----------
    take_labels : callable
        Called with a labels layer, "mask" or "box", and whether every plane is meant.
    take_layer : callable
        Called with a points or shapes layer.
    take_table : callable
        Called without a path, which it shall ask for.
    """

    def __init__(
        self,
        take_labels: Callable[[Any, How, bool], Any],
        take_layer: Callable[[Any], Any],
        take_table: Callable[[], Any],
    ) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.labels = LayerCombo([Labels], "labels ...", "Objects that are there already")
        self.every_plane = QCheckBox("every plane")
        self.every_plane.setToolTip("Of the whole stack, not only of the plane in view")
        self.layers = LayerCombo(
            [Points, Shapes],
            "points or shapes ...",
            'A feature "sign" may say "negative"; a feature "object" says what belongs together',
        )
        self.dialect = _choice("written by ...", {name: name for name in DIALECTS})
        self.dialect.setToolTip("The program that wrote the table, told by its columns")
        self.first_plane = _choice("first plane ...", {"first is 0": 0, "first is 1": 1})
        self.first_plane.setToolTip("What the table calls the first plane of a stack")
        self.units = _choice("units ...", {"pixels": "pixels", "calibrated": "calibrated"})
        self.units.setToolTip("Whether lengths are pixels, or in the unit of the image's scale")
        self.table_line = QLabel()
        self.table_line.setWordWrap(True)
        self.table_line.hide()
        for parts in (
            [self.labels, self.every_plane],
            [
                _button(
                    "Refine",
                    "Ask for every object again, with its mask",
                    lambda: take_labels(self.labels.layer, "mask", self.every_plane.isChecked()),
                ),
                _button(
                    "Boxes",
                    "Ask for every object with the box around it",
                    lambda: take_labels(self.labels.layer, "box", self.every_plane.isChecked()),
                ),
            ],
            [
                self.layers,
                _button(
                    "Use",
                    "Ask for what the layer's points or shapes mean; the layer stays",
                    lambda: take_layer(self.layers.layer),
                ),
            ],
            [
                _button(
                    "Boxes or points from a table ...",
                    "CSV, COCO JSON or YOLO text of any other tool",
                    take_table,
                )
            ],
            [self.dialect, self.first_plane, self.units],
            [self.table_line],
        ):
            row = QHBoxLayout()
            for part in parts:
                row.addWidget(part)
            column.addLayout(row)

    @property
    def choices(self) -> TableOptions:
        """Choices that are not left to the next table."""
        return TableOptions(
            self.dialect.currentData(), self.first_plane.currentData(), self.units.currentData()
        )

    def show_table(self, text: str) -> None:
        """Say how the last table was understood; it stays until the next one."""
        self.table_line.setText(text)
        self.table_line.setVisible(bool(text))

    def fill(self, layers: Sequence[Any]) -> None:
        """Offer these layers."""
        self.labels.fill(layers)
        self.layers.fill(layers)


def _choice(title: str, options: Mapping[str, Any]) -> QComboBox:
    """A choice that leaves it to the table by default."""
    box = QComboBox()
    # Three of them stand in a row of a narrow panel.
    box.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.addItem(title, None)
    for text, value in options.items():
        box.addItem(text, value)
    return box


def _button(text: str, tip: str, act: Callable[[], Any]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda _=False: act())
    return button
