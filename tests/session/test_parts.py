"""Objects through planes: parts that share a label, some of them propagated."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stub import StubModel

from napari_segany import MaskSet, Prompt
from napari_segany.core.image_source import ArraySource
from napari_segany.errors import InputError
from napari_segany.session.journal import read_journal
from napari_segany.session.replay import object_table, provenance, replay
from napari_segany.session.session import Session

SHAPE = (6, 20, 20)


def plane(number: int) -> tuple[int | None, ...]:
    return number, None, None


def mask(top: int, size: int = 4) -> MaskSet:
    image = np.zeros(SHAPE[1:], bool)
    image[top : top + size, 5:9] = True
    return MaskSet.from_masks(image[None])


def source() -> ArraySource:
    return ArraySource(np.zeros(SHAPE, np.uint8))


@pytest.fixture
def session() -> Session:
    """A session with an object on plane 1, whose next part is on plane 4."""
    made = Session(source(), StubModel())
    (first,) = made.set_open({-1: (plane(1), Prompt(points=[[8, 8]]))}).values()
    open_now = {each.id: (each.plane, each.prompt) for each in made.state.open}
    made.set_open(open_now | {-1: (plane(4), Prompt(points=[[9, 9]]))}, wholes={-1: first})
    made.ask()
    return made


def commit_all(session: Session, masks: dict[int, MaskSet]) -> list[int]:
    """Commit the open parts, and propagated ones on further planes, in one step."""
    labels = session.commit([each.id for each in session.state.open])
    whole = session.state.committed[0].whole
    return labels + session.commit_parts(
        [(whole, plane(n), m) for n, m in masks.items()], join=True
    )


def labels_of(session: Session) -> np.ndarray:
    return np.asarray(session.labels.read(tuple(slice(0, n) for n in SHAPE)))


def test_parts_share_a_label_and_are_one_step(session: Session) -> None:
    assert commit_all(session, {2: mask(6), 3: mask(7)}) == [1, 1, 1, 1]
    labels = labels_of(session)
    assert [int(each.max()) for each in labels] == [0, 1, 1, 1, 1, 0]
    assert np.array_equal(labels[2] > 0, mask(6).mask(0))
    table = object_table(session.state, session.area)
    assert table["index"].tolist() == [1]
    assert table["area"].tolist() == [int((labels > 0).sum())]
    session.undo()
    assert not labels_of(session).any()
    assert [(each.id, each.whole) for each in session.state.objects.values()] == [(1, 1), (2, 1)]
    session.redo()
    assert np.array_equal(labels_of(session), labels)


def test_another_object_gets_a_label_of_its_own(session: Session) -> None:
    commit_all(session, {2: mask(6)})
    session.add_many([Prompt(points=[[2, 2]])], [plane(2)])
    session.ask()
    assert session.commit() == [2]


def test_reopening_opens_the_prompted_parts_and_removes_the_others(session: Session) -> None:
    commit_all(session, {2: mask(6), 3: mask(7)})
    part = next(each for each in session.state.committed if each.plane == plane(3))
    assert part.propagated
    opened = session.reopen(part.id)
    assert opened.id == 1
    assert session.state.active == 1
    assert [each.plane for each in session.state.open] == [plane(1), plane(4)]
    assert not labels_of(session).any()
    session.undo()
    assert (labels_of(session).max(axis=(1, 2)) > 0).tolist() == [False, *[True] * 4, False]


def test_an_object_without_prompts_is_not_opened(session: Session) -> None:
    commit_all(session, {2: mask(6)})
    session.delete([1, 2])
    with pytest.raises(InputError, match="prompts of this object were deleted"):
        session.reopen(3)


def test_a_part_that_belongs_to_others_altogether_is_left_out(session: Session) -> None:
    session.add_many([Prompt(mask=mask(6))], [plane(2)])
    session.ask()
    other = session.state.open[-1]
    session.commit([other.id])
    taken = labels_of(session)[2] > 0
    crop = MaskSet.from_masks(taken[None])
    assert session.commit_parts([(1, plane(2), crop), (1, plane(3), mask(7))]) != []
    assert [each.plane for each in session.state.committed] == [plane(2), plane(3)]
    assert np.array_equal(labels_of(session)[2] > 0, taken)


def test_journals_and_sessions_keep_the_parts(session: Session, tmp_path: Path) -> None:
    journal = session.begin_journal(tmp_path)
    commit_all(session, {2: mask(6), 3: mask(7)})
    labels = labels_of(session)
    saved = read_journal(journal.path)
    session.close()
    restored = Session(source(), StubModel())
    restored.restore(saved)
    assert np.array_equal(labels_of(restored), labels)
    assert [(e.id, e.part_of, e.propagated) for e in restored.state.committed] == [
        (1, None, False),
        (2, 1, False),
        (3, 1, True),
        (4, 1, True),
    ]
    restored.reopen(1)
    assert [each.plane for each in restored.state.open] == [plane(1), plane(4)]
    assert not labels_of(restored).any()
    again = replay(json.dumps(provenance(session)), source(), StubModel())
    assert np.array_equal(again, labels)


def test_objects_of_one_plane_are_recorded_as_before() -> None:
    session = Session(source(), StubModel())
    session.add_point(8, 8)
    session.ask()
    session.commit()
    ((_, record),) = provenance(session)["steps"]
    assert "part_of" not in record
    assert "propagated" not in record
    assert "mask" not in record["commit"]


@pytest.mark.parametrize("value", [False, 2, "yes"])
def test_records_of_other_values_are_refused(session: Session, value: Any) -> None:
    commit_all(session, {2: mask(6)})
    record = provenance(session)
    record["steps"][-1][1]["propagated"] = value
    with pytest.raises(InputError):
        replay(json.dumps(record), source(), StubModel())


def test_parts_whose_labels_were_undone_outside_are_gone(session: Session) -> None:
    commit_all(session, {2: mask(6)})
    target: Any = session.labels
    target.data[:] = 0
    session.check_labels()
    assert [each.id for each in session.state.objects.values()] == [1, 2]
    assert not session.state.committed
