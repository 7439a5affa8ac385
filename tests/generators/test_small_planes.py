"""Small planes: continued by mirror images, and masks brought back without doubles."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segany.core.masks import MaskSet
from napari_segany.generators.small_planes import continue_plane, cut_to_plane, is_small


@pytest.mark.parametrize(
    ("shape", "small"), [((256, 256), False), ((255, 255), True), ((10, 300), False)]
)
def test_only_planes_that_would_be_enlarged_too_much_are_small(
    shape: tuple[int, int], small: bool
) -> None:
    assert is_small(shape, 1024) == small


@pytest.mark.parametrize("shape", [(100, 80, 3), (1, 1, 3), (255, 3), (7, 255, 3)])
def test_a_continued_plane_begins_with_the_plane(shape: tuple[int, ...]) -> None:
    plane = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    larger = continue_plane(plane, 1024)
    assert larger.shape == (400, 400, *shape[2:])
    assert larger.dtype == plane.dtype
    assert (larger[: shape[0], : shape[1]] == plane).all()
    # The first pixels beyond the edges are those at the edges.
    assert (larger[shape[0], : shape[1]] == plane[-1]).all()
    assert (larger[: shape[0], shape[1]] == plane[:, -1]).all()


def boxes(*corners: tuple[int, int, int, int]) -> MaskSet:
    masks = np.zeros((len(corners), 40, 40), bool)
    for mask, (a, b, c, d) in zip(masks, corners, strict=True):
        mask[a:c, b:d] = True
    middles = [((a + c - 1) / 2, (b + d - 1) / 2) for a, b, c, d in corners]
    scores = np.linspace(0.9, 0.5, len(corners))
    return MaskSet.from_masks(
        masks, predicted_iou=scores, stability_score=scores / 2, points=np.array(middles)
    )


def test_masks_are_cut_at_the_edges_of_the_plane() -> None:
    """The plane has 20 x 24 pixels of 40 x 40: inside, across its edge, mostly and all beyond."""
    masks = boxes((2, 2, 8, 8), (14, 4, 26, 10), (18, 12, 30, 20), (25, 26, 35, 36))
    cut = cut_to_plane(masks, (20, 24))
    assert cut.shape == (20, 24)
    assert cut.boxes.tolist() == [[2, 2, 8, 8], [14, 4, 20, 10]]
    assert cut.predicted_iou.tolist() == masks.predicted_iou[:2].tolist()
    assert cut.stability_score.tolist() == masks.stability_score[:2].tolist()
    for i in range(2):
        assert (cut.mask(i) == masks.mask(i)[:20, :24]).all()
        row, col = np.rint(cut.points[i]).astype(int)
        assert cut.mask(i)[row, col]
    assert cut.points[0].tolist() == masks.points[0].tolist()


def test_a_mask_without_a_point_stays_without() -> None:
    masks = replace(boxes((2, 2, 8, 8)), points=np.full((1, 2), np.nan))
    assert np.isnan(cut_to_plane(masks, (20, 24)).points).all()


def test_nothing_inside_leaves_nothing() -> None:
    cut = cut_to_plane(boxes((25, 26, 35, 36)), (20, 24))
    assert len(cut) == 0
    assert cut.shape == (20, 24)
