"""Protocols of promptable models: the model, its embeddings and embedded crops of planes.

Generators, sessions, batches and docks use models through these protocols only. A new family of
models is a package that implements them, and an entry in :mod:`napari_segany.models.registry`.
"""

import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, overload, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.geometry import PlaneFrame
from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError
from napari_segany.models.device import Precision
from napari_segany.models.screening import Screen, SparseEstimate
from napari_segany.networks.encoder_sketch import EncoderSketch
from napari_segany.weights.catalog import ModelDefaults

Result = TypeVar("Result")

Multimask = bool | Literal["auto", "both"]
"""Several candidates, or the single-mask answer; "auto" goes by the prompt, "both" gives both."""


@dataclass(frozen=True)
class PointCandidates:
    """K candidate masks in the model's frame, of one group of points.

    Attributes
    ----------
    prompted : int
        Number of points in the group.
    points : ndarray
        (K, 2) row, column in the crop of the point that each candidate answers.
    predicted_iou : Tensor
        (K,) float32.
    estimate : SparseEstimate
        Bounds on stability and area, estimated before the candidates were computed.
    logits : Tensor
        (K, m, m) float32.
    """

    prompted: int
    points: NDArray[np.float64]
    predicted_iou: Tensor
    estimate: SparseEstimate
    logits: Tensor

    @classmethod
    def nothing(cls, prompted: int, side: int, device: torch.device) -> "PointCandidates":
        """Return an empty group: no candidate for ``prompted`` points."""
        none = torch.zeros(0, device=device)
        return cls(
            prompted, np.zeros((0, 2)), none, SparseEstimate.nothing(0), none.view(0, side, side)
        )


class EmbeddedCrop(Protocol):
    """An embedded crop of a plane, prepared to answer many points."""

    @property
    def frame(self) -> PlaneFrame:
        """The relation between the crop's pixels and the cells of low-resolution logits."""
        ...

    def predict_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Result],
    ) -> Generator[Result]:
        """Yield the candidates of (P, 2) row, column in the crop, in groups of ``at_once`` or less.

        ``finish`` is given the candidates of each group that pass the screen, maybe in several
        threads; its results come in the order of the points. Which candidates a screen lets
        through must not change the others.
        """
        ...

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the (P, C) image features at (P, 2) row, column in the crop."""
        ...


@runtime_checkable
class Embedding(Protocol):
    """The image encoder's output for one plane, from :meth:`PromptableModel.embed`.

    Its tensors belong to the model's family; other code keeps it, counts its bytes and gives it
    back to the model.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        ...

    @property
    def frame(self) -> PlaneFrame:
        """The relation between the plane's pixels and the cells of low-resolution logits."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights that made it; models with other weights refuse it."""
        ...

    @property
    def stages(self) -> tuple[Tensor, ...]:
        """(C, h, w) results of the encoder's finer stages; empty unless they were asked for.

        They take more memory than the rest. :meth:`without_stages` frees them once objects are
        found.
        """
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of memory, stages included."""
        ...

    def without_stages(self) -> "Embedding":
        """Return the embedding without stages; for prompts it is the same embedding."""
        ...


class WeightsIdentity(Protocol):
    """The name and hash of a model's weights."""

    @property
    def id(self) -> str:
        """Name or path that resolves to the weights."""
        ...

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 hash of the weights' file."""
        ...


@runtime_checkable
class PromptableModel(Protocol):
    """A model that embeds a plane once and then answers prompts about it.

    Methods may be called from any thread, also at once: docks share a model. The same prompt on
    the same embedding gives the same bytes, alone or among others.
    """

    @property
    def id(self) -> str:
        """The model's name in the catalogue, or the name it was imported under."""
        ...

    @property
    def weights(self) -> WeightsIdentity:
        """The weights' name and hash, as recipes record them."""
        ...

    @property
    def precision(self) -> Precision:
        """The precision of its arithmetic, "auto" resolved."""
        ...

    @property
    def device(self) -> torch.device:
        """The device on which it computes."""
        ...

    @property
    def defaults(self) -> ModelDefaults:
        """Thresholds of automatic segmentation that its authors use."""
        ...

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> Embedding:
        """Run the image encoder on a (Y, X) or (Y, X, 3) plane.

        With ``stages`` the embedding keeps what a finder reads beside it, if the model has any
        (see :attr:`Embedding.stages`); the rest of it is the same to the last bit.

        Raises
        ------
        InputError
            If ``plane`` holds no image.
        Cancelled
            If ``should_stop`` returned True.
        """
        ...

    @overload
    def predict(
        self,
        embedding: Embedding,
        prompts: Prompt,
        *,
        multimask: Multimask = ...,
        ranking: Ranking = ...,
        low_res_logits: bool = ...,
        should_stop: ShouldStop | None = ...,
    ) -> MaskSet: ...

    @overload
    def predict(
        self,
        embedding: Embedding,
        prompts: Iterable[Prompt],
        *,
        multimask: Multimask = ...,
        ranking: Ranking = ...,
        low_res_logits: bool = ...,
        should_stop: ShouldStop | None = ...,
    ) -> list[MaskSet]: ...

    def predict(
        self,
        embedding: Embedding,
        prompts: Prompt | Iterable[Prompt],
        *,
        multimask: Multimask = "auto",
        ranking: Ranking = "plausible",
        low_res_logits: bool = True,
        should_stop: ShouldStop | None = None,
    ) -> MaskSet | list[MaskSet]:
        """Predict the candidates of one prompt, or of many in batches.

        Parameters
        ----------
        embedding : Embedding
            From :meth:`embed` of this model.
        prompts : Prompt or iterable of Prompt
            One object each.
        multimask : bool, "auto" or "both"
            Three candidates for each prompt, or the single-mask answer; "auto" gives three to
            prompts of one point without box or mask, which are ambiguous; "both" gives the
            single-mask answer first and then the three.
        ranking : {"plausible", "predicted_iou", "decoder"}
            Order of candidates, best first: by predicted IoU, with "plausible" putting those
            that cover more than half of the plane last. "decoder" leaves them as they come.
        low_res_logits : bool
            True for sets with logits. Without, masks are computed only where they lie. Logits of
            more than a thousand masks are not kept but computed again, to the same bytes, each
            time that they are read.
        should_stop : callable, optional
            Polled between prompts.

        Returns
        -------
        MaskSet or list of MaskSet
            The candidates, best first, with their low-resolution logits; one set a prompt.

        Raises
        ------
        InputError
            If a prompt does not fit the plane, or the embedding is another model's.
        Cancelled
            If ``should_stop`` returned True.
        """
        ...

    def prepare(self, embedding: Embedding) -> EmbeddedCrop:
        """Return an embedding in the form that answers many points."""
        ...

    def check_embedding(self, embedding: Embedding) -> None:
        """Raise InputError unless an embedding was made with the model's weights."""
        ...

    def sketch_encoder(self) -> EncoderSketch | None:
        """Return the sketch of the image encoder's weights, by which finders that fit are found.

        None for a model whose encoder no finder can read; its embeddings need no stages.
        """
        ...


def check_loaded(model: object) -> None:
    """Raise InputError if the name or the file of a model is given in place of the model.

    Functions on single planes take a loaded model, because loading takes longer than they do.
    """
    if isinstance(model, (str, os.PathLike)):
        name = os.fspath(model)
        raise InputError(
            f"model must be a loaded model, got {name!r}; load it once with "
            f"napari_segany.load_model({name!r})."
        )
