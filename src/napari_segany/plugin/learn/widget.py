"""Dock in which images are labelled with a finder's help, and the finder learns from them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_segany.errors import InputError
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.chunked import do_in_turns
from napari_segany.plugin.learn.controller import LearnController, many
from napari_segany.plugin.learn.form import FIGURES_HELP, LearnForm
from napari_segany.plugin.learn.ranking import Ranking
from napari_segany.plugin.learn.sources import Additions
from napari_segany.plugin.learn.trainings import Trainings
from napari_segany.plugin.shared.dock import ModelDock
from napari_segany.plugin.shared.opening import find_dock, open_dock, open_then
from napari_segany.plugin.shared.progress_panel import duration
from napari_segany.training.project import Project
from napari_segany.training.project_folder import ProjectFolder
from napari_segany.training.training_process import TrainingResult
from napari_segany.weights.finders import installed_finders

if TYPE_CHECKING:
    import napari.viewer


class LearnWidget(ModelDock):
    """Label images of one kind, and let the finder learn from them.

    Everything is kept in a project's folder as soon as it is done.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Attributes
    ----------
    controller : LearnController
        Images, proposals and corrections; needs no window.
    trainings : Trainings
        The training that runs, or its result.
    form : LearnForm
        The controls.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Learn")
    >>> widget.open_project("cells_project", wait=True)
    >>> widget.add_files(["images/"], wait=True)
    >>> widget.next(wait=True)
    'dish_07'
    >>> widget.complete(wait=True)
    >>> widget.train(minutes=5, wait=True).after
    0.61
    >>> widget.keep(wait=True)
    """

    _reported = Signal(str, int, int)
    _staged = Signal(str, int, int, float)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.controller = LearnController(self.viewer, self.jobs, self._reported.emit)
        self.additions = Additions(self.controller, self._load_if_needed)
        self.ranking = Ranking(self.controller)
        self.trainings = Trainings(self.controller, self._staged.emit)
        self.form = LearnForm(self.picker, self.progress)
        self._shown_result: TrainingResult | None = None
        self.form.show_result(None)
        self.form.figures.setToolTip(FIGURES_HELP)
        self.lay_out([self.form], [self.message], tall=self.form)
        self.connect_model(self.controller)
        self._connect()
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def project(self) -> Project:
        """The open project; an empty one without any."""
        return self.controller.project

    @property
    def result(self) -> TrainingResult | None:
        """Result of a training that waits to be kept or discarded."""
        return self.trainings.result

    def open_project(self, folder: str | Path | None = None, wait: bool = False) -> Project:
        """Open a project, or begin one in an empty folder; without a folder a dialog asks."""
        if folder is None:
            folder = QFileDialog.getExistingDirectory(self, "Project, or an empty folder")
        if folder:
            self._check_no_training()
            self.controller.open_project(Path(folder))
            self._wait_if(wait)
        return self.project

    def add_layer(self, layer: Any = None, every_plane: bool = False, wait: bool = False) -> None:
        """Add the plane in view of an image layer, by default of the chosen one, or all planes."""
        layer = self.form.layer.layer if layer is None else layer
        if layer is None:
            raise InputError("Choose an image layer to add.")
        self.additions.add_layer(layer, every_plane)
        self._wait_if(wait)

    def add_files(self, paths: Sequence[str | Path] | None = None, wait: bool = False) -> None:
        """Add image files or folders of them; without paths a dialog asks for files."""
        if paths is None:
            paths, _ = QFileDialog.getOpenFileNames(self, "Images to label")
        if paths:
            self.additions.add_files(paths)
            self._wait_if(wait)

    def add_folder(self) -> None:
        """Ask for a folder, and add the images in it."""
        folder = QFileDialog.getExistingDirectory(self, "Folder of images")
        if folder:
            self.add_files([folder])

    def next(self, wait: bool = False) -> str:
        """Show the next image to do with labels to correct; return its name."""
        return self._show(self.controller.next, wait)

    def show_image(self, name: str, wait: bool = False) -> str:
        """Show an image of the project, to correct its labels; return its name."""
        return self._show(lambda: self.controller.show(name), wait)

    def _show(self, act: Callable[[], object], wait: bool) -> str:
        act()
        self._load_if_needed()
        self._wait_if(wait)
        return self.controller.current

    def _load_if_needed(self) -> None:
        """Load the model, which looks at the images of the project."""
        if self.model is None and not self.picker.loading:
            self.load_model()

    def edit_with_prompts(self) -> Any:
        """Open the Prompt dock on the image in work and its labels, and return the dock."""
        self._check_editing()
        return [*self._prompt_in_parts(open_dock(self.viewer, "Prompt"), "set_image")][-1]

    def _check_editing(self) -> None:
        layers = self.controller.layers
        if layers.image is None or layers.labels is None or not self.controller.is_editing:
            raise InputError("Show an image first, and wait for its labels.")

    def _prompt_in_parts(self, widget: Any, open_image: str) -> Iterator[Any]:
        """Show the image in work in a Prompt dock; yield after each part, at last the dock."""
        layers = self.controller.layers
        if self.model is not None:
            widget.model = self.model
        yield getattr(widget, open_image)(layers.image)
        if open_image == "choose_image":
            yield from widget.controller.host.gradual.until_added()
        widget.controller.commit_into(layers.labels)
        widget.reset_choices()
        yield widget

    def _prompt_in_turns(self) -> None:
        self._check_editing()

        def go_on(widget: Any) -> None:
            parts = self._prompt_in_parts(widget, "choose_image")
            do_in_turns(self.jobs, "prompts", parts, self.message.say_error)

        open_then(self.viewer, "Prompt", go_on)

    def draw_region(self) -> Any:
        """Choose a tool that draws where the image is complete; return its layer."""
        layer = self.controller.layers.draw_region()
        self.reset_choices()
        self.form.region.choose(layer)
        return layer

    def complete(self, region: Any = None, wait: bool = False) -> None:
        """Mark the image in work as complete, everywhere or inside the shapes of a layer."""
        self.controller.complete(region)
        self._wait_if(wait)

    def take_back(self) -> None:
        """Take the image in work back to those to do; its labels stay."""
        self.controller.reopen(self.controller.current)

    def train(self, minutes: float | None = None, wait: bool = False) -> TrainingResult | None:
        """Train the finder on the complete images, in another process; return the result."""
        self.message.dismiss()
        self.trainings.start(self.form.minutes.value() if minutes is None else minutes)
        self._wait_if(wait)
        return self.result

    def finish_training(self) -> None:
        """End learning now, and make the finder from what was learned."""
        self.trainings.finish()

    def stop_training(self) -> None:
        """Stop the training; started again, it continues."""
        self.trainings.stop()

    def keep(self, wait: bool = False) -> None:
        """Use the trained finder from now on."""
        self.trainings.keep()
        self._wait_if(wait)

    def discard(self, wait: bool = False) -> None:
        """Delete the trained finder; the one in use stays."""
        self.trainings.discard()
        self._wait_if(wait)

    def use_finder(self, sha256: str | None) -> None:
        """Have another finder propose labels, by its hash; None for the built-in one."""
        self.trainings.use(sha256)

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        own = self.controller.layers.own
        layers = [layer for layer in self.viewer.layers if layer not in own]
        self.form.fill_layers(layers)

    def _wait_if(self, wait: bool) -> None:
        if wait:
            self.jobs.wait()

    # Building -------------------------------------------------------------------------------

    def _connect(self) -> None:
        form, trainings = self.form, self.trainings

        def prepare(_: PromptableModel) -> None:
            # Files of finders are read once a process, here rather than when a list is opened.
            list(installed_finders())

        self.picker.prepare = prepare
        acts: dict[str, Callable[[], Any]] = {
            "Open project…": self.open_project,
            "Plane": self.add_layer,
            "All planes": lambda: self.add_layer(every_plane=True),
            "Files…": self.add_files,
            "Folder…": self.add_folder,
            "Next image": self.next,
            "Edit with prompts": self._prompt_in_turns,
            "Draw region": self.draw_region,
            "Mark complete": lambda: self.complete(form.region.layer),
            "Take back": self.take_back,
            "Train": self.train,
            "Finish now": self.finish_training,
            "Stop": self.stop_training,
            "Keep": self.keep,
            "Discard": self.discard,
        }
        for text, act in acts.items():
            form.buttons[text].clicked.connect(self.guarded(act))
        form.chosen.connect(self.guarded_with(self.show_image))
        form.finder.edited.connect(self.guarded(lambda: self.use_finder(form.finder.parameter)))
        form.finder.told.connect(lambda text: self.say(text, "warning"))
        self.controller.may_leave = self._leave_prompts
        self.controller.changed.connect(self._refresh)
        self.controller.opened.connect(self._on_opened)
        trainings.changed.connect(self._refresh)
        self.controller.completed.connect(lambda: form.region.choose(None))
        self._reported.connect(self._on_report)
        self._staged.connect(self._on_stage)

    def _on_opened(self, folder: ProjectFolder) -> None:
        """Choose the model of a project, and load it if there is something to look at."""
        model = folder.project.model
        at = self.picker.choice.findData(model)
        ready = self.model is not None and self.model.id == model
        if model and at >= 0 and not ready:
            self.picker.choice.setCurrentIndex(at)
            self.picker.forget()
        if folder.project.images:
            self._load_if_needed()

    def _check_no_training(self) -> None:
        if self.trainings.is_running:
            raise InputError("A training is running; stop it before you open another project.")

    @property
    def _prompt_dock(self) -> Any:
        """The Prompt dock if it works on the image of this dock, else None."""
        found = find_dock(self.viewer, "Prompt")
        if found is None or found.controller is None:
            return None
        return found if found.image_layer in self.controller.layers.own else None

    def _leave_prompts(self) -> None:
        """End the session of the Prompt dock on the image in work, which another one replaces.

        Raises
        ------
        InputError
            If objects are open in it.
        """
        prompt = self._prompt_dock
        if prompt is None or prompt.session is None:
            return
        count = len(prompt.session.state.open)
        if count:
            raise InputError(
                f"{many(count, 'object')} in the Prompt dock {'is' if count == 1 else 'are'} not "
                "committed; press Commit or Clear there first."
            )
        prompt.controller.host.close_session()

    def _release(self) -> None:
        self.trainings.stop()
        self.controller.may_leave = lambda: None
        self.controller.close_project()

    # Showing --------------------------------------------------------------------------------

    def _on_model(self, model: PromptableModel | None) -> None:
        super()._on_model(model)
        self.form.finder.follow_model(model)
        self._refresh()

    def _on_report(self, text: str, done: int, total: int) -> None:
        if self.jobs.busy:
            self.progress.show_progress(
                done, total, f"{text}: {done} of {total}" if total else text
            )

    def _on_stage(self, stage: str, done: int, total: int, left: float) -> None:
        if self.trainings.is_running:
            text = f"{stage.capitalize()}, at most {duration(left)} left"
            self.form.training.show_progress(done, total, text)

    def _refresh(self) -> None:
        controller, trainings = self.controller, self.trainings
        folder, project = controller.folder, controller.project
        self.form.show_project(None if folder is None else folder.folder, project)
        if trainings.result is not self._shown_result:
            self._shown_result = result = trainings.result
            self.form.show_result(result)
            picture = None if result is None else result.picture
            # In a turn of its own, because it is decoded and made smaller.
            self.jobs.call_later("picture", lambda: self.form.picture.show_file(picture))
        self.form.show_state(project, controller.is_editing, trainings.is_running)
        summary = ""
        if folder is not None and self.model is not None and project.images:
            summary = (
                f"{folder.folder.name}, {self.model.id}, finder {self.form.finder.currentText()}"
            )
        self.form.setup.show_summary(summary)
