"""Edge maps against the boundaries that people drew: the protocol of BSDS500.

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
"""Of the image's diagonal."""

STEPS = 99
"""Thresholds between 0 and 1."""


@dataclass(frozen=True, eq=False)
class BoundaryCounts:
    """Pixels of one image at each threshold.

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
    """Scores of a set of images.

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
        Of ODS.
    """

    ods: float
    ois: float
    ap: float
    r50: float
    threshold: float


def match(
    edges: NDArray[np.bool_], truth: NDArray[np.bool_], radius: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match pixels of two maps one to one within a distance, as many as can be.

    Returns
    -------
    ndarray, ndarray
        (H, W) boolean: which pixels of each map are matched.
    """
    here, there = np.argwhere(edges), np.argwhere(truth)
    mine, theirs = _matched(_near(here, there, radius))
    right, found = np.zeros(edges.shape, bool), np.zeros(truth.shape, bool)
    right[tuple(here[mine].T)] = True
    found[tuple(there[theirs].T)] = True
    return right, found


def _near(here: NDArray[np.intp], there: NDArray[np.intp], radius: float) -> csr_array:
    """(N, M) which pixels lie within the radius of which."""
    if not len(here) or not len(there):
        return csr_array((len(here), len(there)), dtype=np.int32)
    near = cKDTree(here).sparse_distance_matrix(cKDTree(there), radius, output_type="coo_matrix")
    ones = np.ones(near.nnz, np.int32)
    return csr_array((ones, (near.row, near.col)), shape=(len(here), len(there)))


def _matched(near: csr_array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a largest one-to-one matching.

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


def count(
    edges: NDArray[np.floating],
    annotators: Sequence[NDArray[np.bool_]],
    steps: int = STEPS,
    tolerance: float = TOLERANCE,
    should_stop: ShouldStop | None = None,
) -> BoundaryCounts:
    """Count one image.

    Parameters
    ----------
    edges : ndarray
        (H, W), 0..1; what is above a threshold is thinned to a pixel's width.
    annotators : sequence of ndarray
        (H, W) boundaries of each.
    steps : int
        Thresholds n / (steps + 1).
    tolerance : float
        Of the diagonal.
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
    # What is near what is the same for all thresholds.
    near = [_near(np.argwhere(pixels), np.argwhere(truth), radius) for truth in annotators]
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
            mine, theirs = _matched(neighbours[here])
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


def score(images: Sequence[BoundaryCounts]) -> BoundaryScores:
    """Scores over images: ODS, OIS, AP and R50."""
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


def curve(
    images: Sequence[BoundaryCounts],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall of all images together at each threshold."""
    each = [np.stack([c.found_right, c.found, c.true_found, c.true]) for c in images]
    return _rates(np.sum(each, axis=0))


def best_f(image: BoundaryCounts) -> float:
    """F of one image at its best threshold."""
    return float(_f(*curve([image])).max())


def average_precision(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Precision over recalls 0, 0.01 ... 1, interpolated, 0 where recall is never reached.

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
    """The largest recall with at least this precision, between thresholds linearly."""
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


def intervals(
    images: Sequence[BoundaryCounts], repeats: int = 200, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Intervals of all scores, by drawing images again with replacement."""
    random = np.random.default_rng(0)
    rows = []
    for _ in range(repeats):
        drawn = random.integers(len(images), size=len(images))
        scores = score([images[i] for i in drawn])
        rows.append((scores.ods, scores.ois, scores.ap, scores.r50))
    low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2], axis=0)
    names = ("ods", "ois", "ap", "r50")
    return {n: (float(a), float(b)) for n, a, b in zip(names, low, high, strict=True)}
