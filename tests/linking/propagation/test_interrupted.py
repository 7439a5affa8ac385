"""What is known of objects whose propagation was stopped."""

import numpy as np
from tests.linking.propagation.bright import BrightModel, Planes, balls

from napari_segany import MaskSet
from napari_segany.linking.propagation.interrupted import interrupted_objects
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.result import Propagation

VOLUME, TRUTH = balls((20, 40, 50), (9, 18, 20, 7), (9, 30, 42, 4))
GIVEN = {i: {9: MaskSet.from_masks((TRUTH[9] == i)[None]), 14: None} for i in (1, 2)}


def run(earlier: Propagation | None = None) -> tuple[Propagation, Planes]:
    view = Planes(BrightModel(), VOLUME)
    return propagate_objects(view.model, view, range(20), GIVEN, earlier=earlier), view


def test_what_was_reported_is_kept_and_searched_again() -> None:
    whole, _ = run()
    heard = {i: dict(list(each.answers.items())[2:5]) for i, each in whole.objects.items()}
    kept = interrupted_objects(GIVEN, heard, 0.5)
    for i, each in kept.items():
        assert set(each.answers) == {9, *heard[i]}
        assert each.answers[9].source == "prompt"
        assert {span.end for span in each.spans.values()} == {"stopped"}
    again, view = run(Propagation(range(20), TRUTH.shape[1:], kept))
    assert view.model.calls
    assert not again.changed_since(whole)


def test_objects_that_ran_into_each_other_are_cut() -> None:
    whole, _ = run()
    mine = whole.objects[1].answers
    far = {i: each for i, each in mine.items() if i != 9}
    kept = interrupted_objects(GIVEN, {1: far, 2: far}, 0.5)
    assert set(kept[1].answers) & set(kept[2].answers) == {9}
    both = interrupted_objects(GIVEN, {1: far, 2: far}, 1)
    assert set(both[2].answers) == {9, *far}
    assert np.array_equal(both[1].answers[8].mask.mask(0), mine[8].mask.mask(0))
