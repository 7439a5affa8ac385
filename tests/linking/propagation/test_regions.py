"""Spans that regions of the volume fill, with regions that are known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.linking.propagation.bright import BrightModel, Planes, balls, box_of

from napari_segany import MaskSet, Prompt, PropagationParams
from napari_segany.errors import Cancelled, InputError
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.regions import planes_within
from napari_segany.linking.propagation.result import Propagation
from napari_segany.linking.propagation.spans import Span

VOLUME, LABELS = balls((16, 48, 60), (7, 20, 20, 5.5), (8, 30, 44, 6.5))
PARAMS = PropagationParams(method="regions")


class Known:
    """Regions that are the labels of a volume, number 0 the first id."""

    def __init__(self, labels: NDArray[np.int32]) -> None:
        self.labels = labels
        self.scores = np.full(int(labels.max()), 0.8)
        self.asked: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.looks = 0

    def find(self, params: PropagationParams, progress: Any, should_stop: Any) -> "Known":
        assert params.method == "regions"
        self.looks += 1
        return self

    def select(
        self,
        prompted: Sequence[Mapping[int, MaskSet | None]],
        followed: Sequence[Mapping[int, MaskSet | None]],
        should_stop: Any = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        found = []
        for masks, others in zip(prompted, followed, strict=True):
            self.asked.append((tuple(masks), tuple(p for p, mask in others.items() if mask)))
            fits = [self._fit(masks, region) for region in range(1, len(self.scores) + 1)]
            best = int(np.argmax(fits))
            found.append((best if fits[best] else -1, float(fits[best])))
        return np.array([n for n, _ in found], np.int64), np.array([fit for _, fit in found])

    def _fit(self, masks: Mapping[int, MaskSet | None], region: int) -> float:
        shared = total = 0
        for plane, mask in masks.items():
            here = self.labels[plane] == region
            if mask is not None:
                shared += int((mask.mask(0) & here).sum())
                total += int((mask.mask(0) | here).sum())
        return shared / max(total, 1)

    def sections(
        self, wanted: Sequence[tuple[int, range]], should_stop: Any = None
    ) -> list[dict[int, MaskSet]]:
        return [
            {
                p: MaskSet.from_masks((self.labels[p] == n + 1)[None])
                for p in planes
                if (self.labels[p] == n + 1).any()
            }
            for n, planes in wanted
        ]


def box(i: int, plane: int) -> Prompt:
    return Prompt(box=box_of(LABELS[plane] == i))


def run(prompts: Any, regions: Known, params: Any = PARAMS, **options: Any) -> Propagation:
    view = Planes(BrightModel(), VOLUME)
    return propagate_objects(
        view.model,
        view,
        range(len(VOLUME)),
        prompts,
        params,
        find_regions=regions.find,
        **options,
    )


def test_a_region_that_fits_is_the_object_on_all_its_planes() -> None:
    regions = Known(LABELS)
    seen: list[tuple[int, int]] = []
    found = run(
        {1: {7: box(1, 7)}, 4: {8: box(2, 8)}},
        regions,
        on_answer=lambda i, plane, _: seen.append((i, plane)),
    )
    assert np.array_equal(found.to_labels(), np.select([LABELS == 1, LABELS == 2], [1, 4], 0))
    each = found.objects[1]
    assert each.ends == ("region", "region")
    assert [each.answers[p].source for p in (6, 7, 8)] == ["backward", "prompt", "forward"]
    assert all(0 < answer.confidence <= 1 for answer in each.answers.values())
    assert each.answers[8].predicted_iou == pytest.approx(0.8)
    assert {plane for i, plane in seen if i == 1} == {*each.planes} - {7}
    # It is asked with what was found by prompts on the planes of each span.
    assert regions.asked[:2] == [((7,), tuple(range(2, 7))), ((7,), tuple(range(8, 13)))]
    assert each.spans[Span(7, None)].followed.end == "area"  # type: ignore[union-attr]
    # The ends of a section are small beside the one before.
    assert each.answers[max(each.planes)].confidence < each.answers[8].confidence


def test_prompted_planes_stay_as_they_are() -> None:
    shifted = np.roll(LABELS == 1, 1, axis=2)[7]
    given = MaskSet.from_masks(shifted[None])
    found = run({1: {7: given}}, Known(LABELS))
    assert np.array_equal(found.objects[1].answers[7].mask.mask(0), shifted)
    assert np.array_equal(found.objects[1].answers[8].mask.mask(0), LABELS[8] == 1)


def test_a_correction_that_gives_no_mask_leaves_the_region() -> None:
    before = run({1: {7: box(1, 7)}}, Known(LABELS))
    nothing = Prompt(box=[0, 0, 2, 2])
    after = run({1: {7: box(1, 7), 9: nothing}}, Known(LABELS), earlier=before)
    assert after.objects[1].without_mask == {9: nothing}
    assert not after.changed_since(before)


def test_where_no_region_fits_the_object_is_followed_by_prompts() -> None:
    wrong = np.roll(LABELS, 20, axis=2)
    by_prompts = propagate_objects(
        (view := Planes(BrightModel(), VOLUME)).model,
        view,
        range(len(VOLUME)),
        {1: {7: box(1, 7)}},
    )
    found = run({1: {7: box(1, 7)}}, Known(wrong))
    assert found.to_labels().tobytes() == by_prompts.to_labels().tobytes()
    assert found.objects[1].ends == by_prompts.objects[1].ends
    half = np.where(np.arange(60) < 20, LABELS, 0).astype(np.int32)
    strict = PropagationParams(method="regions", min_fit=0.9)
    assert run({1: {7: box(1, 7)}}, Known(half), strict).objects[1].ends == ("area", "area")
    loose = PropagationParams(method="regions", min_fit=0.2)
    assert run({1: {7: box(1, 7)}}, Known(half), loose).objects[1].ends == ("region", "region")


def test_an_object_is_not_beyond_a_plane_where_it_is_said_not_to_be() -> None:
    found = run({1: {7: box(1, 7), 9: None}}, Known(LABELS))
    each = found.objects[1]
    assert max(each.planes) == 8
    assert each.spans[Span(7, 9)].end == "absent"
    assert each.ends[0] == "region"
    assert np.array_equal(each.answers[5].mask.mask(0), LABELS[5] == 1)


def test_a_correction_reaches_to_the_next_prompted_planes_only() -> None:
    """What is found in a span depends on its ends."""
    first = run({1: {7: box(1, 7)}}, regions := Known(LABELS))
    moved = MaskSet.from_masks((LABELS[10] == 1)[None])
    second = run({1: {7: first.objects[1].given[7], 10: moved}}, regions, earlier=first)
    assert second.changed_since(first) == {}
    assert [ends for ends, _ in regions.asked[-3:]] == [(7,), (7, 10), (10,)]
    assert all(plane in second.objects[1].answers for plane in (8, 9))


def test_a_region_with_a_hole_between_prompted_planes_is_not_taken() -> None:
    """Between planes on which the object is, it is on every plane."""
    broken = LABELS.copy()
    broken[8] = 0
    found = run({1: {6: box(1, 6), 10: box(1, 10)}}, Known(broken))
    between, beyond = (found.objects[1].spans[span] for span in (Span(6, 10), Span(10, None)))
    assert between.answers.keys() == {7, 8, 9}
    assert (between.end, beyond.end) == ("", "region")


def test_what_regions_need_is_said() -> None:
    with pytest.raises(InputError, match="There are no regions of the volume"):
        propagate_objects(
            (view := Planes(BrightModel(), VOLUME)).model,
            view,
            range(len(VOLUME)),
            {1: {7: box(1, 7)}},
            PARAMS,
        )
    moving = PropagationParams(method="regions", predict_motion=True)
    with pytest.raises(InputError, match="objects of a movie move"):
        run({1: {7: box(1, 7)}}, Known(LABELS), moving)


def test_with_an_earlier_result_the_bytes_are_those_of_a_new_one() -> None:
    """Spans that were followed before are not followed again, and regions are chosen anew."""
    prompts: dict[int, Any] = {1: {7: box(1, 7)}, 2: {8: box(2, 8)}}
    first = run(prompts, Known(LABELS))
    corrected = prompts | {1: {7: prompts[1][7], 9: box(1, 9)}}
    model = BrightModel()
    view = Planes(model, VOLUME)
    ways: Any = {"find_regions": Known(LABELS).find}
    second = propagate_objects(model, view, range(16), corrected, PARAMS, earlier=first, **ways)
    seen = len(view.seen)
    view = Planes(BrightModel(), VOLUME)
    anew = propagate_objects(view.model, view, range(16), corrected, PARAMS, **ways)
    assert second.to_labels().tobytes() == anew.to_labels().tobytes()
    assert seen < len(view.seen)
    # The same objects by prompts are those that were kept beside the regions.
    by_prompts = propagate_objects(
        (plain := Planes(BrightModel(), VOLUME)).model, plain, range(16), corrected
    )
    kept = second.objects[1].spans[Span(9, None)].followed
    assert kept is not None
    assert kept.answers.keys() == by_prompts.objects[1].spans[Span(9, None)].answers.keys()


def test_what_was_followed_serves_both_methods() -> None:
    """Regions after prompts, other regions, and prompts again follow nothing twice."""
    view = Planes(BrightModel(), VOLUME)
    prompts = {1: {7: box(1, 7)}}
    by_prompts = propagate_objects(view.model, view, range(16), prompts)
    seen = len(view.seen)
    strict = PropagationParams(method="regions", min_fit=0.9, smoothing=0.5)
    ways: Any = {"find_regions": Known(LABELS).find}
    filled = propagate_objects(
        view.model, view, range(16), prompts, strict, earlier=by_prompts, **ways
    )
    assert filled.objects[1].ends == ("region", "region")
    again = propagate_objects(view.model, view, range(16), prompts, earlier=filled)
    assert again.changed_since(by_prompts) == {}
    assert len(view.seen) == seen


def test_other_methods_look_for_no_regions() -> None:
    regions = Known(LABELS)
    run({1: {7: box(1, 7)}}, regions, PropagationParams())
    assert not regions.looks


def test_it_can_be_stopped_while_regions_are_found() -> None:
    class Slow(Known):
        def find(self, params: PropagationParams, progress: Any, should_stop: Any) -> "Known":
            assert should_stop()
            raise Cancelled

    with pytest.raises(Cancelled):
        run({1: {7: box(1, 7)}}, Slow(LABELS), should_stop=iter([False, True, True]).__next__)


def test_spans_have_the_planes_between_their_ends() -> None:
    assert planes_within(Span(None, 4), range(1, 9)) == range(1, 4)
    assert planes_within(Span(4, 6), range(1, 9)) == range(5, 6)
    assert planes_within(Span(6, None), range(1, 9)) == range(7, 9)
    assert not planes_within(Span(8, None), range(1, 9))
