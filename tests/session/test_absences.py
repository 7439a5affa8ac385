"""Planes on which an object is said not to be: steps of a session, kept in its records."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stub import StubModel

from napari_segany import Prompt
from napari_segany.core.image_source import ArraySource
from napari_segany.errors import InputError
from napari_segany.session.journal import read_journal
from napari_segany.session.replay import provenance, replay
from napari_segany.session.serialization import object_from_record, object_to_record
from napari_segany.session.session import Session

SHAPE = (6, 20, 20)


def plane(number: int) -> tuple[int | None, ...]:
    return number, None, None


def source() -> ArraySource:
    return ArraySource(np.zeros(SHAPE, np.uint8))


@pytest.fixture
def session() -> Session:
    """A session with an object on planes 1 and 4."""
    made = Session(source(), StubModel())
    (first,) = made.set_open({-1: (plane(1), Prompt(points=[[8, 8]]))}).values()
    made.set_open({**open_prompts(made), -1: (plane(4), Prompt(points=[[9, 9]]))}, wholes={-1: 1})
    made.ask()
    assert first == 1
    return made


def open_prompts(session: Session) -> dict[int, Any]:
    return {each.id: (each.plane, each.prompt) for each in session.state.open}


def test_they_are_steps(session: Session) -> None:
    before = session.state
    session.set_absent(1, plane(2))
    session.set_absent(1, plane(5))
    assert session.state.absent_planes(1) == {plane(2), plane(5)}
    session.undo()
    assert session.state.absent_planes(1) == {plane(2)}
    session.undo()
    assert session.state is before
    session.redo()
    session.set_absent(1, plane(2), False)
    assert session.state.absent_planes(1) == frozenset()


def test_what_is_known_is_no_step(session: Session) -> None:
    session.set_absent(1, plane(2))
    before = session.state
    session.set_absent(1, plane(2))
    session.set_absent(1, plane(3), False)
    assert session.state is before


def test_impossible_ones_are_refused(session: Session) -> None:
    with pytest.raises(InputError, match="prompted on this plane"):
        session.set_absent(1, plane(4))
    with pytest.raises(InputError, match="Object 7 is not open"):
        session.set_absent(7, plane(2))
    session.commit([1, 2])
    with pytest.raises(InputError, match="not open"):
        session.set_absent(1, plane(2))


def test_a_prompt_on_the_plane_ends_them(session: Session) -> None:
    session.set_absent(1, plane(2))
    further = {**open_prompts(session), -1: (plane(2), Prompt(points=[[3, 3]]))}
    session.set_open(further, wholes={-1: 1})
    assert session.state.absent_planes(1) == frozenset()
    session.undo()
    assert session.state.absent_planes(1) == {plane(2)}


def test_a_prompt_of_another_object_changes_nothing(session: Session) -> None:
    session.set_absent(1, plane(2))
    session.add_many([Prompt(points=[[3, 3]])], [plane(2)])
    assert session.state.absent_planes(1) == {plane(2)}


def test_they_stay_while_a_part_is_left(session: Session) -> None:
    session.set_absent(1, plane(2))
    session.delete([1])
    assert [each.id for each in session.state.parts(1)] == [2]
    assert session.state.absent_planes(1) == {plane(2)}
    session.delete([2])
    assert session.state.absent_planes(1) == frozenset()


def test_commits_and_reopening_keep_them(session: Session) -> None:
    session.set_absent(1, plane(2))
    session.commit([1, 2])
    assert session.state.absent_planes(1) == {plane(2)}
    session.reopen(1)
    assert session.state.absent_planes(1) == {plane(2)}


def test_a_journal_has_them_after_every_step(session: Session, tmp_path: Path) -> None:
    journal = session.begin_journal(tmp_path)
    steps = [
        lambda: session.set_absent(1, plane(2)),
        lambda: session.set_absent(1, plane(0)),
        lambda: session.commit([1, 2]),
        lambda: session.delete([1]),
        session.undo,
        lambda: session.reopen(2),
        lambda: session.set_absent(1, plane(0), False),
    ]
    for step in steps:
        step()
        restored = Session(source(), StubModel())
        restored.restore(read_journal(journal.path))
        planes = [(n, each.absent) for n, each in session.state.objects.items()]
        assert [(n, each.absent) for n, each in restored.state.objects.items()] == planes
    session.close()


def test_saved_sessions_have_them_and_replay(session: Session) -> None:
    session.set_absent(1, plane(5))
    session.set_absent(1, plane(2))
    session.commit([1, 2])
    kept = json.loads(json.dumps(provenance(session)))
    assert kept["steps"][0][1]["absent"] == [[2, None, None], [5, None, None]]
    assert "absent" not in kept["steps"][1][1]
    labels: Any = session.labels
    assert np.array_equal(replay(kept, source(), StubModel()), labels.data)


def test_records_of_objects_without_them_are_as_before(session: Session) -> None:
    record = object_to_record(session.state.find(1))
    assert "absent" not in record
    assert object_from_record(record, SHAPE).absent == frozenset()  # type: ignore[arg-type]


@pytest.mark.parametrize("absent", [[[6, None, None]], [[1, None]], [[None, None, None]]])
def test_records_of_planes_outside_are_refused(session: Session, absent: Any) -> None:
    record: Any = object_to_record(session.state.find(1)) | {"absent": absent}
    with pytest.raises(InputError, match="Object 1 of the session cannot be read"):
        object_from_record(record, SHAPE)
