"""The part of the Prompt widget that takes prompts from other layers and tables."""

from collections.abc import Callable, Sequence
from typing import Any

from napari.layers import Labels, Points, Shapes
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_segany.plugin.from_labels import How
from napari_segany.plugin.widgets.layer_choice import LayerChoice


class Others(QWidget):
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
        self.labels = LayerChoice([Labels], "labels ...", "Objects that are there already")
        self.every_plane = QCheckBox("every plane")
        self.every_plane.setToolTip("Of the whole stack, not only of the plane in view")
        self.layers = LayerChoice(
            [Points, Shapes],
            "points or shapes ...",
            'A feature "sign" may say "negative"; a feature "object" says what belongs together',
        )
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
        ):
            row = QHBoxLayout()
            for part in parts:
                row.addWidget(part)
            column.addLayout(row)

    def fill(self, layers: Sequence[Any]) -> None:
        """Offer these layers."""
        self.labels.fill(layers)
        self.layers.fill(layers)


def _button(text: str, tip: str, act: Callable[[], Any]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda _=False: act())
    return button
