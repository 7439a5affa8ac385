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
from napari_segany.plugin.everything.found_masks import Filters, found_again
from napari_segany.recipe import Recipe

LOOSE = AutomaticParams(
    points_per_side=6, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1, min_area=0
)


@pytest.fixture
def make(viewer: Any, jobs: Any, tiny_model: Any) -> Iterator[Any]:
    made: list[EverythingController] = []

    def begin(image: Any, model: Any = tiny_model, **shown: Any) -> EverythingController:
        finder = EverythingController(viewer, jobs)
        made.append(finder)
        finder.model = model
        finder.open(viewer.add_layer(Image(image, name="image", **shown)))
        return finder

    yield begin
    for finder in made:
        finder.end()


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(3).integers(0, 255, (3, 90, 110)).astype(np.uint8)


def test_what_is_found_is_shown_with_names_that_stay(make: Any, jobs: Any, image: Any) -> None:
    finder = make(image, scale=(3, 0.5, 0.5))
    finder.find(LOOSE)
    jobs.run()
    everyone = finder.shown
    assert len(everyone) > 1
    assert set(np.unique(finder.layer.data[1])) - {0} == set(everyone.candidate + 1)
    assert not finder.layer.data[[0, 2]].any()
    assert np.array_equal(finder.layer.scale, (3, 0.5, 0.5))
    before = finder.layer.data[1].copy()
    finder.filter(Filters(min_area=int(everyone.area.min()) + 1))
    fewer = finder.shown
    assert 0 < len(fewer) < len(everyone)
    both = np.isin(before, fewer.candidate + 1)
    assert np.array_equal(finder.layer.data[1][both], before[both])
    finder.filter(Filters())
    assert np.array_equal(finder.layer.data[1], before)


def test_a_bound_that_is_too_loose_changes_nothing(make: Any, jobs: Any, image: Any) -> None:
    finder = make(image)
    finder.find(AutomaticParams(points_per_side=4, pred_iou_thresh=0.5, min_area=0))
    jobs.run()
    kept = Filters(min_area=3)
    finder.filter(kept)
    with pytest.raises(InputError, match="loosest bound"):
        finder.filter(Filters(pred_iou_thresh=0.01))
    assert finder.everything.filters == kept


def test_a_stack_is_searched_plane_by_plane_and_labelled_like_everywhere(
    make: Any, jobs: Any, image: Any, viewer: Any, tiny_model: Any
) -> None:
    finder = make(image)
    viewer.dims.current_step = (1, 0, 0)
    finder.find(LOOSE, every_plane=True)
    assert len(finder.to_do) == 3
    jobs.run()
    assert not finder.to_do
    filters = Filters(min_area=30, min_solidity=0.3, overlap="best_on_top")
    finder.filter(filters)
    viewer.dims.current_step = (2, 0, 0)
    assert np.array_equal(
        finder.layer.data[2] > 0, finder.everything.labels((2, None, None))[0] > 0
    )
    layer = finder.make_labels()
    recipe = Recipe.from_json(layer.metadata["napari_segany"]["recipe"])
    again = segment_everything(image, "ZYX", tiny_model, recipe.params, labels=recipe.labels)
    assert again.any()
    assert np.array_equal(layer.data, again)
    assert layer.features["index"].tolist() == list(range(1, again.max() + 1))


def test_stopping_keeps_the_planes_that_are_done(
    make: Any, jobs: Any, image: Any, viewer: Any
) -> None:
    finder = make(image)
    finder.find(LOOSE, every_plane=True)
    _, _, _, work, done, _ = jobs.waiting.pop(0)
    done(work(lambda: False))
    finder.stop()
    jobs.run()
    assert len(finder.everything.found) == 1
    assert finder.make_labels().data.any()


def test_only_a_region_is_searched(make: Any, jobs: Any, image: Any, viewer: Any) -> None:
    finder = make(image)
    region = np.zeros(image.shape[1:], int)
    region[40:60, 40:60] = 1
    finder.find(LOOSE, region=viewer.add_layer(Labels(region)))
    jobs.run()
    points = finder.shown.points
    assert len(points)
    assert region[tuple(np.rint(points).astype(int).T)].all()


def test_the_doubtful_come_first_and_are_accepted_or_rejected(
    make: Any, jobs: Any, image: Any
) -> None:
    finder = make(image)
    assert finder.next_doubtful() is None
    finder.find(LOOSE)
    jobs.run()
    count = len(finder.shown)
    first = finder.next_doubtful()
    assert finder.selected == first
    finder.reject(first)
    assert len(finder.shown) < count
    assert finder.selected is None
    second = finder.next_doubtful()
    finder.accept(second)
    assert finder.next_doubtful() not in (first, second)
    assert finder.point_of(second) is not None
    layer = finder.make_labels()
    assert layer.metadata["napari_segany"]["rejected"] == {"(1, None, None)": [first - 1]}


def test_what_was_decided_outlives_another_search(make: Any, jobs: Any, image: Any) -> None:
    finder = make(image)
    finder.find(LOOSE, every_plane=True)
    jobs.run()
    here, everything = finder.plane, finder.everything
    finder.reject(finder.next_doubtful())
    finder.accept(finder.next_doubtful())
    rejected, accepted = dict(everything.rejected), dict(everything.accepted)
    everything.reject((0, None, None), 5)
    gone = everything.found[here].all_candidates[next(iter(rejected[here]))]
    before = np.unique(finder.layer.data[here[0]])

    finder.find(LOOSE)
    jobs.run()
    assert everything.rejected[here] == rejected[here]
    assert everything.accepted[here] == accepted[here]
    assert np.array_equal(np.unique(finder.layer.data[here[0]]), before)

    finder.find(dataclasses.replace(LOOSE, points_per_side=7, box_nms_thresh=0.6))
    jobs.run()
    (again,) = everything.rejected[here]
    one, other = gone.mask(0), everything.found[here].all_candidates.mask(again)
    assert (one & other).sum() / (one | other).sum() >= 0.5
    assert again not in finder.shown.candidate
    assert (0, None, None) not in everything.rejected, "it was not searched yet"
    finder.find(LOOSE, every_plane=True)
    jobs.run()
    assert everything.rejected[0, None, None] == {5}


def test_an_object_that_is_not_found_again_is_not_decided(image: Any) -> None:
    masks = np.zeros((3, 20, 20), bool)
    masks[0, :8, :8], masks[1, 12:, 12:], masks[2, :8, :6] = True, True, True
    every = MaskSet.from_masks(masks)
    assert found_again(every[[0]], every) == {0}
    assert found_again(every[[1]], every[[0, 2]]) == set()
    assert found_again(every[[0]], every[[1, 2]]) == {1}
    assert found_again(every[[]], every) == set()


def test_each_image_keeps_what_was_found_and_decided(
    make: Any, jobs: Any, image: Any, viewer: Any
) -> None:
    finder = make(image)
    first = finder.picture.layer
    finder.find(LOOSE)
    jobs.run()
    finder.reject(finder.next_doubtful())
    finder.filter(Filters(min_area=3))
    shown, everything = finder.layer.data.copy(), finder.everything
    other = viewer.add_layer(Image(image[0], name="other"))
    finder.open(other)
    assert finder.shown is None
    finder.open(first)
    assert finder.everything is everything
    assert np.array_equal(finder.layer.data, shown)
    assert finder.everything.filters == Filters(min_area=3)
    first.data = image[::-1].copy()
    assert not finder.everything.found, "these are other pixels"
    finder.open(other)
    viewer.layers.remove(first)
    assert [picture.layer for picture, _ in finder._kept] == [other]


def test_searching_waits_for_the_model(
    make: Any, jobs: Any, image: Any, tiny_model: Any, viewer: Any
) -> None:
    finder = make(image, model=None)
    said: list[str] = []
    finder.status.connect(said.append)
    finder.find(LOOSE)
    assert finder.waiting
    assert said == ["Waiting for the model ..."]
    assert not jobs.busy
    finder.model = tiny_model
    jobs.run()
    assert len(finder.shown) > 1
    assert said[-1] == ""
    finder.model = None
    finder.find(LOOSE)
    finder.open(viewer.add_layer(Image(image[0], name="other")))
    assert not finder.waiting, "it was about the image before"


def test_one_bad_plane_of_many_is_named_at_the_end(
    make: Any, jobs: Any, image: Any, monkeypatch: Any
) -> None:
    finder = make(image)
    said: list[str] = []
    finder.status.connect(said.append)
    read = finder.everything.source.read

    def fail(plane: Any) -> Any:
        if plane[0] == 0:
            raise InputError("It is bad.")
        return read(plane)

    monkeypatch.setattr(finder.everything.source, "read", fail)
    finder.find(LOOSE, every_plane=True)
    jobs.run()
    assert len(finder.everything.found) == 2
    assert said[-1] == "Plane 0: It is bad."


def test_layers_that_leave_and_images_that_are_missing(
    make: Any, jobs: Any, image: Any, viewer: Any, tiny_model: Any
) -> None:
    finder = make(image)
    finder.find(LOOSE)
    jobs.run()
    viewer.layers.remove(finder.layer)
    finder.filter(Filters(min_area=1))
    assert finder.layer.data.any()
    with pytest.raises(InputError, match="Nothing was searched"):
        make(image[0]).make_labels()
    viewer.layers.remove(finder.picture.layer)
    assert finder.everything is None
    with pytest.raises(InputError, match="Choose an image"):
        finder.find(LOOSE)
