"""Edge maps against annotated boundaries: the protocol of BSDS500.

Arbelaez, Maire, Fowlkes and Malik, "Contour Detection and Hierarchical Image Segmentation", 2011.
An edge pixel is right if it can be matched, one to one, with a boundary pixel of an annotator
within 0.0075 of the image's diagonal. Precision counts pixels that are right for any annotator,
recall the boundary pixels of all annotators that are found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow
from scipy.spatial import cKDTree
from skimage.morphology import thin

from napari_segany.core.callbacks import ShouldStop, check

TOLERANCE = 0.0075
"""Matching distance as a fraction of the image's diagonal."""

STEPS = 99
"""Number of thresholds between 0 and 1."""


@dataclass(frozen=True, eq=False)
class BoundaryCounts:
    """Pixel counts of one image at each threshold.

    Attributes
    ----------
    found_right, found : ndarray
        (T,) edge pixels that match any annotator's, and all of them.
    true_found, true : ndarray
        (T,) boundary pixels that are matched, and all, summed over annotators.
    """

    found_right: NDArray[np.int64]
    found: NDArray[np.int64]
    true_found: NDArray[np.int64]
    true: NDArray[np.int64]


@dataclass(frozen=True)
class BoundaryScores:
    """Boundary scores of a set of images.

    Attributes
    ----------
    ods : float
        Best F at one threshold for all images.
    ois : float
        F with the best threshold of each image.
    ap : float
        Area under precision over recall.
    r50 : float
        Recall at a precision of one half.
    threshold : float
        Threshold of ODS.
    """

    ods: float
    ois: float
    ap: float
    r50: float
    threshold: float


def neighbours_within(here: NDArray[np.intp], there: NDArray[np.intp], radius: float) -> csr_array:
    """Return which of N and M pixels lie within a distance of each other.

    Parameters
    ----------
    here, there : ndarray
        (N, 2) and (M, 2) rows and columns.
    radius : float
        The distance in pixels.

    Returns
    -------
    csr_array
        (N, M), 1 where they do.
    """
    if not len(here) or not len(there):
        return csr_array((len(here), len(there)), dtype=np.int32)
    near = cKDTree(here).sparse_distance_matrix(cKDTree(there), radius, output_type="coo_matrix")
    ones = np.ones(near.nnz, np.int32)
    return csr_array((ones, (near.row, near.col)), shape=(len(here), len(there)))


def match_one_to_one(near: csr_array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of a largest one-to-one matching.

    Parameters
    ----------
    near : csr_array
        (N, M), 1 where two may be matched.

    Returns
    -------
    ndarray, ndarray
        The rows and the columns that are matched, each in order.

    Notes
    -----
    As a flow from a source through every row and column to a sink, all of capacity one: scipy's
    matching of bipartite graphs takes a thousand times longer on some of these graphs.
    """
    n, m = near.shape
    if not near.nnz:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    pairs = near.tocoo()
    source, sink = n + m, n + m + 1
    starts = np.concatenate([np.full(n, source), pairs.row, np.arange(n, n + m)])
    ends = np.concatenate([np.arange(n), pairs.col + n, np.full(m, sink)])
    capacity = csr_array((np.ones(len(starts), np.int32), (starts, ends)), shape=(sink + 1,) * 2)
    flow = maximum_flow(capacity, source, sink, method="dinic").flow
    out, back = flow[[source]].tocoo(), flow[[sink]].tocoo()
    return out.col[out.data > 0], back.col[back.data < 0] - n


def count_boundaries(
    edges: NDArray[np.floating],
    annotators: Sequence[NDArray[np.bool_]],
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
    should_stop: ShouldStop | None = None,
) -> BoundaryCounts:
    """Count the matched edge and boundary pixels of one image.

    Parameters
    ----------
    edges : ndarray
        (H, W), 0..1; what is above a threshold is thinned to a pixel's width.
    annotators : sequence of ndarray
        (H, W) boundaries of each.
    steps : int
        Thresholds n / (steps + 1).
    tolerance : float
        Matching distance as a fraction of the image's diagonal.
    should_stop : callable, optional
        Polled at each threshold.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    edges = np.asarray(edges)
    radius = tolerance * float(np.hypot(*edges.shape))
    thresholds = np.arange(1, steps + 1) / (steps + 1)
    out = np.zeros((4, steps), np.int64)
    pixels = edges >= thresholds[0]
    position = np.cumsum(pixels.ravel()).reshape(pixels.shape) - 1
    # Neighbourhoods are the same for all thresholds.
    ours = np.argwhere(pixels)
    near = [neighbours_within(ours, np.argwhere(truth), radius) for truth in annotators]
    before: tuple[int, NDArray[np.int64]] | None = None
    for t, threshold in enumerate(thresholds):
        check(should_stop)
        above = edges >= threshold
        # Nothing new between two thresholds: the same pixels, the same counts.
        if before is not None and before[0] == above.sum():
            out[:, t] = before[1]
            continue
        here = position[thin(above)]
        right = np.zeros(len(here), bool)
        for neighbours in near:
            mine, theirs = match_one_to_one(neighbours[here])
            right[mine] = True
            out[2, t] += len(theirs)
            out[3, t] += neighbours.shape[1]
        out[0, t], out[1, t] = right.sum(), len(here)
        before = int(above.sum()), out[:, t].copy()
    return BoundaryCounts(*out)


def _f(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    total = precision + recall
    return np.where(total > 0, 2 * precision * recall / np.maximum(total, 1e-12), 0.0)


def _rates(
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    right, found, true_found, true = counts.astype(np.float64)
    precision = np.where(found > 0, right / np.maximum(found, 1), 0.0)
    recall = np.where(true > 0, true_found / np.maximum(true, 1), 0.0)
    return precision, recall


def score_boundaries(images: Sequence[BoundaryCounts]) -> BoundaryScores:
    """Return the scores over images: ODS, OIS, AP and R50."""
    each = np.stack([np.stack([c.found_right, c.found, c.true_found, c.true]) for c in images])
    total = each.sum(axis=0)
    precision, recall = _rates(total)
    f = _f(precision, recall)
    best = np.array([int(np.argmax(_f(*_rates(counts)))) for counts in each])
    chosen = each[np.arange(len(each)), :, best].sum(axis=0)[:, None]
    steps = each.shape[-1]
    return BoundaryScores(
        ods=float(f.max()),
        ois=float(_f(*_rates(chosen))[0]),
        ap=average_precision(precision, recall),
        r50=_recall_at(precision, recall, 0.5),
        threshold=float((np.argmax(f) + 1) / (steps + 1)),
    )


def precision_recall_curve(
    images: Sequence[BoundaryCounts],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision and recall over all images at each threshold."""
    each = [np.stack([c.found_right, c.found, c.true_found, c.true]) for c in images]
    return _rates(np.sum(each, axis=0))


def best_f(image: BoundaryCounts) -> float:
    """Return the F-score of one image at its best threshold."""
    return float(_f(*precision_recall_curve([image])).max())


def average_precision(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Return mean interpolated precision at recalls 0, 0.01 ... 1; 0 where recall is not reached.

    Summed in steps of 0.01, and 0 for a map of which only one recall is known, as in the code of
    the benchmark.
    """
    order = np.argsort(recall, kind="stable")
    known, index = np.unique(recall[order], return_index=True)
    if len(known) < 2:
        return 0.0
    values = precision[order][index]
    at = np.linspace(0, 1, 101)
    inside = (at >= known[0]) & (at <= known[-1])
    return float(np.interp(at, known, values)[inside].sum() * 0.01)


def _recall_at(precision: NDArray[np.float64], recall: NDArray[np.float64], wanted: float) -> float:
    """Return the largest recall with at least this precision, interpolated between thresholds."""
    order = np.argsort(recall, kind="stable")
    p, r = precision[order], recall[order]
    good = np.flatnonzero(p >= wanted)
    if not len(good):
        return 0.0
    last = good[-1]
    if last == len(p) - 1 or p[last] == p[last + 1]:
        return float(r[last])
    share = (p[last] - wanted) / (p[last] - p[last + 1])
    return float(r[last] + share * (r[last + 1] - r[last]))


def confidence_intervals(
    images: Sequence[BoundaryCounts], repeats: int = 200, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Return bootstrap confidence intervals of all scores."""
    random = np.random.default_rng(0)
    rows = []
    for _ in range(repeats):
        drawn = random.integers(len(images), size=len(images))
        scores = score_boundaries([images[i] for i in drawn])
        rows.append((scores.ods, scores.ois, scores.ap, scores.r50))
    low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2], axis=0)
    names = ("ods", "ois", "ap", "r50")
    return {n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True)}
