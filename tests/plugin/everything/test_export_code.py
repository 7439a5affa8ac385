"""Commands and scripts of the Everything dock make the labels of the dock."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.layers._source import layer_source
from numpy.typing import NDArray
from tests.generators.squares import SHA256, spots, use_squares
from tests.stub import StubModel

from napari_segany import AutomaticParams, segment_everything
from napari_segany.cli.main import main
from napari_segany.errors import InputError
from napari_segany.generators.tile_params import TileParams
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.widget import EverythingWidget

pytestmark = pytest.mark.gui

LOOSE = AutomaticParams(points_per_side=5, pred_iou_thresh=0, stability_score_thresh=0, min_area=0)


@pytest.fixture
def widget(qtbot: Any, tiny_model: Any, monkeypatch: Any, tmp_path: Path) -> Iterator[Any]:
    """A dock with the tiny model, in an empty folder; commands and scripts load the same model."""
    for module in ("models.registry", "io.recipe_file"):
        monkeypatch.setattr(f"napari_segany.{module}.load_model", lambda *_, **__: tiny_model)
    monkeypatch.chdir(tmp_path)
    made = EverythingWidget(ViewerModel())
    qtbot.addWidget(made)
    made.model = tiny_model
    yield made
    made.end()


def stack(*shape: int, seed: int = 5) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


def opened(widget: Any, data: Any, axes: str, name: str = "cells.tif", **kind: Any) -> Any:
    """Write a file, and return a layer that was opened from it."""
    tifffile.imwrite(name, data, metadata={"axes": axes}, ome=True, photometric="minisblack")
    with layer_source(path=str(Path(name).resolve())):
        return widget.viewer.add_layer(Image(data, name="cells", **kind))


def run_command(text: str) -> NDArray[np.integer]:
    """Run a command as a shell would, and return the labels of its image."""
    program, *words = shlex.split(text)
    assert program == "napari-segany"
    assert main([*words, "--quiet"]) == 0
    (path,) = Path("results").glob("*_labels.ome.tif")
    labels: NDArray[np.integer] = tifffile.imread(path)
    return labels


def run_script(text: str, **names: Any) -> Any:
    """Run a script with values in place of its dots, and return its labels."""
    for name, value in names.items():
        assert f"\n{name} = ...  #" in text
        text = text.replace(f"\n{name} = ...  #", f"\n{name} = GIVEN[{name!r}]  #")
        del value
    values: dict[str, Any] = {"GIVEN": names}
    exec(text, values)
    return values["labels"]


def test_both_make_the_labels_of_a_file_after_filters(widget: Any) -> None:
    widget.image_layer = opened(widget, stack(60, 70), "YX")
    widget.find(LOOSE, wait=True)
    widget.filter(Filters(min_area=40, box_nms_thresh=0.5, overlap="large_on_top"))
    labels = widget.make_labels().data
    assert labels.any()
    command = widget.copy_command()
    assert widget.message.text() == "Copied."
    assert "--min-area 40" in command
    assert "--overlap large_on_top" in command
    assert np.array_equal(run_command(command), labels)
    made = run_script(widget.copy_python())
    assert made.dtype == labels.dtype
    assert np.array_equal(made, labels)


def test_both_use_the_finder_of_the_dock(widget: Any, monkeypatch: Any) -> None:
    use_squares(monkeypatch)
    widget.image_layer = opened(widget, spots(), "YX")
    widget.find(wait=True)
    widget.filter(Filters(pred_iou_thresh=0.85))
    labels = widget.make_labels().data
    assert 0 < labels.max() < 6
    command = widget.copy_command()
    assert f"--strategy finder --finder {SHA256}" in command
    assert np.array_equal(run_command(command), labels)
    assert np.array_equal(run_script(widget.copy_python()), labels)


@pytest.mark.parametrize(
    ("axes", "channels", "axis"),
    [("CZYX", (1,), 0), ("ZCYX", (0, 1), 1), ("ZYX", (1,), 0), ("CYX", None, 0)],
)
def test_axes_and_channels_are_those_of_the_layer(
    widget: Any, axes: str, channels: tuple[int, ...] | None, axis: int
) -> None:
    data = stack(*(2,) * (len(axes) - 2), 40, 50)
    widget.set_image(opened(widget, data, axes), channels, channel_axis=axis)
    widget.whole_stack.setChecked(True)
    widget.find(LOOSE, wait=True)
    labels = widget.make_labels().data
    assert labels.any()
    assert np.array_equal(run_command(widget.copy_command()), labels)
    assert np.array_equal(run_script(widget.copy_python()), labels)


def test_channels_that_were_opened_as_layers_are_found_in_their_file(widget: Any) -> None:
    data = stack(3, 40, 50)
    opened(widget, data, "CYX")
    path = str(Path("cells.tif").resolve())
    widget.viewer.layers.clear()
    with layer_source(path=path):
        layers = [widget.viewer.add_layer(Image(each, name="cells")) for each in data]
    for chosen, others in ((layers[2], ()), (layers[1], (layers[2],))):
        widget.set_image(chosen, others=others)
        widget.find(LOOSE, wait=True)
        labels = widget.make_labels().data
        command = widget.copy_command()
        assert f"--channel {'1,2' if others else '2'} " in command
        assert np.array_equal(run_command(f"{command} --overwrite"), labels)
        assert np.array_equal(run_script(widget.copy_python()), labels)


def test_only_the_planes_that_were_searched_are_found_again(widget: Any) -> None:
    widget.image_layer = opened(widget, stack(2, 3, 40, 50), "TZYX")
    viewer = widget.viewer
    viewer.dims.set_current_step(0, 1)
    for number in (0, 2):
        viewer.dims.set_current_step(1, number)
        widget.find(LOOSE, wait=True)
    with pytest.raises(InputError, match="Plane 1, 1 lies between"):
        widget.copy_command()
    viewer.dims.set_current_step(1, 1)
    widget.find(LOOSE, wait=True)
    labels = widget.make_labels().data
    assert labels[1].any()
    assert not labels[0].any()
    assert "--planes T=1:2 " in widget.copy_command()
    assert np.array_equal(run_command(widget.copy_command()), labels)
    assert np.array_equal(run_script(widget.copy_python()), labels)


def test_planes_from_the_side_are_refused(widget: Any) -> None:
    widget.image_layer = opened(widget, stack(20, 40, 50), "ZYX")
    widget.viewer.dims.order = (1, 0, 2)
    widget.find(LOOSE, wait=True)
    with pytest.raises(InputError, match="from the side"):
        widget.copy_python()


def test_pixels_without_a_file_are_asked_for(widget: Any) -> None:
    layer = opened(widget, stack(60, 70), "YX")
    layer.data = layer.data[::-1].copy()
    widget.image_layer = layer
    widget.find(LOOSE, wait=True)
    labels = widget.make_labels().data
    command = widget.copy_command()
    assert shlex.split(command)[2] == "IMAGE"
    assert "IMAGE stands for a file with the pixels of cells." in widget.message.text()
    tifffile.imwrite("IMAGE", layer.data)
    assert np.array_equal(run_command(command), labels)
    assert np.array_equal(run_script(widget.copy_python(), image=layer.data), labels)


def test_regions_are_asked_for_and_rejected_objects_are_told(widget: Any, monkeypatch: Any) -> None:
    use_squares(monkeypatch)
    widget.image_layer = opened(widget, spots(), "YX")
    where = np.zeros((40, 50), np.int32)
    where[:15] = 1
    widget.region.fill([widget.viewer.add_layer(Labels(where, name="where"))])
    widget.region.choose(widget.viewer.layers["where"])
    widget.find(wait=True)
    labels = widget.make_labels().data
    assert labels.max() == 3
    command, script = widget.copy_command(), widget.copy_python()
    tifffile.imwrite("REGION", where)
    assert np.array_equal(run_command(command), labels)
    assert np.array_equal(run_script(script, region=where), labels)
    widget.next_uncertain()
    widget.reject()
    widget.copy_command()
    assert "rejected (1) are found again" in widget.message.text()


def test_parameters_without_options_are_read_from_the_saved_recipe(widget: Any) -> None:
    points = tuple((x, y) for x in (0.2, 0.5, 0.8) for y in (0.3, 0.7))
    widget.image_layer = opened(widget, stack(60, 70), "YX")
    widget.find(replace(LOOSE, point_grids=(points,)), wait=True)
    with pytest.raises(InputError, match="Save recipe first"):
        widget.copy_command()
    widget.save_recipe("my recipe.json")
    labels = widget.make_labels().data
    command = widget.copy_command()
    assert "--recipe 'my recipe.json'" in command
    assert np.array_equal(run_command(command), labels)
    assert np.array_equal(run_script(widget.copy_python()), labels)
    widget.filter(Filters(min_area=40))
    with pytest.raises(InputError, match="Save recipe first"):
        widget.copy_command()


def test_nothing_is_copied_before_a_search(widget: Any) -> None:
    with pytest.raises(InputError, match="Choose an image"):
        widget.copy_command()
    widget.image_layer = widget.viewer.add_layer(Image(stack(40, 50)))
    with pytest.raises(InputError, match="Nothing was searched"):
        widget.copy_python()


@pytest.fixture
def in_tiles(widget: Any, monkeypatch: Any) -> Any:
    """A dock with a model that finds small objects everywhere; commands load the same model."""
    model = StubModel()
    for module in ("models.registry", "io.recipe_file"):
        monkeypatch.setattr(f"napari_segany.{module}.load_model", lambda *_, **__: model)
    widget.model = model
    return widget


def test_tiles_of_a_plane_are_those_of_the_dock(in_tiles: Any) -> None:
    """The dock, a batch from the command line and a script give the same bytes."""
    widget = in_tiles
    widget.image_layer = opened(widget, stack(420, 500), "YX")
    widget.tiles.params = TileParams("always", object_size=16)
    widget.find(LOOSE, wait=True)
    settled = widget.controller.found.tiles.settled
    assert (settled.tile_side, settled.tile_overlap) == (256, 32)
    assert "tiles of 256 pixels, for objects of 16 pixels" in widget.message.text()
    widget.filter(Filters(min_area=40))
    labels = widget.make_labels().data
    assert len(np.unique(labels)) > 20
    recipe = widget.controller.make_recipe()
    assert recipe.tiles == settled
    command = widget.copy_command()
    assert "--tiles always --object-size 16.0 --tile-side 256 --tile-overlap 32" in command
    assert np.array_equal(run_command(command), labels)
    assert np.array_equal(run_script(widget.copy_python()), labels)


def test_an_estimated_size_is_exported_as_a_number(in_tiles: Any) -> None:
    widget, data = in_tiles, stack(300, 330)
    widget.image_layer = opened(widget, data, "YX")
    widget.tiles.params = TileParams("always")
    widget.find(LOOSE, wait=True)
    estimate = widget.controller.found.tiles.estimate
    assert f"(estimated from {estimate.objects})" in widget.message.text()
    labels = widget.make_labels().data
    assert labels.any()
    recipe = widget.controller.make_recipe()
    assert recipe.tiles.object_size == estimate.size
    made = segment_everything(data, "YX", widget.model, LOOSE, tiles=TileParams("always"))
    assert np.array_equal(made, labels)
