"""Control that chooses a model, fetches its weights and loads it in the background, once."""

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import InputError, SeganyError
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.registry import REMOTE, load_model
from napari_segany.models.searching import searching_model
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.shared import weights_status as weights
from napari_segany.plugin.shared.controls import button, narrow, with_tip
from napari_segany.plugin.shared.progress_panel import ProgressPanel
from napari_segany.plugin.shared.remote_panel import (
    ASK,
    NEW,
    NEW_TEXT,
    RemotePanel,
    known_models,
    text_of,
)
from napari_segany.plugin.shared.settings import PluginSettings
from napari_segany.plugin.shared.shared_models import MODELS
from napari_segany.remote.address import RemoteAddress, remember_address
from napari_segany.weights import cache, catalog
from napari_segany.weights.download import fetch


class ModelChoice(QComboBox):
    """Combo box of models that offers those that came since, when its list is opened."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("auto", *catalog.CATALOG):
            self.addItem(name, name)
        self.addItem(NEW_TEXT, NEW)
        self.offer_new()

    def offer_new(self) -> None:
        """Add the models that were imported or connected to, as far as they are missing."""
        found = {name: name for name in cache.imported_models()} | known_models()
        for text, name in found.items():
            if self.findData(name) < 0:
                self.insertItem(self.findData(NEW), text, name)

    def showPopup(self) -> None:
        """Open the list."""
        self.offer_new()
        super().showPopup()


class ModelPicker(QWidget):
    """Choice of models, with a line about the state of the chosen one.

    Parameters
    ----------
    jobs : JobQueue
        Queue in which weights are fetched and loaded.
    settings : PluginSettings
        Preferred model, device and precision.

    Attributes
    ----------
    loading : bool
        True while a model is fetched or loaded.
    prepare : callable
        Called with a loaded model in the background, before it is announced; for what a dock will
        need of it and takes a moment. Its errors appear when the dock needs it.
    """

    loaded = Signal(object)
    """Emitted with a model that is ready."""

    released = Signal()
    """Emitted when another model was chosen than the one that is ready."""

    failed = Signal(object)
    """Emitted with the error when a model could not be loaded."""

    _fetched = Signal(object, object)

    def __init__(self, jobs: JobQueue, settings: PluginSettings) -> None:
        super().__init__()
        self.jobs, self.settings = jobs, settings
        self.loading = False
        self.prepare: Callable[[PromptableModel], object] = lambda _: None
        # Choice from which the ready model was loaded.
        self._ready: str | None = None
        self.choice = with_tip(ModelChoice(), "Model that segments; licences: see the dock Models")
        narrow(self.choice)
        self.choice.setCurrentIndex(max(self.choice.findData(settings.model), 0))
        self.line = QLabel("not loaded")
        self.line.setWordWrap(True)
        self.fetch_button = button("Fetch", self.fetch, "Download the model's weights")
        self.fetch_button.setVisible(False)
        self.remote = RemotePanel(self._add_remote, self.line.setText)
        self.remote.setVisible(False)
        self.fetching = ProgressPanel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.choice, self.line, self.remote, self.fetch_button, self.fetching):
            column.addWidget(part)
        self.choice.activated.connect(lambda _: self._on_choice())
        self._fetched.connect(self.fetching.show_bytes)

    @property
    def name(self) -> str:
        """Name of the chosen model."""
        return self.choice.currentData() or "auto"

    @property
    def is_ready(self) -> bool:
        """True if a model is loaded and no other one was chosen since."""
        return self._ready is not None

    def load(self) -> None:
        """Load the chosen model; if its weights are missing, offer to fetch them."""
        self.remote.setVisible(self.name == NEW)
        if self.name == NEW:
            self.fetch_button.setVisible(False)
            self.line.setText(ASK)
            return
        wanted = weights.missing(self.name)
        self.fetch_button.setVisible(wanted is not None)
        if wanted is None:
            self._load(None)
            return
        terms = f"{weights.size(wanted)}, {wanted.licence}"
        self.fetch_button.setText(f"Fetch {wanted.id} ({terms})")
        self.line.setText(
            f"No weights yet. Without a network, bring {wanted.origin} from elsewhere and "
            "import it in the dock Models."
        )

    def ensure_loading(self) -> None:
        """Load the chosen model unless a model is already being loaded.

        Raises
        ------
        InputError
            If its weights are missing.
        """
        if not self.loading:
            self.load()
        if not self.loading:
            here = "The weights are not here yet; fetch them first."
            raise InputError(ASK if self.name == NEW else here)

    def _add_remote(self, address: RemoteAddress) -> None:
        """Choose a model on another machine, and load it."""
        at = self.choice.findData(str(address))
        if at < 0:
            at = self.choice.findData(NEW)
            self.choice.insertItem(at, text_of(address), str(address))
        self.choice.setCurrentIndex(at)
        self.choice.activated.emit(at)

    def forget(self) -> None:
        """Release the ready model, because another one is chosen."""
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
        """Show that fetching or loading was cancelled."""
        if self.loading:
            self.loading = False
            self.line.setText("not loaded")
        if not self.fetching.isHidden():
            self.fetching.finish()
            self.load()

    def _load(self, missing: str | None) -> None:
        self.loading = True
        self.line.setText("loading ..." if missing is None else f"fetching {missing} ...")
        name, device, precision = self.name, self.settings.device, self.settings.precision
        if name.startswith(REMOTE):
            self.line.setText("connecting ...")
            device = "auto"

        def work(should_stop: ShouldStop) -> PromptableModel:
            if missing is not None:
                fetch(missing, lambda done, total: self._fetched.emit(done, total), should_stop)
            model = MODELS.load(name, device, precision, load_model)
            with suppress(SeganyError):
                self.prepare(model)
            return model

        def failed(error: Exception) -> None:
            self.loading = False
            self.fetching.finish()
            self.fetch_button.setVisible(weights.missing(name) is not None)
            if name.startswith(REMOTE):
                self.remote.ask_again(name)
            self.line.setText(str(error))
            # A dock may have no room for all of it.
            self.line.setToolTip(str(error))
            self.failed.emit(error)

        def done(model: PromptableModel) -> None:
            if name.startswith(REMOTE):
                remember_address(RemoteAddress.parse(name))
            # Another model was chosen meanwhile, for example by a recipe.
            if self.name == name:
                self.show_model(model)
            else:
                self.stopped()

        self.jobs.submit("model", Priority.REQUEST, work, done, failed)

    def show_model(self, model: PromptableModel) -> None:
        """Show that a model is ready."""
        self.loading = False
        self.fetching.finish()
        own, name = searching_model(model), model.weights.id
        if own is not None:
            name = f"{name} on {own.place}"
        elif self.name not in ("auto", name):
            # The model was set by a script.
            self.choice.setCurrentIndex(max(self.choice.findData(name), 0))
        self._ready = self.name
        self.line.setText(f"{name}: ready, {model.device.type}, {model.precision}")
        self.loaded.emit(model)
