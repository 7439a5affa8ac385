"""Decisions of a review, and masks that took the places of found ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet


@dataclass(frozen=True)
class Decision:
    """A decision of a review, with what it takes to undo it.

    Attributes
    ----------
    plane : tuple
        Plane of the object.
    candidate : int
        Its number among the candidates.
    before : tuple of bool
        Whether it was rejected and accepted before.
    is_correction : bool
        Whether another mask took the place of the found one.
    undo : callable, optional
        Takes back what is neither rejected nor accepted, such as a class.
    """

    plane: Plane
    candidate: int
    before: tuple[bool, bool]
    is_correction: bool = False
    undo: Callable[[], None] | None = None


def named(mask: MaskSet, candidate: int) -> MaskSet:
    """Return one mask under the number of a candidate."""
    return replace(mask, candidate=np.array([candidate], np.int64))


def with_corrected(kept: MaskSet, corrected: Mapping[int, MaskSet]) -> MaskSet:
    """Return masks with corrected ones in the places of those that were found, or at the end."""
    known = set(kept.candidate.tolist())
    parts = [corrected.get(int(n), kept[i]) for i, n in enumerate(kept.candidate)]
    parts += [mask for n, mask in corrected.items() if n not in known]
    columns = MaskSet.concatenate([MaskSet.empty(kept.shape), *parts])
    return replace(columns, prompts_asked=kept.prompts_asked)
