"""A model that sees objects of large planes at the right scale."""

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any, overload

import numpy as np

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.core.notes import note
from napari_segany.core.plane_windows import plane_size, sampled_limits, windowed
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError
from napari_segany.models.model_wrapper import ModelWrapper
from napari_segany.models.object_size import LARGE_PLANE
from napari_segany.models.protocol import EmbeddedCrop, Embedding, Multimask, PromptableModel
from napari_segany.models.tiled.answers import Options, predict_in_crops
from napari_segany.models.tiled.embedding import TiledEmbedding

logger = logging.getLogger(__name__)

CROPS_NOTE = "The plane is %d x %d pixels, so the model sees a crop around each prompt; %s"
"""Note about a large plane, with what decides the scale."""


class TiledModel(ModelWrapper):
    """A model that embeds planes above 2048 pixels in crops, at the scale that prompts ask for.

    Smaller planes, and everything but prompts, are as the model itself does them, to the same
    bytes. On a large plane each prompt is answered from a crop in which its object has about the
    size that suits the model: the size of its box or mask, or ``object_size``. An answer that
    reaches the crop's border is asked again in a shifted or larger crop. The answer depends on the
    plane, the prompt and these parameters only. Any thread may call any method.

    Parameters
    ----------
    model : PromptableModel
        The model.
    object_size : float, optional
        Longer side in pixels, about, of objects that are prompted by points and state no size. By
        default a pixel of the plane is one of the model's frame of 1024.
    large_plane : int
        Longer side in pixels above which a plane is embedded in crops.
    """

    def __init__(
        self,
        model: PromptableModel,
        *,
        object_size: float | None = None,
        large_plane: int = LARGE_PLANE,
    ) -> None:
        if object_size is not None and not object_size > 0:
            raise InputError(f"object_size must be above 0, got {object_size!r}.")
        super().__init__(model)
        self.object_size, self.large_plane = object_size, large_plane

    def __reduce__(self) -> Any:
        return partial(TiledModel, object_size=self.object_size, large_plane=self.large_plane), (
            self.model,
        )

    def is_large(self, shape: tuple[int, int]) -> bool:
        """Return True if a plane of (H, W) pixels is embedded in crops."""
        return max(shape) > self.large_plane

    def _describe_scale(self) -> str:
        """Return what decides the scale of points, and the option that says otherwise."""
        if self.object_size is None:
            return "points are seen at full size unless an object size is given (--object-size)."
        return f"points are about objects of {self.object_size:g} pixels (--object-size)."

    def embed(
        self,
        plane: Any,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> Embedding:
        """Embed a plane, or return a :class:`TiledEmbedding` of a large one, which embeds later.

        Parameters
        ----------
        plane : array_like or WindowedPlane
            (Y, X) or (Y, X, 3); of a large plane only windows are read, so that it may be lazy.
        limits, should_stop
            See :meth:`PromptableModel.embed`. Percentiles of a large plane are those of a sample.
        stages : bool
            True for finders, which embed a plane as a whole, however large it is.
        """
        size = plane_size(plane)
        if stages or size is None or not self.is_large(size):
            return self.model.embed(plane, limits=limits, should_stop=should_stop, stages=stages)
        note(logger, CROPS_NOTE, *size, self._describe_scale())
        lazy = windowed(plane)
        known = sampled_limits(lazy, limits)
        check(should_stop)
        return TiledEmbedding(
            self.model, lazy, known, lambda: self.model.embed(np.asarray(lazy), limits=limits)
        )

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
        """Predict the candidates of prompts; see :meth:`PromptableModel.predict`.

        Logits of a large plane belong to the crop that ``crop_boxes`` names; candidates other than
        the first may be cut at its border.
        """
        if not isinstance(embedding, TiledEmbedding):
            return self.model.predict(
                embedding,
                prompts,
                multimask=multimask,
                ranking=ranking,
                low_res_logits=low_res_logits,
                should_stop=should_stop,
            )
        self.check_embedding(embedding)
        asked = (prompts,) if isinstance(prompts, Prompt) else tuple(prompts)
        answers = predict_in_crops(
            self.model,
            embedding,
            asked,
            self.object_size,
            Options(multimask, ranking, low_res_logits),
            should_stop,
        )
        return answers[0] if isinstance(prompts, Prompt) else answers

    def prepare(self, embedding: Embedding) -> EmbeddedCrop:
        """Return an embedding in the form that answers many points: a large plane as a whole."""
        return self.model.prepare(_whole(embedding))

    def check_embedding(self, embedding: Embedding) -> None:
        """Raise InputError unless an embedding was made with the model's weights."""
        if not isinstance(embedding, TiledEmbedding):
            self.model.check_embedding(embedding)
        elif embedding.weights_sha256 != self.weights.sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")


def _whole(embedding: Embedding) -> Embedding:
    return embedding.whole if isinstance(embedding, TiledEmbedding) else embedding


def with_tiles(model: PromptableModel) -> TiledModel:
    """Return a model that sees large planes in crops: itself if it does."""
    return model if isinstance(model, TiledModel) else TiledModel(model)


def without_tiles(model: PromptableModel) -> PromptableModel:
    """Return a model that embeds planes of any size as a whole."""
    return model.model if isinstance(model, TiledModel) else model
