"""Regions of the last planes: known ones are not found again; a key tells what they depend on."""

import numpy as np
import pytest
from tests.stub import StubModel

from napari_segany import MaskSet
from napari_segany.errors import Cancelled
from napari_segany.generators.exemplars import known_regions
from napari_segany.generators.exemplars.known_regions import KnownRegions, key_of


def regions(count: int = 1) -> MaskSet:
    return MaskSet.from_masks(np.ones((count, 4, 4), bool))


def test_known_regions_are_not_found_again() -> None:
    known, found = KnownRegions(), regions()
    assert known.get(("a",), lambda: found) is found
    assert known.get(("a",), lambda: pytest.fail("found again")) is found


def test_the_least_recently_used_plane_is_forgotten() -> None:
    known, first = KnownRegions(), regions()
    for name in ("first", *"abc"):
        known.get((name,), lambda: first)
    known.get(("first",), lambda: pytest.fail("found again"))
    known.get(("d",), regions)
    assert len(known) == known_regions.MOST_PLANES
    assert known.get(("first",), lambda: pytest.fail("found again")) is first
    again = regions()
    assert known.get(("a",), lambda: again) is again
    known.forget()
    assert not len(known)


def test_many_regions_and_a_cancelled_search_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_regions, "MOST_REGIONS", 1)
    known = KnownRegions()

    def cancel() -> MaskSet:
        raise Cancelled

    with pytest.raises(Cancelled):
        known.get(("a",), cancel)
    assert len(known.get(("a",), lambda: regions(2))) == 2
    assert not len(known)


def test_a_key_tells_planes_regions_and_finders_apart() -> None:
    model, plane = StubModel(), np.zeros((4, 6, 3), np.uint8)
    changed, part = plane.copy(), np.ones((4, 6), bool)
    changed[0, 0, 0] = 1
    keys = {
        key_of(model, "f", plane, None),
        key_of(model, "g", plane, None),
        key_of(model, "f", changed, None),
        key_of(model, "f", plane.reshape(6, 4, 3), None),
        key_of(model, "f", plane, part),
    }
    assert len(keys) == 5
    assert key_of(model, "f", plane[::-1], part) == key_of(model, "f", plane, part)
