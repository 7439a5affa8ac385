"""The time left of a search is right after its first fifth, by a clock that a test moves."""

from collections.abc import Iterator

import pytest

from napari_segany import AutomaticParams, FinderParams
from napari_segany.plugin.everything.search_clock import SearchClock, points_of_crops

AT = (0.2, 0.5, 0.8)
"""Fractions of the work at which the time left is looked at."""

Report = tuple[float, int, int]
"""Seconds since the last report, steps done, all steps."""


def prompted(points: list[int], embedding: float, point: float) -> Iterator[Report]:
    """Yield the reports of a plane whose crops are embedded and prompted at points, 8 at once."""
    done, total = 0, sum(points)
    for of_crop in points:
        wait = embedding
        for start in range(0, of_crop, 8):
            some = min(8, of_crop - start)
            done += some
            yield wait + some * point, done, total
            wait = 0.0


def seen(look: float, ask: float) -> Iterator[Report]:
    """Yield the reports of a plane that a finder looks at, and of which it asks the model."""
    yield look, 70, 100
    yield ask, 100, 100


def errors(planes: list[list[Report]], points: list[int]) -> list[float]:
    """Return predicted by true time left, at the latest report before each of AT."""
    now = 0.0
    clock = SearchClock(lambda: now)
    clock.start(len(planes), points)
    told: list[tuple[float, float]] = []
    for reports in planes:
        for wait, done, total in reports:
            now += wait
            told.append((now, clock.seconds_left(done, total)))
        clock.finish_plane()
    latest = [[each for each in told if each[0] <= at * now][-1] for at in AT]
    return [left / (now - when) for when, left in latest]


@pytest.mark.parametrize(("embedding", "count"), [(0.01, 1), (0.6, 1), (0.6, 5), (5.0, 5)])
@pytest.mark.parametrize("points", [[1024], [256] * 5, [1024, *[256] * 4, *[64] * 16]])
def test_points_of_a_grid(embedding: float, points: list[int], count: int) -> None:
    planes = [list(prompted(points, embedding, 0.01)) for _ in range(count)]
    assert errors(planes, points) == pytest.approx([1, 1, 1], abs=0.3)


@pytest.mark.parametrize(("look", "ask"), [(0.6, 0.7), (0.7, 4.0), (9.0, 0.5)])
def test_planes_that_a_finder_sees(look: float, ask: float) -> None:
    planes = [list(seen(look, ask)) for _ in range(10)]
    assert errors(planes, []) == pytest.approx([1, 1, 1], abs=0.3)


def test_planes_of_different_cost() -> None:
    """Planes with more objects take longer, up to twice as long."""
    planes = [list(seen(0.6, 0.6 + 0.1 * (n % 7))) for n in range(20)]
    assert errors(planes, []) == pytest.approx([1, 1, 1], abs=0.3)


def test_a_plane_that_cannot_be_read_counts_as_finished() -> None:
    now = 0.0
    clock = SearchClock(lambda: now)
    clock.start(3)
    clock.finish_plane()
    assert (clock.finished, clock.fraction(1, 4)) == (1, pytest.approx(1.25 / 3))
    now = 2.0
    assert clock.seconds_left(1, 2) > 0
    clock.start()
    assert (clock.finished, clock.planes) == (0, 1)


def test_the_points_of_crops_are_those_of_the_search() -> None:
    params = AutomaticParams(points_per_side=8, crop_n_layers=1)
    assert points_of_crops((50, 60), params) == [64] * 5
    assert points_of_crops((50, 60), FinderParams()) == []
