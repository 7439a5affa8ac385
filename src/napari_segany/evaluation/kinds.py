"""Scores by kind of image: means over kinds, and differences of two models on the same images.

The kind of an image is the first folder in its name, so ``IMAGES/KIND/NAME`` needs nothing else.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from napari_segany.errors import InputError
from napari_segany.evaluation.run import PlaneEvaluation
from napari_segany.evaluation.summary import EvaluationSummary, summarise

REPEATS = 2000
"""Bootstrap samples of an interval."""

Kinds = Mapping[str, Mapping[str, EvaluationSummary]]
"""Summaries by model and kind; see :func:`summarise_kinds`."""

NO_KIND = "(no folder)"
"""Row of the images that lie in no folder, where others do."""

COLUMNS: MappingProxyType[str, str] = MappingProxyType(
    {
        "mIoU@1": "mIoU@1",
        "box mIoU": "box mIoU",
        "msa": "mSA",
        "sa50": "SA50",
        "precision": "precision",
        "recall": "recall",
        "candidate recall": "cand. recall",
        "proposed but lost": "lost",
        "never proposed": "never",
        "AR@1000": "AR@1000",
        "proposals AR@1000": "proposals AR@1000",
        "ods": "ODS",
        "propagation IoU": "propagation",
        "DET": "DET",
        "TRA": "TRA",
        "LNK": "LNK",
    }
)
"""Scores in the table of kinds, with the heads of their columns."""


def summarise_kinds(
    measured: Iterable[PlaneEvaluation],
) -> dict[str, dict[str, EvaluationSummary]]:
    """Combine measured planes into a summary per model and kind; empty if no image has a kind."""
    groups: dict[str, dict[str, list[PlaneEvaluation]]] = defaultdict(lambda: defaultdict(list))
    known = False
    for each in measured:
        known |= bool(each.kind)
        groups[each.predictor][each.kind or NO_KIND].append(each)
    if not known:
        return {}
    return {
        predictor: {kind: summarise(planes)[predictor] for kind, planes in sorted(kinds.items())}
        for predictor, kinds in groups.items()
    }


def mean_over_kinds(kinds: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score over kinds, every kind counting the same.

    Kinds that do not have a score, or NaN, are left out of its mean; it is NaN if none has it.

    Parameters
    ----------
    kinds : mapping
        Scores by name, of each kind.

    Examples
    --------
    >>> mean_over_kinds({"nuclei": {"msa": 0.6}, "neurites": {"msa": 0.2}})
    {'msa': 0.4}
    """
    names = dict.fromkeys(name for scores in kinds.values() for name in scores)
    found: dict[str, float] = {}
    for name in names:
        values = [scores.get(name, math.nan) for scores in kinds.values()]
        known = [value for value in values if not math.isnan(value)]
        found[name] = float(np.mean(known)) if known else math.nan
    return found


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference of a score between two models on the same images.

    Attributes
    ----------
    mean : float
        First model minus second.
    low, high : float
        Bootstrap 95 % interval over images.
    images : int
        Number of images.
    """

    mean: float
    low: float
    high: float
    images: int


def paired_difference(
    first: ArrayLike, second: ArrayLike, kinds: Sequence[Hashable] | None = None
) -> PairedDifference:
    """Return the mean difference of a score on the same images, with its interval.

    Images are drawn again with replacement, the same ones for both models and in each call.

    Parameters
    ----------
    first, second : array_like
        (N,) scores of the images.
    kinds : sequence, optional
        (N,) kind of each image. The mean is then over kinds, every kind counting the same, and
        images are drawn within their kind.

    Raises
    ------
    InputError
        If there are no images, or the numbers differ.

    Examples
    --------
    >>> found = paired_difference([0.5, 0.7, 0.9], [0.4, 0.6, 0.8])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3), found.images
    (0.1, 0.1, 0.1, 3)
    """
    ours, others = np.asarray(first, np.float64), np.asarray(second, np.float64)
    groups = list(kinds) if kinds is not None else [0] * len(ours)
    if not len(ours) or not len(ours) == len(others) == len(groups):
        raise InputError(
            f"Paired scores are of the same images, got {len(ours)}, {len(others)} and "
            f"{len(groups)} of them."
        )
    difference, random = ours - others, np.random.default_rng(0)
    drawn = np.zeros(REPEATS)
    means = []
    names = list(dict.fromkeys(groups))
    for name in names:
        mine = difference[[group == name for group in groups]]
        means.append(float(mine.mean()))
        sample = mine[random.integers(len(mine), size=(REPEATS, len(mine)))]
        drawn += sample.mean(axis=1) / len(names)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return PairedDifference(float(np.mean(means)), float(low), float(high), len(ours))


def kinds_as_text(kinds: Kinds, whole: Mapping[str, EvaluationSummary]) -> str:
    """Format a table per model: a row per kind, the mean over kinds, and all planes together.

    Parameters
    ----------
    kinds : mapping
        As of :func:`summarise_kinds`.
    whole : mapping
        Summary of all planes of each model.
    """
    tables = []
    for predictor, groups in kinds.items():
        scores = {kind: summary.scores() for kind, summary in groups.items()}
        rows = [(kind, groups[kind], scores[kind]) for kind in groups]
        all_scores = whole[predictor].scores()
        names = [name for name in COLUMNS if name in all_scores]
        cells = [
            [kind, str(one.planes), str(one.objects), *(_number(found, n) for n in names)]
            for kind, one, found in [*rows, ("all planes", whole[predictor], all_scores)]
        ]
        mean = mean_over_kinds(scores)
        cells.insert(-1, ["mean over kinds", "", "", *(_number(mean, n) for n in names)])
        head = [predictor, "planes", "objects", *(COLUMNS[name] for name in names)]
        widths = [max(len(row[n]) for row in [head, *cells]) for n in range(len(head))]
        for first, *rest in [head, *cells]:
            aligned = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
            tables.append("  ".join([f"{first:<{widths[0]}}", *aligned]).rstrip())
        tables.append("")
    return "\n".join(tables)


def _number(scores: Mapping[str, float], name: str) -> str:
    value = scores.get(name, math.nan)
    return "" if math.isnan(value) else f"{value:.4f}"
