"""Labels against labels: which objects were found, and the scores that the literature reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from napari_segany.errors import InputError

THRESHOLDS = tuple(round(0.5 + 0.05 * n, 2) for n in range(10))
"""IoU from 0.5 to 0.95 in steps of 0.05, as in COCO."""

MATCHED = 0.5
"""IoU from which an object counts as found."""

MOST = 0.5
"""Share of an object's pixels from which it lies "in" another one."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Objects of two label images that overlap.

    Attributes
    ----------
    truth_ids, found_ids : ndarray
        (T,) and (F,) labels, ascending.
    truth_area, found_area : ndarray
        (T,) and (F,) pixels.
    pairs : ndarray
        (P, 2) positions in ``truth_ids`` and ``found_ids`` of objects that share pixels.
    shared : ndarray
        (P,) pixels that each pair shares.
    """

    truth_ids: NDArray[np.int64]
    found_ids: NDArray[np.int64]
    truth_area: NDArray[np.int64]
    found_area: NDArray[np.int64]
    pairs: NDArray[np.intp]
    shared: NDArray[np.int64]

    @classmethod
    def of(cls, truth: NDArray[np.integer], found: NDArray[np.integer]) -> "Comparison":
        """Compare two label images of one shape; 0 is background.

        Raises
        ------
        InputError
            If the shapes differ.
        """
        if truth.shape != found.shape:
            raise InputError(
                f"Labels of shape {found.shape} cannot be compared with truth of {truth.shape}."
            )
        truth_values, truth_at = np.unique(truth, return_inverse=True)
        found_values, found_at = np.unique(found, return_inverse=True)
        width = len(found_values)
        counts = np.bincount(
            truth_at.ravel() * width + found_at.ravel(), minlength=len(truth_values) * width
        ).reshape(len(truth_values), width)
        real, other = truth_values > 0, found_values > 0
        table = counts[np.ix_(real, other)]
        pairs = np.argwhere(table > 0)
        return cls(
            truth_ids=truth_values[real].astype(np.int64),
            found_ids=found_values[other].astype(np.int64),
            truth_area=counts[real].sum(axis=1).astype(np.int64),
            found_area=counts[:, other].sum(axis=0).astype(np.int64),
            pairs=pairs,
            shared=table[tuple(pairs.T)].astype(np.int64),
        )

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """(P,) intersection over union of each pair."""
        i, j = self.pairs.T
        union = self.truth_area[i] + self.found_area[j] - self.shared
        return np.asarray(self.shared / np.maximum(union, 1), np.float64)

    @property
    def best_iou(self) -> NDArray[np.float64]:
        """(T,) IoU of each true object with what fits it best; 0 if nothing touches it."""
        best = np.zeros(len(self.truth_ids))
        np.maximum.at(best, self.pairs[:, 0], self.iou)
        return best

    def matched(self, threshold: float) -> NDArray[np.intp]:
        """Positions in ``pairs`` of a largest one-to-one matching with at least this IoU."""
        fits = np.flatnonzero(self.iou >= threshold)
        if not len(fits):
            return fits
        i, j = self.pairs[fits].T
        shape = len(self.truth_ids), len(self.found_ids)
        # Above one half no object fits two others; at one half itself it may.
        graph = csr_array((np.ones(len(fits), np.int8), (i, j)), shape=shape)
        chosen = maximum_bipartite_matching(graph, perm_type="column")
        kept: NDArray[np.intp] = fits[chosen[i] == j]
        return kept


@dataclass(frozen=True)
class InstanceScores:
    """Scores of one label image.

    Attributes
    ----------
    truth, found : int
        Numbers of objects.
    true_positives : tuple of int
        At each of :data:`THRESHOLDS`.
    msa : float
        Mean over these of TP / (TP + FP + FN), as in the Data Science Bowl 2018.
    sa50 : float
        The same at an IoU of 0.5.
    f1 : float
        2 TP / (2 TP + FP + FN) at 0.5.
    precision, recall : float
        At 0.5.
    panoptic_quality : float
        Sum of the IoU of matches at 0.5, over TP + FP / 2 + FN / 2 (Kirillov et al., 2019).
    mean_iou : float
        Mean over true objects of the best IoU.
    """

    truth: int
    found: int
    true_positives: tuple[int, ...]
    msa: float
    sa50: float
    f1: float
    precision: float
    recall: float
    panoptic_quality: float
    mean_iou: float


def score(comparison: Comparison) -> InstanceScores:
    """Score one image; where there is nothing to find and nothing was found, all scores are 1."""
    truth, found = len(comparison.truth_ids), len(comparison.found_ids)
    matches = [comparison.matched(threshold) for threshold in THRESHOLDS]
    hits = [len(each) for each in matches]
    if truth + found == 0:
        return InstanceScores(0, 0, tuple(hits), *[1.0] * 7)

    def over(part: float, whole: float) -> float:
        return float(part / whole) if whole else 0.0

    accuracy = [over(tp, truth + found - tp) for tp in hits]
    tp = hits[0]
    return InstanceScores(
        truth=truth,
        found=found,
        true_positives=tuple(hits),
        msa=float(np.mean(accuracy)),
        sa50=accuracy[0],
        f1=over(2 * tp, truth + found),
        precision=over(tp, found),
        recall=over(tp, truth),
        panoptic_quality=over(comparison.iou[matches[0]].sum(), (truth + found) / 2),
        mean_iou=float(comparison.best_iou.mean()) if truth else 0.0,
    )


NAMES = ("msa", "sa50", "f1", "precision", "recall", "panoptic_quality", "mean_iou")


def averaged(scores: Sequence[InstanceScores]) -> Mapping[str, float]:
    """Means over images."""
    return {name: float(np.mean([getattr(each, name) for each in scores])) for name in NAMES}


KINDS: MappingProxyType[str, str] = MappingProxyType(
    {
        "right": "found, with an IoU of at least one half",
        "inexact": "found by one object, with a lower IoU",
        "missed": "no object lies mostly in it or covers most of it",
        "split": "several objects lie mostly in it",
        "merged": "one object covers most of it and of others",
        "false": "an object that belongs to no true one",
    }
)
"""What can become of an object."""


@dataclass(frozen=True)
class Verdict:
    """What became of one object.

    Attributes
    ----------
    kind : str
        See :data:`KINDS`; "false" is about an object that was found, the others about true ones.
    truth_id, found_id : int
        Labels; 0 where there is none.
    iou : float
        With what fits best.
    """

    kind: str
    truth_id: int
    found_id: int
    iou: float


def verdicts(comparison: Comparison) -> list[Verdict]:
    """One for each true object, in order, and then one for each object that is false."""
    i, j = comparison.pairs.T
    inside = comparison.shared > MOST * comparison.found_area[j]
    covers = comparison.shared > MOST * comparison.truth_area[i]
    right = np.zeros(len(i), bool)
    right[comparison.matched(MATCHED)] = True
    covered_by = np.bincount(j[covers], minlength=len(comparison.found_ids))
    out = []
    for t, truth_id in enumerate(comparison.truth_ids.tolist()):
        mine = np.flatnonzero(i == t)
        best = mine[np.argmax(comparison.iou[mine])] if len(mine) else None
        found_id = 0 if best is None else int(comparison.found_ids[j[best]])
        iou = 0.0 if best is None else float(comparison.iou[best])
        if right[mine].any():
            kind = "right"
        elif (covered_by[j[mine[covers[mine]]]] > 1).any():
            kind = "merged"
        elif inside[mine].sum() > 1:
            kind = "split"
        elif (inside | covers)[mine].any():
            kind = "inexact"
        else:
            kind, found_id = "missed", 0
        out.append(Verdict(kind, truth_id, found_id, iou))
    related = set(j[inside | covers | right].tolist())
    best_of_found = np.zeros(len(comparison.found_ids))
    np.maximum.at(best_of_found, j, comparison.iou)
    out += [
        Verdict("false", 0, found_id, float(best_of_found[f]))
        for f, found_id in enumerate(comparison.found_ids.tolist())
        if f not in related
    ]
    return out
