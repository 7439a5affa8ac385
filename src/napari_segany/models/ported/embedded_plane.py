"""Embedded planes of the networks of transformers, and the answers to their prompts."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.geometry import Frame
from napari_segany.core.prompts import Prompt
from napari_segany.models.protocol import PointCandidates
from napari_segany.models.sam.embedded_plane import BOTH, SINGLE, ModelPrompts, sample_features
from napari_segany.models.screening import Screen, SparseEstimate

Result = TypeVar("Result")

AT_ONCE = 8
"""Prompts that are decoded together."""


@dataclass(frozen=True, eq=False)
class PortedEmbedding:
    """The image encoder's output for one plane, an :class:`napari_segany.Embedding`.

    Attributes
    ----------
    features : tuple of Tensor
        float32 on the model's device, as the family's mask decoder reads them; the last is
        (1, C, g, g).
    frame : Frame
        The place of the plane in the model's frame.
    weights_sha256 : str
        Hash of the weights that made it.
    """

    features: tuple[Tensor, ...]
    frame: Frame
    weights_sha256: str

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.frame.shape

    @property
    def stages(self) -> tuple[Tensor, ...]:
        """Empty: no finder reads these families."""
        return ()

    @property
    def nbytes(self) -> int:
        """Bytes of the features."""
        return sum(each.numel() * each.element_size() for each in self.features)

    def without_stages(self) -> "PortedEmbedding":
        """Return the embedding itself, which has no stages."""
        return self


@dataclass(frozen=True)
class PortedPlane:
    """An embedded plane or crop, ready to answer prompts.

    Attributes
    ----------
    embedding : PortedEmbedding
        Of the plane.
    network : torch.nn.Module
        The model's network.
    image : mapping of str to object
        The embedding as the network's arguments.
    """

    embedding: PortedEmbedding
    network: Any
    image: Mapping[str, Any]

    @property
    def frame(self) -> Frame:
        """The place of the plane in the model's frame."""
        return self.embedding.frame

    @property
    def device(self) -> torch.device:
        """The device of the embedding."""
        return self.embedding.features[-1].device

    def predict_alike(
        self,
        prompts: Sequence[Prompt],
        outputs: range,
        finish: Callable[[int, Tensor, Tensor], Result],
        local: float | None = None,
    ) -> Generator[Result]:
        """Yield the results of ``finish`` for prompts of equal shape, one by one.

        See :meth:`napari_segany.models.sam.embedded_plane.EmbeddedPlane.predict_alike`; masks are
        always computed in full.
        """
        del local
        # A mask changes the image that a prompt sees, so it has no group.
        step = 1 if prompts[0].has_mask else AT_ONCE
        for start in range(0, len(prompts), step):
            some = ModelPrompts.of(prompts[start : start + step], self.frame).to(self.device)
            # A group is always full: the last bits of an answer depend on the size of its group.
            logits, scores = self._decode(some.filled(step), outputs)
            for i in range(min(step, len(prompts) - start)):
                yield finish(start + i, logits[i], scores[i])

    @torch.inference_mode()
    def _decode(self, prompts: ModelPrompts, outputs: range) -> tuple[Tensor, Tensor]:
        """Return (n, k, m, m) logits and (n, k) predicted IoU of n prompts, for k outputs."""
        kinds = [False, True] if outputs == BOTH else [outputs != SINGLE]
        answers = [
            self.network(
                **self.image,
                input_points=_batch(prompts.points),
                input_labels=None if prompts.labels is None else prompts.labels[None].int(),
                input_boxes=_batch(prompts.boxes),
                input_masks=prompts.masks,
                multimask_output=many,
            )
            for many in kinds
        ]
        logits = torch.cat([answer.pred_masks[0] for answer in answers], dim=1)
        scores = torch.cat([answer.iou_scores[0] for answer in answers], dim=1)
        return logits.float(), scores.float()

    def predict_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Result],
    ) -> Generator[Result]:
        """Yield the results of ``finish`` for groups of points; see :class:`EmbeddedCrop`."""
        step = min(AT_ONCE, at_once)
        for start in range(0, len(points), step):
            yield finish(self._predict_group(points[start : start + step], step, screen))

    def _predict_group(
        self, points: NDArray[np.float64], step: int, screen: Screen
    ) -> PointCandidates:
        few = [Prompt(points=[point]) for point in points]
        some = ModelPrompts.of(few, self.frame).to(self.device).filled(step)
        logits, scores = self._decode(some, range(1, 4))
        scores = scores[: len(points)]
        wanted = scores > screen.pred_iou
        prompts = torch.nonzero(wanted)[:, 0]
        return PointCandidates(
            prompted=len(points),
            points=points[prompts.cpu().numpy()],
            predicted_iou=scores[wanted],
            estimate=SparseEstimate.nothing(len(prompts)),
            logits=logits[: len(points)][wanted],
        )

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the (P, C) image features at (P, 2) row, column."""
        return sample_features(self.embedding.features[-1], self.frame, points)


def _batch(values: Tensor | None) -> Tensor | None:
    """Return values with an axis for the one image."""
    return None if values is None else values[None]
