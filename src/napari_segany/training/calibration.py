"""Fitting of the quality estimate on images of every kind, some of which are not learned from."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_segany.core.masks import MaskSet
from napari_segany.generators.finder_candidates import (
    answer_features,
    ask_model,
    mask_features,
    propose_regions,
)
from napari_segany.generators.finder_crop import (
    LEAST_REGION,
    choose_doubtful,
    prompt_silent_points,
)
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.quality import FEATURES, Perceptron, Quality
from napari_segany.generators.region_features import MaskMeter, PlaneContext, tree_features
from napari_segany.generators.region_merging import OUTLINES
from napari_segany.generators.region_tree import (
    FEWEST_CELLS,
    FOREGROUND,
    RegionTree,
    grow_trees,
)
from napari_segany.models.finder import FinderModel, ObjectMaps
from napari_segany.models.protocol import PromptableModel
from napari_segany.training.colours import jitter_colours
from napari_segany.training.datasets import LabelledImage
from napari_segany.training.encoder import computing_threads

ASKED_IMAGES = 14
"""Images of each kind that the model is asked about, at most."""

ROWS = 1024
"""Rows of each step of a fit."""

LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 6e-3, 1e-3, 0.05

LEARNED_IMAGES = 20
"""Images of each kind that the finder learned from and the estimate is fitted on, too."""

GRID = 8
"""Points along each side of the grid whose masks are learned from, where regions lead to none."""

ZOOM = (0.5, 2.0)
"""Range of scales of the views."""


@dataclass(frozen=True)
class FitSize:
    """Size of a network, and of its fit.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    steps : int
        Number of steps.
    """

    hidden: tuple[int, ...]
    steps: int


REGION_FIT, ANSWER_FIT = FitSize((96, 64), 6000), FitSize((48, 48), 1500)
"""Fits for regions, and for what the model was asked about, of which there are fewer."""


@dataclass(frozen=True)
class Table:
    """Candidates of one view: their features, and their true IoU."""

    kind: str
    image: str
    features: NDArray[np.float32]
    iou: NDArray[np.float32]


def true_iou(masks: MaskSet, labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the (N,) IoU of each mask with the object that it overlaps best."""
    area = np.bincount(np.maximum(labels, 0).ravel()).astype(np.float64)
    best = np.zeros(len(masks), np.float32)
    for i in range(len(masks)):
        a, b, c, d = masks.boxes[i].tolist()
        inside = labels[a:c, b:d][masks.crop(i)]
        # Unknown pixels are neither right nor wrong.
        size = int((inside >= 0).sum())
        inside = inside[inside > 0]
        if len(inside):
            shared = np.bincount(inside)
            union = size + area[: len(shared)] - shared
            best[i] = (shared / np.maximum(union, 1)).max()
    return best


def make_view(
    rgb: NDArray[np.uint8], labels: NDArray[np.integer], number: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    """Return an image as it is for number 0, else at another scale and with other colours."""
    if number == 0:
        return rgb, labels
    zoom = float(np.exp(rng.uniform(*np.log(ZOOM))))
    height, width = labels.shape
    rows, cols = max(int(height / zoom), 1), max(int(width / zoom), 1)
    if zoom < 1:
        # The rest of the frame has the colour of the background.
        larger = np.empty((rows, cols, 3), np.uint8)
        larger[:] = np.median(rgb, axis=(0, 1)).astype(np.uint8)
        larger[:height, :width] = rgb
        around = np.zeros((rows, cols), labels.dtype)
        around[:height, :width] = labels
        return jitter_colours(larger, rng), around
    top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - cols + 1))
    window = slice(top, top + rows), slice(left, left + cols)
    return jitter_colours(np.ascontiguousarray(rgb[window]), rng), labels[window]


def fit_perceptron(
    tables: Sequence[Table], size: FitSize = REGION_FIT, seed: int = 0
) -> Perceptron:
    """Fit a network that predicts the IoU of candidates.

    Kinds weigh as the square root of their number of images, whatever their number of candidates.
    """
    features = np.concatenate([table.features for table in tables])
    iou = torch.from_numpy(np.concatenate([table.iou for table in tables]))
    chance = _row_weights(tables)
    mean = (features * chance[:, None]).sum(axis=0)
    scale = np.sqrt(((features - mean) ** 2 * chance[:, None]).sum(axis=0)) + 1e-3
    rows = torch.from_numpy(np.clip((features - mean) / scale, -6, 6).astype(np.float32))
    torch.manual_seed(seed)
    widths = (features.shape[1], *size.hidden, 1)
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    network = nn.Sequential()
    for layer in layers[:-1]:
        network.extend([layer, nn.ReLU(), nn.Dropout(DROPOUT)])
    network.append(layers[-1])
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=size.steps)
    drawn = np.random.default_rng(seed).choice(len(features), (size.steps, ROWS), p=chance)
    # So that the result does not depend on the number of threads; layers are small anyway.
    with computing_threads(1):
        for numbers in torch.from_numpy(drawn):
            loss = F.binary_cross_entropy_with_logits(network(rows[numbers])[:, 0], iou[numbers])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return Perceptron(
        mean.astype(np.float32),
        scale.astype(np.float32),
        tuple(layer.weight.detach().numpy().T.copy() for layer in layers),
        tuple(layer.bias.detach().numpy().copy() for layer in layers),
    )


def _row_weights(tables: Sequence[Table]) -> NDArray[np.float64]:
    images: dict[str, set[str]] = {}
    rows: dict[str, int] = {}
    for table in tables:
        images.setdefault(table.kind, set()).add(table.image)
        rows[table.kind] = rows.get(table.kind, 0) + len(table.iou)
    weights = np.concatenate(
        [
            np.full(len(table.iou), np.sqrt(len(images[table.kind])) / max(rows[table.kind], 1))
            for table in tables
        ]
    )
    normed: NDArray[np.float64] = weights / weights.sum()
    return normed


def choose_images(
    images: Iterable[LabelledImage], learned: int = LEARNED_IMAGES
) -> list[LabelledImage]:
    """Return the images that the estimate is fitted on.

    These are all images of the split "calibrate" and some of the split "train" of every kind.
    Kinds with few images have hardly any in "calibrate", and a kind that the estimate does not know
    loses most of its objects. The maps of images that were learned from are a little too good, but
    what a good region looks like is the same.

    Parameters
    ----------
    images : iterable of LabelledImage
        Of all splits.
    learned : int
        Most images of the split "train" of each kind, evenly spread.
    """
    listed = list(images)
    chosen = [image for image in listed if image.split == "calibrate"]
    for kind in dict.fromkeys(image.kind for image in listed):
        known = [image for image in listed if image.kind == kind and image.split == "train"]
        places = np.linspace(0, len(known) - 1, min(learned, len(known))).round().astype(int)
        chosen += [known[place] for place in places]
    return chosen


def region_iou(
    tree: RegionTree, maps: ObjectMaps, labels: NDArray[np.integer], outline: float = FOREGROUND
) -> NDArray[np.float32]:
    """Return the (N, K) IoU of each region of a tree with each object, counted in cells.

    Parameters
    ----------
    tree, maps
        Regions of a plane, and the maps that they were grown on.
    labels : ndarray
        (H, W) labels of the plane; negative ones are unknown.
    outline : float
        Foreground probability at which the regions end.
    """
    meter = MaskMeter.of(maps)
    ids, numbers = np.unique(
        np.maximum(labels, 0)[np.ix_(meter.rows, meter.cols)], return_inverse=True
    )
    objects = len(ids)
    numbers = numbers.reshape(maps.shape)
    known = labels[np.ix_(meter.rows, meter.cols)] >= 0
    inside = (maps.foreground > outline) & (tree.labels > 0) & known
    shared = np.zeros((len(tree), objects))
    codes = (tree.labels[inside].astype(np.int64) - 1) * objects + numbers[inside]
    shared[: tree.basins] = np.bincount(codes, minlength=tree.basins * objects).reshape(-1, objects)
    for node in range(tree.basins, len(tree)):
        shared[node] = shared[tree.children[node]].sum(axis=0)
    area = np.bincount(numbers.ravel(), minlength=objects)
    union = shared.sum(axis=1, keepdims=True) + area - shared
    iou: NDArray[np.float32] = (shared / np.maximum(union, 1))[:, ids > 0].astype(np.float32)
    return iou


def calibrate(
    model: PromptableModel,
    finder: FinderModel,
    images: Iterable[LabelledImage],
    views: int = 2,
    params: FinderParams | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Quality:
    """Fit the quality estimate of a finder.

    Parameters
    ----------
    model, finder
        The model and its finder.
    images : iterable of LabelledImage
        Images to fit on, see :func:`choose_images`.
    views : int
        Views of each image for the estimate of regions; the first is the image as it is. The model
        is asked about the first view of some images only.
    params : FinderParams, optional
        How the model is asked; with a grid of points, as masks from it are estimated, too.
    seed : int
        Of everything that is random.
    progress : callable, optional
        Called with the steps done and in all.
    """
    params, listed = params or FinderParams(grid_points_per_side=GRID), list(images)
    counts: Counter[str] = Counter()
    about: list[LabelledImage] = []
    for image in listed:
        counts[image.kind] += 1
        if counts[image.kind] <= ASKED_IMAGES:
            about.append(image)
    total = len(listed) * views + len(about)
    regions: list[Table] = []
    for n, image in enumerate(listed):
        rgb, labels = image.read()
        for number in range(views):
            rng = np.random.default_rng([seed, n, number])
            view, truth = make_view(rgb, labels, number, rng)
            maps = finder.predict_maps(model.embed(view, stages=True), view)
            context = PlaneContext.of(maps)
            for outline, tree in zip(OUTLINES, grow_trees(maps), strict=True):
                able = np.flatnonzero(tree.area >= FEWEST_CELLS)
                features = tree_features(tree, context)[able]
                iou = region_iou(tree, maps, truth, outline)[able].max(axis=1, initial=0)
                regions.append(Table(image.kind, image.name, features, iou))
            if progress is not None:
                progress(n * views + number + 1, total)
    region = _fit("region", regions, seed)
    first = Quality(region, region, region)
    asked: list[Table] = []
    answered: list[Table] = []
    for n, image in enumerate(about):
        of_regions, of_masks = _answer_tables(model, finder, first, image, params)
        asked += of_regions
        answered += of_masks
        if progress is not None:
            progress(len(listed) * views + n + 1, total)
    return Quality(region, _fit("asked_region", asked, seed), _fit("mask", answered, seed))


def _fit(name: str, tables: Sequence[Table], seed: int) -> Perceptron:
    """Fit one estimator; without a candidate to learn from, it expects an IoU of one half."""
    if any(len(table.iou) for table in tables):
        return fit_perceptron(tables, REGION_FIT if name == "region" else ANSWER_FIT, seed)
    count = len(FEATURES[name])
    nothing, ones = np.zeros(count, np.float32), np.ones(count, np.float32)
    return Perceptron(nothing, ones, (nothing[:, None],), (np.zeros(1, np.float32),))


def _answer_tables(
    model: PromptableModel,
    finder: FinderModel,
    quality: Quality,
    image: LabelledImage,
    params: FinderParams,
) -> tuple[list[Table], list[Table]]:
    """Return the tables of asked regions and of the model's masks of one image."""
    rgb, labels = image.read()
    embedding = model.embed(rgb, stages=True)
    maps = finder.predict_maps(embedding, rgb)
    embedding, meter = embedding.without_stages(), MaskMeter.of(maps)
    proposals = propose_regions(maps, quality, LEAST_REGION)
    asked = proposals[choose_doubtful(proposals)]
    of_regions, of_masks = [], []
    if len(asked.nodes):
        answers = ask_model(model, embedding, asked, params.negative_points)
        features = answer_features(asked, answers, meter)
        iou = true_iou(asked.masks, labels)
        of_regions.append(Table(image.kind, image.name, features[0], iou))
        iou = true_iou(answers.masks, labels)
        of_masks.append(Table(image.kind, image.name, features[1], iou))
    if params.grid_points_per_side:
        found = prompt_silent_points(model, embedding, proposals, params)
        features_of_found = mask_features(found, meter, proposals.context)
        of_masks.append(Table(image.kind, image.name, features_of_found, true_iou(found, labels)))
    return of_regions, of_masks
