"""A process that is killed while objects go through planes: its journal gives back what it had."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray
from tests.effort import choose_count
from tests.linking.propagation.bright import BrightModel
from tests.plugin.conftest import PatientJobs

from napari_segany.core.image_source import ArraySource
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.session import Session
from napari_segany.session.journal import Journal, read_journal
from napari_segany.session.journal_file import open_to_append
from napari_segany.session.replay import provenance, replay

PLANES = 34
VOLUME = np.full((PLANES, 20, 24), 20, np.uint8)
VOLUME[:, 3:9, 3:9] = 200
VOLUME[:, 12:18, 12:20] = 220

Objects = dict[int, tuple[Any, ...]]


def facts(session: Session) -> Objects:
    """What has to come back of each object."""
    return {
        each.id: (each.plane, each.part_of, each.label, each.absent, each.commit is not None)
        for each in session.state.objects.values()
    }


@dataclass
class Witness:
    """Sees each line of a journal, and each call of the model; may kill its process there.

    Attributes
    ----------
    lines : list
        Objects and labels after each line.
    asked_after : list of int
        Lines that were written when the model was asked, for each time.
    """

    kill_at: int = -1
    how: str = ""
    controller: Any = None
    lines: list[tuple[Objects, NDArray[Any]]] = field(default_factory=list)
    asked_after: list[int] = field(default_factory=list)

    def open_file(self, path: Path) -> Any:
        return WitnessedFile(open_to_append(path), self)

    def before_line(self, file: IO[str], text: str) -> None:
        if self.how == "in a line" and self.kill_at == len(self.lines):
            file.write(text[: len(text) // 2])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def after_line(self, file: IO[str]) -> None:
        session = None if self.controller is None else self.controller.session
        labels = None if self.controller is None else self.controller.labels
        now = np.zeros(VOLUME.shape, np.int32) if labels is None else labels.data.copy()
        self.lines.append(({} if session is None else facts(session), now))
        if self.how == "after a line" and self.kill_at == len(self.lines) - 1:
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def asked(self) -> None:
        self.asked_after.append(len(self.lines))
        if self.how == "asked" and self.kill_at == len(self.asked_after) - 1:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class WitnessedFile:
    """A journal's file."""

    file: IO[str]
    witness: Witness

    @property
    def closed(self) -> bool:
        return self.file.closed

    def write(self, text: str) -> None:
        self.witness.before_line(self.file, text)
        self.file.write(text)
        self.file.flush()
        self.witness.after_line(self.file)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.file.close()


@dataclass
class WatchedModel(BrightModel):
    """Says when it is asked."""

    on_ask: Callable[[], None] = lambda: None

    def predict(self, embedding: Any, prompts: Any, **options: Any) -> Any:
        self.on_ask()
        return super().predict(embedding, prompts, **options)


def work(folder: Path, witness: Witness) -> None:
    """Two objects, followed, corrected, said not to be somewhere, committed in several chunks."""
    viewer, jobs = ViewerModel(), PatientJobs()
    journal = partial(Journal, open_file=witness.open_file)
    controller = PromptController(viewer, jobs, folder, journal)
    witness.controller = controller
    image = Image(VOLUME, name="image")
    viewer.add_layer(image)
    controller.model = WatchedModel(on_ask=witness.asked)
    controller.open_image(image)
    through = controller.host.through

    def at(plane: int, act: Callable[[], object]) -> None:
        viewer.dims.set_current_step(0, plane)
        act()
        jobs.run()

    def click(plane: int, *place: float) -> None:
        at(plane, lambda: controller.points.add(np.array([plane, *place], float)))

    jobs.run()
    controller.sync.mode = "many"
    click(10, 5, 5)
    click(12, 15, 15)
    at(10, through.start)
    at(30, through.toggle_absent)
    controller.sync.mode = "one"
    click(20, 14, 16)
    for act in (controller.commit, controller.undo, controller.redo):
        at(10, act)
    at(10, lambda: controller.reopen(1))
    at(10, through.start)
    at(10, controller.commit)
    controller.end()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Witness:
    """The same work, done to its end."""
    witness = Witness()
    work(tmp_path_factory.mktemp("whole"), witness)
    return witness


# A server that has imported all this forks processes in milliseconds. This process cannot, once
# torch has worked in it.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["napari.components", "napari_segany.plugin.prompt.controller"])


def run_until_killed(folder: Path, kill_at: int, how: str) -> None:
    process = SERVER.Process(target=work, args=(folder, Witness(kill_at, how)))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def check_restored(folder: Path, objects: Objects, labels: NDArray[Any]) -> None:
    (path,) = folder.rglob("*.jsonl")
    restored = Session(ArraySource(VOLUME), BrightModel())
    restored.restore(read_journal(path))
    assert facts(restored) == objects
    found: Any = restored.labels
    assert np.array_equal(found.data, labels)
    again = replay(provenance(restored), ArraySource(VOLUME), BrightModel())
    assert again.tobytes() == found.data.tobytes()


# Parts of the way through all lines of the journal, of which the first describes the image.
IN_LINES = [(0.5, "in a line"), (0.65, "after a line"), (0.95, "in a line")]
FURTHER = [(part, how) for part in (0.1, 0.35, 0.8) for how in ("in a line", "after a line")]
IN_SEARCHES = [0.5, 0.2, 0.9]


@pytest.mark.parametrize(("part", "how"), [*IN_LINES, *FURTHER][: choose_count(9, 3)])
def test_a_kill_between_steps_or_in_one_loses_that_step_only(
    account: Witness, tmp_path: Path, part: float, how: str
) -> None:
    # The last line says that the session was closed.
    number = max(2, round(part * (len(account.lines) - 2)))
    run_until_killed(tmp_path, number, how)
    check_restored(tmp_path, *account.lines[number if how == "after a line" else number - 1])


@pytest.mark.parametrize("part", IN_SEARCHES[: choose_count(3, 1)])
def test_a_kill_while_objects_are_followed_loses_no_step(
    account: Witness, tmp_path: Path, part: float
) -> None:
    number = round(part * len(account.asked_after))
    run_until_killed(tmp_path, number, "asked")
    check_restored(tmp_path, *account.lines[account.asked_after[number] - 1])


def test_the_work_has_all_that_can_be_lost(account: Witness) -> None:
    assert len(account.asked_after) > 50
    states = [objects.values() for objects, _ in account.lines]
    assert any(absent and not done for each in states for *_, absent, done in each)
    assert any(part_of for each in states for _, part_of, *_ in each)
    # Chunks of a commit are lines of their own.
    counts = [sum(done for *_, done in each) for each in states]
    assert len({count for count in counts if count}) > 2
