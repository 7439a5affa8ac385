from typing import Any

import numpy as np
import pytest

from napari_segany import Prompt
from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.session import ArraySource, Session
from napari_segany.session.inference import LOGITS_KEPT, Predictor
from napari_segany.session.state import PromptHistory

IMAGE = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
PLANE = (None, None)


def test_the_chosen_candidate_is_refined(model: Any) -> None:
    session = Session(ArraySource(IMAGE), model)
    session.add_point(10, 20)
    session.ask()
    session.choose(2)
    session.add_point(12, 22, positive=False)
    session.ask()
    refined = model.asked[-1]
    # The stub's logits are the number of the candidate.
    assert (refined.mask_logits == 2).all()
    assert refined.labels.tolist() == [1, 0]
    assert len(model.asked) == 2


def test_logits_that_are_forgotten_are_computed_again(model: Any) -> None:
    predictor = Predictor(ArraySource(IMAGE), model, EmbeddingCache())
    first, second = Prompt([[10, 20]]), Prompt([[10, 20], [5, 5]])
    third = Prompt([[10, 20], [5, 5], [6, 6]])
    chain = PromptHistory(second, 0, PromptHistory(first, 1))
    predictor.candidates(PLANE, [(third, chain)])
    asked = [(len(p.points), p.mask_logits is not None) for p in model.asked]
    assert asked == [(1, False), (2, True), (3, True)]
    assert (model.asked[1].mask_logits == 1).all()
    predictor.candidates(PLANE, [(Prompt([[i, 1]]), None) for i in range(LOGITS_KEPT // 3 + 1)])
    before = len(model.asked)
    predictor.candidates(PLANE, [(third, chain)])
    assert len(model.asked) == before + 3


def test_a_candidate_that_is_not_there_is_an_error(model: Any) -> None:
    predictor = Predictor(ArraySource(IMAGE), model, EmbeddingCache())
    wrong = PromptHistory(Prompt([[10, 20], [11, 20]]), 2)
    with pytest.raises(InputError, match="no candidate 2"):
        predictor.candidates(PLANE, [(Prompt([[10, 20], [11, 20], [1, 1]]), wrong)])


def test_refining_is_another_request_than_a_new_prompt(tiny_model: Any) -> None:
    session = Session(ArraySource(IMAGE), tiny_model)
    session.add_point(10, 20)
    session.ask()
    session.add_point(12, 22)
    refined = session.ask()
    plain = Session(ArraySource(IMAGE), tiny_model)
    plain.set_prompt(Prompt([[10, 20], [12, 22]]))
    alone = plain.ask()
    assert refined is not None
    assert alone is not None
    assert not np.array_equal(refined.predicted_iou, alone.predicted_iou)
