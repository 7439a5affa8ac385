"""A viewer without a window, and jobs that are done at once or when a test says so."""

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_segany.errors import Cancelled
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.session.journal import Journal, OpenJournal


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


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


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
