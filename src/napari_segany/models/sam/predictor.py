"""Prediction that models share whose planes are prepared before prompts are decoded."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import ClassVar, Generic, Protocol, TypeVar, cast, overload

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError
from napari_segany.models.protocol import Embedding, Multimask
from napari_segany.models.sam.prediction import AnsweringPlane, predict_all
from napari_segany.weights.resolve import Weights


class FramedEmbedding(Protocol):
    """An embedding of a known place in the model's frame, made by known weights."""

    @property
    def frame(self) -> Frame:
        """The place of the plane in the model's frame."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights that made it."""
        ...


Own = TypeVar("Own", bound=FramedEmbedding)


class Predictor(ABC, Generic[Own]):
    """A model that answers prompts on its own embeddings.

    Attributes
    ----------
    embedding_type : type
        Class of the embeddings that it makes.
    weights : Weights
        The weights' name, file and hash.
    """

    embedding_type: ClassVar[type]
    weights: Weights

    @abstractmethod
    def prepare(self, embedding: Embedding) -> AnsweringPlane:
        """Prepare an embedding for prompts."""

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
        """Predict the candidates of prompts; see :meth:`PromptableModel.predict`."""
        known = self._own(embedding)
        found = predict_all(
            partial(self.prepare, embedding),
            known.frame,
            (prompts,) if isinstance(prompts, Prompt) else tuple(prompts),
            multimask,
            ranking,
            low_res_logits,
            should_stop,
        )
        return found[0] if isinstance(prompts, Prompt) else found

    def keep_prepared(self, planes: int) -> None:
        """Keep at least so many planes prepared for prompts, from now on.

        Does nothing for models whose planes need no preparation.
        """

    def check_embedding(self, embedding: Embedding) -> None:
        """Raise InputError unless an embedding was made with the model's weights."""
        self._own(embedding)

    def _own(self, embedding: Embedding) -> Own:
        if not isinstance(embedding, self.embedding_type):
            raise InputError(
                f"An embedding is needed, got {type(embedding).__name__}; "
                "make it with model.embed(plane)."
            )
        own = cast(Own, embedding)
        if own.weights_sha256 != self.weights.sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")
        return own
