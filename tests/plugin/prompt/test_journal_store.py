"""What is written down of a session, from its first moment on."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_segany import Prompt
from napari_segany.core.image_source import ArraySource
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.restore_picker import describe_session, describe_state
from napari_segany.session.journal_file import find_journals

PIXELS = np.random.default_rng(0).integers(0, 1000, (40, 50)).astype(np.uint16)


@pytest.fixture
def start(viewer: ViewerModel, jobs: Any, model: Any, tmp_path: Path) -> Any:
    """Opens a session without doing any work beside it yet."""
    begun: list[PromptController] = []

    def make(
        data: Any = PIXELS, folder: Path | None = None, name: str = "image"
    ) -> PromptController:
        controller = PromptController(viewer, jobs, folder or tmp_path / "journals")
        begun.append(controller)
        controller.model = model
        controller.open_image(viewer.add_layer(Image(data, name=name)))
        return controller

    yield make
    for controller in begun:
        controller.end()


@pytest.fixture
def after_a_crash(tmp_path: Path) -> Callable[[], Path]:
    """What a process that ends at this moment leaves on the disk."""

    def copy() -> Path:
        folder = tmp_path / "copy"
        shutil.copytree(tmp_path / "journals", folder)
        for lock in folder.rglob("*.lock"):
            lock.unlink()
        return folder

    return copy


def folders_in_use(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.rglob("*.jsonl")}


def identity(data: Any) -> str:
    return ArraySource(data).identity()


def test_what_is_done_before_the_image_is_known_survives_a_crash(
    start: Any, jobs: Any, viewer: Any, after_a_crash: Any
) -> None:
    controller = start()
    for place in ((5, 5), (20, 20)):
        controller.session.add_many([Prompt([place])])
    folder = after_a_crash()
    assert all(name.startswith("like-") for name in folders_in_use(folder))
    controller.close_session()
    viewer.layers.clear()
    again = start(folder=folder)
    jobs.run()
    (saved,) = again.saved_sessions
    assert not saved.closed
    assert describe_session(saved).endswith(", 2 objects")
    assert describe_state(saved) == "It is of an image of this name, maybe another one."
    again.restore(saved)
    assert len(again.session.state.open) == 2
    # What is of another likeness is not offered.
    for data, name in ((PIXELS.astype(np.int32), "image"), (PIXELS[:30], "image"), (PIXELS, "x")):
        viewer.layers.clear()
        other = start(data, folder=folder, name=name)
        other.session.plane = (None, None)
        jobs.run()
        found = {saved.path.parent.name[:5] for saved in other.saved_sessions}
        assert "like-" not in found


def test_once_the_image_is_known_the_journal_lies_in_its_folder(
    start: Any, jobs: Any, tmp_path: Path
) -> None:
    controller = start()
    controller.session.add_point(5, 5)
    jobs.run()
    controller.session.add_point(6, 6)
    assert folders_in_use(tmp_path / "journals") == {identity(PIXELS)}
    assert [p.name for p in (tmp_path / "journals").iterdir()] == [identity(PIXELS)]
    controller.close_session()
    controller.open_image(controller.viewer.layers["image"])
    jobs.run()
    (saved,) = controller.saved_sessions
    assert saved.closed
    assert len(saved.state.objects[1].prompt.points) == 2


def test_stop_keeps_nothing_from_being_written_down(start: Any, jobs: Any, tmp_path: Path) -> None:
    controller = start()
    controller.stop()
    controller.session.add_point(5, 5)
    jobs.run()
    assert folders_in_use(tmp_path / "journals") == {identity(PIXELS)}


def test_sessions_in_which_nothing_happened_leave_no_trace(
    start: Any, jobs: Any, tmp_path: Path
) -> None:
    controller = start()
    controller.close_session()
    controller.open_image(controller.viewer.layers["image"])
    jobs.run()
    controller.close_session()
    assert list((tmp_path / "journals").iterdir()) == []


def test_with_other_pixels_it_is_another_image(
    start: Any, jobs: Any, viewer: Any, tmp_path: Path
) -> None:
    controller = start()
    jobs.run()
    other, third = PIXELS[::-1].copy(), PIXELS[:, ::-1].copy()
    controller.image.data = other
    jobs.run()
    # Nothing had happened, so nothing is left behind.
    assert [p.name for p in (tmp_path / "journals").iterdir()] == [identity(other)]
    controller.session.add_point(5, 5)
    controller.image.data = PIXELS
    controller.image.data = third
    jobs.run()
    assert folders_in_use(tmp_path / "journals") == {identity(other)}
    controller.session.add_many([Prompt([[20, 20]])])
    assert folders_in_use(tmp_path / "journals") == {identity(other), identity(third)}
    controller.session.add_many([Prompt([[30, 30]])])
    controller.close_session()
    for data, counts in ((other, {2}), (third, {3}), (PIXELS, set())):
        viewer.layers.clear()
        again = start(data)
        jobs.run()
        assert {len(saved.state.objects) for saved in again.saved_sessions} == counts
        again.close_session()


def test_an_image_that_cannot_be_read_is_kept_by_its_likeness(
    start: Any, jobs: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    def fail(self: Any) -> str:
        raise OSError("no such plane")

    monkeypatch.setattr(ArraySource, "identity", fail)
    controller = start()
    said: list[str] = []
    controller.status.connect(said.append)
    jobs.run()
    assert any("no such plane" in text for text in said)
    controller.session.add_point(5, 5)
    (name,) = folders_in_use(tmp_path / "journals")
    assert name.startswith("like-")


def test_a_folder_that_cannot_be_written_stops_nobody(
    start: Any, jobs: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    controller = start(folder=tmp_path / "file")
    jobs.run()
    controller.session.add_point(5, 5)
    assert len(controller.session.state.open) == 1


def test_two_sessions_on_one_image_do_not_offer_each_other(
    start: Any, jobs: Any, tmp_path: Path
) -> None:
    first, second = start(), start()
    first.session.add_point(5, 5)
    second.session.add_point(6, 6)
    jobs.run()
    assert first.saved_sessions == second.saved_sessions == []
    assert len(list((tmp_path / "journals" / identity(PIXELS)).glob("*.jsonl"))) == 2
    first.close_session()
    assert len(find_journals(tmp_path / "journals" / identity(PIXELS))) == 1
