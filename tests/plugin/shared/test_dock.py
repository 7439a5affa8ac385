"""The base of the docks, without a window."""

from collections.abc import Iterator
from typing import Any

import pytest
from qtpy.QtWidgets import QLabel, QToolButton

from napari_segany.errors import InputError
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.shared.dock import Dock
from napari_segany.plugin.shared.message_line import STYLES


def fail() -> None:
    raise InputError("Choose an image first.")


@pytest.fixture
def dock(qtbot: Any) -> Iterator[Dock]:
    dock = Dock()
    dock.lay_out([QLabel("inside")], [dock.progress, dock.message])
    qtbot.addWidget(dock)
    yield dock
    dock.end()


def test_an_error_of_a_button_stays_until_something_succeeds(dock: Dock) -> None:
    failing, working = dock.button("A", fail, "tip"), dock.button("B", lambda: None, "tip")
    failing.click()
    assert (dock.message.text(), dock.message.severity) == ("Choose an image first.", "error")
    assert not dock.message.isHidden()
    working.click()
    assert dock.message.isHidden()
    assert dock.message.severity == "info"
    dock.say("Some planes failed.", "warning")
    working.click()
    assert (dock.message.text(), dock.message.severity) == ("Some planes failed.", "warning")


def test_each_severity_has_a_style_of_its_own(dock: Dock) -> None:
    for severity, style in STYLES.items():
        dock.say("text", severity)
        shown = dock.message.line if severity == "info" else dock.message.notice
        assert (shown.styleSheet(), shown.text(), shown.isHidden()) == (style, "text", False)
        assert dock.message.text() == "text"
    assert len(set(STYLES.values())) == len(STYLES)


def test_a_later_message_does_not_remove_a_warning(dock: Dock) -> None:
    dock.say("The last session ended without being closed.", "warning")
    dock.say("Next point: positive.")
    assert dock.message.notice.text() == "The last session ended without being closed."
    assert (dock.message.text(), dock.message.severity) == ("Next point: positive.", "info")
    dock.message.findChild(QToolButton).click()
    assert not dock.message.notice.text()
    assert dock.message.text() == "Next point: positive."


def test_an_unexpected_error_is_shown_and_logged(
    dock: Dock, caplog: pytest.LogCaptureFixture
) -> None:
    dock.guarded(lambda: 1 / 0)()
    assert "ZeroDivisionError" in dock.message.text()
    assert dock.message.severity == "error"
    assert "Traceback" in caplog.text
    caplog.clear()


def test_slots_pass_the_arguments_of_a_signal_or_drop_them(dock: Dock) -> None:
    seen: list[Any] = []
    dock.guarded_with(lambda *values: seen.append(values))(1, "a")
    dock.guarded(lambda: seen.append(()))(1, "a")
    assert seen == [(1, "a"), ()]


def test_errors_of_finished_jobs_are_shown(
    dock: Dock, qtbot: Any, caplog: pytest.LogCaptureFixture
) -> None:
    dock.jobs.submit("job", Priority.REQUEST, lambda _: None, lambda _: fail(), pytest.fail)
    qtbot.waitUntil(lambda: not dock.message.isHidden())
    assert dock.message.text() == "Choose an image first."
    caplog.clear()


def test_progress_is_hidden_when_the_jobs_are_done(dock: Dock, qtbot: Any) -> None:
    dock.progress.start_clock()
    dock.progress.show_progress(1, 4, "one of four")
    assert (dock.progress.bar.value(), dock.progress.bar.maximum()) == (1, 4)
    assert not dock.progress.isHidden()
    assert not dock.progress.line.isHidden()
    assert dock.progress.seconds_left(1, 4) < 60
    assert dock.progress.seconds_left(4, 4) == 0
    dock.progress.show_bytes(4096, 2**40)
    assert (dock.progress.bar.value(), dock.progress.bar.maximum()) == (4, 2**30)
    dock.jobs.submit("job", Priority.REQUEST, lambda _: None, lambda _: None, pytest.fail)
    qtbot.waitUntil(lambda: not dock.jobs.busy)
    assert dock.progress.isHidden()


def test_it_ends_once(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[int] = []
    monkeypatch.setattr(dock, "_release", lambda: released.append(1))
    dock.close()
    dock.end()
    assert released == [1]
