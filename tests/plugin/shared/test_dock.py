"""The base of the docks, without a window."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qtpy.QtWidgets import QLabel, QToolButton

from napari_segany.core.notes import note
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


def warn(*values: Any) -> Callable[[Any], None]:
    """Return work in which the library logs a warning for each value."""

    def work(should_stop: Any) -> None:
        for value in values:
            logging.getLogger("napari_segany.core.intensity").warning("%d pixels are dark.", value)
            logging.getLogger("napari_segany.core.intensity").info("Not worth a notice.")

    return work


def test_what_the_library_logs_in_a_job_is_shown_once_a_kind(dock: Dock) -> None:
    other = Dock()
    dock.jobs.submit("a", Priority.REQUEST, warn(3, 4), print, print)
    dock.jobs.wait()
    assert dock.message.notice.text() == "3 pixels are dark."
    assert dock.message.notice.styleSheet() == STYLES["warning"]
    assert other.message.notice.text() == "", "it is the notice of another dock's job"
    dock.message.dismiss()
    dock.jobs.run_beside(warn(5), print, print)
    dock.jobs.wait()
    assert dock.message.notice.text() == ""
    # Nothing is collected outside of jobs.
    warn(6)(None)
    dock.jobs.wait()
    assert dock.message.isHidden()
    other.end()


def test_notes_of_a_job_are_shown_too(dock: Dock) -> None:
    logger = logging.getLogger("napari_segany.batch.batch_run")

    def work(should_stop: Any) -> None:
        for name in ("a", "b"):
            note(logger, "on a worker %s; masks may differ", name)

    dock.jobs.submit("a", Priority.REQUEST, work, print, print)
    dock.jobs.wait()
    assert dock.message.notice.text() == "on a worker a; masks may differ"
    dock.message.add_notice("on a worker a; masks may differ")
    assert dock.message.notice.text().count("worker") == 1
    note(logger, "outside of jobs")
    assert "outside" not in dock.message.notice.text()


def test_a_notice_stands_beside_an_error_and_a_message(dock: Dock) -> None:
    dock.message.say_error(InputError("Choose an image first."))
    dock.jobs.submit("a", Priority.REQUEST, warn(3), print, print)
    dock.jobs.wait()
    assert dock.message.notice.text() == "Choose an image first.\n3 pixels are dark."
    assert dock.message.notice.styleSheet() == STYLES["error"]
    dock.say("2 objects found.")
    assert dock.message.text() == "2 objects found."
    assert "3 pixels" in dock.message.notice.text()
    # Another image is chosen.
    dock._forget_notices()
    assert dock.message.notice.text() == "Choose an image first."
    dock.message.dismiss()
    dock.jobs.submit("a", Priority.REQUEST, warn(4), print, print)
    dock.jobs.wait()
    assert dock.message.notice.text() == "4 pixels are dark."
    dock._forget_notices()
    assert dock.message.notice.text() == ""


def test_the_terminal_shows_notices_too(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    dock.jobs.submit("a", Priority.REQUEST, warn(3), print, print)
    dock.jobs.wait()
    assert capsys.readouterr().err.count("3 pixels are dark.") == 1


def test_it_ends_once(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[int] = []
    monkeypatch.setattr(dock, "_release", lambda: released.append(1))
    dock.close()
    dock.end()
    assert released == [1]
