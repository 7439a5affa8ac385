"""The Learn dock's logic in a viewer without a window."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Shapes
from skimage.io import imsave
from tests.finders import write_tiny_finder
from tests.generators.squares import spots, use_squares

from napari_segany.errors import InputError
from napari_segany.plugin.learn import trainings as trainings_module
from napari_segany.plugin.learn.controller import LearnController
from napari_segany.plugin.learn.form import describe_result
from napari_segany.plugin.learn.layers import COLOURS, IMAGE, LABELS
from napari_segany.plugin.learn.ranking import Ranking
from napari_segany.plugin.learn.sources import Additions
from napari_segany.plugin.learn.trainings import Trainings
from napari_segany.training.project import Changes
from napari_segany.training.project_folder import ProjectFolder
from napari_segany.training.training_process import TrainingResult


class Dock:
    """All parts of the dock but the widget."""

    def __init__(self, viewer: Any, jobs: Any, model: Any) -> None:
        self.controller = LearnController(viewer, jobs, quiet=0)
        self.said: list[str] = []
        self.controller.status.connect(lambda text, *_: self.said.append(text))
        self.additions = Additions(self.controller, lambda: None)
        self.ranking = Ranking(self.controller)
        self.trainings = Trainings(self.controller)
        self.controller.model = model

    @property
    def labels(self) -> Any:
        return self.controller.layers.labels


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images: bright spots, dark ones, and one of another shape in colours."""
    folder = tmp_path / "images"
    folder.mkdir()
    imsave(folder / "bright.png", np.repeat(spots()[..., None], 3, 2), check_contrast=False)
    dark = np.where(spots() > 0, 130, 0).astype(np.uint8)
    imsave(folder / "dark.png", np.repeat(dark[..., None], 3, 2), check_contrast=False)
    colours = np.zeros((30, 64, 3), np.uint8)
    colours[5:15, 5:15] = (250, 240, 230)
    imsave(folder / "red.png", colours, check_contrast=False)
    return folder


@pytest.fixture
def dock(
    viewer: Any, jobs: Any, model: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dock]:
    use_squares(monkeypatch)
    made = Dock(viewer, jobs, model)
    yield made
    made.controller.close_project()


@pytest.fixture
def opened(dock: Dock, jobs: Any, images: Path, tmp_path: Path) -> Dock:
    dock.controller.open_project(tmp_path / "project")
    jobs.run()
    dock.additions.add_files([images])
    jobs.run()
    return dock


def test_images_are_ranked_by_doubt_in_the_background(opened: Dock) -> None:
    project = opened.controller.project
    assert [each.name for each in project.to_do] == ["dark", "bright", "red"]
    doubts = {each.name: each.doubt for each in project.images}
    assert doubts["dark"] is not None
    assert doubts["dark"].value == pytest.approx(1 - 130 / 255, abs=1e-3)
    assert doubts["dark"].reason == "none of 6 objects is sure"
    assert project.model == "stub"
    assert opened.said[-1] == "3 images added."


def test_the_same_images_are_not_added_again(opened: Dock, jobs: Any, images: Path) -> None:
    opened.additions.add_files([images / "red.png"])
    jobs.run()
    assert len(opened.controller.project.images) == 3
    assert opened.said[-1] == "0 images added. 1 were there already."


def test_planes_of_a_layer_are_added_with_their_numbers(
    opened: Dock, jobs: Any, viewer: Any
) -> None:
    stack = np.stack([spots(), spots()[::-1], spots()[:, ::-1]])
    layer = viewer.add_layer(Image(stack, name="stack"))
    viewer.dims.set_current_step(0, 1)
    opened.additions.add_layer(layer)
    jobs.run()
    assert "stack_1" in opened.controller.project
    opened.additions.add_layer(layer, every_plane=True)
    jobs.run()
    names = [each.name for each in opened.controller.project.images]
    assert names[3:] == ["stack_1", "stack_0", "stack_2"]


def test_one_pair_of_layers_shows_all_images(opened: Dock, jobs: Any, viewer: Any) -> None:
    assert opened.controller.next() == "dark"
    jobs.run()
    assert [each.name for each in viewer.layers] == [IMAGE, LABELS]
    labels = opened.labels
    assert len(np.unique(labels.data)) == 7
    labels.data_setitem((np.array([0]), np.array([0])), 1)
    jobs.run()
    opened.controller.show("red")
    jobs.run()
    assert [each.name for each in viewer.layers] == [IMAGE, COLOURS, LABELS]
    assert [each.visible for each in viewer.layers] == [False, True, True]
    assert opened.labels is labels
    assert labels.data.shape == (30, 64)
    # Steps on another image's labels cannot be undone here.
    before = labels.data.copy()
    labels.undo()
    assert np.array_equal(labels.data, before)
    opened.controller.show("bright")
    jobs.run()
    assert [each.visible for each in viewer.layers] == [True, False, True]


def test_labels_lie_above_the_image_that_is_shown(opened: Dock, jobs: Any, viewer: Any) -> None:
    for name in ("dark", "red", "bright"):
        opened.controller.show(name)
        jobs.run()
        layers = list(viewer.layers)
        assert layers.index(opened.labels) > layers.index(opened.controller.layers.image)


def test_corrections_are_saved_and_back_in_another_window(
    opened: Dock, jobs: Any, viewer: Any, model: Any, tmp_path: Path
) -> None:
    opened.controller.next()
    jobs.run()
    opened.labels.data_setitem((np.array([0, 1]), np.array([0, 0])), 9)
    jobs.run()
    # The window is gone without a word; nothing was closed.
    drawn = opened.labels.data.copy()
    kept = ProjectFolder.__new__(ProjectFolder)
    kept.folder = tmp_path / "project"
    found = kept.read_labels("drafts", "dark")
    assert found is not None
    assert np.array_equal(found, drawn)
    folder = opened.controller.folder
    assert folder is not None
    folder._lock.release()
    from napari.components import ViewerModel

    again = Dock(ViewerModel(), jobs, model)
    again.controller.open_project(tmp_path / "project")
    jobs.run()
    assert again.controller.current == "dark"
    assert np.array_equal(again.labels.data, drawn)
    assert again.controller.project == opened.controller.project
    again.labels.undo()
    assert np.array_equal(again.labels.data, drawn)
    again.controller.close_project()


def test_an_undo_is_saved_too(opened: Dock, jobs: Any) -> None:
    opened.controller.next()
    jobs.run()
    before = opened.labels.data.copy()
    opened.labels.data_setitem((np.array([0]), np.array([0])), 9)
    jobs.run()
    opened.labels.undo()
    jobs.run()
    folder = opened.controller.folder
    assert folder is not None
    found = folder.read_labels("drafts", "dark")
    assert found is not None
    assert np.array_equal(found, before)


def press(viewer: Any) -> None:
    """Press the mouse on the canvas, as far as the dock hears of it."""
    own = [c for c in viewer.mouse_drag_callbacks if c.__module__.endswith("learn.corrections")]
    assert len(own) == 1
    next(own[0](viewer, SimpleNamespace(type="mouse_press")))


def test_presses_count_while_they_draw(opened: Dock, jobs: Any, viewer: Any) -> None:
    opened.controller.next()
    jobs.run()
    press(viewer)
    opened.labels.mode = "paint"
    press(viewer)
    press(viewer)
    opened.labels.data_setitem((np.array([0]), np.array([0])), 9)
    jobs.run()
    assert opened.controller.project["dark"].effort.edits == 2
    points = viewer.add_points(name="segany points")
    viewer.layers.selection.active = points
    points.mode = "add"
    press(viewer)
    other = viewer.add_points(name="others")
    viewer.layers.selection.active = other
    other.mode = "add"
    press(viewer)
    opened.controller.complete()
    jobs.run()
    assert opened.controller.project["dark"].effort.edits == 3


def test_complete_images_count_what_was_corrected(opened: Dock, jobs: Any, viewer: Any) -> None:
    opened.controller.next()
    jobs.run()
    labels = opened.labels
    labels.data_setitem(np.nonzero(np.asarray(labels.data) == 2), 0)
    labels.data_setitem((np.array([0, 1]), np.array([0, 0])), 9)
    opened.controller.complete()
    jobs.run()
    image = opened.controller.project["dark"]
    assert image.state == "done"
    assert image.changes == Changes(objects=6, unchanged=5, removed=1)
    assert opened.said[-1] == "dark is complete: 6 objects, 5 as proposed."
    assert opened.controller.next() == "bright"
    jobs.run()
    assert not (viewer.layers[0].data == 130).any()
    opened.controller.reopen("dark")
    jobs.run()
    assert opened.controller.project["dark"].state == "to do"
    folder = opened.controller.folder
    assert folder is not None
    assert folder.read_labels("labels", "dark") is None
    assert folder.read_labels("drafts", "dark") is not None


def test_a_region_can_be_complete_alone(opened: Dock, jobs: Any, viewer: Any) -> None:
    opened.controller.show("bright")
    jobs.run()
    region = opened.controller.layers.draw_region()
    assert isinstance(region, Shapes)
    assert region.mode == "add_rectangle"
    with pytest.raises(InputError, match="encloses"):
        opened.controller.complete(region)
    region.add_rectangles([[-1, -1], [16, 16]])
    opened.controller.complete(region)
    jobs.run()
    assert opened.controller.project["bright"].is_partial
    folder = opened.controller.folder
    assert folder is not None
    found = folder.read_labels("labels", "bright")
    assert found is not None
    assert len(np.unique(found[found > 0])) == 1
    assert (found[30:] == -1).all()
    # The next image begins without it.
    assert not len(region.data)


def test_nothing_is_lost_when_the_prompt_dock_has_open_objects(opened: Dock, jobs: Any) -> None:
    opened.controller.next()
    jobs.run()

    def refuse() -> None:
        raise InputError("not committed")

    opened.controller.may_leave = refuse
    with pytest.raises(InputError, match="not committed"):
        opened.controller.next()
    with pytest.raises(InputError, match="not committed"):
        opened.controller.complete()
    assert opened.controller.current == "dark"
    assert opened.controller.is_editing
    opened.controller.may_leave = lambda: None


def test_without_a_project_or_an_image_it_is_said(dock: Dock, jobs: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Open a project"):
        dock.additions.add_files([tmp_path])
    with pytest.raises(InputError, match="Open a project"):
        dock.controller.next()
    dock.controller.open_project(tmp_path / "project")
    jobs.run()
    with pytest.raises(InputError, match="Show an image first"):
        dock.controller.complete()
    with pytest.raises(InputError, match="No image is complete"):
        dock.trainings.start(1)
    with pytest.raises(InputError, match="waits for a decision"):
        dock.trainings.keep()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "project.json").write_text("{")
    dock.controller.open_project(tmp_path / "bad")
    jobs.run()
    assert "bad/project.json cannot be read" in dock.said[-1]
    assert dock.controller.folder is None


class StubTraining:
    """Writes a finder where the training would, or fails."""

    error: Exception | None = None
    pid = 0

    def __init__(self, images: Any, truth: Path, output: Path, model: str, minutes: float) -> None:
        self.images, self.truth, self.output = images, truth, output
        assert all(each.is_file() for each in images)
        assert all((truth / f"{each.stem}.tif").is_file() for each in images)

    def wait(self, on_stage: Any, should_stop: Any) -> TrainingResult:
        on_stage("learning", 1, 2)
        if self.error is not None:
            raise self.error
        return TrainingResult.read(self.output)


@pytest.fixture
def trained(
    opened: Dock, jobs: Any, tiny_model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Dock:
    """A dock in which a training has ended."""
    facts: dict[str, Any] = {"before": [{"msa": 0.3}], "after": [{"msa": 0.5}]}
    facts |= {"held_back": "quarters", "ended_by": "time"}
    path = tmp_path / "project" / "finders" / "candidate.safetensors"
    opened.controller.next()
    jobs.run()
    opened.controller.complete()
    jobs.run()
    monkeypatch.setattr(trainings_module, "TrainingProcess", StubTraining)
    opened.trainings.start(1)
    write_tiny_finder(path, tiny_model, facts={"planes": 1, **facts})
    assert opened.trainings.is_running
    with pytest.raises(InputError, match="running"):
        opened.trainings.start(1)
    jobs.run()
    return opened


def test_a_result_waits_for_a_decision_also_in_the_next_window(
    trained: Dock, jobs: Any, tmp_path: Path
) -> None:
    assert trained.trainings.result is not None
    assert trained.trainings.result.is_better
    text = describe_result(trained.trainings.result)
    assert "Time ended it; more minutes may help." in text
    other = replace(trained.trainings.result, ended_by_time=False)
    assert "Time" not in describe_result(other)
    with pytest.raises(InputError, match="Keep or discard"):
        trained.trainings.start(1)
    trained.controller.close_project()
    trained.controller.open_project(tmp_path / "project")
    jobs.run()
    assert trained.trainings.result is not None
    assert trained.trainings.result.after == 0.5


def test_a_kept_finder_is_installed_and_proposes_from_now_on(
    trained: Dock, jobs: Any, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = trained.trainings.result
    assert result is not None
    asked: list[str] = []
    card = SimpleNamespace(pred_iou_thresh=0.5, min_area=10, title="mine", base=None)

    def find(model: Any, sha256: str | None = None) -> Any:
        assert sha256 is not None
        asked.append(sha256)
        return SimpleNamespace(sha256=sha256, card=card)

    for module in ("generators.generate", "models.finder"):
        monkeypatch.setattr(f"napari_segany.{module}.find_finder", find)
    trained.trainings.keep()
    jobs.run()
    project = trained.controller.project
    assert project.finder == result.file.sha256
    assert (cache / "finders" / "project-1.safetensors").is_file()
    assert (tmp_path / "project" / "finders" / "project-1.safetensors").is_file()
    assert [each.is_kept for each in project.runs] == [True]
    assert trained.trainings.result is None
    # Images to do are looked at again; the complete one is left alone.
    assert set(asked) == {result.file.sha256}
    assert [each.name for each in project.images if project.is_ranked(each.name)] == [
        "bright",
        "red",
    ]


@pytest.mark.parametrize("is_edited", [False, True])
def test_the_image_in_work_gets_new_labels_unless_it_was_edited(
    opened: Dock, jobs: Any, monkeypatch: pytest.MonkeyPatch, is_edited: bool
) -> None:
    opened.controller.next()
    jobs.run()
    if is_edited:
        opened.labels.data_setitem((np.array([0]), np.array([0])), 9)
        jobs.run()
    before = opened.labels.data.copy()
    card = SimpleNamespace(pred_iou_thresh=0.5, min_area=50, title="mine", base=None)
    finder = SimpleNamespace(sha256="ab" * 32, card=card)
    for module in ("generators.generate", "models.finder"):
        monkeypatch.setattr(f"napari_segany.{module}.find_finder", lambda *_: finder)
    opened.trainings.use("ab" * 32)
    jobs.run()
    folder = opened.controller.folder
    assert folder is not None
    proposed = folder.read_labels("proposals", "dark")
    assert proposed is not None
    if is_edited:
        # What was drawn stays, and is compared with what it was made from.
        assert np.array_equal(opened.labels.data, before)
        assert len(np.unique(proposed)) == 7
    else:
        # The new one leaves out the smallest two.
        assert len(np.unique(opened.labels.data)) == 5
        assert np.array_equal(opened.labels.data, proposed)
        assert opened.controller.project.is_ranked("dark")


def test_a_discarded_finder_is_gone(trained: Dock, jobs: Any, tmp_path: Path) -> None:
    trained.trainings.discard()
    jobs.run()
    assert trained.controller.project.finder is None
    assert not list((tmp_path / "project" / "finders").iterdir())
    assert [each.is_kept for each in trained.controller.project.runs] == [False]
    assert trained.trainings.result is None
