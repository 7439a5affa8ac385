"""Maps of a plane are kept in 8 bits."""

import numpy as np
import pytest
from tests.generators.maps import random_maps

from napari_segany.errors import SeganyError
from napari_segany.generators.volumes.plane_maps import NAMES, PlaneMaps
from napari_segany.linking.plane_candidates import PlaneCandidates
from napari_segany.plane_search import decode_parts

SHAPE = (40, 56)


def plane(seed: int = 0) -> PlaneMaps:
    return PlaneMaps.pack(SHAPE, 2, 3.5, random_maps(SHAPE, seed))


def test_maps_change_by_half_a_step_at_most():
    before = random_maps(SHAPE)
    after = PlaneMaps.pack(SHAPE, 2, 3.5, before).unpack()
    for name in NAMES:
        step = 10 / 255 if name == "log2_size" else 1 / 255
        assert np.abs(getattr(after, name) - getattr(before, name)).max() <= step / 2 + 1e-6
    assert after.frame.shape == before.foreground.shape


def test_bytes_are_restored_and_the_same_every_time():
    before = plane()
    content = before.to_bytes()
    assert content == plane().to_bytes() != plane(1).to_bytes()
    after = PlaneMaps.from_bytes(content)
    assert (after.shape, after.step, after.side) == (SHAPE, 2, 3.5)
    assert np.array_equal(after.values, before.values)


def test_bytes_say_what_they_are_of():
    assert isinstance(decode_parts(plane().to_bytes()), PlaneMaps)
    assert isinstance(decode_parts(PlaneCandidates.empty(SHAPE).to_bytes()), PlaneCandidates)
    for content in (plane().to_bytes()[:-100], b""):
        with pytest.raises(SeganyError, match="is done again"):
            decode_parts(content)
