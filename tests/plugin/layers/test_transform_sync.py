"""Images that are moved, scaled or turned after they were chosen."""

from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_segany.plugin.layers.transforms import place, placement_of, to_world, viewed_plane
from napari_segany.plugin.prompt.controller import PromptController

TURNED = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])

MOVES: list[dict[str, Any]] = [
    {"scale": (2, 0.5, 0.5)},
    {"translate": (3, -7, 11)},
    {"rotate": TURNED},
    {"shear": (0, 0, 0.5)},
    {"affine": np.diag([1, 3, 2, 1])},
    {"units": ("um", "um", "um")},
    {"scale": (2, 0.5, 0.5), "translate": (4, 0, 0), "units": ("nm", "nm", "nm")},
]


def click(controller: Any, jobs: Any, *position: float) -> None:
    """Add a point at a pixel of the image, through the layer's own transform."""
    image, points = controller.view, controller.points
    points.add(np.array(points.world_to_data(image.data_to_world(position))))
    jobs.run()


def ours(controller: Any) -> list[Any]:
    return [controller.points, controller.shapes, controller.preview_layer, controller.labels]


@pytest.mark.parametrize("move", MOVES, ids=lambda move: "+".join(move))
def test_our_layers_follow_the_image(begin: Any, jobs: Any, stack: Any, move: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 30, 40)
    controller.commit()
    click(controller, jobs, 2, 10, 20)
    moved: list[Any] = []
    controller.points.events.data.connect(moved.append)
    for name, value in move.items():
        setattr(controller.image, name, value)
    jobs.run()
    for layer in ours(controller):
        assert all(map(np.allclose, to_world(layer), to_world(controller.image)))
        assert layer.units == controller.image.units
    assert not moved
    prompt = controller.session.active.prompt
    assert prompt.points.tolist() == [[10, 20]]
    controller.undo()
    controller.redo()
    assert controller.points.data.tolist() == [[2, 10, 20]]
    click(controller, jobs, 2, 12, 22)
    assert np.allclose(controller.session.active.prompt.points, [[10, 20], [12, 22]])
    assert controller.session.active.plane == (2, None, None)


def test_the_plane_is_the_one_in_view(begin: Any, jobs: Any, stack: Any, viewer: Any) -> None:
    controller = begin(stack)
    said: list[str] = []
    controller.where.connect(said.append)
    viewer.dims.set_current_step(0, 5)
    jobs.run()
    for move in ({"translate": (3, 0, 0)}, {"scale": (2, 1, 1)}, {"translate": (1, 0, 0)}):
        for name, value in move.items():
            setattr(controller.image, name, value)
        jobs.run()
        assert controller.plane == viewed_plane(viewer, controller.view) != (5, None, None)
        assert controller.session.plane == controller.plane
        assert said[-1] == f"Plane {controller.plane[0]}: ready"


def test_channels_follow_their_image(jobs: Any, stack: Any, viewer: Any, model: Any) -> None:
    layer = viewer.add_layer(Image(np.stack([stack, stack]), name="channels"))
    controller = PromptController(viewer, jobs)
    controller.model = model
    controller.open_image(layer, channels=(1,))
    jobs.run()
    controller.commit_into(None)
    layer.scale, layer.translate = (1, 2, 0.5, 0.5), (0, 3, 4, 5)
    for each in ours(controller):
        assert np.allclose(each.data_to_world((1, 10, 20)), (5, 9, 15))
    controller.end()


def test_labels_of_an_earlier_session_follow_and_those_of_others_do_not(
    begin: Any, jobs: Any, stack: Any, viewer: Any
) -> None:
    controller = begin(stack)
    mine = controller.commit_into(None)
    theirs = viewer.add_layer(Labels(np.zeros(stack.shape, int)))
    controller.commit_into(theirs)
    image = controller.image
    controller.close_session()
    image.scale = (1, 2, 2)
    assert (mine.scale == 1).all(), "there is no session that could know of it"
    controller.open_image(image)
    image.scale = (1, 3, 3)
    assert mine.scale.tolist() == [1, 3, 3]
    assert (theirs.scale == 1).all()
    controller.close_session()
    image.scale = (1, 4, 4)
    assert mine.scale.tolist() == [1, 3, 3]


def test_prompts_are_written_where_the_image_is(begin: Any, jobs: Any, stack: Any) -> None:
    controller = begin(stack)
    click(controller, jobs, 2, 10, 20)
    controller.shapes.add_rectangles(
        np.array([[2, 5, 5], [2, 5, 30], [2, 30, 30], [2, 30, 5]], float)
    )
    # Somebody drags our layers, and what is drawn there says something else from then on.
    for layer in (controller.points, controller.shapes):
        layer.translate = (0, 1, 2)
    click(controller, jobs, 2, 15, 25)
    prompt = controller.session.active.prompt
    assert prompt.points.tolist() == [[11, 22], [15, 25]]
    assert prompt.box.tolist() == [6, 7, 31, 32]
    controller.undo()
    controller.redo()
    click(controller, jobs, 2, 16, 26)
    prompt = controller.session.active.prompt
    assert prompt.points.tolist() == [[11, 22], [15, 25], [16, 26]]
    assert prompt.box.tolist() == [6, 7, 31, 32]


def test_placing_changes_only_what_differs() -> None:
    image = Image(np.zeros((4, 5)), scale=(2, 3), affine=np.diag([2, 2, 1]), units=("um", "um"))
    labels = Labels(np.zeros((4, 5), int), **placement_of(image))
    changed: list[Any] = []
    for name in placement_of(image):
        getattr(labels.events, name).connect(changed.append)
    place(labels, placement_of(image))
    assert not changed
    image.units = ("nm", "nm")
    place(labels, placement_of(image))
    assert [event.type for event in changed] == ["units"]
