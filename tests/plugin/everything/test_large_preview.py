"""Large planes in the Everything dock: objects are chosen and painted in the background."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from scipy import ndimage
from tests.stub import StubModel

from napari_segany import AutomaticParams
from napari_segany.generators.tile_params import TileParams
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.outline_layer import OutlineLayer
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.layers import label_levels
from napari_segany.plugin.shared.plane_pictures import PlanePictures

LOOSE = AutomaticParams(points_per_side=7, pred_iou_thresh=0.1, stability_score_thresh=0.1)
TILES = TileParams("always", object_size=24)
PLANE = (None, None)


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_segany.generators.tile_params.LARGE_PLANE", 200)
    monkeypatch.setattr(label_levels, "BLOCK", 64)


@pytest.fixture
def make(viewer: Any, jobs: Any, model: StubModel) -> Iterator[Any]:
    made: list[EverythingController] = []

    def begin(*shape: int) -> EverythingController:
        pixels = np.random.default_rng(7).integers(0, 255, shape or (300, 340)).astype(np.uint8)
        controller = EverythingController(viewer, jobs)
        made.append(controller)
        controller.model, controller.tiles = model, TILES
        controller.open_image(viewer.add_layer(Image(pixels, name="image")))
        return controller

    yield begin
    for controller in made:
        controller.end()


def read_levels(controller: Any, jobs: Any, plane: Any = PLANE) -> list[Any]:
    """Return all levels once their blocks are painted."""
    index = tuple(slice(None) if n is None else n for n in plane)
    for level in controller.layer.data:
        _ = level[index]
        jobs.run()
    return [level[index] for level in controller.layer.data]


def expected(controller: Any, plane: Any = PLANE) -> Any:
    return controller.found.paint_candidates(plane)[0]


def check_levels(controller: Any, jobs: Any, plane: Any = PLANE) -> None:
    labels = expected(controller, plane)
    for number, level in enumerate(read_levels(controller, jobs, plane)):
        step = 2**number
        seen = labels[step // 2 :: step, step // 2 :: step]
        assert np.array_equal(level[: seen.shape[0], : seen.shape[1]], seen)


def test_levels_show_the_labels_after_every_change(make: Any, jobs: Any) -> None:
    controller = make()
    controller.find(LOOSE)
    jobs.run()
    assert controller.layer.multiscale
    assert [level.shape for level in controller.layer.data] == [
        *((300, 340), (150, 170), (75, 85), (38, 43)),
    ]
    assert expected(controller).any()
    check_levels(controller, jobs)
    some = controller.shown
    for filters in (
        Filters(min_area=30),
        Filters(min_area=30, overlap="large_on_top"),
        Filters(pred_iou_thresh=0.85, overlap="large_on_top"),
        Filters(fill_holes=9, drop_specks=4),
        Filters(),
    ):
        controller.apply_filters(filters)
        jobs.run()
        check_levels(controller, jobs)
        assert np.array_equal(
            controller.shown.candidate, controller.found.paint_candidates(PLANE)[1].candidate
        )
    review = ObjectReview(controller)
    label = review.show_next()
    review.reject(label)
    jobs.run()
    assert label not in np.unique(expected(controller))
    check_levels(controller, jobs)
    assert len(controller.shown) < len(some)


def test_blocks_in_which_nothing_changed_are_kept(make: Any, jobs: Any) -> None:
    controller = make()
    controller.find(LOOSE)
    jobs.run()
    read_levels(controller, jobs)
    levels = controller.layer.data[0]._owner
    before = levels.painted.blocks
    review = ObjectReview(controller)
    review.reject(int(controller.shown.candidate[0]) + 1)
    jobs.run()
    after = levels.painted.blocks
    same = [block for block in after if before.get(block) is after[block]]
    assert 0 < len(same) < len(before)


def test_of_many_moves_the_last_one_is_shown(make: Any, jobs: Any) -> None:
    controller = make()
    controller.find(LOOSE)
    jobs.run()
    told: list[Any] = []
    controller.changed.connect(lambda: told.append(controller.shown))
    for area in (10, 30, 60, 90):
        controller.apply_filters(Filters(min_area=area))
    jobs.run()
    # The first one had begun; those between were never chosen.
    assert len({id(each) for each in told}) == 2
    assert controller.shown.area.min() >= 90
    check_levels(controller, jobs)


def test_a_bound_that_is_too_loose_is_said_and_taken_back(make: Any, jobs: Any) -> None:
    controller = make()
    controller.find(replace(LOOSE, pred_iou_thresh=0.8))
    jobs.run()
    kept = Filters(min_area=10)
    controller.apply_filters(kept)
    jobs.run()
    shown, said = controller.shown, []
    controller.status.connect(lambda text, severity="": said.append((text, severity)))
    controller.apply_filters(Filters(pred_iou_thresh=0.01))
    jobs.run()
    assert "loosest bound" in said[-1][0]
    assert said[-1][1] == "error"
    assert controller.found.filters == kept
    assert controller.shown is shown


def test_tiles_that_are_done_are_shown_while_the_search_goes_on(make: Any, jobs: Any) -> None:
    controller = make(500, 520)
    controller.find(LOOSE)
    _, _, _, work, done, _ = jobs.waiting.pop(0)
    seen: list[int] = []

    def look() -> bool:
        controller.follow_search()
        jobs.run()
        if controller.layer is not None:
            seen.append(len(np.unique(np.asarray(controller.layer.data[-1]))))
        return False

    masks = work(look)
    assert len(set(seen)) > 2
    assert seen == sorted(seen)
    assert controller.shown is None
    done(masks)
    jobs.run()
    assert controller.shown is not None
    check_levels(controller, jobs)


def test_planes_of_a_stack_are_shown_one_at_a_time(make: Any, jobs: Any, viewer: Any) -> None:
    controller = make(2, 300, 330)
    viewer.dims.set_current_step(0, 0)
    controller.find(LOOSE, every_plane=True)
    jobs.run()
    check_levels(controller, jobs, (0, None, None))
    viewer.dims.set_current_step(0, 1)
    jobs.run()
    check_levels(controller, jobs, (1, None, None))
    assert not controller.layer.data[0][0].any()
    assert controller.layer.data[-1][:, 0].shape == (2, 42)


def test_labels_are_painted_in_the_background(make: Any, jobs: Any, viewer: Any) -> None:
    controller = make(2, 300, 330)
    controller.find(LOOSE, every_plane=True)
    jobs.run()
    controller.apply_filters(Filters(min_area=30))
    jobs.run()
    assert controller.make_labels() is None
    assert controller.made is None
    # What is filtered meanwhile belongs to the next labels.
    controller.found.filters = Filters(min_area=60)
    jobs.run()
    layer = controller.made.layer
    assert layer in viewer.layers
    assert not controller.layer.visible
    controller.found.filters = Filters(min_area=30)
    last = 0
    for number in range(2):
        labels, masks = controller.found.paint_labels((number, None, None))
        assert np.array_equal(layer.data[number], np.where(labels > 0, labels + last, 0))
        last += len(masks)
    assert layer.features["index"].tolist() == list(range(1, last + 1))
    viewer.layers.remove(layer)
    assert controller.made is None
    assert controller.layer.visible


def test_the_reviewed_object_is_outlined_where_it_is_seen(make: Any, jobs: Any) -> None:
    controller = make()
    controller.find(LOOSE)
    jobs.run()
    outline = OutlineLayer(controller.viewer)
    mask = controller.shown[:1]
    a, b, c, d = mask.boxes[0].tolist()
    outline.show(controller.view, PLANE, mask)
    drawn = np.asarray(outline.layer.data[0][:, :])
    full = mask.mask(0)
    wanted = ndimage.binary_dilation(full) & ~ndimage.binary_erosion(full)
    assert np.array_equal(drawn > 0, wanted)
    outline.hide()
    assert not outline.layer.data[0][a:c, b:d].any()


def test_pictures_of_objects_are_read_from_windows(make: Any, jobs: Any) -> None:
    controller = make()
    controller.find(LOOSE)
    jobs.run()
    shown: list[Any] = []
    source, mask = controller.found.source, controller.shown[:2]
    whole = PlanePictures(jobs, lambda masks, pictures: shown.append(pictures))
    whole.read(source, PLANE, mask, controller.view)
    jobs.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_segany.plugin.shared.plane_pictures.LARGE_PLANE", 200)
        patch.setattr(source, "read", lambda plane: pytest.fail("the whole plane was read"))
        whole.read(source, PLANE, mask, controller.view)
        jobs.run()
    assert np.array_equal(*shown)
