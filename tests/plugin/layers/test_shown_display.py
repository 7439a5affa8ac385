"""The model sees layers as they are shown: the same bytes from docks, Python and command line."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source
from numpy.typing import NDArray

from napari_segany import AutomaticParams, Display, run_recipe
from napari_segany.cli.main import main
from napari_segany.core.intensity import to_rgb
from napari_segany.plugin.everything.widget import EverythingWidget
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.shown_display import describe, shown_limits
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.plugin.prompt.journal_store import read_saved_sessions
from napari_segany.session import ArraySource, replay

LOOSE = AutomaticParams(points_per_side=5, pred_iou_thresh=0, stability_score_thresh=0, min_area=0)


def noise(*shape: int) -> NDArray[np.uint16]:
    return np.random.default_rng(2).integers(0, 4000, shape).astype(np.uint16)


def test_one_layer_has_its_limits_and_gamma() -> None:
    layer = Image(noise(8, 9), contrast_limits=(100, 900), gamma=0.5, colormap="magenta")
    assert shown_limits([layer]) == Display(((100, 900),), (0.5,))
    layer.gamma = 1
    assert shown_limits([layer]) == ((100.0, 900.0),)
    # The third colour of two channels is empty.
    assert shown_limits([layer], (0, 2)) == ((100.0, 900.0), (100.0, 900.0), (0.0, 1.0))


def test_layers_are_one_image_in_the_colours_of_their_colormaps() -> None:
    cells = Image(noise(8, 9), contrast_limits=(0, 900), colormap="green")
    nuclei = Image(noise(8, 9), contrast_limits=(50, 70), colormap="magenta", gamma=2)
    found = Display(((0, 900), (50, 70), (0, 1)), (1, 2), ("green", "magenta"))
    assert shown_limits([cells, nuclei]) == found
    for layer in (cells, nuclei):
        layer.colormap, layer.gamma = "gray", 1
    # Layers of one colour would be one.
    assert shown_limits([cells, nuclei]) == ((0.0, 900.0), (50.0, 70.0), (0.0, 1.0))


def test_colours_are_shown_as_napari_does() -> None:
    eight = np.arange(48).reshape(4, 4, 3).astype(np.uint8)
    assert shown_limits([Image(eight, rgb=True)]) is None
    assert shown_limits([Image(eight.astype(np.uint16), rgb=True)]) == ((0.0, 65535.0),) * 3
    assert shown_limits([Image(eight / 255, rgb=True)]) == ((0.0, 1.0),) * 3


def test_a_description_names_limits_and_gamma() -> None:
    assert describe(((100.0, 4000.0),)) == "100 to 4000"
    two = Display(((1, 2), (3, 4), (0, 1)), (1, 0.5))
    assert describe(two) == "1 to 2 and 3 to 4, gamma 1 and 0.5"


def test_the_source_of_a_view_has_its_limits() -> None:
    cells = Image(noise(2, 8, 9), contrast_limits=(0, 900), colormap="green")
    nuclei = Image(noise(2, 8, 9), contrast_limits=(50, 70), colormap="magenta")
    for view in (LayerView(cells), LayerView(cells, (1, 0)), LayerView(cells, None, (nuclei,))):
        limits = shown_limits(view.layers, view.channels)
        source = view.with_limits(limits).source()
        assert source.limits == limits
        # Two channels, or one: the conversion fits what is read.
        to_rgb(source.read((*[0] * (view.ndim - 2), None, None)), source.limits)
        assert not view.with_limits(limits).same_as(view)


@pytest.fixture
def widget(qtbot: Any, tiny_model: Any, monkeypatch: Any, tmp_path: Path) -> Iterator[Any]:
    """A dock with the tiny model; commands and recipes load the same model."""
    for module in ("models.registry", "io.recipe_file"):
        monkeypatch.setattr(f"napari_segany.{module}.load_model", lambda *_, **__: tiny_model)
    made = EverythingWidget(ViewerModel())
    qtbot.addWidget(made)
    made.model = tiny_model
    yield made
    made.end()


@pytest.mark.gui
@pytest.mark.parametrize("channels", [None, (1, 0)], ids=["grey", "two channels"])
def test_dock_python_and_command_line_make_the_same_labels(
    widget: Any, tmp_path: Path, channels: Any
) -> None:
    data = noise(2, 60, 70) if channels else noise(60, 70)
    axes = "CYX" if channels else "YX"
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, data, metadata={"axes": axes}, ome=True, photometric="minisblack")
    with layer_source(path=str(path)):
        layer = widget.viewer.add_layer(Image(data, name="cells"))
    layer.contrast_limits, layer.gamma = (700, 2500), 0.5
    widget.set_image(layer, channels)
    widget.find(LOOSE, wait=True)
    stretched = widget.make_labels().data
    widget.set_image(layer, channels, contrast="shown")
    assert widget.image_view.limits.gamma[0] == 0.5
    widget.find(LOOSE, wait=True)
    labels = widget.make_labels().data
    assert labels.any()
    assert not np.array_equal(labels, stretched)
    recipe = widget.save_recipe(tmp_path / "recipe.json")
    assert np.array_equal(run_recipe(recipe, str(path)), labels)
    words = ["segment", str(path), "--recipe", str(recipe), "-o", str(tmp_path / "by_recipe")]
    assert main([*words, "--quiet"]) == 0
    assert np.array_equal(tifffile.imread(tmp_path / "by_recipe/cells_labels.ome.tif"), labels)
    # The command names limits and gamma.
    command = widget.copy_command()
    assert "--gamma 0.5" in command
    _, *words = shlex.split(command)
    words[words.index("results")] = str(tmp_path / "by_options")
    assert main([*words, "--quiet"]) == 0
    assert np.array_equal(tifffile.imread(tmp_path / "by_options/cells_labels.ome.tif"), labels)


def test_a_session_is_replayed_with_what_the_model_saw(
    viewer: Any, jobs: Any, tiny_model: Any, tmp_path: Path
) -> None:
    data = noise(60, 70)
    layer = viewer.add_layer(Image(data, contrast_limits=(900, 2500), gamma=0.5, name="image"))
    controller = PromptController(viewer, jobs, tmp_path)
    controller.model = tiny_model
    controller.host.open_view(LayerView(layer, limits=shown_limits([layer])))
    jobs.run()
    controller.points.add(np.array([30.0, 30.0]))
    jobs.run()
    controller.commit()
    labels = controller.labels.data.copy()
    kept = json.loads(json.dumps(controller.provenance()))
    # Whatever is shown later, and whatever the array's own limits are.
    layer.gamma = 2
    assert np.array_equal(replay(kept, ArraySource(data), tiny_model), labels)
    del kept["image"]["limits"]
    assert not np.array_equal(replay(kept, ArraySource(data), tiny_model), labels)
    controller.end()


def test_a_restored_session_sees_what_it_saw(
    viewer: Any, jobs: Any, model: Any, tmp_path: Path
) -> None:
    layer = viewer.add_layer(Image(noise(60, 70), contrast_limits=(900, 2500), name="image"))
    limits = shown_limits([layer])
    controller = PromptController(viewer, jobs, tmp_path)
    controller.model = model
    controller.host.open_view(LayerView(layer, limits=limits))
    jobs.run()
    controller.points.add(np.array([30.0, 30.0]))
    jobs.run()
    controller.close_session()
    controller.open_image(layer)
    jobs.run()
    assert controller.session.source.limits is None
    controller.restore(controller.saved_sessions[0])
    jobs.run()
    assert controller.session.source.limits == limits
    assert controller.view.limits == limits
    assert len(controller.session.state.open) == 1
    controller.end()


def test_embedding_again_keeps_open_objects_and_labels(
    viewer: Any, jobs: Any, model: Any, tmp_path: Path
) -> None:
    layer = viewer.add_layer(Image(noise(60, 70), contrast_limits=(900, 2500), name="image"))
    controller = PromptController(viewer, jobs, tmp_path)
    controller.model = model
    controller.open_image(layer)
    jobs.run()
    controller.points.add(np.array([30.0, 30.0]))
    jobs.run()
    controller.commit()
    labels = controller.labels
    committed = labels.data.copy()
    controller.points.add(np.array([10.0, 40.0]))
    jobs.run()
    embedded, points = len(model.planes), controller.points
    limits = shown_limits([layer])
    controller.host.open_view(controller.view.with_limits(limits))
    jobs.run()
    assert len(model.planes) == embedded + 1
    assert controller.session.source.limits == controller.view.limits == limits
    assert controller.points is points
    assert controller.labels is labels
    assert np.array_equal(labels.data, committed)
    assert len(controller.session.state.open) == 1
    controller.commit()
    jobs.run()
    assert len(np.unique(labels.data)) == 3
    # Both are restored with what each saw.
    controller.close_session()
    assert [each.limits for each in read_saved_sessions((60, 70), *journals(tmp_path))] == [
        limits,
        None,
    ]
    controller.end()


def journals(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_dir()]


@pytest.mark.gui
def test_another_contrast_is_noticed_and_used_by_one_press(widget: Any) -> None:
    layer = widget.viewer.add_layer(Image(noise(60, 70), contrast_limits=(0, 3000), name="cells"))
    notice = widget.contrast.notice
    widget.set_image(layer)
    layer.contrast_limits = (100, 900)
    # Percentiles do not depend on what is shown.
    assert notice.isHidden()
    widget.set_image(layer, contrast="shown")
    assert notice.isHidden()
    assert widget.contrast.contrast == "shown"
    assert "as shown" in widget.setup_summary
    layer.gamma = 0.5
    assert not notice.isHidden()
    assert (
        "100 to 900; the image is shown with 100 to 900, gamma 0.5" in widget.contrast.line.text()
    )
    layer.gamma = 1
    assert notice.isHidden()
    layer.contrast_limits = (100, 500)
    assert widget.image_view.limits == ((100.0, 900.0),)
    widget.contrast.again.click()
    assert notice.isHidden()
    assert widget.image_view.limits == ((100.0, 500.0),)
    widget.contrast.choice.setCurrentIndex(0)
    widget.contrast.choice.activated.emit(0)
    assert widget.image_view.limits is None
