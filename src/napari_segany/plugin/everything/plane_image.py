"""Image layer of the Everything dock that a model draws plane by plane."""

from typing import Any, Protocol

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.image_source import ImageSource, Plane, plane_slices
from napari_segany.core.intensity import Limits
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.jobs.failures import PlaneFailures
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.sparse_array import zeros


class DrawPlane(Protocol):
    """A function that draws one plane, called in another thread."""

    def __call__(
        self,
        model: PromptableModel,
        plane: NDArray[np.generic],
        *,
        limits: Limits | None,
        progress: Progress | None,
        should_stop: ShouldStop | None,
    ) -> NDArray[np.float32]:
        """Return the (H, W) picture of a plane, 0..1."""
        ...


class PlaneImage:
    """Layer with a picture of the image that a controller works on.

    Parameters
    ----------
    controller : EverythingController
        Controller whose image, model and jobs are used; stopping it stops the drawing, too.
    title : str
        Name of the picture, added to that of the image.
    colormap : str
        Colormap of the layer.

    Attributes
    ----------
    layer : napari.layers.Image or None
        (..., H, W) float32, 0..1.
    remaining : list of tuple
        Planes that are still to be drawn.
    """

    def __init__(self, controller: EverythingController, title: str, colormap: str) -> None:
        self.controller, self.title, self.colormap = controller, title, colormap
        self.layer: Any = None
        self.remaining: list[Plane] = []
        self._failures = PlaneFailures()
        self._view: LayerView | None = None

    def stop(self) -> None:
        """Discard the planes that are still to be drawn."""
        self.remaining = []

    def draw(self, draw_plane: DrawPlane, every_plane: bool = False) -> None:
        """Draw the plane in view, or all planes parallel to it, as soon as there is a model.

        Parameters
        ----------
        draw_plane : callable
            Function that draws one plane.
        every_plane : bool
            Draw the whole stack; each plane is shown when it is done.

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

        def begin(model: PromptableModel) -> None:
            self.remaining, self._failures = list(planes), PlaneFailures()
            controller.clock.start(len(planes))
            for plane in planes:
                self._draw_plane(view, found.source, plane, model, draw_plane)
            controller.status.emit(f"Drawing {self.title} ...")

        controller.with_model(begin)

    def _draw_plane(
        self,
        view: LayerView,
        source: ImageSource,
        plane: Plane,
        model: PromptableModel,
        draw_plane: DrawPlane,
    ) -> None:
        controller = self.controller

        def work(should_stop: ShouldStop) -> NDArray[np.float32]:
            return draw_plane(
                model,
                source.read(plane),
                limits=source.limits,
                progress=controller.report,
                should_stop=should_stop,
            )

        def finish_plane() -> None:
            controller.clock.finish_plane()
            self.remaining = [each for each in self.remaining if each != plane]
            if not self.remaining:
                controller.status.emit(str(self._failures), "warning")

        def done(drawn: NDArray[np.float32]) -> None:
            if view is controller.view:
                layer = self._layer_of(view)
                layer.data[plane_slices(plane)] = drawn
                layer.refresh(extent=False)
            finish_plane()

        def failed(error: Exception) -> None:
            self._failures.add(plane, error)
            finish_plane()

        controller.jobs.submit((self.title, plane), Priority.VIEW, work, done, failed)

    def _layer_of(self, view: LayerView) -> Any:
        """Return the layer of an image, a new one if the layer was removed."""
        viewer = self.controller.viewer
        if self.layer is None or self._view is not view or self.layer not in viewer.layers:
            self._view = view
            self.layer = Image(
                zeros(view.shape, np.float32),
                name=f"{view.name} {self.title}",
                colormap=self.colormap,
                blending="additive",
                contrast_limits=(0, 1),
                **view.placement(),
            )
            add_layer(viewer, self.layer)
        return self.layer
