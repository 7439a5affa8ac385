"""The Evaluate widget: a prediction beside the truth, in numbers, in a table, and in colours."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import InputError
from napari_segany.evaluation.comparison import ObjectComparison
from napari_segany.evaluation.export_comparison import check_ending, save_comparison
from napari_segany.evaluation.instance_metrics import InstanceScores
from napari_segany.plugin.evaluate.controller import EvaluateController, Scope
from napari_segany.plugin.evaluate.errors_layer import is_errors
from napari_segany.plugin.evaluate.object_table import ObjectTable
from napari_segany.plugin.evaluate.score_panel import ScorePanel
from napari_segany.plugin.jobs.queue import QtJobQueue
from napari_segany.plugin.shared.close_events import CloseEvents
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.message_line import MessageLine

if TYPE_CHECKING:
    import napari.viewer


class EvaluateWidget(QWidget):
    """Compare a labels layer with another one that is the truth.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Evaluate")
    >>> widget.prediction = viewer.layers["cells labels"]
    >>> widget.truth = viewer.layers["by hand"]
    >>> widget.compare(wait=True).f1
    0.91
    >>> errors = widget.show_errors(wait=True)
    >>> widget.save("errors.csv")
    """

    _reported = Signal(int, int)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        # Two ways of opening a widget give two objects for one viewer.
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.jobs = QtJobQueue(self)
        self.comparer = EvaluateController(self.viewer, self.jobs, self._reported.emit)
        self._closed = False
        self.message = MessageLine()
        self._build()
        window = getattr(getattr(self.viewer, "window", None), "_qt_window", None)
        self._closing = CloseEvents(self, window, self.end, self.end)
        self._reported.connect(self._on_report)
        self.jobs.busy_changed.connect(self._on_busy)
        self.comparer.status.connect(self.say)
        self.comparer.changed.connect(self._refresh)
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def prediction(self) -> Any:
        """The labels layer that is judged."""
        return self.comparer.prediction

    @prediction.setter
    def prediction(self, layer: Any) -> None:
        self._choose(layer, self.truth)

    @property
    def truth(self) -> Any:
        """The labels layer that is right by definition."""
        return self.comparer.truth

    @truth.setter
    def truth(self, layer: Any) -> None:
        self._choose(self.prediction, layer)

    @property
    def over(self) -> Scope:
        """Of more than two axes: "plane" in view, all "planes", or objects through the "stack"."""
        over: Scope = self.over_choice.currentData()
        return over

    @over.setter
    def over(self, over: Scope) -> None:
        index = self.over_choice.findData(over)
        if index < 0:
            raise InputError(f'over must be "plane", "planes" or "stack", got {over!r}.')
        self.over_choice.setCurrentIndex(index)

    @property
    def result(self) -> ObjectComparison | None:
        """Everything that was found, as arrays."""
        return self.comparer.result

    @property
    def scores(self) -> InstanceScores | None:
        """Scores of all that was compared; of several planes, their means."""
        return None if self.result is None else self.result.mean

    @property
    def table(self) -> pd.DataFrame:
        """The objects as the table shows them: filtered and sorted."""
        found = self.result
        return pd.DataFrame() if found is None else pd.DataFrame(found.columns(self._rows))

    def compare(self, wait: bool = False) -> InstanceScores | None:
        """Compare the layers; returns the scores, None if they are still to come.

        Raises
        ------
        InputError
            If the layers cannot be compared, with ``wait`` also other errors of reading them.
        """
        self.comparer.compare(self.over)
        if wait:
            self.jobs.wait()
            if self.comparer.error is not None:
                raise self.comparer.error
        return self.scores

    def take_apart(self, apart: bool = True, wait: bool = False) -> InstanceScores | None:
        """Compare with each separate part of layers that look binary as an object.

        Parameters
        ----------
        apart : bool
            False takes them as they are again.
        wait : bool
            Return when it is done.
        """
        self.comparer.take_apart(apart, self.over)
        if wait:
            self.jobs.wait()
        return self.scores

    def _take_apart(self) -> None:
        self.take_apart(self.apart.isChecked())

    def stop(self) -> None:
        """Stop comparing or drawing."""
        self.comparer.stop()

    def show_errors(self, wait: bool = False) -> Any:
        """Show the errors in colours in a labels layer of their own; returns it."""
        layer = self.comparer.draw()
        if wait:
            self.jobs.wait()
        return layer

    def go_to(self, row: int) -> Any:
        """Look at the object in a row of the table, as it is shown; returns its layer."""
        rows = self._rows
        if not 0 <= row < len(rows):
            raise InputError(f"There is no row {row}; the table shows {len(rows)}.")
        self.verdicts.table.selectRow(row)
        return self.comparer.go_to(int(rows[row]))

    def show_only(self, *verdicts: str) -> pd.DataFrame:
        """Filter the table by verdicts such as "missed", all if none is named; returns it."""
        if unknown := sorted({*verdicts} - {*self.verdicts.boxes}):
            known = ", ".join(self.verdicts.boxes)
            raise InputError(f"Verdicts are {known}; got {unknown[0]!r}.")
        self.verdicts.show_kinds(*verdicts)
        return self.table

    def save(self, path: str | Path | None = None, wait: bool = True) -> Path | None:
        """Save all objects as a table (.csv), or the scores (.json).

        Parameters
        ----------
        path : str or Path, optional
            Asked for in a dialog if it is left out.
        wait : bool
            Return when it is written; else that is told in the widget.

        Returns
        -------
        Path or None
            Where; None if nobody chose a place.

        Raises
        ------
        InputError
            If nothing was compared, or the path ends in something else.
        SeganyError
            If it cannot be written.
        """
        found = self.result
        if found is None:
            raise InputError("Compare two layers first.")
        if path is None:
            kinds = "Table of objects (*.csv);;Scores (*.json)"
            path, _ = QFileDialog.getSaveFileName(self, "Save", "evaluation.csv", kinds)
        if not path:
            return None
        target = check_ending(Path(path))
        about = {"prediction": self.prediction.name, "truth": self.truth.name}
        failed: list[Exception] = []

        def work(should_stop: ShouldStop) -> None:
            save_comparison(found, target, about)

        def on_failed(error: Exception) -> None:
            failed.append(error)
            self.say(str(error))

        # Stopping a comparison must not stop this.
        self.jobs.beside(work, lambda _: self.say(f"Saved as {target}."), on_failed)
        if wait:
            self.jobs.wait()
            if failed:
                raise failed[0]
        return target

    def reset_choices(self, event: Any = None) -> None:
        """Read the viewer's layers again; napari calls this when they change."""
        layers = [layer for layer in self.viewer.layers if not is_errors(layer)]
        for choice, layer in (
            (self.prediction_choice, self.prediction),
            (self.truth_choice, self.truth),
        ):
            choice.fill(layers)
            choice.choose(layer)
        self._show_over()

    def end(self) -> None:
        """Stop; a layer with errors stays."""
        if not self._closed:
            self._closed = True
            self.comparer.end()
            self.jobs.end()

    def closeEvent(self, event: Any) -> None:
        """End."""
        self.end()
        super().closeEvent(event)

    # Building -------------------------------------------------------------------------------

    def _build(self) -> None:
        column = QVBoxLayout(self)
        self.form = QFormLayout()
        self.prediction_choice = LayerCombo([Labels], "choose labels", "The labels to judge")
        self.truth_choice = LayerCombo([Labels], "choose labels", "The labels that are right")
        self.over_choice = QComboBox()
        for text, over in (
            ("plane in view", "plane"),
            ("every plane, objects in each", "planes"),
            ("whole stack, objects through planes", "stack"),
        ):
            self.over_choice.addItem(text, over)
        self.over_choice.setToolTip("Scores of every plane are averaged over planes")
        for choice in (self.prediction_choice, self.truth_choice):
            choice.activated.connect(self.message.guarded(self._take_layers))
        self.form.addRow("Prediction", self.prediction_choice)
        self.form.addRow("Truth", self.truth_choice)
        self.form.addRow("Compare", self.over_choice)
        column.addLayout(self.form)
        row = QHBoxLayout()
        self.compare_button = self.message.button("Compare", self.compare, "Compare the two layers")
        self.stop_button = self.message.button("stop", self.stop, "Stop what is being computed")
        self.stop_button.setEnabled(False)
        row.addWidget(self.compare_button, 1)
        row.addWidget(self.stop_button)
        column.addLayout(row)
        self.progress = QProgressBar()
        self.progress.setVisible(False)
        self.progress.setFormat("%v of %m planes")
        column.addWidget(self.progress)
        column.addWidget(self.message)
        self.apart = QCheckBox("each separate part is an object")
        self.apart.setToolTip("A mask of 0 and 255 does not tell objects apart, and counts as one")
        self.apart.clicked.connect(self.message.guarded(self._take_apart))
        self.apart.setVisible(False)
        column.addWidget(self.apart)
        self.score_panel = ScorePanel()
        column.addWidget(self.score_panel)
        self.verdicts = ObjectTable()
        self.verdicts.chosen.connect(
            lambda index: self.message.guarded(lambda: self.comparer.go_to(index))()
        )
        column.addWidget(self.verdicts, 1)
        row = QHBoxLayout()
        self.errors_button = self.message.button(
            "Show errors", self.show_errors, "A labels layer with every object in its colour"
        )
        self.save_button = self.message.button(
            "Save ...",
            lambda: self.save(wait=False),
            "The table of objects as CSV, or the scores as JSON",
        )
        row.addWidget(self.errors_button)
        row.addWidget(self.save_button)
        column.addLayout(row)

    # Showing --------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Say something in the widget."""
        self.message.say(text)

    @property
    def _rows(self) -> Any:
        return self.verdicts.model.rows

    def _choose(self, prediction: Any, truth: Any) -> None:
        for layer in (prediction, truth):
            if layer is not None and not isinstance(layer, Labels):
                raise InputError(f"{layer!r} is no labels layer.")
        self.comparer.choose(prediction, truth)
        self.reset_choices()

    def _take_layers(self) -> None:
        self.say("")
        self.comparer.choose(self.prediction_choice.layer, self.truth_choice.layer)
        self._show_over()

    def _show_over(self) -> None:
        chosen = [each for each in (self.prediction, self.truth) if each is not None]
        several = any(each.ndim > 2 for each in chosen)
        for part in (self.over_choice, self.form.labelForField(self.over_choice)):
            part.setVisible(several)

    def _on_busy(self, busy: bool) -> None:
        self.stop_button.setEnabled(busy)
        if not busy:
            self.progress.setVisible(False)

    def _on_report(self, done: int, total: int) -> None:
        if self.jobs.busy and total > 1:
            self.progress.setVisible(True)
            self.progress.setRange(0, total)
            self.progress.setValue(done)

    def _refresh(self) -> None:
        found, there = self.result, self.result is not None
        if self.verdicts.model.found is not found:
            self.verdicts.show_result(found)
            if found is not None:
                self.score_panel.show_result(found)
        self.score_panel.setVisible(there)
        self.verdicts.setEnabled(there)
        self.save_button.setEnabled(there)
        self.apart.setVisible(bool(self.comparer.binary))
        self.apart.setChecked(self.comparer.is_apart)
        self.errors_button.setEnabled(there and not self.comparer.stale)
        # What is out of date can still be read, and looks it.
        self.score_panel.setEnabled(not self.comparer.stale)
