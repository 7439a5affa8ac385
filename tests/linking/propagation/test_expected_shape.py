"""Sections that are expected: between known ones, and of round objects up to their end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.linking.propagation.bright import BrightModel, Planes, balls, box_of

from napari_segany import MaskSet, Prompt
from napari_segany.linking.mask_geometry import centroids, diameter, mask_iou
from napari_segany.linking.propagation.expected_shape import (
    LEAST_FACTOR,
    LEAST_SECTION,
    fit_reach,
    round_part,
    section_area,
    shape_towards,
    shrink_to,
)
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.result import Propagation


def disc(radius: float, row: float = 30, col: float = 40) -> MaskSet:
    rows, cols = np.indices((60, 70))
    return MaskSet.from_masks(((rows - row) ** 2 + (cols - col) ** 2 <= radius**2)[None])


def test_sections_of_a_ball() -> None:
    radius, areas = 12.0, np.pi * (12.0**2 - np.arange(12) ** 2)
    sections = [section_area(distance, radius) for distance in range(12)]
    assert np.allclose(sections, np.maximum(areas / areas[0], LEAST_SECTION))
    assert section_area(40, radius) == LEAST_SECTION


@given(st.floats(0.4, 1), st.floats(4, 20))
def test_masks_shrink_about_their_centre(part: float, radius: float) -> None:
    mask = disc(radius)
    area = part * int(mask.area[0])
    smaller = shrink_to(mask, area)
    # Pixels are whole: the rim is right to half a pixel, which is this area of a ring.
    assert smaller.area[0] == pytest.approx(area, abs=np.pi * (radius + 0.5))
    assert not (smaller.mask(0) & ~mask.mask(0)).any()
    middle = (smaller.boxes[0, :2] + smaller.boxes[0, 2:] - 1) / 2
    assert np.abs(middle - (30, 40)).max() <= 1


def test_none_shrinks_too_far_or_grows() -> None:
    mask = disc(10)
    assert shrink_to(mask, 2 * int(mask.area[0])) is mask
    least = LEAST_FACTOR**2 * int(mask.area[0])
    assert shrink_to(mask, 1).area[0] == pytest.approx(least, rel=0.15)
    dot = MaskSet.from_masks(np.pad(np.ones((1, 1, 1), bool), ((0, 0), (3, 3), (3, 3))))
    assert shrink_to(dot, 0.1).area[0] == 1


@given(st.floats(0.1, 0.9), st.floats(0.2, 3), st.floats(0.5, 2))
def test_a_second_section_tells_where_an_ellipsoid_ends(
    part: float, reach: float, stretch: float
) -> None:
    distance = part * reach * stretch
    area = section_area(distance, reach * stretch)
    found = fit_reach(distance, area, reach)
    # Between the usual end and the one that both sections have, nearer to it the further they are.
    low, high = sorted((reach, reach * stretch))
    assert low - 1e-9 <= found <= high + 1e-9
    further = min(part + 0.2, 0.95) * reach * stretch
    surer = fit_reach(further, section_area(further, reach * stretch), reach)
    assert abs(surer - reach * stretch) <= abs(found - reach * stretch) + 1e-6
    assert found > distance


def test_a_section_as_large_as_the_largest_is_still_before_the_end() -> None:
    assert fit_reach(0.05, 1.0, 0.7) == pytest.approx(0.7, rel=0.01)
    assert fit_reach(1.2, 1.0, 0.7) > 1.2


@given(st.floats(0, 1), st.floats(3, 12), st.floats(3, 12))
def test_shapes_between_two_discs_are_discs(part: float, radius: float, other: float) -> None:
    one, two = disc(radius), disc(other, 34, 46)
    between = shape_towards(one, two, part)
    size = (1 - part) * diameter(one) + part * diameter(two)
    assert diameter(between) == pytest.approx(size, abs=1.2)
    middle = (1 - part) * centroids(one)[0] + part * centroids(two)[0]
    assert np.abs(centroids(between)[0] - middle).max() < 0.8


def test_shapes_between_end_at_the_border_of_the_plane() -> None:
    one, two = disc(8, 2, 3), disc(8, 57, 68)
    assert mask_iou(shape_towards(one, two, 0), one) == pytest.approx(1, abs=0.02)
    assert mask_iou(shape_towards(one, two, 1), two) == pytest.approx(1, abs=0.02)


def test_the_diameter_of_a_ball_changes_slowly_at_first() -> None:
    areas = [np.pi * (100 - at) for at in (0, 64)]
    diameters = [np.sqrt(100 - at**2) for at in range(9)]
    for at in range(8):
        part = round_part(at**2, (at + 1) ** 2, (0, 64), areas)
        expected = (diameters[at] - diameters[at + 1]) / (diameters[at] - diameters[8])
        assert part == pytest.approx(expected)
    # Sections of one size lie on a column.
    assert round_part(0, 16, (0, 64), (50, 50)) == pytest.approx(0.25)


def test_between_two_prompted_planes_an_object_becomes_what_it_is_at_the_other() -> None:
    # A column in which nothing tells the cone that is prompted.
    volume = np.zeros((13, 60, 70), np.uint8)
    volume[:, disc(14).mask(0)] = 200
    view = Planes(BrightModel(), volume)
    given_masks = {1: {2: disc(11), 10: disc(5)}}
    found = propagate_objects(view.model, view, range(13), given_masks, spacing=1.0)
    sizes = [diameter(found.objects[1].answers[plane].mask) for plane in range(2, 11)]
    # The model's answer to a box in the column is the box, which is larger than the disc.
    assert np.diff(sizes[1:]).max() <= 0
    assert sizes[4] == pytest.approx(16 * np.sqrt(4 / np.pi), abs=2)


def test_a_larger_section_tells_how_an_object_tapers_off_on_other_planes() -> None:
    volume = np.zeros((17, 60, 70), np.uint8)
    volume[:, disc(14).mask(0)] = 200
    view = Planes(BrightModel(), volume)
    params = PropagationParams(max_reach=0.7)

    def follow(masks: dict[int, MaskSet], earlier: Propagation | None = None) -> Propagation:
        planes = range(len(volume))
        return propagate_objects(
            view.model, view, planes, {1: masks}, params, spacing=1.0, earlier=earlier
        )

    small = {2: disc(5), 8: disc(7)}
    before = follow(small)
    after = follow(small | {12: disc(13)}, before)
    fresh = follow(small | {12: disc(13)})
    assert not fresh.changed_since(after)
    # Between the first two prompts, too.
    assert set(range(3, 8)) & set(after.changed_since(before)[1])


def test_a_round_object_ends_as_its_prompted_sections_tell() -> None:
    volume, truth = balls((40, 40, 40), (16, 20, 20, 9))
    # Twice as long as wide.
    rows = np.abs(np.arange(40) - 16) / 2 + 16
    volume, truth = volume[np.rint(rows).astype(int)], truth[np.rint(rows).astype(int)]
    column = np.hypot(*np.indices((40, 40)) - 19.5) < 6
    volume[:, column] = 200
    view = Planes(BrightModel(), volume)
    params = PropagationParams(max_reach=0.55)
    masks = {plane: MaskSet.from_masks((truth[plane] == 1)[None]) for plane in (16, 28)}
    one = propagate_objects(view.model, view, range(40), {1: {16: masks[16]}}, params, spacing=1.0)
    assert one.objects[1].planes[-1] == pytest.approx(25, abs=1)
    two = propagate_objects(view.model, view, range(40), {1: masks}, params, spacing=1.0)
    assert two.objects[1].planes[-1] == pytest.approx(33, abs=2)
    # The end that the second section lies away from is where it was.
    assert two.objects[1].planes[0] == one.objects[1].planes[0]


def test_a_ball_within_a_column_ends_as_a_ball() -> None:
    # A bright column goes on above and below the ball, a little narrower than its equator.
    volume, truth = balls((30, 40, 40), (14, 20, 20, 9))
    column = np.hypot(*np.indices((40, 40)) - 19.5) < 7
    volume[:, column] = 200
    view = Planes(BrightModel(), volume)
    prompt = {1: {14: Prompt(box=box_of(truth[14] == 1))}}
    planes = range(30)
    found = propagate_objects(
        view.model, view, planes, prompt, PropagationParams(max_reach=0.55), spacing=1.0
    )
    taken = found.objects[1].planes
    assert taken[0] == pytest.approx(5, abs=1)
    assert taken[-1] == pytest.approx(23, abs=1)
    assert found.objects[1].ends == ("reach", "reach")
    # Without a limit, nothing tells the column from the ball.
    free = propagate_objects(view.model, view, planes, prompt, spacing=1.0)
    assert free.objects[1].planes == tuple(planes)
