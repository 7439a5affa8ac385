"""Logic of the Everything dock: background searches, and the layers that show their masks.

The module needs no Qt and works on a ``ViewerModel``.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from psygnal import Signal

from napari_segany.core.callbacks import Progress
from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.strategies import check_described
from napari_segany.generators.tile_params import AUTO_TILES, TileParams
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything import result_layers
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.label_maker import LabelMaker
from napari_segany.plugin.everything.made_labels import MadeLabels
from napari_segany.plugin.everything.mask_preview import MaskPreview
from napari_segany.plugin.everything.messages import kept_message
from napari_segany.plugin.everything.plane_searches import PlaneSearches, Search
from napari_segany.plugin.everything.search_clock import SearchClock
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.region_masks import sample_region
from napari_segany.plugin.layers.transforms import viewed_plane
from napari_segany.plugin.shared.pending_model import PendingModel
from napari_segany.recipe import Recipe


class EverythingController(PendingModel):
    """Searches planes of an image, and shows the masks that pass the filters.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer whose layers are used.
    jobs : JobQueue
        Queue in which the model runs.
    report : Progress, optional
        Called from the worker thread with the points of a plane.

    Attributes
    ----------
    view : LayerView or None
        Image in work.
    start : Filters
        Filters with which the masks of a new search are shown first.
    found : FoundMasks or None
        Masks and decisions of that image.
    preview : MaskPreview
        Layer of the kept masks.
    labels : LabelMaker
        Labels that were made of masks.
    tiles : TileParams or None
        How planes of new searches are divided into tiles; None to search all as a whole.
    searches : PlaneSearches
        The searches in the background.
    clock : SearchClock
        Estimate of the time that is left of the work in progress.
    status : Signal
        Emitted with a message, and with its severity unless that is "info".
    changed : Signal
        Emitted when what is shown has changed.
    """

    changed = Signal()

    def __init__(self, viewer: Any, jobs: JobQueue, report: Progress | None = None) -> None:
        super().__init__()
        self.viewer, self.jobs, self.report = viewer, jobs, report
        # Images that were searched, with their masks and decisions.
        self._images: list[tuple[LayerView, FoundMasks]] = []
        self.view: LayerView | None = None
        self.start = Filters()
        self.found: FoundMasks | None = None
        self.preview = MaskPreview(viewer, jobs, self.changed.emit)
        self.tiles: TileParams | None = AUTO_TILES
        self.clock = SearchClock()
        self.searches = PlaneSearches(jobs, self.clock, report)
        self.searches.status.connect(self.status.emit)
        self.searches.searched.connect(self._on_searched)
        self.searches.failed.connect(self.changed.emit)
        self.labels = LabelMaker(viewer, jobs, self.preview)
        self.labels.status.connect(self.status.emit)
        self.labels.changed.connect(self.changed.emit)
        # True while the message says that no plane of the image is in view.
        self._no_plane = False
        for event in self._view_events:
            event.connect(self._on_view)
        viewer.layers.events.removed.connect(self._on_removed)

    def open_image(
        self, image: Any, channels: Sequence[int] | None = None, others: Sequence[Any] = ()
    ) -> None:
        """Work on an image; its earlier masks and decisions are restored.

        Parameters
        ----------
        image, channels, others
            See :class:`LayerView`.
        """
        self.open_view(LayerView(image, channels, others))

    def open_view(self, view: LayerView) -> None:
        """Work on an image as it is seen; see :meth:`open_image`."""
        if view.same_as(self.view):
            return
        left = kept_message(self.view, self.found, bool(self.remaining))
        self.close_image()
        kept = [pair for pair in self._images if view.same_as(pair[0])]
        if not kept:
            kept = [(view, FoundMasks(view.source()))]
            self._images += kept
            for layer in view.layers:
                layer.events.data.connect(self._on_pixels)
        self.view, self.found = kept[0]
        self.labels.follow(self.found)
        self.status.emit(left)
        self._on_view()
        self.changed.emit()

    def close_image(self) -> None:
        """Stop, and remove the preview from the viewer; labels that were made stay."""
        self.stop()
        self.preview.remove()
        self.view = self.found = None
        self.labels.follow(None)
        self.status.emit("")
        self.changed.emit()

    def _forget_image(self, layer: Any) -> None:
        """Discard the masks of an image that was removed or has other pixels."""
        gone = [pair for pair in self._images if layer in pair[0].layers]
        self._images = [pair for pair in self._images if pair not in gone]
        for view, found in gone:
            self.labels.forget(found)
            for each in view.layers:
                each.events.data.disconnect(self._on_pixels)

    def _on_pixels(self, event: Any) -> None:
        """Discard masks that were found in other pixels."""
        layer, view = event.source, self.view
        self._forget_image(layer)
        if view is not None and layer in view.layers:
            self.close_image()
            self.open_view(view.with_limits(view.limits))
            self.status.emit(f"{layer.name} has other pixels; find everything again.")

    def end(self) -> None:
        """Close the image, and disconnect from the viewer."""
        self.close_image()
        for view, _ in list(self._images):
            self._forget_image(view.layer)
        for event in self._view_events:
            event.disconnect(self._on_view)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    @property
    def _view_events(self) -> tuple[Any, ...]:
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
        if self.view is None:
            raise InputError("Choose an image first.")
        return viewed_plane(self.viewer, self.view)

    def planes(self, every_plane: bool) -> list[Plane]:
        """Return the plane in view, or all planes parallel to it along its last index axis."""
        plane = self.plane
        axes = [axis for axis, n in enumerate(plane) if n is not None]
        if not every_plane or not axes:
            return [plane]
        _, view = self.opened()
        last = axes[-1]
        return [(*plane[:last], n, *plane[last + 1 :]) for n in range(view.shape[last])]

    @property
    def layer(self) -> Any:
        """Preview layer of the kept masks, None before anything was found."""
        return self.preview.layer

    @property
    def shown(self) -> MaskSet | None:
        """Masks shown in the plane in view; None before they are found."""
        return self.preview.shown

    @property
    def remaining(self) -> list[Plane]:
        """Planes that are still to be searched."""
        return self.searches.remaining

    # Searching ------------------------------------------------------------------------------

    def find(
        self, params: GeneratorParams | None = None, every_plane: bool = False, region: Any = None
    ) -> None:
        """Search the plane in view, or all planes parallel to it, as soon as there is a model.

        Parameters
        ----------
        params : GeneratorParams, optional
            Parameters; by default the model's own strategy. Values of None are taken from the
            model's defaults, or from the finder's.
        every_plane : bool
            Search the whole stack; each plane is shown when it is done.
        region : napari.layers.Labels or Shapes, optional
            Restrict the points to nonzero labels, or to the inside of shapes.
        """
        planes = self.planes(every_plane)
        found, view = self.opened()
        # An unusable region is refused before anything is searched.
        regions = {
            each: None if region is None else sample_region(self.viewer, view, region, each)
            for each in planes
        }
        where, start, tiles = "" if region is None else str(region.name), self.start, self.tiles

        def search(model: PromptableModel) -> None:
            resolved = check_described(resolve_params(model, params))
            self.searches.begin(
                Search(found, planes, model, resolved, regions, where, start), tiles
            )

        self.with_model(search)

    def _on_searched(self, found: FoundMasks) -> None:
        """Show the masks of a plane that was searched."""
        if found is self.found:
            self.filter_again()
            self._on_view()

    def stop(self) -> None:
        """Stop searching and waiting for a model; the masks that were found are kept."""
        self.give_up()
        self.searches.stop()
        self.changed.emit()

    # Filtering ------------------------------------------------------------------------------

    def apply_filters(self, filters: Filters) -> None:
        """Show the masks that pass other filters; the model does not run.

        On a large plane they are shown soon after.

        Raises
        ------
        InputError
            If a bound is looser than that of the search; nothing changes then.
        """
        found, _ = self.opened()
        self.filter_again()
        before, found.filters = found.filters, filters

        def take_back() -> None:
            if found.filters is filters:
                found.filters = before

        try:
            self.draw_plane(take_back)
        except InputError:
            take_back()
            raise

    def replace_filters(self, filters: Filters) -> None:
        """Replace the filters, which no search forbids, also while no plane is in view."""
        found, _ = self.opened()
        self.filter_again()
        found.filters = filters
        self._on_view()

    def draw_plane(self, failed: Callable[[], object] = lambda: None) -> None:
        """Draw the kept masks of the plane in view into the preview.

        Parameters
        ----------
        failed : callable, optional
            Called if the masks of a large plane, which are drawn in the background, cannot be.
        """
        found, view = self.opened()

        def stop(error: Exception) -> None:
            failed()
            self.status.emit(describe_error(error), "error")
            self.changed.emit()

        self.preview.draw(found, view, self.plane, stop)

    def redraw(self) -> None:
        """Draw the plane in view as :meth:`draw_plane`, also while no plane of the image is."""
        self._on_view()

    def follow_search(self) -> None:
        """Show the objects of tiles of the plane in view that were searched since the last call."""
        if self.view is not None and self.found is not None:
            tiles = self.searches.take_tiles(self.found)
            with suppress(InputError):
                if here := tiles.get(self.plane):
                    self.preview.add_tiles(self.view, self.plane, here)

    # Results --------------------------------------------------------------------------------

    @property
    def made(self) -> MadeLabels | None:
        """The labels that were made of the masks; None before, and once masks are filtered again.

        While there are labels, they are shown in place of the masks.
        """
        return None if self.found is None else self.labels.made_of(self.found)

    def make_labels(self) -> Any:
        """Add a labels layer of all searched planes, and return it; see :class:`LabelMaker`."""
        return self.labels.make(*self.opened())

    def filter_again(self) -> None:
        """Show the masks in place of the labels that were made of them; the labels stay."""
        if self.found is not None:
            self.labels.take_back(self.found)

    def make_mask_stack(self) -> Any:
        """Add a layer with each mask of the plane in view; see :mod:`result_layers`."""
        found, view = self.opened()
        plane = self.plane
        masks = found.kept_masks(plane)
        return add_layer(self.viewer, result_layers.mask_stack_layer(masks, view, plane))

    def make_recipe(self) -> Recipe:
        """Return the recipe of the kept masks; see :meth:`FoundMasks.make_recipe`."""
        found, _ = self.opened()
        return found.make_recipe()

    # Events of the viewer -------------------------------------------------------------------

    def _on_view(self, event: Any = None) -> None:
        if self.found is None:
            return
        try:
            self.draw_plane()
        except InputError as error:
            self.preview.shown, self._no_plane = None, True
            self.status.emit(str(error), "warning")
            self.changed.emit()
        else:
            if self._no_plane:
                self._no_plane = False
                self.status.emit("")

    def _on_removed(self, event: Any) -> None:
        self._forget_image(event.value)
        if self.view is not None and event.value in self.view.layers:
            self.close_image()
        elif event.value is self.layer:
            self.preview.forget()
        self.labels.forget_layer(event.value)

    def opened(self) -> tuple[FoundMasks, LayerView]:
        """Return the masks and the view of the image in work.

        Raises
        ------
        InputError
            If there is no image.
        """
        if self.found is None or self.view is None:
            raise InputError("Choose an image first.")
        return self.found, self.view
