"""Dock in which images are labelled with a finder's help, and the finder learns from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QDoubleSpinBox, QFileDialog, QLabel, QListWidget, QListWidgetItem

from napari_segany.errors import InputError
from napari_segany.plugin.learn.controller import LearnController
from napari_segany.plugin.learn.proposals import Result
from napari_segany.plugin.shared.controls import form, primary, row, with_tip
from napari_segany.plugin.shared.dock import ModelDock
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.progress_panel import ProgressPanel, duration
from napari_segany.training.project import LearnProject, ProjectImage

if TYPE_CHECKING:
    import napari.viewer

PICTURE_WIDTH = 360
"""Pixels of the picture of a result, which the dock may make smaller."""


class LearnWidget(ModelDock):
    """Label images of one kind, and let the finder learn from them.

    Everything is kept in a project's folder as soon as it is done.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Learn")
    >>> widget.open_project("cells_project")
    >>> widget.add_files(["images/"], wait=True)
    >>> widget.rank(wait=True)
    >>> widget.next(wait=True)
    'dish_07'
    >>> widget.complete()
    >>> widget.train(minutes=5, wait=True)["msa_after"]
    0.61
    >>> widget.keep()
    """

    _reported = Signal(str, int, int)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.controller = LearnController(self.viewer, self.jobs, self._reported.emit)
        self.connect_model(self.controller)
        self._build()
        self._reported.connect(self._on_report)
        self.controller.changed.connect(self._refresh)
        self.reset_choices()
        self._refresh()

    # For the console ------------------------------------------------------------------------

    @property
    def project(self) -> LearnProject | None:
        """The open project."""
        return self.controller.project

    @property
    def result(self) -> Result | None:
        """Result of a training that waits to be kept or discarded."""
        return self.controller.result

    def open_project(self, folder: str | Path | None = None) -> LearnProject | None:
        """Open a project, or begin one in an empty folder; without a folder a dialog asks."""
        if folder is None:
            folder = QFileDialog.getExistingDirectory(self, "Folder of the project")
        return self.controller.open_project(Path(folder)) if folder else None

    def add_layer(self, layer: Any = None, wait: bool = False) -> None:
        """Add the plane in view of an image layer, by default of the chosen one."""
        layer = self.layer_choice.layer if layer is None else layer
        if layer is None:
            raise InputError("Choose an image layer to add.")
        self.controller.add_layer(layer)
        self._wait_if(wait)

    def add_files(self, paths: Sequence[str | Path] | None = None, wait: bool = False) -> None:
        """Add image files or folders of them; without paths a dialog asks."""
        if paths is None:
            paths, _ = QFileDialog.getOpenFileNames(self, "Images to label")
        if paths:
            self.controller.add_files([Path(each) for each in paths])
            self._wait_if(wait)

    def rank(self, wait: bool = False) -> list[ProjectImage]:
        """Sort the images to do, the most doubtful first."""
        self.run_when_ready(self.controller.rank, wait)
        return self.controller.require_project().to_do()

    def next(self, wait: bool = False) -> str:
        """Show the next image to do with labels to correct; return its name."""
        found: list[str] = []
        self.run_when_ready(lambda: found.append(self.controller.next()), wait)
        return found[0]

    def show_image(self, name: str, wait: bool = False) -> None:
        """Show an image of the project, to correct its labels."""
        self.run_when_ready(lambda: self.controller.show(name), wait)

    def complete(self, region: Any = None) -> ProjectImage:
        """Mark the image in work as complete, everywhere or inside the shapes of a layer."""
        return self.controller.complete(region)

    def train(self, minutes: float | None = None, wait: bool = False) -> Result | None:
        """Train the finder on the complete images, in another process."""
        self._training_progress.start_clock()
        self.controller.train(self.minutes.value() if minutes is None else minutes)
        self._wait_if(wait)
        return self.result

    def finish_training(self) -> None:
        """End learning now, with what was learned."""
        self.controller.finish_training()

    def stop_training(self) -> None:
        """Stop the training; started again, it continues."""
        self.controller.stop_training()

    def keep(self) -> str:
        """Use the trained finder from now on; return its hash."""
        return self.controller.keep()

    def discard(self) -> None:
        """Delete the trained finder; the one in use stays."""
        self.controller.discard()

    def reset_choices(self, event: Any = None) -> None:
        """Update the choices of layers; napari calls this method when its layers change."""
        own = (self.controller.image_layer, self.controller.labels_layer)
        layers = [layer for layer in self.viewer.layers if layer not in own]
        self.layer_choice.fill(layers)
        self.region_choice.fill(layers)

    def _wait_if(self, wait: bool) -> None:
        if wait:
            self.jobs.wait()

    def _release(self) -> None:
        self.controller.end()

    # Building -------------------------------------------------------------------------------

    def _build(self) -> None:
        self.folder_line = QLabel("")
        self.folder_line.setWordWrap(True)
        self.layer_choice = LayerCombo([Image], "choose an image", "Its plane in view is added")
        self.region_choice = LayerCombo(
            [Shapes, Labels], "whole image", "Where all objects are labelled; the rest is unknown"
        )
        self.images = with_tip(QListWidget(), "Images; a double click shows one")
        self.images.itemDoubleClicked.connect(
            self.guarded_with(lambda item: self.show_image(item.data(Qt.ItemDataRole.UserRole)))
        )
        self.figures = QLabel("")
        self.figures.setWordWrap(True)
        self.minutes = with_tip(QDoubleSpinBox(), "Most time that a training takes, in minutes")
        self.minutes.setRange(0.5, 600)
        self.minutes.setValue(5)
        self.minutes.setSuffix(" min")
        self.result_line = QLabel("")
        self.result_line.setWordWrap(True)
        self.picture = QLabel("")
        self.picture.setToolTip("Held back: labels, found before, found after")
        self._training_progress = ProgressPanel()
        self._make_buttons()
        self.lay_out(
            [
                form(
                    [
                        ("Project", row(self.folder_line, self.open_button, wide=self.folder_line)),
                        ("Model", self.picker),
                    ]
                ),
                form(
                    [
                        (
                            "Add",
                            row(
                                self.layer_choice,
                                self.layer_button,
                                self.files_button,
                                wide=self.layer_choice,
                            ),
                        )
                    ]
                ),
                self.images,
                row(self.rank_button, self.next_button),
                form(
                    [
                        (
                            "Complete",
                            row(self.region_choice, self.complete_button, wide=self.region_choice),
                        )
                    ]
                ),
                self.figures,
                form(
                    [
                        (
                            "Train",
                            row(
                                self.minutes,
                                self.train_button,
                                self.finish_button,
                                self.stop_button,
                                wide=self.train_button,
                            ),
                        )
                    ]
                ),
                self._training_progress,
                self.result_line,
                self.picture,
                row(self.keep_button, self.discard_button),
            ],
            [self.progress, self.message],
            tall=self.images,
        )

    def _make_buttons(self) -> None:
        self.open_button = self.button(
            "Open …", self.open_project, "Open a project, or begin one in an empty folder"
        )
        self.layer_button = self.button("Add layer", self.add_layer, "Add the plane in view")
        self.files_button = self.button("Add files …", self.add_files, "Add image files")
        self.rank_button = self.button(
            "Sort by doubt", self.rank, "Look at all images to do; the most doubtful come first"
        )
        self.next_button = self.button(
            "Next image", self.next, "Show the most doubtful image with proposed labels"
        )
        self.complete_button = self.button(
            "Mark complete",
            self._complete_chosen,
            "All objects are labelled and right: the finder may learn from this image",
        )
        self.train_button = primary(
            self.button("Train", self.train, "Train the finder on the complete images")
        )
        self.finish_button = self.button(
            "Finish now", self.finish_training, "End learning and make the finder"
        )
        self.stop_button = self.button(
            "Stop", self.stop_training, "Give up for now; started again, the training continues"
        )
        self.keep_button = self.button("Keep", self.keep, "Use the trained finder from now on")
        self.discard_button = self.button("Discard", self.discard, "Delete the trained finder")

    def _complete_chosen(self) -> None:
        self.complete(self.region_choice.layer)

    # Showing --------------------------------------------------------------------------------

    def _on_report(self, text: str, done: int, total: int) -> None:
        if self.controller.training is None:
            self.progress.show_progress(done, total, text)
            return
        left = ""
        if text == "learning" and done > 1:
            left = f", at most {duration(self._training_progress.seconds_left(done, total))} left"
        elif text != "learning":
            self._training_progress.start_clock()
        self._training_progress.show_progress(done, total, f"{text.capitalize()}{left}")

    def _refresh(self) -> None:
        controller = self.controller
        project, result, training = controller.project, controller.result, controller.training
        self.folder_line.setText("none" if project is None else project.folder.name)
        self.folder_line.setToolTip("" if project is None else str(project.folder))
        for button in (self.layer_button, self.files_button, self.rank_button, self.next_button):
            button.setEnabled(project is not None)
        self.complete_button.setEnabled(controller.labels_layer is not None)
        self.train_button.setEnabled(bool(project and project.done()) and training is None)
        self.finish_button.setVisible(training is not None)
        self.stop_button.setVisible(training is not None)
        if training is None:
            self._training_progress.finish()
        for shown in (self.keep_button, self.discard_button, self.result_line, self.picture):
            shown.setVisible(result is not None)
        if result is not None:
            self._show_result(result)
        self._fill_images()

    def _show_result(self, result: Result) -> None:
        if "msa_after" in result:
            what = "whole images" if result["held_back"] == "planes" else "quarters of images"
            self.result_line.setText(
                f"On held-back {what}: mSA {result['msa_before']:.2f} before, "
                f"{result['msa_after']:.2f} after. Below: labels, found before, found after."
            )
        else:
            self.result_line.setText("Nothing was held back, as too few objects are labelled.")
        picture = QPixmap(result["picture"] or "")
        if not picture.isNull():
            mode = Qt.TransformationMode.SmoothTransformation
            picture = picture.scaledToWidth(PICTURE_WIDTH, mode)
        self.picture.setPixmap(picture)

    def _fill_images(self) -> None:
        self.images.clear()
        project = self.controller.project
        if project is None:
            self.figures.setText("")
            return
        for image in [*project.to_do(), *project.done()]:
            item = QListWidgetItem(_describe(image, image.name == self.controller.current))
            item.setData(Qt.ItemDataRole.UserRole, image.name)
            self.images.addItem(item)
        saved = project.savings()
        text = f"{len(project.done())} of {len(project.record.images)} images complete"
        if saved.objects:
            text += (
                f", {saved.objects} objects, {saved.unchanged} as proposed; {saved.clicks} clicks "
                f"in {saved.minutes_spent:.1f} min"
            )
        if saved.minutes_saved:
            text += f", about {saved.minutes_saved:.0f} min saved"
        self.figures.setText(f"{text}.")


def _describe(image: ProjectImage, is_shown: bool) -> str:
    """Return the line of an image in the list."""
    mark = "▸ " if is_shown else ""
    if image.state == "done":
        return f"{mark}{image.name}   complete, {image.objects} objects"
    doubt = "" if image.doubt is None else f"   doubt {image.doubt:.2f}"
    return f"{mark}{image.name}{doubt}"
