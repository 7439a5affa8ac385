"""Prompts of a plane as the networks take them, and an embedded plane that answers them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.automatic import Answers
from napari_segany.core.geometry import Frame
from napari_segany.core.prompts import Prompt
from napari_segany.networks.decoding import Decoded, PromptDecoder, SharedImage
from napari_segany.networks.mask_decoder import CANDIDATES
from napari_segany.networks.prompt_encoder import PromptEncoder


@dataclass(frozen=True, eq=False)
class Embedding:
    """The image encoder's output for one plane; everything else about a prompt is cheap.

    Attributes
    ----------
    shared : SharedImage
        The (C, g, g) features and what all prompts share of them, on the model's device.
    frame : Frame
        How the plane lies in the model's frame.
    weights_sha256 : str
        Hash of the weights that made it; other weights cannot use it.
    """

    shared: SharedImage
    frame: Frame
    weights_sha256: str

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.frame.shape


@dataclass(frozen=True)
class ModelPrompts:
    """Prompts of equal shape in the model's frame, named as the prompt encoder's arguments."""

    points: Tensor | None = None
    labels: Tensor | None = None
    boxes: Tensor | None = None
    masks: Tensor | None = None

    @classmethod
    def of(cls, prompts: Sequence[Prompt], frame: Frame) -> "ModelPrompts":
        """Stack prompts of equal shape; coordinates in float32 as in the published code."""
        points = [p.points for p in prompts if p.points is not None]
        labels = [p.labels for p in prompts if p.labels is not None]
        boxes = [p.box for p in prompts if p.box is not None]
        masks = [
            frame.place_mask(p.mask)
            if p.mask is not None
            else torch.from_numpy(np.array(p.mask_logits))
            for p in prompts
            if p.has_mask
        ]
        return cls(
            points=torch.from_numpy(frame.to_xy(np.stack(points))).float() if points else None,
            labels=torch.from_numpy(np.stack(labels)) if labels else None,
            boxes=torch.from_numpy(frame.boxes_to_xyxy(np.stack(boxes))).float() if boxes else None,
            masks=torch.stack(masks)[:, None] if masks else None,
        )


@dataclass(frozen=True)
class AskedPlane:
    """An embedded plane or crop, ready to answer prompts.

    Attributes
    ----------
    embedding : Embedding
        Of the plane.
    prompt_encoder, decoder
        Of the model that made it.
    """

    embedding: Embedding
    prompt_encoder: PromptEncoder
    decoder: PromptDecoder

    @property
    def frame(self) -> Frame:
        """How the plane lies in the model's frame."""
        return self.embedding.frame

    def decode(self, prompts: ModelPrompts) -> Decoded:
        """Run the decoder for prompts of equal shape, at most ``decoder.at_once`` of them."""
        device = self.embedding.shared.features.device
        on_device = {
            name: None if value is None else value.to(device)
            for name, value in vars(prompts).items()
        }
        sparse, dense = self.prompt_encoder(**on_device)
        own_image = dense if prompts.masks is not None else None
        return self.decoder.decode(self.embedding.shared, sparse, own_image)

    def ask(self, prompts: Sequence[Prompt], multimask: bool) -> tuple[Tensor, Tensor]:
        """Low-resolution logits (P, 3 or 1, m, m) and predicted IoU (P, 3 or 1).

        The prompts must be of equal shape, at most ``decoder.at_once`` of them.
        """
        decoded = self.decode(ModelPrompts.of(prompts, self.frame))
        outputs = range(1, CANDIDATES + 1) if multimask else range(1)
        logits = self.decoder.masks(decoded, torch.arange(len(prompts)), outputs)
        return logits, decoded.predicted_iou[:, outputs.start : outputs.stop]

    def ask_points(self, points: NDArray[np.float64], bound: float) -> Answers:
        """Candidates for (P, 2) row, column whose predicted IoU exceeds ``bound``."""
        step = self.decoder.at_once
        parts = [
            self._ask_some_points(points[start : start + step], bound)
            for start in range(0, len(points), step)
        ]
        return Answers(
            points=np.concatenate([part.points for part in parts]),
            predicted_iou=torch.cat([part.predicted_iou for part in parts]),
            logits=torch.cat([part.logits for part in parts]),
        )

    def _ask_some_points(self, points: NDArray[np.float64], bound: float) -> Answers:
        xy = torch.from_numpy(self.frame.to_xy(points)).float()[:, None]
        decoded = self.decode(ModelPrompts(points=xy, labels=torch.ones(len(points), 1)))
        scores = decoded.predicted_iou[:, 1:]
        above = scores > bound
        # Masks are made only for prompts of which some candidate is wanted.
        wanted = torch.nonzero(above.any(dim=1)).flatten()
        logits = self.decoder.masks(decoded, wanted, range(1, CANDIDATES + 1))
        row, candidate = torch.nonzero(above[wanted], as_tuple=True)
        return Answers(
            points=points[wanted[row].cpu().numpy()],
            predicted_iou=scores[wanted[row], candidate],
            logits=logits[row, candidate],
        )
