"""Adaptation of a finder's quality estimate to the maps of a finder that was trained further."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_segany.generators.quality import Perceptron, Quality
from napari_segany.generators.region_features import MaskMeter, PlaneContext, tree_features
from napari_segany.generators.region_merging import OUTLINES
from napari_segany.generators.region_tree import FEWEST_CELLS, RegionTree, grow_trees
from napari_segany.models.finder import ObjectMaps
from napari_segany.training.calibration import region_iou
from napari_segany.training.encoder import computing_threads

KNOWN = 0.5
"""Part of a region's cells that must be known for its IoU to count."""


@dataclass(frozen=True)
class UpdateParams:
    """Parameters of the adaptation.

    Attributes
    ----------
    steps : int
        Steps over all regions.
    learning_rate : float
        Of Adam.
    pull : float
        Weight of the squared distance to the estimate before, which many images decided.
    """

    steps: int = 200
    learning_rate: float = 3e-3
    pull: float = 0.01


@dataclass(frozen=True)
class Regions:
    """Regions of a plane: their features, and their true IoU.

    Attributes
    ----------
    features : ndarray
        (N, F) float32.
    iou : ndarray
        (N,) float32.
    """

    features: NDArray[np.float32]
    iou: NDArray[np.float32]


def measure_regions(maps: ObjectMaps, labels: NDArray[np.integer]) -> Regions:
    """Return the regions of a plane that lie on known ground.

    Parameters
    ----------
    maps : ObjectMaps
        Of the plane.
    labels : ndarray
        (H, W); negative ones are unknown.
    """
    context = PlaneContext.of(maps)
    features, iou = [], []
    for outline, tree in zip(OUTLINES, grow_trees(maps), strict=True):
        able = (tree.area >= FEWEST_CELLS) & (_known_part(tree, maps, labels) >= KNOWN)
        nodes = np.flatnonzero(able)
        features.append(tree_features(tree, context)[nodes])
        iou.append(region_iou(tree, maps, labels, outline)[nodes].max(axis=1, initial=0))
    return Regions(np.concatenate(features), np.concatenate(iou))


def expect_regions(maps: ObjectMaps, quality: Quality) -> Regions:
    """Return the regions of a plane without labels, with what an estimate expects of them."""
    context = PlaneContext.of(maps)
    features = np.concatenate(
        [tree_features(tree, context)[tree.area >= FEWEST_CELLS] for tree in grow_trees(maps)]
    )
    return Regions(features, quality.region(features))


def _known_part(
    tree: RegionTree, maps: ObjectMaps, labels: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the (N,) part of each region's cells whose label is known."""
    meter = MaskMeter.of(maps)
    known = labels[np.ix_(meter.rows, meter.cols)] >= 0
    inside = tree.labels > 0
    numbers = tree.labels[inside].astype(np.int64) - 1
    counts = np.zeros((len(tree), 2))
    counts[: tree.basins, 0] = np.bincount(numbers, minlength=tree.basins)
    counts[: tree.basins, 1] = np.bincount(numbers, known[inside], minlength=tree.basins)
    for node in range(tree.basins, len(tree)):
        counts[node] = counts[tree.children[node]].sum(axis=0)
    part: NDArray[np.float64] = counts[:, 1] / np.maximum(counts[:, 0], 1)
    return part


def update_estimate(
    quality: Quality,
    planes: Sequence[Regions],
    replay: Sequence[Regions] = (),
    params: UpdateParams | None = None,
) -> Quality:
    """Return an estimate that also knows the regions of these planes.

    Only the estimate of regions is adapted, by which objects are found. The estimates for which the
    model is asked stay as they are.

    Parameters
    ----------
    quality : Quality
        The estimate before.
    planes : sequence of Regions
        Of the labelled planes, each of the same weight.
    replay : sequence of Regions
        Regions for which the estimate is to stay what it is; together they weigh as much.
    params : UpdateParams, optional
        Of the fit.
    """
    params = params or UpdateParams()
    planes = [each for each in planes if len(each.iou)]
    replay = [each for each in replay if len(each.iou)]
    if not planes:
        return quality
    before = quality.region
    every = [*planes, *replay]
    features = np.concatenate([each.features for each in every])
    shares = [1 / len(planes)] * len(planes) + [1 / len(replay) for _ in replay]
    weights = np.concatenate(
        [np.full(len(e.iou), share / len(e.iou)) for e, share in zip(every, shares, strict=True)]
    )
    rows = torch.from_numpy(
        np.clip((features - before.mean) / before.scale, -6, 6).astype(np.float32)
    )
    iou = torch.from_numpy(np.concatenate([each.iou for each in every]))
    weight = torch.from_numpy(weights.astype(np.float32))
    network = nn.Sequential()
    for number, (values, bias) in enumerate(zip(before.weights, before.biases, strict=True)):
        layer = nn.Linear(*values.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(values.T))
            layer.bias.copy_(torch.from_numpy(bias))
        network.extend([layer] if number == 0 else [nn.ReLU(), layer])
    anchors = [value.detach().clone() for value in network.parameters()]
    optimiser = torch.optim.Adam(network.parameters(), params.learning_rate)
    # So that the result does not depend on the number of threads.
    with computing_threads(1):
        for _ in range(params.steps):
            off = F.binary_cross_entropy_with_logits(network(rows)[:, 0], iou, reduction="none")
            loss = (off * weight).sum()
            for value, anchor in zip(network.parameters(), anchors, strict=True):
                loss = loss + params.pull * (value - anchor).square().sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    layers = [each for each in network if isinstance(each, nn.Linear)]
    region = Perceptron(
        before.mean,
        before.scale,
        tuple(each.weight.detach().numpy().T.copy() for each in layers),
        tuple(each.bias.detach().numpy().copy() for each in layers),
    )
    return replace(quality, region=region)
