"""Objects of planes that are searched in tiles are sorted like those of whole planes."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segany import AutomaticParams, MaskSet, Recipe, SamModel
from napari_segany.classification.class_set import ClassSet, ObjectClass
from napari_segany.classification.classifier import object_features
from napari_segany.classification.classify_masks import (
    classifier_of,
    describe_objects,
    tile_classifier,
)
from napari_segany.classification.describe_tiles import describe_in_tiles
from napari_segany.core.tiles import TileGrid
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.example_set import freeze
from napari_segany.generators.tile_params import TileParams
from napari_segany.generators.tiles.find_tile import find_tile
from napari_segany.generators.tiles.join_tiles import TiledCandidates
from napari_segany.generators.tiles.search_tiles import search_tiles
from napari_segany.generators.tiles.tile_candidates import TileCandidates
from napari_segany.plane_search import find_masks
from napari_segany.segmentation import make_recipe, resolve_stack

PARAMS = AutomaticParams(
    points_per_side=5,
    pred_iou_thresh=0,
    stability_score_thresh=0,
    max_area_fraction=1,
    min_area=1,
    box_nms_thresh=0.95,
)
PLANE = np.random.default_rng(0).integers(0, 255, (72, 96, 3)).astype(np.uint8)
ONE_TILE = TileParams("always", object_size=8, tile_side=128, tile_overlap=16)
GRID = TileGrid((72, 96), 64, 16)


@pytest.fixture(scope="module")
def classes(tiny_model: SamModel) -> ClassSet:
    """Two classes of which a few rectangles are examples."""
    full = np.zeros((6, 72, 96), bool)
    for i in range(6):
        full[i, 2 + i : (10 if i % 2 else 40) + i, 3 * i : 3 * i + 8] = True
    found = describe_objects(tiny_model, PLANE, MaskSet.from_masks(full))
    sha256 = tiny_model.weights.sha256
    named = ObjectClass("wide", "#123456"), ObjectClass("tall", "#654321")
    return ClassSet(tiny_model.id, sha256, named, freeze(found), (0, 1, 0, 1, 0, 1))


def objects(recipe: Recipe, model: SamModel) -> MaskSet:
    layout, settled = resolve_stack(PLANE, recipe)
    return find_masks(PLANE, layout, settled, model, ())[1]


def test_one_tile_gives_the_bytes_of_the_plane(tiny_model: SamModel, classes: ClassSet) -> None:
    recipe = make_recipe(tiny_model, PARAMS, axes="YXS", classes=classes)
    whole = objects(recipe, tiny_model)
    tiled = objects(replace(recipe, tiles=ONE_TILE), tiny_model)
    assert len(whole)
    assert whole.classes is not None
    assert tiled.classes is not None
    order = np.lexsort((*whole.boxes.T, whole.area)), np.lexsort((*tiled.boxes.T, tiled.area))
    one, two = whole[order[0]], tiled[order[1]]
    assert np.array_equal(one.boxes, two.boxes)
    assert one.classes is not None
    assert two.classes is not None
    assert one.classes.index.tobytes() == two.classes.index.tobytes()
    assert one.classes.scores.tobytes() == two.classes.scores.tobytes()


@pytest.mark.parametrize("levels", [1, 2])
def test_the_window_and_a_batch_see_the_same_features(
    tiny_model: SamModel, classes: ClassSet, levels: int
) -> None:
    grid = replace(GRID, levels=levels)

    def read(box: tuple[int, int, int, int]) -> np.ndarray:
        return PLANE[box[0] : box[2], box[1] : box[3]]

    sorted_masks = search_tiles(tiny_model, read, grid, PARAMS, classify=tile_classifier(classes))
    assert sorted_masks.classes is not None
    found = search_tiles(tiny_model, read, grid, PARAMS)
    assert found.classes is None
    # Classes decide nothing about which candidates are objects.
    assert np.array_equal(found.candidate, sorted_masks.candidate)
    candidates = found.refilterable
    assert isinstance(candidates, TiledCandidates)
    assert len(np.unique(candidates.tile)) > 1
    assert candidates.level.max() >= levels - 1
    described = describe_in_tiles(tiny_model, read, grid, candidates)
    later = classifier_of(classes).classify(object_features(described))[found.candidate]
    assert later.index.tobytes() == sorted_masks.classes.index.tobytes()
    assert later.scores.tobytes() == sorted_masks.classes.scores.tobytes()
    # Chosen again with other bounds, objects keep their classes.
    fewer = sorted_masks.filter(min_area=int(sorted_masks.area.max()))
    assert 0 < len(fewer) < len(sorted_masks)
    assert fewer.classes is not None
    own = dict(zip(sorted_masks.candidate.tolist(), sorted_masks.classes.scores, strict=True))
    assert [own[n] for n in fewer.candidate.tolist()] == list(fewer.classes.scores)


def test_classes_are_stored_with_a_tile(tiny_model: SamModel, classes: ClassSet) -> None:
    part = find_tile(
        tiny_model, PLANE[:64, :64], PARAMS, grid=GRID, number=0, classify=tile_classifier(classes)
    )
    assert part.classes is not None
    assert len(part.classes.index) == len(part) > 0
    again = TileCandidates.from_bytes(part.to_bytes())
    assert again.classes is not None
    assert again.classes.names == ("wide", "tall")
    assert again.classes.scores.tobytes() == part.classes.scores.tobytes()
    plain = find_tile(tiny_model, PLANE[:64, :64], PARAMS, grid=GRID, number=0)
    assert TileCandidates.from_bytes(plain.to_bytes()).classes is None


def test_nothing_found_has_no_descriptors(tiny_model: SamModel) -> None:
    found = search_tiles(tiny_model, lambda box: np.zeros((64, 64, 3), np.uint8), GRID, PARAMS)
    candidates = found.refilterable
    assert isinstance(candidates, TiledCandidates)
    described = describe_in_tiles(tiny_model, lambda box: PLANE[:64, :64], GRID, candidates)
    assert len(described) == 0
    assert described.inside.shape[1] > 0


def test_left_out_classes_and_other_weights(tiny_model: SamModel, classes: ClassSet) -> None:
    tiles = TileParams("always", object_size=8, tile_side=64, tile_overlap=16)
    recipe = make_recipe(tiny_model, PARAMS, axes="YXS", classes=classes, tiles=tiles)
    assert Recipe.from_json(recipe.to_json()) == recipe
    every = objects(recipe, tiny_model)
    assert every.classes is not None
    kinds = classes.classes
    for k in (0, 1):
        changed = tuple(replace(each, left_out=n == k) for n, each in enumerate(kinds))
        left = objects(replace(recipe, classes=replace(classes, classes=changed)), tiny_model)
        assert np.array_equal(left.boxes, every.boxes[every.classes.index != k])
    other = replace(classes, weights_sha256="0" * 64)
    with pytest.raises(InputError, match="other weights"):
        objects(replace(recipe, classes=other), tiny_model)
