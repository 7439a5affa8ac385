"""Instance segmentation scores: matches of objects, and the scores of the literature."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from napari_segany.evaluation.contingency import ContingencyTable, summed

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * n, 2) for n in range(10))
"""IoU thresholds from 0.5 to 0.95 in steps of 0.05, as in COCO."""

MATCH_IOU = 0.5
"""IoU from which an object counts as found."""

MAJORITY = 0.5
"""Fraction of an object's pixels above which it lies in another one."""


@dataclass(frozen=True, eq=False)
class ObjectOverlaps:
    """Pairs of overlapping objects in two label images.

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
    def from_labels(
        cls, truth: NDArray[np.integer], found: NDArray[np.integer]
    ) -> "ObjectOverlaps":
        """Find the overlaps of two label images of one shape; 0 is background.

        Raises
        ------
        InputError
            If the shapes differ.
        """
        table = ContingencyTable.from_labels(truth, found)
        return cls.from_pairs(table.labels, table.pixels)

    @classmethod
    def from_pairs(cls, labels: NDArray[np.int64], pixels: NDArray[np.int64]) -> "ObjectOverlaps":
        """Find the overlaps from counted pairs of labels, of parts of one image perhaps.

        Parameters
        ----------
        labels : ndarray
            (K, 2) labels in truth and in what was found; pairs may come several times.
        pixels : ndarray
            (K,) pixels that carry both.
        """
        truth_values, truth_at = np.unique(labels[:, 0], return_inverse=True)
        found_values, found_at = np.unique(labels[:, 1], return_inverse=True)
        width = max(len(found_values), 1)
        # Not a full table: thousands of objects in each image would make millions of cells.
        codes, at = np.unique(truth_at * width + found_at, return_inverse=True)
        shared = summed(at, pixels, len(codes))
        i, j = np.divmod(codes, width)
        real, other = truth_values > 0, found_values > 0
        both = real[i] & other[j]
        before = np.cumsum(real) - 1, np.cumsum(other) - 1
        return cls(
            truth_ids=truth_values[real],
            found_ids=found_values[other],
            truth_area=summed(i, shared, len(truth_values))[real],
            found_area=summed(j, shared, len(found_values))[other],
            pairs=np.stack([before[0][i[both]], before[1][j[both]]], axis=1),
            shared=shared[both],
        )

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """(P,) intersection over union of each pair."""
        i, j = self.pairs.T
        union = self.truth_area[i] + self.found_area[j] - self.shared
        return np.asarray(self.shared / np.maximum(union, 1), np.float64)

    @property
    def best_iou(self) -> NDArray[np.float64]:
        """(T,) best IoU of each true object; 0 if nothing overlaps it."""
        best = np.zeros(len(self.truth_ids))
        np.maximum.at(best, self.pairs[:, 0], self.iou)
        return best

    @property
    def same_label_iou(self) -> NDArray[np.float64]:
        """(T,) IoU of each true object with the object of the same label; 0 without one."""
        i, j = self.pairs.T
        same = self.truth_ids[i] == self.found_ids[j]
        found = np.zeros(len(self.truth_ids))
        found[i[same]] = self.iou[same]
        return found

    def match(self, threshold: float) -> NDArray[np.intp]:
        """Return positions in ``pairs`` of a largest one-to-one matching with at least this IoU."""
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
        At each of :data:`IOU_THRESHOLDS`.
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


def score_instances(overlaps: ObjectOverlaps) -> InstanceScores:
    """Score one image; all scores are 1 if there are neither true nor predicted objects.

    Examples
    --------
    >>> truth, found = np.zeros((2, 20, 20), int)
    >>> truth[2:8, 2:8], truth[12:18, 12:18] = 1, 2
    >>> found[2:8, 2:7] = 1
    >>> scores = score_instances(ObjectOverlaps.from_labels(truth, found))
    >>> scores.precision, scores.recall, round(scores.f1, 3)
    (1.0, 0.5, 0.667)
    """
    truth, found = len(overlaps.truth_ids), len(overlaps.found_ids)
    matches = [overlaps.match(threshold) for threshold in IOU_THRESHOLDS]
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
        panoptic_quality=over(overlaps.iou[matches[0]].sum(), (truth + found) / 2),
        mean_iou=float(overlaps.best_iou.mean()) if truth else 0.0,
    )


SCORE_NAMES = ("msa", "sa50", "f1", "precision", "recall", "panoptic_quality", "mean_iou")


def mean_scores(scores: Sequence[InstanceScores]) -> InstanceScores:
    """Combine the scores of several planes: means of the scores, sums of the counts.

    Planes with nothing to find in which nothing was found are left out: each would count as
    perfect, and a stack with many empty planes as nearly so. If all are like that, all scores
    are 1. Recall and mean IoU are about true objects, so only planes that have some count for them.
    """
    counted = [each for each in scores if each.truth + each.found] or list(scores)[:1]
    if not counted:
        return InstanceScores(0, 0, (0,) * len(IOU_THRESHOLDS), *[1.0] * 7)
    hits = np.sum([each.true_positives for each in counted], axis=0).tolist()
    return InstanceScores(
        truth=sum(each.truth for each in counted),
        found=sum(each.found for each in counted),
        true_positives=tuple(hits),
        **{name: _mean(counted, name) for name in SCORE_NAMES},
    )


def _mean(scores: Sequence[InstanceScores], name: str) -> float:
    about_truth = name in ("recall", "mean_iou")
    values = [getattr(each, name) for each in scores if each.truth or not about_truth]
    return float(np.mean(values)) if values else 0.0


ERROR_KINDS: MappingProxyType[str, str] = MappingProxyType(
    {
        "correct": "found, with an IoU of at least one half",
        "inexact": "found by one object, with a lower IoU",
        "missed": "no object lies mostly in it or covers most of it",
        "split": "several objects lie mostly in it",
        "merged": "one object covers most of it and of others",
        "false": "an object that belongs to no true one",
    }
)
"""Kinds of errors of objects, with their definitions."""


@dataclass(frozen=True, eq=False)
class ObjectErrors:
    """Kinds of errors of all objects.

    Attributes
    ----------
    kind : ndarray
        (N,) int8, positions in :data:`ERROR_KINDS`; "false" is about an object that was found, the
        others about true ones.
    truth_ids, found_ids : ndarray
        (N,) int64, labels; 0 where there is none.
    iou : ndarray
        (N,) float64, with what fits best.
    """

    kind: NDArray[np.int8]
    truth_ids: NDArray[np.int64]
    found_ids: NDArray[np.int64]
    iou: NDArray[np.float64]


def classify_errors(overlaps: ObjectOverlaps) -> ObjectErrors:
    """Classify the errors: a row per true object in order, then one per false object.

    An object lies "in" another one with more than :data:`MAJORITY` of its pixels. Objects that are
    matched at an IoU of :data:`MATCH_IOU` are correct, whatever else touches them.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 1, 0, 2, 2]])
    >>> found = np.array([[3, 3, 3, 0, 5, 0, 0]])
    >>> errors = classify_errors(ObjectOverlaps.from_labels(truth, found))
    >>> [list(ERROR_KINDS)[kind] for kind in errors.kind]
    ['correct', 'missed', 'false']
    """
    i, j = overlaps.pairs.T
    count, others = len(overlaps.truth_ids), len(overlaps.found_ids)
    inside = overlaps.shared > MAJORITY * overlaps.found_area[j]
    covers = overlaps.shared > MAJORITY * overlaps.truth_area[i]
    correct = np.zeros(len(i), bool)
    correct[overlaps.match(MATCH_IOU)] = True
    many = np.bincount(j[covers], minlength=others) > 1

    def any_of(which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.asarray(np.bincount(i[which], minlength=count) > 0)

    names = list(ERROR_KINDS)
    # The first that is so decides.
    chosen = np.select(
        [
            any_of(correct),
            any_of(covers & many[j]),
            np.bincount(i[inside], minlength=count) > 1,
            any_of(inside | covers),
        ],
        [names.index(name) for name in ("correct", "merged", "split", "inexact")],
        names.index("missed"),
    )
    # Of each true object the pair that was matched, else the one with the best IoU.
    order = np.lexsort((-overlaps.iou, ~correct, i))
    touched, first = np.unique(i[order], return_index=True)
    best = order[first]
    partner, iou = np.zeros(count, np.int64), np.zeros(count)
    partner[touched], iou[touched] = overlaps.found_ids[j[best]], overlaps.iou[best]
    partner[chosen == names.index("missed")] = 0
    false = np.ones(others, bool)
    false[j[inside | covers | correct]] = False
    best_of_found = np.zeros(others)
    np.maximum.at(best_of_found, j, overlaps.iou)
    extra = int(false.sum())
    return ObjectErrors(
        kind=np.concatenate([chosen, np.full(extra, names.index("false"))]).astype(np.int8),
        truth_ids=np.concatenate([overlaps.truth_ids, np.zeros(extra, np.int64)]),
        found_ids=np.concatenate([partner, overlaps.found_ids[false]]),
        iou=np.concatenate([iou, best_of_found[false]]),
    )
