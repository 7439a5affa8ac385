"""Controls of the Learn dock."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDoubleSpinBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_segany.core.parameter_info import parameters_of
from napari_segany.generators.finder_params import FinderParams
from napari_segany.plugin.shared.controls import (
    coloured_when_due,
    column,
    form,
    grid,
    panel,
    primary,
    row,
    set_due,
    with_tip,
)
from napari_segany.plugin.shared.finder_control import FinderControl
from napari_segany.plugin.shared.fold import Fold, SetupFold
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.progress_panel import ProgressPanel
from napari_segany.training.project import Project, ProjectImage
from napari_segany.training.training_process import TrainingResult

BUTTONS = {
    "Open project…": "Open a project, or begin one in an empty folder",
    "Plane": "Add the plane in view of the chosen layer",
    "All planes": "Add all planes of the chosen layer",
    "Files…": "Add image files; stacks give all their planes",
    "Folder…": "Add all images in a folder",
    "Next image": "Show the most doubtful image with proposed labels",
    "Edit with prompts": "Open the Prompt dock on the image and its labels",
    "Draw region": "Draw where all objects are labelled, if that is not the whole image",
    "Mark complete": "All objects are labelled and right: the finder may learn from them",
    "Take back": "The image is not complete; its labels stay",
    "Train": "Train the finder on all complete images, in another process",
    "Finish now": "End learning, and make the finder from what was learned",
    "Stop": "Give up for now; pressed again, Train continues",
    "Keep": "Use the trained finder from now on, here and in other docks",
    "Discard": "Delete the trained finder; the one in use stays",
}
"""Tooltips of the buttons, by their text."""

PICTURE_WIDTH = 200
"""Least width of the picture of a result, in pixels; it grows with the dock."""

NO_PROJECT = "Open an empty folder to begin a project, or a project to go on with it."
NO_IMAGES = "Add images of one kind. Then press Next image: the most doubtful one comes first."

ROWS = 6
"""Rows of the list of images that are visible at least."""


class ResultPicture(QLabel):
    """A picture that is as wide as the dock."""

    def __init__(self) -> None:
        super().__init__()
        self._picture = QPixmap()
        self.setMinimumWidth(PICTURE_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_file(self, path: Path | None) -> None:
        """Show a picture's file; nothing without one."""
        self._picture = QPixmap() if path is None else QPixmap(str(path))
        self.setVisible(not self._picture.isNull())
        self._fit()

    def resizeEvent(self, event: Any) -> None:
        """Fit the picture into the width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._picture.isNull():
            self.clear()
            return
        mode = Qt.TransformationMode.SmoothTransformation
        fitting = self._picture.scaledToWidth(max(self.width(), PICTURE_WIDTH), mode)
        self.setPixmap(fitting)
        self.setFixedHeight(fitting.height())


def _minutes() -> QDoubleSpinBox:
    """Return the control for the most time of a training."""
    minutes = with_tip(QDoubleSpinBox(), "Most time that a training takes, in minutes")
    minutes.setRange(0.5, 600)
    minutes.setDecimals(1)
    minutes.setValue(5)
    minutes.setSuffix(" min")
    minutes.setAccessibleName("Most minutes of a training")
    return minutes


class _ImageList(QListWidget):
    """Images of a project; it asks for its least height, and gets what is left of the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setMinimumHeight(ROWS * self.fontMetrics().height() + 8)
        self.setAccessibleName("Images of the project")

    def sizeHint(self) -> QSize:
        """Return the usual width and the least height."""
        return QSize(super().sizeHint().width(), self.minimumHeight())


class LearnForm(QWidget):
    """Controls of the Learn dock.

    Parameters
    ----------
    picker : ModelPicker
        Control that chooses the model.
    progress : ProgressPanel
        Progress of adding and looking at images.

    Attributes
    ----------
    buttons : dict
        Push buttons by their text.
    chosen : Signal
        Emitted with the name of an image of the list that a person opens.
    finder : FinderControl
        The finder that proposes labels.
    layer, region : LayerCombo
        Layer to add, and region that is complete.
    images : QListWidget
        Images of the project.
    minutes : QDoubleSpinBox
        Most time of a training.
    training : ProgressPanel
        Progress of the training.
    """

    chosen = Signal(str)

    def __init__(self, picker: ModelPicker, progress: ProgressPanel) -> None:
        super().__init__()
        self.buttons = {text: with_tip(QPushButton(text), tip) for text, tip in BUTTONS.items()}
        b = self.buttons
        for text in ("Open project…", "Next image", "Train"):
            coloured_when_due(b[text])
        self.finder = FinderControl(parameters_of(FinderParams)["finder"])
        self.finder.jobs = picker.jobs
        self.project_line = _line()
        self._had_images: bool | None = None
        self._was_editing = False
        self.setup = SetupFold(
            "Open a project",
            panel(
                column(
                    row(self.project_line, b["Open project…"], wide=self.project_line),
                    form([("Model", picker), ("Finder", self.finder)]),
                )
            ),
        )
        self.layer = LayerCombo([Image], "layer…", "Layer whose planes are added")
        self.adding = Fold(
            "Add images",
            panel(
                column(
                    row(self.layer, b["Plane"], b["All planes"], wide=self.layer),
                    row(b["Files…"], b["Folder…"]),
                )
            ),
        )
        self.layer.currentIndexChanged.connect(lambda _: self._show_addable())
        self._is_open = False
        self.hint = _line()
        self.images = with_tip(_ImageList(), "Images, the most doubtful first; double click one")
        self.images.itemActivated.connect(
            lambda item: self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))
        )
        self.region = LayerCombo(
            [Shapes, Labels], "whole image", "Where all objects are labelled; the rest is unknown"
        )
        self.figures = _line()
        self.minutes = _minutes()
        self.training = ProgressPanel()
        self.result_line = _line()
        self.picture = with_tip(
            ResultPicture(), "A held-back part: your labels, found before, found after"
        )
        self.result = panel(
            column(self.result_line, self.picture, row(primary(b["Keep"]), b["Discard"]))
        )
        self.running = panel(row(b["Finish now"], b["Stop"]))
        complete = primary(b["Mark complete"])
        parts = column(
            self.setup,
            self.adding,
            self.hint,
            self.images,
            progress,
            grid(b["Next image"], b["Edit with prompts"]),
            # As a form's label it would stand above the choice in a narrow dock.
            row(QLabel("Labelled"), self.region, wide=self.region),
            grid(b["Draw region"], b["Take back"]),
            complete,
            self.figures,
            row(self.minutes, b["Train"], wide=b["Train"]),
            self.training,
            self.running,
            self.result,
            tall=self.images,
        )
        parts.setContentsMargins(0, 0, 0, 0)
        self.setLayout(parts)

    def show_project(self, folder: Path | None, project: Project) -> None:
        """Show the images and figures of a project; None for no project."""
        self.project_line.setText("no project" if folder is None else folder.name)
        self.project_line.setToolTip("" if folder is None else str(folder))
        self._is_open = folder is not None
        set_due(self.buttons["Open project…"], not self._is_open)
        self._show_addable()
        if self.finder.parameter != project.finder:
            self.finder.set_parameter(project.finder)
        has_images = bool(project.images)
        self.hint.setText(NO_PROJECT if folder is None else NO_IMAGES)
        self.hint.setVisible(not has_images)
        if folder is not None and has_images != self._had_images:
            # After the first image the section stays open, because others follow: planes of a
            # stack are added one by one.
            if not has_images:
                self.adding.expand()
            elif self._had_images is None:
                self.adding.collapse()
            self._had_images = has_images
        self._fill_images(project)
        self.figures.setText(describe_figures(project) if has_images else "")
        self.figures.setVisible(bool(self.figures.text()))

    def fill_layers(self, layers: Sequence[Any]) -> None:
        """Offer layers; the only image is chosen for a project that has none."""
        self.layer.fill(layers)
        self.region.fill(layers)
        only = self.layer.itemData(1) if self.layer.count() == 2 else None
        if only is not None and not self._had_images:
            self.layer.choose(only)
        self._show_addable()

    def _show_addable(self) -> None:
        """Enable what can be added to the project."""
        for text in ("Plane", "All planes", "Files…", "Folder…"):
            has_source = self.layer.layer is not None or text.endswith("…")
            self.buttons[text].setEnabled(self._is_open and has_source)

    def _fill_images(self, project: Project) -> None:
        shown = [*project.to_do, *project.done]
        lines = [describe_image(each, each.name == project.current) for each in shown]
        for number, (image, line) in enumerate(zip(shown, lines, strict=True)):
            item = self.images.item(number)
            if item is None:
                item = QListWidgetItem()
                self.images.addItem(item)
            if item.text() != line:
                item.setText(line)
                item.setToolTip(line)
                item.setData(Qt.ItemDataRole.UserRole, image.name)
            if image.name == project.current:
                self.images.setCurrentItem(item)
        while self.images.count() > len(shown):
            self.images.takeItem(self.images.count() - 1)

    def show_state(self, project: Project, is_editing: bool, is_training: bool) -> None:
        """Enable what can be done now."""
        b, current = self.buttons, project.current
        if is_editing and not self._was_editing:
            self.adding.collapse()
        self._was_editing = is_editing
        is_done = current in project and project[current].state == "done"
        b["Next image"].setEnabled(bool(project.images))
        set_due(b["Next image"], bool(project.to_do) and (is_done or not is_editing))
        set_due(b["Mark complete"], is_editing and not is_done and self.result.isHidden())
        set_due(b["Train"], bool(project.done) and not project.to_do)
        for text in ("Edit with prompts", "Draw region", "Mark complete"):
            b[text].setEnabled(is_editing)
        b["Take back"].setEnabled(is_done)
        b["Train"].setEnabled(bool(project.done) and not is_training and self.result.isHidden())
        self.minutes.setEnabled(not is_training)
        self.running.setVisible(is_training)
        if not is_training:
            self.training.finish()

    def show_result(self, result: TrainingResult | None) -> None:
        """Show the result of a training that waits for a decision, or none, without its picture."""
        self.result_line.setText("" if result is None else describe_result(result))
        self.result.setVisible(result is not None)


def describe_image(image: ProjectImage, is_current: bool) -> str:
    """Return the line of an image in the list."""
    # An en space is as wide as the mark, so that names stand below each other.
    mark = "\u25b8 " if is_current else "\u2002 "
    if image.state == "done":
        objects = 0 if image.changes is None else image.changes.objects
        where = ", a region" if image.is_partial else ""
        return f"{mark}\u2713 {image.name}: complete, {objects} objects{where}"
    if image.doubt is None:
        return f"{mark}{image.name}"
    return f"{mark}{image.name}: doubt {image.doubt.value:.2f}, {image.doubt.reason}"


def describe_figures(project: Project) -> str:
    """Return what corrections took and what proposals saved, in a sentence or two."""
    done, saved = project.done, project.savings
    text = f"{len(done)} of {len(project.images)} images complete"
    if not done:
        return f"{text}."
    effort = saved.effort
    text += f": {saved.corrected} objects corrected, {saved.unchanged} as proposed"
    if effort.edits:
        text += f"; {effort.edits} strokes or clicks"
        if saved.edits_per_object is not None:
            text += f" ({saved.edits_per_object:.1f} an object)"
        text += f" in {effort.seconds / 60:.1f} min"
    if saved.minutes_saved:
        text += f". About {saved.minutes_saved:.1f} min saved"
    return f"{text}."


FIGURES_HELP = (
    "<qt>Minutes saved: the time for one corrected object, times the objects that are exactly as "
    "the finder proposed them. Pauses of more than 20 s count as 20 s.</qt>"
)
"""Tooltip of the figures: the way in which they are computed."""


def describe_result(result: TrainingResult) -> str:
    """Return the result of a training in a sentence or two."""
    learned = f"Trained on {result.objects} objects of {result.images} images."
    if result.ended_by_time:
        learned += " Time ended it; more minutes may help."
    if result.before is None or result.after is None:
        return f"{learned} Too few to hold some back: look at new proposals before you rely on it."
    what = "whole images" if result.held_back == "planes" else "quarters of images"
    verdict = "" if result.is_better else " It is not better there: rather discard it."
    return (
        f"{learned} mSA on held-back {what}: {result.before:.2f} before, {result.after:.2f} "
        f"after.{verdict} Below: your labels, found before, found after."
    )


def _line() -> QLabel:
    made = QLabel("")
    made.setWordWrap(True)
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made
