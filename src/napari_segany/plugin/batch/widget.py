"""The Batch widget: many files with one recipe, here or on a cluster."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_segany.batch.options import BatchOptions, ModelRequest
from napari_segany.batch.plan import Outcome
from napari_segany.batch.report import REPORT
from napari_segany.core.callbacks import BatchEvent
from napari_segany.errors import InputError
from napari_segany.io.atomic import writing
from napari_segany.io.recipe_file import read_recipe
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.batch.file_list import HERE, FileList, InspectedFile
from napari_segany.plugin.batch.form import BatchForm, described, duration
from napari_segany.plugin.jobs.failures import in_words
from napari_segany.plugin.jobs.queue import ASK, EMBED, QtJobQueue, Work
from napari_segany.plugin.layers.reader_writer import read, read_images
from napari_segany.plugin.shared.close_events import CloseEvents
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.plugin.shared.run_when_ready import RunWhenReady
from napari_segany.plugin.shared.settings import read_settings
from napari_segany.recipe import Recipe
from napari_segany.segmentation import make_recipe
from napari_segany.weights import cache

if TYPE_CHECKING:
    import napari.viewer


class BatchWidget(BatchForm):
    """Segment many files with one recipe; what is done is not done again.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

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
        super().__init__()
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self.preferences = read_settings()
        cache.use_folder(self.preferences.cache_folder)
        self.jobs = QtJobQueue(self)
        self.picker = ModelPicker(self.jobs, self.preferences)
        self.files = FileList()
        self.outcomes: list[Outcome] = []
        self.running = False
        self._asker = PendingModel()
        self._beginning = RunWhenReady(self.picker, self._asker, self.jobs, self.message)
        self._base = BatchOptions(Path("results"))
        self._began = 0.0
        self._closed = False
        self._connect()
        window = getattr(getattr(self.viewer, "window", None), "_qt_window", None)
        self._closing = CloseEvents(self, window, self.end, self.end)
        self._told.connect(self._on_told)
        self._moved.connect(self._on_moved)
        self._asker.status.connect(self.say)
        self.picker.loaded.connect(self._on_model)
        self.picker.released.connect(lambda: self._on_model(None))
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def model(self) -> PromptableModel | None:
        """The model in use; None until one is loaded, which starting does."""
        return self._asker.model

    @model.setter
    def model(self, model: PromptableModel) -> None:
        self.picker.show_model(model)

    @property
    def options(self) -> BatchOptions:
        """The options that the controls hold."""
        address = self.where.currentText().strip()
        # Another model may be chosen for a recipe, but not other weights of the same model.
        return replace(
            self._base.with_model(self._request),
            output=self.output,
            params=self.search.params,
            labels=self.label_form.params,
            channels=self.channels,
            outputs=self.outputs,
            cluster=None if address in ("", HERE) else address,
            overwrite=self.overwrite.isChecked(),
        )

    @property
    def _request(self) -> ModelRequest:
        """The model that is asked: the one that is loaded, or that will be."""
        name: str = self.picker.name
        precision: Any = self.preferences.precision
        recipe = self._base.recipe
        if self.model is not None:
            name, precision = self.model.id, self.model.precision
        elif recipe is not None and recipe.model == name:
            precision = recipe.precision
        return ModelRequest(name, self.preferences.device, precision)

    def add(self, paths: Iterable[str | Path]) -> list[Path]:
        """Add files, folders or patterns; returns the images that are new.

        What is understood of them appears once they were looked at.
        """
        new = self.files.add(paths)
        self._look()
        return [row.path for row in new]

    def remove(self, numbers: Iterable[int] | None = None) -> None:
        """Take the selected images, or those with these numbers, out of the list."""
        self.files.remove(self.table.selected() if numbers is None else numbers)
        self._refresh()

    def use_recipe(self, recipe: Recipe | str | Path | None = None) -> Recipe | None:
        """Do as a recipe says, given or from a file; returns it."""
        if recipe is None:
            recipe, _ = QFileDialog.getOpenFileName(self, "Recipe", "", "Recipes (*.json)")
        if not recipe:
            return None
        if not isinstance(recipe, Recipe):
            recipe = read_recipe(recipe)
        recipe.check_product("labels")
        model = self.model
        if (
            model is None
            or model.weights.sha256 != recipe.weights_sha256
            or model.precision != recipe.precision
        ):
            at = self.picker.choice.findData(recipe.model)
            if at < 0:
                raise InputError(f"There is no model {recipe.model}; import it: widget Models.")
            self.picker.choice.setCurrentIndex(at)
            self.picker.forget()
        self._base = self._base.with_recipe(recipe)
        self.label_form.set_params(recipe.labels)
        self.search.params = recipe.point_params()
        self.channels = recipe.channels
        return recipe

    def _show_recipe(self) -> None:
        """Say which recipe is followed, and whether it was changed since."""
        recipe = self._base.recipe
        if recipe is not None:
            now = self.options
            followed = recipe.params, recipe.labels, recipe.channels
            same = (now.params, now.labels, now.channels) == followed
            self.recipe_line.setText(described(recipe) + ("" if same else "; changed below"))

    def save_recipe(self, path: str | Path | None = None) -> Path | None:
        """Save what ``napari-segany segment --recipe`` takes to do the same; returns where.

        A recipe names the model's weights: it is written as soon as the model is loaded.
        """
        if path is None:
            path, _ = QFileDialog.getSaveFileName(self, "Save", "recipe.json", "Recipes (*.json)")
        if not path:
            return None
        target = Path(path)
        self._beginning.begin(
            lambda: self._asker.with_model(lambda model: self._write_recipe(model, target))
        )
        return target

    def _write_recipe(self, model: PromptableModel, path: Path) -> None:
        text = make_recipe(model, **self.options.recipe_values).to_json()
        with writing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self.say(f"Saved as {path}.")

    def start(self, wait: bool = False) -> list[Outcome]:
        """Begin, or go on where it was stopped.

        Returns
        -------
        list of Outcome
            What became of the images so far; of all of them if ``wait``.
        """
        if self.running:
            raise InputError("A batch is running; stop it first.")
        options = self.options
        # What cannot be done is told before the model is loaded.
        self._work(options, None)

        def begin() -> None:
            if options.is_local:
                self._asker.with_model(lambda model: self._run(options, model))
            else:
                self._run(options, None)

        self._beginning.begin(begin, wait)
        return self.outcomes

    def _work(self, options: BatchOptions, model: PromptableModel | None) -> Work:
        return self.files.prepare_run(options, model, self._told.emit, self._moved.emit)

    def _run(self, options: BatchOptions, model: PromptableModel | None) -> None:
        if self.running:
            # It was asked for twice before the model was there.
            return
        self.outcomes, self._began, self.running = [], time.monotonic(), True
        for row in self.files.rows:
            row.state = "waiting"
        self.say("Running ...")
        self.jobs.submit("batch", EMBED, self._work(options, model), self._on_done, self._on_failed)
        self._refresh()

    def stop(self) -> None:
        """Stop; planes that are finished are kept, and starting again goes on from them."""
        waited = self._asker.waiting
        self.jobs.stop()
        self._asker.give_up()
        self.picker.stopped()
        if waited:
            self.say("Stopped.")
        if self.running:
            self._end_run("Stopped; start again to go on.")

    def open_report(self) -> Path:
        """Open the report in the browser; returns where it is."""
        path = self.output / REPORT
        if not path.is_file():
            raise InputError(f"There is no report in {self.output} yet.")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.resolve())))
        return path

    def open_results(self) -> list[Any]:
        """Show the selected images with their labels in the viewer; returns the layers."""
        shown: list[Any] = []
        for number in self.table.selected():
            path = self.files.rows[number].path
            outcome = next((o for o in self.outcomes if o.path == path), None)
            if outcome is None or outcome.files is None or not outcome.files.all()[0].exists():
                raise InputError(f"{path.name} has no labels yet.")
            # Not by napari's own reader, which knows nothing of pixel size.
            for values, given, kind in (*read_images(path), *read(str(outcome.files.all()[0]))):
                shown.append(self.viewer.add_layer(Layer.create(values, given, kind)))
        return shown

    def copy_command(self) -> str:
        """Put the same batch, for a terminal, on the clipboard; returns it."""
        command = self.files.as_command(self.options)
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(command)
        self.say("Copied.")
        return command

    def end(self) -> None:
        """Stop; nothing that is finished is lost."""
        if not self._closed:
            self._closed = True
            self.jobs.end()

    def closeEvent(self, event: Any) -> None:
        """End."""
        self.end()
        super().closeEvent(event)

    # Building -------------------------------------------------------------------------------

    def _connect(self) -> None:
        do = self.message.guarded
        self.table.dropped.connect(lambda paths: do(lambda: self.add(paths))())
        self.table.axes_changed.connect(self._on_axes)
        self.search.changed.connect(do(self._show_recipe))
        self.label_form.changed.connect(do(self._show_recipe))
        self.channels_line.editingFinished.connect(do(self._on_channels))
        self.build(
            self.picker,
            {
                "Add files ...": ("Images and stacks", self._ask_files),
                "Add folder ...": ("All images of a folder, or an OME-Zarr", self._ask_folder),
                "Remove": ("Take the selected images out of the list", self.remove),
                "Load ...": ("A recipe from a file", self.use_recipe),
                "Save ...": ("For later, or elsewhere", self.save_recipe),
                "...": ("Choose the folder for the results", self._ask_output),
                "Start": ("Begin, or go on", self.start),
                "stop": ("Stop; finished planes are kept", self.stop),
                "Report": ("All results on one page, in the browser", self.open_report),
                "Show": ("The selected images with their labels", self.open_results),
                "Copy as command line": ("For a terminal or a cluster", self.copy_command),
            },
        )

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

    def say(self, text: str) -> None:
        """Say something in the widget."""
        self.message.say(text)

    def _look(self) -> None:
        options = self.options.read_options
        self.jobs.submit(
            "look",
            ASK,
            lambda _: self.files.inspect_files(options),
            self._on_looked,
            lambda error: self.say(str(error)),
        )
        self._refresh()

    def _on_looked(self, inspected: list[InspectedFile]) -> None:
        self.files.show_inspected(inspected)
        self._refresh()

    def _on_channels(self) -> None:
        # Text that names no channels is told before anything follows it.
        understood = self.channels
        self._show_recipe()
        if self.files.rows and understood:
            self._look()

    def _on_axes(self, number: int, axes: str) -> None:
        self.files.rows[number].axes = axes.strip().upper()
        self._look()

    def _on_model(self, model: PromptableModel | None) -> None:
        self._asker.model = model

    def _on_told(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.files.show_outcome(outcome)
        self._refresh()

    def _on_moved(self, event: BatchEvent) -> None:
        if not self.running:
            return
        self.progress.setVisible(True)
        self.say("")
        done, total = event.done, event.total
        # In thousandths of a plane, so that it moves within one, too.
        self.progress.setRange(0, total * 1000)
        self.progress.setValue(round(done * 1000))
        left = (time.monotonic() - self._began) * (total - done) / max(done, 1e-6)
        told = "" if done < 0.02 * total else f", {duration(left)} left"
        self.progress_line.setText(f"{event.name}: {int(done)} of {total} planes{told}")

    def _on_done(self, failures: int) -> None:
        objects = sum(outcome.objects for outcome in self.outcomes)
        text = f"{len(self.outcomes) - failures} of {len(self.outcomes)} images, {objects} objects"
        self._end_run(text + (f"; {failures} failed" if failures else "") + ".")

    def _on_failed(self, error: Exception) -> None:
        self._end_run(in_words(error))

    def _end_run(self, text: str) -> None:
        self.running = False
        for row in self.files.rows:
            row.state = "" if row.state == "waiting" else row.state
        self.progress.setVisible(False)
        self.progress_line.setText("")
        self.say(text)
        self._refresh()

    def _refresh(self) -> None:
        self.table.show_rows(self.files.rows, not self.running)
        self.start_button.setEnabled(not self.running)
