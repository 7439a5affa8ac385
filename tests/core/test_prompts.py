import dataclasses
from typing import Any

import numpy as np
import pytest

from napari_segany.core.prompts import Prompt, group_alike, prompt_boxes
from napari_segany.errors import InputError

DISC = np.hypot(*(np.mgrid[:20, :30] - np.array([10, 12])[:, None, None])) < 5


def test_points_are_on_the_object_unless_said_otherwise() -> None:
    prompt = Prompt(points=[[1, 2], [3, 4]])
    assert prompt.labels is not None
    assert prompt.labels.tolist() == [1, 1]
    mixed = Prompt(points=[[1, 2], [3, 4]], labels=[0, 1])
    assert mixed.first_point.tolist() == [3, 4]
    assert np.isnan(Prompt(points=[[1, 2]], labels=[0]).first_point).all()
    assert np.isnan(Prompt(box=[0, 0, 5, 5]).first_point).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "at least one of points, box, mask and mask_logits"),
        ({"points": []}, "at least one of"),
        ({"points": [1, 2]}, r"points must have shape \(N, 2\), got \(2,\)"),
        ({"points": [[1, 2, 3]]}, r"points must have shape \(N, 2\), got \(1, 3\)"),
        ({"points": [["a", "b"]]}, "points must be real numbers"),
        ({"points": [[1, 2 + 1j]]}, "points must be real numbers"),
        ({"points": [[1, 2], [3]]}, "points must be real numbers"),
        ({"points": [[np.nan, 2]]}, "points must be finite"),
        ({"points": [[1, 2]], "labels": [1, 0]}, "There are 1 points but 2 labels"),
        ({"points": [[1, 2]], "labels": [2]}, r"labels must be 1 .* or 0"),
        ({"points": [[1, 2]], "labels": 1}, r"labels must have shape \(N\), got \(\)"),
        ({"labels": [1]}, "labels were given without points"),
        ({"box": [0, 0, 5]}, r"box must have shape \(4\), got \(3,\)"),
        ({"box": [5, 0, 5, 5]}, "min < max"),
        ({"box": [0, 9, 5, 5]}, "min < max"),
        ({"box": [9, 0, 23, 1e-23]}, "min < max"),
        ({"box": [0, 0, 5, np.inf]}, "box must be finite"),
        ({"mask": np.zeros((5, 5), bool)}, "no pixel of it is set"),
        ({"mask": np.ones((5, 5))}, "mask must be a binary .*float64"),
        ({"mask": np.ones((5, 5, 3), bool)}, r"mask must be a binary .*\(5, 5, 3\)"),
        ({"mask_logits": np.ones(256)}, r"mask_logits must have shape \(N, N\)"),
        ({"mask_logits": np.full((256, 256), np.nan)}, "mask_logits must be finite"),
        ({"mask": DISC, "mask_logits": np.ones((256, 256))}, "either mask or mask_logits"),
    ],
)
def test_what_cannot_be_asked_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Prompt(**given)


def test_a_prompt_does_not_change_with_what_it_was_made_from() -> None:
    points, mask = np.array([[1.0, 2.0]]), DISC.copy()
    prompt = Prompt(points=points, mask=mask)
    points[:], mask[:] = 9, False
    assert prompt.points is not None
    assert prompt.points.tolist() == [[1, 2]]
    assert prompt.mask is not None
    assert np.array_equal(prompt.mask, DISC)
    with pytest.raises(ValueError, match="read-only"):
        prompt.points[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        prompt.points = points  # type: ignore[misc]


def test_points_must_lie_on_the_plane() -> None:
    for inside in ([0, 0], [-0.5, -0.5], [19.5, 29.5]):
        Prompt(points=[inside]).check_inside((20, 30))
    for outside in ([-0.6, 0], [0, 30], [20, 0], [25, 5]):
        with pytest.raises(InputError, match=r"lies outside.*rows are 0\.\.19 and columns 0\.\.29"):
            Prompt(points=[[1, 1], outside]).check_inside((20, 30))


def test_boxes_may_stick_out_but_not_lie_outside() -> None:
    Prompt(box=[-5, -5, 100, 100]).check_inside((20, 30))
    for box in ([20, 0, 30, 5], [0, -9, 5, -1]):
        with pytest.raises(InputError, match="lies outside the plane of shape"):
            Prompt(box=box).check_inside((20, 30))


def test_masks_must_have_the_planes_shape() -> None:
    Prompt(mask=DISC).check_inside((20, 30))
    with pytest.raises(InputError, match=r"shape \(20, 30\) but the plane has shape \(30, 20\)"):
        Prompt(mask=DISC).check_inside((30, 20))


def test_a_mask_alone_brings_its_box() -> None:
    completed = Prompt(mask=DISC).completed()
    assert completed.box is not None
    assert completed.box.tolist() == [6, 8, 14, 16]
    pixel = np.zeros((5, 5), bool)
    pixel[2, 3] = True
    box = Prompt(mask=pixel).completed().box
    assert box is not None
    assert (box[2:] > box[:2]).all()
    for as_it_is in (Prompt(mask=DISC, points=[[1, 1]]), Prompt(box=[0, 0, 1, 1])):
        assert as_it_is.completed() is as_it_is


def test_only_a_single_point_is_ambiguous() -> None:
    assert Prompt(points=[[1, 1]]).is_ambiguous
    assert not Prompt(points=[[1, 1], [2, 2]]).is_ambiguous
    assert not Prompt(points=[[1, 1]], box=[0, 0, 5, 5]).is_ambiguous
    assert not Prompt(points=[[1, 1]], mask_logits=np.zeros((256, 256))).is_ambiguous


def test_only_prompts_of_equal_shape_are_decoded_together() -> None:
    one, two = Prompt(points=[[1, 1]]), Prompt(points=[[1, 1], [2, 2]])
    box, both = Prompt(box=[0, 0, 5, 5]), Prompt(points=[[1, 1]], box=[0, 0, 5, 5])
    refined = Prompt(points=[[1, 1]], mask_logits=np.zeros((256, 256)))
    assert group_alike([one, box, two, one, both, refined, box]) == [[0, 3], [1, 6], [2], [4], [5]]


def test_a_prompt_says_what_it_is() -> None:
    assert repr(Prompt(points=[[1, 2], [3, 4]], mask=DISC)) == "Prompt(2 points, mask)"
    assert repr(Prompt(box=[0, 0, 5, 5])) == "Prompt(box [0.0, 0.0, 5.0, 5.0])"


def test_iterables_of_any_kind_are_taken() -> None:
    wanted = Prompt([[1, 2], [3, 4]], [1, 0], [0, 0, 9, 9])
    found = Prompt(
        ((a, a + 1) for a in (1, 3)), iter([1, 0]), dict(enumerate([0, 0, 9, 9])).values()
    )
    for name in ("points", "labels", "box"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))
    assert Prompt(points=map(list, [(1, 2)])).is_ambiguous
    with pytest.raises(InputError, match="at least one of"):
        Prompt(points=iter([]))


def test_boxes_of_pixels_become_boxes_of_prompts() -> None:
    """They go through pixel centres, grow outwards, stay in the plane and have some width."""
    boxes = np.array([[2, 3, 6, 9], [0, 0, 1, 1], [5, 7, 10, 12]])
    assert prompt_boxes(boxes, 0, (10, 12)).tolist() == [
        [2, 3, 5, 8],
        [0, 0, 0.5, 0.5],
        [5, 7, 9, 11],
    ]
    margins = np.array([[1, 0.5, 1, 0.5], [1, 1, 0, 0], [0, 0, 3, 3]])
    assert prompt_boxes(boxes, margins, (10, 12)).tolist() == [
        [1, 2.5, 6, 8.5],
        [0, 0, 0.5, 0.5],
        [5, 7, 9, 11],
    ]
