"""Labels of prompts: one object for each prompt, or the reason why it has none."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segany.cli.prompt_requests import SourcedPrompt
from napari_segany.core.masks import MaskSet
from napari_segany.core.rasterize import paint, paint_sources

if TYPE_CHECKING:
    from napari_segany.core.measure import Columns

SHOWN = 10
"""Number of prompts without an object that a message names one by one."""


@dataclass(frozen=True, eq=False)
class PaintedLabels:
    """The labels of a plane, and the prompt of each label.

    Attributes
    ----------
    labels : ndarray
        (H, W) int32.
    masks : MaskSet
        The mask of each label, in order; empty for rows that have no object.
    rows : ndarray
        (N,) the table's row of each label, 0 for prompts that come from options.
    ids : tuple of str
        The identifier of each label in the table.
    without_object : mapping
        Why a prompt has no object, by its source.
    """

    labels: NDArray[np.integer]
    masks: MaskSet
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    without_object: Mapping[str, str]

    @property
    def count(self) -> int:
        """The number of labels that have pixels."""
        return len(np.unique(self.labels[self.labels > 0]))

    def columns(self) -> "Columns":
        """Return the table's row of each object, and its identifier if the table has any."""
        named = {"input_id": _as_ids(self.ids)} if any(self.ids) else {}
        return {"input_row": self.rows, **named}


def _as_ids(texts: Sequence[str]) -> NDArray[np.generic]:
    """Return identifiers as whole numbers if all are, however long; else as text."""
    if all(re.fullmatch(r"0|-?[1-9]\d*", text, re.ASCII) for text in texts):
        numbers = [int(text) for text in texts]
        for kind in (np.int64, np.uint64):
            if np.iinfo(kind).min <= min(numbers) and max(numbers) <= np.iinfo(kind).max:
                return np.array(numbers, kind)
    return np.array(texts, dtype=np.str_)


def paint_prompts(prompts: Sequence[SourcedPrompt], kept: Sequence[MaskSet]) -> PaintedLabels:
    """Paint the candidates that are kept of each prompt; number the objects from 1."""
    owner = np.repeat(np.arange(len(prompts)), [len(each) for each in kept])
    masks = MaskSet.concatenate(kept)
    labels, source = paint(masks)
    objects = owner[source]
    missing = _without_object(
        prompts, kept, labels, {n: int(which) for n, which in enumerate(objects, start=1)}
    )
    rows = np.array([prompts[which].row for which in objects], np.int64)
    return PaintedLabels(
        labels, masks[source], rows, tuple(prompts[which].id for which in objects), missing
    )


def paint_rows(
    prompts: Sequence[SourcedPrompt], kept: Sequence[MaskSet], ids: Sequence[str]
) -> PaintedLabels:
    """Paint the first candidate of each row of a table; the label is the number of the row.

    Parameters
    ----------
    prompts : sequence of SourcedPrompt
        Prompts from rows of the table, one per row.
    kept : sequence of MaskSet
        The candidates of each.
    ids : sequence of str
        The identifier of each row of the table, with and without a prompt.
    """
    shape = kept[0].shape
    nothing = MaskSet.from_masks(np.zeros((1, *shape), bool), [np.nan], [np.nan])
    pool = MaskSet.concatenate([*(each[:1] if len(each) else nothing for each in kept), nothing])
    order = np.full(len(ids), len(prompts))
    order[[each.row - 1 for each in prompts]] = np.arange(len(prompts))
    masks = pool[order]
    # Every visible pixel of a row counts as its object.
    labels, _ = paint_sources(masks, min_visible=0)
    prompt_of = {each.row: which for which, each in enumerate(prompts)}
    missing = _without_object(prompts, kept, labels, prompt_of)
    return PaintedLabels(labels, masks, np.arange(1, len(ids) + 1), tuple(ids), missing)


def _without_object(
    prompts: Sequence[SourcedPrompt],
    kept: Sequence[MaskSet],
    labels: NDArray[np.integer],
    prompt_of: Mapping[int, int],
) -> dict[str, str]:
    """Return why prompts have no object; ``prompt_of`` gives the prompt of each label."""
    visible = {prompt_of[label] for label in np.unique(labels[labels > 0]).tolist()}
    missing = {}
    for which, (each, masks) in enumerate(zip(prompts, kept, strict=True)):
        if which in visible:
            continue
        if not masks.area.any():
            missing[each.source] = "the answer is empty"
            continue
        best = int(np.argmax(masks.area > 0))
        a, b, c, d = masks.boxes[best]
        under = labels[a:c, b:d][masks.crop(best)]
        if not under.any():
            # The objects above it were left out themselves, as too little of them is visible.
            missing[each.source] = "too little of it can be seen"
            continue
        label = int(np.argmax(np.bincount(under)[1:])) + 1
        share = np.count_nonzero(under == label) / len(under)
        missing[each.source] = f"{share:.0%} of it is covered by {prompts[prompt_of[label]].source}"
    return missing


def missing_objects_line(missing: Mapping[str, str], count: int) -> str:
    """Return one line about the prompts that have no object."""
    parts = [f"{source} ({why})" for source, why in missing.items()]
    more = f", and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return f"{len(missing)} of {count} prompts have no object: {', '.join(parts[:SHOWN])}{more}."
