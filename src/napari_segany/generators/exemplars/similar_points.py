"""Points of a plane whose features resemble those of examples."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.generators.exemplars.descriptors import FeatureLookup
from napari_segany.generators.exemplars.example_set import ExampleSet, Exemplar, thaw
from napari_segany.models.protocol import Embedding, PromptableModel

CELLS = 64
"""Cells along the longer side of the plane at most, in which features are compared."""

STEP = 0.4
"""Side of a cell in sides of the examples, at least."""

APART = 0.5
"""Least distance of two points in sides of the examples."""


def find_similar_points(
    model: PromptableModel,
    embedding: Embedding,
    examples: ExampleSet,
    free: NDArray[np.bool_],
    count: int,
) -> NDArray[np.float64]:
    """Return the (P, 2) row, column of at most ``count`` points, most similar first.

    Parameters
    ----------
    model : PromptableModel
        The model that made the embedding.
    embedding : Embedding
        Of the plane, with the stages that the examples have.
    examples : ExampleSet
        Features of the objects, of what is around them, and of negatives.
    free : ndarray
        (H, W) boolean, True where points may lie.
    count : int
        Most points.
    """
    height, width = embedding.shape
    step = max(max(height, width) / CELLS, STEP * examples.side, 1.0)
    shape = max(int(np.ceil(height / step)), 1), max(int(np.ceil(width / step)), 1)
    rows = (np.arange(shape[0]) + 0.5) * height / shape[0] - 0.5
    cols = (np.arange(shape[1]) + 0.5) * width / shape[1] - 0.5
    grid = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    pixels = np.rint(grid).astype(np.int64)
    features = FeatureLookup.of(model, embedding).features(list(pixels[:, None]))
    rated = rate_features(features, examples).reshape(shape)
    smooth = ndimage.gaussian_filter(rated, 0.5)
    apart = max(2 * int(APART * examples.side / step) + 1, 1)
    peaks = (smooth == ndimage.maximum_filter(smooth, apart)) & (rated > 0)
    peaks &= free[pixels[:, 0], pixels[:, 1]].reshape(shape)
    at = np.flatnonzero(peaks.ravel())
    best = at[np.argsort(-smooth.ravel()[at], kind="stable")][:count]
    points: NDArray[np.float64] = pixels[best].astype(np.float64)
    return points


def rate_features(features: NDArray[np.float32], examples: ExampleSet) -> NDArray[np.float64]:
    """Return how much nearer (N, C) features are to examples than to what is not wanted."""
    alike, around = _most_similar(features, examples.examples)
    rated = alike - around
    if examples.negatives:
        unlike, _ = _most_similar(features, examples.negatives)
        rated = np.minimum(rated, alike - unlike)
    return rated


def _most_similar(
    features: NDArray[np.float32], examples: tuple[Exemplar, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (N,) similarity to the nearest of some examples, and to what is around it."""
    columns = thaw(examples)
    alike, around = (
        np.einsum("nc,ec->ne", features.astype(np.float64), columns[name].astype(np.float64))
        for name in ("inside", "around")
    )
    nearest = alike.argmax(axis=1)
    every = np.arange(len(features))
    return alike[every, nearest], around[every, nearest]
