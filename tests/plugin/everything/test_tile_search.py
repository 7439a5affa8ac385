"""Large planes in the Everything dock: searched in tiles, read in windows, stopped and resumed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes
from tests.stub import StubModel

from napari_segany import AutomaticParams, segment_everything
from napari_segany.errors import Cancelled, InputError
from napari_segany.generators.tile_params import TileParams
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.selected_size import selected_size

LOOSE = AutomaticParams(points_per_side=5, pred_iou_thresh=0, stability_score_thresh=0, min_area=0)
TILES = TileParams("always", object_size=24, tile_side=256, tile_overlap=48)
WHOLE = (None, None)


@pytest.fixture
def make(viewer: Any, jobs: Any, model: StubModel) -> Iterator[Any]:
    made: list[EverythingController] = []

    def begin(image: Any, tiles: TileParams | None = TILES, **shown: Any) -> EverythingController:
        controller = EverythingController(viewer, jobs)
        made.append(controller)
        controller.model, controller.tiles = model, tiles
        controller.open_image(viewer.add_layer(Image(image, name="image", **shown)))
        return controller

    yield begin
    for controller in made:
        controller.end()


def noise(*shape: int) -> Any:
    return np.random.default_rng(7).integers(0, 255, shape).astype(np.uint8)


class CountedChunks:
    """A plane of chunks that notes which of them were read."""

    def __init__(self, pixels: Any, chunk: int) -> None:
        self.read: list[tuple[int, int]] = []

        def note(block: Any, block_info: Any = None) -> Any:
            self.read.append(tuple(block_info[0]["chunk-location"]))
            return block

        source = da.from_array(pixels, chunks=chunk)
        self.array = source.map_blocks(note, dtype=pixels.dtype, meta=np.zeros((0, 0), np.uint8))


def cancel_after(count: int) -> Any:
    """Return a function that asks to stop once it was called often."""
    calls = iter(range(count))
    return lambda: next(calls, None) is None


@pytest.mark.parametrize("dtype", ["uint8", "float32", "colours"])
def test_pixels_and_masks_are_those_of_python(
    make: Any, jobs: Any, model: StubModel, dtype: str
) -> None:
    pixels = noise(300, 340, 3) if dtype == "colours" else noise(300, 340).astype(dtype)
    controller = make(pixels, rgb=dtype == "colours")
    controller.find(LOOSE)
    jobs.run()
    labels = controller.make_labels().data
    seen = [*model.planes]
    model.planes.clear()
    axes = "YXS" if dtype == "colours" else "YX"
    expected = segment_everything(pixels, axes, model, LOOSE, tiles=TILES)
    assert expected.any()
    assert np.array_equal(labels, expected)
    assert len(seen) == len(model.planes) > 1
    for (one, _), (other, _) in zip(seen, model.planes, strict=True):
        assert np.array_equal(one, other)


def test_only_chunks_of_the_region_are_read(make: Any, jobs: Any, viewer: Any) -> None:
    counted = CountedChunks(noise(1024, 1024), 128)
    controller = make([counted.array, counted.array[::4, ::4]], multiscale=True)
    counted.read.clear()
    box = viewer.add_layer(Shapes([[[10, 10], [10, 90], [90, 90], [90, 10]]]))
    # Limits are given, because the sample of a plane of this size is the plane.
    controller.open_view(controller.view.with_limits(((0, 255),)))
    controller.find(LOOSE, region=box)
    jobs.run()
    assert len(controller.shown)
    # The first tile has 256 pixels.
    assert set(counted.read) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_whole_planes_are_searched_where_tiles_are_off(make: Any, jobs: Any) -> None:
    controller = make(noise(300, 340), tiles=None)
    controller.find(LOOSE)
    jobs.run()
    assert controller.found.tiles.settled is None
    assert controller.make_recipe().tiles is None


def stop_in_tile(controller: Any, jobs: Any, polls: int) -> None:
    """Let a search run until it is asked to stop, and stop it."""
    _, _, _, work, _, _ = jobs.waiting.pop(0)
    with pytest.raises(Cancelled):
        work(cancel_after(polls))
    controller.stop()
    jobs.run()


# Polls of the search after which it is stopped; with two scales in the second one, too.
@pytest.mark.parametrize(("scales", "polls"), [(1, 20), (2, 20), (2, 42)])
def test_a_stopped_search_keeps_its_tiles_and_goes_on(
    make: Any, jobs: Any, scales: int, polls: int
) -> None:
    pixels, tiles = noise(500, 520), replace(TILES, tile_scales=scales)
    whole = make(pixels, tiles)
    whole.find(LOOSE)
    jobs.run()
    complete = whole.shown

    controller = make(pixels, tiles)
    said: list[str] = []
    controller.status.connect(lambda text, severity="": said.append(text))
    controller.find(LOOSE)
    stop_in_tile(controller, jobs, polls)
    (task,) = controller.found.unfinished.values()
    done = len(task.parts)
    assert 0 < done < task.grid.count
    assert (done > len(task.grid)) == (polls > 20)
    assert f"Stopped after {done} of {task.grid.count} tiles" in said[-1]
    assert len(controller.shown)
    assert not np.array_equal(controller.shown.boxes, complete.boxes)
    assert controller.make_labels().data.any()

    searched: list[int] = []
    controller.filter_again()
    controller.find(LOOSE)
    _, _, _, work, finish, _ = jobs.waiting.pop(0)
    masks = work(lambda: searched.append(1) or False)
    finish(masks)
    assert not controller.found.unfinished
    assert np.array_equal(masks.boxes, complete.boxes)
    assert np.array_equal(masks.predicted_iou, complete.predicted_iou)


def test_another_search_begins_anew(make: Any, jobs: Any) -> None:
    controller = make(noise(500, 520))
    controller.find(LOOSE)
    stop_in_tile(controller, jobs, 20)
    controller.tiles = TileParams("always", object_size=30)
    controller.find(LOOSE)
    jobs.run()
    assert controller.found.tiles.settled.object_size == 30
    assert not controller.found.unfinished


def test_planes_of_a_stack_one_by_one_have_the_same_tiles(
    make: Any, jobs: Any, viewer: Any
) -> None:
    controller = make(noise(2, 300, 330), tiles=TileParams("always"))
    controller.find(LOOSE)
    jobs.run()
    settled = controller.found.tiles
    viewer.dims.set_current_step(0, 0 if viewer.dims.current_step[0] else 1)
    controller.find(LOOSE)
    jobs.run()
    assert controller.found.tiles is settled
    assert len(controller.found.masks) == 2


def test_a_plane_without_a_finite_pixel_is_reported(make: Any, jobs: Any) -> None:
    controller = make(np.full((300, 330), np.nan, np.float32))
    said: list[tuple[str, str]] = []
    controller.status.connect(lambda text, severity="": said.append((text, severity)))
    controller.find(LOOSE)
    jobs.run()
    assert "finite" in said[-1][0]
    assert said[-1][1] == "warning"


def test_the_size_of_a_selected_shape_or_object(make: Any, jobs: Any, viewer: Any) -> None:
    controller = make(noise(300, 340), scale=(2, 2))
    view = controller.view
    with pytest.raises(InputError, match="Draw a box"):
        selected_size(viewer, view, WHOLE, None)
    shapes = viewer.add_layer(Shapes([[[20, 40], [20, 100], [90, 100], [90, 40]]]))
    shapes.selected_data = {0}
    viewer.layers.selection.active = shapes
    assert selected_size(viewer, view, WHOLE, None) == 35
    viewer.layers.selection.active = viewer.add_layer(Labels(np.zeros((4, 4), int)))
    controller.find(LOOSE)
    jobs.run()
    one = controller.shown[:1]
    box = one.boxes[0]
    assert selected_size(viewer, view, WHOLE, one) == max(box[2] - box[0], box[3] - box[1])
