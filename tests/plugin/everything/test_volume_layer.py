"""Objects of a volume in a viewer without a window: those of the recipe, filtered again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from tests.finders import write_tiny_finder
from tests.generators.maps import random_quality

from napari_segany import AutomaticParams, FinderParams, LinkParams, run_recipe
from napari_segany.errors import InputError
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.filters import Filters
from napari_segany.plugin.everything.volume_layer import VolumeLayer
from napari_segany.recipe import Recipe
from napari_segany.weights import finders

LOOSE = AutomaticParams(
    points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0, max_area_fraction=1, min_area=0
)
MAPS = LinkParams(link_from="maps", smoothing=0.5, outline=0.25)


@pytest.fixture
def image() -> Any:
    blocks = np.random.default_rng(3).integers(0, 255, (2, 4, 5)).astype(np.uint8)
    return blocks.repeat(2, axis=0).repeat(10, axis=1).repeat(10, axis=2)


@pytest.fixture
def volume(
    viewer: Any, jobs: Any, tiny_model: Any, image: Any, cache: Path, monkeypatch: Any
) -> Iterator[VolumeLayer]:
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")
    path = cache / "finders" / "own.safetensors"
    write_tiny_finder(path, tiny_model, quality=random_quality().to_dict())
    controller = EverythingController(viewer, jobs)
    controller.model = tiny_model
    controller.open_image(viewer.add_layer(Image(image, name="image", scale=(3, 0.5, 0.5))))
    yield VolumeLayer(controller)
    controller.end()


def recipe_of(layer: Any) -> Recipe:
    (about,) = layer.metadata.values()
    return Recipe.from_json(about["recipe"])


def test_masks_that_were_found_are_linked(
    volume: VolumeLayer, jobs: Any, image: Any, tiny_model: Any
) -> None:
    link = LinkParams(min_overlap=0.2)
    with pytest.raises(InputError, match="4 of 4 planes were not searched"):
        volume.make(link)
    volume.controller.find(LOOSE, every_plane=True)
    jobs.run()
    volume.controller.apply_filters(Filters(min_area=30))
    volume.make(link)
    jobs.run()
    layer = volume.layer
    assert layer.name == "image volume"
    assert np.array_equal(layer.scale, (3, 0.5, 0.5))
    recipe = recipe_of(layer)
    assert recipe.link == link
    expected = run_recipe(recipe, image, model=tiny_model)
    assert expected.max() > 1
    assert np.array_equal(layer.data, expected)
    assert layer.features["index"].tolist() == list(range(1, expected.max() + 1))


def test_maps_are_predicted_once(
    volume: VolumeLayer, jobs: Any, image: Any, tiny_model: Any, monkeypatch: Any
) -> None:
    volume.make(MAPS, FinderParams())
    assert len(volume.remaining) == 4
    jobs.run()
    first = volume.layer
    recipe = recipe_of(first)
    assert recipe.link == MAPS
    assert first.data.max() > 0
    assert np.array_equal(first.data, run_recipe(recipe, image, model=tiny_model))
    monkeypatch.setattr(tiny_model, "embed", None)
    other = LinkParams(link_from="maps", smoothing=2.0, outline=0.25)
    volume.make(other, FinderParams())
    jobs.run()
    assert volume.layer is not first
    assert recipe_of(volume.layer).link == other
    with pytest.raises(InputError, match="choose the strategy 'finder'"):
        volume.make(MAPS, LOOSE)


def test_bounds_are_applied_without_the_model(
    volume: VolumeLayer, jobs: Any, image: Any, tiny_model: Any, monkeypatch: Any
) -> None:
    assert not volume.filter(MAPS)
    volume.make(MAPS, FinderParams())
    jobs.run()
    layer = volume.layer
    before, sizes = layer.data[:].copy(), layer.features["volume"]
    few = LinkParams(**MAPS.to_dict() | {"min_volume": int(sizes.median()) + 1})
    with monkeypatch.context() as patched:
        patched.setattr(tiny_model, "embed", None)
        assert volume.filter(few)
        jobs.run()
    assert volume.layer is layer
    assert 0 < len(layer.features) < len(sizes)
    assert np.array_equal(layer.data, run_recipe(recipe_of(layer), image, model=tiny_model))
    # Other ways of making objects wait for the button.
    assert not volume.filter(LinkParams(link_from="maps", outline=0.5))
    assert volume.filter(MAPS)
    jobs.run()
    assert np.array_equal(layer.data, before)


def test_bounds_do_not_undo_corrections(volume: VolumeLayer, jobs: Any) -> None:
    said: list[str] = []
    volume.controller.status.connect(lambda text, _="": said.append(text))
    volume.make(MAPS, FinderParams())
    jobs.run()
    layer = volume.layer
    assert volume.is_of_image
    few = LinkParams(**MAPS.to_dict() | {"min_volume": int(layer.features["volume"].max())})
    # What only changes the display is no correction.
    layer.selected_label, layer.opacity, layer.visible = 3, 0.4, False
    layer.visible = True
    volume.controller.viewer.dims.set_point(0, 3)
    assert volume.filter(few)
    jobs.run()
    assert len(np.unique(layer.data[:])) == 2
    layer.paint((1, 5, 5), 900)
    corrected = layer.data[:].copy()
    assert not volume.filter(MAPS)
    jobs.run()
    assert np.array_equal(layer.data[:], corrected)
    assert "was corrected, so it stays as it is" in said[-1]
    # The bounds at which it was made leave it alone without a word.
    said.clear()
    assert volume.filter(few)
    assert not said
    # A correction that comes while objects are chosen stays, too.
    volume.make(MAPS, FinderParams())
    jobs.run()
    layer = volume.layer
    assert volume.filter(few)
    layer.paint((1, 5, 5), 900)
    corrected = layer.data[:].copy()
    jobs.run()
    assert np.array_equal(layer.data[:], corrected)
    assert np.count_nonzero(layer.data[:] == 900)


def test_what_was_rejected_does_not_come_back(volume: VolumeLayer, jobs: Any) -> None:
    volume.controller.find(LOOSE, every_plane=True)
    jobs.run()
    found = volume.controller.found
    assert found is not None
    for plane, masks in found.masks.items():
        for candidate in range(len(masks.all_candidates)):
            found.reject(plane, candidate)
    volume.make(LinkParams())
    jobs.run()
    assert not volume.layer.data[:].any()


def test_a_single_plane_is_no_volume(volume: VolumeLayer, viewer: Any) -> None:
    volume.controller.open_image(viewer.add_layer(Image(np.eye(40, dtype=np.uint8))))
    with pytest.raises(InputError, match="several planes"):
        volume.make(LinkParams())
