"""Map of errors: the kind of error of every pixel's object, drawn plane by plane."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.image_source import plane_slices
from napari_segany.evaluation.comparison import ObjectComparison, ObjectTable, ReadLabels, blocks


def draw_errors(
    read: ReadLabels,
    found: ObjectComparison,
    into: Any,
    *,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> None:
    """Write the kind of error of every pixel's object into an array.

    Values are those of :data:`evaluation.comparison.ERROR_VALUES`.

    True objects are drawn first. What is false lies over them: at most half of any true object is
    below one, so that none disappears.

    Parameters
    ----------
    read : callable
        As for :func:`evaluation.comparison.compare`.
    found : ObjectComparison
        Result of :func:`evaluation.comparison.compare`.
    into : array
        uint8, of the images' shape, all zeros; written where something was compared.
    progress, should_stop : callable, optional
        Called with planes done and in all; polled to end early.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True; what is written by then stays.
    """
    for number, plane in enumerate(found.planes):
        truth, prediction = read(0, plane), read(1, plane)
        tables = _values_by_side(found.objects, found.parts[number])
        drawn = np.zeros(truth.shape, np.uint8)
        for rows in blocks(truth.shape):
            check(should_stop)
            for labels, (ids, values) in zip((truth, prediction), tables, strict=True):
                _colour(labels[rows], ids, values, drawn[rows])
        into[plane_slices(plane)] = drawn
        if progress is not None:
            progress(number + 1, len(found.planes))


LabelValues = tuple[NDArray[np.int64], NDArray[np.uint8]]


def _values_by_side(table: ObjectTable, part: int) -> tuple[LabelValues, LabelValues]:
    """Return ascending labels with their error values, of true objects and of false ones."""
    begin, end = np.searchsorted(table.part, [part, part + 1])
    label, values = table.label[begin:end], (table.kind[begin:end] + 1).astype(np.uint8)
    of_truth = table.of_truth[begin:end]
    return (label[of_truth], values[of_truth]), (label[~of_truth], values[~of_truth])


def _colour(
    labels: NDArray[np.integer],
    ids: NDArray[np.int64],
    values: NDArray[np.uint8],
    drawn: NDArray[np.uint8],
) -> None:
    if not len(ids):
        return
    here = np.nonzero(labels > 0)
    seen = labels[here].astype(np.int64)
    at = np.minimum(np.searchsorted(ids, seen), len(ids) - 1)
    known = ids[at] == seen
    drawn[tuple(axis[known] for axis in here)] = values[at[known]]
