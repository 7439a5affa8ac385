"""The Everything widget: find all objects, move sliders, look at the doubtful ones, make labels."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.io.atomic import writing
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.edge_layer import EdgeLayer
from napari_segany.plugin.everything.filters import FilterSliders
from napari_segany.plugin.everything.found_masks import Filters
from napari_segany.plugin.jobs.queue import QtJobQueue
from napari_segany.plugin.layers.channel_axis import with_channels_first
from napari_segany.plugin.shared.channel_picker import ChannelPicker
from napari_segany.plugin.shared.close_events import CloseEvents
from napari_segany.plugin.shared.generator_form import GeneratorForm
from napari_segany.plugin.shared.layer_combo import LayerCombo
from napari_segany.plugin.shared.message_line import MessageLine
from napari_segany.plugin.shared.model_picker import ModelPicker
from napari_segany.plugin.shared.run_when_ready import RunWhenReady
from napari_segany.plugin.shared.scroll_panel import MARGINS, ScrollPanel
from napari_segany.plugin.shared.settings import read_settings
from napari_segany.weights import cache

if TYPE_CHECKING:
    import napari.viewer


class EverythingWidget(QWidget):
    """Find everything in an image, filter it live, and make labels of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-segany", "Everything")
    >>> widget.image_layer = viewer.layers["cells"]
    >>> widget.find(wait=True)
    >>> widget.filter(Filters(pred_iou_thresh=0.8, min_area=30))
    >>> labels = widget.make_labels()
    """

    _reported = Signal(int, int)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        # Two ways of opening a widget give two objects for one viewer.
        self.viewer: Any = getattr(viewer, "__wrapped__", viewer)
        settings = read_settings()
        cache.use_folder(settings.cache_folder)
        self.jobs = QtJobQueue(self)
        self.finder = EverythingController(self.viewer, self.jobs, self._reported.emit)
        self.edges = EdgeLayer(self.finder)
        self.picker = ModelPicker(self.jobs, settings)
        self._closed = False
        self._began = 0.0
        self._shown: MaskSet | None = None
        self.message = MessageLine()
        self._beginning = RunWhenReady(self.picker, self.finder, self.jobs, self.message)
        self._build()
        window = getattr(getattr(self.viewer, "window", None), "_qt_window", None)
        self._closing = CloseEvents(self, window, self.end, self.end)
        self._reported.connect(self._on_report)
        self.picker.loaded.connect(self._on_model)
        self.picker.released.connect(lambda: self._on_model(None))
        self.jobs.busy_changed.connect(self._on_busy)
        self.finder.status.connect(self.say)
        self.finder.changed.connect(self._refresh)
        self.reset_choices()

    # For the console ------------------------------------------------------------------------

    @property
    def image_layer(self) -> Any:
        """The image in work."""
        return None if self.finder.picture is None else self.finder.picture.layer

    @image_layer.setter
    def image_layer(self, layer: Any) -> None:
        self.set_image(layer)

    def set_image(
        self,
        layer: Any,
        channels: Sequence[int] | None = None,
        others: Sequence[Any] = (),
        channel_axis: int = 0,
    ) -> None:
        """Choose an image, or channels of it; what was found and decided there comes back.

        Parameters
        ----------
        layer : napari.layers.Image
            The image.
        channels : sequence of int, optional
            One channel of the layer, or two or three seen as red, green and blue.
        others : sequence of napari.layers.Image
            One or two more layers, seen as green and blue.
        channel_axis : int
            The layer's axis of channels. If it is not the first, a view of the layer that has it
            first is added and shown in its place.
        """
        if channels is not None:
            layer = with_channels_first(self.viewer, layer, channel_axis)
        self.finder.open(layer, channels, others)
        self.reset_choices()
        if self.finder.model is None and not self.picker.loading:
            self.picker.load()

    @property
    def model(self) -> PromptableModel | None:
        """The model in use."""
        return self.finder.model

    @model.setter
    def model(self, model: PromptableModel) -> None:
        self.picker.show_model(model)

    @property
    def params(self) -> AutomaticParams:
        """What the controls say about searching."""
        return self.search.params

    def find(self, params: AutomaticParams | None = None, wait: bool = False) -> MaskSet | None:
        """Search the plane in view, or the whole stack if that is ticked.

        Returns
        -------
        MaskSet or None
            What is shown of the plane in view, once it was searched.
        """
        region, whole = self.region.layer, self.whole_stack.isChecked()
        self._begin(lambda: self.finder.find(params or self.params, whole, region), wait)
        return self.finder.shown

    def find_edges(self, thin: bool = False, wait: bool = False) -> Any:
        """Draw edges of the plane in view, or the whole stack if that is ticked, into a layer.

        Returns
        -------
        napari.layers.Image or None
            The layer, once there is one.
        """
        whole = self.whole_stack.isChecked()
        self._begin(lambda: self.edges.find(whole, thin), wait)
        return self.edges.layer

    def _begin(self, act: Callable[[], None], wait: bool) -> None:
        self._began = time.monotonic()
        self._beginning.begin(act, wait)

    def stop(self) -> None:
        """Stop searching; whole planes that were searched are kept."""
        self.jobs.stop()
        self.finder.stop()
        self.edges.stop()
        self.picker.stopped()
        self.say("Stopped; what was found is kept.")

    def filter(self, filters: Filters) -> MaskSet | None:
        """Show what passes these filters; returns it."""
        self.finder.filter(filters)
        self.message.settle()
        return self.finder.shown

    def next_doubtful(self) -> int | None:
        """Look at the most doubtful object that nobody accepted; returns its label."""
        label = self.finder.next_doubtful()
        self.say("Nothing is left to look at." if label is None else f"Object {label}.")
        return label

    def accept(self) -> int | None:
        """Find the object in view good, and look at the next."""
        if self.finder.selected is not None:
            self.finder.accept(self.finder.selected)
        return self.next_doubtful()

    def reject(self) -> int | None:
        """Leave the object in view out, and look at the next."""
        if self.finder.selected is not None:
            self.finder.reject(self.finder.selected)
        return self.next_doubtful()

    def open_in_prompt(self) -> Any:
        """Open the Prompt widget with the point that found the object in view; returns it."""
        selected = self.finder.selected
        if selected is None:
            raise InputError("Select an object first, for example the most doubtful one.")
        point = self.finder.point_of(selected)
        _, widget = self.viewer.window.add_plugin_dock_widget("napari-segany", "Prompt")
        if self.model is not None:
            widget.model = self.model
        picture = self.finder.picture
        assert picture is not None
        widget.set_image(picture.layer, picture.channels, picture.others)
        if point is not None:
            widget.session.add_point(*point)
        return widget

    def make_labels(self) -> Any:
        """Make a labels layer of what is kept, with scores and recipe; returns it."""
        return self.finder.make_labels()

    def make_mask_stack(self) -> Any:
        """Make a layer with every mask of the plane in view by itself; returns it."""
        return self.finder.make_mask_stack()

    def save_recipe(self, path: str | Path | None = None) -> Path | None:
        """Save what ``napari-segany segment --recipe`` takes to do the same."""
        everything = self.finder.everything
        if everything is None:
            raise InputError("Choose an image first.")
        text = everything.recipe().to_json()
        if path is None:
            path, _ = QFileDialog.getSaveFileName(self, "Save", "recipe.json", "Recipes (*.json)")
        if not path:
            return None
        with writing(Path(path)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self.say(f"Saved as {path}.")
        return Path(path)

    def reset_choices(self, event: Any = None) -> None:
        """Read the viewer's layers again; napari calls this when they change."""
        layers = list(self.viewer.layers)
        self.image_choice.fill(layers)
        self.image_choice.choose(self.image_layer)
        self.channels.fill(layers, self.finder.picture)
        self.region.fill([layer for layer in layers if layer is not self.finder.layer])

    def end(self) -> None:
        """Stop, and take the preview out of the viewer."""
        if not self._closed:
            self._closed = True
            self.finder.end()
            self.jobs.end()

    def closeEvent(self, event: Any) -> None:
        """End."""
        self.end()
        super().closeEvent(event)

    # Building -------------------------------------------------------------------------------

    def _build(self) -> None:
        inside = QWidget()
        column, form = QVBoxLayout(inside), QFormLayout()
        column.setContentsMargins(*MARGINS)
        self.image_choice = LayerCombo([Image], "choose an image", "The image to search")
        self.image_choice.activated.connect(lambda _: self.message.guarded(self._take_image)())
        self.channels = ChannelPicker(
            lambda *chosen: self.message.guarded(lambda: self._take_channels(*chosen))()
        )
        self.whole_stack = QCheckBox("whole stack")
        self.whole_stack.setToolTip("All planes parallel to the one in view, this one first")
        self.region = LayerCombo(
            [Labels, Shapes], "everywhere", "Search only in these labels, or inside these shapes"
        )
        self.search = GeneratorForm()
        for text, part in (
            ("Image", self.image_choice),
            ("Channels", self.channels),
            ("Model", self.picker),
            ("", self.whole_stack),
            ("Region", self.region),
        ):
            form.addRow(text, part)
        column.addLayout(form)
        column.addWidget(self.search)
        row = QHBoxLayout()
        self.find_button = self.message.button(
            "Find everything", self.find, "Search the plane in view"
        )
        self.stop_button = self.message.button("stop", self.stop, "Stop; what was found is kept")
        row.addWidget(self.find_button, 1)
        row.addWidget(self.stop_button)
        column.addLayout(row)
        self.progress = QProgressBar()
        self.progress.setVisible(False)
        self.progress_line = QLabel("")
        column.addWidget(self.progress)
        column.addWidget(self.progress_line)
        self.sliders = FilterSliders()
        self.sliders.changed.connect(lambda f: self.message.guarded(lambda: self.filter(f))())
        column.addWidget(self.sliders)
        column.addLayout(
            self.message.row(
                ("Doubtful", self.next_doubtful, "Look at the most doubtful object"),
                ("Accept", self.accept, "It is good; look at the next"),
                ("Reject", self.reject, "Leave it out; look at the next"),
                ("In Prompt", self.open_in_prompt, "Segment it again from its point"),
            )
        )
        column.addLayout(
            self.message.row(
                ("Make labels", self.make_labels, "A labels layer with scores and recipe"),
                ("Masks as stack", self.make_mask_stack, "Each mask by itself, overlaps kept"),
                ("Edges", self.find_edges, "An image layer with the outlines of everything"),
                ("Save recipe ...", self.save_recipe, "For the command line"),
            )
        )
        column.addStretch()
        around = QVBoxLayout(self)
        around.addWidget(ScrollPanel(inside), 1)
        # Seen wherever the rest is scrolled to.
        around.addWidget(self.message)

    # Showing --------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Say something in the widget."""
        self.message.say(text)

    def _take_image(self) -> None:
        layer = self.image_choice.layer
        if layer is not None and layer is not self.image_layer:
            self.image_layer = layer

    def _take_channels(
        self, channels: tuple[int, ...] | None, others: tuple[Any, ...], axis: int
    ) -> None:
        if self.image_layer is not None:
            self.set_image(self.image_layer, channels, others, axis)

    def _on_model(self, model: PromptableModel | None) -> None:
        self._began = time.monotonic()
        self.finder.model = model

    def _on_busy(self, busy: bool) -> None:
        if not busy:
            self.progress.setVisible(False)
            self.progress_line.setText("")

    def _on_report(self, done: int, total: int) -> None:
        to_do = [*self.finder.to_do, *self.edges.to_do]
        if not to_do:
            return
        self.progress.setVisible(True)
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        left = (time.monotonic() - self._began) * (total - done) / max(done, 1)
        planes = len(to_do)
        more = f", {planes} planes to do" if planes > 1 else f", {left:.0f} s left"
        self.progress_line.setText(f"{done} of {total} points{more}")

    def _refresh(self) -> None:
        everything, shown = self.finder.everything, self.finder.shown
        if everything is None or shown is None or everything.params is None:
            # Bounds and counts of another image, or of another plane, mean nothing here.
            self._shown = None
            self.sliders.setEnabled(False)
            self.sliders.count.setText("")
            return
        found = everything.found[self.finder.plane]
        if found is not self._shown:
            self._shown = found
            self.sliders.begin(found, everything.params, everything.filters)
        elif everything.filters != self.sliders.filters:
            self.sliders.show_filters(everything.filters)
        self.sliders.count.setText(f"{len(shown)} shown of {len(found.all_candidates)} found")
