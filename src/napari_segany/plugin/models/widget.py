"""The Models widget: what there is, fetch, verify, import."""

from pathlib import Path
from typing import Any

import psutil
import torch
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_segany.errors import SeganyError
from napari_segany.models.device import choose_device
from napari_segany.plugin.jobs.queue import ASK, QtJobQueue
from napari_segany.plugin.shared import weights_status as weights
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.weights import cache, catalog
from napari_segany.weights.download import fetch
from napari_segany.weights.resolve import import_file

COLUMNS = ("Name", "State", "Size", "Licence", "What it is")


class ModelsWidget(QWidget):
    """Weights on this machine, and those that can be had."""

    _fetched = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.jobs = QtJobQueue(self)
        self.message = MessageLine()
        column = QVBoxLayout(self)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().setVisible(False)
        column.addWidget(self.table)
        row = QHBoxLayout()
        for text, act, tip in (
            ("Fetch", self.fetch, "Download the selected model's weights"),
            ("Verify", self.verify, "Read the selected model's file again and check its hash"),
            ("Import...", self.import_file, "Take up a checkpoint file of your own"),
            ("Stop", self.stop, "Stop what is being done"),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(self.message.guarded(act))
            row.addWidget(button)
        column.addLayout(row)
        self.progress = QProgressBar()
        self.progress.setVisible(False)
        column.addWidget(self.progress)
        self.machine = QLabel("")
        self.machine.setToolTip("Where models compute, and the memory that is free there")
        column.addWidget(self.machine)
        column.addWidget(self.message)
        self._fetched.connect(self._on_progress)
        self.refresh()

    def refresh(self) -> list[str]:
        """Read the cache again; returns the names of the models that are there."""
        self.machine.setText(describe_machine())
        rows = [
            (spec.id, cache.is_cached(spec), _megabytes(spec.size), spec.licence, spec.title)
            for spec in catalog.CATALOG.values()
        ]
        rows += [
            (name, True, "", "your own", f"imported from {model.original_name}")
            for name, model in cache.imported_models().items()
        ]
        self.table.setRowCount(len(rows))
        for i, (name, there, *texts) in enumerate(rows):
            for k, text in enumerate([name, "here" if there else "not fetched", *texts]):
                self.table.setItem(i, k, QTableWidgetItem(text))
        self.table.resizeColumnsToContents()
        return [name for name, there, *_ in rows if there]

    @property
    def selected(self) -> str:
        """Name of the selected model, empty if there is none."""
        rows = self.table.selectionModel().selectedRows()
        return self.table.item(rows[0].row(), 0).text() if rows else ""

    def fetch(self) -> None:
        """Fetch the selected model."""
        name = self._required()
        self._begin(
            f"Fetching {name} ...",
            lambda stop: fetch(name, lambda done, total: self._fetched.emit(done, total), stop),
            lambda path: f"{name} is here.",
        )

    def verify(self) -> None:
        """Check the hash of the selected model's file."""
        name = self._required()
        model = cache.imported_models().get(name) or catalog.get_spec(name)
        self._begin(
            f"Reading {name} ...",
            lambda stop: cache.verify(model, fresh=True),
            lambda hashes: f"{name} is whole: sha256 {hashes.sha256}",
        )

    def import_file(self, path: str | Path | None = None) -> None:
        """Import a checkpoint; without a path a dialog asks for one."""
        if path is None:
            path, _ = QFileDialog.getOpenFileName(
                self, "Import a checkpoint", "", "Checkpoints (*.pt *.pth *.safetensors)"
            )
        if path:
            self._begin(
                f"Importing {path} ...",
                lambda stop: import_file(str(path)),
                lambda weights: f"{weights.id} can be used now.",
            )

    def stop(self) -> None:
        """Stop fetching."""
        self.jobs.stop()
        self.progress.setVisible(False)
        self.message.say("Stopped.")

    def closeEvent(self, event: Any) -> None:
        """Stop what is being done."""
        self.jobs.end()
        super().closeEvent(event)

    def _required(self) -> str:
        if not self.selected:
            raise SeganyError("Select a model in the table first.")
        return self.selected

    def _begin(self, text: str, work: Any, describe: Any) -> None:
        self.message.say(text)
        self.progress.setRange(0, 0)
        self.progress.setVisible(True)

        def ended(text: str) -> None:
            self.progress.setVisible(False)
            self.message.say(text)
            self.refresh()

        self.jobs.submit(
            "models",
            ASK,
            work,
            lambda result: ended(describe(result)),
            lambda error: ended(str(error)),
        )

    def _on_progress(self, done: int, total: int | None) -> None:
        weights.show_progress(self.progress, done, total)


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.0f} MB"


def describe_machine() -> str:
    """The device that "auto" takes, and its free memory."""
    device = choose_device()
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
    else:
        memory = psutil.virtual_memory()
        free, total = memory.available, memory.total
        name = "Apple GPU" if device.type == "mps" else "CPU"
    return f"{name}: {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
