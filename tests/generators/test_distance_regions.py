"""From foreground and distances to objects: drawn labels come back, and the published code's."""

import heapq
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from tests.decoders import maps_of_labels
from tests.generators.maps import draw_discs
from tests.published_decoders import published_watershed

from napari_segany import DecoderParams
from napari_segany.generators.distance_regions import (
    find_seeds,
    grow_regions,
    seed_points,
    smooth_maps,
)
from napari_segany.models.distance_decoder import DistanceMaps

PLAIN = DecoderParams(foreground_smoothing=0, distance_smoothing=0)

CELLS = [
    (20, 20, 12),
    # Three that touch.
    (60, 30, 14),
    (60, 56, 14),
    (82, 43, 13),
    # At the border, and in a corner.
    (40, 95, 12),
    (0, 50, 10),
    (99, 99, 14),
]


def segment(maps: DistanceMaps, params: DecoderParams) -> NDArray[np.int32]:
    smoothed = smooth_maps(maps, params)
    return grow_regions(smoothed, find_seeds(smoothed, params), params)


def random_maps(seed: int, shape: tuple[int, int] = (70, 90)) -> DistanceMaps:
    """Smooth noise between 0 and 1."""
    noise = np.random.default_rng(seed).normal(size=(3, *shape))
    smooth = np.stack([ndimage.gaussian_filter(each, 4) for each in noise])
    low, high = smooth.min((1, 2), keepdims=True), smooth.max((1, 2), keepdims=True)
    return DistanceMaps(*((smooth - low) / (high - low)).astype(np.float32))


def count_errors(found: NDArray[Any], truth: NDArray[Any], iou: float) -> tuple[int, int]:
    """The objects that were missed, and those that are in no place of a true one."""
    matched = 0
    for number in np.unique(truth[truth > 0]).tolist():
        inside = truth == number
        best = np.bincount(found[inside]).argmax()
        other = found == best
        matched += bool(best) and (inside & other).sum() > iou * (inside | other).sum()
    return int(truth.max()) - matched, len(np.unique(found[found > 0])) - matched


def test_objects_come_back_from_their_distances() -> None:
    labels = draw_discs((100, 100), CELLS)
    assert len(np.unique(labels)) == len(CELLS) + 1
    found = segment(maps_of_labels(labels), PLAIN)
    assert np.array_equal(found > 0, labels > 0)
    assert count_errors(found, labels, 0.9) == (0, 0)
    # Smoothing moves corners only.
    assert count_errors(segment(maps_of_labels(labels), DecoderParams()), labels, 0.85) == (0, 0)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_random_discs_come_back(seed: int) -> None:
    random = np.random.default_rng(seed)
    discs = [(*random.uniform(0, 80, 2), random.uniform(7, 14)) for _ in range(8)]
    labels = draw_discs((80, 80), discs)
    # Slivers between others have their middle in a corner; whole discs are what is tested.
    areas = np.bincount(labels.ravel(), minlength=9)
    for number, (_, _, radius) in enumerate(discs, 1):
        if areas[number] < 0.8 * np.pi * radius**2:
            labels[labels == number] = 0
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
    assert count_errors(segment(maps_of_labels(labels), PLAIN), labels, 0.7) == (0, 0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("params", [DecoderParams(), PLAIN])
def test_labels_are_those_of_the_published_code(seed: int, params: DecoderParams) -> None:
    published = published_watershed()
    maps = random_maps(seed)
    foreground = maps.foreground
    if params.foreground_smoothing:
        from bioimage_cpp.filters import gaussian_smoothing

        foreground = gaussian_smoothing(foreground, params.foreground_smoothing)
    expected = published(
        maps.centre, maps.boundary, foreground, distance_smoothing=params.distance_smoothing
    )
    found = segment(maps, params)
    assert found.max() > 3
    # Heights are rounded to 65536 levels there, within which any order is right.
    assert (found != expected).mean() < 2e-3
    assert count_errors(found, expected, 0.95) == (0, 0)


def flooded(height: NDArray[Any], seeds: NDArray[Any], inside: NDArray[Any]) -> NDArray[Any]:
    """The watershed, pixel by pixel from the lowest, with sides as neighbours."""
    labels = np.where(inside, seeds, 0)
    waiting: list[tuple[float, int, int, int]] = []
    order = 0
    for row, col in np.argwhere(labels > 0).tolist():
        heapq.heappush(waiting, (float(height[row, col]), order, row, col))
        order += 1
    while waiting:
        _, _, row, col = heapq.heappop(waiting)
        for r, c in ((row - 1, col), (row, col - 1), (row, col + 1), (row + 1, col)):
            within = 0 <= r < height.shape[0] and 0 <= c < height.shape[1]
            if within and inside[r, c] and not labels[r, c]:
                labels[r, c] = labels[row, col]
                heapq.heappush(waiting, (float(height[r, c]), order, r, c))
                order += 1
    return labels


def smoothed_by_hand(values: NDArray[np.float32], sigma: float) -> NDArray[np.float64]:
    """A Gaussian within three standard deviations, with mirror images beyond the border."""
    reach = int(3 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(values.astype(np.float64), reach, mode="reflect")
    for axis in (0, 1):
        padded = np.apply_along_axis(np.convolve, axis, padded, weights / weights.sum(), "valid")
    return padded


@pytest.mark.parametrize("seed", range(4))
def test_labels_are_those_of_the_formulas(seed: int) -> None:
    params, maps = DecoderParams(), random_maps(seed)
    foreground = smoothed_by_hand(maps.foreground, params.foreground_smoothing)
    centre, boundary = (
        smoothed_by_hand(m, params.distance_smoothing) for m in (maps.centre, maps.boundary)
    )
    smoothed = smooth_maps(maps, params)
    assert np.abs(smoothed.foreground - foreground).max() < 1e-6
    assert np.abs(smoothed.boundary - boundary).max() < 1e-6
    inside = foreground > 0.5
    markers, _ = ndimage.label((centre < 0.5) & (boundary < 0.5) & inside, np.ones((3, 3)))
    expected = flooded(boundary, markers, inside)
    found = segment(maps, params)
    assert found.max() > 3
    assert (found != expected).mean() < 2e-3


def test_seeds_touch_by_corners_and_regions_by_sides() -> None:
    ones = np.ones((4, 4), np.float32)
    inside = np.eye(4, dtype=np.float32)
    maps = DistanceMaps(inside, 1 - inside, 1 - inside)
    assert find_seeds(maps, PLAIN).max() == 1
    # Seeds that become prompts touch by sides only, as published.
    assert find_seeds(maps, replace(PLAIN, mask_source="model")).max() == 4
    maps = DistanceMaps(
        ones, np.where(np.arange(4) == 0, 0, ones), np.where(np.arange(4) == 0, 0, ones)
    )
    assert (segment(DistanceMaps(maps.foreground, maps.centre, maps.boundary), PLAIN) == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (9, 1)])
@pytest.mark.parametrize("params", [DecoderParams(), PLAIN])
def test_tiny_planes_have_objects_or_none(shape: tuple[int, int], params: DecoderParams) -> None:
    full, none = np.ones(shape, np.float32), np.zeros(shape, np.float32)
    assert (segment(DistanceMaps(full, none, none), params) == 1).all()
    assert not segment(DistanceMaps(none, full, full), params).any()
    seeds = find_seeds(smooth_maps(DistanceMaps(full, none, none), params), params)
    assert seed_points(seeds).shape == (1, 2)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.9))
def test_places_without_a_number_are_no_objects(seed: int, missing: float) -> None:
    random = np.random.default_rng(seed)
    maps = random_maps(seed, (24, 31))
    holes = random.random((24, 31)) < missing
    for each in (maps.foreground, maps.centre, maps.boundary):
        each[holes] = np.nan
    assert not segment(maps, PLAIN)[holes].any()
    assert segment(maps, DecoderParams()).shape == (24, 31)
    nothing = np.full((24, 31), np.nan, np.float32)
    assert not segment(DistanceMaps(nothing, nothing, nothing), DecoderParams()).any()


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_regions_contain_their_seeds_and_cover_the_foreground_they_reach(seed: int) -> None:
    maps = smooth_maps(random_maps(seed, (40, 52)), PLAIN)
    seeds = find_seeds(maps, PLAIN)
    regions = grow_regions(maps, seeds, PLAIN)
    assert (regions[seeds > 0] == seeds[seeds > 0]).all()
    inside = maps.foreground > 0.5
    assert not regions[~inside].any()
    parts, _ = ndimage.label(inside)
    reached = np.unique(parts[seeds > 0])
    assert (regions[np.isin(parts, reached) & inside] > 0).all()
    points = seed_points(seeds)
    rows, cols = points.astype(int).T
    assert (seeds[rows, cols] == np.arange(1, len(points) + 1)).all()


def test_points_lie_deep_inside_and_not_on_the_border() -> None:
    seeds = np.zeros((20, 30), np.int32)
    seeds[0:9, 3:12] = 1
    seeds[15, 20] = 2
    seeds[19, 29] = 3
    points = seed_points(seeds)
    assert points.tolist() == [[4, 6], [15, 20], [19, 29]]
    assert seed_points(np.zeros((5, 5), np.int32)).shape == (0, 2)
