"""Edge maps in a viewer without a window."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.layers import Image

from napari_segany.errors import InputError
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.edge_layer import EdgeLayer
from napari_segany.zero_shot.edges import find_edges

pytestmark = pytest.mark.usefixtures("few_edge_points")


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(3).integers(0, 255, (3, 40, 50)).astype(np.uint8)


@pytest.fixture
def edges(viewer: Any, jobs: Any, tiny_model: Any, image: Any) -> Iterator[EdgeLayer]:
    controller = EverythingController(viewer, jobs)
    controller.model = tiny_model
    controller.open_image(viewer.add_layer(Image(image, name="image", scale=(3, 0.5, 0.5))))
    yield EdgeLayer(controller)
    controller.end()


def test_the_plane_in_view_is_drawn(
    edges: EdgeLayer, viewer: Any, jobs: Any, image: Any, tiny_model: Any
) -> None:
    viewer.dims.set_current_step(0, 2)
    edges.find()
    assert edges.remaining == [(2, None, None)]
    jobs.run()
    assert not edges.remaining
    layer = edges.layer
    assert layer in viewer.layers
    assert np.array_equal(layer.scale, (3, 0.5, 0.5))
    assert np.array_equal(layer.data[2], find_edges(tiny_model, image[2], thin=False))
    assert layer.data[2].max() == 1
    assert not layer.data[:2].any()


def test_a_stack_is_drawn_into_one_layer(edges: EdgeLayer, viewer: Any, jobs: Any) -> None:
    edges.find(thin=True)
    jobs.run()
    first, before = edges.layer, edges.layer.data.copy()
    edges.find(every_plane=True, thin=True)
    jobs.run()
    assert edges.layer is first
    assert len(viewer.layers) == 2
    assert first.data.any(axis=(1, 2)).all()
    assert np.array_equal(first.data[before > 0], before[before > 0])


def test_a_layer_that_was_removed_comes_anew(edges: EdgeLayer, viewer: Any, jobs: Any) -> None:
    edges.find()
    jobs.run()
    viewer.layers.remove(edges.layer)
    edges.find()
    jobs.run()
    assert edges.layer in viewer.layers


def test_stopping_keeps_the_layers_as_they_are(edges: EdgeLayer, viewer: Any, jobs: Any) -> None:
    edges.find(every_plane=True)
    edges.controller.stop()
    jobs.run()
    assert edges.layer is None
    assert len(viewer.layers) == 1


def test_without_a_model_it_waits_for_it(edges: EdgeLayer, jobs: Any) -> None:
    model, edges.controller.model = edges.controller.model, None
    edges.find()
    assert not jobs.busy
    edges.controller.model = model
    jobs.run()
    assert edges.layer.data.max() > 0


def test_a_plane_that_fails_is_told_at_the_end(
    edges: EdgeLayer, jobs: Any, monkeypatch: Any
) -> None:
    said: list[str] = []
    edges.controller.status.connect(said.append)
    asked: list[Any] = []

    def second_fails(*args: Any, **given: Any) -> Any:
        asked.append(args)
        if len(asked) == 2:
            raise InputError("This plane is bad.")
        return find_edges(*args, **given)

    monkeypatch.setattr("napari_segany.plugin.everything.edge_layer.find_edges", second_fails)
    edges.find(every_plane=True)
    jobs.run()
    assert said == ["Drawing edges ...", "Plane 1: This plane is bad."]
    assert edges.layer.data.any(axis=(1, 2)).sum() == 2
