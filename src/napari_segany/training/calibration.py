"""Fitting of the quality estimate on images that the finder has not learned from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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
from napari_segany.generators.finder_crop import LEAST_REGION, prompt_silent_points
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.quality import Perceptron, Quality
from napari_segany.generators.region_features import MaskMeter
from napari_segany.models.finder import FinderModel
from napari_segany.models.protocol import PromptableModel
from napari_segany.training.augmentation import jitter_colours
from napari_segany.training.datasets import LabelledImage

HIDDEN = (48, 48)
"""Units of the hidden layers."""

STEPS, ROWS = 3000, 1024
"""Steps of a fit, and rows of each."""

LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 6e-3, 1e-3, 0.05

MOST_ASKED = 250
"""Regions of a view that the model is asked for, at most."""

ZOOM = (0.5, 2.0)
"""Range of scales of the views."""


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


def fit_perceptron(tables: Sequence[Table], seed: int = 0) -> Perceptron:
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
    widths = (features.shape[1], *HIDDEN, 1)
    layers = [nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)]
    network = nn.Sequential()
    for layer in layers[:-1]:
        network.extend([layer, nn.ReLU(), nn.Dropout(DROPOUT)])
    network.append(layers[-1])
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS)
    drawn = np.random.default_rng(seed).choice(len(features), (STEPS, ROWS), p=chance)
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


def calibrate(
    model: PromptableModel,
    finder: FinderModel,
    images: Iterable[LabelledImage],
    views: int = 3,
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
        Images of the split "calibrate".
    views : int
        Views of each image; the first is the image as it is.
    params : FinderParams, optional
        How the model is asked.
    seed : int
        Of everything that is random.
    progress : callable, optional
        Called with the steps done and in all.
    """
    params = params or FinderParams()
    listed = list(images)
    seen = [
        (image, *make_view(*image.read(), number, np.random.default_rng([seed, n, number])))
        for n, image in enumerate(listed)
        for number in range(views)
    ]
    total = 2 * len(seen)
    regions: list[Table] = []
    looks = []
    for done, (image, rgb, labels) in enumerate(seen):
        embedding = model.embed(rgb, stages=True)
        maps = finder.predict_maps(embedding, rgb)
        looks.append((embedding.without_stages(), maps))
        proposals = propose_regions(maps, None, 0)
        regions.append(
            Table(image.kind, image.name, proposals.features, true_iou(proposals.masks, labels))
        )
        if progress is not None:
            progress(done + 1, total)
    region = fit_perceptron(regions, seed)
    blank = Perceptron(region.mean, region.scale, region.weights, region.biases)
    first = Quality(region, blank, blank)
    asked: list[Table] = []
    answered: list[Table] = []
    for done, ((image, _, labels), (embedding, maps)) in enumerate(zip(seen, looks, strict=True)):
        proposals = propose_regions(maps, first, LEAST_REGION)[:MOST_ASKED]
        if len(proposals.nodes):
            answers = ask_model(model, embedding, proposals, params.negative_points)
            of_regions, of_masks = answer_features(proposals, answers, MaskMeter.of(maps))
            iou = true_iou(proposals.masks, labels)
            asked.append(Table(image.kind, image.name, of_regions, iou))
            answered.append(Table(image.kind, image.name, of_masks, true_iou(answers.masks, labels)))
        found = prompt_silent_points(model, embedding, proposals, params)
        answered.append(
            Table(
                image.kind,
                image.name,
                mask_features(found, MaskMeter.of(maps), proposals.context),
                true_iou(found, labels),
            )
        )
        if progress is not None:
            progress(len(seen) + done + 1, total)
    return Quality(region, fit_perceptron(asked, seed), fit_perceptron(answered, seed))
