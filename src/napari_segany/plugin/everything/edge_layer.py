"""Edge maps in a viewer: drawn beside the GUI thread, into an image layer over the picture."""

from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ImageSource, Plane, plane_slices
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.jobs.failures import Failures
from napari_segany.plugin.jobs.queue import EMBED
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.sparse_array import empty
from napari_segany.zero_shot.edges import find_edges


class EdgeLayer:
    """Draws the edges of what a finder works on.

    Parameters
    ----------
    finder : EverythingController
        Whose picture, model and threads are used; stopping it stops this, too.

    Attributes
    ----------
    layer : napari.layers.Image or None
        (..., H, W) float32, 0..1, of the picture in work.
    to_do : list of tuple
        Planes that are not drawn yet.
    """

    def __init__(self, finder: EverythingController) -> None:
        self.finder = finder
        self.layer: Any = None
        self.to_do: list[Plane] = []
        self._failed = Failures()
        self._picture: LayerView | None = None

    def stop(self) -> None:
        """Draw nothing more; planes that were drawn stay."""
        self.to_do = []

    def find(self, every_plane: bool = False, thin: bool = False) -> None:
        """Draw the edges of the plane in view, or of all parallel to it, once there is a model.

        Parameters
        ----------
        every_plane : bool
            Draw the whole stack; planes show as they come.
        thin : bool
            One pixel wide, as benchmarks want them; else as wide as outlines are.

        Raises
        ------
        InputError
            If there is no image.
        """
        finder = self.finder
        to_do = finder.planes(every_plane)
        picture, everything = finder.picture, finder.everything
        assert picture is not None
        assert everything is not None

        def draw(model: PromptableModel) -> None:
            self.to_do, self._failed = list(to_do), Failures()
            for plane in to_do:
                self._draw(picture, everything.source, plane, model, thin)
            finder.status.emit("Drawing edges ...")

        finder.with_model(draw)

    def _draw(
        self,
        picture: LayerView,
        source: ImageSource,
        plane: Plane,
        model: PromptableModel,
        thin: bool,
    ) -> None:
        finder = self.finder

        def work(should_stop: ShouldStop) -> NDArray[np.float32]:
            return find_edges(
                model,
                source.read(plane),
                thin=thin,
                limits=source.limits,
                progress=finder.report,
                should_stop=should_stop,
            )

        def ended() -> None:
            self.to_do = [each for each in self.to_do if each != plane]
            if not self.to_do:
                finder.status.emit(str(self._failed))

        def done(edges: NDArray[np.float32]) -> None:
            if picture is finder.picture:
                layer = self._layer_of(picture)
                layer.data[plane_slices(plane)] = edges
                layer.refresh(extent=False)
            ended()

        def failed(error: Exception) -> None:
            self._failed.add(plane, error)
            ended()

        finder.jobs.submit(("edges", plane), EMBED, work, done, failed)

    def _layer_of(self, picture: LayerView) -> Any:
        """The layer of a picture; a new one if somebody removed it."""
        viewer = self.finder.viewer
        if self.layer is None or self._picture is not picture or self.layer not in viewer.layers:
            self._picture = picture
            self.layer = Image(
                empty(picture.shape, np.float32),
                name=f"{picture.name} edges",
                colormap="magma",
                blending="additive",
                contrast_limits=(0, 1),
                **picture.placement(),
            )
            viewer.add_layer(self.layer)
        return self.layer
