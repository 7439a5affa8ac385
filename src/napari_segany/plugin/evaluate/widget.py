"""Dock that compares labels with ground truth: scores, a table of objects, and an error layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import InputError
from napari_segany.evaluation.comparison import ObjectComparison
from napari_segany.evaluation.export_comparison import check_ending, save_comparison
from napari_segany.evaluation.instance_metrics import InstanceScores
from napari_segany.plugin.evaluate.controller import EvaluateController
from napari_segany.plugin.evaluate.errors_layer import is_errors
from napari_segany.plugin.evaluate.object_table import ObjectTable
from napari_segany.plugin.evaluate.scopes import Scope, offered_scopes, why_no_scope
from napari_segany.plugin.evaluate.score_panel import ScorePanel
from napari_segany.plugin.shared.controls import combo_box, form, offer, row, with_tip
from napari_segany.plugin.shared.dock import Dock
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.start_row import StartRow

if TYPE_CHECKING:
    import napari.viewer

SCOPES: dict[str, Scope] = {
    "plane in view": "plane",
    "every plane, objects in each": "planes",
    "whole stack, objects through planes": "stack",
    "the volume of every time": "volumes",
    "tracks over time": "tracks",
}
"""Scopes of a comparison, by the text shown."""


class EvaluateWidget(Dock):
    """Compare a labels layer with one that holds the ground truth.

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
        super().__init__(viewer)
        self.controller = EvaluateController(self.viewer, self.jobs, self._reported.emit)
        self._build()
        self._reported.connect(self._on_report)
        self.controller.status.connect(self.say)
        self.controller.changed.connect(self._refresh)
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def prediction(self) -> Any:
        """The labels layer to evaluate."""
        return self.controller.prediction

    @prediction.setter
    def prediction(self, layer: Any) -> None:
        self._choose(layer, self.truth)

    @property
    def truth(self) -> Any:
        """The labels layer with the ground truth."""
        return self.controller.truth

    @truth.setter
    def truth(self, layer: Any) -> None:
        self._choose(self.prediction, layer)

    @property
    def over(self) -> Scope:
        """Scope: "plane" in view, all "planes" one by one, or objects through the "stack".

        Movies also have "tracks" over time, and those of volumes the "volumes" of every time.
        """
        over: Scope = self.over_choice.currentData()
        return over

    @over.setter
    def over(self, over: Scope) -> None:
        index = self.over_choice.findData(over)
        if index < 0:
            raise InputError(f"over must be one of {', '.join(SCOPES.values())}, got {over!r}.")
        self.over_choice.setCurrentIndex(index)

    @property
    def result(self) -> ObjectComparison | None:
        """Result of the comparison as arrays, None if there is none."""
        return self.controller.result

    @property
    def scores(self) -> InstanceScores | None:
        """Scores of the comparison; of several planes, their means."""
        return None if self.result is None else self.result.mean

    @property
    def table(self) -> pd.DataFrame:
        """The table of objects as shown, filtered and sorted."""
        result = self.result
        return pd.DataFrame() if result is None else pd.DataFrame(result.columns(self._rows))

    def compare(self, wait: bool = False) -> InstanceScores | None:
        """Compare the layers.

        Parameters
        ----------
        wait : bool
            Return when the comparison is done.

        Returns
        -------
        InstanceScores or None
            Scores, None before the comparison is done.

        Raises
        ------
        InputError
            If the layers cannot be compared, with ``wait`` also other errors of reading them.
        """
        self.controller.compare(self.over)
        if wait:
            self.jobs.wait()
            if self.controller.error is not None:
                raise self.controller.error
        return self.scores

    def separate_parts(self, separate: bool = True, wait: bool = False) -> InstanceScores | None:
        """Compare with each connected part of layers that look binary as an object.

        Parameters
        ----------
        separate : bool
            False compares the layers unchanged again.
        wait : bool
            Return when the comparison is done.
        """
        self.controller.separate_parts(separate, self.over)
        if wait:
            self.jobs.wait()
        return self.scores

    def stop(self) -> None:
        """Stop comparing or drawing."""
        self.controller.stop()

    def show_errors(self, wait: bool = False) -> Any:
        """Show the errors in colours in a labels layer of their own, and return the layer."""
        layer = self.controller.draw_errors()
        if wait:
            self.jobs.wait()
        return layer

    def go_to(self, row: int) -> Any:
        """Show the object in a row of the table as shown, and return its layer."""
        rows = self._rows
        if not 0 <= row < len(rows):
            raise InputError(f"There is no row {row}; the table shows {len(rows)}.")
        self.object_table.table.selectRow(row)
        return self.controller.go_to(int(rows[row]))

    def show_only(self, *verdicts: str) -> pd.DataFrame:
        """Filter the table by verdicts such as "missed", and return it; no verdict shows all."""
        if unknown := sorted({*verdicts} - {*self.object_table.boxes}):
            known = ", ".join(self.object_table.boxes)
            raise InputError(f"Verdicts are {known}; got {unknown[0]!r}.")
        self.object_table.show_kinds(*verdicts)
        return self.table

    def save(self, path: str | Path | None = None, wait: bool = True) -> Path | None:
        """Save all objects as a table (.csv), or the scores (.json).

        Parameters
        ----------
        path : str or Path, optional
            Target file; without it a file dialog is shown.
        wait : bool
            Return when the file is written.

        Returns
        -------
        Path or None
            Target file, None if the dialog was cancelled.

        Raises
        ------
        InputError
            If there is no result, or the path has another ending.
        SeganyError
            If the file cannot be written.
        """
        result = self.result
        if result is None:
            raise InputError("Compare two layers first.")
        if path is None:
            kinds = "Table of objects (*.csv);;Scores (*.json)"
            path, _ = QFileDialog.getSaveFileName(self, "Save", "evaluation.csv", kinds)
        if not path:
            return None
        target = check_ending(Path(path))
        about = {"prediction": self.prediction.name, "truth": self.truth.name}
        failures: list[Exception] = []

        def work(should_stop: ShouldStop) -> None:
            save_comparison(result, target, about)

        def failed(error: Exception) -> None:
            failures.append(error)
            self.message.say_error(error)

        # Stopping a comparison must not stop this.
        self.jobs.run_beside(work, lambda _: self.say(f"Saved as {target}."), failed)
        if wait:
            self.jobs.wait()
            if failures:
                raise failures[0]
        return target

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        layers = [layer for layer in self.viewer.layers if not is_errors(layer)]
        for choice, layer in (
            (self.prediction_choice, self.prediction),
            (self.truth_choice, self.truth),
        ):
            choice.fill(layers)
            choice.choose(layer)
        self._show_scope()
        self.start_row.show_state(self.controller.missing)

    def _release(self) -> None:
        self.controller.end()

    # Building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.prediction_choice = LayerCombo([Labels], "choose labels", "The labels to evaluate")
        self.truth_choice = LayerCombo([Labels], "choose labels", "The ground truth")
        self.over_choice = combo_box(SCOPES, "Scores of every plane are averaged over planes")
        for choice in (self.prediction_choice, self.truth_choice):
            choice.activated.connect(self.guarded(self._on_layers_chosen))
        self.form = form(
            (
                ("Prediction", self.prediction_choice),
                ("Truth", self.truth_choice),
                ("Compare", self.over_choice),
            )
        )
        self.compare_button = self.button("Compare", self.compare, "Compare the two layers")
        self.stop_button = self.button("Stop", self.stop, "Stop what is being computed")
        self.start_row = StartRow(self.compare_button, self.stop_button)
        self.progress.bar.setFormat("%v of %m planes")
        self.parts_box = with_tip(
            QCheckBox("each separate part is an object"),
            "A mask of 0 and 255 does not tell objects apart, and counts as one",
        )
        self.parts_box.clicked.connect(
            self.guarded(lambda: self.separate_parts(self.parts_box.isChecked()))
        )
        self.parts_box.setVisible(False)
        self.score_panel = ScorePanel()
        self.object_table = ObjectTable()
        self.object_table.chosen.connect(self.guarded_with(self.controller.go_to))
        self.errors_button = self.button(
            "Show errors", self.show_errors, "A labels layer with every object in its colour"
        )
        self.save_button = self.button(
            "Save…",
            lambda: self.save(wait=False),
            "The table of objects as CSV, or the scores as JSON",
        )
        self.lay_out(
            (
                self.form,
                self.start_row,
                self.progress,
                self.parts_box,
                self.score_panel,
                self.object_table,
                row(self.errors_button, self.save_button),
            ),
            (self.message,),
            tall=self.object_table,
        )

    # Showing --------------------------------------------------------------------------------

    @property
    def _rows(self) -> Any:
        return self.object_table.model.rows

    def _choose(self, prediction: Any, truth: Any) -> None:
        for layer in (prediction, truth):
            if layer is not None and not isinstance(layer, Labels):
                raise InputError(f"{layer!r} is no labels layer.")
        self.controller.choose_layers(prediction, truth)
        self.reset_choices()

    def _on_layers_chosen(self) -> None:
        self.say("")
        self.controller.choose_layers(self.prediction_choice.layer, self.truth_choice.layer)
        self._show_scope()
        self.start_row.show_state(self.controller.missing)

    def _show_scope(self) -> None:
        chosen = [each for each in (self.truth, self.prediction) if each is not None]
        several = any(each.ndim > 2 for each in chosen)
        offered = offered_scopes(chosen[0]) if chosen else ()
        for number, scope in enumerate(SCOPES.values()):
            reason = why_no_scope(scope) if several and scope not in offered else ""
            offer(self.over_choice, number, reason)
            if reason and self.over == scope:
                self.over_choice.setCurrentIndex(0)
        for part in (self.over_choice, self.form.labelForField(self.over_choice)):
            part.setVisible(several)

    def _on_busy(self, busy: bool) -> None:
        self.stop_button.setEnabled(busy)
        super()._on_busy(busy)

    def _on_report(self, done: int, total: int) -> None:
        if self.jobs.busy and total > 1:
            self.progress.show_progress(done, total)

    def _refresh(self) -> None:
        self.start_row.show_state(self.controller.missing)
        result, there = self.result, self.result is not None
        if self.object_table.model.result is not result:
            self.object_table.show_result(result)
            if result is not None:
                self.score_panel.show_result(result)
        self.score_panel.setVisible(there)
        self.object_table.setEnabled(there)
        self.save_button.setEnabled(there)
        self.parts_box.setVisible(bool(self.controller.binary))
        self.parts_box.setChecked(self.controller.separates_parts)
        self.errors_button.setEnabled(there and not self.controller.stale)
        # An outdated result can still be read; its scores are grey.
        self.score_panel.setEnabled(not self.controller.stale)
