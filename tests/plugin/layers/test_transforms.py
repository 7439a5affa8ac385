import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points
from tests.effort import choose_count

from napari_segany.errors import InputError
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.transforms import (
    camera_of,
    in_image,
    in_layer,
    placement_of,
    show_plane,
    to_world,
    viewed_plane,
)

STACK = np.zeros((6, 40, 50), np.uint16)


def turned(degrees: float, axes: tuple[int, int] = (1, 2)) -> Any:
    """(3, 3) rotation within two axes."""
    matrix, angle = np.eye(3), np.deg2rad(degrees)
    matrix[np.ix_(axes, axes)] = [
        [np.cos(angle), -np.sin(angle)],
        [np.sin(angle), np.cos(angle)],
    ]
    return matrix


def show(*layers: Any) -> ViewerModel:
    viewer = ViewerModel()
    for layer in layers:
        viewer.add_layer(layer)
    return viewer


@pytest.mark.parametrize(
    ("order", "step", "wanted"),
    [
        ((0, 1, 2), (4, 0, 0), (4, None, None)),
        ((1, 0, 2), (0, 7, 0), (None, 7, None)),
        ((2, 1, 0), (0, 0, 11), (None, None, 11)),
        ((0, 2, 1), (2, 0, 0), (2, None, None)),
    ],
)
def test_the_plane_in_view_is_that_of_the_sliders(order: Any, step: Any, wanted: Any) -> None:
    image = Image(STACK, scale=(3, 0.5, 0.5), translate=(10, -5, 2))
    viewer = show(image)
    viewer.dims.order = order
    viewer.dims.current_step = step
    assert viewed_plane(viewer, LayerView(image)) == wanted


def test_a_flat_image_beside_a_stack_is_its_own_plane() -> None:
    flat = Image(STACK[0])
    assert viewed_plane(show(Image(STACK), flat), LayerView(flat)) == (None, None)


def test_colours_and_levels_are_no_axes() -> None:
    coloured = Image(np.zeros((5, 30, 40, 3), np.uint8), rgb=True)
    viewer = show(coloured)
    viewer.dims.current_step = (3, 0, 0)
    assert viewed_plane(viewer, LayerView(coloured)) == (3, None, None)
    assert LayerView(coloured).source().read((3, None, None)).shape == (30, 40, 3)
    levels = Image([np.zeros((5, 60, 80)), np.zeros((5, 30, 40))], multiscale=True)
    assert LayerView(levels).source().shape == (5, 60, 80)


def test_three_dimensions_and_slanted_slices_are_said() -> None:
    image = Image(STACK)
    viewer = show(image)
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="leave the 3-D view"):
        viewed_plane(viewer, LayerView(image))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # napari says so, too
        slanted = Image(STACK, rotate=turned(30, (0, 1)))
        viewer = show(slanted)
    with pytest.raises(InputError, match="cuts across"):
        viewed_plane(viewer, LayerView(slanted))


def test_a_rotation_within_the_plane_is_no_matter() -> None:
    image = Image(STACK, rotate=turned(30))
    assert viewed_plane(show(image), LayerView(image)) == (2, None, None)


def test_a_slice_beside_the_image_is_said() -> None:
    image = Image(STACK)
    viewer = show(image, Image(np.zeros((20, 40, 50))))
    viewer.dims.current_step = (15, 0, 0)
    with pytest.raises(InputError, match="outside"):
        viewed_plane(viewer, LayerView(image))


numbers = st.floats(0.05, 20)
offsets = st.floats(-500, 500)


@settings(max_examples=choose_count(60, 20), derandomize=True, database=None, deadline=None)
@given(
    st.lists(numbers, min_size=3, max_size=3),
    st.lists(offsets, min_size=3, max_size=3),
    st.lists(numbers, min_size=3, max_size=3),
    st.lists(offsets, min_size=3, max_size=3),
    st.sampled_from(["micrometer", "nanometer", "millimeter"]),
    st.sampled_from(["micrometer", "nanometer", "millimeter"]),
    st.floats(-40, 40),
)
def test_the_same_place_is_the_same_pixel_through_any_layer(
    scale: list[float],
    translate: list[float],
    other_scale: list[float],
    other_translate: list[float],
    unit: str,
    other_unit: str,
    angle: float,
) -> None:
    image = Image(STACK, scale=scale, translate=translate, units=(unit,) * 3, rotate=turned(angle))
    points = Points(ndim=3, scale=other_scale, translate=other_translate, units=(other_unit,) * 3)
    pixel = np.array([3.0, 12.5, 30.25])
    # Where that pixel is, in metres; and what the other layer calls it.
    metres = {"nanometer": 1e-9, "micrometer": 1e-6, "millimeter": 1e-3}
    place = np.asarray(image.data_to_world(pixel)) * metres[unit]
    called = (place / metres[other_unit] - other_translate) / other_scale

    found = in_image(show(image, points), points, called[None], image)

    assert np.allclose(found, pixel[None], atol=1e-6 * max(1, np.abs(called).max()))


def test_layers_of_fewer_axes_lie_where_the_sliders_are() -> None:
    image = Image(STACK, scale=(3, 0.5, 0.5))
    flat = Points([[4.0, 6.0]], scale=(0.5, 0.5))
    viewer = show(image, flat)
    viewer.dims.current_step = (5, 0, 0)
    assert np.allclose(in_image(viewer, flat, flat.data, image), [[5, 4, 6]])


def test_many_positions_are_mapped_one_by_one() -> None:
    image, points = Image(STACK, scale=(2, 1, 1)), Points(ndim=3)
    given = np.random.default_rng(0).uniform(0, 6, (5, 3))
    found = in_image(show(image, points), points, given, image)
    assert np.allclose(found, given / [2, 1, 1])


def test_units_that_cannot_be_converted_count_as_pixels() -> None:
    image = Image(STACK, units=("micrometer",) * 3)
    points = Points(ndim=3)
    found = in_image(show(image, points), points, [[1.0, 2, 3]], image)
    assert np.allclose(found, [[1, 2, 3]])


def test_our_layers_lie_where_the_image_lies() -> None:
    image = Image(
        STACK, scale=(3, 0.5, 0.5), translate=(1, 2, 3), rotate=turned(20), units=("um",) * 3
    )
    labels = Labels(np.zeros(STACK.shape, int), **placement_of(image))
    for mine, theirs in zip(to_world(labels), to_world(image), strict=True):
        assert np.allclose(mine, theirs)
    assert labels.units == image.units


def test_positions_in_a_plane_are_those_of_the_image() -> None:
    assert in_layer((2, None, None), [[5, 6]]).tolist() == [[2, 5, 6]]
    assert in_layer((None, 7, None), [[5, 6], [1, 2]]).tolist() == [[5, 7, 6], [1, 7, 2]]


def test_the_view_moves_only_if_a_position_is_not_well_inside_it() -> None:
    viewer = show(Image(STACK))
    camera, layer = camera_of(viewer), viewer.layers[0]
    camera.zoom, camera.center = 20.0, (0.0, 20.0, 20.0)
    show_plane(viewer, layer, (3, None, None), (15, 25), centre=False)
    assert viewer.dims.current_step[0] == 3
    assert camera.center[-2:] == (20.0, 20.0)
    show_plane(viewer, layer, (3, None, None), (39, 25), centre=False)
    assert camera.center[-2:] == (39.0, 25.0)
    show_plane(viewer, layer, (3, None, None), (38, 25))
    assert camera.center[-2:] == (38.0, 25.0)


@pytest.mark.parametrize("scale", [(1, 1, 1), (2, 0.5, 0.25)])
def test_nothing_beside_the_image_comes_into_view(scale: tuple[float, ...]) -> None:
    viewer = show(Image(STACK, scale=scale))
    camera, layer = camera_of(viewer), viewer.layers[0]
    size = np.asarray(viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size)
    sides = np.asarray(STACK.shape[1:]) * scale[1:]
    # A view of a quarter of the image.
    camera.zoom = float((2 * size / sides).max())
    half = size / camera.zoom / 2
    for position in ((0, 0), (STACK.shape[1] - 1, STACK.shape[2] - 1), (20, 25)):
        show_plane(viewer, layer, (3, None, None), position, fill=True)
        found, wanted = np.asarray(camera.center[-2:]), np.asarray(position) * scale[1:]
        low = -0.5 * np.asarray(scale[1:]) + half
        assert found == pytest.approx(np.clip(wanted, low, low + sides - 2 * half))
        assert (np.abs(found - wanted) <= half).all()
    # An image that is all in view stays in its middle.
    camera.zoom = float((0.5 * size / sides).min())
    show_plane(viewer, layer, (3, None, None), (0, 0), fill=True)
    assert camera.center[-2:] == pytest.approx((np.asarray(STACK.shape[1:]) - 1) / 2 * scale[1:])
