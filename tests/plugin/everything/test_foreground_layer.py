"""The finder's foreground in a viewer without a window."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from tests.finders import write_tiny_finder

from napari_segany.models.finder import FinderModel
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.foreground_layer import ForegroundLayer, draw_foreground
from napari_segany.weights import finders


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(3).integers(0, 255, (3, 40, 50)).astype(np.uint8)


@pytest.fixture
def foreground(
    viewer: Any, jobs: Any, tiny_model: Any, image: Any, cache: Path, monkeypatch: Any
) -> Iterator[ForegroundLayer]:
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    controller = EverythingController(viewer, jobs)
    controller.model = tiny_model
    controller.open_image(viewer.add_layer(Image(image, name="image", scale=(3, 0.5, 0.5))))
    yield ForegroundLayer(controller)
    controller.end()


def test_the_foreground_lies_on_the_image(
    foreground: ForegroundLayer, viewer: Any, jobs: Any, image: Any, tiny_model: Any, cache: Path
) -> None:
    write_tiny_finder(cache / "finders" / "own.safetensors", tiny_model)
    viewer.dims.set_current_step(0, 2)
    foreground.find()
    jobs.run()
    layer = foreground.layer
    assert layer in viewer.layers
    assert layer.name == "image foreground"
    assert np.array_equal(layer.scale, (3, 0.5, 0.5))
    assert layer.data.shape == image.shape
    assert not layer.data[:2].any()
    drawn = draw_foreground(tiny_model, image[2])
    assert np.array_equal(layer.data[2], drawn)
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() < drawn.max() <= 1


def test_pixels_have_the_values_of_their_cells(
    foreground: ForegroundLayer, image: Any, tiny_model: Any, cache: Path, monkeypatch: Any
) -> None:
    write_tiny_finder(cache / "finders" / "own.safetensors", tiny_model)
    columns = []

    def ramp(self: Any, embedding: Any, rgb: Any, **given: Any) -> Any:
        maps = predict(self, embedding, rgb, **given)
        rows, cols = maps.shape
        columns.append(cols)
        return replace(maps, foreground=np.tile(np.arange(cols, dtype=np.float32), (rows, 1)))

    predict = FinderModel.predict_maps
    monkeypatch.setattr(FinderModel, "predict_maps", ramp)
    drawn = draw_foreground(tiny_model, image[0])
    assert drawn.shape == (40, 50)
    assert np.allclose(drawn, drawn[0])
    # A cell covers 50 / columns pixels, and its value is that of its middle.
    expected = (np.arange(50) + 0.5) * columns[0] / 50 - 0.5
    assert np.allclose(drawn[0, 2:-2], expected[2:-2], atol=0.5)


def test_without_a_finder_it_is_told(foreground: ForegroundLayer, jobs: Any, viewer: Any) -> None:
    said: list[str] = []
    foreground.controller.status.connect(said.append)
    foreground.find()
    jobs.run()
    assert said[-1].endswith("No finder fits tiny, so there is no foreground to show.")
    assert len(viewer.layers) == 1
