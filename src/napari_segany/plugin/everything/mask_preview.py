"""Preview layer of the masks that pass the filters in the plane in view; needs no Qt."""

from collections.abc import Callable, Sequence
from typing import Any

from napari_segany.core.image_source import Plane, plane_slices
from napari_segany.core.masks import MaskSet
from napari_segany.generators.uncertainty import Evidence
from napari_segany.plugin.everything import result_layers
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.large_preview import LargePreview, is_large
from napari_segany.plugin.everything.plane_choice import PlaneChoice
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.image_view import LayerView


class MaskPreview:
    """Labels layer of the kept masks of the plane in view.

    Planes are painted at once, large ones in the background, where the canvas shows them.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    jobs : JobQueue
        Queue of the background work.
    changed : callable
        Called when what is shown has changed.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        The layer, None before anything was found.
    shown : MaskSet or None
        Masks shown in the plane in view.
    """

    def __init__(self, viewer: Any, jobs: JobQueue, changed: Callable[[], object]) -> None:
        self._viewer, self._jobs, self._changed = viewer, jobs, changed
        self.layer: Any = None
        self.shown: MaskSet | None = None
        self._large: LargePreview | None = None
        # Whether the layer may be seen; labels that were made take its place.
        self._visible = True

    def draw(
        self,
        found: FoundMasks,
        view: LayerView,
        plane: Plane,
        failed: Callable[[Exception], object],
    ) -> None:
        """Draw the kept masks of a plane of an image.

        Parameters
        ----------
        found, view, plane
            Masks, image and plane.
        failed : callable
            Called with an error of a large plane, which is drawn in the background.

        Raises
        ------
        InputError
            If a bound is looser than that of the search.
        """
        if is_large(view, plane):
            self._draw_large(found, view, plane, failed)
        else:
            self._draw_whole(found, view, plane)
        self._changed()

    def _draw_whole(self, found: FoundMasks, view: LayerView, plane: Plane) -> None:
        if self._large is not None:
            self.remove()
        self.shown = None
        if plane in found.masks:
            labels, self.shown = found.paint_candidates(plane)
            if self.layer is None:
                self._add(result_layers.preview_layer(view))
            layer = self.layer
            layer.data[plane_slices(plane)] = labels
            # Several moves of a slider are drawn once.
            self._jobs.call_later(
                "everything", lambda: layer.refresh(extent=False, thumbnail=False)
            )

    def _draw_large(
        self,
        found: FoundMasks,
        view: LayerView,
        plane: Plane,
        failed: Callable[[Exception], object],
    ) -> None:
        if plane not in found.masks:
            self.shown = None
            if self._large is not None:
                self._large.clear()
            return
        large = self._for_large(view, plane)
        if large.choice is not None and large.choice.plane != plane:
            self.shown = None
            large.clear()

        def done(choice: PlaneChoice) -> None:
            if large is self._large:
                self.shown = choice.shown
                self._changed()

        large.choose(found, plane, done, failed)

    def add_tiles(self, view: LayerView, plane: Plane, tiles: Sequence[MaskSet]) -> None:
        """Show the objects of more tiles of a plane whose search goes on."""
        if is_large(view, plane):
            self._for_large(view, plane).add_tiles(plane, tiles)

    @property
    def evidence(self) -> Evidence | None:
        """Evidence for the objects of a large plane, None where it is not known."""
        choice = None if self._large is None else self._large.choice
        return None if choice is None or self.shown is not choice.shown else choice.evidence

    def set_visible(self, visible: bool) -> None:
        """Show or hide the layer."""
        self._visible = visible
        if self.layer is not None:
            self.layer.visible = visible

    def remove(self) -> None:
        """Remove the layer from the viewer."""
        layer = self.layer
        self.forget()
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def forget(self) -> None:
        """Show nothing, because the layer was removed from the viewer."""
        self.layer = self._large = self.shown = None

    def _for_large(self, view: LayerView, plane: Plane) -> LargePreview:
        if self._large is None or not self._large.fits(plane):
            self.remove()
            self._large = LargePreview(self._jobs, view, plane)
            self._add(self._large.layer)
        return self._large

    def _add(self, layer: Any) -> None:
        self.layer = layer
        layer.visible = self._visible
        add_layer(self._viewer, layer)
