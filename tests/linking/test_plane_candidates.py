"""Candidates of a plane: what its labels show, and what it left out."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.linking.planes import SHAPE, disc, plane

from napari_segany.core.masks import MaskSet
from napari_segany.core.rasterize import paint
from napari_segany.linking.plane_candidates import (
    EXCLUSIVE,
    PlaneCandidates,
    gather_candidates,
)


@dataclass
class Kept:
    """All candidates of a set, as a generator keeps them."""

    masks: MaskSet
    loosest: tuple[float, float] = (0.0, 0.0)


def chosen_from(masks: list[np.ndarray], scores: list[float], chosen: list[int]) -> MaskSet:
    everything = MaskSet.from_masks(masks, scores)
    picked = replace(everything[np.array(chosen)], candidate=np.array(chosen))
    return picked.with_candidates(Kept(everything))  # type: ignore[arg-type]


def gather(masks: MaskSet, min_area: int = 0) -> PlaneCandidates:
    return gather_candidates(masks, *paint(masks), 0.5, min_area)


def test_objects_are_what_the_labels_show():
    """Of a large mask below a small one only the rest is an object, so objects never overlap."""
    large, small = disc(24, 30, 14), disc(24, 30, 7)
    found = gather(MaskSet.from_masks([large, small]))
    assert found.own == 2
    assert np.array_equal(found.masks.mask(0), large & ~small)
    assert np.array_equal(found.masks.mask(1), small)
    assert len(found.exclusive_pairs()) == 0


def test_masks_that_were_left_out_are_alternatives():
    whole, one, two, elsewhere = disc(24, 30, 10), disc(24, 25, 5), disc(24, 36, 4), disc(8, 56, 5)
    masks = chosen_from([one, whole, two, elsewhere], [0.6, 0.7, 0.5, 0.3], [1])
    found = gather(masks)
    assert found.own == 1
    # Best first, after the plane's own.
    assert found.masks.predicted_iou.tolist() == pytest.approx([0.7, 0.6, 0.5, 0.3])
    assert found.exclusive_pairs().tolist() == [[0, 1], [0, 2]]
    assert found.without_alternatives().masks.candidate.tolist() == [1]


def test_near_copies_are_one_candidate():
    masks = chosen_from(
        [disc(24, 30, 10), disc(24, 30, 10), disc(10, 10, 6), disc(10, 10, 6.2)],
        [0.7, 0.9, 0.4, 0.6],
        [0],
    )
    found = gather(masks)
    # The plane's own stays, though its copy has the better score.
    assert found.masks.predicted_iou.tolist() == pytest.approx([0.7, 0.6])


def test_small_alternatives_are_left_out():
    masks = chosen_from([disc(24, 30, 10), disc(8, 8, 2)], [0.7, 0.6], [0])
    assert len(gather(masks, min_area=30)) == 1
    assert len(gather(masks)) == 2


def test_sets_without_kept_candidates_have_no_alternatives():
    found = gather(MaskSet.from_masks([disc(24, 30, 10)]))
    assert (found.own, len(found)) == (1, 1)


def test_overlap_beyond_the_limit_excludes():
    """A strip of which a known part lies in the object."""
    block = np.zeros(SHAPE, bool)
    block[10:30, 10:30] = True
    for columns, excluded in ((2, False), (4, True)):
        strip = np.zeros(SHAPE, bool)
        strip[10:20, 30 - columns : 40 - columns] = True
        assert (columns / 10 > EXCLUSIVE) is excluded
        assert len(plane([block], [strip]).exclusive_pairs()) == excluded


def test_bytes_bring_the_same_back():
    before = plane([disc(24, 30, 10), disc(8, 8, 3)], [disc(24, 30, 5)], threshold=0.25)
    after = PlaneCandidates.from_bytes(before.to_bytes())
    assert (after.own, after.threshold) == (2, 0.25)
    assert all(np.array_equal(after.masks.mask(i), before.masks.mask(i)) for i in range(3))
    assert after.masks.predicted_iou.tolist() == before.masks.predicted_iou.tolist()
    assert after.to_bytes() == before.to_bytes()
    empty = PlaneCandidates.from_bytes(PlaneCandidates.empty(SHAPE).to_bytes())
    assert (len(empty), empty.own, empty.masks.shape) == (0, 0, SHAPE)
