"""Masks that are rated by their likeness, and specks that are not."""

from dataclasses import replace

import numpy as np
from tests.generators.exemplars.test_example_set import random_examples

from napari_segany import ExemplarParams, MaskSet
from napari_segany.generators.exemplars.search import without_specks


def test_specks_are_left_out_and_large_masks_are_not() -> None:
    examples = random_examples(2)
    small, large = (
        replace(each, area=area)
        for each, area in zip(examples.examples, (48.0, 480.0), strict=True)
    )
    squares = np.zeros((4, 60, 60), bool)
    for mask, side in zip(squares, (1, 2, 20, 60), strict=True):
        mask[:side, :side] = True
    masks = MaskSet.from_masks(squares)
    kept = without_specks(masks, replace(examples, examples=(large, small)))
    assert kept.area.tolist() == [4, 400, 3600]
    assert without_specks(masks, replace(examples, examples=(large,))).area.tolist() == [400, 3600]


def test_recipes_that_name_no_order_rank_by_quality() -> None:
    values = ExemplarParams().to_dict()
    del values["rank_by"]
    assert ExemplarParams.from_dict(values) == ExemplarParams(rank_by="quality")
