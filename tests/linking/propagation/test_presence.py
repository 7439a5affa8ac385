"""The probability that an object is on a plane at all."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.linking.propagation.bright import BrightModel, Planes, box_of

from napari_segany import MaskSet, Prompt
from napari_segany.linking.propagation.appearance import Appearance, PlaneView
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.presence import presence
from napari_segany.linking.propagation.propagate_objects import propagate_objects

PART = st.floats(0, 1)


@given(PART, PART, st.floats(-1, 1.5))
def test_all_evidence_raises_it(score: float, similarity: float, contrast: float) -> None:
    here = presence(score, similarity, contrast)
    assert 0 <= here <= 1
    assert presence(min(score + 0.1, 1.0), similarity, contrast) >= here
    assert presence(score, similarity + 0.1, contrast) > here
    assert presence(score, similarity, contrast + 0.1) > here


def test_no_evidence_decides_alone() -> None:
    assert presence(0.95, 1.0, 1.0) > 0.75
    assert presence(0.75, 1.0, 1.0) < 0.5
    assert presence(0.85, 0.6, 0.0) < 0.5
    assert presence(0.95, 0.6, 1.0) > 0.5
    assert 0 < presence(0.0, 0.0, -1.0) < 0.01


def square(value: int) -> tuple[MaskSet, PlaneView]:
    image = np.full((40, 40), 50, np.uint8)
    image[10:25, 10:25] = value
    image += np.random.default_rng(0).integers(0, 5, image.shape, np.uint8)
    mask = MaskSet.from_masks(np.pad(np.ones((1, 15, 15), bool), ((0, 0), (10, 15), (10, 15))))
    return mask, PlaneView(BrightModel().embed(image), image)


def test_steps_of_brightness_are_compared_with_the_prompted_plane() -> None:
    mask, view = square(150)
    looks = Appearance.of(mask, view, BrightModel().prepare(view.embedding))
    assert looks.relative_step(mask, view) == pytest.approx(1)
    steps = [looks.relative_step(*square(value)) for value in (140, 100, 60, 50, 20)]
    assert all(one > two for one, two in pairwise(steps))
    assert abs(steps[3]) < 0.1
    assert steps[4] < 0
    # An object that does not stand out on its own plane cannot be compared.
    mask, view = square(50)
    even = Appearance.of(mask, view, BrightModel().prepare(view.embedding))
    assert even.relative_step(*square(150)) == 1
    assert looks.relative_step(mask, PlaneView(view.embedding)) == 0


class Unsure(BrightModel):
    """Scores the region that it finds by how bright it is."""

    def _answer_bright(self, image, prompt):  # type: ignore[no-untyped-def]
        found = BrightModel._answer_bright(image, prompt)
        score = 0.95 if image.max() > 190 else 0.7
        return MaskSet.from_masks([found.mask(i) for i in range(len(found))], [score] * len(found))


def test_an_object_that_fades_ends_before_its_score_does() -> None:
    volume = np.full((20, 40, 40), 20, np.uint8)
    volume[:, 10:30, 10:30] = 200
    volume[14:, 10:30, 10:30] = 120
    view = Planes(Unsure(), volume)
    prompt = {1: {4: Prompt(box=box_of(volume[4] > 100))}}
    found = propagate_objects(view.model, view, range(20), prompt)
    assert found.objects[1].planes == tuple(range(14))
    assert found.objects[1].ends == ("stack", "presence")
    without = PropagationParams(min_presence=0)
    longer = propagate_objects(view.model, view, range(20), prompt, without)
    assert longer.objects[1].planes == tuple(range(20))
