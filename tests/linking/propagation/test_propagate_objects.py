"""Objects through volumes whose true course is known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.linking.propagation.bright import BrightModel, Planes, balls, box_of

from napari_segany import MaskSet, Prompt, PropagationParams
from napari_segany.errors import Cancelled, InputError
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.result import Propagation

VOLUME, LABELS = balls((16, 48, 60), (7, 20, 20, 5.5), (8, 30, 44, 6.5))
PLANES = range(len(VOLUME))


def box(i: int, plane: int) -> Prompt:
    return Prompt(box=box_of(LABELS[plane] == i))


def mask(i: int, plane: int) -> MaskSet:
    return MaskSet.from_masks((LABELS[plane] == i)[None])


def run(prompts: Any, planes: Any = None, params: Any = None, **options: Any) -> Propagation:
    view = planes or Planes(BrightModel(), VOLUME)
    return propagate_objects(view.model, view, PLANES, prompts, params, **options)


def test_a_box_on_one_plane_finds_the_whole_ball_and_nothing_else() -> None:
    found = run({1: {7: box(1, 7)}}, spacing=1.0)
    assert np.array_equal(found.to_labels(), np.where(LABELS == 1, 1, 0))
    each = found.objects[1]
    assert each.answers[7].source == "prompt"
    assert each.answers[8].source == "forward"
    assert each.answers[6].source == "backward"
    # Beyond its ends nothing is bright.
    assert each.ends == ("area", "area")
    assert all(0.5 < answer.confidence <= 1 for answer in each.answers.values())


def test_many_objects_are_asked_together_and_each_is_found_as_if_alone() -> None:
    prompts = {1: {7: box(1, 7)}, 5: {8: box(2, 8)}}
    view = Planes(BrightModel(), VOLUME)
    together = run(prompts, view)
    assert np.array_equal(together.to_labels(), np.select([LABELS == 1, LABELS == 2], [1, 5], 0))
    # A plane is looked at once in each direction, beside the prompted planes.
    assert len(view.seen) <= 2 * len(PLANES) + 4
    for i, given_prompts in prompts.items():
        alone = run({i: given_prompts})
        assert alone.changed_since(together).keys() == {1, 5} - {i}


def test_prompted_planes_are_never_changed() -> None:
    square = np.zeros(LABELS.shape[1:], bool)
    square[18:23, 18:24] = True
    given_mask = MaskSet.from_masks(square[None])
    found = run({1: {5: given_mask, 7: box(1, 7), 9: mask(1, 9)}})
    assert np.array_equal(found.objects[1].answers[5].mask.mask(0), square)
    assert np.array_equal(found.to_labels()[7], LABELS[7] == 1)
    assert found.objects[1].answers[6].source in ("forward", "backward")


def test_a_correction_runs_only_to_the_next_prompted_plane() -> None:
    view = Planes(BrightModel(), VOLUME)
    first = {1: {4: mask(1, 4), 9: mask(1, 9)}}
    before = run(first, view)
    view.seen.clear()
    wrong = np.zeros(LABELS.shape[1:], bool)
    wrong[19:23, 17:21] = True
    corrected = {1: first[1] | {7: MaskSet.from_masks(wrong[None])}}
    after = run(corrected, view, earlier=before)
    assert set(view.seen) <= set(range(4, 10))
    (changed,) = after.changed_since(before).values()
    assert 7 in changed
    assert set(changed) <= set(range(5, 9))
    assert not run(corrected).changed_since(after)


def test_a_correction_that_gives_no_mask_takes_nothing_away() -> None:
    nothing = Prompt(box=[0, 0, 2, 2])
    first = {1: {7: box(1, 7)}, 2: {7: box(2, 7)}}
    before = run(first)
    view = Planes(BrightModel(), VOLUME)
    after = run({1: first[1] | {9: nothing}, 2: first[2]}, view, earlier=before)
    assert not after.changed_since(before)
    assert view.seen == [9]
    assert after.objects[1].without_mask == {9: nothing}
    assert 9 not in after.objects[1].given
    assert not after.objects[2].without_mask
    # It says the same without an earlier result, and on the plane that is looked at first.
    assert not run({1: first[1] | {9: nothing, 5: nothing}, 2: first[2]}).changed_since(before)
    # Once it gives a mask, it counts.
    corrected = run({1: {7: box(1, 7), 9: mask(1, 8)}}, earlier=after)
    assert corrected.objects[1].answers[9].source == "prompt"
    assert not corrected.objects[1].without_mask


@settings(deadline=None, max_examples=10)
@given(
    order=st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(4, 11)), min_size=1, max_size=6),
    reach=st.sampled_from([0.0, 0.6]),
)
def test_one_prompt_after_the_other_gives_what_all_at_once_give(
    order: list[tuple[int, int]], reach: float
) -> None:
    params = PropagationParams(max_reach=reach)
    prompts: dict[int, dict[int, Any]] = {}
    found = None
    for i, plane in order:
        there = bool((LABELS[plane] == i).any())
        if not there and i not in prompts:
            continue
        prompts.setdefault(i, {})[plane] = box(i, plane) if there else None
        found = run(prompts, params=params, spacing=1.0, earlier=found)
    if found is not None:
        again = run(prompts, params=params, spacing=1.0)
        assert not again.changed_since(found)
        assert np.array_equal(again.to_labels(), found.to_labels())


def test_planes_that_are_missing_are_passed_over() -> None:
    view = Planes(BrightModel(), VOLUME, missing=(9,))
    found = run({1: {7: box(1, 7)}}, view)
    assert 9 not in found.objects[1].answers
    assert {10, 11} <= set(found.objects[1].planes)
    with pytest.raises(InputError, match="missing or blank"):
        run({1: {9: box(1, 9)}}, view)


def test_an_object_may_be_missing_on_as_many_planes_as_is_said() -> None:
    volume = VOLUME.copy()
    volume[9:11] = 20
    planes = Planes(BrightModel(), volume)
    assert run({1: {7: box(1, 7)}}, planes).objects[1].planes[-1] == 8
    wide = run({1: {7: box(1, 7)}}, planes, PropagationParams(max_gap=2, max_area_change=4))
    assert wide.objects[1].planes[-3:] == (8, 11, 12)


def test_an_object_ends_where_it_is_said_not_to_be() -> None:
    found = run({1: {7: box(1, 7), 10: None}})
    assert found.objects[1].planes == tuple(range(2, 10))
    assert found.objects[1].ends[0] == "area"
    with pytest.raises(InputError, match="no prompt on a plane on which it is"):
        run({1: {7: None}})


def test_the_reach_is_limited_in_diameters_and_with_the_step_between_planes() -> None:
    params = PropagationParams(max_reach=0.5)
    # The disc on plane 7 has a diameter of 11 pixels.
    assert run({1: {7: box(1, 7)}}, None, params, spacing=2.0).objects[1].planes == (5, 6, 7, 8, 9)
    ends = run({1: {7: box(1, 7)}}, None, params, spacing=2.0).objects[1].ends
    assert ends == ("reach", "reach")


def test_of_stacked_objects_each_keeps_its_own_planes() -> None:
    """Two columns of one cross-section: only their prompts tell which is which."""
    volume = np.full((12, 30, 30), 20, np.uint8)
    volume[:, 8:20, 8:20] = 200
    view = Planes(BrightModel(), volume)
    square = Prompt(box=[8, 8, 19, 19])
    found = run_in(view, {1: {2: square}, 2: {9: square}})
    # Each plane belongs to the nearer one; of those as far from both, to the first.
    assert found.objects[1].planes == (0, 1, 2, 3, 4, 5)
    assert found.objects[2].planes == (6, 7, 8, 9, 10, 11)
    shared = run_in(view, {1: {2: square}, 2: {9: square}}, PropagationParams(max_shared=1))
    assert shared.objects[1].planes == tuple(range(12))


def run_in(view: Planes, prompts: Any, params: Any = None) -> Propagation:
    return propagate_objects(view.model, view, range(len(view.volume)), prompts, params)


def test_points_of_neighbours_are_given_as_not_part_of_the_object() -> None:
    model = BrightModel()
    prompts = {1: {7: box(1, 7)}, 2: {7: box(2, 7)}}
    run(prompts, Planes(model, VOLUME), PropagationParams(neighbour_points=3))
    several = [p for p in model.asked if p.points is not None and len(p.points) == 2]
    assert several
    for prompt in several:
        assert prompt.labels is not None
        assert prompt.labels.tolist() == [1, 0]


def test_moving_objects_are_found_where_their_motion_leads() -> None:
    """Faster than its own width from frame 2 on: its last place does not touch the next one."""
    frames = np.full((7, 60, 140), 20, np.uint8)
    places = [5, 13, 25, 37, 49, 61, 73]
    for t, left in enumerate(places):
        frames[t, 20:30, left : left + 10] = 200
    view = Planes(BrightModel(), frames)
    start = {1: {0: Prompt(box=[20, 5, 29, 14])}}
    found = run_in(view, start, PropagationParams(predict_motion=True, max_shift=1.5))
    boxes = [answer.mask.boxes[0].tolist() for answer in found.objects[1].answers.values()]
    assert boxes == [[20, left, 30, left + 10] for left in places]
    still = run_in(view, start, PropagationParams(max_shift=1.5))
    # Matching pixels reaches half a diameter further than the last place, which is one frame here.
    assert still.objects[1].planes == (0, 1, 2)


def test_progress_stop_and_answers_are_reported() -> None:
    steps: list[tuple[int, int]] = []
    heard: list[tuple[int, int]] = []
    run(
        {1: {7: box(1, 7)}},
        progress=lambda done, total: steps.append((done, total)),
        on_answer=lambda i, plane, answer: heard.append((i, plane)),
    )
    assert steps[-1] == (15, 15)
    assert [done for done, _ in steps] == list(range(1, 16))
    assert heard[:2] == [(1, 8), (1, 9)]
    with pytest.raises(Cancelled):
        run({1: {7: box(1, 7)}}, should_stop=lambda: True)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({}, "no object"),
        ({0: {7: Prompt(box=[1, 1, 5, 5])}}, "1 or more"),
        ({1: {40: Prompt(box=[1, 1, 5, 5])}}, r"planes\s+0\.\.15"),
        ({1: {}}, "no prompt"),
        ({1: {7: MaskSet.empty((48, 60))}}, "not one mask"),
        ({1: {0: Prompt(box=[1, 1, 5, 5])}}, "gives no mask"),
        ({1: {0: Prompt(box=[1, 1, 5, 5]), 7: None}}, "plane 0 gives no mask"),
    ],
)
def test_prompts_that_cannot_be_followed_are_refused(prompts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(prompts)
    with pytest.raises(InputError, match="spacing"):
        run({1: {7: box(1, 7)}}, spacing=0.0)
