"""Choosing a model, fetching its weights with progress, and loading it beside the GUI thread."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import InputError
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.registry import load_model
from napari_segany.plugin.jobs.queue import ASK, JobQueue
from napari_segany.plugin.shared import weights_status as weights
from napari_segany.plugin.shared.settings import PluginSettings
from napari_segany.weights import cache, catalog
from napari_segany.weights.download import fetch


class ModelPicker(QWidget):
    """A choice of models, and one line of truth about the chosen one.

    Parameters
    ----------
    jobs : JobQueue
        Where weights are fetched and loaded.
    settings : PluginSettings
        Model, device and precision that the person prefers.
    """

    loaded = Signal(object)
    """Emitted with a model that is ready."""

    released = Signal()
    """Emitted when another model was chosen than the one that is ready."""

    failed = Signal(object)
    """Emitted with the error when a model could not be had."""

    _fetched = Signal(object, object)

    def __init__(self, jobs: JobQueue, settings: PluginSettings) -> None:
        super().__init__()
        self.jobs, self.settings = jobs, settings
        # Whether a model is on its way, and the choice that the ready one came from.
        self.loading = False
        self._ready: str | None = None
        self.choice = QComboBox()
        self.choice.setToolTip("Who segments; see the widget Models for licences")
        for name in ("auto", *catalog.CATALOG, *cache.imported_models()):
            self.choice.addItem(name, name)
        self.choice.setCurrentIndex(max(self.choice.findData(settings.model), 0))
        self.line = QLabel("not loaded")
        self.line.setWordWrap(True)
        self.fetch_button = QPushButton("Fetch")
        self.fetch_button.setToolTip("Download the model's weights")
        self.fetching = QProgressBar()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.choice, self.line, self.fetch_button, self.fetching):
            column.addWidget(part)
        self.fetch_button.setVisible(False)
        self.fetching.setVisible(False)
        self.choice.activated.connect(lambda _: self._on_choice())
        self.fetch_button.clicked.connect(lambda _=False: self.fetch())
        self._fetched.connect(self._on_fetched)

    @property
    def name(self) -> str:
        """The chosen model's name."""
        return self.choice.currentData() or "auto"

    def load(self) -> None:
        """Load the chosen model; if its weights are not there yet, say what fetching them means."""
        wanted = weights.missing(self.name)
        self.fetch_button.setVisible(wanted is not None)
        if wanted is None:
            self._load(None)
            return
        terms = f"{weights.size(wanted)}, {wanted.licence}"
        self.fetch_button.setText(f"Fetch {wanted.id} ({terms})")
        self.line.setText(
            f"No weights yet. Without a network, bring {weights.origin(wanted)} from elsewhere and "
            "import it: widget Models, Import."
        )

    def want(self) -> None:
        """Have the chosen model loaded soon; one that is on its way is waited for.

        Raises
        ------
        InputError
            If its weights are not there.
        """
        if not self.loading:
            self.load()
        if not self.loading:
            raise InputError("The weights are not here yet; fetch them first.")

    def forget(self) -> None:
        """Have no model ready any more, because another one is chosen."""
        if self._ready is not None:
            self._ready = None
            self.line.setText("not loaded")
            self.released.emit()

    def _on_choice(self) -> None:
        if self.name != self._ready:
            self.forget()
        self.load()

    def fetch(self) -> None:
        """Fetch the chosen model's weights and load it."""
        wanted = weights.missing(self.name)
        self.fetch_button.setVisible(False)
        self._load(None if wanted is None else wanted.id)

    def stopped(self) -> None:
        """Show that fetching or loading was stopped."""
        if self.loading:
            self.loading = False
            self.line.setText("not loaded")
        if not self.fetching.isHidden():
            self.fetching.setVisible(False)
            self.load()

    def _load(self, missing: str | None) -> None:
        self.loading = True
        self.line.setText("loading ..." if missing is None else f"fetching {missing} ...")
        name, device, precision = self.name, self.settings.device, self.settings.precision

        def work(should_stop: ShouldStop) -> PromptableModel:
            if missing is not None:
                fetch(missing, lambda done, total: self._fetched.emit(done, total), should_stop)
            return load_model(name, device=device, precision=precision)

        def failed(error: Exception) -> None:
            self.loading = False
            self.fetching.setVisible(False)
            self.fetch_button.setVisible(weights.missing(name) is not None)
            self.line.setText(str(error))
            self.failed.emit(error)

        self.jobs.submit("model", ASK, work, self.show_model, failed)

    def show_model(self, model: PromptableModel) -> None:
        """Say that a model is ready."""
        self.loading = False
        self.fetching.setVisible(False)
        if self.name not in ("auto", model.weights.id):
            # It came from elsewhere, such as the console.
            self.choice.setCurrentIndex(max(self.choice.findData(model.weights.id), 0))
        self._ready = self.name
        self.line.setText(f"{model.weights.id}: ready, {model.device.type}, {model.precision}")
        self.loaded.emit(model)

    def _on_fetched(self, done: int, total: int | None) -> None:
        weights.show_progress(self.fetching, done, total)
