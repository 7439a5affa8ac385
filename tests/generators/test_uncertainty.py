from dataclasses import replace

import numpy as np

from napari_segany.core.masks import MaskSet
from napari_segany.generators.uncertainty import evidence, uncertainty


def squares(*places: tuple[int, int, int]) -> MaskSet:
    masks = np.zeros((len(places), 60, 80), bool)
    for mask, (row, col, side) in zip(masks, places, strict=True):
        mask[row : row + side, col : col + side] = True
    return MaskSet.from_masks(masks)


def test_what_is_like_the_others_is_beyond_doubt() -> None:
    assert uncertainty(squares((5, 5, 6), (20, 20, 6), (40, 40, 6))).tolist() == [0, 0, 0]
    assert len(uncertainty(MaskSet.empty((5, 6)))) == 0


def test_odd_sizes_overlaps_the_border_and_low_scores_are_uncertain() -> None:
    places = [
        (5, 5, 6),
        (20, 20, 7),
        (40, 40, 6),
        (30, 5, 5),
        (40, 60, 20),
        (0, 30, 6),
        (22, 22, 6),
    ]
    found = uncertainty(squares(*places))
    usual, large, border, over = found[2], found[4], found[5], found[6]
    assert usual < border < over
    assert large == 1
    masks = squares((5, 5, 6), (20, 20, 6), (40, 40, 6))
    iou, stable = np.array([0.5, 0.9, 0.9]), np.array([1, 1, 0.7])
    scored = replace(masks, predicted_iou=iou, stability_score=stable)
    assert np.allclose(uncertainty(scored), [0.5, 0.1, 0.37])


def test_reasons_are_said_in_words_the_strongest_first() -> None:
    places = [(20, 20 + 9 * n, 6) for n in range(6)]
    found = evidence(squares((0, 0, 6), (5, 5, 14), *places))
    assert found.reasons(2) == []
    assert (
        found.reasons(0)[0].endswith("of it claimed by others") or "border" in found.reasons(0)[0]
    )
    assert "cut by the border" in found.reasons(0)
    assert "5.4 times the usual size" in found.reasons(1)
    assert (found.uncertainty == uncertainty(squares((0, 0, 6), (5, 5, 14), *places))).all()
