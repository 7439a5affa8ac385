"""Controls of the Prompt dock and their layout; the dock connects them to its methods."""

from typing import Any

from napari.layers import Labels
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QWidget,
)

from napari_segany.plugin.prompt.candidate_buttons import CandidateButtons
from napari_segany.plugin.prompt.import_panel import ImportPanel
from napari_segany.plugin.prompt.object_list import ObjectList
from napari_segany.plugin.prompt.provenance_panel import ProvenancePanel
from napari_segany.plugin.prompt.restore_picker import RestorePicker
from napari_segany.plugin.shared.controls import (
    Part,
    column,
    combo_box,
    folded,
    form,
    row,
    with_tip,
)
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.progress_panel import ProgressPanel

TOOLS = {
    "+ point": "Click on the object (Q flips the sign)",
    "- point": "Click where it is not",
    "box": "Drag a box around it",
    "outline": "Draw around it",
    "scribble": "Draw along it",
}
"""Tooltips of the buttons that select a tool, by their text."""

ACTIONS = {
    "Commit": "Write into the labels (N)",
    "Clear": "Delete the open objects",
    "Undo": "Undo the last step (U)",
    "Redo": "Redo (Shift-U)",
}
"""Tooltips of the buttons below the candidates, by their text."""


class PromptForm(QWidget):
    """Controls of the Prompt dock.

    Parameters
    ----------
    image : list of tuple
        Labelled controls that choose image, channels and model.
    progress : ProgressPanel
        Bar that shows that work is in progress.
    message : MessageLine
        Line for messages.
    through : QWidget
        Section for following an object through planes.

    Attributes
    ----------
    buttons : dict
        Push buttons by their text.
    """

    def __init__(
        self,
        image: list[tuple[str, Part]],
        progress: ProgressPanel,
        message: MessageLine,
        through: QWidget,
    ) -> None:
        super().__init__()
        self.restore = RestorePicker()
        self.plane_line = QLabel("")
        self.plane_line.setWordWrap(True)
        self.one = with_tip(
            QRadioButton("one object"), "Points belong to one object until it is committed"
        )
        self.many = with_tip(
            QRadioButton("many objects"), "Every positive point and every box is an object"
        )
        self.live = with_tip(QCheckBox("live"), "Segment after every click; else press G")
        self.candidates = CandidateButtons()
        self.labels_choice = LayerCombo(
            [Labels], "new labels", "The labels that commits are written into"
        )
        self.overlap_choice = combo_box(
            {"keep existing": "keep", "replace existing": "replace"},
            "Pixels that belong to an object already",
        )
        self.min_iou = _score("Objects with a lower predicted IoU are not committed")
        self.min_stability = _score("Objects with a lower stability are not committed")
        self.objects = ObjectList()
        self.imports = ImportPanel()
        self.provenance = ProvenancePanel()
        self.buttons: dict[str, QPushButton] = {}
        layout = column(
            form(image),
            self.restore,
            self._plane_row(progress),
            row(*(self._button(text, tip) for text, tip in TOOLS.items())),
            self._mode_row(),
            self._candidate_row(),
            self._commit_form(),
            row(*(self._button(text, tip) for text, tip in ACTIONS.items())),
            message,
            through,
            folded("Objects", self.objects),
            folded("From other layers", self.imports),
            folded("Recipe", self.provenance),
        )
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)

    def _button(self, text: str, tip: str) -> QPushButton:
        self.buttons[text] = with_tip(QPushButton(text), tip)
        return self.buttons[text]

    def _plane_row(self, progress: ProgressPanel) -> QHBoxLayout:
        progress.bar.setTextVisible(False)
        progress.bar.setMaximumHeight(8)
        stop = self._button("stop", "Stop what is being computed")
        return row(self.plane_line, progress, stop, wide=self.plane_line)

    def _mode_row(self) -> QHBoxLayout:
        self.one.setChecked(True)
        self.live.setChecked(True)
        group = QButtonGroup(self)
        for button in (self.one, self.many):
            group.addButton(button)
        return row(self.one, self.many, self.live)

    def _candidate_row(self) -> QHBoxLayout:
        previous = self._button("<", "Previous candidate (J)")
        following = self._button(">", "Next candidate (K)")
        for button in (previous, following):
            button.setMaximumWidth(32)
        return row(previous, self.candidates, following, wide=self.candidates)

    def _commit_form(self) -> QFormLayout:
        bounds = row(QLabel("IoU"), self.min_iou, QLabel("stability"), self.min_stability)
        rows: list[tuple[str, Part]] = [
            ("Into", self.labels_choice),
            ("On overlap", self.overlap_choice),
            ("At least", bounds),
        ]
        return form(rows)


def _score(tip: str) -> Any:
    spin = with_tip(QDoubleSpinBox(), tip)
    spin.setRange(0, 1)
    spin.setSingleStep(0.05)
    return spin
