"""Labels that a finder proposes for a plane, and the doubt about them."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.rasterize import paint
from napari_segany.generators.finder_params import FinderParams, require_finder
from napari_segany.generators.generate import generate_masks
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import LabelParams
from napari_segany.training.project import Doubt


@dataclass(frozen=True)
class Proposal:
    """Labels that a finder proposes.

    Attributes
    ----------
    labels : ndarray
        (H, W) whole numbers.
    doubt : Doubt
        About these labels.
    """

    labels: NDArray[np.unsignedinteger]
    doubt: Doubt


def propose(
    model: PromptableModel,
    rgb: NDArray[np.uint8],
    finder: str | None = None,
    should_stop: ShouldStop | None = None,
) -> Proposal:
    """Find the objects of a plane with a finder's defaults.

    Parameters
    ----------
    model : PromptableModel
        The model.
    rgb : ndarray
        (H, W, 3) uint8.
    finder : str, optional
        Hash of the finder; by default the one that fits the model.
    should_stop : callable, optional
        Polled often.

    Raises
    ------
    InputError
        If there is no such finder.
    """
    params = FinderParams(finder=finder)
    require_finder(model, finder)
    masks = generate_masks(model, rgb, params, should_stop=should_stop, refilter=False)
    labels, _ = paint(masks, **asdict(LabelParams()))
    return Proposal(labels, Doubt.of(finder, masks.predicted_iou))
