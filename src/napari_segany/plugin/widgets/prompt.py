"""The Prompt widget: click, see, choose, commit, undo."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QButtonGroup,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError, SeganyError
from napari_segany.models import cache, catalog
from napari_segany.models.model import SamModel, load_model
from napari_segany.plugin import prompts, tools
from napari_segany.plugin.controller import Controller
from napari_segany.plugin.settings import journals_folder, read_settings
from napari_segany.plugin.widgets import weights
from napari_segany.plugin.widgets.readings import Readings
from napari_segany.plugin.workers import ASK, QtJobs
from napari_segany.session.session import Session

if TYPE_CHECKING:
    import napari.viewer

KEYS = (
    ("Q", "flip_sign", "Next point on the object, or off it"),
    ("N", "commit", "Commit, and begin the next object"),
    ("J", "previous_candidate", "Previous reading"),
    ("K", "next_candidate", "Next reading"),
    ("U", "undo", "Undo the last step"),
    ("Shift-U", "redo", "Redo"),
    ("G", "segment", "Segment now"),
    ("H", "toggle_preview", "Hide or show the preview"),
)
"""Keys on our prompt layers; napari uses none of them there."""


class PromptWidget(QWidget):
    """Segment objects by clicks, boxes, outlines and scribbles.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
    >>> widget.image_layer = viewer.layers["cells"]
    >>> widget.session.add_point(120, 88)
    >>> widget.segment(wait=True)
    >>> widget.commit()
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        # Two ways of opening a widget give two objects for one viewer.
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.settings = read_settings()
        self.jobs = QtJobs(self)
        self.controller = Controller(self.viewer, self.jobs, journals_folder())
        self.controller.embeddings_bytes = int(self.settings.embeddings_gb * 2**30)
        self._offered: Session | None = None
        self._build()
        self.controller.status.connect(self._say)
        self.controller.changed.connect(self._refresh)
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session on the chosen image."""
        return self.controller.session

    @property
    def image_layer(self) -> Any:
        """The image in work; setting it begins a session on it."""
        return self.controller.image

    @image_layer.setter
    def image_layer(self, layer: Any) -> None:
        self.controller.open(layer)
        self._select(self.image_choice, layer)
        self._bind_keys()
        if self.controller.model is None:
            self.load_model()

    @property
    def model(self) -> SamModel | None:
        """The model in use."""
        return self.controller.model

    @model.setter
    def model(self, model: SamModel | None) -> None:
        self.controller.model = model
        self._refresh()

    def load_model(self, wait: bool = False) -> SamModel | None:
        """Load the chosen model; if its weights are not there yet, say what fetching them means."""
        name = self.model_choice.currentData() or "auto"
        wanted = weights.missing(name)
        if wanted is not None:
            terms = f"{weights.size(wanted)}, {wanted.licence}"
            self.fetch_button.setText(f"Fetch {wanted.id} ({terms})")
            self.fetch_button.setVisible(True)
            self.model_line.setText("no weights yet")
            return None
        self._load(name, fetching=False)
        return self._wait(lambda: self.model) if wait else self.model

    def fetch_model(self, wait: bool = False) -> SamModel | None:
        """Fetch the chosen model's weights and load it."""
        self.fetch_button.setVisible(False)
        self._load(self.model_choice.currentData() or "auto", fetching=True)
        return self._wait(lambda: self.model) if wait else self.model

    def embed(self, wait: bool = False) -> bool:
        """Embed the plane in view; returns whether it is embedded."""
        session, plane = self.session, self.controller.plane
        if session is None or plane is None:
            raise InputError("Choose an image, and a plane of it to look at.")
        self.controller.embed(plane)
        if wait:
            self._wait(lambda: None)
        return session.is_embedded(plane)

    def segment(self, wait: bool = False) -> MaskSet | None:
        """Segment all open objects; returns the active one's candidates."""
        self.controller.segment()
        if wait:
            self._wait(lambda: None)
        return None if self.session is None else self.session.candidates()

    def next_candidate(self) -> int | None:
        """Show the next reading; returns which, 0 for the best."""
        return self.controller.next_candidate(1)

    def previous_candidate(self) -> int | None:
        """Show the previous reading."""
        return self.controller.next_candidate(-1)

    def commit(self) -> Any:
        """Write what is segmented into the labels; returns their layer."""
        self.controller.commit()
        self._fill(self.labels_choice, Labels, self.controller.labels, "new labels")
        return self.controller.labels

    def clear(self) -> None:
        """Give up the open objects."""
        self.controller.clear()

    def undo(self) -> bool:
        """Undo the last step."""
        return self.controller.undo()

    def redo(self) -> bool:
        """Redo what was undone last."""
        return self.controller.redo()

    def reopen(self, label: int) -> None:
        """Take up an object of the labels again, with its prompts."""
        self.controller.reopen(label)

    def flip_sign(self) -> str:
        """The next point is on the object, or off it; returns which."""
        return self.controller.flip_sign()

    def toggle_preview(self) -> bool:
        """Hide or show the preview; returns whether it is seen."""
        return self.controller.toggle_preview()

    def restore(self) -> None:
        """Take up the latest earlier session on this image."""
        stories = self.controller.stories()
        if not stories:
            raise InputError("There is no earlier session on this image.")
        self.controller.restore(stories[0])
        self.restore_button.setVisible(False)

    def reset_choices(self, event: Any = None) -> None:
        """Read the viewer's layers again; napari calls this when they change."""
        self._fill(self.image_choice, Image, self.controller.image, "choose an image")
        self._fill(self.labels_choice, Labels, self.controller.labels, "new labels")

    def closeEvent(self, event: Any) -> None:
        """End the session; labels stay in the viewer."""
        self.controller.end()
        self.jobs.end()
        super().closeEvent(event)

    # Building -------------------------------------------------------------------------------

    def _build(self) -> None:
        column = QVBoxLayout(self)
        form = QFormLayout()
        self.image_choice = _tipped(QComboBox(), "The image to segment")
        self.image_choice.activated.connect(self._on_image)
        form.addRow("Image", self.image_choice)
        self.model_choice = _tipped(QComboBox(), "Who segments; see the widget Models for licences")
        for name in ("auto", *catalog.CATALOG, *cache.imported_models()):
            self.model_choice.addItem(name, name)
        self._select(self.model_choice, self.settings.model)
        self.model_choice.activated.connect(self._on_model)
        form.addRow("Model", self.model_choice)
        self.model_line = QLabel("not loaded")
        form.addRow("", self.model_line)
        column.addLayout(form)
        self.fetch_button = self._button("Fetch", self.fetch_model, "Download the model's weights")
        self.fetch_button.setVisible(False)
        column.addWidget(self.fetch_button)
        column.addLayout(self._build_plane())
        self.restore_button = self._button(
            "Restore the last session", self.restore, "Objects, prompts and commits come back"
        )
        self.restore_button.setVisible(False)
        column.addWidget(self.restore_button)
        column.addLayout(self._build_tools())
        column.addLayout(self._build_readings())
        column.addLayout(self._build_commit())
        self.message = QLabel("")
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.message)
        column.addStretch()

    def _build_plane(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.plane_line = QLabel("")
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setMaximumHeight(8)
        self.busy.setVisible(False)
        stop = self._button("stop", self._stop, "Stop what is being computed")
        row.addWidget(self.plane_line, 1)
        row.addWidget(self.busy)
        row.addWidget(stop)
        return row

    def _build_tools(self) -> QVBoxLayout:
        column, row = QVBoxLayout(), QHBoxLayout()
        for text, tip, act in (
            ("+ point", "Click on the object (Q flips the sign)", self._tool("points", "add", "+")),
            ("- point", "Click where it is not", self._tool("points", "add", "-")),
            ("box", "Drag a box around it", self._tool("shapes", "add_rectangle", "+")),
            ("outline", "Draw around it", self._tool("shapes", "add_polygon_lasso", "+")),
            ("scribble", "Draw along it", self._tool("shapes", "add_path", "+")),
        ):
            row.addWidget(self._button(text, act, tip))
        column.addLayout(row)
        modes = QHBoxLayout()
        self.one = QRadioButton("one object")
        self.one.setChecked(True)
        self.one.setToolTip("Points belong to one object until it is committed")
        self.many = QRadioButton("many objects")
        self.many.setToolTip("Every positive point and every box is an object of its own")
        group = QButtonGroup(self)
        for button in (self.one, self.many):
            group.addButton(button)
            modes.addWidget(button)
        self.many.toggled.connect(self._on_mode)
        column.addLayout(modes)
        return column

    def _build_readings(self) -> Any:
        row = QHBoxLayout()
        self.readings = Readings(lambda number: self._guarded(lambda: self._choose(number))())
        row.addWidget(self._button("<", self.previous_candidate, "Previous reading (J)"))
        row.addWidget(self.readings)
        row.addWidget(self._button(">", self.next_candidate, "Next reading (K)"))
        return row

    def _build_commit(self) -> QVBoxLayout:
        column, form, row = QVBoxLayout(), QFormLayout(), QHBoxLayout()
        self.labels_choice = _tipped(QComboBox(), "The labels that commits are written into")
        self.labels_choice.activated.connect(self._on_labels)
        form.addRow("Into", self.labels_choice)
        self.overlap_choice = _tipped(QComboBox(), "Pixels that belong to an object already")
        self.overlap_choice.addItem("keep existing", "keep")
        self.overlap_choice.addItem("replace existing", "replace")
        self.overlap_choice.activated.connect(self._on_overlap)
        form.addRow("On overlap", self.overlap_choice)
        column.addLayout(form)
        self.commit_button = self._button("Commit", self.commit, "Write into the labels (N)")
        self.clear_button = self._button("Clear", self.clear, "Give up the open objects")
        self.undo_button = self._button("Undo", self.undo, "Undo the last step (U)")
        self.redo_button = self._button("Redo", self.redo, "Redo (Shift-U)")
        for button in (self.commit_button, self.clear_button, self.undo_button, self.redo_button):
            row.addWidget(button)
        column.addLayout(row)
        return column

    def _button(self, text: str, act: Callable[[], Any], tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(self._guarded(act))
        return button

    def _guarded(self, act: Callable[[], Any]) -> Callable[..., None]:
        """What cannot be done is said in the widget, never in a dialog."""

        def call(*_: Any) -> None:
            try:
                act()
            except SeganyError as error:
                self._say(str(error))

        return call

    # What is clicked ------------------------------------------------------------------------

    def _tool(self, layer: str, mode: str, sign: str) -> Callable[[], None]:
        wanted = prompts.POSITIVE if sign == "+" else prompts.NEGATIVE

        def take() -> None:
            self.controller.take_tool(layer, mode, wanted)

        return take

    def _on_image(self, index: int) -> None:
        layer = self.image_choice.itemData(index)
        if layer is not None:
            self._guarded(lambda: setattr(self, "image_layer", layer))()

    def _on_model(self, index: int) -> None:
        self._guarded(self.load_model)()

    def _on_mode(self, many: bool) -> None:
        self.controller.mode = "many" if many else "one"

    def _on_labels(self, index: int) -> None:
        if self.session is not None:
            layer = self.labels_choice.itemData(index)
            self._guarded(lambda: self.controller.into(layer))()
            self.reset_choices()

    def _on_overlap(self, index: int) -> None:
        if self.session is not None:
            self.session.on_overlap = self.overlap_choice.itemData(index)

    def _choose(self, number: int) -> None:
        if self.session is not None:
            self.session.choose(number)

    def _stop(self) -> None:
        self.jobs.stop()
        self._say("Stopped.")

    # The model ------------------------------------------------------------------------------

    def _load(self, name: str, fetching: bool) -> None:
        self.model_line.setText("fetching ..." if fetching else "loading ...")
        device, precision = self.settings.device, self.settings.precision
        self.jobs.submit(
            "model",
            ASK,
            lambda _: load_model(name, device=device, precision=precision),
            lambda model: setattr(self, "model", model),
            lambda error: self.model_line.setText(str(error)),
        )

    # Showing --------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        if text.startswith(("Plane", "Image:")):
            self.plane_line.setText(text)
            self.message.setText("")
        else:
            self.message.setText(text)
        self.busy.setVisible(self.jobs.busy)

    def _refresh(self) -> None:
        session, model = self.session, self.model
        if model is not None:
            self.model_line.setText(
                f"{model.weights.id}: ready, {model.device.type}, {model.precision}"
            )
        self.undo_button.setEnabled(session is not None and session.can_undo)
        self.redo_button.setEnabled(session is not None and session.can_redo)
        found = None if session is None else session.candidates()
        chosen = session.active.choice if session is not None and session.active else -1
        self.readings.show_candidates(found, chosen)
        if session is not self._offered and self.controller.stories():
            self._offered = session
            self._offer_to_restore()
        elif session is None:
            self.restore_button.setVisible(False)

    def _offer_to_restore(self) -> None:
        stories = self.controller.stories()
        lost = bool(stories) and not stories[0].closed
        self.restore_button.setVisible(bool(stories))
        if lost:
            self._say("The last session on this image ended without being closed.")

    def _bind_keys(self) -> None:
        for key, method, _ in KEYS:
            act = self._guarded(getattr(self, method))
            for layer in (self.controller.points, self.controller.shapes):
                layer.bind_key(key, lambda layer, call=act: call(), overwrite=True)

    def _fill(self, choice: QComboBox, kind: Any, chosen: Any, empty: str) -> None:
        choice.blockSignals(True)
        choice.clear()
        choice.addItem(empty, None)
        layers: list[Any] = list(self.viewer.layers)
        for layer in layers:
            if type(layer) is kind and layer.name not in tools.NAMES:
                choice.addItem(layer.name, layer)
        self._select(choice, chosen)
        choice.blockSignals(False)

    @staticmethod
    def _select(choice: QComboBox, data: Any) -> None:
        for index in range(choice.count()):
            if choice.itemData(index) is data or choice.itemData(index) == data:
                choice.setCurrentIndex(index)
                return

    def _wait(self, result: Callable[[], Any]) -> Any:
        while self.jobs.busy:
            QApplication.processEvents()
            time.sleep(0.002)
        QApplication.processEvents()
        return result()


def _tipped(widget: Any, tip: str) -> Any:
    widget.setToolTip(tip)
    return widget
