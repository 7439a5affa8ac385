"""A viewer without a window, and jobs that are done at once or when a test says so."""

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from tests.plugin.windows import WindowState, open_window

from napari_segany.errors import Cancelled
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.shared.shared_models import SharedModels
from napari_segany.session.journal import Journal, OpenJournal
from napari_segany.weights.cache import CACHE_VARIABLE


class PatientJobs:
    """Does what was submitted when :meth:`run` is called, the most urgent first."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, int, Hashable, Any, Any, Any]] = []
        self.count = 0
        self.at_once = True

    def submit(
        self,
        key: Hashable,
        priority: int,
        work: Callable[[Any], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.waiting = [job for job in self.waiting if job[2] != key]
        self.count += 1
        self.waiting.append((priority, self.count, key, work, done, failed))

    def run_beside(
        self,
        work: Callable[[Any], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.submit(("beside", self.count), -1, work, done, failed)

    def call_later(self, key: Hashable, act: Callable[[], object]) -> None:
        self.submit(key, -1, lambda _: None, lambda _: act(), self.fail)

    @staticmethod
    def fail(error: Exception) -> None:
        raise error

    def cancel(self, priority: int = 0) -> None:
        self.waiting = [job for job in self.waiting if job[0] < priority]

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    def run(self) -> None:
        while self.waiting:
            self.waiting.sort(key=lambda job: job[:2])
            _, _, _, work, done, failed = self.waiting.pop(0)
            try:
                result = work(lambda: False)
            except Cancelled:
                continue
            except Exception as error:
                failed(error)
                continue
            done(result)


@pytest.fixture(autouse=True)
def own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docks of one test share no models with those of another, which may not be gone yet."""
    monkeypatch.setattr("napari_segany.plugin.shared.model_picker.MODELS", SharedModels())


@pytest.fixture(autouse=True)
def no_error_is_hidden(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which a dock or its jobs caught an unexpected error.

    Docks show and log such errors; a test that wants one clears the log afterwards.
    """
    yield
    hidden = [
        record
        for record in caplog.get_records("call")
        if record.name.startswith("napari_segany.plugin") and record.exc_info
    ]
    assert not hidden, [str(record.exc_info[1]) for record in hidden if record.exc_info]


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture(scope="module")
def empty_window(qapp: Any) -> Iterator[WindowState]:
    """A napari window for all tests of a module."""
    with open_window() as viewer:
        yield WindowState(viewer)


@pytest.fixture
def window(empty_window: WindowState, qtbot: Any) -> Iterator[Any]:
    """A napari viewer in a window on the screen; the test need not clean up."""
    yield empty_window.viewer
    empty_window.restore()


@pytest.fixture
def open_widget(viewer: Any) -> Iterator[Callable[..., Any]]:
    """Opens a dock of the window by its name."""
    opened: list[Any] = []

    def make(name: str) -> Any:
        _, widget = viewer.window.add_plugin_dock_widget("napari-segany", name)
        opened.append(widget)
        return widget

    yield make
    for widget in opened:
        widget.close()
        widget.deleteLater()


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: Any) -> Path:
    """A model cache without models."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "empty"))
    return tmp_path / "empty"


@pytest.fixture
def jobs() -> PatientJobs:
    return PatientJobs()


@pytest.fixture
def begin(
    viewer: ViewerModel, jobs: PatientJobs, model: Any, tmp_path: Path
) -> Iterator[Callable[..., PromptController]]:
    """Opens a session on an image in the viewer."""
    begun: list[PromptController] = []

    def make(data: Any, open_journal: OpenJournal = Journal, **image: Any) -> PromptController:
        controller = PromptController(viewer, jobs, tmp_path / "journals", open_journal)
        begun.append(controller)
        layer = Image(data, name="image", **image)
        viewer.add_layer(layer)
        controller.model = model
        controller.open_image(layer)
        jobs.run()
        return controller

    yield make
    for controller in begun:
        controller.end()


@pytest.fixture
def stack() -> Any:
    return np.random.default_rng(0).integers(0, 1000, (6, 40, 50)).astype(np.uint16)
