"""Likeness of a plane to the planes that a finder was trained on.

A plane is described by mean and spread of what the image encoder computed of it, which the finder
reads anyway. A finder that was trained on few planes of one kind becomes worse on all other kinds,
so it is used only for planes whose description is near to those of its own.
"""

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError
from napari_segany.models.protocol import Embedding
from napari_segany.models.sam.embedded_plane import SamEmbedding
from napari_segany.weights.finder_card import PlaneGate

LIMIT = 0.7
"""Distance up to which planes count as of one kind, chosen on the kinds of the training sets:
``benchmarks/plane_gate.py`` prints how many planes it tells right."""

MOST_REFERENCES = 32
"""References of a gate."""

DIGITS = 4
"""Decimals of the numbers of a reference."""


def describe_plane(embedding: Embedding) -> NDArray[np.float64]:
    """Return the description of a plane, (D,) float64.

    Mean and standard deviation over the cells that the plane covers of the embedding and of each
    of the encoder's stages, each of these as a vector of length 1. The number of threads changes
    no bit.

    Parameters
    ----------
    embedding : Embedding
        From ``model.embed(plane, stages=True)``.

    Raises
    ------
    InputError
        If the embedding is not of a model of the SAM family, or has no stages.
    """
    if not (isinstance(embedding, SamEmbedding) and embedding.stages):
        raise InputError("A plane is described by an embedding with stages of the SAM family.")
    parts: list[NDArray[np.float64]] = []
    for features in (embedding.features, *embedding.stages):
        rows, cols = embedding.frame.cells_used(features.shape[-1])
        values = features[:, :rows, :cols].float().cpu().numpy()
        parts += (
            values.mean(axis=(1, 2), dtype=np.float64),
            values.std(axis=(1, 2), dtype=np.float64),
        )
    return np.concatenate([each / max(float(np.linalg.norm(each)), 1e-12) for each in parts])


def make_gate(descriptions: NDArray[np.float64], limit: float = LIMIT) -> PlaneGate:
    """Return the gate for planes like those of (R, D) descriptions; the same one in any order.

    Of more than ``MOST_REFERENCES``, as many are kept, evenly spaced in the order of their values.
    """
    found = sorted({tuple(np.round(each, DIGITS).tolist()) for each in descriptions})
    step = -(-len(found) // MOST_REFERENCES)
    return PlaneGate(tuple(found[::step]), limit)


def plane_distance(gate: PlaneGate, description: NDArray[np.float64]) -> float:
    """Return the distance of a plane from the nearest reference of a gate, 0 or more.

    Raises
    ------
    InputError
        If the description has another length.
    """
    references = np.array(gate.references)
    if references.shape[1:] != description.shape:
        raise InputError(
            f"The finder's planes are described by {references.shape[-1]} numbers, and this one by "
            f"{len(description)}."
        )
    return float(np.linalg.norm(references - description, axis=1).min())
