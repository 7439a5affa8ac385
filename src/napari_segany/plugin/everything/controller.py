"""Finding everything in a viewer: searches beside the GUI thread, and layers that show it.

It needs no Qt and works on a ``ViewerModel``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_segany.core.image_source import Plane, plane_slices
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.found_layers import labels_of, stack_of
from napari_segany.plugin.everything.found_masks import Filters, FoundMasks, Report
from napari_segany.plugin.jobs.failures import Failures
from napari_segany.plugin.jobs.queue import EMBED, JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.region_masks import sample_region
from napari_segany.plugin.layers.sparse_array import empty
from napari_segany.plugin.layers.transforms import show_plane, viewed_plane
from napari_segany.plugin.shared.pending_model import PendingModel

FOUND = "segany everything"


class EverythingController(PendingModel):
    """Searches planes of an image, and shows what passes the filters.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are used.
    jobs : JobQueue
        Where the model runs.
    report : callable, optional
        Called from other threads with points done and points in all of a plane.

    Attributes
    ----------
    status : Signal
        Emitted with a line.
    changed : Signal
        Emitted when something else is shown.
    """

    changed = Signal()

    def __init__(self, viewer: Any, jobs: JobQueue, report: Report | None = None) -> None:
        super().__init__()
        self.viewer, self.jobs, self.report = viewer, jobs, report
        # Images that were searched, with what was found and decided there.
        self._kept: list[tuple[LayerView, FoundMasks]] = []
        self.picture: LayerView | None = None
        self.everything: FoundMasks | None = None
        self.layer: Any = None
        self.shown: MaskSet | None = None
        self.to_do: list[Plane] = []
        self._failed = Failures()
        # Whether no plane of the image is in view, which was said.
        self._lost = False
        for event in self._views:
            event.connect(self._on_view)
        viewer.layers.events.removed.connect(self._on_removed)

    def open(
        self, image: Any, channels: Sequence[int] | None = None, others: Sequence[Any] = ()
    ) -> None:
        """Work on an image layer; what was found and decided in it before comes back.

        Parameters
        ----------
        image : napari.layers.Image
            The image.
        channels, others
            See :class:`LayerView`.
        """
        picture = LayerView(image, channels, others)
        if picture.same_as(self.picture):
            return
        self.close()
        kept = [pair for pair in self._kept if picture.same_as(pair[0])]
        if not kept:
            kept = [(picture, FoundMasks(picture.source()))]
            self._kept += kept
            for layer in picture.layers:
                layer.events.data.connect(self._on_pixels)
        self.picture, self.everything = kept[0]
        self.status.emit("")
        self._on_view()
        self.changed.emit()

    def close(self) -> None:
        """Stop, and take the preview out of the viewer; labels that were made stay."""
        self.stop()
        layer, self.layer = self.layer, None
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)
        self.picture = self.everything = self.shown = None
        self.status.emit("")
        self.changed.emit()

    def _forget(self, layer: Any) -> None:
        """Keep nothing of an image whose pixels are gone or other ones."""
        gone = [picture for picture, _ in self._kept if layer in picture.layers]
        self._kept = [pair for pair in self._kept if pair[0] not in gone]
        for picture in gone:
            for each in picture.layers:
                each.events.data.disconnect(self._on_pixels)

    def _on_pixels(self, event: Any) -> None:
        """An image has other pixels: what was found there is no longer so."""
        layer, picture = event.source, self.picture
        self._forget(layer)
        if picture is not None and layer in picture.layers:
            self.close()
            self.open(picture.layer, picture.channels, picture.others)
            self.status.emit(f"{layer.name} has other pixels; find everything again.")

    def end(self) -> None:
        """Close, and let go of the viewer."""
        self.close()
        for picture, _ in list(self._kept):
            self._forget(picture.layer)
        for event in self._views:
            event.disconnect(self._on_view)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    @property
    def _views(self) -> tuple[Any, ...]:
        events = self.viewer.dims.events
        return events.current_step, events.order, events.ndisplay

    @property
    def plane(self) -> Plane:
        """The plane in view.

        Raises
        ------
        InputError
            If there is no image, or none of its planes is in view.
        """
        if self.picture is None:
            raise InputError("Choose an image first.")
        return viewed_plane(self.viewer, self.picture)

    def planes(self, every_plane: bool) -> list[Plane]:
        """The plane in view, or all those parallel to it along the last axis that counts planes."""
        plane = self.plane
        axes = [axis for axis, n in enumerate(plane) if n is not None]
        if not every_plane or not axes:
            return [plane]
        _, picture = self._opened()
        last = axes[-1]
        return [(*plane[:last], n, *plane[last + 1 :]) for n in range(picture.shape[last])]

    # Searching ------------------------------------------------------------------------------

    def find(
        self, params: AutomaticParams | None = None, every_plane: bool = False, region: Any = None
    ) -> None:
        """Search the plane in view, or all planes parallel to it, as soon as there is a model.

        Parameters
        ----------
        params : AutomaticParams, optional
            What is left to None in them is taken from the model's own defaults.
        every_plane : bool
            Search the whole stack; what is found shows as it comes.
        region : napari.layers.Labels or Shapes, optional
            Points are asked only where it is not zero, or inside its shapes.
        """
        to_do = self.planes(every_plane)
        everything, picture = self._opened()
        # A region that cannot be used is told before anything is searched.
        where = {
            each: None if region is None else sample_region(self.viewer, picture, region, each)
            for each in to_do
        }

        def search(model: PromptableModel) -> None:
            settled = resolve_params(model, params)
            self.to_do, self._failed = to_do, Failures()
            for each in to_do:
                self._search(everything, each, model, settled, where[each])
            self.status.emit("Searching ...")

        self.with_model(search)

    def _search(
        self,
        everything: FoundMasks,
        plane: Plane,
        model: PromptableModel,
        params: AutomaticParams,
        region: Callable[[], NDArray[np.generic]] | None,
    ) -> None:
        def ended() -> None:
            self.to_do = [each for each in self.to_do if each != plane]
            if not self.to_do:
                self.status.emit(str(self._failed))

        def done(found: MaskSet) -> None:
            if everything is self.everything:
                everything.take(plane, found, model, params)
                ended()
                self._on_view()

        def failed(error: Exception) -> None:
            self._failed.add(plane, error)
            ended()
            self.changed.emit()

        work = everything.search(model, params, plane, region, self.report)
        self.jobs.submit(("find", plane), EMBED, work, done, failed)

    def stop(self) -> None:
        """Stop searching, and wait for no model; what was found in whole planes is kept."""
        self.give_up()
        self.jobs.stop(EMBED)
        self.to_do = []
        self.changed.emit()

    # Filtering ------------------------------------------------------------------------------

    def filter(self, filters: Filters) -> None:
        """Show what passes other filters, without the model.

        Raises
        ------
        InputError
            If a bound is looser than what the search kept; nothing changes then.
        """
        everything, _ = self._opened()
        before, everything.filters = everything.filters, filters
        try:
            self.show()
        except InputError:
            everything.filters = before
            raise

    def show(self) -> None:
        """Draw what is kept of the plane in view."""
        everything, _ = self._opened()
        plane = self.plane
        self.shown = None
        if plane in everything.found:
            labels, self.shown = everything.coloured(plane)
            layer = self._preview()
            layer.data[plane_slices(plane)] = labels
            # In a turn of its own, and once for several moves of a slider.
            self.jobs.later("everything", lambda: layer.refresh(extent=False, thumbnail=False))
        self.changed.emit()

    def _preview(self) -> Any:
        """The layer that shows what is kept; not the result yet."""
        if self.layer is None:
            _, picture = self._opened()
            data = empty(picture.shape, np.int32)
            self.layer = Labels(data, name=FOUND, opacity=0.5, **picture.placement())
            self.layer.editable = False
            self.layer.selected_label = 0
            self.viewer.add_layer(self.layer)
        return self.layer

    # Review ---------------------------------------------------------------------------------

    def next_doubtful(self) -> int | None:
        """Look at the most doubtful object that nobody accepted; returns it, None if none is left.

        Objects are named by their value in the layer that shows them.
        """
        everything, picture = self._opened()
        left = everything.doubtful(self.plane)
        if not left or self.shown is None:
            return None
        box = self.shown.boxes[self.shown.candidate == left[0]][0]
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        show_plane(self.viewer, picture, self.plane, middle)
        self.layer.selected_label = left[0] + 1
        return left[0] + 1

    @property
    def selected(self) -> int | None:
        """The object that is selected in the layer, None if that is none of those shown."""
        if self.layer is None or self.shown is None:
            return None
        label = int(self.layer.selected_label)
        return label if label - 1 in self.shown.candidate else None

    def accept(self, label: int) -> None:
        """Find an object good."""
        everything, _ = self._opened()
        everything.accept(self.plane, label - 1)
        self.changed.emit()

    def reject(self, label: int) -> None:
        """Leave an object out."""
        everything, _ = self._opened()
        everything.reject(self.plane, label - 1)
        self.show()

    def point_of(self, label: int) -> tuple[float, float] | None:
        """Row and column of the point that found an object."""
        if self.shown is None:
            return None
        row, col = self.shown.points[self.shown.candidate == label - 1][0].tolist()
        return row, col

    # Results --------------------------------------------------------------------------------

    def make_labels(self) -> Any:
        """A labels layer of all planes that were searched; see :func:`labels_of`."""
        layer = self.viewer.add_layer(labels_of(*self._opened()))
        if self.layer is not None:
            self.layer.visible = False
        return layer

    def make_mask_stack(self) -> Any:
        """A labels layer with every mask of the plane in view by itself; see :func:`stack_of`."""
        everything, picture = self._opened()
        plane = self.plane
        return self.viewer.add_layer(stack_of(everything.kept(plane), picture, plane))

    # What the viewer tells ------------------------------------------------------------------

    def _on_view(self, event: Any = None) -> None:
        if self.everything is None:
            return
        try:
            self.show()
        except InputError as error:
            self.shown, self._lost = None, True
            self.status.emit(str(error))
            self.changed.emit()
        else:
            if self._lost:
                self._lost = False
                self.status.emit("")

    def _on_removed(self, event: Any) -> None:
        self._forget(event.value)
        if self.picture is not None and event.value in self.picture.layers:
            self.close()
        elif event.value is self.layer:
            self.layer = None

    def _opened(self) -> tuple[FoundMasks, LayerView]:
        if self.everything is None or self.picture is None:
            raise InputError("Choose an image first.")
        return self.everything, self.picture
