"""Tests of the sizes of prompts on the screen."""

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points, Shapes

from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import camera_of
from napari_segany.plugin.prompt.mark_size import EDGE, POINT, MarkSize


@pytest.fixture
def viewer() -> Any:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((60, 80)), scale=(0.5, 0.5))
    return viewer


def test_marks_are_as_large_on_the_screen_at_every_zoom(viewer: Any) -> None:
    points, shapes = Points([[5, 5], [9, 9]], size=3), Shapes([[[1, 1], [1, 9], [9, 9], [9, 1]]])
    marks = MarkSize(viewer, LayerView(viewer.layers[0]), lambda: (points, shapes))
    for zoom in (0.1, 4.0, 60.0):
        camera_of(viewer).zoom = zoom
        # A pixel of the image is half a unit of the world.
        assert points.size == pytest.approx(POINT / zoom / 0.5)
        assert points.current_size == pytest.approx(POINT / zoom / 0.5)
        assert shapes.edge_width == pytest.approx([EDGE / zoom / 0.5])
    marks.end()
    camera_of(viewer).zoom = 1.0
    assert points.size == pytest.approx(POINT / 60.0 / 0.5)


def test_small_steps_of_the_zoom_draw_nothing(viewer: Any) -> None:
    points = Points([[5, 5]])
    marks = MarkSize(viewer, LayerView(viewer.layers[0]), lambda: (points, None))
    camera_of(viewer).zoom = 10.0
    before = points.size.copy()
    camera_of(viewer).zoom = 10.5
    assert (points.size == before).all()
    camera_of(viewer).zoom = 12.0
    assert (points.size < before).all()
    marks.end()


def test_a_shape_that_is_being_drawn_is_left_alone(viewer: Any) -> None:
    shapes = Shapes([[[1, 1], [1, 9], [9, 9], [9, 1]]], edge_width=7)
    marks = MarkSize(viewer, LayerView(viewer.layers[0]), lambda: (None, shapes))
    shapes._is_creating = True
    camera_of(viewer).zoom = 30.0
    assert shapes.edge_width == [7]
    shapes._is_creating = False
    camera_of(viewer).zoom = 60.0
    assert shapes.edge_width != [7]
    marks.end()
