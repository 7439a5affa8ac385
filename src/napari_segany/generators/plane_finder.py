"""The finder that searches a plane: the one that is named, or the one that it was trained from."""

import logging

from napari_segany.core.notes import note
from napari_segany.generators.finder_params import FinderParams, require_finder
from napari_segany.models.finder import FinderModel
from napari_segany.models.plane_gate import describe_plane, plane_distance
from napari_segany.models.protocol import Embedding, PromptableModel

logger = logging.getLogger(__name__)


def choose_finder(
    model: PromptableModel, params: FinderParams, embedding: Embedding
) -> FinderModel:
    """Return the finder of the parameters, or its base for planes that it was not trained for.

    A note says so. The choice depends on the plane alone.

    Parameters
    ----------
    model : PromptableModel
        The model whose image encoder both read.
    params : FinderParams
        With everything filled in (``params.resolved_for(model)``).
    embedding : Embedding
        Of the whole plane, with stages.

    Raises
    ------
    InputError
        If one of both is not on this machine.
    """
    finder = require_finder(model, params.finder)
    gate = finder.card.gate
    if gate is None or params.finder_everywhere:
        return finder
    apart = plane_distance(gate, describe_plane(embedding))
    if apart <= gate.limit:
        return finder
    note(
        logger,
        "A plane is unlike those that the finder %s... was trained on (distance %.2f, limit %.2f): "
        "the finder that it was trained from searches it. finder_everywhere changes that.",
        finder.sha256[:12],
        apart,
        gate.limit,
    )
    return require_finder(model, finder.card.base)
