"""Scores of tracks: those of the Cell Tracking Challenge, counted frame by frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.evaluation.contingency import ContingencyTable
from napari_segany.linking.tracks.contiguous import ContiguousTracks, split_at_gaps
from napari_segany.tracking import TrackedMovie

COVERED = 0.5
"""Fraction of a true object above which an object that covers it is matched to it."""

TRACK_TITLES: Mapping[str, str] = MappingProxyType(
    {"det": "DET", "seg": "SEG", "tra": "TRA", "lnk": "LNK", "division_f1": "division F1"}
)
"""Scores, 0 to 1, with their names in tables."""


@dataclass(frozen=True)
class TrackScores:
    """Scores of tracks, and the errors that they count.

    Attributes
    ----------
    det : float
        Detection: 1 - (5 splits + 10 missed + false) / (10 objects), at least 0.
    seg : float
        Segmentation: mean over true objects of the IoU with what is matched; 0 if nothing is.
    tra : float
        Tracking: as detection and linking, with the errors of both in one sum.
    lnk : float
        Linking: 1 - (false links + 1.5 missing links + wrong kinds) / (1.5 links), at least 0; NaN
        without true links.
    division_f1 : float
        2 TP / (2 TP + FP + FN) of divisions in the same frame; NaN without true divisions.
    objects, found : int
        Objects in all frames of the truth, and of what is scored.
    missed, false, splits : int
        True objects without a match; objects without one; splits that are needed of objects that
        match several true ones.
    links : int
        True links: in tracks, over gaps and from parents to daughters.
    missing_links, false_links, wrong_kinds : int
        Links that must be added and deleted, and links within tracks that should be from a parent
        to a daughter, or the other way round.
    divisions, true_divisions, false_divisions : int
        Tracks with two daughters or more: in the truth, found, and found in error.
    """

    det: float
    seg: float
    tra: float
    lnk: float
    division_f1: float
    objects: int
    found: int
    missed: int
    false: int
    splits: int
    links: int
    missing_links: int
    false_links: int
    wrong_kinds: int
    divisions: int
    true_divisions: int
    false_divisions: int


@dataclass
class _Matches:
    """Labels of each frame, and the matched ones, as lists: the form that py-ctcmetrics takes."""

    truth: list[list[int]] = field(default_factory=list)
    found: list[list[int]] = field(default_factory=list)
    matched_truth: list[list[int]] = field(default_factory=list)
    matched_found: list[list[int]] = field(default_factory=list)
    iou: list[list[float]] = field(default_factory=list)


def score_tracks(
    truth: TrackedMovie,
    found: TrackedMovie,
    *,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TrackScores:
    """Score the tracks of a movie against the true ones, with one frame of each in memory.

    A true object is matched by the object that covers more than half of it. Links and divisions
    are counted between matched objects, as defined by Matula et al. (2015); a track with a gap
    counts as two, the second of which has the first as parent.

    Parameters
    ----------
    truth, found : TrackedMovie
        Movies of the same frames. Objects that their tables do not name are background.
    progress, should_stop : callable, optional
        Called with frames done and in all; polled to end early.

    Raises
    ------
    InputError
        If py-ctcmetrics is not installed, frames differ in number or shape, a table names an
        object that is not there, or the truth has no objects.
    Cancelled
        If ``should_stop`` returned True.
    """
    metrics = _ctc_metrics()
    if truth.count != found.count:
        raise InputError(
            f"The truth has {truth.count} frames, and the tracks {found.count}; give the same ones."
        )
    if not len(truth.table.frame):
        raise InputError("The truth has no tracks, so there is nothing to compare with.")
    parts = split_at_gaps(truth.table), split_at_gaps(found.table)
    matches = _Matches()
    for frame in range(truth.count):
        check(should_stop)
        _match_frame(matches, frame, (truth, found), parts)
        if progress is not None:
            progress(frame + 1, truth.count)
    return _count_errors(metrics, matches, parts)


def mean_track_scores(scores: Sequence[TrackScores]) -> dict[str, float]:
    """Return the means of the scores over movies; movies without links or divisions are left out.

    Parameters
    ----------
    scores : sequence of TrackScores
        At least one.
    """
    out = {}
    for name in TRACK_TITLES:
        values = [value for each in scores if not np.isnan(value := getattr(each, name))]
        out[name] = float(np.mean(values)) if values else float("nan")
    return out


def to_values(scores: TrackScores) -> dict[str, float | int | None]:
    """Return scores for JSON, None where there was nothing to measure."""
    values = {each.name: getattr(scores, each.name) for each in fields(scores)}
    return {name: None if value != value else value for name, value in values.items()}


def from_values(values: Mapping[str, Any]) -> TrackScores:
    """Return scores from the values of :func:`to_values`."""
    known: Any = {name: float("nan") if v is None else v for name, v in values.items()}
    return TrackScores(**known)


def _ctc_metrics() -> Any:
    try:
        from ctc_metrics import metrics
    except ImportError as error:
        raise InputError(
            'Scores of tracks need py-ctcmetrics: pip install "napari-segany[tracks]".'
        ) from error
    return metrics


def _match_frame(
    matches: _Matches,
    frame: int,
    movies: tuple[TrackedMovie, TrackedMovie],
    parts: tuple[ContiguousTracks, ContiguousTracks],
) -> None:
    """Add the matches of a frame."""
    true, own = (each.given_frame(frame) for each in movies)
    table = ContingencyTable.from_labels(true, own)
    ids, areas = [], []
    for side, (movie, part) in enumerate(zip(movies, parts, strict=True)):
        at = movie.table.rows_at(frame)
        labels, tracks = movie.table.label[at], part.track[at]
        values, inverse = np.unique(table.labels[:, side], return_inverse=True)
        missing = np.setdiff1d(labels, values)
        if len(missing):
            raise InputError(
                f"The labels of frame {frame} have no object {missing[0]}, which is one of the "
                f"tracks{' of the truth' if side == 0 else ''}."
            )
        track_of_value = np.zeros(len(values), np.int64)
        track_of_value[np.searchsorted(values, labels)] = tracks
        pixels = np.zeros(len(values), np.int64)
        np.add.at(pixels, inverse, table.pixels)
        ids.append(track_of_value[inverse])
        areas.append(pixels[inverse])
        # The order of all lists about a frame, which the challenge's code expects.
        (matches.truth, matches.found)[side].append(np.sort(tracks).tolist())
    both = (ids[0] > 0) & (ids[1] > 0)
    # One row a pair of labels.
    matched = both & (table.pixels > COVERED * areas[0])
    union = areas[0] + areas[1] - table.pixels
    matches.matched_truth.append(ids[0][matched].tolist())
    matches.matched_found.append(ids[1][matched].tolist())
    matches.iou.append((table.pixels[matched] / union[matched]).tolist())


def _count_errors(
    metrics: Any, matches: _Matches, parts: tuple[ContiguousTracks, ContiguousTracks]
) -> TrackScores:
    """Return the scores of matched objects."""
    from ctc_metrics.metrics.biological.bc import raw_division_metrics
    from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations

    true, own = parts[0].rows, parts[1].rows
    objects, found = (sum(map(len, each)) for each in (matches.truth, matches.found))
    links = _count_links(true)
    if found:
        # One more frame, since the links of a single one cannot be listed there.
        lists = [
            [*each, []]
            for each in (
                *(matches.truth, matches.found),
                *(matches.matched_truth, matches.matched_found),
            )
        ]
        counts = count_acyclic_graph_correction_operations(true, own, *lists)
        divided = raw_division_metrics(own, true, lists[2], lists[3], 0)
    else:
        counts = {"NS": 0, "FN": objects, "FP": 0, "ED": 0, "EA": links, "EC": 0}
        counts |= {"num_vertices": objects, "num_edges": links}
        divided = (0, 0, _count_divisions(true))
    counts = {name: int(value) for name, value in counts.items()}
    correct, wrong, missed = (int(n) for n in divided)
    f1 = 2 * correct / (2 * correct + wrong + missed) if correct + missed else float("nan")
    return TrackScores(
        det=metrics.det(**counts),
        seg=float(sum(map(sum, matches.iou)) / objects),
        tra=metrics.tra(**counts)[0],
        lnk=metrics.lnk(**counts) if links else float("nan"),
        division_f1=f1,
        objects=objects,
        found=found,
        missed=counts["FN"],
        false=counts["FP"],
        splits=counts["NS"],
        links=links,
        missing_links=counts["EA"],
        false_links=counts["ED"],
        wrong_kinds=counts["EC"],
        divisions=correct + missed,
        true_divisions=correct,
        false_divisions=wrong,
    )


def _count_links(rows: NDArray[np.int64]) -> int:
    """Return the number of links in contiguous tracks and to their parents."""
    return int((rows[:, 2] - rows[:, 1]).sum() + np.count_nonzero(rows[:, 3]))


def _count_divisions(rows: NDArray[np.int64]) -> int:
    """Return the number of tracks with two daughters or more."""
    _, count = np.unique(rows[rows[:, 3] > 0, 3], return_counts=True)
    return int(np.count_nonzero(count > 1))
