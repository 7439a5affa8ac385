"""Dock that segments many files with one recipe, here or on a cluster."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_segany.batch.options import BatchOptions, ModelRequest
from napari_segany.batch.plan import Outcome
from napari_segany.batch.report import REPORT
from napari_segany.core.callbacks import BatchEvent
from napari_segany.errors import InputError
from napari_segany.generators.strategies import check_described
from napari_segany.io.recipe_file import read_recipe
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.batch.file_list import FileList, InspectedFile
from napari_segany.plugin.batch.file_table import AXES, FileTable
from napari_segany.plugin.batch.form import BatchForm, describe_outcomes, described, progress_text
from napari_segany.plugin.batch.recipe_use import choose_model_of, follows
from napari_segany.plugin.batch.result_bar import ResultBar, copy_beside
from napari_segany.plugin.batch.result_layers import open_in_turns, open_results
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.shared.controls import row
from napari_segany.plugin.shared.dock import ModelDock
from napari_segany.plugin.shared.message_line import Severity
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.plugin.shared.recipe_files import choose_target, write_recipe
from napari_segany.plugin.shared.start_row import StartRow
from napari_segany.recipe import Recipe
from napari_segany.segmentation import make_recipe

if TYPE_CHECKING:
    import napari.viewer


class BatchWidget(ModelDock):
    """Segment many files with one recipe; finished files are not computed again.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Attributes
    ----------
    table : FileTable
        Table of the files.
    form : BatchForm
        Controls that set up the batch.
    files : FileList
        Files with their state.
    outcomes : list of Outcome
        Outcomes of the files that were processed.
    running : bool
        True while a batch runs.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Batch")
    >>> widget.add(["plates/*.tif"])
    >>> widget.output = "results"
    >>> outcomes = widget.start(wait=True)
    """

    _told = Signal(object)
    _moved = Signal(object)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.files = FileList()
        self.outcomes: list[Outcome] = []
        self.running = False
        self._base = BatchOptions(Path("results"))
        self._inspection = 0
        self.connect_model(PendingModel())
        self._build()
        self._connect()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def output(self) -> Path:
        """Folder of the results."""
        return self.form.output

    @output.setter
    def output(self, folder: str | Path) -> None:
        self.form.output = folder

    @property
    def channels(self) -> tuple[int | str, ...]:
        """Channels shown to the model, by number or name: one, or two or three as colours."""
        return self.form.channels

    @channels.setter
    def channels(self, channels: Iterable[int | str]) -> None:
        self.form.channels = channels

    @property
    def options(self) -> BatchOptions:
        """The options that the controls hold."""
        # Another model may be chosen for a recipe, but not other weights of the same model.
        return replace(
            self._base.with_model(self._request),
            output=self.output,
            params=self.form.search.choice,
            labels=self.form.label_form.params,
            link=self.form.link_form.params,
            channels=self.channels,
            outputs=self.form.outputs,
            cluster=self.form.cluster,
            overwrite=self.form.overwrite.isChecked(),
        )

    @property
    def _request(self) -> ModelRequest:
        """The loaded model, or the one that will be loaded."""
        name: str = self.picker.name
        precision: Any = self.preferences.precision
        recipe = self._base.recipe
        if self.model is not None:
            name, precision = self.model.id, self.model.precision
        elif recipe is not None and recipe.model == name:
            precision = recipe.precision
        return ModelRequest(name, self.preferences.device, precision)

    def add(self, paths: Iterable[str | Path]) -> list[Path]:
        """Add files, folders or patterns, and return the images that are new.

        Their axes, sizes and types are read in the background.
        """
        new = self.files.add(paths, self.message.add_notice)
        self._inspect_files()
        return [row.path for row in new]

    def remove(self, numbers: Iterable[int] | None = None) -> None:
        """Remove the selected images, or those with the given numbers, from the list."""
        self.files.remove(self.table.selected() if numbers is None else numbers)
        self._refresh()

    def use_recipe(self, recipe: Recipe | str | Path | None = None) -> Recipe | None:
        """Use a recipe, given or read from a file, and return it."""
        if recipe is None:
            recipe, _ = QFileDialog.getOpenFileName(self, "Recipe", "", "Recipes (*.json)")
        if not recipe:
            return None
        recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
        recipe.check_product("labels")
        # Refused before anything changes if there are no controls for it.
        params = check_described(recipe.params)
        choose_model_of(recipe, self.picker, self.model)
        self._base = self._base.with_recipe(recipe)
        self.form.label_form.set_params(recipe.labels)
        self.form.link_form.set_params(recipe.link)
        self.form.search.params = params
        self.channels = recipe.channels
        return recipe

    def _show_recipe(self) -> None:
        """Show the recipe in use, and whether the controls differ from it."""
        if (recipe := self._base.recipe) is not None:
            changed = "" if follows(self.options, recipe) else "; changed below"
            self.form.recipe_line.setText(described(recipe) + changed)

    def save_recipe(self, path: str | Path | None = None) -> Path | None:
        """Save a recipe for ``napari-segany segment --recipe``, and return its path.

        The file is written as soon as the model is loaded, because it names the model's weights.

        Parameters
        ----------
        path : str or Path, optional
            Target file; without it a file dialog is shown.
        """
        target = choose_target(self, path)
        if target is not None:
            self.run_when_ready(
                lambda: self._pending.with_model(lambda model: self._write_recipe(model, target))
            )
        return target

    def _write_recipe(self, model: PromptableModel, path: Path) -> None:
        self.options.check_recipe()
        write_recipe(make_recipe(model, **self.options.recipe_values), path)
        self.say(f"Saved as {path}.")

    def start(self, wait: bool = False) -> list[Outcome]:
        """Start the batch, or continue one that was stopped.

        Parameters
        ----------
        wait : bool
            Return when the batch is done.

        Returns
        -------
        list of Outcome
            Outcomes so far; of all images if ``wait``.
        """
        if self.running:
            raise InputError("A batch is running; stop it first.")
        options = self.options
        # Impossible options are refused before the model is loaded.
        self.files.prepare_run(options, None, self._told.emit, self._moved.emit)

        def begin() -> None:
            if options.is_local:
                self._pending.with_model(lambda model: self._run(options, model))
            else:
                self._run(options, None)

        self.run_when_ready(begin, wait)
        return self.outcomes

    def _run(self, options: BatchOptions, model: PromptableModel | None) -> None:
        if self.running:
            # Start was pressed twice before the model was loaded.
            return
        self.outcomes, self.running = [], True
        self.message.dismiss()
        self._forget_notices()
        self.progress.start_clock()
        for each in self.files.rows:
            each.state, each.objects = "waiting", None
        self.say("Running ...")
        # Nothing else interrupts it: a job that is requeued begins anew.
        work = self.files.prepare_run(options, model, self._told.emit, self._moved.emit)
        self.jobs.submit("batch", Priority.REQUEST, work, self._on_done, self._on_failed)
        self._refresh()

    def stop(self) -> None:
        """Stop; finished planes are kept, and the next start continues after them."""
        waited = self._pending.waiting
        self.jobs.cancel()
        self._pending.give_up()
        self.picker.stopped()
        if self.running:
            self._end_run("Stopped; start again to go on.")
        elif waited:
            self.say("Stopped.")

    def open_report(self) -> Path:
        """Open the report in the browser, and return its path."""
        path = self.output / REPORT
        if not path.is_file():
            raise InputError(f"There is no report in {self.output} yet.")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.resolve())))
        return path

    def open_results(self) -> list[Any]:
        """Add the selected images with their labels to the viewer, and return the layers."""
        return open_results(self.viewer, self.files.chosen(self.table.selected()), self.outcomes)

    def _open_in_turns(self) -> None:
        paths, say_error = self.files.chosen(self.table.selected()), self.message.say_error
        open_in_turns(self.viewer, self.jobs, paths, self.outcomes, say_error)

    def copy_command(self) -> str:
        """Copy a command line for the same batch to the clipboard, and return it."""
        return self.copy_text(self.files.as_command(self.options), self.files.command_notes)

    # Building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.table = FileTable()
        self.form = BatchForm(
            self.picker,
            load=self.button("Load…", self.use_recipe, "Use a recipe from a file"),
            save=self.button("Save…", self.save_recipe, "Save the recipe in a file"),
            browse=self.button("…", self._ask_output, "Choose the folder for the results"),
        )
        self.search = self.form.search
        self.search.follow_picker(self.picker)
        self.start_button = self.button("Start", self.start, "Start, or continue")
        self.stop_button = self.button("Stop", self.stop, "Stop; finished planes are kept")
        self.start_row = StartRow(self.start_button, self.stop_button)
        files = row(
            self.button("Files…", self._ask_files, "Add images and stacks"),
            self.button("Folder…", self._ask_folder, "Add the images of a folder, or an OME-Zarr"),
            self.button("Remove", self.remove, "Remove the selected images from the list"),
        )
        acts = self.open_report, self._open_in_turns, lambda: copy_beside(self)
        self.results = ResultBar(self.button, *acts)
        self.lay_out(
            (self.table, self.results.about, files, self.form),
            (self.start_row, self.progress, self.results, self.message),
            tall=self.table,
        )

    def _connect(self) -> None:
        self._told.connect(self._on_told)
        self._moved.connect(self._on_moved)
        self.table.dropped.connect(self.guarded_with(self.add))
        self.table.itemSelectionChanged.connect(self._show_selected)
        self.table.doubleClicked.connect(self.guarded_with(self._on_double_click))
        self.table.axes_changed.connect(self.guarded_with(self._on_axes))
        self.search.changed.connect(self.guarded(self._show_recipe))
        for form in (self.form.label_form, self.form.link_form):
            form.changed.connect(self.guarded(self._show_recipe))
        self.form.output_line.editingFinished.connect(self._show_selected)
        self.form.channels_line.editingFinished.connect(self.guarded(self._on_channels))
        self.picker.choice.activated.connect(self.guarded(self._show_recipe))

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Images")
        if paths:
            self.add(paths)

    def _ask_folder(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Folder with images"):
            self.add([folder])

    def _ask_output(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Folder for the results"):
            self.output = folder

    # Showing --------------------------------------------------------------------------------

    def _inspect_files(self) -> None:
        options = self.options.read_options
        self._inspection += 1
        on_inspected = partial(self._on_inspected, self._inspection)
        # Beside the queue, because a running batch goes on.
        self.jobs.run_beside(
            lambda _: self.files.inspect_files(options), on_inspected, self.message.say_error
        )
        self._refresh()

    def _on_inspected(self, number: int, inspected: list[InspectedFile]) -> None:
        # Of several inspections only the latest knows the options of now.
        if number == self._inspection:
            self.files.show_inspected(inspected)
            self._refresh()

    def _on_channels(self) -> None:
        # Text that names no channels is refused before it is used.
        channels = self.channels
        self._show_recipe()
        if self.files.rows and channels:
            self._inspect_files()

    def _on_axes(self, number: int, axes: str) -> None:
        self.files.rows[number].axes = axes.strip().upper()
        self._inspect_files()

    def _on_told(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.files.show_outcome(outcome)
        self._refresh()

    def _on_busy(self, busy: bool) -> None:
        self.stop_button.setEnabled(busy)
        super()._on_busy(busy)

    def _on_moved(self, event: BatchEvent) -> None:
        if not self.running:
            return
        self.say("")
        done, total = event.done, event.total
        text = progress_text(event, self.progress.seconds_left(done, total))
        # The bar also moves within a plane.
        self.progress.show_progress(done, total, text, steps=1000)

    def _on_done(self, failures: int) -> None:
        self._end_run(describe_outcomes(self.outcomes), "warning" if failures else "info")

    def _on_failed(self, error: Exception) -> None:
        self._end_run(describe_error(error), "error")

    def _end_run(self, text: str, severity: Severity = "info") -> None:
        self.running = False
        for each in self.files.rows:
            each.state = "" if each.state == "waiting" else each.state
        self.progress.finish()
        self.say(text, severity)
        self.table.select_first(self.files.with_results(self.outcomes))
        self._refresh()

    def _refresh(self) -> None:
        self.table.show_rows(self.files.rows, not self.running)
        self.start_row.show_state(self.files.missing, self.running)
        self._show_selected()

    def _show_selected(self) -> None:
        """Show all about the selected image, and enable what there are results for."""
        chosen = {self.files.rows[number].path for number in self.table.selected()}
        about, report = self.table.describe(), self.output / REPORT
        self.results.show_state(about, report, self.outcomes, chosen)

    def _on_double_click(self, index: Any) -> None:
        """Open the results of an image; its axes are edited instead."""
        if index.column() != AXES and self.results.can_open:
            self._open_in_turns()
