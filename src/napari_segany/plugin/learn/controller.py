"""Logic of the Learn dock: a project's images, their proposals and their corrections.

The module needs no Qt and works on a ``ViewerModel``. Files are read and written in the job queue.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.errors import InputError
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.jobs.chunked import do_in_turns
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.region_masks import sample_region
from napari_segany.plugin.layers.transforms import viewed_plane
from napari_segany.plugin.learn.corrections import QUIET, Corrections
from napari_segany.plugin.learn.layers import LearnLayers, shown_pixels
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.training.project import Change, Changes, Project
from napari_segany.training.project_folder import ProjectFolder
from napari_segany.training.proposal import Proposal, propose

Labels2D = NDArray[np.int32]


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
    quiet : float
        Seconds between an edit and its saving.

    Attributes
    ----------
    changed : Signal
        Emitted when the project or the image in work is another one.
    completed : Signal
        Emitted when an image was marked as complete.
    opened : Signal
        Emitted with a project's folder when it was opened.
    unranked : Signal
        Emitted when there may be images that the finder in use has not looked at.
    layers : LearnLayers
        Layers of the image in work.
    may_leave : callable
        Called before another image comes; raises InputError if work on the present one would be
        lost.
    """

    changed = Signal()
    completed = Signal()
    opened = Signal(object)
    unranked = Signal()

    def __init__(
        self,
        viewer: Any,
        jobs: JobQueue,
        report: Callable[[str, int, int], None] | None = None,
        quiet: float = QUIET,
    ) -> None:
        super().__init__()
        self.viewer, self.jobs, self.report = viewer, jobs, report
        self.layers = LearnLayers(viewer)
        self.may_leave: Callable[[], object] = lambda: None
        self._quiet = quiet
        self._folder: ProjectFolder | None = None
        self._corrections: Corrections | None = None

    # The project ----------------------------------------------------------------------------

    @property
    def folder(self) -> ProjectFolder | None:
        """Folder of the open project, None without one."""
        return self._folder

    @property
    def project(self) -> Project:
        """The open project; an empty one without any."""
        return Project() if self._folder is None else self._folder.project

    @property
    def current(self) -> str:
        """Name of the image in work; empty for none."""
        return self.project.current

    @property
    def is_editing(self) -> bool:
        """True if labels of the image in work are shown."""
        return self._corrections is not None and self.layers.labels is not None

    def require_folder(self) -> ProjectFolder:
        """Return the folder of the open project, or raise InputError."""
        if self._folder is None:
            raise InputError("Open a project first, or choose an empty folder for a new one.")
        return self._folder

    def open_project(self, folder: Path) -> None:
        """Open a project, or begin one in an empty folder; the present one is closed."""
        self.close_project()

        def done(opened: ProjectFolder) -> None:
            self._folder = opened
            self.opened.emit(opened)
            project = opened.project
            if project.current:
                self.show(project.current, again=True)
            self.unranked.emit()
            self.changed.emit()

        self.jobs.run_beside(lambda _: ProjectFolder(folder), done, self.on_failed)

    def close_project(self) -> None:
        """Save everything, and leave the project."""
        if self._folder is None:
            return
        folder = self._folder
        self.may_leave()
        self.jobs.cancel()
        save = self._leave_image()
        self._folder = None
        self.layers.hide()
        try:
            save()
        finally:
            folder.close()
        self.changed.emit()

    def change(self, change: Change) -> Project:
        """Change the project, and write it in another thread."""
        folder = self.require_folder()
        project = folder.change(change)
        self.jobs.run_beside(lambda _: folder.save(), lambda _: None, self.on_failed)
        return project

    def on_failed(self, error: Exception) -> None:
        """Report an error of a job."""
        self.status.emit(describe_error(error), "error")

    def tell(self, text: str, done: int, total: int) -> None:
        """Report progress from a worker thread."""
        if self.report is not None:
            self.report(text, done, total)

    # The image in work ----------------------------------------------------------------------

    def note_proposal(
        self, folder: ProjectFolder, name: str, finder: str | None, found: Proposal
    ) -> None:
        """Keep the doubt about an image, unless another finder or project is in use since."""
        if folder is self._folder and self.project.finder == finder:
            model = "" if self.model is None else self.model.id
            self.change(lambda project: replace(project, model=project.model or model))
            self.change(lambda project: project.with_image(name, doubt=found.doubt))
            self.changed.emit()

    def show(self, name: str, again: bool = False) -> None:
        """Show an image with its labels; without any, with those that the finder proposes.

        Parameters
        ----------
        name : str
            The image.
        again : bool
            Read it again if it is the image in work.
        """
        folder = self.require_folder()
        image = self.project[name]
        if name == self.current and self.is_editing and not again:
            return
        self.may_leave()
        save = self._leave_image()
        self.change(lambda project: replace(project, current=name))
        is_known = self.project.is_ranked(name)

        def work(_: ShouldStop) -> tuple[NDArray[np.uint8], Labels2D | None]:
            save()
            pixels = shown_pixels(folder.read_image(name))
            labels = folder.read_labels("drafts", name)
            if labels is None and (is_known or image.state == "done"):
                labels = folder.read_labels("proposals", name)
            if labels is not None and labels.shape != pixels.shape[:2]:
                raise InputError(
                    f"The labels of {name} have shape {labels.shape} and the image "
                    f"{pixels.shape[:2]}; delete {folder.labels_path('drafts', name)}."
                )
            return pixels, labels

        def done(read: tuple[NDArray[np.uint8], Labels2D | None]) -> None:
            if folder is not self._folder or self.current != name:
                return
            pixels, labels = read
            is_proposed = labels is not None

            def show() -> Iterator[None]:
                empty = np.zeros(pixels.shape[:2], np.int32)
                yield from self.layers.show(pixels, empty if labels is None else labels)
                self._watch(name)
                self.changed.emit()
                if is_proposed:
                    self._say_what_to_do()
                else:
                    self.propose()

            do_in_turns(self.jobs, "show image", show(), self.on_failed)

        self.jobs.run_beside(work, done, self.on_failed)
        self.changed.emit()
        # The image that was in work until now may have to be looked at.
        self.unranked.emit()

    def propose(self) -> None:
        """Let the finder in use propose labels for the image in work, unless it was edited."""
        folder, name, finder = self.require_folder(), self.current, self.project.finder
        if not name:
            raise InputError("Show an image first.")

        def start(model: PromptableModel) -> None:
            def work(should_stop: ShouldStop) -> Proposal:
                return propose(model, folder.read_image(name), finder, should_stop)

            def done(found: Proposal) -> None:
                self.note_proposal(folder, name, finder, found)
                edited = self._corrections is not None and self._corrections.is_touched
                if folder is self._folder and self.current == name and not edited:
                    self._end_corrections()
                    self.jobs.run_beside(
                        lambda _: folder.write_labels("proposals", name, found.labels),
                        lambda _: None,
                        self.on_failed,
                    )
                    self.layers.show_labels(found.labels.astype(np.int32))
                    self._watch(name)
                    self.changed.emit()
                    self._say_what_to_do()

            self.status.emit("Finding objects ...", "info")
            self.jobs.submit(("look", name), Priority.REQUEST, work, done, self.on_failed)

        self.with_model(start)

    def propose_again(self) -> None:
        """Propose labels for the image in work again, unless it was edited or completed."""
        watch = self._corrections
        if watch is None or watch.is_touched or self.project[self.current].state == "done":
            return
        folder, name = self.require_folder(), self.current
        has_draft = folder.labels_path("drafts", name).is_file()
        if not has_draft:
            self.propose()

    def _say_what_to_do(self) -> None:
        if self.project[self.current].state == "done":
            text = "After changes in a complete image, press Mark complete again."
        else:
            count = np.count_nonzero(np.bincount(self.layers.labels.data.ravel())[1:])
            text = (
                f"{many(int(count), 'object')}. Correct them with the tools of the labels layer or "
                "with prompts, then mark the image as complete."
            )
        self.status.emit(text, "info")

    def _watch(self, name: str) -> None:
        folder = self.require_folder()

        def saved() -> None:
            if folder is self._folder:
                self._keep_effort(name)

        self._corrections = Corrections(
            *(self.viewer, self.layers.labels, self.jobs),
            lambda labels: folder.write_labels("drafts", name, labels),
            saved,
            self.on_failed,
            quiet=self._quiet,
        )

    def complete(self, region: Any = None) -> None:
        """Mark the image in work as complete, everywhere or inside shapes or labels of a layer.

        Parameters
        ----------
        region : napari.layers.Shapes or napari.layers.Labels, optional
            All objects that reach into it are labelled; the rest is unknown.
        """
        folder, name, watch = self.require_folder(), self.current, self._corrections
        layer = self.layers.image
        if not name or watch is None or layer is None or self.layers.labels is None:
            raise InputError("Show an image first, and wait for its labels.")
        self.may_leave()
        read = None
        if region is not None:
            view = LayerView(layer)
            read = sample_region(self.viewer, view, region, viewed_plane(self.viewer, view))

        def work(_: ShouldStop) -> Changes:
            inside = None if read is None else read()
            if inside is not None and not inside.any():
                raise InputError("The region encloses no part of the image.")
            return folder.complete(name, watch.labels, inside)

        def done(changes: Changes) -> None:
            if folder is not self._folder:
                return
            self._keep_effort(name, is_last=True)
            values: dict[str, Any] = {"state": "done", "changes": changes}
            self.change(
                lambda project: project.with_image(name, is_partial=read is not None, **values)
            )
            self.layers.clear_region()
            self.completed.emit()
            self.changed.emit()
            self.status.emit(
                f"{name} is complete: {many(changes.objects, 'object')}, "
                f"{changes.unchanged} as proposed.",
                "info",
            )

        self.jobs.run_beside(work, done, self.on_failed)

    def reopen(self, name: str) -> None:
        """Take a complete image back to those to do; its labels stay."""
        folder = self.require_folder()
        self.change(lambda project: project.with_image(name, state="to do", changes=None))
        self.jobs.run_beside(lambda _: folder.reopen(name), lambda _: None, self.on_failed)
        self.changed.emit()

    def next(self) -> str:
        """Show the most doubtful image to do; return its name, empty if all are done."""
        waiting = [each.name for each in self.project.to_do]
        others = [name for name in waiting if name != self.current]
        if not others and self.current not in waiting:
            self.require_folder()
            self.status.emit("All images are complete. Train the finder, or add images.", "info")
            return ""
        name = (others or waiting)[0]
        self.show(name)
        return name

    def _keep_effort(self, name: str, is_last: bool = False) -> None:
        """Add presses and time of the corrections to the image's."""
        if self._corrections is not None and name == self.current:
            effort = self._corrections.take_effort(is_last)
            if effort.edits:
                self.change(lambda project: project.with_effort(name, effort))

    def _end_corrections(self) -> Callable[[], object]:
        """Leave the labels; return a function that saves them and may be called in a thread."""
        watch = self._corrections
        if watch is None:
            return lambda: None
        self._keep_effort(self.current)
        self._corrections = None
        watch.end()
        return watch.save_now

    def _leave_image(self) -> Callable[[], object]:
        save = self._end_corrections()
        self.layers.clear_region()
        return save

    def _follow_model(self) -> None:
        self.unranked.emit()


def many(count: int, what: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{count} {what}{'' if count == 1 else 's'}"
