"""Channels along any axis of one layer."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Image
from napari.layers._source import layer_source
from tests.plugin.prompt.test_controller import click

from napari_segany.errors import InputError
from napari_segany.plugin.everything.widget import EverythingWidget
from napari_segany.plugin.layers.channel_axis import (
    channels_in_file,
    find_axis,
    likely_axis,
    with_channels_first,
)
from napari_segany.plugin.prompt.controller import PromptController
from napari_segany.session import ArraySource, replay

STACK = np.random.default_rng(0).integers(0, 1000, (2, 3, 4, 40, 50)).astype(np.uint16)
"""T, C, Z, Y, X."""


def kept(data: Any, kind: str) -> Any:
    if kind == "dask":
        return da.from_array(data, chunks=(1,) * (data.ndim - 2) + data.shape[-2:])
    if kind == "zarr":
        array = zarr.create_array({}, shape=data.shape, dtype=data.dtype)
        array[...] = data
        return array
    return data


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("channels", [(1,), (1, 0), (2, 0, 1)])
def test_labels_lie_beside_channels_along_any_axis(
    viewer: Any, jobs: Any, model: Any, axis: int, channels: tuple[int, ...], kind: str
) -> None:
    data = np.moveaxis(STACK, 1, axis)
    scale = np.insert([1.0, 2.0, 0.5, 0.25], axis if axis >= 0 else 4, 1.0)
    layer = viewer.add_layer(Image(kept(data, kind), rgb=False, name="hyper", scale=scale))
    controller = PromptController(viewer, jobs)
    controller.model = model
    view = with_channels_first(viewer, layer, axis)
    assert with_channels_first(viewer, view, 0) is view
    assert (view is layer) == (axis == 0)
    controller.open_image(view, channels=channels)
    viewer.dims.set_point([0, 1, 2], [0, 1, 4])
    jobs.run()
    assert controller.plane == (1, 2, None, None)
    assert controller.session is not None
    seen = controller.session.source.read(controller.plane)
    wanted = [STACK[1, c, 2] for c in channels]
    if len(channels) == 1:
        assert np.array_equal(seen, wanted[0])
    else:
        blue = wanted[2] if len(wanted) > 2 else np.zeros_like(wanted[0])
        assert np.array_equal(seen, np.stack([*wanted[:2], blue], axis=-1))
    click(controller, jobs, 1, 2, 10, 20)
    controller.commit()
    labels = controller.labels
    assert labels.data.shape == (2, 4, 40, 50)
    assert labels.data[1, 2, 10, 20] == 1
    assert np.allclose(labels.data_to_world((1, 2, 10, 20)), (1, 4, 5, 5))
    record = controller.provenance()
    reading = record["image"]["reading"]
    assert reading == {"channel_axis": axis % 5, "channels": list(channels)}
    again = replay(record, ArraySource(data, **reading), model)
    assert np.array_equal(again, labels.data)
    assert layer.visible == (axis == 0)
    controller.end()


def test_two_channels_of_one_plane(viewer: Any, jobs: Any, model: Any) -> None:
    pair = viewer.add_layer(Image(STACK[0, :2, 0], name="pair"))
    controller = PromptController(viewer, jobs)
    controller.model = model
    controller.open_image(pair, channels=(0, 1))
    jobs.run()
    assert controller.session is not None
    assert controller.session.source.shape == (40, 50)
    assert not model.planes[-1][0][..., 2].any()
    controller.end()


def test_an_axis_that_is_named_is_likely_and_one_that_is_not_there_is_refused(viewer: Any) -> None:
    layer = viewer.add_layer(Image(STACK, axis_labels=("t", "C", "z", "y", "x")))
    assert likely_axis(layer) == 1
    assert likely_axis(Image(STACK)) == 0
    for bad, axis in (
        (layer, 5),
        (Image(np.zeros((4, 4))), 0),
        (Image(np.zeros((4, 4, 3)), rgb=True), 0),
    ):
        with pytest.raises(InputError, match="no axis of channels"):
            with_channels_first(viewer, bad, axis)


def test_the_view_stands_where_the_image_does_and_shows_the_same_plane(viewer: Any) -> None:
    layer = viewer.add_layer(
        Image(STACK[0], name="hyper", scale=(1, 3, 0.5, 0.5), translate=(0, 5, 6, 7))
    )
    moved = viewer.add_layer(Image(np.moveaxis(STACK[0], 0, 1), name="moved"))
    moved.scale, moved.translate = (3, 1, 0.5, 0.5), (5, 0, 6, 7)
    viewer.dims.set_point([0, 1], [8, 2])
    view = with_channels_first(viewer, moved, 1)
    assert viewer.dims.point[:2] == (2, 8)
    assert np.array_equal(view.data, layer.data)
    for point in ((0, 0, 0, 0), (2, 3, 10, 20)):
        assert np.allclose(view.data_to_world(point), layer.data_to_world(point))
    assert viewer.layers.index(view) == viewer.layers.index(moved) + 1
    assert not moved.visible


@pytest.fixture
def hyperstack(tmp_path: Path) -> Any:
    """A layer of T, C, Z, Y, X from a file that names its channels."""
    path, metadata = tmp_path / "hyper.ome.tif", {"Channel": {"Name": ["DAPI", "GFP", "RFP"]}}
    tifffile.imwrite(
        path, STACK, ome=True, metadata=metadata | {"axes": "TCZYX"}, photometric="minisblack"
    )
    with layer_source(path=str(path)):
        return Image(STACK, name="hyper", rgb=False)


def test_the_file_of_a_layer_names_its_channels(viewer: Any, hyperstack: Any) -> None:
    viewer.add_layer(hyperstack)
    names = ("DAPI", "GFP", "RFP")
    assert channels_in_file(hyperstack) == (1, names)
    assert channels_in_file(with_channels_first(viewer, hyperstack, 1)) == (0, names)
    with layer_source(path=hyperstack.source.path):
        part = Image(STACK[0], rgb=False)
    assert channels_in_file(part) == channels_in_file(Image(STACK, rgb=False)) == (None, ())


def test_an_axis_is_found_by_its_label() -> None:
    layer = Image(STACK, rgb=False, axis_labels=["t", "C", "z", "y", "x"], name="hyper")
    assert (find_axis(layer, "c"), find_axis(layer, 3)) == (1, 3)
    with pytest.raises(InputError, match="has no axis 'w'; its axes are t, c, z, y, x"):
        find_axis(layer, "w")


@pytest.mark.gui
def test_channels_are_chosen_by_name(qtbot: Any, hyperstack: Any) -> None:
    dock = EverythingWidget(ViewerModel())
    qtbot.addWidget(dock)
    dock.viewer.add_layer(hyperstack)
    dock.set_image(hyperstack, channels=("rfp", "DAPI"))
    source = dock.controller.found.source
    assert np.array_equal(source.read((1, 2, None, None))[..., 0], STACK[1, 2, 2])
    assert np.array_equal(source.read((1, 2, None, None))[..., 1], STACK[1, 0, 2])
    with pytest.raises(InputError, match="its channels are DAPI, GFP, RFP"):
        dock.set_image(hyperstack, channels=("YFP",))
    dock.end()


@pytest.mark.gui
def test_the_control_shows_the_names(qtbot: Any, hyperstack: Any) -> None:
    dock = EverythingWidget(ViewerModel())
    qtbot.addWidget(dock)
    dock.viewer.add_layer(hyperstack)
    dock.image_layer = hyperstack
    dock.channels.kind.setCurrentIndex(2)
    assert dock.channels.axis.currentData() == 1
    spins = dock.channels.numbers
    assert [spin.text() for spin in spins] == ["0 DAPI", "1 GFP", "2 RFP"]
    spins[0].lineEdit().setText("gfp")
    spins[0].interpretText()
    assert (spins[0].value(), spins[0].text()) == (1, "1 GFP")
    spins[2].setValue(-1)
    assert spins[2].text() == "none"
    dock.channels.apply.click()
    assert dock.image_view.channels == (1, 1)
    assert dock.image_view.layer.name == "hyper (channels first)"
    assert [spin.text() for spin in spins[:2]] == ["1 GFP", "1 GFP"]
    dock.end()
