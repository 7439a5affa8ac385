"""Small decoders with random weights, and maps of drawn labels, as a decoder without mistakes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from napari_segany import DecoderParams, SamModel
from napari_segany.models.distance_decoder import DistanceMaps
from napari_segany.networks.unetr import Unetr, UnetrShape, build_unetr

TINY_SHAPE = UnetrShape(embedding=256, width=4)
"""Architecture that reads the embeddings of SAM, with few channels."""


def build_decoder(shape: UnetrShape = TINY_SHAPE, seed: int = 0) -> Unetr:
    """A decoder with random weights, statistics of its normalisations included."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        decoder = build_unetr(shape)
        for module in decoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.3, 2)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.3)
    return decoder


def decoder_state(shape: UnetrShape = TINY_SHAPE, seed: int = 0) -> dict[str, Tensor]:
    """The weights of a random decoder under their published names."""
    return build_decoder(shape, seed).state_dict()


def carry_decoder(model: SamModel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a decoder lie beside the checkpoint of a model, as published; return its file."""
    path = folder / "tiny_decoder.pt"
    torch.save(decoder_state(), path)
    weights = replace(model.weights, path=folder / "tiny.pt")
    monkeypatch.setattr(model, "weights", weights)
    return path


def loose_decoder_params(**changes: Any) -> DecoderParams:
    """Parameters with which random weights find something."""
    values: dict[str, Any] = {
        "foreground_threshold": 0.58,
        "center_distance_threshold": 0.52,
        "boundary_distance_threshold": 0.56,
        "foreground_smoothing": 0,
        "distance_smoothing": 0,
        "min_area": 0,
    }
    return DecoderParams(**(values | changes))


def maps_of_labels(labels: NDArray[np.integer[Any]]) -> DistanceMaps:
    """The maps of labelled objects, as decoders are trained to predict them.

    Distances are relative to their largest in each object.
    """
    centre = np.ones(labels.shape, np.float32)
    boundary = np.ones(labels.shape, np.float32)
    for number in np.unique(labels[labels > 0]).tolist():
        inside = labels == number
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        boundary[inside] = 1 - depth[inside] / depth.max()
        middle = np.unravel_index(depth.argmax(), depth.shape)
        away = np.hypot(*(np.indices(labels.shape) - np.reshape(middle, (2, 1, 1))))
        centre[inside] = away[inside] / max(away[inside].max(), 1)
    return DistanceMaps((labels > 0).astype(np.float32), centre, boundary)
