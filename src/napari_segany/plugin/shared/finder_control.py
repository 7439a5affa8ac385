"""Control that chooses a finder: the one of this package, a person's own, or a file."""

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_segany.core.parameter_info import ParameterInfo
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.shared.controls import narrow
from napari_segany.weights.finders import (
    PACKAGED,
    FinderFile,
    import_finder,
    installed_finders,
)

BUILT_IN = "Built in"
"""Text of the finder that is used without being named."""

FILE, FILE_TEXT = "file", "Choose file…"
"""Data and text of the entry that asks for a file."""

SHOWN_DIGITS = 12
"""Digits of a hash in texts."""


class FinderControl(QComboBox):
    """Combo box for a finder, whose value is the hash of its file, or None for the built-in one.

    Offered are a person's own finders that read the image encoder of the model in use. A file that
    is chosen is copied into the cache, so that recipes find it.

    Parameters
    ----------
    info : ParameterInfo
        Description of the parameter.

    Attributes
    ----------
    edited : Signal
        Emitted when the value may be another one.
    told : Signal
        Emitted with a sentence about a file that cannot be used.
    jobs : JobQueue or None
        Queue in which files are read; without one they are read at once.
    """

    edited = Signal()
    told = Signal(str)

    def __init__(self, info: ParameterInfo) -> None:
        super().__init__()
        self.jobs: JobQueue | None = None
        self._model: PromptableModel | None = None
        self._expected = ""
        self._value: str | None = None
        self.setToolTip(f"<qt>{info.help}</qt>")
        narrow(self)
        self._fill()
        self.activated.connect(lambda _: self._on_choice())

    @property
    def parameter(self) -> str | None:
        """The value of the parameter."""
        return self._value

    def set_parameter(self, value: str | None) -> None:
        """Show a value without emitting ``edited``."""
        self._value = value
        self._fill()

    def follow_model(self, model: PromptableModel | None, name: str = "") -> None:
        """Offer the finders that fit a model, or before there is one those for a name."""
        self._model, self._expected = model, name
        self._fill()

    def showPopup(self) -> None:
        """Open the list, with the finders that were made since."""
        self._fill()
        super().showPopup()

    def choose_file(self, path: str | Path | None = None) -> None:
        """Copy a finder's file into the cache and choose it; without a path a dialog asks."""
        if path is None:
            path, _ = QFileDialog.getOpenFileName(self, "Finder", "", "Finders (*.safetensors)")
        if not path:
            self._fill()
            return
        chosen = Path(path)
        if self.jobs is None:
            try:
                file = import_finder(chosen, rename=True)
            except Exception as error:
                self._on_failed(error)
            else:
                self._on_file(file)
            return
        self.jobs.run_beside(
            lambda _: import_finder(chosen, rename=True), self._on_file, self._on_failed
        )

    def _on_file(self, file: FinderFile) -> None:
        if not self._fits(file):
            self.told.emit(
                f"{file.path.name} was trained on the image encoder of {file.card.encoder.name}; "
                "choose that model first."
            )
            self._fill()
            return
        self.set_parameter(file.sha256)
        self.edited.emit()

    def _on_failed(self, error: Exception) -> None:
        self._fill()
        self.told.emit(describe_error(error))

    def _on_choice(self) -> None:
        chosen = self.currentData()
        if chosen == FILE:
            self.choose_file()
        elif chosen != self._value:
            self._value = chosen
            self.edited.emit()

    def _fits(self, file: FinderFile) -> bool:
        """Return True if a finder reads the encoder of the model, as far as that is known."""
        if self._model is None:
            return self._expected in ("", file.card.encoder.name)
        sketch = self._model.sketch_encoder()
        return sketch is not None and file.card.encoder.sketch.is_same(sketch)

    def _fill(self) -> None:
        """Offer what is there now, and show the value."""
        blocked = self.blockSignals(True)
        self.clear()
        self.addItem(BUILT_IN, None)
        offered: dict[str, FinderFile] = {}
        for file in installed_finders():
            is_own = file.path.parent != PACKAGED
            if file.sha256 == self._value or (is_own and self._fits(file)):
                offered[file.sha256] = file
        for sha256, file in offered.items():
            self.addItem(file.path.stem, sha256)
            self.setItemData(self.count() - 1, _describe(file), Qt.ItemDataRole.ToolTipRole)
        if self._value is not None and self._value not in offered:
            self.addItem(f"{self._value[:SHOWN_DIGITS]}… (not here)", self._value)
        self.addItem(FILE_TEXT, FILE)
        self.setCurrentIndex(self.findData(self._value) if self._value else 0)
        self.blockSignals(blocked)


def _describe(file: FinderFile) -> str:
    """Return title, hash and scores of a finder."""
    facts = file.card.facts
    scores = [
        sum(plane["msa"] for plane in facts[name]) / len(facts[name])
        for name in ("before", "after")
        if facts.get(name)
    ]
    text = f"{file.card.title}\n{file.sha256[:SHOWN_DIGITS]}"
    if len(scores) == 2:
        text += f"\nmSA on held-back planes {scores[0]:.2f}, then {scores[1]:.2f}"
    return text
