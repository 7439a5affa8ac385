import numpy as np
import pytest
from tests.linking.propagation.bright import BrightModel, Planes, balls, box_of

from napari_segany import Prompt, PropagationParams
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.linking.propagation.compare import Overlap
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.result import Propagation, ranges_of
from napari_segany.linking.propagation.step import Judged, choose, find_end

VOLUME, LABELS = balls((12, 40, 40), (5, 15, 15, 4.5), (6, 27, 28, 5.5))


@pytest.fixture(scope="module")
def found() -> Propagation:
    view = Planes(BrightModel(), VOLUME)
    prompts = {i: {p: Prompt(box=box_of(LABELS[p] == i))} for i, p in ((1, 5), (2, 6))}
    return propagate_objects(view.model, view, range(12), prompts)


def test_the_table_has_a_row_for_each_object_and_plane(found: Propagation) -> None:
    table = found.table()
    assert {len(column) for column in table.values()} == {len(table["label"])}
    labels = found.to_labels()
    for i, plane, area in zip(table["label"], table["plane"], table["area"], strict=True):
        assert np.count_nonzero(labels[plane] == i) == area
    assert set(table["source"].tolist()) == {"prompt", "forward", "backward"}
    assert table["label"].tolist() == sorted(table["label"].tolist())


def test_the_table_of_objects_sums_up_their_planes(found: Propagation) -> None:
    rows, by_plane = found.object_table(), found.table()
    labels = found.to_labels()
    assert rows["label"].tolist() == [1, 2]
    for k, i in enumerate((1, 2)):
        here = by_plane["label"] == i
        planes = by_plane["plane"][here]
        assert (rows["first_plane"][k], rows["last_plane"][k]) == (planes.min(), planes.max())
        assert (rows["planes"][k], rows["volume"][k]) == (here.sum(), np.sum(labels == i))
        assert rows["min_confidence"][k] == by_plane["confidence"][here].min()
        assert rows["mean_confidence"][k] == pytest.approx(by_plane["confidence"][here].mean())


def test_planes_to_check_come_with_the_least_confident_first(found: Propagation) -> None:
    every = found.to_check(2.0)
    assert [each[0] for each in every] == sorted(each[0] for each in every)
    known = {(i, p) for i, each in found.objects.items() for p in each.answers}
    prompted = {(1, 5), (2, 6)}
    assert {(i, p) for _, i, p in every} >= known - prompted
    assert not prompted & {(i, p) for _, i, p in every}
    assert len(found.to_check()) == 6


def test_results_differ_where_masks_do(found: Propagation) -> None:
    assert found.changed_since(found) == {}
    fewer = Propagation(found.planes, found.shape, {1: found.objects[1]})
    assert fewer.changed_since(found) == {2: found.objects[2].planes}
    assert found.changed_since(fewer) == {2: found.objects[2].planes}


def test_planes_are_written_as_ranges() -> None:
    assert ranges_of([]) == []
    assert ranges_of([3, 4, 6]) == [(3, 4), (6, 6)]


def judged(
    iou: float = 0.9,
    ratio: float = 1.0,
    score: float = 0.9,
    like: float = 0.9,
    growth: float = 1.0,
) -> Judged:
    mask = MaskSet.from_masks(np.ones((1, 5, 5), bool))
    return Judged(mask, score, Overlap(iou, (0, 0), ratio), like, growth)


def test_each_limit_ends_an_object_and_is_named() -> None:
    params = PropagationParams()
    assert find_end(judged(), params, 1) == ""
    assert find_end(judged(iou=0.2), params, 1) == "overlap"
    assert find_end(judged(ratio=4), params, 1) == "area"
    assert find_end(judged(ratio=0.25), params, 1) == "area"
    assert find_end(judged(score=0.3), params, 1) == "score"
    assert find_end(judged(like=0.3), params, 1) == "similarity"
    assert find_end(judged(growth=5), params, 1) == "growth"
    assert find_end(judged(), PropagationParams(min_pixels=26), 1) == "area"
    # More may have changed since the plane before the last.
    assert find_end(judged(iou=0.2, ratio=4), params, 2) == ""


def test_the_most_confident_candidate_that_goes_on_is_chosen() -> None:
    best, ends, fair = judged(), judged(iou=1, score=1, like=0.3), judged(iou=0.8)
    assert choose([fair, ends, best], PropagationParams(), 1) == (best, "")
    assert choose([ends], PropagationParams(), 1) == (ends, "similarity")


@pytest.mark.parametrize(
    "wrong", [{"margin": -1}, {"min_score": 2}, {"max_gap": 0.5}, {"max_area_change": 0.5}]
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        PropagationParams(**wrong)  # type: ignore[arg-type]
