"""Comparison of two label images: scores, and the errors of every object."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.evaluation.candidate_recall import (
    CandidateScores,
    classify_outcomes,
    mean_candidate_scores,
    score_candidates,
)
from napari_segany.evaluation.contingency import ContingencyTable
from napari_segany.evaluation.instance_metrics import (
    ERROR_KINDS,
    IOU_THRESHOLDS,
    InstanceScores,
    ObjectOverlaps,
    classify_errors,
    mean_scores,
    score_instances,
)
from napari_segany.evaluation.track_metrics import TrackScores, to_values

PlaneIndex = Plane
"""Index of a plane in an array: one entry per axis, None for the plane's own two axes."""

PIXELS_PER_BLOCK = 1 << 20
"""Pixels compared in one block; cancellation is checked between blocks."""

ERROR_VALUES: Mapping[str, int] = {kind: n for n, kind in enumerate(ERROR_KINDS, start=1)}
"""Values of the error map by kind of error; 0 where there is no object."""

ReadLabels = Callable[[int, PlaneIndex], NDArray[np.integer]]
"""Callable that reads a plane (H, W) of the truth (0) or of the prediction (1)."""


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """Table of objects: all true ones, and predicted ones that match no true one.

    Attributes
    ----------
    part : ndarray
        (N,) position in :attr:`SideBySide.parts`, ascending.
    kind : ndarray
        (N,) int8, positions in :data:`~napari_segany.evaluation.instance_metrics.ERROR_KINDS`.
    label : ndarray
        (N,) int64: in the prediction where the verdict is "false", else in the truth.
    partner : ndarray
        (N,) int64, the label that fits best in the prediction; 0 if there is none.
    iou : ndarray
        (N,) with what fits best.
    area : ndarray
        (N,) pixels, or voxels of objects through planes.
    position : ndarray
        (N, n) centre of mass in array indices; of objects through planes, in the one that has
        most of it.
    """

    part: NDArray[np.intp]
    kind: NDArray[np.int8]
    label: NDArray[np.int64]
    partner: NDArray[np.int64]
    iou: NDArray[np.float64]
    area: NDArray[np.int64]
    position: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def of_truth(self) -> NDArray[np.bool_]:
        """(N,) boolean, True in rows of true objects."""
        return np.asarray(self.kind != ERROR_VALUES["false"] - 1)

    @property
    def truth(self) -> NDArray[np.int64]:
        """(N,) labels in the truth; 0 for false objects."""
        return np.where(self.of_truth, self.label, 0)

    @property
    def prediction(self) -> NDArray[np.int64]:
        """(N,) labels in the prediction; 0 for missed objects."""
        return np.where(self.of_truth, self.partner, self.label)


@dataclass(frozen=True, eq=False)
class ObjectComparison:
    """Result of comparing a prediction with the truth.

    Attributes
    ----------
    planes : tuple of PlaneIndex
        Planes that were compared.
    together : bool
        Whether an object goes through planes; else every plane has objects of its own.
    scores : tuple of InstanceScores
        Scores of each plane, or one of all if ``together``.
    objects : ObjectTable
        A row an object.
    parts : tuple of int
        Part that each plane belongs to, from 0 on: a plane by itself, a volume, or all of it.
    candidates : tuple of (CandidateScores or None)
        Scores of the candidates of each plane, None where they are not known; empty if none are
        known or objects go through planes.
    same_label_iou : float or None
        Mean over true objects of the IoU with the object of the same label, where objects go
        through planes: the accuracy of objects that were propagated with their labels.
    tracks : TrackScores or None
        Scores of the tracks, if labels are tracks.
    """

    planes: tuple[PlaneIndex, ...]
    together: bool
    scores: tuple[InstanceScores, ...]
    objects: ObjectTable
    parts: tuple[int, ...]
    candidates: tuple[CandidateScores | None, ...] = ()
    same_label_iou: float | None = None
    tracks: TrackScores | None = None

    @property
    def mean(self) -> InstanceScores:
        """Scores over everything; means over the planes that have objects."""
        return mean_scores(self.scores)

    @property
    def candidate_means(self) -> dict[str, float] | None:
        """Scores of candidates by name, means over planes with true objects; None if unknown."""
        known = [each for each in self.candidates if each is not None and each.truth]
        return mean_candidate_scores(known) if known else None

    @property
    def counts(self) -> dict[str, int]:
        """Number of objects by kind of error."""
        found = np.bincount(self.objects.kind, minlength=len(ERROR_KINDS)).tolist()
        return dict(zip(ERROR_KINDS, found, strict=True))

    def plane_text(self, part: int) -> str:
        """Return the indices that the planes of a part share; empty if it is all of the image."""
        if self.together and len(self.scores) == 1:
            return ""
        return self._part_texts[part]

    @cached_property
    def _part_texts(self) -> list[str]:
        """Indices that the planes of each part share, as text."""
        planes: list[list[PlaneIndex]] = [[] for _ in self.scores]
        for plane, part in zip(self.planes, self.parts, strict=True):
            planes[part].append(plane)
        texts = []
        for mine in planes:
            along = [set(indices) for indices in zip(*mine, strict=True)]
            texts.append(", ".join(str(*n) for n in along if len(n) == 1 and n != {None}))
        return texts

    def columns(self, rows: NDArray[np.intp] | None = None) -> dict[str, NDArray[Any]]:
        """Return the table of objects as columns for a file; ``rows`` selects and orders.

        Truth and prediction are labels, 0 where there is none.
        """
        table = self.objects
        at = np.arange(len(table)) if rows is None else rows
        texts = np.array([self.plane_text(k) for k in range(len(self.scores))], dtype=object)
        columns: dict[str, NDArray[Any]] = {
            "verdict": np.array(list(ERROR_KINDS), dtype=object)[table.kind[at]],
            "truth": table.truth[at],
            "prediction": table.prediction[at],
            "plane": texts[table.part[at]],
            "iou": table.iou[at],
            "area": table.area[at],
        }
        for axis, values in enumerate(table.position[at].T):
            columns[f"centroid-{axis}"] = values
        return columns

    def to_dict(self) -> dict[str, Any]:
        """Return the scores for JSON: overall, by kind of error, and of each of several planes."""
        found: dict[str, Any] = {
            "objects": self._extent,
            "planes": len(self.planes),
            "iou_thresholds": list(IOU_THRESHOLDS),
            "scores": asdict(self.mean),
            "verdicts": self.counts,
        }
        if (candidates := self.candidate_means) is not None:
            found["candidates"] = candidates
        if self.same_label_iou is not None:
            found["same_label_iou"] = self.same_label_iou
        if self.tracks is not None:
            found["tracks"] = to_values(self.tracks)
        if len(self.scores) > 1:
            what = "volume" if self.together else "plane"
            found[f"by_{what}"] = [
                {what: self.plane_text(k), **asdict(each)} for k, each in enumerate(self.scores)
            ]
        return found

    @property
    def _extent(self) -> str:
        """Planes that an object extends through, in words."""
        if not self.together:
            return "in each plane"
        return "through the planes of a volume" if len(self.scores) > 1 else "through all planes"


def compare(
    read: ReadLabels,
    planes: Sequence[PlaneIndex],
    *,
    together: bool = False,
    parts: Sequence[int] | None = None,
    candidates: Mapping[PlaneIndex, MaskSet] = MappingProxyType({}),
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> ObjectComparison:
    """Compare two label images plane by plane, with one plane of each in memory.

    Parameters
    ----------
    read : callable
        Gives (H, W) integer labels, 0 is background, of the truth (0) and the prediction (1).
    planes : sequence of PlaneIndex
        Planes to compare.
    together : bool
        Objects of one label in several planes of a part are one object.
    parts : sequence of int, optional
        The part that each plane belongs to, ascending from 0 on; by default one for all if
        ``together``, else one for each plane.
    candidates : mapping of PlaneIndex to MaskSet
        Masks that the prediction was chosen from, where they are known, with all that was filtered
        out (:attr:`MaskSet.all_candidates`). They are not scored if ``together``.
    progress, should_stop : callable, optional
        Called with planes done and in all; polled to end early.

    Raises
    ------
    InputError
        If a plane has different shapes in both.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2]])
    >>> prediction = np.array([[7, 7, 0, 0, 0]])
    >>> found = compare(lambda side, plane: (truth, prediction)[side], [(None, None)])
    >>> found.counts["correct"], found.counts["missed"]
    (1, 1)
    """
    whole = range(len(planes)) if not together else [0] * len(planes)
    of_planes = tuple(whole if parts is None else parts)
    scores, tables, same = [], [], []
    proposed: list[CandidateScores | None] = []
    counts: list[ContingencyTable] = []
    for number, plane in enumerate(planes):
        truth, part = read(0, plane), of_planes[number]
        counts.append(_count_pairs(truth, read(1, plane), should_stop))
        if number + 1 == len(planes) or of_planes[number + 1] != part:
            table = ContingencyTable.concatenate(counts)
            overlaps = ObjectOverlaps.from_pairs(table.labels, table.pixels)
            mine = planes[number + 1 - len(counts) : number + 1]
            scores.append(score_instances(overlaps))
            tables.append(_make_table(part, overlaps, counts, mine))
            same.append(overlaps.same_label_iou)
            if not together:
                proposed.append(_score_candidates(truth, overlaps, candidates.get(plane)))
            counts = []
        if progress is not None:
            progress(number + 1, len(planes))
    names = ObjectTable.__dataclass_fields__
    joined = {
        name: np.concatenate([getattr(each, name) for each in tables]) for name in names if tables
    }
    every = np.concatenate(same) if together and same else np.zeros(0)
    return ObjectComparison(
        tuple(planes),
        together,
        tuple(scores),
        ObjectTable(**joined),
        of_planes,
        tuple(proposed) if candidates else (),
        float(every.mean()) if len(every) else None,
    )


def _score_candidates(
    truth: NDArray[np.integer], overlaps: ObjectOverlaps, masks: MaskSet | None
) -> CandidateScores | None:
    """Return the scores of the candidates of a plane, None if they are not known."""
    if masks is None or masks.shape != truth.shape:
        return None
    return score_candidates(classify_outcomes(truth, overlaps, masks.all_candidates))


def _count_pairs(
    truth: NDArray[np.integer], prediction: NDArray[np.integer], should_stop: ShouldStop | None
) -> ContingencyTable:
    if truth.shape != prediction.shape:
        raise InputError(
            f"A prediction of shape {prediction.shape} cannot be compared with truth of "
            f"{truth.shape}."
        )
    parts = []
    for rows in blocks(truth.shape):
        check(should_stop)
        parts.append(ContingencyTable.from_labels(truth[rows], prediction[rows], rows.start))
    return ContingencyTable.concatenate(parts)


def blocks(shape: Sequence[int]) -> Iterator[slice]:
    """Iterate over rows of a plane that are compared at once."""
    height = max(PIXELS_PER_BLOCK // max(shape[1], 1), 1)
    for row in range(0, shape[0], height):
        yield slice(row, min(row + height, shape[0]))


def _make_table(
    part: int,
    comparison: ObjectOverlaps,
    counts: Sequence[ContingencyTable],
    planes: Sequence[PlaneIndex],
) -> ObjectTable:
    found = classify_errors(comparison)
    of_truth = found.truth_ids > 0
    label = np.where(of_truth, found.truth_ids, found.found_ids)
    area, position = np.zeros(len(label), np.int64), np.zeros((len(label), len(planes[0])))
    for side, mine in enumerate((of_truth, ~of_truth)):
        ids, pixels, places = _locate_objects(side, counts, planes)
        at = np.searchsorted(ids, label[mine])
        area[mine], position[mine] = pixels[at], places[at]
    return ObjectTable(
        part=np.full(len(label), part, np.intp),
        kind=found.kind,
        label=label,
        partner=np.where(of_truth, found.found_ids, 0),
        iou=found.iou,
        area=area,
        position=position,
    )


def _locate_objects(
    side: int, counts: Sequence[ContingencyTable], planes: Sequence[PlaneIndex]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return labels, pixels over all planes, and centroids in the plane with most pixels."""
    ids, pixels, places = [], [], []
    for table, plane in zip(counts, planes, strict=True):
        values, areas, centres = table.centroids(side)
        place = np.tile([np.nan if n is None else float(n) for n in plane], (len(values), 1))
        place[:, [axis for axis, n in enumerate(plane) if n is None]] = centres
        ids.append(values)
        pixels.append(areas)
        places.append(place)
    every, areas, where = np.concatenate(ids), np.concatenate(pixels), np.concatenate(places)
    order = np.lexsort((-areas, every))
    values, first, at = np.unique(every[order], return_index=True, return_inverse=True)
    total = np.zeros(len(values), np.int64)
    np.add.at(total, at, areas[order])
    return values, total, where[order][first]
