"""Steps on many objects: chunks that one undo reverts, of the present session only."""

from typing import Any

import numpy as np
import pytest

from napari_segany import Prompt
from napari_segany.plugin.jobs.chunked import CHUNK
from napari_segany.plugin.prompt.bulk_steps import BulkSteps, NewObject
from napari_segany.session import ArraySource, Session

COUNT = 2 * CHUNK + 7
PLANE = (None, None)


@pytest.fixture
def session(model: Any) -> Session:
    return Session(ArraySource(np.zeros((40, 50), np.uint8)), model)


def new_objects() -> list[NewObject]:
    return [(Prompt([[k % 40, k % 50]]), PLANE, None) for k in range(COUNT)]


def test_objects_are_begun_in_chunks_and_undone_at_once(session: Session, jobs: Any) -> None:
    done: list[int] = []
    steps = BulkSteps(jobs, lambda _: True, [lambda: done.append(1)], jobs.fail)
    steps.add(session, new_objects())
    assert len(session.state.open) == CHUNK
    assert not steps.running
    assert not done
    steps.finish()
    assert len(session.state.open) == COUNT
    assert done == [1]
    assert steps.travel(session, session.undo)
    steps.finish()
    assert not session.state.open
    assert not session.can_undo
    assert not steps.travel(session, session.undo)


def test_chunks_are_separate_steps_if_something_was_done_in_between(
    session: Session, jobs: Any
) -> None:
    steps = BulkSteps(jobs, lambda _: True, [], jobs.fail)
    steps.add(session, new_objects())
    session.add_point(3, 3)
    steps.finish()
    session.undo()
    assert len(session.state.open) == CHUNK
    assert session.can_undo


def test_chunks_for_another_session_are_dropped(session: Session, jobs: Any) -> None:
    current: list[Session | None] = [session]
    steps = BulkSteps(jobs, lambda each: each is current[0], [], jobs.fail)
    steps.add(session, new_objects())
    current[0] = None
    steps.finish()
    assert len(session.state.open) == CHUNK


def test_cancelled_chunks_are_not_done(session: Session, jobs: Any) -> None:
    steps = BulkSteps(jobs, lambda _: True, [], jobs.fail)
    steps.add(session, new_objects())
    steps.cancel()
    steps.finish()
    assert len(session.state.open) == CHUNK
