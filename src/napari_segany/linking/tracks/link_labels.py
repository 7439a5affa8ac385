"""Linking of the labels of a movie's frames into tracks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.linking.tracks.assignment import assign
from napari_segany.linking.tracks.divisions import (
    LARGEST_COST,
    DivisionCandidates,
    find_divisions,
)
from napari_segany.linking.tracks.laptrack_solver import Joints, check_installed, solve_joints
from napari_segany.linking.tracks.link_costs import (
    Candidates,
    LinkCosts,
    estimate_max_distance,
    link_margin,
)
from napari_segany.linking.tracks.motion import estimate_motion
from napari_segany.linking.tracks.observed_movie import (
    LoadFeatures,
    LoadFrame,
    ObservedMovie,
    frame_spacing,
    observe,
)
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.track_table import DIMENSIONS, TrackTable

OnEstimate = Callable[[float, str], None]
"""Called with the largest step that was estimated, and its unit."""


def link_labels(
    load_frame: LoadFrame,
    frames: Sequence[int],
    params: TrackParams | None = None,
    *,
    axes: str = "YX",
    pixel_size: Mapping[str, tuple[float, str]] | None = None,
    load_image: LoadFrame | None = None,
    load_features: LoadFeatures | None = None,
    on_estimate: OnEstimate | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TrackTable:
    """Link the objects of labelled frames into tracks, with gaps and divisions.

    Labels may come from any tool; one object of a frame has one label, and labels of different
    frames say nothing about each other. The same labels give the same tracks.

    Parameters
    ----------
    load_frame : callable
        Returns the labels of a frame by its number: (Y, X) or (Z, Y, X) whole numbers, 0 and below
        for no object. It is called once for each frame, in order; ``max_gap`` + 2 frames are in
        memory at most.
    frames : sequence of int
        Numbers of the frames, ascending, such as ``range(60)``. Two that follow each other are
        neighbours, even if a number between them is missing.
    params : TrackParams, optional
        Rules and weights.
    axes : {"YX", "ZYX"}
        Axes of a frame.
    pixel_size : mapping, optional
        Size and unit of a step along axes. If it is known along all axes of a frame, distances are
        lengths in the largest unit, else pixels. Give it for volumes, whose steps differ.
    load_image : callable, optional
        Returns the image of a frame, of the shape of the labels or with channels as a last axis:
        the mean brightness is part of the cost then, and a feature of the table.
    load_features : callable, optional
        For planes: returns a callable that gives the model's (P, C) features of a frame at (P, 2)
        row, column, such as ``model.prepare(embedding).features_at``.
    on_estimate : callable, optional
        Called with the largest step and its unit, if it was estimated.
    progress, should_stop : callable, optional
        Called with frames done and in all; polled to end early.

    Returns
    -------
    TrackTable
        Every object of every frame has a row. Tracks are numbered in the order in which they
        appear. The features are ``step``, the distance from the row before in the unit of lengths
        (NaN for the first row of a track), and the mean ``intensity`` of each channel.

    Raises
    ------
    InputError
        If labels, image or axes cannot be used, or laptrack is needed and not installed.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> movie = np.zeros((3, 30, 30), int)
    >>> for t in range(3):
    ...     movie[t, 5:12, 4 + 2 * t : 11 + 2 * t] = 5 - t
    >>> found = link_labels(movie.__getitem__, range(3))
    >>> found.track.tolist(), found.label.tolist()
    ([1, 1, 1], [5, 4, 3])
    """
    params = params or TrackParams()
    sizes = dict(pixel_size or {})
    if axes not in DIMENSIONS:
        raise InputError(f"Axes of a frame are YX or ZYX, not {axes!r}.")
    if not len(frames) or list(frames) != sorted(set(frames)):
        raise InputError("A movie has one frame or more, and their numbers ascend.")
    check_installed(params)
    movie = observe(
        load_frame,
        frames,
        axes,
        sizes,
        max_gap=params.max_gap,
        align=params.align,
        load_image=load_image,
        load_features=load_features,
        progress=progress,
        should_stop=should_stop,
    )
    max_distance = params.max_distance
    if max_distance is None:
        max_distance = estimate_max_distance(movie)
        if on_estimate is not None:
            on_estimate(max_distance, frame_spacing(sizes, axes)[1])
    check(should_stop)
    return _as_table(movie, _link(movie, params, max_distance, should_stop), axes, sizes)


@dataclass(frozen=True, eq=False)
class _Links:
    """Links of a movie.

    Attributes
    ----------
    before : ndarray
        (N,) row that each row is linked to, -1 for none.
    confidence : ndarray
        (N,) of that link.
    divides : ndarray
        (N,) bool; rows whose link is that of a daughter.
    """

    before: NDArray[np.intp]
    confidence: NDArray[np.float64]
    divides: NDArray[np.bool_]


def _link(
    movie: ObservedMovie,
    params: TrackParams,
    max_distance: float,
    should_stop: ShouldStop | None,
) -> _Links:
    """Link neighbouring frames, then close gaps and make divisions."""
    costs = LinkCosts(movie, params, max_distance)
    before, confidence = _link_neighbours(movie, costs, params, should_stop)
    if params.predict_motion:
        costs.motion = estimate_motion(movie, before, confidence)
        if costs.motion.persistence:
            before, confidence = _link_neighbours(movie, costs, params, should_stop)
    divisions = []
    for pair in movie.neighbours if params.divisions else ():
        rows = np.arange(*movie.first_row[pair.two : pair.two + 2])
        rows = rows[before[rows] >= 0]
        links = np.stack([before[rows], rows], axis=1)
        expected = costs.expected(pair, before[rows])
        divisions.append(find_divisions(movie, pair, links, expected, max_distance))
    triples = DivisionCandidates.joined(divisions)
    gaps = _gap_candidates(movie, costs, before, params.max_cost)
    closed, divided = solve_joints(
        _frame_ranks(movie),
        _pieces(before),
        Joints(gaps.pairs, gaps.cost),
        Joints(np.stack([triples.parent, triples.newcomer], 1), triples.cost / LARGEST_COST),
        params.max_gap + 1,
    )
    before[gaps.pairs[closed, 1]] = gaps.pairs[closed, 0]
    confidence[gaps.pairs[closed, 1]] = link_margin(gaps, closed, 1.0)
    return _divide(before, confidence, triples, divided)


def _link_neighbours(
    movie: ObservedMovie, costs: LinkCosts, params: TrackParams, should_stop: ShouldStop | None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the row before each row and the confidence of that link; -1 and NaN for none."""
    before = np.full(len(movie.area), -1, np.intp)
    confidence = np.full(len(movie.area), np.nan)
    for pair in movie.neighbours:
        check(should_stop)
        candidates = costs.candidates(pair)
        linked = assign(candidates.pairs, candidates.cost, params.max_cost)
        one, two = candidates.pairs[linked].T
        before[two] = one
        confidence[two] = link_margin(candidates, linked, params.max_cost)
    return before, confidence


def _frame_ranks(movie: ObservedMovie) -> NDArray[np.int64]:
    """Return the place of each row's frame among the frames that have objects."""
    counts = np.diff(movie.first_row)
    return np.repeat(np.cumsum(counts > 0) - 1, counts)


def _gap_candidates(
    movie: ObservedMovie, costs: LinkCosts, before: NDArray[np.intp], max_cost: float
) -> Candidates:
    """Return pairs of ends and later starts of tracks; costs are in parts of the largest one."""
    starts = before < 0
    ends = np.ones(len(before), bool)
    ends[before[~starts]] = False
    parts = []
    for pair in movie.gaps:
        found = costs.candidates(pair)
        open_ended = ends[found.pairs[:, 0]] & starts[found.pairs[:, 1]]
        good = open_ended & (found.cost < max_cost)
        parts.append(Candidates(found.pairs[good], found.cost[good] / max_cost))
    return Candidates.joined(parts)


def _divide(
    before: NDArray[np.intp],
    confidence: NDArray[np.float64],
    triples: DivisionCandidates,
    divided: NDArray[np.bool_],
) -> _Links:
    """Return links with the divisions that were made."""
    divides = np.zeros(len(before), bool)
    made = triples.take(divided)
    margins = link_margin(
        Candidates(np.stack([triples.parent, triples.newcomer], 1), triples.cost),
        divided,
        LARGEST_COST,
    )
    before[made.newcomer] = made.parent
    for daughter in (made.follower, made.newcomer):
        divides[daughter] = True
        confidence[daughter] = margins
    return _Links(before, confidence, divides)


def _pieces(before: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the piece of each row, numbered from 0 in the order of first rows.

    Parameters
    ----------
    before : ndarray
        (N,) earlier row that each row goes on from, -1 for the first one of a piece.
    """
    piece = np.empty(len(before), np.intp)
    last = -1
    for row, earlier in enumerate(before.tolist()):
        if earlier < 0:
            last += 1
            piece[row] = last
        else:
            piece[row] = piece[earlier]
    return piece


def _as_table(
    movie: ObservedMovie, links: _Links, axes: str, pixel_size: Mapping[str, tuple[float, str]]
) -> TrackTable:
    """Return the table of the linked objects, ordered by frame and track."""
    goes_on = np.where(links.divides, -1, links.before)
    piece = _pieces(goes_on)
    daughters = np.flatnonzero(links.divides)
    parents = {int(piece[row]) + 1: int(piece[links.before[row]]) + 1 for row in daughters.tolist()}
    step = np.full(len(piece), np.nan)
    moved = np.flatnonzero(goes_on >= 0)
    step[moved] = np.linalg.norm(movie.places[moved] - movie.places[goes_on[moved]], axis=1)
    features = {"step": step}
    intensity = movie.gather("intensity")
    for number, column in enumerate(intensity.T):
        name = "intensity" if intensity.shape[1] == 1 else f"intensity_{number}"
        features[name] = column
    frame = np.repeat(np.array(movie.frames, np.int64), np.diff(movie.first_row))
    order = np.lexsort((piece, frame))
    return TrackTable(
        frame=frame[order],
        track=(piece[order] + 1).astype(np.int64),
        label=movie.gather("label")[order],
        position=movie.gather("position")[order],
        area=movie.area[order],
        confidence=links.confidence[order],
        parents=parents,
        axes=axes,
        pixel_size=pixel_size,
        features={name: column[order] for name, column in features.items()},
    )
