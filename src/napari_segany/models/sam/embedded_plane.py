"""Embedded planes of the SAM family, and their prompts in the form of the networks."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segany.core.geometry import Frame
from napari_segany.core.prompts import Prompt
from napari_segany.models.protocol import Multimask, PointCandidates
from napari_segany.models.sam.thread_pool import share_out, spread
from napari_segany.models.screening import (
    Screen,
    SparseEstimate,
    around,
    leaves,
    regions,
    sampled_tokens,
)
from napari_segany.networks.decoder.decoding import Decoded, PromptDecoder
from napari_segany.networks.decoder.image_projections import SharedImage
from napari_segany.networks.decoder.upscaling import Sample
from napari_segany.networks.mask_decoder import CANDIDATES
from napari_segany.networks.prompt_encoder import PromptEncoder

Result = TypeVar("Result")

SINGLE, MULTIPLE, BOTH = range(1), range(1, CANDIDATES + 1), range(CANDIDATES + 1)
"""Indices of the decoder's masks of each kind of answer."""

ELSEWHERE = -20.0
"""Logits of cells that a mask does not reach, which are not computed."""


@dataclass(frozen=True, eq=False)
class SamEmbedding:
    """The image encoder's output for one plane, an :class:`napari_segany.Embedding`.

    Attributes
    ----------
    features : Tensor
        (C, g, g) float32, on the model's device.
    frame : Frame
        The place of the plane in the model's frame.
    weights_sha256 : str
        Hash of the weights that made it; other weights cannot use it.
    stages : tuple of Tensor
        (C, h, w) results of the encoder's finer stages, finest first, in the type in which the
        encoder computed, channels last in memory; empty unless they were asked for.
    """

    features: Tensor
    frame: Frame
    weights_sha256: str
    stages: tuple[Tensor, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.frame.shape

    @property
    def nbytes(self) -> int:
        """Bytes of the features and stages."""
        return sum(each.numel() * each.element_size() for each in (self.features, *self.stages))

    def without_stages(self) -> "SamEmbedding":
        """Return the embedding without stages; itself if it has none."""
        return replace(self, stages=()) if self.stages else self


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
            frame.place_mask(p.region.mask(0))
            if p.region is not None
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

    def filled(self, count: int) -> "ModelPrompts":
        """Return the prompts with the last one repeated until there are ``count``."""
        return ModelPrompts(
            *(
                None if value is None else torch.cat([value, *[value[-1:]] * (count - len(value))])
                for value in vars(self).values()
            )
        )

    def to(self, device: torch.device) -> "ModelPrompts":
        """Return the prompts on a device."""
        return ModelPrompts(
            *(None if value is None else value.to(device) for value in vars(self).values())
        )


@torch.inference_mode()
def sample_features(
    features: Tensor, frame: Frame, points: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the (P, C) values of (1, C, g, g) features at (P, 2) row, column of a plane."""
    xy = torch.from_numpy(frame.to_xy(points)).float().to(features.device)
    # Within the centres of the outermost tokens, so that no padding is ever needed: Apple's
    # GPUs have none at the border.
    most = 1 - 1 / features.shape[-1]
    where = (xy / frame.side * 2 - 1).clamp(-most, most)[None, None]
    sampled = F.grid_sample(features, where, align_corners=False)
    at_points: NDArray[np.float32] = sampled[0, :, 0].T.cpu().numpy()
    return at_points


def outputs_of(multimask: Multimask, ambiguous: bool) -> range:
    """Return the indices of the decoder's masks that an answer consists of."""
    if multimask == "both":
        return BOTH
    many = ambiguous if multimask == "auto" else multimask
    return MULTIPLE if many else SINGLE


@dataclass(frozen=True)
class EmbeddedPlane:
    """An embedded plane or crop, ready to answer prompts.

    Attributes
    ----------
    embedding : SamEmbedding
        Of the plane.
    shared : SharedImage
        The image's projections, which all its prompts share.
    prompt_encoder, decoder
        Of the model that made it.
    """

    embedding: SamEmbedding
    shared: SharedImage
    prompt_encoder: PromptEncoder
    decoder: PromptDecoder

    @property
    def frame(self) -> Frame:
        """The place of the plane in the model's frame."""
        return self.embedding.frame

    @property
    def grid(self) -> int:
        """Side of the embedding."""
        return self.embedding.features.shape[-1]

    @property
    def device(self) -> torch.device:
        """The device of the embedding."""
        return self.embedding.features.device

    def predict_alike(
        self,
        prompts: Sequence[Prompt],
        outputs: range,
        finish: Callable[[int, Tensor, Tensor], Result],
        local: float | None = None,
    ) -> Generator[Result]:
        """Predict for prompts of equal shape.

        Parameters
        ----------
        prompts : sequence of Prompt
            At least one.
        outputs : range
            Masks of each answer: ``SINGLE``, ``MULTIPLE`` or ``BOTH``.
        finish : callable
            Called, by several threads, with the number of each prompt, its low-resolution logits
            (k, m, m) and predicted IoU (k), for k outputs.
        local : float, optional
            Compute masks only where their logits can be above minus this; elsewhere they are
            ``ELSEWHERE``.

        Yields
        ------
        object
            The result of ``finish``, prompt by prompt.
        """
        # A mask changes the image that a prompt sees, so it has no group.
        step = 1 if prompts[0].has_mask else self.decoder.prompts_at_once

        def answer(start: int) -> list[Result]:
            some = ModelPrompts.of(prompts[start : start + step], self.frame).to(self.device)
            count = min(step, len(prompts) - start)
            # A group is always full: the last bits of an answer depend on the size of its group.
            sparse, dense = self.prompt_encoder(**vars(some.filled(step)))
            shared = self.shared
            if some.masks is not None:
                shared = self.decoder.share(self.embedding.features, dense)
            decoded = self.decoder.decode(shared, sparse, outputs, count)
            if local is not None:
                boxes = None if some.boxes is None or len(outputs) > 1 else some.boxes
                logits = self._local_masks(decoded, count, local, boxes)
            else:
                logits = self._in_parts(decoded, count)
            scores = decoded.predicted_iou[:, outputs.start : outputs.stop]
            return [finish(start + i, logits[i], scores[i]) for i in range(count)]

        with closing(spread(answer, range(0, len(prompts), step), self.device)) as parts:
            for part in parts:
                yield from part

    def predict_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Result],
    ) -> Generator[Result]:
        """Yield the candidates of (P, 2) row, column that pass a screen.

        Points are decoded in groups of at most ``at_once``. Yields the result of ``finish`` for
        each group, in order; it is called by several threads.
        """
        step = min(self.decoder.at_once, at_once)

        def answer(start: int) -> Result:
            return finish(self._predict_group(points[start : start + step], step, screen))

        yield from spread(answer, range(0, len(points), step), self.device)

    @cached_property
    def _sample(self) -> Sample:
        """The image tokens at which estimates are sampled."""
        return self._sample_of(self.shared)

    def _sample_of(self, shared: SharedImage) -> Sample:
        tokens = sampled_tokens(self.frame, self.grid).to(self.device)
        return Sample(tokens, shared.upscaled.index_select(1, tokens))

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the (P, C) image features at (P, 2) row, column."""
        return sample_features(self.embedding.features[None], self.frame, points)

    def _predict_group(
        self, points: NDArray[np.float64], step: int, screen: Screen
    ) -> PointCandidates:
        count = len(points)
        full = np.concatenate([points, np.repeat(points[-1:], step - count, axis=0)])
        xy = torch.from_numpy(self.frame.to_xy(full)).float()[:, None].to(self.device)
        sparse, _ = self.prompt_encoder(points=xy, labels=torch.ones(step, 1, device=self.device))
        decoded = self.decoder.decode(self.shared, sparse, range(1, CANDIDATES + 1), count)
        scores = decoded.predicted_iou[:count, 1:]
        # Masks are made only of candidates that are wanted. Nothing that is computed depends on
        # which others are, so that looser bounds give the same masks to the last bit.
        wanted = scores > screen.pred_iou
        if not wanted.any():
            return PointCandidates.nothing(count, 4 * self.grid, self.device)
        prompts, candidates = torch.nonzero(wanted, as_tuple=True)
        estimate, places = SparseEstimate.nothing(len(prompts)), None
        if screen.sparse:
            with_candidates = torch.nonzero(wanted.any(dim=1)).flatten()
            weights = decoded.weights[with_candidates]
            sampled = self.decoder.fine_logits(decoded, with_candidates, weights, self._sample)
            sampled = sampled[wanted[with_candidates]]
            estimate = SparseEstimate.of(sampled, screen.offset)
        able = estimate.passes(screen.stability, screen.max_area)
        chosen = torch.from_numpy(np.flatnonzero(able)).to(self.device)
        prompts, candidates = prompts[chosen], candidates[chosen]
        if screen.sparse:
            places = regions(sampled[chosen], self._sample.tokens, self.grid, screen.offset)
        return PointCandidates(
            prompted=count,
            points=points[prompts.cpu().numpy()],
            predicted_iou=scores[prompts, candidates],
            estimate=estimate[able],
            logits=self._low_res(decoded, prompts, candidates, places, screen.offset),
        )

    def _in_parts(self, decoded: Decoded, count: int) -> Tensor:
        """Compute (count, k, m, m) logits of all masks of an answer.

        Those of a prompt are made in two halves, so that a single click is answered by two cores.
        """
        if self.device.type != "cpu":
            return self.decoder.masks(decoded, count)
        half = self.grid // 2
        halves = [(0, 0, half, self.grid), (half, 0, self.grid, self.grid)]
        parts = share_out(
            lambda part: self.decoder.local_logits(decoded, part[0], slice(None), part[1]),
            [(prompt, box) for prompt in range(count) for box in halves],
        )
        return torch.stack(
            [torch.cat(parts[2 * prompt : 2 * prompt + 2], dim=1) for prompt in range(count)]
        )

    def _local_masks(
        self, decoded: Decoded, count: int, offset: float, boxes: Tensor | None
    ) -> Tensor:
        """Compute (count, k, m, m) logits of all masks of an answer, each in its own region.

        The region is around a box, if the prompts are boxes, and else where an estimate sees it.
        """
        many = decoded.weights.shape[1]
        everyone = torch.arange(count, device=self.device)
        if boxes is not None:
            places = around(boxes.cpu().numpy(), self.frame.side, self.grid)
        else:
            shared = decoded.shared
            sample = self._sample if shared is self.shared else self._sample_of(shared)
            sampled = self.decoder.fine_logits(decoded, everyone, decoded.weights[:count], sample)
            places = regions(sampled.flatten(0, 1), sample.tokens, self.grid, offset)
        prompts = everyone.repeat_interleave(many)
        candidates = torch.arange(many, device=self.device).repeat(count)
        logits = self._low_res(decoded, prompts, candidates, places, offset)
        return logits.view(count, many, *logits.shape[1:])

    def _low_res(
        self,
        decoded: Decoded,
        prompts: Tensor,
        candidates: Tensor,
        places: list[tuple[int, int, int, int] | None] | None,
        offset: float,
    ) -> Tensor:
        """Compute (K, m, m) logits; masks whose place is known are computed there only."""
        weights = decoded.weights
        logits = weights.new_full((len(prompts), 4 * self.grid, 4 * self.grid), ELSEWHERE)
        everywhere = torch.ones(len(prompts), dtype=torch.bool, device=self.device)
        for i, box in enumerate(places or ()):
            if box is None:
                continue
            prompt, candidate = int(prompts[i]), int(candidates[i])
            mask = slice(candidate, candidate + 1)
            local = self.decoder.local_logits(decoded, prompt, mask, box)[0]
            if not leaves(local, box, self.grid, offset):
                a, b, c, d = (4 * n for n in box)
                logits[i, a:c, b:d] = local
                everywhere[i] = False
        if everywhere.any():
            decoded_prompts, number = prompts[everywhere].unique(return_inverse=True)
            fine = self.decoder.fine_logits(decoded, decoded_prompts, weights[decoded_prompts])
            logits[everywhere] = self.decoder.placed(fine[number, candidates[everywhere]])
        return logits
