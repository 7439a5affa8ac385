"""Random tables of tracks with the label frames that they are made of."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segany.linking.tracks.track_table import TrackTable

SLOTS = 6
"""Tracks at most; each has its own place, so that objects never overlap."""

FRAMES = 7


@dataclass(frozen=True, eq=False)
class Movie:
    """Tracks and their labels."""

    table: TrackTable
    labels: NDArray[np.uint16]

    def load(self, frame: int) -> NDArray[np.uint16]:
        found: NDArray[np.uint16] = self.labels[frame]
        return found

    @property
    def count(self) -> int:
        return len(self.labels)


@st.composite
def movies(draw: st.DrawFn, *, with_features: bool = False, axes: str = "") -> Movie:
    """Movies with gaps and divisions, in 2-D and 3-D, with arbitrary ids of tracks and labels."""
    axes = axes or draw(st.sampled_from(["YX", "ZYX"]))
    ids = draw(st.lists(st.integers(1, 300), min_size=1, max_size=SLOTS, unique=True))
    spans: dict[int, tuple[int, int]] = {}
    parents: dict[int, int] = {}
    cells: dict[tuple[int, int], int] = {}
    for track in ids:
        before = [p for p, (_, end) in spans.items() if end < FRAMES - 1]
        parent = draw(st.sampled_from([0, *before])) if before else 0
        # An only daughter after a gap cannot be told from a track with a gap.
        first = spans[parent][1] + 1 if parent else draw(st.integers(0, FRAMES - 1))
        last = draw(st.integers(first, FRAMES - 1))
        frames = draw(st.sets(st.integers(first, last))) | {first, last}
        spans[track] = (first, last)
        if parent:
            parents[track] = parent
        cells |= {(frame, track): ids.index(track) for frame in frames}
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = max(frame for frame, _ in cells) + 1 + draw(st.integers(0, 1))
    return _paint(cells, parents, axes, count, rng, with_features)


def _paint(
    cells: dict[tuple[int, int], int],
    parents: dict[int, int],
    axes: str,
    count: int,
    rng: np.random.Generator,
    with_features: bool,
) -> Movie:
    depth = (3,) if axes == "ZYX" else ()
    labels = np.zeros((count, *depth, 6, 6 * SLOTS), np.uint16)
    rows = []
    for frame, track in sorted(cells):
        slot = cells[frame, track]
        value = int(rng.integers(1, 50)) * SLOTS + slot
        corner = [int(rng.integers(0, 2)), 6 * slot + int(rng.integers(0, 2))]
        size = [int(n) for n in rng.integers(1, 5, 2)]
        if depth:
            corner, size = [int(rng.integers(0, 2)), *corner], [int(rng.integers(1, 3)), *size]
        box = tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))
        labels[(frame, *box)] = value
        centre = [a + (n - 1) / 2 for a, n in zip(corner, size, strict=True)]
        rows.append((frame, track, value, centre, int(np.prod(size))))
    frame_, track_, label_, position, area = (list(column) for column in zip(*rows, strict=True))
    number = len(rows)
    confidence = rng.random(number)
    confidence[rng.random(number) < 0.3] = np.nan
    features = {
        "mean": rng.normal(size=number) * 10.0 ** rng.integers(-9, 9, number),
        "border": rng.integers(-5, 5, number),
    }
    table = TrackTable(
        np.array(frame_, np.int64),
        np.array(track_, np.int64),
        np.array(label_, np.int64),
        np.array(position, np.float64),
        np.array(area, np.int64),
        confidence,
        parents,
        axes,
        {a: (0.1 + i, "s" if a == "T" else "um") for i, a in enumerate("T" + axes)},
        features if with_features else {},
    )
    return Movie(table, labels)


def assert_same(found: TrackTable, wanted: TrackTable) -> None:
    """Compare everything that a table holds."""
    assert_same_tracks(found, wanted)
    np.testing.assert_array_equal(found.label, wanted.label)
    np.testing.assert_array_equal(found.confidence, wanted.confidence)
    assert found.features.keys() == wanted.features.keys()
    for name, column in wanted.features.items():
        np.testing.assert_array_equal(found.features[name], column)
        assert found.features[name].dtype == column.dtype


def assert_same_tracks(found: TrackTable, wanted: TrackTable) -> None:
    """Compare objects, their links, places and areas."""
    assert found.axes == wanted.axes
    np.testing.assert_array_equal(found.frame, wanted.frame)
    np.testing.assert_array_equal(found.track, wanted.track)
    np.testing.assert_allclose(found.position, wanted.position, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found.area, wanted.area)
    assert dict(found.parents) == dict(wanted.parents)
