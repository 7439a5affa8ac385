"""What points and shapes ask for, as they are drawn, moved and added to."""

from typing import Any

import numpy as np
import pytest

from napari_segany import Prompt
from napari_segany.core.shape_prompts import ShapePrompt

SCALES = [(1, 1, 1), (3, 0.65, 0.65)]


def click(controller: Any, jobs: Any, *position: float) -> None:
    controller.points.add(np.array(position, float))
    jobs.run()


def rectangle(plane: int, a: float, b: float, c: float, d: float) -> Any:
    return np.array([[plane, a, b], [plane, a, d], [plane, c, d], [plane, c, b]], float)


def move_shape(controller: Any, jobs: Any, *by: float) -> None:
    """As a hand does it, which leaves types as they are."""
    shapes = controller.shapes
    shapes.data = [each + np.array(by) for each in shapes.data]
    jobs.run()


@pytest.mark.parametrize("kind", ["ellipses", "polygons"])
@pytest.mark.parametrize("scale", SCALES)
def test_an_outline_stays_until_its_box_is_moved(
    begin: Any, jobs: Any, stack: Any, kind: str, scale: Any
) -> None:
    controller = begin(stack, scale=scale)
    getattr(controller.shapes, f"add_{kind}")(rectangle(2, 5.3, 5.7, 15.3, 15.7))
    jobs.run()
    drawn = controller.session.active.prompt
    # Written anew it is a rectangle; that is the same prompt, and a point adds to it.
    controller.session.add_point(10, 10)
    controller.undo()
    assert controller.shapes.shape_type == ["rectangle"]
    click(controller, jobs, 2, 11, 12)
    prompt = controller.session.active.prompt
    assert prompt.region is drawn.region
    assert controller.session.active.before.prompt is drawn
    move_shape(controller, jobs, 0, 10, 20)
    moved = controller.session.active.prompt
    assert np.allclose(moved.box, drawn.box + np.array([10, 20, 10, 20]))
    assert moved.region is None
    assert moved.points.tolist() == prompt.points.tolist()


def test_an_outline_that_is_moved_as_such_is_drawn_elsewhere(
    begin: Any, jobs: Any, stack: Any
) -> None:
    controller = begin(stack)
    controller.shapes.add_ellipses(rectangle(2, 5, 5, 15, 15))
    jobs.run()
    move_shape(controller, jobs, 0, 10, 20)
    assert controller.shapes.shape_type == ["ellipse"]
    assert controller.session.active.prompt.region.boxes.tolist() == [[15, 25, 26, 36]]


def test_a_mask_from_labels_stays_whatever_is_drawn_for_it(
    begin: Any, jobs: Any, stack: Any
) -> None:
    controller = begin(stack)
    mask = np.zeros(stack.shape[1:], bool)
    mask[5:15, 5:15] = True
    controller.session.plane = (2, None, None)
    controller.add_prompts([Prompt(mask=mask)])
    jobs.run()
    whole = controller.session.active.prompt
    click(controller, jobs, 2, 6, 6)
    active = controller.session.active
    assert active.prompt.points.tolist() == [[6, 6]]
    assert active.before.prompt is whole
    controller.points.data = np.zeros((0, 3))
    assert np.array_equal(controller.session.active.prompt.mask, mask)
    controller.shapes.add_rectangles(rectangle(2, 4, 4, 16, 16))
    jobs.run()
    prompt = controller.session.active.prompt
    assert prompt.box.tolist() == [4, 4, 16, 16]
    assert np.array_equal(prompt.mask, mask)


@pytest.mark.parametrize("scale", SCALES)
def test_a_click_refines_a_scribble(
    begin: Any, jobs: Any, stack: Any, model: Any, scale: Any
) -> None:
    controller = begin(stack, scale=scale)
    controller.shapes.add_paths(np.array([[2, 5, 5.1], [2, 5, 26.3]]))
    jobs.run()
    scribble = controller.session.active.prompt
    click(controller, jobs, 2, 6, 12)
    active = controller.session.active
    assert active.before.prompt is scribble
    assert active.prompt.points[:8].tolist() == scribble.points.tolist()
    assert np.allclose(active.prompt.points[8], (6, 12))
    assert model.asked[-1].mask_logits is not None
    # The click is moved, and refines the scribble anew; it is taken away, and the scribble is left.
    controller.points.data = controller.points.data + np.array([0, 2, 2])
    jobs.run()
    assert controller.session.active.before.prompt is scribble
    assert np.allclose(controller.session.active.prompt.points[8], (8, 14))
    controller.points.data = np.zeros((0, 3))
    jobs.run()
    assert controller.session.active.prompt.points.tolist() == scribble.points.tolist()
    assert controller.session.active.before is None


def test_points_come_in_the_order_in_which_they_were_asked() -> None:
    before = Prompt([[1, 1], [2, 2], [1, 1]], [1, 0, 1], box=[0, 0, 9, 9])
    drawn = ShapePrompt([[5, 5], [2, 2], [1, 1 + 1e-9], [2, 2]], [1, 1, 1, 0], [0, 0, 9, 9 - 1e-9])
    drawn.keep_order_of(before)
    assert drawn.points == [[1, 1], [2, 2], [5, 5], [2, 2]]
    assert drawn.signs == [1, 0, 1, 1]
    assert drawn.box == [0, 0, 9, 9]


def prompts_of(controller: Any) -> dict[int, Any]:
    return {each.id: each.prompt for each in controller.session.state.open}


def test_a_point_off_an_object_of_many_goes_to_the_active_one(
    begin: Any, jobs: Any, stack: Any
) -> None:
    controller = begin(stack)
    controller.sync.mode = "many"
    for at in ((2, 10, 10), (2, 20, 20), (2, 30, 30)):
        click(controller, jobs, *at)
    controller.go_to(1)
    controller.set_sign("negative")
    click(controller, jobs, 2, 29, 29)
    found = prompts_of(controller)
    assert found[1].points.tolist() == [[10, 10], [29, 29]]
    assert found[1].labels.tolist() == [1, 0]
    assert len(found[2].points) == len(found[3].points) == 1


def test_a_point_off_an_object_of_many_goes_to_the_nearest_if_none_is_active_there(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    controller.sync.mode = "many"
    controller.shapes.add_rectangles(rectangle(2, 5, 5, 15, 15))
    click(controller, jobs, 2, 30, 30)
    viewer.dims.set_current_step(0, 3)
    click(controller, jobs, 3, 5, 5)
    viewer.dims.set_current_step(0, 2)
    controller.set_sign("negative")
    click(controller, jobs, 2, 8, 8)
    found = prompts_of(controller)
    assert found[1].labels.tolist() == [0]
    assert found[1].box.tolist() == [5, 5, 15, 15]
    assert len(found[2].points) == len(found[3].points) == 1


def test_a_point_off_an_object_never_begins_one_of_many(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    said: list[str] = []
    controller.status.connect(said.append)
    controller.sync.mode = "many"
    click(controller, jobs, 2, 10, 10)
    viewer.dims.set_current_step(0, 3)
    controller.set_sign("negative")
    before = controller.session.state
    for act in (
        lambda: click(controller, jobs, 3, 8, 8),
        lambda: controller.shapes.add_paths(np.array([[3, 5, 5], [3, 5, 26]], float)),
    ):
        act()
        assert any("needs an open object" in text for text in said)
        said.clear()
        assert controller.session.state is before
        assert controller.points.data.tolist() == [[2, 10, 10]]
        assert len(controller.shapes.data) == len(controller.shapes.features) == 0


@pytest.mark.parametrize("kind", ["rectangles", "ellipses"])
def test_a_shape_that_hardly_reaches_the_plane_is_no_box(
    begin: Any, jobs: Any, stack: Any, kind: str
) -> None:
    """A side of 1e-23 pixels cannot be drawn, and no object is found in it."""
    controller = begin(stack)
    getattr(controller.shapes, f"add_{kind}")(rectangle(2, 9, -10, 23, 1e-23))
    jobs.run()
    assert not controller.session.state.open
    controller.session.add_point(10, 10)
    controller.undo()
    assert not controller.session.state.open
