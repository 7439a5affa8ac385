"""Sorting by example in the Everything dock's controller, and learning from decisions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_segany import AutomaticParams, ExemplarParams
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.generators.tile_params import TileParams
from napari_segany.plane_search import find_masks
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.example_search import ExampleSearch
from napari_segany.plugin.everything.object_sorting import ObjectSorting
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.everything.sort_panel import HOW, ONE_CLASS, SORTED, SortPanel
from napari_segany.segmentation import resolve_stack

LOOSE = AutomaticParams(
    points_per_side=6, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1, min_area=0
)


@pytest.fixture
def controller(viewer: Any, jobs: Any, tiny_model: Any, cache: Path) -> Any:
    made = EverythingController(viewer, jobs)
    made.model = tiny_model
    plane = np.random.default_rng(0).integers(0, 255, (40, 56)).astype(np.uint8)
    made.open_image(viewer.add_layer(Image(plane, name="image")))
    made.find(LOOSE)
    jobs.run()
    yield made
    made.end()


def label(sorting: ObjectSorting, candidate: int, number: int, jobs: Any) -> None:
    sorting.label(candidate, number, lambda: None)
    jobs.run()


def test_others_follow_once_two_classes_have_an_object(controller: Any, jobs: Any) -> None:
    sorting = ObjectSorting(controller)
    first, second = controller.shown.candidate[:2].tolist()
    sorting.start()
    label(sorting, first, 0, jobs)
    assert controller.shown.classes is None
    label(sorting, second, 1, jobs)
    shown = controller.shown
    assert shown.classes is not None
    assert len(shown.classes.index) == len(shown)
    own = dict(zip(shown.candidate.tolist(), shown.classes.index.tolist(), strict=True))
    assert (own[first], own[second]) == (0, 1)
    recipe = controller.make_recipe()
    assert recipe.classes is not None
    assert recipe.classes.labels == (0, 1)
    layer = controller.make_labels()
    assert set(layer.features["class"]) <= {"class 1", "class 2"}
    # The most doubtful comes first, and no labelled one.
    each, _ = controller.found.object_to_review(controller.plane)
    assert each.candidate not in (first, second)


def test_objects_of_tiles_are_sorted_as_the_recipe_does(
    viewer: Any, jobs: Any, tiny_model: Any, cache: Path
) -> None:
    of = EverythingController(viewer, jobs)
    of.model, of.tiles = tiny_model, TileParams("always", 8, 64, 16)
    pixels = np.random.default_rng(1).integers(0, 255, (72, 96)).astype(np.uint8)
    of.open_image(viewer.add_layer(Image(pixels, name="image")))
    of.find(LOOSE)
    jobs.run()
    sorting = ObjectSorting(of)
    sorting.start()
    for number, candidate in enumerate(of.shown.candidate[:2].tolist()):
        label(sorting, candidate, number, jobs)
    shown, labelled = of.shown, of.shown.candidate[:2]
    assert len(shown) > 2
    assert shown.classes is not None
    layout, recipe = resolve_stack(pixels, replace(of.make_recipe(), axes="YX"))
    assert recipe.tiles is not None
    assert recipe.classes is not None
    _, expected = find_masks(pixels, layout, recipe, tiny_model, ())
    assert np.array_equal(expected.boxes, shown.boxes)
    assert expected.classes is not None
    # A labelled object has the class that a person gave it; the others have the same here.
    others = ~np.isin(shown.candidate, labelled)
    assert shown.classes.index[others].tobytes() == expected.classes.index[others].tobytes()
    assert shown.classes.scores[others].tobytes() == expected.classes.scores[others].tobytes()
    # A search of the same plane again has candidates of its own.
    before = sorting.sorted
    assert before is not None
    of.found.add_plane(of.plane, of.found.masks[of.plane], tiny_model, LOOSE, tiles=of.found.tiles)
    assert before.class_set.counts == (1, 1)
    assert not before.has_features(of.plane)
    of.end()


def test_the_panel_says_how_to_go_on(controller: Any, jobs: Any, qtbot: Any) -> None:
    panel, sorting = SortPanel(), ObjectSorting(controller)
    qtbot.addWidget(panel)
    assert panel.line.text() == HOW
    sorting.start()
    for number, text in enumerate((ONE_CLASS, SORTED)):
        label(sorting, int(controller.shown.candidate[number]), number, jobs)
        panel.show_classes(sorting.sorted)
        assert panel.line.text() == text


def test_labels_are_undone_one_by_one(controller: Any, jobs: Any) -> None:
    sorting, review = ObjectSorting(controller), ObjectReview(controller)
    first, second = controller.shown.candidate[:2].tolist()
    label(sorting, first, 0, jobs)
    label(sorting, second, 1, jobs)
    label(sorting, second, 0, jobs)
    found = sorting.sorted
    assert found is not None
    assert found.class_set.counts == (2, 0)
    review.undo()
    assert found.class_set.counts == (1, 1)
    review.undo()
    review.undo()
    assert found.class_set.counts == (0, 0)
    assert review.undo() is None


def test_what_was_rejected_teaches_the_filter(controller: Any, jobs: Any) -> None:
    sorting = ObjectSorting(controller)
    with pytest.raises(InputError, match="First accept"):
        sorting.learn_from_decisions(lambda: None)
    plane, found = controller.plane, controller.found
    before = controller.shown.candidate.tolist()
    found.accept(plane, before[0])
    with pytest.raises(InputError, match="First reject"):
        sorting.learn_from_decisions(lambda: None)
    found.reject(plane, before[1])
    sorting.learn_from_decisions(lambda: None)
    jobs.run()
    after = controller.shown
    assert before[0] in after.candidate
    assert before[1] not in after.candidate
    assert set(after.classes.index.tolist()) == {0}
    assert controller.make_recipe().classes.classes[1].left_out
    sorting.end()
    assert len(controller.shown) == len(before) - 1


def test_there_is_no_class_beyond_those_that_were_made(controller: Any, jobs: Any) -> None:
    sorting = ObjectSorting(controller)
    with pytest.raises(InputError, match="no class 3"):
        sorting.label(0, 2, lambda: None)
    made = sorting.start()
    with pytest.raises(InputError, match="same name"):
        made.rename(0, "class 2")
    made.rename(0, "cells")
    assert made.classes[0].name == "cells"


def test_boxes_and_found_objects_are_examples(controller: Any, jobs: Any, viewer: Any) -> None:
    asked: list[ExampleSet] = []
    search = ExampleSearch(controller, asked.append)
    controller.layer.selected_label = 0
    with pytest.raises(InputError, match="Click on an object"):
        search.find_alike()
    with pytest.raises(InputError, match="Give an example first"):
        search.find_alike(unlike=True)
    shapes = viewer.add_layer(Shapes([np.array([[4, 5], [4, 40], [30, 40], [30, 5]])]))
    search.find_alike(shapes)
    jobs.run()
    controller.layer.selected_label = int(controller.shown.candidate[0]) + 1
    search.find_alike(more=True)
    jobs.run()
    search.find_alike(unlike=True)
    jobs.run()
    assert [each.summary for each in asked] == [
        "1 example",
        "2 examples",
        "2 examples, 1 not wanted",
    ]
    controller.find(ExemplarParams(examples=asked[-1], points=4, pred_iou_thresh=0.0))
    jobs.run()
    assert controller.found.params.examples == asked[-1]
    search.forget()
    assert search.examples is None
