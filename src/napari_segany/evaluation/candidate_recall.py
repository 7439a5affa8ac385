"""Candidates of a generator beside the truth: objects that are matched, lost or never proposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.evaluation.detection_metrics import pack_objects
from napari_segany.evaluation.instance_metrics import MATCH_IOU, ObjectOverlaps

OUTCOMES: MappingProxyType[str, str] = MappingProxyType(
    {
        "matched": "the labels have an object that matches it, with an IoU of at least one half",
        "lost": "proposed but lost: a candidate has that IoU, the labels have no such object",
        "never proposed": "neither a candidate nor the labels have that IoU",
    }
)
"""Outcomes of true objects, with their definitions; each object has one."""


@dataclass(frozen=True, eq=False)
class ObjectOutcomes:
    """Outcomes of the true objects of a plane.

    Attributes
    ----------
    truth_ids : ndarray
        (T,) int64 labels, ascending.
    iou : ndarray
        (T,) float64, best IoU with an object of the labels.
    candidate_iou : ndarray
        (T,) float64, best IoU with a candidate mask.
    outcome : ndarray
        (T,) int8, positions in :data:`OUTCOMES`.
    candidates : int
        Number of candidates.
    """

    truth_ids: NDArray[np.int64]
    iou: NDArray[np.float64]
    candidate_iou: NDArray[np.float64]
    outcome: NDArray[np.int8]
    candidates: int

    def to_values(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; outcomes are named."""
        names = list(OUTCOMES)
        return {
            "candidates": self.candidates,
            "labels": self.truth_ids.tolist(),
            "iou": self.iou.tolist(),
            "candidate_iou": self.candidate_iou.tolist(),
            "outcome": [names[at] for at in self.outcome.tolist()],
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "ObjectOutcomes":
        """Undo :meth:`to_values`."""
        names = list(OUTCOMES)
        return cls(
            np.array(values["labels"], np.int64),
            np.array(values["iou"], np.float64),
            np.array(values["candidate_iou"], np.float64),
            np.array([names.index(name) for name in values["outcome"]], np.int8),
            values["candidates"],
        )


@dataclass(frozen=True)
class CandidateScores:
    """Shares of the true objects of a plane that candidates cover.

    An object that is matched in the labels may have no candidate that fits it, since painting cuts
    masks; so recall of candidates can be below that of labels.

    Attributes
    ----------
    truth, candidates : int
        Numbers of objects and of candidates.
    recall : float
        Share of objects with a candidate at an IoU of at least :data:`MATCH_IOU`.
    mean_iou : float
        Mean over objects of the best IoU with a candidate.
    lost, never_proposed : float
        Shares of objects with these outcomes; see :data:`OUTCOMES`. With the share that is matched,
        which is the recall of the labels, they make 1.
    """

    truth: int
    candidates: int
    recall: float
    mean_iou: float
    lost: float
    never_proposed: float


def classify_outcomes(
    truth: NDArray[np.integer], overlaps: ObjectOverlaps, candidates: MaskSet
) -> ObjectOutcomes:
    """Classify the true objects of a plane by what became of them.

    Parameters
    ----------
    truth : ndarray
        (H, W) labels, 0 and less for background.
    overlaps : ObjectOverlaps
        Of the truth and the labels that were painted.
    candidates : MaskSet
        Everything that the generator kept before it chose (:attr:`MaskSet.all_candidates`).

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2, 0, 3]])
    >>> labels = np.array([[1, 1, 0, 0, 0, 0, 0]])
    >>> masks = MaskSet.from_masks([truth == 1, truth == 2])
    >>> found = classify_outcomes(truth, ObjectOverlaps.from_labels(truth, labels), masks)
    >>> [list(OUTCOMES)[at] for at in found.outcome]
    ['matched', 'lost', 'never proposed']
    """
    count = len(overlaps.truth_ids)
    best = best_candidate_iou(truth, candidates)
    matched = np.zeros(count, bool)
    matched[overlaps.pairs[overlaps.match(MATCH_IOU), 0]] = True
    outcome = np.select([matched, best >= MATCH_IOU], [0, 1], 2)
    return ObjectOutcomes(
        overlaps.truth_ids, overlaps.best_iou, best, outcome.astype(np.int8), len(candidates)
    )


def score_candidates(outcomes: ObjectOutcomes) -> CandidateScores:
    """Score the candidates of a plane; shares are 0 where there is no true object."""
    truth = len(outcomes.truth_ids)
    shares = np.bincount(outcomes.outcome, minlength=len(OUTCOMES)) / max(truth, 1)
    return CandidateScores(
        truth=truth,
        candidates=outcomes.candidates,
        recall=float(np.mean(outcomes.candidate_iou >= MATCH_IOU)) if truth else 0.0,
        mean_iou=float(outcomes.candidate_iou.mean()) if truth else 0.0,
        lost=float(shares[1]),
        never_proposed=float(shares[2]),
    )


CANDIDATE_SCORES: MappingProxyType[str, str] = MappingProxyType(
    {
        "recall": "candidate recall",
        "mean_iou": "candidate mean IoU",
        "lost": "proposed but lost",
        "never_proposed": "never proposed",
    }
)
"""Scores of candidates by attribute, with their names in tables."""


def mean_candidate_scores(scores: Sequence[CandidateScores]) -> dict[str, float]:
    """Return the means over planes with true objects, by the names in tables; NaN if none has."""
    counted = [each for each in scores if each.truth]
    return {
        name: float(np.mean([getattr(each, key) for each in counted])) if counted else float("nan")
        for key, name in CANDIDATE_SCORES.items()
    }


def best_candidate_iou(truth: NDArray[np.integer], candidates: MaskSet) -> NDArray[np.float64]:
    """Return the best IoU of each true object with a candidate.

    Exact, although few pairs are compared: boxes and areas bound the IoU of a pair, and pairs are
    compared from the largest bound down until no bound exceeds what was found.

    Parameters
    ----------
    truth : ndarray
        (H, W) labels, 0 and less for background.
    candidates : MaskSet
        N masks of the same plane.

    Returns
    -------
    ndarray
        (T,) float64, objects in ascending order of their labels.
    """
    objects = pack_objects(truth)
    joined = MaskSet.concatenate([objects, candidates.without_logits()])
    best = np.zeros(len(objects))
    boxes, area = candidates.boxes, candidates.area
    for i in range(len(objects)):
        box, size = objects.boxes[i], int(objects.area[i])
        low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
        near = np.flatnonzero((high > low).all(axis=1))
        most = np.minimum((high[near] - low[near]).prod(axis=1), np.minimum(area[near], size))
        bound = most / (area[near] + size - most)
        for k in np.argsort(-bound, kind="stable").tolist():
            if bound[k] <= best[i]:
                break
            j = int(near[k])
            both = joined.shared_pixels(i, len(objects) + j)
            best[i] = max(best[i], both / (int(area[j]) + size - both))
    return best
