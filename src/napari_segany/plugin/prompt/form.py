"""Controls of the Prompt dock and their layout; the dock connects them to its methods."""

from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Qt
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

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.prompt.candidate_buttons import HEIGHT, CandidateButtons
from napari_segany.plugin.prompt.import_panel import ImportPanel
from napari_segany.plugin.prompt.object_list import ObjectList
from napari_segany.plugin.prompt.provenance_panel import ProvenancePanel
from napari_segany.plugin.prompt.restore_picker import RestorePicker
from napari_segany.plugin.prompt.text_panel import TextPanel
from napari_segany.plugin.prompt.tool_row import ToolRow
from napari_segany.plugin.shared.controls import (
    Part,
    column,
    combo_box,
    form,
    panel,
    primary,
    row,
    with_tip,
)
from napari_segany.plugin.shared.fold import Fold, SetupFold
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.object_size_row import ObjectSizeRow
from napari_segany.plugin.shared.progress_panel import ProgressPanel
from napari_segany.plugin.shared.save_labels import TIP as SAVE_TIP

ACTIONS = {
    "Clear": "Delete the open objects",
    "Undo": "Undo the last step (U)",
    "Redo": "Redo (Shift-U)",
}
"""Tooltips of the buttons below Commit, by their text."""


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
    tools : ToolRow
        Buttons that select a tool.
    object_size : ObjectSizeRow
        Size of objects; shown for large planes.
    setup : SetupFold
        Choices of image, channels, model and views.
    views : QComboBox
        Number of views in which the model sees a plane.
    target : Fold
        Choices of the labels that commits are written into.
    candidate_row : QWidget
        Candidates of the active object; hidden without any.
    hint : QLabel
        What to do to get candidates.
    stop_row : QWidget
        Progress and the button that stops; shown while something is computed.
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
        self.words = TextPanel()
        self.imports = ImportPanel()
        self.provenance = ProvenancePanel()
        self.tools = ToolRow()
        self.object_size = ObjectSizeRow(
            "as zoomed",
            "Longer side of the objects that you click on. As zoomed: the model sees about what "
            "you see. Boxes state the size of their object.",
            "Take the size of the selected box, of the active object, or of the last commit",
        )
        self.buttons: dict[str, QPushButton] = {}
        self.views = combo_box(
            {"one": 1, "two": 2, "three": 3, "four": 4},
            "Show each plane to the model as it is, turned by 180 degrees, and as its mirror "
            "images. The mean of the answers counts: outlines fit better, and it takes as many "
            "times as long",
        )
        self.setup = SetupFold("Choose an image", panel(form([*image, ("Views", self.views)])))
        self.target = Fold("", panel(self._target_form()))
        for choice in (self.labels_choice, self.overlap_choice):
            choice.currentIndexChanged.connect(lambda _: self._show_target())
        self._show_target()
        self.candidate_row = panel(self._candidate_row())
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setMinimumHeight(HEIGHT)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.stop_row = panel(self._stop_row(progress))
        self.stop_row.setVisible(False)
        layout = column(
            self.setup,
            self.restore,
            row(self.plane_line, self.live, wide=self.plane_line),
            self.stop_row,
            self.tools,
            self._mode_row(),
            self.object_size,
            self.candidate_row,
            self.hint,
            self._commit_button(),
            row(*(self._button(text, tip) for text, tip in ACTIONS.items())),
            message,
            self.target,
            through,
            Fold("Objects", panel(column(self.objects, self._button("Save labels…", SAVE_TIP)))),
            Fold("Find by text", self.words),
            Fold("From other layers", self.imports),
            Fold("Recipe", self.provenance),
        )
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)

    def show_setup(self, summary: str) -> None:
        """Show image and model in one line, empty while one is missing; and views if several."""
        views = self.views.currentText() if self.views.currentData() > 1 else ""
        self.setup.show_summary(f"{summary}, {views} views" if summary and views else summary)

    def show_restored(self, labels: Labels | None, views: int) -> None:
        """Show the labels layer and the views of a restored session."""
        self.labels_choice.choose(labels)
        self.views.setCurrentIndex(self.views.findData(views))

    def show_counts(self, known: int, still_open: int) -> None:
        """Show how many objects a commit writes, and enable what can act.

        Parameters
        ----------
        known : int
            Open objects that are segmented.
        still_open : int
            All open objects.
        """
        commit = self.buttons["Commit"]
        commit.setText(f"Commit {known} objects" if known > 1 else "Commit")
        commit.setEnabled(known > 0)
        self.buttons["Clear"].setEnabled(still_open > 0)

    def _button(self, text: str, tip: str) -> QPushButton:
        self.buttons[text] = with_tip(QPushButton(text), tip)
        return self.buttons[text]

    def _stop_row(self, progress: ProgressPanel) -> QHBoxLayout:
        progress.bar.setTextVisible(False)
        progress.bar.setMaximumHeight(8)
        stop = self._button("Stop", "Stop what is being computed")
        return row(progress, stop, wide=progress)

    def _commit_button(self) -> QPushButton:
        commit = self._button("Commit", "Write the segmented objects into the labels (N)")
        return primary(commit)

    def _show_target(self) -> None:
        into, overlap = self.labels_choice.currentText(), self.overlap_choice.currentText()
        self.target.set_title(f"Into {into}, {overlap}")

    def _mode_row(self) -> QHBoxLayout:
        self.one.setChecked(True)
        self.live.setChecked(True)
        group = QButtonGroup(self)
        for button in (self.one, self.many):
            group.addButton(button)
        return row(self.one, self.many)

    def _candidate_row(self) -> QHBoxLayout:
        previous = self._button("<", "Previous candidate (J)")
        following = self._button(">", "Next candidate (K)")
        for button in (previous, following):
            button.setFixedWidth(16)
        made = row(self.candidates, column(previous, following), wide=self.candidates)
        made.setSpacing(2)
        return made

    def show_candidates(self, candidates: MaskSet | None, chosen: int, hint: str) -> bool:
        """Show candidates and mark the chosen one; return True if they are new ones.

        Without candidates, ``hint`` says how to get some.
        """
        new = self.candidates.show_candidates(candidates, chosen)
        self.candidate_row.setVisible(candidates is not None)
        self.hint.setText(hint)
        self.hint.setVisible(candidates is None)
        return new and candidates is not None

    def _target_form(self) -> QFormLayout:
        rows: list[tuple[str, Part]] = [
            ("Into", self.labels_choice),
            ("On overlap", self.overlap_choice),
            ("Least IoU", self.min_iou),
            ("Least stability", self.min_stability),
        ]
        return form(rows)


def _score(tip: str) -> Any:
    spin = with_tip(QDoubleSpinBox(), tip)
    spin.setRange(0, 1)
    spin.setSingleStep(0.05)
    return spin
