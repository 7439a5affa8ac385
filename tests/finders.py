"""Small finders with random weights that fit the tiny model, and their files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_segany import SamModel
from napari_segany.networks.finder import Finder, FinderShape
from napari_segany.networks.finder_inference import fold
from napari_segany.weights.finder_card import FinderCard, PlaneGate, encoder_card, shape_card
from napari_segany.weights.finders import FinderFile, write_finder

TINY_SHAPE = FinderShape(256, ((12, 4), (12, 2)), widths=(12, 8, 8), image_width=4, blocks=1)
"""Architecture that reads what the tiny model's encoder gives."""


def build_finder(shape: FinderShape = TINY_SHAPE, seed: int = 0) -> Finder:
    """A finder with random weights, statistics of its normalisations included."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        finder = Finder(shape)
        for module in finder.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.3, 2)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.3)
    return finder.eval().requires_grad_(False)


GATE = PlaneGate(((0.0, 1.0),), 0.7)
"""Planes that a finder was trained for, by two numbers."""


def make_card(model: SamModel, shape: FinderShape = TINY_SHAPE, **changes: Any) -> FinderCard:
    """The card of a finder for a model."""
    if changes.get("base"):
        # Every finder that was trained further says for which planes.
        changes.setdefault("gate", GATE)
    card = FinderCard(
        title="Random weights",
        encoder=encoder_card(model.id, "tiny", model.sketch_encoder()),
        shape=shape_card(shape),
        pred_iou_thresh=0.4,
        min_area=12,
        facts={"images": 0},
        quality={"bias": 0.25},
    )
    return replace(card, **changes)


def write_tiny_finder(
    path: Path, model: SamModel, seed: int = 0, shape: FinderShape = TINY_SHAPE, **changes: Any
) -> FinderFile:
    """Write a finder that fits the tiny model, or says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_finder(path, fold(build_finder(shape, seed)), make_card(model, shape, **changes))
