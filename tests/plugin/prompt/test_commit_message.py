"""Tests of the message about a commit."""

from dataclasses import replace

import numpy as np

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.plugin.prompt.commit_message import commit_message
from napari_segany.session.state import Commit, SegmentedObject


def square(side: int) -> MaskSet:
    mask = np.zeros((1, 30, 30), np.bool_)
    mask[0, :side, :side] = True
    return MaskSet.from_masks(mask)


def committed(number: int, side: int, left_out: int = 0, plane: int = 0) -> SegmentedObject:
    given_up = square(left_out) if left_out else None
    commit = Commit(square(side), "keep", number, left_out=given_up)
    return SegmentedObject(
        number, (plane, None, None), Prompt(box=[1, 1, 9, 9]), label=number, commit=commit
    )


def test_one_object_is_named_with_its_pixels() -> None:
    assert commit_message([committed(11, 20)], 0, 0) == ("Committed label 11, 400 px.", "info")


def test_parts_on_other_planes_are_counted() -> None:
    parts = [replace(committed(3, 10, plane=plane), id=3 + plane) for plane in range(4)]
    assert commit_message(parts, 0, 0)[0] == "Committed label 3, 400 px on 4 planes."


def test_pixels_that_others_keep_are_named_and_few_pixels_are_a_warning() -> None:
    text, severity = commit_message([committed(1, 10, 2), committed(2, 10)], 0, 0)
    assert text.startswith("Committed 2 objects, 196 px. 4 px belong to other objects")
    assert severity == "info"
    assert commit_message([committed(1, 10, 9)], 0, 0)[1] == "warning"


def test_open_objects_are_counted_by_reason() -> None:
    text, severity = commit_message([], 2, 1)
    assert text.startswith("2 objects with lower scores stay open. 1 object stays open, because")
    assert severity == "warning"


def test_prompts_without_a_mask_are_no_matter_of_other_objects() -> None:
    text, severity = commit_message([], 0, 0, 1)
    assert text == "1 object stays open, because its prompts give no mask: change them, or delete."
    assert severity == "warning"
    text, severity = commit_message([committed(3, 10)], 0, 0, failed=2)
    assert text.startswith("Committed label 3, 100 px. 2 corrections gave no mask and were deleted")
    assert severity == "warning"
