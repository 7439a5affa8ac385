from typing import Any

import numpy as np
import pytest

from napari_segany import Prompt, refine
from napari_segany.errors import InputError
from napari_segany.session import ArraySource, Session

IMAGE = np.random.default_rng(0).integers(0, 255, (90, 110)).astype(np.uint8)


def test_it_is_what_a_session_does_click_by_click(tiny_model: Any) -> None:
    session = Session(ArraySource(IMAGE), tiny_model)
    clicks = [(20, 30, True), (40, 40, False), (25, 33, True)]
    for number, click in enumerate(clicks):
        session.add_point(*click)
        session.ask()
        if number == 0:
            session.choose(2)
    found = session.candidates()
    prompt = Prompt([click[:2] for click in clicks], [int(click[2]) for click in clicks])
    again = refine(tiny_model, tiny_model.embed(IMAGE), prompt, choices=[2])
    assert found is not None
    assert np.array_equal(found.predicted_iou, again.predicted_iou)
    assert np.array_equal(found.mask(0), again.mask(0))


def test_without_points_it_is_one_step(tiny_model: Any) -> None:
    embedding = tiny_model.embed(IMAGE)
    box = Prompt(box=[10, 10, 40, 50])
    found, plain = refine(tiny_model, embedding, box), tiny_model.predict(embedding, box)
    assert np.array_equal(found.mask(0), plain.mask(0))


def test_a_candidate_that_is_not_there_is_an_error(tiny_model: Any) -> None:
    with pytest.raises(InputError, match=r"0\.\.2"):
        refine(tiny_model, tiny_model.embed(IMAGE), Prompt([[1, 2], [3, 4]]), choices=[3])
