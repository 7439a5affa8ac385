"""The Learn dock in a real window, with mouse and brush."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.io import imsave
from tests.generators.squares import spots, use_squares
from tests.plugin.windows import click, drag, needs_a_display, until

from napari_segany.training.project_folder import ProjectFolder

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    return window


@pytest.fixture
def learn(
    viewer: Any,
    open_widget: Any,
    model: Any,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The dock on a project of three images."""
    use_squares(monkeypatch)
    (tmp_path / "images").mkdir()
    for name, gray in (("bright", 240), ("dim", 150), ("dark", 130)):
        image = np.where(spots((80, 100)) > 0, gray, 0).astype(np.uint8)
        rgb = np.repeat(image[..., None], 3, 2)
        imsave(tmp_path / "images" / f"{name}.png", rgb, check_contrast=False)
    widget = open_widget("Learn")
    widget.model = model
    assert widget.form.hint.text().startswith("Open an empty folder")
    widget.open_project(tmp_path / "project", wait=True)
    assert widget.form.hint.text().startswith("Add images of one kind.")
    assert not widget.form.buttons["Next image"].isEnabled()
    widget.add_files([tmp_path / "images"], wait=True)
    assert widget.form.hint.isHidden()
    return widget


def lines(widget: Any) -> list[str]:
    images = widget.form.images
    # Those that are not in work begin with a space in place of its mark.
    return [images.item(n).text().removeprefix("\u2002 ") for n in range(images.count())]


def test_images_are_corrected_by_brush_and_prompts_and_completed(
    learn: Any, viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    assert [line.split(":")[0] for line in lines(learn)] == ["dark", "dim", "bright"]
    assert lines(learn)[0] == "dark: doubt 0.49, none of 6 objects is sure"
    b = learn.form.buttons
    b["Next image"].click()
    until(qtbot, lambda: learn.controller.is_editing)
    labels = learn.controller.layers.labels
    assert len(np.unique(labels.data)) == 7

    labels.mode = "paint"
    labels.brush_size = 4
    drag(qtbot, viewer, (60, 20), (60, 40), (60, 60))
    assert (labels.data == 7).sum() > 100
    until(qtbot, lambda: learn.project["dark"].effort.edits == 1)
    until(qtbot, lambda: (tmp_path / "project" / "drafts" / "dark.tif").is_file())

    b["Edit with prompts"].click()
    prompt_of = lambda: learn._prompt_dock  # noqa: E731
    until(qtbot, lambda: prompt_of() is not None and prompt_of().session is not None)
    prompt = prompt_of()
    until(qtbot, lambda: prompt.controller.labels is labels)
    until(qtbot, lambda: not prompt.jobs.busy)
    click(qtbot, viewer, 70, 80)
    until(qtbot, lambda: prompt.controller.ready_parts)
    b["Next image"].click()
    assert "not committed" in learn.message.text()
    assert learn.controller.current == "dark"
    before = labels.data.copy()
    prompt.commit()
    assert (labels.data != before).any()
    until(qtbot, lambda: learn.project["dark"].effort.edits == 2)

    b["Mark complete"].click()
    until(qtbot, lambda: learn.project["dark"].state == "done")
    assert learn.project["dark"].changes.unchanged == 6
    assert "strokes or clicks" in learn.form.figures.text()
    b["Next image"].click()
    until(qtbot, lambda: learn.controller.is_editing and learn.controller.current == "dim")
    until(qtbot, lambda: len(np.unique(labels.data)) == 7)
    # The session on the image before is over; its steps cannot be undone in these labels.
    assert prompt.session is None
    assert learn.controller.layers.labels is labels
    assert [each.name for each in viewer.layers] == ["learn image", "learn labels"]


def test_a_closed_dock_has_saved_everything(
    learn: Any, viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    learn.next(wait=True)
    labels = learn.controller.layers.labels
    labels.data_setitem((np.array([70, 71]), np.array([5, 5])), 9)
    drawn = labels.data.copy()
    learn.close()
    folder = ProjectFolder(tmp_path / "project")
    assert folder.project.current == "dark"
    found = folder.read_labels("drafts", "dark")
    assert found is not None
    assert np.array_equal(found, drawn)
    folder.close()


def test_the_next_step_has_the_colour_and_the_only_image_is_chosen(
    viewer: Any, open_widget: Any, tmp_path: Path, model: Any, monkeypatch: Any, qtbot: Any
) -> None:
    use_squares(monkeypatch)
    viewer.add_image((spots((80, 100)) > 0).astype(np.uint8), name="spots")
    widget = open_widget("Learn")

    def coloured() -> list[str]:
        shown = [each for each in widget.form.buttons.items() if each[1].isVisibleTo(widget)]
        return [text for text, b in shown if b.property("due")]

    assert not widget.form.buttons["Plane"].isEnabled()
    assert coloured() == ["Open project…"]
    widget.open_project(tmp_path / "project", wait=True)
    assert widget.form.layer.layer is viewer.layers["spots"]
    assert widget.form.buttons["Plane"].isEnabled()
    # What was added is looked at, so that the model is loaded.
    monkeypatch.setattr(widget, "load_model", lambda: setattr(widget, "model", model))
    widget.add_layer(wait=True)
    assert widget.model is model
    assert coloured() == ["Next image"]
    # Another plane can be added without opening the section again.
    assert widget.form.adding.isExpanded()
    widget.next(wait=True)
    until(qtbot, lambda: widget.controller.is_editing)
    assert not widget.form.adding.isExpanded()
    until(qtbot, lambda: coloured() == ["Mark complete"])
    widget.complete(wait=True)
    assert coloured() == ["Train"]


def test_a_drawn_region_is_chosen_and_cleared(learn: Any, viewer: Any, qtbot: Any) -> None:
    learn.next(wait=True)
    learn.form.buttons["Draw region"].click()
    region = learn.form.region.layer
    assert region.name == "learn region"
    drag(qtbot, viewer, (1, 1), (30, 30))
    assert len(region.data) == 1
    learn.form.buttons["Mark complete"].click()
    until(qtbot, lambda: learn.project["dark"].state == "done")
    assert learn.project["dark"].is_partial
    assert not len(region.data)
    assert learn.form.region.layer is None
    learn.form.buttons["Take back"].click()
    assert learn.project["dark"].state == "to do"


def test_errors_are_said_in_the_dock(learn: Any, qtbot: Any, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "project.json").write_text("[]")
    learn.open_project(tmp_path / "bad", wait=True)
    assert "project.json cannot be read" in learn.message.text()
    assert learn.controller.folder is None
    learn.form.buttons["Next image"].setEnabled(True)
    learn.form.buttons["Next image"].click()
    assert "Open a project first" in learn.message.text()
