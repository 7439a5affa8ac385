"""Links of candidates through a row of planes, decided in windows that overlap."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.plane_candidates import PlaneCandidates
from napari_segany.linking.plane_overlaps import best_shift, compare_planes
from napari_segany.linking.selection import LinkProblem, solve

LoadPlane = Callable[[int], PlaneCandidates]
"""Callable that returns the candidates of a plane by its number in the row."""

WINDOW = 12
"""Planes that are decided together; memory grows with them and not with the row."""

STEP = 6
"""Planes of a window that stay as decided; the others only look ahead."""

RELUCTANCE = 0.1
"""Predicted IoU by which an alternative counts as worse than the objects that it replaces."""

LEAST_GAIN = 0.01
"""Predicted IoU beyond the threshold that an object of a plane counts for which has none. Without
a gain it would be lost where no other plane has a part of it."""

WEIGHT_OF_LINKS = 1.0
"""Gain of a link with full overlap, beside that of an object with a predicted IoU of 1."""

GAP_FACTOR = 0.8
"""Factor on the overlap of two planes for each plane between them."""


@dataclass(frozen=True, eq=False)
class Links:
    """Parts of objects in a row of planes, ordered by plane, then by candidate.

    Attributes
    ----------
    plane : ndarray
        (M,) int64 number of the plane of each part.
    candidate : ndarray
        (M,) int64 index among the candidates of the plane.
    label : ndarray
        (M,) int64 id of the object, 1 to K in the order of the first parts.
    area : ndarray
        (M,) int64 pixels.
    score : ndarray
        (M,) float64 predicted IoU.
    class_index : ndarray
        (M,) int64 class of each part as an index into ``class_names``, -1 for none.
    class_score : ndarray
        (M,) float64 score of its class, NaN for none.
    class_names : tuple of str
        The classes of parts that were found by text.
    """

    plane: NDArray[np.int64]
    candidate: NDArray[np.int64]
    label: NDArray[np.int64]
    area: NDArray[np.int64]
    score: NDArray[np.float64]
    class_index: NDArray[np.int64]
    class_score: NDArray[np.float64]
    class_names: tuple[str, ...] = ()

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.integer]) -> "Links":
        """Return some of the parts, in the given order."""
        return Links(
            self.plane[index],
            self.candidate[index],
            self.label[index],
            self.area[index],
            self.score[index],
            self.class_index[index],
            self.class_score[index],
            self.class_names,
        )


def link_planes(
    load: LoadPlane,
    count: int,
    params: LinkParams | None = None,
    *,
    should_stop: ShouldStop | None = None,
) -> Links:
    """Link the candidates of a row of planes into objects.

    Objects and links are chosen together: each gains its pixels times its predicted IoU or its
    overlap. A run of planes is decided at once, and every plane with the planes after it in view.

    Parameters
    ----------
    load : callable
        Returns the candidates of plane ``n``, 0 to ``count - 1``; called about once for each.
    count : int
        Number of planes.
    params : LinkParams, optional
        Parameters; those of filters are not looked at.
    should_stop : callable, optional
        Polled from window to window.

    Returns
    -------
    Links
        Every object with all its parts.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True.
    """
    row = _Row(load, params or LinkParams())
    for start in range(0, count, STEP):
        check(should_stop)
        row.decide(start, min(start + STEP, count), min(start + WINDOW, count))
    return row.links()


@dataclass(frozen=True, eq=False)
class _Plane:
    """Candidates of a plane with what is computed from them alone."""

    candidates: PlaneCandidates
    value: NDArray[np.float64]
    exclusive: NDArray[np.intp]

    @classmethod
    def of(cls, candidates: PlaneCandidates) -> "_Plane":
        exclusive = candidates.exclusive_pairs()
        return cls(candidates, candidate_values(candidates, exclusive), exclusive)


class _Row:
    """The planes of a row as far as they are decided."""

    def __init__(self, load: LoadPlane, params: LinkParams) -> None:
        self._load, self._params = load, params
        self._reach = params.max_gap + 1
        self._planes: dict[int, _Plane] = {}
        # Pairs of candidates that may be linked, and their gains, by the numbers of two planes.
        self._pairs: dict[tuple[int, int], tuple[NDArray[np.intp], NDArray[np.float64]]] = {}
        # Ids of decided parts by plane and candidate, and those that have a next part.
        self._labels: dict[tuple[int, int], int] = {}
        self._continued: set[tuple[int, int]] = set()
        self._parts: list[tuple[int, int, int, int, float, int, float]] = []
        self._classes: dict[str, int] = {}
        self._count = 0

    def decide(self, start: int, end: int, ahead: int) -> None:
        """Decide planes ``start`` to ``end - 1`` with those before ``ahead`` in view."""
        for number in range(start, ahead):
            if number not in self._planes:
                found = self._load(number)
                found = found if self._params.alternatives else found.without_alternatives()
                self._planes[number] = _Plane.of(found)
        members = [
            (number, i)
            for number in range(max(start - self._reach, 0), ahead)
            for i in range(len(self._planes[number].candidates))
            if number >= start or (number, i) in self._labels
        ]
        problem = self._problem(members, start, ahead)
        objects, links = solve(problem)
        before = {members[j]: members[i] for i, j in problem.links[links].tolist()}
        for k in np.flatnonzero(objects).tolist():
            if start <= members[k][0] < end:
                self._add(members[k], before.get(members[k]))
        last = end - self._reach
        self._planes = {n: plane for n, plane in self._planes.items() if n >= last}
        self._pairs = {key: found for key, found in self._pairs.items() if key[0] >= last}

    def _problem(self, members: list[tuple[int, int]], start: int, ahead: int) -> LinkProblem:
        """Return the problem of a window; of decided planes only the objects take part."""
        place = {n: np.full(len(p.candidates), -1, np.intp) for n, p in self._planes.items()}
        for k, (number, i) in enumerate(members):
            place[number][i] = k
        links, gains = [np.zeros((0, 2), np.intp)], [np.zeros(0)]
        for two in range(start, ahead):
            for one in range(max(two - self._reach, 0), two):
                pairs, gain = self._linkable(one, two)
                able = place[one][pairs[:, 0]] >= 0
                if one < start:
                    open_ended = [(one, i) not in self._continued for i in pairs[:, 0].tolist()]
                    able &= np.array(open_ended, bool)
                ends = place[one][pairs[able, 0]], place[two][pairs[able, 1]]
                links.append(np.stack(ends, axis=1))
                gains.append(gain[able])
        exclusive = [place[n][self._planes[n].exclusive] for n in range(start, ahead)]
        value = [self._planes[n].value[i] for n, i in members]
        return LinkProblem(
            np.array(value, np.float64),
            np.array([number < start for number, _ in members], bool),
            np.concatenate(links),
            np.concatenate(gains),
            np.concatenate([np.zeros((0, 2), np.intp), *exclusive]),
        )

    def _linkable(self, one: int, two: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return pairs of candidates of two planes that may be linked, and their gains."""
        if (one, two) not in self._pairs:
            first, second = self._planes[one].candidates, self._planes[two].candidates
            shift = (0, 0)
            if self._params.align:
                shift = best_shift(first.masks[: first.own], second.masks[: second.own])
            found = compare_planes(first.masks, second.masks, shift)
            faded = found.overlap * GAP_FACTOR ** (two - one - 1)
            beyond = faded - self._params.min_overlap
            able = beyond > 0
            i, j = found.pairs[able].T
            # Neither one large nor one small end alone makes a link weigh much.
            pixels = np.sqrt(first.masks.area[i].astype(np.float64) * second.masks.area[j])
            self._pairs[one, two] = found.pairs[able], WEIGHT_OF_LINKS * pixels * beyond[able]
        return self._pairs[one, two]

    def _add(self, part: tuple[int, int], before: tuple[int, int] | None) -> None:
        """Add a part to the object of the part before it, or to a new one."""
        if before is None:
            self._count += 1
            label = self._count
        else:
            label = self._labels[before]
            self._continued.add(before)
        self._labels[part] = label
        masks = self._planes[part[0]].candidates.masks
        area, score = int(masks.area[part[1]]), float(masks.predicted_iou[part[1]])
        self._parts.append((*part, label, area, score, *self._class_of(masks.classes, part[1])))

    def _class_of(self, classes: MaskClasses | None, i: int) -> tuple[int, float]:
        """Return the number and the score of a candidate's class."""
        if classes is None:
            return -1, np.nan
        for name in classes.names:
            self._classes.setdefault(name, len(self._classes))
        return self._classes[classes.names[classes.index[i]]], float(classes.scores[i])

    def links(self) -> Links:
        """Return all parts so far."""
        columns = np.array(self._parts, np.float64).reshape(-1, 7).T
        plane, candidate, label, area = (column.astype(np.int64) for column in columns[:4])
        classes = columns[5].astype(np.int64), columns[6], tuple(self._classes)
        return Links(plane, candidate, label, area, columns[4], *classes)


def candidate_values(plane: PlaneCandidates, exclusive: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the (N,) gain of each candidate of a plane as an object, in pixels.

    An object of the plane gains its pixels times the predicted IoU beyond the threshold. An
    alternative gains less than the objects that it replaces, and where it replaces none, it costs:
    only neighbouring planes speak for it.
    """
    masks, own = plane.masks, plane.own
    beyond = masks.predicted_iou.astype(np.float64) - plane.threshold
    pairs = exclusive[exclusive[:, 0] < own]
    areas, sums = np.zeros(len(masks)), np.zeros(len(masks))
    np.add.at(areas, pairs[:, 1], masks.area[pairs[:, 0]])
    np.add.at(sums, pairs[:, 1], (masks.area * beyond)[pairs[:, 0]])
    replaced = np.divide(sums, areas, out=np.zeros(len(masks)), where=areas > 0)
    limited = np.minimum(beyond, replaced) - RELUCTANCE
    gain = np.where(beyond > 0, beyond, LEAST_GAIN)
    return masks.area.astype(np.float64) * np.where(np.arange(len(masks)) < own, gain, limited)
