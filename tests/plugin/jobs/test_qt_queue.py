import threading
from collections.abc import Iterator
from typing import Any

import pytest
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication
from tests.plugin.windows import until

from napari_segany.errors import Cancelled
from napari_segany.plugin.jobs import qt_queue
from napari_segany.plugin.jobs.qt_queue import QtJobQueue
from napari_segany.plugin.jobs.queue import Priority


@pytest.fixture
def jobs(qtbot: Any) -> Iterator[QtJobQueue]:
    jobs = QtJobQueue()
    yield jobs
    jobs.shut_down()


class Gate:
    """Work that waits until it is let through or stopped."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self, should_stop: Any) -> str:
        self.begun.set()
        while not self.open.wait(0.002):
            if should_stop():
                raise Cancelled
        return "through"


def test_results_come_back_to_the_gui_thread(jobs: QtJobQueue, qtbot: Any) -> None:
    seen: list[Any] = []
    jobs.submit(
        1,
        Priority.REQUEST,
        lambda _: threading.current_thread(),
        lambda result: seen.append((result, threading.current_thread())),
        seen.append,
    )
    until(qtbot, lambda: len(seen) == 1)
    worked, delivered = seen[0]
    assert worked is not threading.main_thread()
    assert delivered is threading.main_thread()


def test_errors_come_back_too(jobs: QtJobQueue, qtbot: Any) -> None:
    failed: list[Exception] = []
    jobs.submit(1, Priority.REQUEST, lambda _: 1 / 0, lambda _: None, failed.append)
    until(qtbot, lambda: len(failed) == 1)
    assert isinstance(failed[0], ZeroDivisionError)
    assert not jobs.busy


def test_the_most_urgent_comes_first_and_what_gave_way_is_done_later(
    jobs: QtJobQueue, qtbot: Any
) -> None:
    order: list[str] = []
    ahead = Gate()
    jobs.submit("ahead", Priority.AHEAD, ahead, lambda _: order.append("ahead"), pytest.fail)
    assert ahead.begun.wait(60)
    ahead.begun.clear()
    question = Gate()
    jobs.submit("ask", Priority.REQUEST, question, lambda _: order.append("ask"), pytest.fail)
    assert question.begun.wait(60)
    jobs.submit("embed", Priority.VIEW, lambda _: 0, lambda _: order.append("embed"), pytest.fail)
    question.open.set()
    assert ahead.begun.wait(60)
    ahead.open.set()
    until(qtbot, lambda: len(order) == 3)
    assert order == ["ask", "embed", "ahead"]


def test_work_of_the_same_key_replaces_the_earlier(jobs: QtJobQueue, qtbot: Any) -> None:
    done: list[str] = []
    first = Gate()
    jobs.submit("same", Priority.REQUEST, first, lambda _: done.append("first"), pytest.fail)
    assert first.begun.wait(60)
    jobs.submit("same", Priority.REQUEST, lambda _: 0, lambda _: done.append("second"), pytest.fail)
    until(qtbot, lambda: not jobs.busy)
    assert done == ["second"]


def test_what_is_stopped_is_never_heard_of(jobs: QtJobQueue, qtbot: Any) -> None:
    gate = Gate()
    jobs.submit(1, Priority.AHEAD, gate, pytest.fail, pytest.fail)
    jobs.submit(2, Priority.AHEAD, gate, pytest.fail, pytest.fail)
    assert gate.begun.wait(60)
    jobs.cancel(Priority.VIEW)
    # What was done is told before nothing is to be done any more.
    until(qtbot, lambda: not jobs.busy)


def test_ending_waits_for_the_thread(qtbot: Any) -> None:
    jobs = QtJobQueue()
    gate = Gate()
    jobs.submit(1, Priority.REQUEST, gate, pytest.fail, pytest.fail)
    assert gate.begun.wait(60)
    jobs.shut_down()
    assert not jobs._thread.is_alive()


def test_work_beside_waits_for_nothing_and_is_not_stopped(jobs: QtJobQueue, qtbot: Any) -> None:
    seen: list[Any] = []
    gate, slow = Gate(), Gate()
    jobs.submit("gate", Priority.REQUEST, gate, pytest.fail, pytest.fail)
    jobs.run_beside(lambda _: threading.current_thread(), seen.append, pytest.fail)
    until(qtbot, lambda: len(seen) == 1)
    assert seen[0] is not threading.main_thread()
    jobs.run_beside(slow, seen.append, pytest.fail)
    jobs.run_beside(lambda _: 1 / 0, pytest.fail, seen.append)
    jobs.cancel()
    slow.open.set()
    until(qtbot, lambda: len(seen) == 3 and not jobs.busy)
    assert "through" in seen


def test_the_end_ends_work_beside(qtbot: Any) -> None:
    jobs, gate = QtJobQueue(), Gate()
    jobs.run_beside(gate, pytest.fail, pytest.fail)
    assert gate.begun.wait(60)
    assert jobs.busy
    jobs.shut_down(60)
    QApplication.processEvents()
    assert not [t for t in threading.enumerate() if t.name == "napari-segany beside"]


def test_work_outlives_whom_it_was_for_and_is_told_nowhere(qtbot: Any) -> None:
    owner = QObject()
    jobs, gate = QtJobQueue(owner), Gate()
    seen: list[Any] = []
    jobs.submit("work", Priority.REQUEST, gate, seen.append, seen.append)
    assert gate.begun.wait(60)
    owner.deleteLater()
    until(qtbot, lambda: jobs._ended)
    jobs.shut_down(60)
    assert not jobs.busy
    assert seen == []
    assert not jobs._thread.is_alive()


def test_threads_end_before_the_interpreter_does(qtbot: Any) -> None:
    several, gates = [QtJobQueue(), QtJobQueue()], [Gate(), Gate()]
    for jobs, gate in zip(several, gates, strict=True):
        jobs.run_beside(gate, pytest.fail, pytest.fail)
        assert gate.begun.wait(60)
    qt_queue._end_all()
    assert not any(jobs.busy or jobs._thread.is_alive() for jobs in several)


def test_waiting_until_nothing_is_to_be_done(jobs: QtJobQueue) -> None:
    told: list[str] = []

    def done(text: str) -> None:
        jobs.call_later("x", lambda: told.append(text))

    jobs.submit("one", Priority.REQUEST, lambda _: "work", done, pytest.fail)
    jobs.wait()
    assert told == ["work"]


def test_errors_of_callbacks_are_told_and_logged(
    jobs: QtJobQueue, qtbot: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Exception] = []
    jobs.callback_failed.connect(told.append)
    jobs.submit("one", Priority.REQUEST, lambda _: 0, lambda n: 1 / n, pytest.fail)
    until(qtbot, lambda: len(told) == 1)
    jobs.call_later("two", lambda: [][0])
    until(qtbot, lambda: len(told) == 2)
    assert [type(error) for error in told] == [ZeroDivisionError, IndexError]
    assert caplog.text.count("Traceback") == 2
    assert not jobs.busy
    caplog.clear()


def test_the_window_has_its_turns_between_delayed_calls(jobs: QtJobQueue, qtbot: Any) -> None:
    drawn: list[int] = []
    window = QTimer()
    window.timeout.connect(lambda: drawn.append(1))
    window.start(0)
    before: list[int] = []

    def act() -> None:
        before.append(len(drawn))
        if len(before) < 10:
            jobs.call_later("next", act)

    jobs.call_later("next", act)
    until(qtbot, lambda: len(before) == 10)
    window.stop()
    assert before == sorted(set(before))
