"""Candidates of one plane or crop: the finder's regions, and the model's answers about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt, prompt_boxes
from napari_segany.generators.quality import Quality, stack_columns
from napari_segany.generators.region_drawing import RegionDrawer
from napari_segany.generators.region_features import (
    MaskMeter,
    PlaneContext,
    shape_features,
    tree_features,
)
from napari_segany.generators.region_tree import FEWEST_CELLS, RegionTree, grow_trees
from napari_segany.models.finder import CELL, ObjectMaps
from napari_segany.models.protocol import Embedding, PromptableModel

SAME_REGION = 0.8
"""Ratio of areas above which a region and one inside it are nearly the same."""

MOST_PLANES = 64
"""Largest sum of the areas of the boxes of proposed regions, in areas of the plane: nested regions
of a map without borders would fill any memory."""

TINY = 64
"""Pixels of a mask up to which its point is checked to lie inside."""

AS_GOOD = 0.03
"""Difference of the expected IoU of two outlines at which the better one counts e times as much."""

BOX_MARGIN = 1.0
"""Pixels of the frame that box prompts are larger on each side than the region."""


@dataclass(frozen=True)
class Proposals:
    """Regions of a plane that may be objects.

    Attributes
    ----------
    maps : ObjectMaps
        Of the plane.
    context : PlaneContext
        Of the plane.
    tree : RegionTree
        All regions.
    nodes : ndarray
        (K,) the proposed ones, best first.
    features : ndarray
        (K, F) float32, see :data:`napari_segany.generators.region_features.REGION_FEATURES`.
    quality : ndarray
        (K,) float32 expected IoU, from the features alone.
    masks : MaskSet
        The K regions on the plane.
    points : ndarray
        (K, 2) row, column of a place inside each.
    """

    maps: ObjectMaps
    context: PlaneContext
    tree: RegionTree
    nodes: NDArray[np.int64]
    features: NDArray[np.float32]
    quality: NDArray[np.float32]
    masks: MaskSet
    points: NDArray[np.float64]

    def __getitem__(self, index: NDArray[np.integer] | NDArray[np.bool_] | slice) -> "Proposals":
        return replace(
            self,
            nodes=self.nodes[index],
            features=self.features[index],
            quality=self.quality[index],
            masks=self.masks[index],
            points=self.points[index],
        )


def propose_regions(
    maps: ObjectMaps,
    quality: Quality | None,
    least: float,
    most: int = 3000,
    between: bool = False,
    should_stop: ShouldStop | None = None,
) -> Proposals:
    """Return the regions of a plane whose expected IoU is at least ``least``.

    Parameters
    ----------
    maps : ObjectMaps
        Of the plane.
    quality : Quality, optional
        Without, all regions are returned, for fitting one.
    least : float
        Expected IoU.
    most : int
        Number of regions at most, the best ones.
    between : bool
        End regions between the outlines, see :func:`choose_outlines`.
    should_stop : callable, optional
        Polled while regions are drawn.
    """
    context, frame = PlaneContext.of(maps), maps.frame
    tree, features, expected = choose_outlines(grow_trees(maps), context, quality, between)
    able = tree.area >= FEWEST_CELLS
    if quality is not None:
        able &= (expected >= least) & ~_nearly_parent(tree, expected)
    nodes = np.flatnonzero(able)
    nodes = nodes[np.argsort(-expected[nodes], kind="stable")][:most]
    drawer = RegionDrawer(tree, maps)
    nodes = nodes[drawer.box_areas(nodes).cumsum() <= MOST_PLANES * tree.labels.size]
    masks = drawer.draw(nodes.tolist(), should_stop)
    # A region of a few cells can lie between the pixels of a small plane.
    visible = masks.area > 0
    nodes = nodes[visible]
    masks = replace(masks[visible], predicted_iou=expected[nodes])
    points = np.array([drawer.interior_point(node) for node in nodes.tolist()]).reshape(-1, 2)
    points = points * _pixels_per_cell(frame) - 0.5
    size = np.array(frame.shape) - 1.0
    points = _move_inside(np.clip(points, 0, size), masks)
    return Proposals(
        maps,
        context,
        tree,
        nodes,
        features[nodes],
        expected[nodes],
        masks,
        points,
    )


def _move_inside(points: NDArray[np.float64], masks: MaskSet) -> NDArray[np.float64]:
    """Return the points, those outside of their masks moved to the nearest pixel inside.

    The deepest cell of a region of a few cells can lie beside the pixels of its mask.
    """
    moved = points.copy()
    for i in np.flatnonzero(masks.area <= TINY).tolist():
        moved[i] = nearest_inside(points[i], masks.crop(i), masks.boxes[i, :2])
    return moved


def nearest_inside(
    point: NDArray[np.float64], mask: NDArray[np.bool_], origin: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return a point whose pixel lies in a mask: the same one, or the middle of the nearest pixel.

    Parameters
    ----------
    point : ndarray
        (2,) row and column in the plane.
    mask : ndarray
        (h, w) boolean with a pixel.
    origin : ndarray
        (2,) row and column of the mask's first pixel in the plane.
    """
    row, col = np.rint(point).astype(np.int64) - origin
    if 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1] and mask[row, col]:
        return point
    inside = np.argwhere(mask) + origin
    nearest: NDArray[np.float64] = inside[((inside - point) ** 2).sum(axis=1).argmin()] * 1.0
    return nearest


def choose_outlines(
    trees: Sequence[RegionTree],
    context: PlaneContext,
    quality: Quality | None,
    between: bool = False,
) -> tuple[RegionTree, NDArray[np.float32], NDArray[np.float32]]:
    """Return the regions with the better outline of each, their features and expected IoU.

    Parameters
    ----------
    trees : sequence of RegionTree
        The same regions with several outlines.
    context : PlaneContext
        Of the plane.
    quality : Quality, optional
        Estimates the IoU; without, every region has the first outline, and an expected IoU of 1.
    between : bool
        Draw each region between the first and the last outline, the nearer to one the better its
        expected IoU is, so that a little more of it changes a region a little. All else stays that
        of the better one.
    """
    first = trees[0]
    features = np.stack([tree_features(tree, context) for tree in trees])
    if quality is None:
        return first, features[0], np.ones(len(first), np.float32)
    expected = np.stack([quality.region(each) for each in features])
    # What has no cells within an outline has no quality there.
    expected *= np.stack([tree.area >= FEWEST_CELLS for tree in trees])
    best, every = expected.argmax(axis=0), np.arange(len(first))
    outlines = np.stack([tree.outline for tree in trees])
    outline = outlines[best, every]
    if between:
        better = (expected[-1] - expected[0]).astype(np.float64)
        outline = outlines[0] + (outlines[-1] - outlines[0]) / (1 + np.exp(-better / AS_GOOD))
    tree = replace(
        first, sums=np.stack([tree.sums for tree in trees])[best, every], outline=outline
    )
    return tree, features[best, every], expected[best, every]


def _pixels_per_cell(frame: Frame) -> tuple[float, float]:
    """Return rows and columns of the plane for each cell of the maps."""
    scaled = frame.scaled
    return frame.shape[0] / scaled[0] * CELL, frame.shape[1] / scaled[1] * CELL


def _nearly_parent(tree: RegionTree, expected: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which nodes are nearly the same as a node above or below them that is better."""
    area = np.maximum(tree.area, 1)
    worse = np.zeros(len(tree), bool)
    for node in range(len(tree)):
        above = int(tree.parent[node])
        if above < 0 or area[node] < SAME_REGION * area[above]:
            continue
        worse[above if expected[node] >= expected[above] else node] = True
    return worse


def make_prompts(proposals: Proposals, negatives: int) -> list[Prompt]:
    """Return one prompt a region: its box, a point inside, and points of its neighbours.

    Parameters
    ----------
    proposals : Proposals
        The regions.
    negatives : int
        Points of the nearest other regions that are given as not part of the object. Regions that
        contain one another are no neighbours.
    """
    points, frame = proposals.points, proposals.maps.frame
    rows, cols = _pixels_per_cell(frame)
    margin = np.array([rows, cols] * 2) / CELL * BOX_MARGIN
    boxes = prompt_boxes(proposals.masks.boxes, margin, frame.shape)
    found = _neighbours(proposals, negatives)
    return [
        Prompt(
            points=np.concatenate([points[i : i + 1], points[others]]),
            labels=[1] + [0] * len(others),
            box=box,
        )
        for i, (others, box) in enumerate(zip(found, boxes, strict=True))
    ]


def _neighbours(proposals: Proposals, count: int) -> list[list[int]]:
    """Return the nearest regions of each that are disjoint from it and from one another."""
    total = len(proposals.nodes)
    if not count or total < 2:
        return [[] for _ in range(total)]
    spans = proposals.tree.spans[proposals.nodes].tolist()
    near = min(total, 4 * count + 1)
    _, order = KDTree(proposals.points).query(proposals.points, near)
    found = []
    for i, others in enumerate(order.tolist()):
        chosen: list[int] = []
        for j in others:
            first, last = spans[j]
            # One of two regions contains the other if and only if they share a basin.
            if not any(first < spans[k][1] and spans[k][0] < last for k in (i, *chosen)):
                chosen.append(j)
            if len(chosen) == count:
                break
        found.append(chosen)
    return found


@dataclass(frozen=True)
class Answers:
    """The model's answers about K regions.

    Attributes
    ----------
    masks : MaskSet
        (K,) one mask a region.
    agreement : ndarray
        (K,) float32 IoU of region and mask.
    """

    masks: MaskSet
    agreement: NDArray[np.float32]


def ask_model(
    model: PromptableModel,
    embedding: Embedding,
    proposals: Proposals,
    negatives: int,
    should_stop: ShouldStop | None = None,
) -> Answers:
    """Ask the model for every region."""
    prompts = make_prompts(proposals, negatives)
    sets = model.predict(
        embedding, prompts, multimask=False, low_res_logits=False, should_stop=should_stop
    )
    shape = embedding.shape
    masks = MaskSet.concatenate([MaskSet.empty(shape), *sets]).without_logits()
    masks = replace(masks, prompts_asked=len(prompts))
    return Answers(masks, region_agreement(proposals.masks, masks))


def region_agreement(one: MaskSet, two: MaskSet) -> NDArray[np.float32]:
    """Return the (K,) IoU of masks at the same place in two sets."""
    both = MaskSet.concatenate([one.without_logits(), two])
    count = len(one)
    shared = both.count_shared(np.arange(count), np.arange(count, 2 * count)).astype(np.float64)
    union = one.area + two.area - shared
    return (shared / np.maximum(union, 1)).astype(np.float32)


def answer_features(
    proposals: Proposals, answers: Answers, meter: MaskMeter
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the features of asked regions, and of the model's masks."""
    regions, masks = proposals.masks, answers.masks
    ratio = np.log2(np.maximum(masks.area, 1) / np.maximum(regions.area, 1))
    shared = stack_columns(
        masks.predicted_iou, masks.stability_score, answers.agreement, ratio, proposals.quality
    )
    shape = shape_features(*meter.measure(masks), proposals.context)
    return stack_columns(proposals.features, shared), stack_columns(shape, shared)


def mask_features(masks: MaskSet, meter: MaskMeter, context: PlaneContext) -> NDArray[np.float32]:
    """Return the features of masks that no region led to."""
    none = np.zeros(len(masks))
    shape = shape_features(*meter.measure(masks), context)
    return stack_columns(shape, masks.predicted_iou, masks.stability_score, none, none, none)
