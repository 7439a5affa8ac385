"""Objects of a large plane that pass the filters, chosen and painted in another thread."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.coverage import SharingPairs, painted_masks, sharing_pairs
from napari_segany.core.image_source import Plane
from napari_segany.core.level_paint import LevelPainter
from napari_segany.core.masks import MaskSet
from napari_segany.core.nms import Overlaps
from napari_segany.core.window_paint import cleaned_crop
from napari_segany.generators.candidates import StoredCandidates
from napari_segany.generators.uncertainty import Evidence, evidence
from napari_segany.plugin.everything.found_masks import FoundMasks


@dataclass(frozen=True, eq=False)
class PlaneChoice:
    """Objects of a plane.

    Attributes
    ----------
    found : FoundMasks
        Masks, filters and decisions that they were chosen by.
    plane : tuple
        The plane.
    shown : MaskSet
        The objects, as those of labels.
    labels : LevelPainter
        Their labels: numbers of candidates + 1.
    pairs : tuple
        Objects that share pixels, see :func:`sharing_pairs`.
    """

    found: FoundMasks
    plane: Plane
    shown: MaskSet
    labels: LevelPainter
    pairs: SharingPairs

    @cached_property
    def evidence(self) -> Evidence:
        """Evidence for the objects."""
        return evidence(self.shown, self.pairs)

    def changed_since(self, before: "PlaneChoice | None") -> NDArray[np.int64] | None:
        """Return (n, 4) boxes outside of which the labels are those of another choice.

        None if they may differ anywhere.
        """
        if before is None or before.plane != self.plane:
            return None
        now, then = self.found, before.found
        rules = [each.filters.label_params for each in (now, then)]
        cleaned = [(rule.overlap, rule.fill_holes, rule.drop_specks) for rule in rules]
        same = now.masks[self.plane] is then.masks[self.plane] and cleaned[0] == cleaned[1]
        if not same or any(each.corrected.get(self.plane) for each in (now, then)):
            return None
        if _cleans_masks(now, self.plane) or _cleans_masks(then, self.plane):
            return None
        one, two = self.shown, before.shown
        gone = ~np.isin(two.candidate, one.candidate)
        new = ~np.isin(one.candidate, two.candidate)
        boxes: NDArray[np.int64] = np.concatenate([two.boxes[gone], one.boxes[new]])
        return boxes


def choose_objects(found: FoundMasks, plane: Plane) -> PlaneChoice:
    """Choose and order the objects of a plane; the pixels are those of ``paint_candidates``.

    Parameters
    ----------
    found : FoundMasks
        A copy for this thread, see :meth:`FoundMasks.snapshot`.
    plane : tuple
        The plane.

    Raises
    ------
    InputError
        If a bound is looser than that of the search.
    """
    kept = found.kept_masks(plane)
    rules = found.filters.label_params
    able = kept.area >= rules.min_area
    if not able.all():
        kept = kept[able]
    drawn = kept
    if rules.fill_holes or rules.drop_specks:
        crops = [
            cleaned_crop(kept, i, rules.fill_holes, rules.drop_specks) for i in range(len(kept))
        ]
        origins = [(int(a), int(b)) for a, b in kept.boxes[:, :2]]
        drawn = kept.with_masks(MaskSet.from_crops(kept.shape, crops, origins))
    stored = found.masks[plane].refilterable
    own = drawn is kept and not found.corrected.get(plane) and not _cleans_masks(found, plane)
    if own and isinstance(stored, StoredCandidates):
        pairs = sharing_pairs(stored.overlaps, kept.candidate)
    else:
        overlaps = Overlaps(drawn.boxes, drawn.area, drawn.count_shared)
        pairs = sharing_pairs(overlaps, np.arange(len(drawn)))
    order, source = painted_masks(
        drawn, pairs, rules.overlap, rules.min_area, rules.min_visible, order_by=kept
    )
    place = np.full(len(kept), -1, np.int64)
    place[source] = np.arange(len(source))
    one, two, shared = pairs
    both = (place[one] >= 0) & (place[two] >= 0)
    return PlaneChoice(
        found,
        plane,
        kept[source],
        LevelPainter(drawn[order], kept.candidate[order] + 1),
        (place[one[both]], place[two[both]], shared[both]),
    )


def _cleans_masks(found: FoundMasks, plane: Plane) -> bool:
    """Return True if the masks of a plane are no candidates as they were found."""
    stored = found.masks[plane].refilterable
    return isinstance(stored, StoredCandidates) and stored.params.min_mask_region_area > 0
