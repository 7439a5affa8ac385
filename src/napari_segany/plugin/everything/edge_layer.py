"""Image layer of the Everything dock with the edges of all objects."""

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.plane_image import PlaneImage
from napari_segany.zero_shot.edges import find_edges


class EdgeLayer(PlaneImage):
    """Layer with the edges of the image that a controller works on.

    Parameters
    ----------
    controller : EverythingController
        Controller whose image, model and jobs are used.
    """

    def __init__(self, controller: EverythingController) -> None:
        super().__init__(controller, "edges", "magma")

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

        def draw_edges(
            model: PromptableModel,
            plane: NDArray[np.generic],
            *,
            limits: Limits | None,
            progress: Progress | None,
            should_stop: ShouldStop | None,
        ) -> NDArray[np.float32]:
            return find_edges(
                model,
                plane,
                thin=thin,
                limits=limits,
                progress=progress,
                should_stop=should_stop,
            )

        self.draw(draw_edges, every_plane)
