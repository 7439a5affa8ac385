"""Answers of prompts: an object of the labels each, or nothing, and why."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.cli.prompt_requests import Asked
from napari_segany.core.masks import MaskSet
from napari_segany.core.rasterize import paint, paint_sources

if TYPE_CHECKING:
    from napari_segany.core.measure import Columns

SHOWN = 10
"""Prompts without an object that are named one by one."""


@dataclass(frozen=True, eq=False)
class Painted:
    """The labels of a plane, and whose they are.

    Attributes
    ----------
    labels : ndarray
        (H, W) int32.
    masks : MaskSet
        The mask of each label, in order; empty ones for rows that have no object.
    rows : ndarray
        (N,) the table's row of each label, 0 for prompts that come from options.
    ids : tuple of str
        What the table calls each of them.
    lost : mapping
        Why a prompt has no object, by where it comes from.
    """

    labels: NDArray[np.integer]
    masks: MaskSet
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    lost: Mapping[str, str]

    @property
    def count(self) -> int:
        """The number of labels that have pixels."""
        return len(np.unique(self.labels[self.labels > 0]))

    def columns(self) -> "Columns":
        """The table's row of each object, and what the table calls it if it names anything."""
        named = {"input_id": _as_ids(self.ids)} if any(self.ids) else {}
        return {"input_row": self.rows, **named}


def _as_ids(texts: Sequence[str]) -> NDArray[np.generic]:
    """Whole numbers as such, however long, if all are; else the texts as they were written."""
    if all(re.fullmatch(r"0|-?[1-9]\d*", text, re.ASCII) for text in texts):
        numbers = [int(text) for text in texts]
        for kind in (np.int64, np.uint64):
            if np.iinfo(kind).min <= min(numbers) and max(numbers) <= np.iinfo(kind).max:
                return np.array(numbers, kind)
    return np.array(texts, dtype=np.str_)


def painted(asked: Sequence[Asked], kept: Sequence[MaskSet]) -> Painted:
    """Paint the answers that are kept of each prompt; objects are numbered from 1 on."""
    owner = np.repeat(np.arange(len(asked)), [len(each) for each in kept])
    masks = MaskSet.concatenate(kept)
    labels, source = paint(masks)
    objects = owner[source]
    lost = _lost(asked, kept, labels, {n: int(who) for n, who in enumerate(objects, start=1)})
    rows = np.array([asked[who].row for who in objects], np.int64)
    return Painted(labels, masks[source], rows, tuple(asked[who].id for who in objects), lost)


def painted_by_row(asked: Sequence[Asked], kept: Sequence[MaskSet], ids: Sequence[str]) -> Painted:
    """The same with every row of the table kept and its number as label, object or not.

    Parameters
    ----------
    asked : sequence of Asked
        Prompts from rows of the table, one a row.
    kept : sequence of MaskSet
        The answer of each.
    ids : sequence of str
        What the table calls each of its rows, asked or not.
    """
    shape = kept[0].shape
    nothing = MaskSet.from_masks(np.zeros((1, *shape), bool), [np.nan], [np.nan])
    pool = MaskSet.concatenate([*(each[:1] if len(each) else nothing for each in kept), nothing])
    order = np.full(len(ids), len(asked))
    order[[each.row - 1 for each in asked]] = np.arange(len(asked))
    masks = pool[order]
    # Whatever can be seen of a row is its object.
    labels, _ = paint_sources(masks, min_visible=0)
    whose = {each.row: who for who, each in enumerate(asked)}
    lost = _lost(asked, kept, labels, whose)
    return Painted(labels, masks, np.arange(1, len(ids) + 1), tuple(ids), lost)


def _lost(
    asked: Sequence[Asked],
    kept: Sequence[MaskSet],
    labels: NDArray[np.integer],
    whose: Mapping[int, int],
) -> dict[str, str]:
    """Why prompts have no object; ``whose`` is the prompt of each label."""
    seen = {whose[label] for label in np.unique(labels[labels > 0]).tolist()}
    lost = {}
    for who, (each, masks) in enumerate(zip(asked, kept, strict=True)):
        if who in seen:
            continue
        if not masks.area.any():
            lost[each.where] = "the answer is empty"
            continue
        best = int(np.argmax(masks.area > 0))
        a, b, c, d = masks.boxes[best]
        under = labels[a:c, b:d][masks.crop(best)]
        if not under.any():
            # What lay on it is left out itself, as too little of that could be seen.
            lost[each.where] = "too little of it can be seen"
            continue
        label = int(np.argmax(np.bincount(under)[1:])) + 1
        share = np.count_nonzero(under == label) / len(under)
        lost[each.where] = f"{share:.0%} of it is covered by {asked[whose[label]].where}"
    return lost


def lost_line(lost: Mapping[str, str], count: int) -> str:
    """One line about the prompts that have no object."""
    parts = [f"{where} ({why})" for where, why in lost.items()]
    more = f", and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return f"{len(lost)} of {count} prompts have no object: {', '.join(parts[:SHOWN])}{more}."


def readings_of(found: MaskSet, kept: slice) -> list[dict[str, Any]]:
    """Scores of the readings of one prompt, and which are kept."""
    scores = zip(found.predicted_iou, found.stability_score, found.area, strict=True)
    return [
        {
            "predicted_iou": round(float(iou), 4),
            "stability_score": round(float(stable), 4),
            "area": int(area),
            "kept": i in range(len(found))[kept],
        }
        for i, (iou, stable, area) in enumerate(scores)
    ]
