"""Objects on large planes are seen as zoomed or at a size that was set, which prompts record."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_segany.errors import InputError
from napari_segany.models.object_size import BEST_OBJECT_SIZE, FRAME_SIDE
from napari_segany.plugin.prompt.object_scale import shown_side

LARGE = np.random.default_rng(0).integers(0, 255, (120, 2400)).astype(np.uint8)


def show(layer: Any, *corners: tuple[int, ...]) -> None:
    """What the canvas does when it draws a layer."""
    layer.corner_pixels = np.array(corners)


def click(controller: Any, jobs: Any, *position: float) -> float | None:
    controller.points.add(np.array(position))
    jobs.run()
    size = controller.session.active.prompt.object_size
    assert size is None or isinstance(size, float)
    return size


def test_prompts_record_the_scale_of_the_view_and_keep_it(begin: Any, jobs: Any) -> None:
    controller = begin(LARGE)
    assert controller.sees_crops
    layer = controller.image
    show(layer, (0, 1000), (59, 1255))
    first = click(controller, jobs, 30, 1100)
    assert first == pytest.approx(256 * BEST_OBJECT_SIZE / FRAME_SIDE, rel=0.01)
    crop = controller.session.preview().crop_boxes[0]
    assert crop.tolist() == [0, 1024, 120, 1280]
    show(layer, (0, 0), (119, 2399))
    assert click(controller, jobs, 34, 1105) == first
    controller.commit()
    controller.undo()
    controller.undo()
    assert controller.session.active.prompt.object_size == first
    controller.clear()
    assert click(controller, jobs, 30, 300) == pytest.approx(2400 * 96 / 1024, rel=0.01)


def test_new_labels_of_a_large_plane_are_shown_after_the_first_commit(
    begin: Any, jobs: Any
) -> None:
    controller = begin(LARGE)
    show(controller.image, (0, 1000), (59, 1255))
    click(controller, jobs, 30, 1100)
    controller.commit()
    labels = controller.labels
    # napari would colour the whole plane before and after the commit.
    assert not labels.visible
    jobs.run()
    assert labels.visible
    written = np.argwhere(labels.data)
    assert len(written)
    assert np.argwhere(np.asarray(labels._slice.image.view)).tolist() == written.tolist()
    labels.undo()
    assert not labels.data.any()
    assert len(controller.session.state.open) == 1


def test_a_size_that_is_set_comes_first_and_asks_again(begin: Any, jobs: Any) -> None:
    controller = begin(LARGE)
    show(controller.image, (0, 0), (119, 2399))
    click(controller, jobs, 30, 1100)
    click(controller, jobs, 32, 1104)
    controller.set_object_size(12)
    jobs.run()
    active = controller.session.active
    assert active.prompt.object_size == 12
    assert active.before.prompt.object_size == 12
    assert max(controller.session.preview().crop_boxes[0]) - 1024 < 200
    controller.set_object_size(None)
    assert controller.session.active.prompt.object_size == pytest.approx(225, rel=0.01)


def test_the_size_of_a_selection(begin: Any, jobs: Any) -> None:
    controller = begin(LARGE)
    with pytest.raises(InputError, match="Draw a box"):
        controller.take_object_size()
    show(controller.image, (0, 1000), (59, 1255))
    click(controller, jobs, 30, 1100)
    assert controller.take_object_size() == 5
    jobs.run()
    controller.commit()
    jobs.run()
    controller.sync.scale.size = None
    assert controller.take_object_size() == 5
    box = np.array([[10, 100], [10, 140], [40, 140], [40, 100]], float)
    controller.shapes.add(box, shape_type="rectangle")
    controller.shapes.selected_data = {0}
    assert controller.take_object_size() == 40


def test_small_planes_record_no_size(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    assert not controller.sees_crops
    show(controller.image, (0, 0, 0), (0, 9, 9))
    controller.set_object_size(12)
    assert click(controller, jobs, 2, 10, 20) is None


def test_levels_count_in_pixels_of_the_plane() -> None:
    layer = Image([LARGE, LARGE[::2, ::2]], multiscale=True)
    layer._data_level = 1
    show(layer, (0, 100), (29, 355))
    assert shown_side(layer, (None, None)) == 512
    show(layer, (0, 0), (0, 0))
    assert shown_side(layer, (None, None)) is None
    colours = SimpleNamespace(
        corner_pixels=np.array([(0, 5, 7), (0, 14, 106)]),
        multiscale=False,
        data=np.zeros((3, 50, 200)),
    )
    assert shown_side(colours, (None, None)) == 100
