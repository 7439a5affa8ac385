"""Objects followed by memory: through volumes whose course is known, and by a tiny SAM 2.1."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.linking.propagation.bright import BrightModel, Planes, balls, box_of
from tests.linking.propagation.remembering import RememberingModel
from tests.models.ported.their_video import SHAPE, Their
from tests.models.ported.videos import VIDEOS

from napari_segany import MaskSet, Prompt, PropagationParams, propagate
from napari_segany.core.geometry import SquashedFrame
from napari_segany.core.upsampling import draw
from napari_segany.errors import Cancelled, InputError
from napari_segany.linking.propagation import memory_run
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.result import Propagation
from napari_segany.linking.propagation.spans import Span

VOLUME, LABELS = balls((16, 48, 60), (7, 20, 20, 5.5), (8, 30, 44, 6.5))
PLANES = range(len(VOLUME))
MEMORY = PropagationParams(method="memory")


def box(i: int, plane: int) -> Prompt:
    return Prompt(box=box_of(LABELS[plane] == i))


def mask(i: int, plane: int) -> MaskSet:
    return MaskSet.from_masks((LABELS[plane] == i)[None])


def run(prompts: Any, planes: Any = None, params: Any = MEMORY, **options: Any) -> Propagation:
    view = planes or Planes(RememberingModel(), VOLUME)
    return propagate_objects(view.model, view, PLANES, prompts, params, **options)


def test_a_box_on_one_plane_finds_the_whole_ball_until_it_is_absent() -> None:
    found = run({1: {7: box(1, 7)}}, spacing=1.0)
    assert np.array_equal(found.to_labels(), np.where(LABELS == 1, 1, 0))
    each = found.objects[1]
    assert each.answers[7].source == "prompt"
    assert each.answers[8].source == "forward"
    assert each.answers[6].source == "backward"
    assert each.ends == ("presence", "presence")
    assert all(0.5 < answer.confidence <= 1 for answer in each.answers.values())


@pytest.mark.parametrize("at_once", [1, 32])
def test_many_objects_are_found_as_if_alone(at_once: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(memory_run, "OBJECTS_AT_ONCE", at_once)
    prompts = {1: {7: box(1, 7)}, 5: {8: mask(2, 8)}}
    view, steps = Planes(RememberingModel(), VOLUME), []
    together = run(prompts, view, progress=lambda *step: steps.append(step))
    assert np.array_equal(together.to_labels(), np.select([LABELS == 1, LABELS == 2], [1, 5], 0))
    assert steps[-1] == (30, 30)
    for i, given_prompts in prompts.items():
        assert run({i: given_prompts}).changed_since(together).keys() == {1, 5} - {i}


def test_memories_are_dropped_once_an_object_has_ended() -> None:
    view = Planes(RememberingModel(), VOLUME)
    alive = []
    prompts = {1: {4: mask(1, 4), 7: box(1, 7), 9: mask(1, 9)}}
    run(prompts, view, on_answer=lambda *_: alive.append(len(view.model.alive)))
    assert max(alive) == 1
    assert not view.model.alive
    # A span is recalled from the prompted planes at its ends.
    assert sorted(view.model.seen) == [(4,), (4, 7), (4, 7), (7, 9), (7, 9), (9,)]


def test_a_correction_runs_only_to_the_next_prompted_plane() -> None:
    view = Planes(RememberingModel(), VOLUME)
    first = {1: {4: mask(1, 4), 9: mask(1, 9)}}
    before = run(first, view)
    view.seen.clear()
    square = np.zeros(LABELS.shape[1:], bool)
    square[19:23, 17:21] = True
    corrected = {1: first[1] | {7: MaskSet.from_masks(square[None])}}
    after = run(corrected, view, earlier=before)
    assert set(view.seen) <= set(range(4, 10))
    assert np.array_equal(after.to_labels()[7] == 1, square)
    (changed,) = after.changed_since(before).values()
    assert 7 in changed
    assert set(changed) <= set(range(5, 9))
    assert not run(corrected).changed_since(after)


def test_a_prompt_that_has_changed_is_remembered_anew() -> None:
    view, given = Planes(RememberingModel(), VOLUME), {1: {7: box(1, 7)}}
    before = run(given, view)
    view.model.seen.clear()
    run(given, view, earlier=before)
    assert not view.model.seen
    # Another prompt may be remembered otherwise, even if it gives the same mask.
    run({1: {7: box(1, 7)}}, view, earlier=before)
    assert view.model.seen == [(7,), (7,)]


def test_blank_planes_are_passed_over_and_gaps_are_bridged() -> None:
    view = Planes(RememberingModel(), VOLUME, missing=(5, 9))
    found = run({1: {7: box(1, 7)}}, view).objects[1]
    assert found.planes == (2, 3, 4, 6, 7, 8, 10, 11, 12)
    dark = VOLUME.copy()
    dark[9] = 20
    short, whole = (
        run({1: {7: box(1, 7)}}, Planes(RememberingModel(), dark), params).objects[1]
        for params in (MEMORY, PropagationParams(method="memory", max_gap=1))
    )
    assert short.planes[-1] == 8
    assert 9 not in whole.answers
    assert whole.planes[-1] == 12


def test_not_here_ends_an_object() -> None:
    found = run({1: {7: box(1, 7), 10: None}}).objects[1]
    assert found.planes[-1] == 9
    assert found.spans[Span(7, 10)].end == "absent"
    assert not found.spans[Span(10, None)].answers


def test_it_stops_between_planes() -> None:
    answers: list[int] = []
    with pytest.raises(Cancelled):
        run(
            {1: {7: box(1, 7)}},
            on_answer=lambda _, plane, __: answers.append(plane),
            should_stop=lambda: len(answers) == 2,
        )
    assert answers == [8, 9]


def test_a_model_without_memory_says_so() -> None:
    with pytest.raises(InputError, match=r"no video memory; choose a SAM 2\.1 or SAM 3 model"):
        run({1: {7: box(1, 7)}}, Planes(BrightModel(), VOLUME))
    with pytest.raises(
        InputError, match="method must be one of prompts, memory, regions, got 'video'"
    ):
        PropagationParams(method="video")  # type: ignore[arg-type]


FREELY = PropagationParams(
    method="memory",
    min_score=0,
    min_overlap=0,
    min_similarity=0,
    min_presence=0,
    max_area_change=100,
    max_growth=10000,
    max_gap=100,
    min_pixels=1,
    max_shared=1,
)
"""No limit ends an object, as in transformers."""


@pytest.fixture(scope="module")
def theirs() -> Any:
    return VIDEOS["sam2"].network()


@pytest.fixture(scope="module")
def movie() -> Any:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (2, *SHAPE, 3))
    coarse = coarse.repeat(8, axis=0).cumsum(axis=0) % 256
    return coarse[:9].astype(np.uint8)


def follow(model: Any, movie: Any, prompts: Any, **options: Any) -> Propagation:
    limits = ((0, 255),) * 3
    return propagate(movie, prompts, "TYXS", model, FREELY, normalise=limits, **options)


def test_masks_are_those_of_transformers(theirs: Any, movie: Any) -> None:
    prompts = {3: {4: Prompt(box=(4, 6, 30, 44))}, 8: {4: Prompt(points=[(20, 30)])}}
    found = follow(VIDEOS["sam2"].model(theirs), movie, prompts)
    frame = SquashedFrame(SHAPE, 128)
    drawn = []
    for reverse in (False, True):
        for plane, logits in Their(VIDEOS["sam2"], theirs, movie, prompts).track(4, reverse):
            masks = draw(torch.from_numpy(logits), frame, 1.0)
            both = MaskSet.from_crops(SHAPE, masks.masks, masks.origins)
            for i, expected in zip(prompts, both, strict=True):
                answer = found.objects[i].answers.get(plane)
                ours = np.zeros(SHAPE, bool) if answer is None else answer.mask.mask(0)
                assert np.count_nonzero(ours != expected.mask(0)) <= 2, (i, plane)
                drawn.append(ours.sum())
    assert np.ptp(drawn) > 100


def test_a_correction_gives_what_a_new_run_would(theirs: Any, movie: Any) -> None:
    model = VIDEOS["sam2"].model(theirs)
    first, second = Prompt(box=(4, 6, 30, 44)), Prompt(points=[(10, 12)])
    before = follow(model, movie, {1: {2: first}})
    after = follow(model, movie, {1: {2: first, 6: second}}, earlier=before)
    assert not after.changed_since(follow(model, movie, {1: {2: first, 6: second}}))
    assert set(after.changed_since(before)[1]) <= set(range(3, 9))
