"""Trainings of a project: in another process, then kept or discarded."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import Cancelled, InputError
from napari_segany.plugin.learn.controller import LearnController
from napari_segany.training.project import Project, TrainingRun
from napari_segany.training.project_folder import ProjectFolder
from napari_segany.training.training_process import TrainingProcess, TrainingResult
from napari_segany.training.tuning import work_folder
from napari_segany.weights.finders import FinderFile, import_finder, installed_finders

OnStage = Callable[[str, int, int, float], None]
"""Called from another thread with the name of a stage, what is done of it, all of it, and the
seconds that the training may take from now on."""

UNFINISHED = "A training was not finished; press Train, and it continues."


class TrainingStopped(InputError):
    """A training was stopped by a person."""


class Trainings:
    """The training that runs, or the result that waits for a decision.

    Parameters
    ----------
    controller : LearnController
        Holder of the project.
    on_stage : callable, optional
        Shows progress.

    Attributes
    ----------
    changed : Signal
        Emitted when a training begins or ends, and when a result was kept or discarded.
    is_running : bool
        True while a training runs.
    result : TrainingResult or None
        Result that waits to be kept or discarded.
    """

    changed = Signal()

    def __init__(self, controller: LearnController, on_stage: OnStage | None = None) -> None:
        self._of, self._on_stage = controller, on_stage
        self.is_running = False
        self.result: TrainingResult | None = None
        self._process: TrainingProcess | None = None
        self._is_stopped = False
        self._latest = 0.0
        controller.opened.connect(self._on_opened)

    def _on_opened(self, folder: ProjectFolder) -> None:
        """Take up what an earlier window left: a result, a training, a finder of the project."""
        self.result = None

        def work(_: ShouldStop) -> tuple[TrainingResult | None, bool]:
            _install_finder(folder)
            left = work_folder(folder.candidate).is_dir()
            if folder.candidate.is_file():
                return TrainingResult.read(folder.candidate), left
            return None, left

        def done(found: tuple[TrainingResult | None, bool]) -> None:
            if folder is self._of.folder:
                self.result = found[0]
                if found[1] and found[0] is None:
                    self._of.status.emit(UNFINISHED, "warning")
                self.changed.emit()

        self._of.jobs.run_beside(work, done, self._of.on_failed)

    def start(self, minutes: float) -> None:
        """Train on all complete images in another process, or continue a training.

        Parameters
        ----------
        minutes : float
            Most time, in minutes.
        """
        folder, project = self._of.require_folder(), self._of.project
        if self.is_running:
            raise InputError("A training is running; stop it first.")
        if self.result is not None:
            raise InputError("Keep or discard the trained finder first.")
        names = [each.name for each in project.done]
        if not names:
            raise InputError("No image is complete; correct one and mark it as complete first.")
        name = "minisam" if self._of.model is None else self._of.model.id
        images = [folder.image_path(each) for each in names]
        self.is_running, self._is_stopped = True, False
        self._latest = time.monotonic() + 60 * minutes

        def work(should_stop: ShouldStop) -> TrainingResult:
            folder.candidate.parent.mkdir(exist_ok=True)
            truth = folder.folder / "labels"
            process = TrainingProcess(
                images, truth, folder.candidate, project.model or name, minutes
            )
            self._process = process
            if self._is_stopped:
                process.stop()
            return process.wait(self._tell, should_stop)

        def ended(result: TrainingResult) -> None:
            self._end()
            self.result = result
            self.changed.emit()
            self._of.status.emit("The training is finished. Keep or discard its finder.", "info")

        def failed(error: Exception) -> None:
            self._end()
            self.changed.emit()
            if isinstance(error, TrainingStopped):
                self._of.status.emit(str(error), "info")
            else:
                self._of.on_failed(error)

        # Beside the queue, in which proposals for the next image are made meanwhile.
        self._of.jobs.run_beside(_telling_of_a_stop(work), ended, failed)
        self.changed.emit()

    def _tell(self, stage: str, done: int, total: int) -> None:
        if self._on_stage is not None:
            self._on_stage(stage, done, total, max(self._latest - time.monotonic(), 0.0))

    def _end(self) -> None:
        self.is_running, self._process = False, None

    @property
    def pid(self) -> int | None:
        """Number of the process that trains, None without one."""
        return None if self._process is None else self._process.pid

    def finish(self) -> None:
        """End learning now, and make a finder of what was learned."""
        if self._process is not None:
            self._process.finish()

    def stop(self) -> None:
        """Stop the training; started again on the same images, it continues."""
        self._is_stopped = True
        if self._process is not None:
            self._process.stop()

    def keep(self) -> None:
        """Use the trained finder in this project, and offer it everywhere by its name."""
        folder, result = self._of.require_folder(), self._require_result()
        name = f"{folder.folder.name}-{1 + sum(e.is_kept for e in self._of.project.runs)}"

        def work(_: ShouldStop) -> FinderFile:
            path = result.file.path.replace(folder.candidate.with_name(f"{name}.safetensors"))
            if result.picture is not None:
                result.picture.replace(path.with_suffix(".png"))
            return import_finder(path, rename=True)

        def done(file: FinderFile) -> None:
            if folder is self._of.folder:
                self._end_result(result, is_kept=True)
                self.use(file.sha256)
                self._of.status.emit(
                    f"{file.path.stem} proposes labels from now on. The docks Everything and Batch "
                    "offer it as Finder.",
                    "info",
                )

        self._of.jobs.run_beside(work, done, self._of.on_failed)

    def discard(self) -> None:
        """Delete the trained finder; the one in use stays."""
        folder, result = self._of.require_folder(), self._require_result()

        def work(_: ShouldStop) -> None:
            result.file.path.unlink(missing_ok=True)
            if result.picture is not None:
                result.picture.unlink(missing_ok=True)

        def done(_: Any) -> None:
            if folder is self._of.folder:
                self._end_result(result, is_kept=False)
                self._of.status.emit("The trained finder was deleted.", "info")

        self._of.jobs.run_beside(work, done, self._of.on_failed)

    def use(self, finder: str | None) -> None:
        """Have another finder propose labels, by its hash; None for the built-in one."""
        of = self._of
        if of.project.finder == finder:
            return
        of.change(lambda project: replace(project, finder=finder))
        of.propose_again()
        of.unranked.emit()
        of.changed.emit()

    def _require_result(self) -> TrainingResult:
        if self.result is None:
            raise InputError("No trained finder waits for a decision.")
        return self.result

    def _end_result(self, result: TrainingResult, is_kept: bool) -> None:
        run = TrainingRun(
            *(result.file.sha256, result.images, result.before, result.after),
            *(result.held_back, is_kept),
        )

        def change(project: Project) -> Project:
            return replace(project, runs=(*project.runs, run))

        self._of.change(change)
        self.result = None
        self.changed.emit()


def _install_finder(folder: ProjectFolder) -> None:
    """Copy the finder in use from a project, which came from another machine, into the cache."""
    wanted = folder.project.finder
    if wanted is None or any(each.sha256 == wanted for each in installed_finders()):
        return
    own: list[Path] = sorted(folder.candidate.parent.glob("*.safetensors"))
    for path in own:
        if path != folder.candidate and import_finder(path, rename=True).sha256 == wanted:
            return
    raise InputError(
        f"The finder {wanted[:12]}... of this project is not on this machine. Choose another one, "
        "or bring its file here: napari-segany models import-finder FILE"
    )


def _telling_of_a_stop(work: Callable[[ShouldStop], Any]) -> Callable[[ShouldStop], Any]:
    """Return work that ends with an ordinary error when it was stopped.

    The queue tells nobody of jobs that end as cancelled ones.
    """

    def run(should_stop: ShouldStop) -> Any:
        try:
            return work(should_stop)
        except Cancelled as stopped:
            raise TrainingStopped(str(stopped)) from stopped

    return run
