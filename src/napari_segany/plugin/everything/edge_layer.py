"""Image layer of the Everything dock with the edges of all objects."""

from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ImageSource, Plane, plane_slices
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.jobs.failures import PlaneFailures
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.zero_shot.edges import find_edges


class EdgeLayer:
    """Layer with the edges of the image that a controller works on.

    Parameters
    ----------
    controller : EverythingController
        Controller whose image, model and jobs are used; stopping it stops the drawing, too.

    Attributes
    ----------
    layer : napari.layers.Image or None
        (..., H, W) float32 edges, 0..1.
    remaining : list of tuple
        Planes that are still to be drawn.
    """

    def __init__(self, controller: EverythingController) -> None:
        self.controller = controller
        self.layer: Any = None
        self.remaining: list[Plane] = []
        self._failures = PlaneFailures()
        self._view: LayerView | None = None

    def stop(self) -> None:
        """Discard the planes that are still to be drawn."""
        self.remaining = []

    def find(self, every_plane: bool = False, thin: bool = False) -> None:
        """Draw the edges of the plane in view, or of all planes parallel to it, with the model.

        Parameters
        ----------
        every_plane : bool
            Draw the whole stack; each plane is shown when it is done.
        thin : bool
            Draw edges one pixel wide, as benchmarks need them; else outlines of several pixels.

        Raises
        ------
        InputError
            If there is no image.
        """
        controller = self.controller
        planes = controller.planes(every_plane)
        view, found = controller.view, controller.found
        assert view is not None
        assert found is not None

        def draw(model: PromptableModel) -> None:
            self.remaining, self._failures = list(planes), PlaneFailures()
            for plane in planes:
                self._draw_plane(view, found.source, plane, model, thin)
            controller.status.emit("Drawing edges ...")

        controller.with_model(draw)

    def _draw_plane(
        self, view: LayerView, source: ImageSource, plane: Plane, model: PromptableModel, thin: bool
    ) -> None:
        controller = self.controller

        def work(should_stop: ShouldStop) -> NDArray[np.float32]:
            return find_edges(
                model,
                source.read(plane),
                thin=thin,
                limits=source.limits,
                progress=controller.report,
                should_stop=should_stop,
            )

        def finish_plane() -> None:
            self.remaining = [each for each in self.remaining if each != plane]
            if not self.remaining:
                controller.status.emit(str(self._failures), "warning")

        def done(edges: NDArray[np.float32]) -> None:
            if view is controller.view:
                layer = self._layer_of(view)
                layer.data[plane_slices(plane)] = edges
                layer.refresh(extent=False)
            finish_plane()

        def failed(error: Exception) -> None:
            self._failures.add(plane, error)
            finish_plane()

        controller.jobs.submit(("edges", plane), Priority.VIEW, work, done, failed)

    def _layer_of(self, view: LayerView) -> Any:
        """Return the layer of an image, a new one if the layer was removed."""
        viewer = self.controller.viewer
        if self.layer is None or self._view is not view or self.layer not in viewer.layers:
            self._view = view
            self.layer = Image(
                zeros(view.shape, np.float32),
                name=f"{view.name} edges",
                colormap="magma",
                blending="additive",
                contrast_limits=(0, 1),
                **view.placement(),
            )
            viewer.add_layer(self.layer)
        return self.layer
