"""Image layer of the Everything dock with the foreground that the finder sees."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams, require_finder
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.models.finder import find_finder
from napari_segany.models.protocol import PromptableModel
from napari_segany.models.searching import searching_model
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.plane_image import PlaneImage


def draw_foreground(
    model: PromptableModel,
    plane: NDArray[np.generic],
    *,
    finder: str | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> NDArray[np.float32]:
    """Return the (H, W) probability, 0..1, that the finder gives each pixel to lie in an object.

    Without ``finder``, the hash of one, it is the finder that fits the model.

    Raises
    ------
    InputError
        If no finder fits the model, the one that is named is not here, or the model is on another
        machine.
    """
    del progress
    if searching_model(model) is not None:
        raise InputError(f"{model.id} is on another machine; the foreground stays there.")
    found = find_finder(model) if finder is None else require_finder(model, finder)
    if found is None:
        raise InputError(f"No finder fits {model.id}, so there is no foreground to show.")
    rgb = to_rgb(plane, limits)
    embedding = model.embed(rgb, should_stop=should_stop, stages=True)
    maps = found.predict_maps(embedding, rgb, should_stop=should_stop)
    rows, cols = maps.shape
    cells = torch.zeros(maps.side, maps.side)
    cells[:rows, :cols] = torch.from_numpy(maps.foreground)
    # As masks are enlarged, so that the picture lies on them.
    pixels, _ = maps.frame.enlarge_within(cells, (0, 0, rows, cols))
    drawn: NDArray[np.float32] = pixels.numpy()
    return drawn


class ForegroundLayer(PlaneImage):
    """Layer with the finder's foreground of the image that a controller works on.

    Parameters
    ----------
    controller : EverythingController
        Controller whose image, model and jobs are used.
    """

    def __init__(self, controller: EverythingController) -> None:
        super().__init__(controller, "foreground", "viridis")

    def find(self, every_plane: bool = False, params: GeneratorParams | None = None) -> None:
        """Draw the foreground of the plane in view, or of all planes parallel to it.

        Parameters
        ----------
        every_plane : bool
            Draw the whole stack; each plane is shown when it is done.
        params : GeneratorParams, optional
            Parameters of the search, whose finder is asked if they name one.

        Raises
        ------
        InputError
            If there is no image.
        """
        finder = params.finder if isinstance(params, FinderParams) else None
        self.draw(partial(draw_foreground, finder=finder), every_plane)
