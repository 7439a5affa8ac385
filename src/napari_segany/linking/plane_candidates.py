"""Candidates of one plane for linking: its own objects, and alternatives that it left out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core import mask_io
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps, mask_nms
from napari_segany.core.stored_arrays import from_stored, to_stored

SAME = 0.85
"""IoU above which two candidates are one, and the better is kept."""

EXCLUSIVE = 0.3
"""Part of the smaller of two candidates above which they cannot both be objects."""

MOST_ALTERNATIVES = 2000
"""Alternatives of a plane at most, the best ones; bounds memory and time."""


@dataclass(frozen=True, eq=False)
class PlaneCandidates:
    """Candidates of one plane.

    Attributes
    ----------
    masks : MaskSet
        N candidates, first the objects of the plane as its labels show them, then alternatives.
    own : int
        Number of the plane's own objects. Object ``i`` has the id ``i + 1`` in the labels.
    threshold : float
        Predicted IoU that a candidate needed to become an object.
    """

    masks: MaskSet
    own: int
    threshold: float

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> "PlaneCandidates":
        """Return no candidates of a plane of ``shape`` (H, W)."""
        return cls(MaskSet.empty(shape), 0, 0.0)

    def __len__(self) -> int:
        return len(self.masks)

    def without_alternatives(self) -> "PlaneCandidates":
        """Return the plane's own objects alone."""
        return replace(self, masks=self.masks[: self.own])

    def exclusive_pairs(self) -> NDArray[np.intp]:
        """Return (K, 2) pairs of candidates that cannot both be objects, ascending in each.

        The plane's own objects never exclude each other.
        """
        masks = self.masks
        overlaps = Overlaps(masks.boxes, masks.area, masks.count_shared)
        one, two = overlaps.pairs
        bad = overlaps.above(EXCLUSIVE, smaller=True, among=two >= self.own)
        return np.stack([one[bad], two[bad]], axis=1)

    def to_bytes(self) -> bytes:
        """Return the candidates compressed, the same bytes every time."""
        arrays: dict[str, Any] = {"own": np.array(self.own), "threshold": np.array(self.threshold)}
        arrays |= mask_io.pack(self.masks)
        return to_stored(arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> "PlaneCandidates":
        """Restore the candidates of :meth:`to_bytes`.

        Raises
        ------
        SeganyError
            If the bytes are incomplete.
        """
        with from_stored(content) as arrays:
            own, threshold = int(arrays["own"]), float(arrays["threshold"])
            return cls(mask_io.unpack(arrays), own, threshold)


def gather_candidates(
    masks: MaskSet,
    labels: NDArray[np.integer],
    source: NDArray[np.integer],
    threshold: float,
    min_area: int = 0,
) -> PlaneCandidates:
    """Return the candidates of a plane whose masks were painted into labels.

    Parameters
    ----------
    masks : MaskSet
        The masks that the plane chose, with the candidates that it left out.
    labels : ndarray
        (H, W) the painted masks, ids 1 to n.
    source : ndarray
        (n,) index into ``masks`` of each id, as :func:`napari_segany.core.rasterize.paint` returns.
    threshold : float
        Predicted IoU that candidates needed to be chosen.
    min_area : int
        Fewest pixels of an alternative.

    Returns
    -------
    PlaneCandidates
        Objects are what the labels show of them; alternatives are whole masks, best first.
    """
    painted = masks[source]
    shape = (int(labels.shape[0]), int(labels.shape[1]))
    boxes = painted.boxes.tolist()
    visible = MaskSet.from_crops(
        shape,
        [labels[a:c, b:d] == k for k, (a, b, c, d) in enumerate(boxes, 1)],
        [(a, b) for a, b, _, _ in boxes],
    )
    objects = painted.without_logits().with_masks(visible)
    others = masks.all_candidates.without_logits()
    usable = others.area >= max(min_area, 1)
    usable[painted.candidate if len(others) != len(masks) else source] = False
    alternatives = _distinct(objects, others[usable])
    return PlaneCandidates(MaskSet.concatenate([objects, alternatives]), len(objects), threshold)


def _distinct(objects: MaskSet, others: MaskSet) -> MaskSet:
    """Return candidates that are neither one of the objects nor of better candidates."""
    both = MaskSet.concatenate([objects, others])
    overlaps = Overlaps(both.boxes, both.area, both.count_shared)
    # Objects come first whatever their scores are.
    scores = both.predicted_iou + np.where(np.arange(len(both)) < len(objects), np.inf, 0)
    kept = mask_nms(overlaps, scores, SAME)
    kept = kept[kept >= len(objects)][:MOST_ALTERNATIVES]
    return both[kept]
