"""Brush and eraser on the mask of an object, painted in the preview as napari does."""

from typing import Any

import numpy as np
import pytest

from napari_segany.plugin.prompt.brush import painted_box
from napari_segany.plugin.prompt.preview import ERASED, PAINTED
from napari_segany.plugin.prompt.tools import tool_named


def click(controller: Any, jobs: Any, *position: float) -> None:
    controller.points.add(np.array(position))
    jobs.run()


def stroke(controller: Any, jobs: Any, tool: str, *places: tuple[int, ...], size: int = 4) -> None:
    """Paint as a drag with the mouse does: one change for all of it."""
    controller.select_tool(tool_named(tool))
    layer = controller.preview_layer
    layer.brush_size = size
    with layer.block_history():
        for place in places:
            layer.paint(place, layer.selected_label)
    jobs.run()


def mask(controller: Any) -> Any:
    return controller.session.preview().mask(0)


@pytest.fixture
def clicked(begin: Any, jobs: Any, stack: Any) -> Any:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    return controller


def test_what_is_painted_is_shown_and_committed(clicked: Any, jobs: Any) -> None:
    before = mask(clicked)
    stroke(clicked, jobs, "brush", (2, 30, 30), (2, 30, 33))
    stroke(clicked, jobs, "eraser", (2, 10, 20), size=2)
    after = mask(clicked)
    assert after[30, 30:34].all()
    assert not after[10, 20]
    assert 0 < (before & ~after).sum() < before.sum()
    shown = clicked.preview_layer.data
    assert np.array_equal(shown[2] > 0, after)
    assert not np.isin(shown, (PAINTED, ERASED)).any()
    clicked.commit()
    jobs.run()
    assert np.array_equal(clicked.labels.data[2] == 1, after)
    assert clicked.labels.features["area"].tolist() == [after.sum()]


def test_each_stroke_is_a_step_and_further_clicks_keep_it(clicked: Any, jobs: Any) -> None:
    stroke(clicked, jobs, "brush", (2, 30, 30))
    stroke(clicked, jobs, "brush", (2, 35, 40))
    clicked.undo()
    jobs.run()
    assert mask(clicked)[30, 30]
    assert not mask(clicked)[35, 40]
    clicked.select_tool(tool_named("+ point"))
    click(clicked, jobs, 2, 12, 22)
    assert mask(clicked)[30, 30]
    assert np.array_equal(clicked.preview_layer.data[2] > 0, mask(clicked))


def test_a_pixel_that_is_on_already_stays_when_the_model_changes_its_mind(
    clicked: Any, jobs: Any
) -> None:
    stroke(clicked, jobs, "brush", (2, 10, 20), size=1)
    assert clicked.session.active.painted.added.mask(0)[10, 20]
    stroke(clicked, jobs, "eraser", (2, 39, 49), size=1)
    assert clicked.session.active.painted.removed.mask(0)[39, 49]


def test_without_an_object_the_stroke_disappears_and_a_line_says_what_to_do(
    begin: Any, jobs: Any, stack: Any
) -> None:
    controller = begin(stack)
    said: list[str] = []
    controller.status.connect(lambda text, severity="info": said.append(text))
    stroke(controller, jobs, "brush", (2, 10, 20))
    assert not controller.preview_layer.data.any()
    assert not controller.session.state.objects
    assert "Click on an object first" in said[-1]


def test_the_object_below_the_stroke_is_taken_when_none_is_active_there(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    controller.sync.mode = "many"
    click(controller, jobs, 2, 10, 20)
    click(controller, jobs, 2, 30, 40)
    viewer.dims.set_point(0, 3)
    click(controller, jobs, 3, 20, 20)
    viewer.dims.set_point(0, 2)
    stroke(controller, jobs, "eraser", (2, 10, 20), size=3)
    first, second, third = controller.session.state.open
    assert first.painted is not None
    assert second.painted is third.painted is None


def test_other_objects_are_shown_again_where_they_were_painted_over(
    begin: Any, jobs: Any, stack: Any
) -> None:
    controller = begin(stack)
    controller.sync.mode = "many"
    click(controller, jobs, 2, 10, 20)
    click(controller, jobs, 2, 30, 40)
    before = controller.preview_layer.data.copy()
    stroke(controller, jobs, "eraser", (2, 10, 20), size=6)
    # The active object is the second one, which has no pixel there.
    assert np.array_equal(controller.preview_layer.data, before)
    assert controller.session.state.open[1].painted is not None


def test_modes_of_the_brush_come_back_from_3d(clicked: Any, jobs: Any, viewer: Any) -> None:
    clicked.select_tool(tool_named("eraser"))
    viewer.dims.ndisplay = 3
    jobs.run()
    viewer.dims.ndisplay = 2
    jobs.run()
    assert clicked.tool is tool_named("eraser")
    assert clicked.preview_layer.mode == "paint"


def test_a_plane_beside_a_stack_in_the_viewer_is_painted_on(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack[0])
    viewer.add_image(stack)
    click(controller, jobs, 10, 20)
    stroke(controller, jobs, "brush", (30, 30))
    assert mask(controller)[30, 30]


def test_the_box_of_changes_in_any_form() -> None:
    indices = (np.array([2, 2]), np.array([3, 8]), np.array([7, 4]))
    assert painted_box([(indices, 0, 1)], (6, 40, 50)) == (slice(2, 3), slice(3, 9), slice(4, 8))
    assert painted_box([], (6, 4)) == (slice(6, 6), slice(4, 4))
