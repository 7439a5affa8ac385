"""The Prompt widget's controls and where they stand; what they do is in ``prompt``."""

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_segany.plugin.prompt.candidate_buttons import CandidateButtons
from napari_segany.plugin.prompt.restore_picker import RestorePicker
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.scroll_panel import MARGINS, ScrollPanel

Act = Callable[[], Any]


class PromptForm(QWidget):
    """Controls as attributes; those of :meth:`build` are in ``buttons``, by their text.

    Parameters
    ----------
    picker : ModelPicker
        Where the model is chosen.
    """

    def __init__(self, picker: ModelPicker) -> None:
        super().__init__()
        self.picker = picker
        self.image_choice = LayerCombo([Image], "choose an image", "The image to segment")
        self.stories = RestorePicker()
        self.restore_button = self.stories.button
        self.plane_line = QLabel("")
        self.busy = QProgressBar()
        self.stop_button = QPushButton("stop")
        self.stop_button.setToolTip("Stop what is being computed")
        self.one = QRadioButton("one object")
        self.many = QRadioButton("many objects")
        self.live = QCheckBox("live")
        self.labels_choice = LayerCombo(
            [Labels], "new labels", "The labels that commits are written into"
        )
        self.overlap_choice = tipped(QComboBox(), "Pixels that belong to an object already")
        self.min_iou = _score("Objects whose predicted IoU is lower are not committed")
        self.min_stability = _score("Objects whose stability is lower are not committed")
        self.message = MessageLine()
        self.buttons: dict[str, QPushButton] = {}

    def build(
        self,
        tools: dict[str, tuple[str, Act]],
        acts: dict[str, tuple[str, Act]],
        readings: CandidateButtons,
        channels: QWidget,
        folded: dict[str, QWidget],
    ) -> None:
        """Put everything into its place.

        Parameters
        ----------
        tools, acts : dict
            Tooltip and what is done, by the button's text; ``<`` and ``>`` stand beside the
            readings.
        readings, channels : QWidget
            Parts of their own.
        folded : dict
            Parts that are folded away at first, by title.
        """
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(*MARGINS)
        form = QFormLayout()
        form.addRow("Image", self.image_choice)
        form.addRow("Channels", channels)
        form.addRow("Model", self.picker)
        column.addLayout(form)
        column.addWidget(self.stories)
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setMaximumHeight(8)
        self.busy.setVisible(False)
        self.plane_line.setWordWrap(True)
        plane = QHBoxLayout()
        plane.addWidget(self.plane_line, 1)
        plane.addWidget(self.busy)
        plane.addWidget(self.stop_button)
        column.addLayout(plane)
        column.addLayout(self._row(tools))
        column.addLayout(self._modes())
        between = QHBoxLayout()
        for text in ("<", ">"):
            self.buttons[text] = self._button(text, *acts.pop(text))
            self.buttons[text].setMaximumWidth(32)
        between.addWidget(self.buttons["<"])
        between.addWidget(readings, 1)
        between.addWidget(self.buttons[">"])
        column.addLayout(between)
        column.addLayout(self._into())
        column.addLayout(self._row(acts))
        column.addWidget(self.message)
        for title, part in folded.items():
            fold = QCollapsible(title)
            fold.addWidget(part)
            column.addWidget(fold)
        column.addStretch()
        around = QVBoxLayout(self)
        around.addWidget(ScrollPanel(inside))

    def _row(self, acts: dict[str, tuple[str, Act]]) -> QHBoxLayout:
        row = QHBoxLayout()
        for text, (tip, act) in acts.items():
            self.buttons[text] = self._button(text, tip, act)
            row.addWidget(self.buttons[text])
        return row

    def _modes(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.one.setChecked(True)
        self.one.setToolTip("Points belong to one object until it is committed")
        self.many.setToolTip("Every positive point and every box is an object of its own")
        self.live.setChecked(True)
        self.live.setToolTip("Segment after every click; else press G")
        group = QButtonGroup(self)
        for button in (self.one, self.many):
            group.addButton(button)
            row.addWidget(button)
        row.addWidget(self.live)
        return row

    def _into(self) -> QFormLayout:
        form = QFormLayout()
        form.addRow("Into", self.labels_choice)
        self.overlap_choice.addItem("keep existing", "keep")
        self.overlap_choice.addItem("replace existing", "replace")
        form.addRow("On overlap", self.overlap_choice)
        bounds = QHBoxLayout()
        bounds.addWidget(QLabel("IoU"))
        bounds.addWidget(self.min_iou)
        bounds.addWidget(QLabel("stability"))
        bounds.addWidget(self.min_stability)
        form.addRow("At least", bounds)
        return form

    @staticmethod
    def _button(text: str, tip: str, act: Act) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda _=False: act())
        return button


def tipped(widget: Any, tip: str) -> Any:
    """A widget with a tooltip."""
    widget.setToolTip(tip)
    return widget


def _score(tip: str) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(0, 1)
    spin.setSingleStep(0.05)
    spin.setToolTip(tip)
    return spin
