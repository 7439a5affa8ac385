"""Prompted masks select regions of drawn volumes."""

from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.generators.maps import random_maps
from tests.generators.volumes.balls import draw_balls, maps_of, packaged_estimate

from napari_segany import MaskSet, PropagationParams
from napari_segany.core.parameter_info import KEY
from napari_segany.errors import Cancelled
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.plane_pixels import within_outline
from napari_segany.generators.volumes.prompted_regions import (
    LEAST_SCORE,
    OUTLINES,
    NestedRegions,
    Places,
    PromptedRegions,
)
from napari_segany.generators.volumes.region_scores import ScoredRegions
from napari_segany.generators.volumes.smoothed_maps import SmoothedMaps
from napari_segany.models.finder import CELL, ObjectMaps

SHAPE = (26, 48, 48)
BALLS = [(6, 14, 14, 9), (19, 15, 15, 9), (13, 34, 33, 10), (24, 38, 10, 6)]
"""Two of them lie on each other, and one is cut by the end of the volume."""

TRUTH = draw_balls(SHAPE, BALLS)


def regions_of(planes: Any, shape: tuple[int, int, int] = SHAPE, **given: Any) -> PromptedRegions:
    ways: Any = {"smoothing": 1.0, "outline": 0.5} | given
    return PromptedRegions(planes.__getitem__, shape, packaged_estimate(), **ways)


@pytest.fixture(scope="module")
def regions() -> PromptedRegions:
    return regions_of(list(maps_of(TRUTH)))


def section(i: int, plane: int) -> MaskSet:
    return MaskSet.from_masks((TRUTH[plane] == i)[None])


def iou(found: dict[int, MaskSet], truth: Any) -> float:
    labels = np.zeros(truth.shape, bool)
    for plane, mask in found.items():
        labels[plane] = mask.mask(0)
    return float((labels & truth).sum() / (labels | truth).sum())


def test_basins_of_every_region_follow_one_another() -> None:
    """Places and counts are those of the tree, walked through."""
    rng, basins = np.random.default_rng(3), 40
    waiting, children = list(range(basins)), [(-1, -1)] * basins
    while len(waiting) > 3:
        a, b = (waiting.pop(int(rng.integers(len(waiting)))) for _ in range(2))
        waiting.append(len(children))
        children.append((a, b))
    nothing = np.zeros(len(children))
    scored = ScoredRegions(np.array(children), *[nothing.astype(np.int64)] * 3, nothing, nothing)
    nested = NestedRegions.of(scored, basins)
    assert sorted(nested.place[1:].tolist()) == list(range(basins))
    assert nested.place[0] == -1
    numbers = rng.integers(0, basins + 1, (9, 9))
    deep = rng.integers(0, 3, numbers.shape)
    places = Places(nested.place[numbers], (deep + 1).astype(np.int8))
    counts = nested.count(places, 3).reshape(3, -1)
    some = rng.integers(0, counts.size, 20)
    assert np.array_equal(nested.count(places, 3, some), counts.ravel()[some])

    def inside(node: int) -> list[int]:
        if node < basins:
            return [node + 1]
        return [each for child in children[node] for each in inside(child)]

    for node in range(len(children)):
        here = np.isin(numbers, inside(node))
        assert counts[:, node].tolist() == [(here & (deep >= n)).sum() for n in range(3)]
        places = np.sort(nested.place[inside(node)])
        assert (places == np.arange(nested.start[node], nested.end[node])).all()


def test_a_mask_on_one_plane_selects_the_whole_object(regions: PromptedRegions) -> None:
    numbers, fits = regions.select([{13: section(3, 13)}], [{}])
    (found,) = regions.sections([(int(numbers[0]), range(SHAPE[0]))])
    assert fits[0] > 0.8
    assert iou(found, TRUTH == 3) > 0.75
    assert regions.scores[numbers[0]] > 0.2


def test_only_planes_that_are_wanted_are_painted(regions: PromptedRegions) -> None:
    numbers, _ = regions.select([{13: section(3, 13)}], [{}])
    whole, part = regions.sections([(int(numbers[0]), range(26)), (int(numbers[0]), range(10, 13))])
    assert list(part) == [10, 11, 12]
    assert all(np.array_equal(part[p].mask(0), whole[p].mask(0)) for p in part)
    assert regions.sections([(int(numbers[0]), range(0))]) == [{}]
    assert regions.sections([]) == []


def test_what_was_found_on_other_planes_tells_an_object_from_several(
    regions: PromptedRegions,
) -> None:
    """The section of a ball is that of both balls together, too."""
    prompted: dict[int, MaskSet | None] = {17: section(2, 17)}
    followed = {p: section(2, p) if (TRUTH[p] == 2).any() else None for p in range(26) if p != 17}
    numbers, fits = regions.select([prompted, prompted], [{}, followed])
    both, one = regions.sections([(int(n), range(26)) for n in numbers])
    assert fits[0] > 0.8
    assert iou(both, (TRUTH == 1) | (TRUTH == 2)) > 0.75
    assert fits[1] > 0.8
    assert iou(one, TRUTH == 2) > 0.75
    assert min(one) > 6


def test_a_plane_where_the_object_is_said_not_to_be_counts_in_the_choice() -> None:
    """Of a ball that is cut in two, the part that is not beyond that plane is chosen."""
    cut = TRUTH.copy()
    cut[7][TRUTH[7] == 1] = 0
    regions = regions_of(list(maps_of(cut)), smoothing=0.0)
    upper = MaskSet.from_masks((cut[5] == 1)[None])
    numbers, fits = regions.select([{5: upper}, {5: upper, 12: None}], [{}, {}])
    (found,) = regions.sections([(int(numbers[1]), range(SHAPE[0]))])
    assert 12 not in found
    assert fits[1] > 0.7
    # Where every region goes beyond, the fit is that of the prompted planes alone.
    whole = regions_of(list(maps_of(TRUTH)))
    numbers, fits = whole.select([{6: section(1, 6)}, {6: section(1, 6), 8: None}], [{}, {}])
    assert (numbers >= 0).all()
    assert fits[1] > 0.5


def faint_beyond(radius: float) -> list[PlaneMaps]:
    """Maps of the balls, with a foreground of 0.22 further out than a radius."""
    within = draw_balls(SHAPE, [(*middle, min(r, radius)) for *middle, r in BALLS]) > 0
    planes = []
    for maps, inside in zip(maps_of(TRUTH), within, strict=True):
        each = maps.unpack()
        faint = np.where(inside, each.foreground, np.minimum(each.foreground, np.float32(0.22)))
        planes.append(replace(maps, values=_packed(replace(each, foreground=faint))))
    return planes


def _packed(maps: ObjectMaps) -> Any:
    return PlaneMaps.pack(maps.foreground.shape, 1, float(CELL), maps).values


def test_each_object_ends_at_the_outline_that_fits_it_best() -> None:
    """Of objects with faint borders, one is prompted with them and the other without."""
    planes = faint_beyond(6)
    inner = draw_balls(SHAPE, [(*middle, min(r, 6)) for *middle, r in BALLS])
    wide, narrow = section(3, 13), MaskSet.from_masks((inner[6] == 1)[None])
    regions = regions_of(planes, outline=None)
    numbers, fits = regions.select([{13: wide}, {6: narrow}], [{}, {}])
    every = range(SHAPE[0])
    one, two = regions.sections([(int(n), every) for n in numbers])
    assert (fits > 0.8).all()
    assert iou(one, TRUTH == 3) > 0.75
    assert iou(two, inner == 1) > 0.75
    # One outline for both takes too much of the one, or too little of the other.
    for outline, i, object_ in ((0.15, 1, inner == 1), (0.3, 0, TRUTH == 3)):
        single = regions_of(planes, outline=outline)
        numbers, worse = single.select([{13: wide}, {6: narrow}], [{}, {}])
        (found,) = single.sections([(int(numbers[i]), every)])
        assert worse[i] < fits[i]
        assert iou(found, object_) < iou((one, two)[i], object_)


def test_a_region_has_a_number_for_each_outline() -> None:
    """With the same expected IoU, and pixels that are within those of wider ones."""
    regions = regions_of(faint_beyond(6), outline=None)
    count = len(regions.scores) // len(OUTLINES)
    assert np.array_equal(regions.scores, np.tile(regions.scores[:count], len(OUTLINES)))
    numbers, _ = regions.select([{13: section(3, 13)}], [{}])
    node = int(numbers[0]) % count
    wanted = [(node + n * count, range(SHAPE[0])) for n in range(len(OUTLINES))]
    found = regions.sections(wanted)
    for wide, narrow in pairwise(found):
        assert set(narrow) <= set(wide)
        for plane, mask in narrow.items():
            assert (wide[plane].mask(0) | ~mask.mask(0)).all()
    assert found[0][13].area[0] > found[1][13].area[0]


def test_numbers_are_sections_at_any_outline() -> None:
    """All that is chosen is the best of all numbers, by their sections."""
    shape, step = (6, 61, 68), 3
    cells = (-(-shape[1] // step), -(-shape[2] // step))
    rng = np.random.default_rng(4)
    planes = [PlaneMaps.pack(shape[1:], step, 6.0, random_maps(cells, n, 64)) for n in range(6)]
    regions = regions_of(planes, shape, outline=None)
    every = [(n, range(6)) for n in range(len(regions.scores))]
    volumes = np.zeros((len(every), *shape), bool)
    for volume, found in zip(volumes, regions.sections(every), strict=True):
        for plane, mask in found.items():
            volume[plane] = mask.mask(0)
    nested = volumes.reshape(len(OUTLINES), -1, *shape)
    assert all((wide | ~narrow).all() for wide, narrow in pairwise(nested))
    # Each pixel within an outline is in a region at that outline, and none outside.
    smooth = SmoothedMaps(planes.__getitem__, 6, 1.0)
    for plane in range(6):
        maps = smooth.average(plane)
        assert maps is not None
        for outline, within in zip(OUTLINES, nested.any(axis=1), strict=True):
            inside = within_outline(maps.foreground, outline, step, shape[1:])
            assert np.array_equal(within[plane], inside & within_cells(maps.foreground, step))
    masks = [rng.random(shape[1:]) < 0.4 for _ in range(3)]
    followed: dict[int, MaskSet | None] = {n: MaskSet.from_masks(masks[n][None]) for n in (1, 2)}
    (number,), (fit,) = regions.select([{0: MaskSet.from_masks(masks[0][None])}], [followed])

    def iou_of(planes: list[int]) -> Any:
        truth, found = np.stack([masks[p] for p in planes]), volumes[:, planes]
        return (found & truth).sum((1, 2, 3)) / (found | truth).sum((1, 2, 3))

    worth = iou_of([0]) * iou_of([0, 1, 2]) * np.sqrt(regions.scores)
    assert worth[number] == pytest.approx(worth.max())
    assert fit == pytest.approx(iou_of([0])[number])


def within_cells(foreground: Any, step: int) -> Any:
    """Pixels of the cells that a basin can have: those within the widest outline."""
    cells = (foreground > OUTLINES[0]).repeat(step, axis=0).repeat(step, axis=1)
    return cells[:61, :68]


def test_between_prompted_planes_a_region_without_a_hole_is_chosen() -> None:
    """At the outline that fits the ends best, the object vanishes on the plane between them."""
    planes = faint_beyond(6)
    for plane in (12, 13, 14):
        each = planes[plane].unpack()
        faint = np.minimum(each.foreground, np.float32(0.22))
        planes[plane] = replace(planes[plane], values=_packed(replace(each, foreground=faint)))
    inner = draw_balls(SHAPE, [(*middle, min(r, 6)) for *middle, r in BALLS]) == 3
    ends: dict[int, MaskSet | None] = {p: MaskSet.from_masks(inner[p][None]) for p in (10, 16)}
    regions = regions_of(planes, outline=None)
    inside: dict[int, MaskSet | None] = dict.fromkeys(range(11, 16))
    numbers, _ = regions.select([ends, {10: ends[10]}], [inside, {}])
    whole, free = regions.sections([(int(n), range(11, 16)) for n in numbers])
    assert list(whole) == [11, 12, 13, 14, 15]
    # With one end there may be a hole: the object is thought to end there.
    assert set(free) < set(whole)


def test_expected_iou_is_that_at_the_middle_outline() -> None:
    """Basins do not depend on which outline is given here, since all reach down as far."""
    planes = faint_beyond(6)
    scores = [regions_of(planes, outline=n).scores for n in (None, OUTLINES[0])]
    per_node = scores[0].reshape(len(OUTLINES), -1)
    assert (per_node == per_node[0]).all()
    assert len(per_node[0]) == len(scores[1])
    assert not np.array_equal(per_node[0], scores[1])
    # A region that lies outside the middle outline has the least, so that it counts for something.
    faint = [replace(each, values=each.values // 7) for each in maps_of(TRUTH)]
    assert set(regions_of(faint, outline=None).scores) == {LEAST_SCORE}


def test_the_outlines_are_those_that_the_help_names() -> None:
    (field,) = [each for each in fields(PropagationParams) if each.name == "outline"]
    assert all(f"{outline:g}" in field.metadata[KEY].help for outline in OUTLINES)


def test_where_nothing_is_no_region_is_selected(regions: PromptedRegions) -> None:
    corner = np.zeros(SHAPE[1:], bool)
    corner[:3, 44:] = True
    mask = MaskSet.from_masks(corner[None])
    numbers, fits = regions.select([{0: mask}], [{1: mask}])
    assert (numbers.tolist(), fits.tolist()) == ([-1], [0.0])
    nothing = regions_of([None] * 4, (4, 48, 48))
    numbers, fits = nothing.select([{0: mask}], [{}])
    assert (numbers.tolist(), fits.tolist()) == ([-1], [0.0])
    assert [n.tolist() for n in nothing.select([], [])] == [[], []]


def test_masks_have_pixels_where_cells_have_several() -> None:
    """Cells of four pixels; sections are as fine as the outline between them."""
    coarse = [
        PlaneMaps(tuple(4 * n for n in maps.shape), 4, maps.side, maps.values)  # type: ignore[arg-type]
        for maps in maps_of(TRUTH)
    ]
    large = TRUTH.repeat(4, axis=1).repeat(4, axis=2)
    regions = regions_of(coarse, (26, 192, 192))
    mask = MaskSet.from_masks((large[13] == 3)[None])
    numbers, fits = regions.select([{13: mask}], [{}])
    (found,) = regions.sections([(int(numbers[0]), range(26))])
    assert fits[0] > 0.8
    assert found[13].shape == (192, 192)
    assert iou(found, large == 3) > 0.75


def test_the_same_maps_give_the_same_bytes() -> None:
    one, two = (regions_of(list(maps_of(TRUTH))) for _ in range(2))
    prompted = [{13: section(3, 13)}]
    (a,), _ = one.select(prompted, [{}])
    (b,), _ = two.select(prompted, [{}])
    first, second = (each.sections([(int(n), range(26))])[0] for each, n in ((one, a), (two, b)))
    assert {p: m.crop(0).tobytes() for p, m in first.items()} == {
        p: m.crop(0).tobytes() for p, m in second.items()
    }
    assert np.array_equal(one.scores, two.scores)
    rough = regions_of(list(maps_of(TRUTH)), smoothing=0.5)
    assert not np.array_equal(one.scores, rough.scores)


def test_it_can_be_stopped(regions: PromptedRegions) -> None:
    with pytest.raises(Cancelled):
        regions_of(list(maps_of(TRUTH)), should_stop=lambda: True)
    with pytest.raises(Cancelled):
        regions.select([{13: section(3, 13)}], [{}], lambda: True)
    with pytest.raises(Cancelled):
        regions.sections([(0, range(26))], lambda: True)
