"""Everything in a viewer without a window: searching, filtering, review, labels."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_segany import AutomaticParams, MaskSet, segment_everything
from napari_segany.errors import InputError
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.found_masks import match_candidates
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.recipe import Recipe

LOOSE = AutomaticParams(
    points_per_side=6, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1, min_area=0
)


@pytest.fixture
def make(viewer: Any, jobs: Any, tiny_model: Any) -> Iterator[Any]:
    made: list[EverythingController] = []

    def begin(image: Any, model: Any = tiny_model, **shown: Any) -> EverythingController:
        controller = EverythingController(viewer, jobs)
        made.append(controller)
        controller.model = model
        controller.open_image(viewer.add_layer(Image(image, name="image", **shown)))
        return controller

    yield begin
    for controller in made:
        controller.end()


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(3).integers(0, 255, (3, 90, 110)).astype(np.uint8)


def test_what_is_found_is_shown_with_names_that_stay(make: Any, jobs: Any, image: Any) -> None:
    controller = make(image, scale=(3, 0.5, 0.5))
    controller.find(LOOSE)
    jobs.run()
    everyone = controller.shown
    assert len(everyone) > 1
    assert set(np.unique(controller.layer.data[1])) - {0} == set(everyone.candidate + 1)
    assert not controller.layer.data[[0, 2]].any()
    assert np.array_equal(controller.layer.scale, (3, 0.5, 0.5))
    before = controller.layer.data[1].copy()
    controller.apply_filters(Filters(min_area=int(everyone.area.min()) + 1))
    fewer = controller.shown
    assert 0 < len(fewer) < len(everyone)
    both = np.isin(before, fewer.candidate + 1)
    assert np.array_equal(controller.layer.data[1][both], before[both])
    controller.apply_filters(Filters())
    assert np.array_equal(controller.layer.data[1], before)


def test_a_bound_that_is_too_loose_changes_nothing(make: Any, jobs: Any, image: Any) -> None:
    controller = make(image)
    controller.find(AutomaticParams(points_per_side=4, pred_iou_thresh=0.5, min_area=0))
    jobs.run()
    kept = Filters(min_area=3)
    controller.apply_filters(kept)
    with pytest.raises(InputError, match="loosest bound"):
        controller.apply_filters(Filters(pred_iou_thresh=0.01))
    assert controller.found.filters == kept


def test_a_stack_is_searched_plane_by_plane_and_labelled_like_everywhere(
    make: Any, jobs: Any, image: Any, viewer: Any, tiny_model: Any
) -> None:
    controller = make(image)
    viewer.dims.current_step = (1, 0, 0)
    controller.find(LOOSE, every_plane=True)
    assert len(controller.remaining) == 3
    jobs.run()
    assert not controller.remaining
    filters = Filters(min_area=30, min_solidity=0.3, overlap="best_on_top")
    controller.apply_filters(filters)
    viewer.dims.current_step = (2, 0, 0)
    assert np.array_equal(
        controller.layer.data[2] > 0, controller.found.paint_labels((2, None, None))[0] > 0
    )
    layer = controller.make_labels()
    recipe = Recipe.from_json(layer.metadata["napari_segany"]["recipe"])
    again = segment_everything(image, "ZYX", tiny_model, recipe.params, labels=recipe.labels)
    assert again.any()
    assert np.array_equal(layer.data, again)
    assert layer.features["index"].tolist() == list(range(1, again.max() + 1))


def test_stopping_keeps_the_planes_that_are_done(
    make: Any, jobs: Any, image: Any, viewer: Any
) -> None:
    controller = make(image)
    controller.find(LOOSE, every_plane=True)
    _, _, _, work, done, _ = jobs.waiting.pop(0)
    done(work(lambda: False))
    controller.stop()
    jobs.run()
    assert len(controller.found.masks) == 1
    assert controller.make_labels().data.any()


def test_only_a_region_is_searched(make: Any, jobs: Any, image: Any, viewer: Any) -> None:
    controller = make(image)
    region = np.zeros(image.shape[1:], int)
    region[40:60, 40:60] = 1
    controller.find(LOOSE, region=viewer.add_layer(Labels(region)))
    jobs.run()
    points = controller.shown.points
    assert len(points)
    assert region[tuple(np.rint(points).astype(int).T)].all()


def test_the_uncertain_come_first_and_are_accepted_or_rejected(
    make: Any, jobs: Any, image: Any
) -> None:
    controller = make(image)
    assert ObjectReview(controller).show_next() is None
    controller.find(LOOSE)
    jobs.run()
    count = len(controller.shown)
    first = ObjectReview(controller).show_next()
    assert ObjectReview(controller).selected == first
    ObjectReview(controller).reject(first)
    assert len(controller.shown) < count
    assert ObjectReview(controller).selected is None
    second = ObjectReview(controller).show_next()
    ObjectReview(controller).accept(second)
    assert ObjectReview(controller).show_next() not in (first, second)
    assert ObjectReview(controller).point_of(second) is not None
    layer = controller.make_labels()
    assert layer.metadata["napari_segany"]["rejected"] == {"(1, None, None)": [first - 1]}


def test_decisions_are_undone_one_by_one(make: Any, jobs: Any, image: Any) -> None:
    controller = make(image)
    controller.find(LOOSE)
    jobs.run()
    review = ObjectReview(controller)
    kept = set(controller.shown.candidate.tolist())
    first = review.show_next()
    review.accept(first)
    second = review.show_next()
    review.reject(second)
    assert second - 1 not in controller.shown.candidate
    assert review.undo() == second
    assert set(controller.shown.candidate.tolist()) == kept
    assert review.present.candidate == second - 1
    assert review.undo() == first
    assert review.undo() is None
    assert review.show_next() == first
    assert review.left > 2


def test_what_was_decided_outlives_another_search(make: Any, jobs: Any, image: Any) -> None:
    controller = make(image)
    controller.find(LOOSE, every_plane=True)
    jobs.run()
    here, everything = controller.plane, controller.found
    ObjectReview(controller).reject(ObjectReview(controller).show_next())
    ObjectReview(controller).accept(ObjectReview(controller).show_next())
    rejected, accepted = dict(everything.rejected), dict(everything.accepted)
    everything.reject((0, None, None), 5)
    gone = everything.masks[here].all_candidates[next(iter(rejected[here]))]
    before = np.unique(controller.layer.data[here[0]])

    controller.find(LOOSE)
    jobs.run()
    assert everything.rejected[here] == rejected[here]
    assert everything.accepted[here] == accepted[here]
    assert np.array_equal(np.unique(controller.layer.data[here[0]]), before)

    controller.find(dataclasses.replace(LOOSE, points_per_side=7, box_nms_thresh=0.6))
    jobs.run()
    (again,) = everything.rejected[here]
    one, other = gone.mask(0), everything.masks[here].all_candidates.mask(again)
    assert (one & other).sum() / (one | other).sum() >= 0.5
    assert again not in controller.shown.candidate
    assert (0, None, None) not in everything.rejected, "it was not searched yet"
    controller.find(LOOSE, every_plane=True)
    jobs.run()
    assert everything.rejected[0, None, None] == {5}


def test_an_object_that_is_not_found_again_is_not_decided(image: Any) -> None:
    masks = np.zeros((3, 20, 20), bool)
    masks[0, :8, :8], masks[1, 12:, 12:], masks[2, :8, :6] = True, True, True
    every = MaskSet.from_masks(masks)
    assert match_candidates(every[[0]], every) == {0}
    assert match_candidates(every[[1]], every[[0, 2]]) == set()
    assert match_candidates(every[[0]], every[[1, 2]]) == {1}
    assert match_candidates(every[[]], every) == set()


def test_each_image_keeps_what_was_found_and_decided(
    make: Any, jobs: Any, image: Any, viewer: Any
) -> None:
    controller = make(image)
    first = controller.view.layer
    controller.find(LOOSE)
    jobs.run()
    ObjectReview(controller).reject(ObjectReview(controller).show_next())
    controller.apply_filters(Filters(min_area=3))
    shown, everything = controller.layer.data.copy(), controller.found
    other = viewer.add_layer(Image(image[0], name="other"))
    controller.open_image(other)
    assert controller.shown is None
    controller.open_image(first)
    assert controller.found is everything
    assert np.array_equal(controller.layer.data, shown)
    assert controller.found.filters == Filters(min_area=3)
    first.data = image[::-1].copy()
    assert not controller.found.masks, "these are other pixels"
    controller.open_image(other)
    viewer.layers.remove(first)
    assert [view.layer for view, _ in controller._images] == [other]


def test_searching_waits_for_the_model(
    make: Any, jobs: Any, image: Any, tiny_model: Any, viewer: Any
) -> None:
    controller = make(image, model=None)
    said: list[str] = []
    controller.status.connect(said.append)
    controller.find(LOOSE)
    assert controller.waiting
    assert said == ["Waiting for the model ..."]
    assert not jobs.busy
    controller.model = tiny_model
    jobs.run()
    assert len(controller.shown) > 1
    count = len(controller.found.masks[controller.plane])
    assert said[-1] == f"{count} objects found by strategy 'grid'."
    controller.model = None
    controller.find(LOOSE)
    controller.open_image(viewer.add_layer(Image(image[0], name="other")))
    assert not controller.waiting, "it was about the image before"


def test_one_bad_plane_of_many_is_named_at_the_end(
    make: Any, jobs: Any, image: Any, monkeypatch: Any
) -> None:
    controller = make(image)
    said: list[str] = []
    controller.status.connect(said.append)
    read = controller.found.source.read

    def fail(plane: Any) -> Any:
        if plane[0] == 0:
            raise InputError("It is bad.")
        return read(plane)

    monkeypatch.setattr(controller.found.source, "read", fail)
    controller.find(LOOSE, every_plane=True)
    jobs.run()
    assert len(controller.found.masks) == 2
    assert said[-1] == "Plane 0: It is bad."


def test_layers_that_leave_and_images_that_are_missing(
    make: Any, jobs: Any, image: Any, viewer: Any, tiny_model: Any
) -> None:
    controller = make(image)
    controller.find(LOOSE)
    jobs.run()
    viewer.layers.remove(controller.layer)
    controller.apply_filters(Filters(min_area=1))
    assert controller.layer.data.any()
    with pytest.raises(InputError, match="Nothing was searched"):
        make(image[0]).make_labels()
    viewer.layers.remove(controller.view.layer)
    assert controller.found is None
    with pytest.raises(InputError, match="Choose an image"):
        controller.find(LOOSE)


def test_an_image_that_is_left_is_told_of(
    make: Any, jobs: Any, image: Any, viewer: Any, tiny_model: Any
) -> None:
    controller = make(image)
    first, said = controller.view.layer, []
    controller.status.connect(said.append)
    other = viewer.add_layer(Image(image[0], name="other"))
    controller.open_image(other)
    assert not any(said)
    controller.open_image(first)
    controller.find(LOOSE, every_plane=True)
    _, _, _, work, done, _ = jobs.waiting.pop(0)
    done(work(lambda: False))
    controller.open_image(other)
    wanted = (
        "The search of image was stopped. The masks of image come back when it is chosen again."
    )
    assert said[-1] == wanted
    controller.open_image(first)
    (plane,) = controller.found.masks
    viewer.dims.set_current_step(0, plane[0])
    assert controller.shown is not None
