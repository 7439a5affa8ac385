"""A click on a layer of any scale and unit prompts every family at the same pixel."""

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points
from tests.models.ported.networks import SHAPE, TINY, model_of, network_of, plane_of

from napari_segany import Prompt
from napari_segany.plugin.layers.transforms import in_image

PIXEL = (20, 30)

PLACES: dict[str, dict[str, Any]] = {
    "pixels": {},
    "anisotropic": {"scale": (3, 0.5), "translate": (-7, 11)},
    "other units": {"scale": (0.2, 0.1), "units": ("micrometer",) * 2},
}
"""Placements of the image."""


@pytest.mark.parametrize("name", [name for name in TINY if name != "edgetam"])
def test_the_same_click_through_differently_scaled_layers(name: str) -> None:
    model, plane = model_of(name), plane_of()
    embedding = model.embed(plane, limits=((0, 255),) * 3)
    expected, scores = TINY[name].theirs(network_of(name), plane, Prompt(points=[PIXEL]), True)
    expected = expected[np.argsort(-scores, kind="stable")]
    for place in PLACES.values():
        image = Image(plane, rgb=True, **place)
        clicks = Points(ndim=2, scale=(0.7, 1.3), units=image.units)
        viewer = ViewerModel()
        viewer.add_layer(image)
        viewer.add_layer(clicks)
        called = clicks.world_to_data(image.data_to_world(PIXEL))
        (pixel,) = in_image(viewer, clicks, [called], image)
        assert np.allclose(pixel, PIXEL, atol=1e-6)
        answer = model.predict(embedding, Prompt(points=[pixel]), ranking="predicted_iou")
        assert answer.shape == SHAPE
        assert np.allclose(answer.low_res_logits, expected, atol=1e-4)
