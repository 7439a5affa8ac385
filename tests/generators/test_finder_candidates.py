from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.generators.maps import draw_discs, draw_maps, random_maps, separating_quality

from napari_segany import SamModel
from napari_segany.core.masks import MaskSet
from napari_segany.generators import finder_candidates
from napari_segany.generators.finder_candidates import (
    Proposals,
    answer_features,
    ask_model,
    choose_outlines,
    make_prompts,
    mask_features,
    propose_regions,
    region_agreement,
)
from napari_segany.generators.quality import FEATURES
from napari_segany.generators.region_features import (
    REGION_FEATURES,
    MaskMeter,
    PlaneContext,
    tree_features,
)
from napari_segany.generators.region_merging import OUTLINES
from napari_segany.generators.region_tree import FEWEST_CELLS, grow_trees
from napari_segany.models.finder import ObjectMaps

SHAPE = (100, 128)
LABELS = draw_discs(SHAPE, [(30, 30, 18), (30, 62, 17), (75, 50, 20), (70, 100, 14)])


@pytest.fixture
def proposals() -> Proposals:
    return propose_regions(draw_maps(LABELS, noise=0.2), separating_quality(), 0.05)


def ancestors(proposals: Proposals, i: int) -> set[int]:
    line, node = set(), int(proposals.nodes[i])
    while node >= 0:
        line.add(node)
        node = int(proposals.tree.parent[node])
    return line


def related(proposals: Proposals, i: int, j: int) -> bool:
    nodes = proposals.nodes
    return int(nodes[i]) in ancestors(proposals, j) or int(nodes[j]) in ancestors(proposals, i)


def test_the_best_regions_of_clean_maps_are_the_objects() -> None:
    found = propose_regions(draw_maps(LABELS), separating_quality(), 0.3)
    for number in range(1, 5):
        truth = number == LABELS
        masks = [found.masks.mask(i) for i in range(4)]
        iou = [(mask & truth).sum() / (mask | truth).sum() for mask in masks]
        assert max(iou) > 0.93
    assert found.masks.predicted_iou.tolist() == found.quality.tolist()


def test_proposals_come_best_first_and_above_the_bound(proposals: Proposals) -> None:
    assert len(proposals.nodes) > 6
    assert (np.diff(proposals.quality) <= 0).all()
    assert (proposals.quality >= 0.05).all()
    assert (proposals.masks.area > 0).all()
    fewer = propose_regions(proposals.maps, separating_quality(), 0.05, most=3)
    assert fewer.nodes.tolist() == proposals.nodes[:3].tolist()
    assert len(propose_regions(proposals.maps, None, 2.0).nodes) > len(proposals.nodes)


def test_every_region_gets_the_better_outline() -> None:
    """An estimate that likes one outline for large regions, and another for small ones."""
    maps = draw_maps(LABELS, noise=0.2)
    context, trees = PlaneContext.of(maps), grow_trees(maps)
    column = REGION_FEATURES.index("outline")
    side = REGION_FEATURES.index("log2_side")

    class ByOutline:
        def region(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
            tight = features[:, column] > 0.5
            return np.where(tight == (features[:, side] > 1), 0.9, 0.3).astype(np.float32)

    tree, features, expected = choose_outlines(trees, context, ByOutline())  # type: ignore[arg-type]
    able = tree.area >= FEWEST_CELLS
    assert set(tree.outline[able]) == set(OUTLINES)
    for node in np.flatnonzero(able).tolist():
        number = OUTLINES.index(tree.outline[node])
        assert (tree.sums[node] == trees[number].sums[node]).all()
        assert features[node] == pytest.approx(tree_features(trees[number], context)[node])
        assert expected[node] == max(ByOutline().region(features[node : node + 1]))
    assert (expected[~able] == 0).all()


def test_between_outlines_a_region_changes_as_little_as_its_estimate() -> None:
    """An estimate that hardly prefers one outline, or clearly the one or the other."""
    maps = draw_maps(LABELS, noise=0.2)
    context, trees = PlaneContext.of(maps), grow_trees(maps)
    column = REGION_FEATURES.index("outline")

    def drawn(better: float, between: bool = True) -> NDArray[np.float64]:
        class Prefers:
            def region(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
                return np.where(features[:, column] > 0.5, 0.5 + better, 0.5).astype(np.float32)

        chosen = choose_outlines(trees, context, Prefers(), between)  # type: ignore[arg-type]
        both = np.all([tree.area >= FEWEST_CELLS for tree in trees], axis=0)
        assert both.sum() > 4
        return chosen[0].outline[both]

    low, high = OUTLINES
    assert drawn(0.0) == pytest.approx((low + high) / 2)
    assert drawn(0.3) == pytest.approx(high, abs=1e-4)
    assert drawn(-0.3) == pytest.approx(low, abs=1e-4)
    a_little = drawn(0.001) - drawn(-0.001)
    assert (a_little > 0).all()
    assert (a_little < 0.01).all()
    assert drawn(0.001, False) - drawn(-0.001, False) == pytest.approx(high - low)


def test_points_lie_in_the_plane_and_in_their_regions(proposals: Proposals) -> None:
    points = proposals.points
    assert (points >= 0).all()
    assert (points <= np.array(SHAPE) - 1).all()
    rows, cols = np.rint(points).astype(int).T
    assert all(proposals.masks.mask(i)[rows[i], cols[i]] for i in range(len(points)))


def test_prompts_lie_in_the_plane_with_negatives_of_disjoint_regions(proposals: Proposals) -> None:
    prompts = make_prompts(proposals, 6)
    assert len(prompts) == len(proposals.nodes)
    some = 0
    for i, prompt in enumerate(prompts):
        assert prompt.labels is not None
        assert prompt.box is not None
        points, box = np.asarray(prompt.points), np.asarray(prompt.box)
        assert (points >= 0).all()
        assert (points <= np.array(SHAPE) - 1).all()
        assert (box >= 0).all()
        assert (box[:2] < box[2:]).all()
        assert (box[2:] <= np.array(SHAPE) - 0.5).all()
        assert list(prompt.labels) == [1] + [0] * (len(points) - 1)
        assert len(points) <= 7
        assert np.array_equal(points[0], proposals.points[i])
        others = [int(np.flatnonzero((proposals.points == p).all(axis=1))[0]) for p in points[1:]]
        some += len(others)
        # Several regions can have the same point; one of each pair of families must be disjoint.
        for p in points[1:]:
            same = np.flatnonzero((proposals.points == p).all(axis=1)).tolist()
            assert any(not related(proposals, i, j) for j in same)
    assert some > len(prompts)


def test_no_negatives_where_none_are_wanted_or_none_are_there(proposals: Proposals) -> None:
    assert all(len(prompt.labels or ()) == 1 for prompt in make_prompts(proposals, 0))
    assert all(len(prompt.labels or ()) == 1 for prompt in make_prompts(proposals[:1], 6))
    assert make_prompts(proposals[:0], 6) == []


def test_the_order_is_always_the_same(proposals: Proposals) -> None:
    again = propose_regions(proposals.maps, separating_quality(), 0.05)
    assert again.nodes.tolist() == proposals.nodes.tolist()
    assert np.array_equal(again.points, proposals.points)
    one, two = make_prompts(proposals, 6), make_prompts(again, 6)
    assert all(np.array_equal(a.points, b.points) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (7, 5), (3000, 2)])
def test_planes_smaller_than_cells(shape: tuple[int, int]) -> None:
    maps = draw_maps(np.ones(shape, np.int32))
    found = propose_regions(maps, separating_quality(), 0.0)
    assert len(found.nodes) >= 1
    assert found.masks.area.max() == shape[0] * shape[1]
    assert make_prompts(found, 6)[0].box is not None


def test_regions_between_the_pixels_are_left_out() -> None:
    # Each pixel of the plane is 32 cells wide, so that most of these regions cover none.
    noise = random_maps((8, 8))
    tree_only = propose_regions(noise, None, 0)
    assert 0 < len(tree_only.nodes) < (tree_only.tree.area >= 4).sum()
    assert (tree_only.masks.area > 0).all()
    assert len(tree_only.points) == len(tree_only.nodes)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_maps_without_regions(value: float, tiny_model: SamModel) -> None:
    maps = draw_maps(np.zeros((50, 60), np.int32))
    maps = replace(maps, foreground=np.full_like(maps.foreground, value))
    found = propose_regions(maps, separating_quality(), 0.0)
    assert len(found.nodes) == len(found.masks) == len(found.points) == 0


def test_nested_regions_of_a_map_without_borders_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maps = random_maps((100, 128))
    everywhere = replace(maps, foreground=np.ones_like(maps.foreground))
    most = propose_regions(everywhere, None, 0)
    boxes = most.masks.boxes
    planes = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum() / (100 * 128)
    monkeypatch.setattr(finder_candidates, "MOST_PLANES", int(planes / 2))
    fewer = propose_regions(everywhere, None, 0)
    assert 0 < len(fewer.nodes) < len(most.nodes)
    assert fewer.nodes.tolist() == most.nodes[: len(fewer.nodes)].tolist()


def test_agreement_is_the_iou() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.random((2, 6, 20, 30)) < 0.5
    one[0] = two[1] = two[2] = one[2] = False
    expected = (one & two).sum(axis=(1, 2)) / np.maximum((one | two).sum(axis=(1, 2)), 1)
    found = region_agreement(MaskSet.from_masks(one), MaskSet.from_masks(two))
    assert found == pytest.approx(expected)


def test_answers_and_their_features(proposals: Proposals, tiny_model: SamModel) -> None:
    plane: NDArray[np.uint8] = np.repeat((LABELS * 50).astype(np.uint8)[..., None], 3, axis=-1)
    embedding = tiny_model.embed(plane)
    answers = ask_model(tiny_model, embedding, proposals, 6)
    assert len(answers.masks) == len(answers.agreement) == len(proposals.nodes)
    assert ((answers.agreement >= 0) & (answers.agreement <= 1)).all()
    meter = MaskMeter.of(proposals.maps)
    of_regions, of_masks = answer_features(proposals, answers, meter)
    assert of_regions.shape == (len(proposals.nodes), len(FEATURES["asked_region"]))
    assert of_masks.shape == (len(proposals.nodes), len(FEATURES["mask"]))
    assert np.isfinite(of_regions).all()
    assert np.isfinite(of_masks).all()
    column = FEATURES["mask"].index("agreement")
    assert np.array_equal(of_masks[:, column], answers.agreement)
    alone = mask_features(answers.masks, meter, proposals.context)
    assert np.array_equal(alone[:, : column - 2], of_masks[:, : column - 2])
    assert (alone[:, column] == 0).all()
    assert len(ask_model(tiny_model, embedding, proposals[:0], 6).masks) == 0


def test_choosing_regions_keeps_their_columns_together(proposals: Proposals) -> None:
    chosen = proposals[np.array([2, 0])]
    assert chosen.nodes.tolist() == proposals.nodes[[2, 0]].tolist()
    assert np.array_equal(chosen.masks.mask(0), proposals.masks.mask(2))
    assert np.array_equal(chosen.points[1], proposals.points[0])
    assert isinstance(chosen.maps, ObjectMaps)
