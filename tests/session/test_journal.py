import json
import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.journal_files import JournalFiles

from napari_segany import Prompt, SamModel
from napari_segany.errors import InputError, SeganyError
from napari_segany.models.multi_view import with_views
from napari_segany.session import ArraySource, ArrayTarget, Session
from napari_segany.session.history import write_steps
from napari_segany.session.journal import Journal, read_journal
from napari_segany.session.journal_file import KEPT, find_journals
from napari_segany.session.serialization import object_from_record, object_to_record
from napari_segany.session.state import State

IMAGE = np.zeros((40, 50), np.uint8)


SESSIONS: dict[Session, JournalFiles] = {}


@pytest.fixture(autouse=True)
def closed_in_the_end() -> Iterator[None]:
    yield
    for session in SESSIONS:
        session.close()
    SESSIONS.clear()


def begin(model: Any, folder: Path | None) -> Session:
    session = Session(ArraySource(IMAGE), model)
    SESSIONS[session] = JournalFiles()
    if folder is not None:
        record(session, folder)
    return session


def record(session: Session, folder: Path) -> Journal:
    return session.begin_journal(folder, SESSIONS[session].open_journal)


def the_journal(folder: Path) -> Path:
    (path,) = find_journals(folder)
    return path


def some_work(session: Session) -> None:
    session.add_point(10, 20)
    session.ask()
    session.choose(1)
    session.commit()
    session.add_many([Prompt(box=[12, 18, 25, 30]), Prompt(box=[1, 1, 5, 5])])
    session.ask()
    session.on_overlap = "replace"
    session.commit([2])
    session.delete([1])
    session.undo()
    session.add_point(2, 2, positive=False)


def same(state: State, other: State) -> bool:
    def plain(each: Any) -> Any:
        mask = None if each.commit is None else each.commit.mask
        return (
            each.id,
            each.plane,
            repr(each.prompt),
            each.choice,
            each.label,
            None
            if mask is None
            else (mask.mask(0).tobytes(), mask.boxes.tolist(), float(mask.predicted_iou[0])),
        )

    ours, theirs = ([plain(each) for each in some.objects.values()] for some in (state, other))
    return sorted(ours) == sorted(theirs) and state.active == other.active


def crash(session: Session) -> None:
    """Let go of a session's files as the end of its process would."""
    SESSIONS[session].crash()


def test_after_a_crash_everything_is_as_it_was(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    crash(session)

    saved = read_journal(the_journal(tmp_path))
    assert not saved.closed
    assert same(saved.state, session.state)
    again = begin(model, tmp_path)
    again.restore(saved)

    assert same(again.state, session.state)
    assert np.array_equal(again.labels.data, session.labels.data)  # type: ignore[attr-defined]
    again.ask()
    assert again.commit([3]) == [3], "labels and numbers go on where they were"
    assert again.add_point(30, 30) == 4


def test_what_is_restored_can_be_restored_again(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    crash(session)
    again = begin(model, tmp_path)
    again.restore(read_journal(the_journal(tmp_path)))
    crash(again)

    third = begin(model, tmp_path)
    third.restore(read_journal(find_journals(tmp_path)[0]))
    assert same(third.state, session.state)
    assert np.array_equal(third.labels.data, session.labels.data)  # type: ignore[attr-defined]


def test_a_line_cut_short_is_ignored(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    crash(session)
    path = the_journal(tmp_path)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for end in range(len(whole) - len(lines[-1]), len(whole)):
        path.write_bytes(whole[:end])
        saved = read_journal(path)
        assert len(saved.steps) == 4, "nothing but the last line is lost"


def test_a_session_in_which_nothing_happened_leaves_no_file(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    session.close()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_session_says_so_and_can_still_be_restored(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    session.close()
    session.close()
    saved = read_journal(the_journal(tmp_path))
    assert saved.closed
    assert same(saved.state, session.state)


def test_a_session_at_work_is_not_found(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    assert find_journals(tmp_path) == []
    session.close()
    assert len(find_journals(tmp_path)) == 1


def test_only_the_latest_journals_are_kept(model: Any, tmp_path: Path) -> None:
    for _ in range(KEPT + 3):
        session = begin(model, tmp_path)
        session.add_point(3, 3)
        session.close()
    assert len(find_journals(tmp_path)) == KEPT + 1
    assert not list(tmp_path.glob("*.lock"))


def test_a_journal_of_another_shape_is_refused(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    session.close()
    other = Session(ArraySource(np.zeros((9, 9), np.uint8)), model)
    with pytest.raises(InputError, match=r"shape \[40, 50\], this one has shape \[9, 9\]"):
        other.restore(read_journal(the_journal(tmp_path)))
    assert not other.state.objects


def test_restoring_into_work_is_refused(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    session.close()
    other = begin(model, tmp_path)
    other.add_point(4, 4)
    with pytest.raises(InputError, match="nothing has happened"):
        other.restore(read_journal(the_journal(tmp_path)))


@pytest.mark.parametrize("text", ["", "hello", "[]", "{}", '{"format": 99}\n'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match="no journal"):
        read_journal(path)


def test_what_is_before_a_broken_line_is_recovered(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    some_work(session)
    session.close()
    path = the_journal(tmp_path)
    lines = path.read_text().splitlines()
    line = json.loads(lines[3])
    line["objects"]["1"]["commit"]["mask"]["bits"] = "AAAA"
    path.write_text("\n".join([*lines[:3], json.dumps(line), *lines[4:]]) + "\n")
    saved = read_journal(path)
    assert len(saved.state.open) == 1
    assert not saved.steps
    assert "Object 1 of the session cannot be read" in saved.damage


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SeganyError, match="cannot be kept in"):
        Journal(tmp_path / "file" / "folder", {})


def labels_of(session: Session) -> Any:
    return session.labels.data  # type: ignore[attr-defined]


def commit_at(session: Session, *places: tuple[int, int]) -> None:
    for place in places:
        session.add_point(*place)
        session.ask()
        session.commit()


def other_labels() -> ArrayTarget:
    return ArrayTarget(np.zeros(IMAGE.shape, np.int32))


@pytest.mark.parametrize("late", [False, True])
def test_what_was_committed_into_other_labels_is_told_too(
    model: Any, tmp_path: Path, late: bool
) -> None:
    session = begin(model, None if late else tmp_path)
    commit_at(session, (5, 5), (20, 20), (30, 30))
    session.undo()
    first = labels_of(session).copy()
    session.set_target(other_labels())
    session.set_target(other_labels())
    commit_at(session, (30, 40))
    if late:
        record(session, tmp_path)
    crash(session)

    saved = read_journal(the_journal(tmp_path))
    (former,) = saved.former
    assert np.array_equal(write_steps(other_labels(), former).target.data, first)  # type: ignore[attr-defined]
    for _ in range(2):
        # What is restored can be restored again.
        again = begin(model, tmp_path)
        again.restore(saved)
        assert same(again.state, session.state)
        assert np.array_equal(labels_of(again), labels_of(session))
        assert again.steps == saved.steps
        assert again.add_point(3, 3) == 4
        again.undo()
        crash(again)
        saved = read_journal(find_journals(tmp_path)[0])
        assert len(saved.former) == 1


def test_nothing_but_labels_that_were_left_is_told_too(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    commit_at(session, (5, 5))
    session.set_target(other_labels())
    session.close()
    saved = read_journal(the_journal(tmp_path))
    assert not saved.steps
    assert not saved.state.objects
    assert len(saved.former) == 1


@pytest.mark.parametrize(
    ("committed", "leave", "expected"),
    [([], False, None), ([1], False, 1), ([1, 3], False, 3), ([3, 1], False, 1), ([1, 3], True, 3)],
)
def test_views_are_those_of_the_object_that_was_written_last(
    tiny_model: SamModel, tmp_path: Path, committed: list[int], leave: bool, expected: int | None
) -> None:
    """Also where its labels were left; objects that are only open say nothing."""
    session = begin(tiny_model, tmp_path)
    for row, views in zip((3, 20), committed, strict=False):
        session.model = with_views(tiny_model, views)
        session.add_box([row, 2, row + 14, 40])
        session.ask()
        session.commit()
    if leave:
        session.set_target(other_labels())
    session.model = with_views(tiny_model, 2)
    session.add_point(3, 3)
    crash(session)
    assert read_journal(the_journal(tmp_path)).views == expected


@pytest.mark.parametrize("views", ["1", "5", "many"])
def test_other_views_than_there_are_refuse_a_record(tiny_model: SamModel, views: str) -> None:
    session = begin(with_views(tiny_model, 2), None)
    session.add_box([2, 2, 30, 40])
    session.ask()
    session.commit()
    (each,) = session.state.committed
    record = object_to_record(each)
    assert record["commit"]["model"][3] == "2"
    record["commit"]["model"][3] = views
    with pytest.raises(InputError, match=r"views, not in \('2', '3', '4'\)"):
        object_from_record(record, IMAGE.shape)


def test_labels_that_are_gone_are_not_told(model: Any, tmp_path: Path) -> None:
    session = begin(model, tmp_path)
    commit_at(session, (5, 5), (20, 20))
    session.set_target(other_labels(), reopen=True)
    crash(session)
    saved = read_journal(the_journal(tmp_path))
    assert not saved.former
    assert not saved.steps
    assert len(saved.state.open) == 2
    again = begin(model, tmp_path)
    again.restore(saved)
    assert not labels_of(again).any()


def test_a_journal_goes_on_in_another_folder(model: Any, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    session = begin(model, None)
    journal = record(session, here)
    commit_at(session, (5, 5))
    journal.move(there)
    assert list(here.iterdir()) == []
    assert find_journals(there) == [], "it is in use there, too"
    commit_at(session, (20, 20))
    (tmp_path / "file").write_text("")
    with pytest.raises(SeganyError, match="cannot be kept in"):
        journal.move(tmp_path / "file" / "folder")
    commit_at(session, (30, 30))
    session.close()
    assert same(read_journal(the_journal(there)).state, session.state)
    assert list(there.glob("*.lock")) == []


def test_a_journal_that_cannot_be_moved_goes_on_where_it_is(
    model: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    session = begin(model, None)
    journal = record(session, tmp_path / "here")
    commit_at(session, (5, 5))

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError("in use")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(SeganyError, match="cannot be kept in"):
            journal.move(tmp_path / "there")
    commit_at(session, (20, 20))
    assert find_journals(tmp_path / "here") == []
    session.close()
    assert same(read_journal(the_journal(tmp_path / "here")).state, session.state)
    assert list((tmp_path / "there").iterdir()) == []


def test_another_journal_is_told_everything_and_the_one_before_ends(
    model: Any, tmp_path: Path
) -> None:
    session = begin(model, tmp_path / "here")
    commit_at(session, (5, 5))
    record(session, tmp_path / "there")
    commit_at(session, (20, 20))
    crash(session)
    before, after = (read_journal(the_journal(tmp_path / name)) for name in ("here", "there"))
    assert before.closed
    assert len(before.state.committed) == 1
    assert same(after.state, session.state)


def test_a_saved_session_knows_its_time_and_its_size(model: Any, tmp_path: Path) -> None:
    now = datetime.now()
    session = begin(model, tmp_path)
    commit_at(session, (5, 5), (20, 20), (30, 30))
    session.delete([1])
    session.set_target(other_labels())
    commit_at(session, (30, 40))
    session.add_point(3, 3)
    session.close()
    saved = read_journal(the_journal(tmp_path))
    assert saved.count == 4
    assert abs(saved.begun - now) < timedelta(seconds=5)
    copied = saved.path.rename(tmp_path / "a copy.jsonl")
    assert abs(read_journal(copied).begun - now) < timedelta(minutes=1)


def test_only_a_session_that_was_never_used_can_be_restored_into(
    model: Any, tmp_path: Path
) -> None:
    session = begin(model, tmp_path)
    commit_at(session, (5, 5))
    session.close()
    other = begin(model, None)
    assert not other.is_begun
    other.add_point(4, 4)
    other.undo()
    assert other.is_begun
    with pytest.raises(InputError, match="nothing has happened"):
        other.restore(read_journal(the_journal(tmp_path)))


STEPS = 20


def work_until_killed(model: Any, folder: Path, done: Any) -> None:
    """Twenty steps; tells after each how many are done."""
    session = begin(model, folder)
    for step in range(STEPS):
        if step % 4 == 0:
            session.add_point(2 + step, 20)
            session.ask()
        elif step % 4 == 1:
            session.next_candidate()
        elif step % 4 == 2:
            session.commit()
        else:
            session.reopen(session.state.committed[0].id)
            session.commit()
        done.value = step + 1
    time.sleep(60)


@pytest.mark.parametrize("after", range(1, STEPS + 1))
def test_a_session_that_is_killed_loses_at_most_its_last_step(
    model: Any, tmp_path: Path, after: int
) -> None:
    context = multiprocessing.get_context("fork")
    done = context.Value("i", 0)
    process = context.Process(target=work_until_killed, args=(model, tmp_path, done))
    with warnings.catch_warnings():
        # The stub starts no thread, and nothing here waits for one.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    deadline = time.monotonic() + 30
    while done.value < after and time.monotonic() < deadline:
        time.sleep(0.0005)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    reached = done.value
    assert reached >= after

    again = begin(model, tmp_path)
    again.restore(read_journal(the_journal(tmp_path)))

    prompts = (reached + 3) // 4
    assert prompts <= len(again.state.objects) <= prompts + 1
    # It may have been killed between the two halves of a fourth step.
    committed = (reached + 1) // 4
    fewest = committed - (reached % 4 == 3)
    assert fewest <= len(again.state.committed) <= committed + 1
    values = set(np.unique(again.labels.data).tolist())  # type: ignore[attr-defined]
    assert values == {0, *(each.label for each in again.state.committed)}
