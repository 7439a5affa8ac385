"""A model that sees a plane and its mirror images, and answers with the mean of what it sees.

This is test-time augmentation: an encoder draws the same object a little differently at another
place of its frame, and the mean of several answers is nearer to the object than each of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.geometry import PlaneFrame
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.lazy_logits import Logits, RecomputedLogits
from napari_segany.core.masks import MaskSet
from napari_segany.core.plane_flips import FLIPS
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError
from napari_segany.models.model_wrapper import ModelWrapper, keep_prepared
from napari_segany.models.protocol import EmbeddedCrop, Embedding, Multimask, PromptableModel
from napari_segany.models.sam.embedded_plane import BOTH, outputs_of
from napari_segany.models.sam.prediction import LOGITS_KEPT, draw_candidates, ranked
from napari_segany.models.tiled_model import TiledModel, without_tiles
from napari_segany.models.video_protocol import Recalled, VideoMemory

MOST_VIEWS = len(FLIPS) + 1
"""Views of a plane: as it is, and all mirror images."""

AT_ONCE = 16
"""Prompts whose answers to all views are held together, which bounds memory: 4 MB each."""


@dataclass(frozen=True, eq=False)
class MultiViewEmbedding:
    """The embeddings of a plane and of its mirror images, a :class:`napari_segany.Embedding`.

    Attributes
    ----------
    own : Embedding
        Of the plane.
    mirrored : tuple of Embedding
        Of its mirror images, in the order of :data:`FLIPS`.
    """

    own: Embedding
    mirrored: tuple[Embedding, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.own.shape

    @property
    def frame(self) -> PlaneFrame:
        """The place of the plane, and of each mirror image, in the model's frame."""
        return self.own.frame

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights that made it."""
        return self.own.weights_sha256

    @property
    def stages(self) -> tuple[Tensor, ...]:
        """No finer stages: finders see the plane as it is."""
        return ()

    @property
    def nbytes(self) -> int:
        """Bytes of all embeddings."""
        return self.own.nbytes + sum(each.nbytes for each in self.mirrored)

    def without_stages(self) -> "MultiViewEmbedding":
        """Return the embedding itself, which has no stages."""
        return self


class MultiViewModel(ModelWrapper):
    """A model whose answer to a prompt is the mean of its answers to several views of the plane.

    Low-resolution logits and predicted IoU are averaged, candidate by candidate, and masks are
    drawn from the mean. It takes as many times as long as there are views, for embedding and for
    prompts. Embeddings that the model made by itself are answered as the model answers them.
    Points on a grid and finders (:meth:`prepare`, stages) see the plane as it is. Models of the
    SAM 2 family choose by themselves what the single mask shows, in each view. Any thread may
    call any method.

    Parameters
    ----------
    model : PromptableModel
        The model.
    views : int
        2 to 4: the plane, turned by 180 degrees, and its mirror images along columns and rows.
    """

    def __init__(self, model: PromptableModel, views: int) -> None:
        if not isinstance(views, int) or not 2 <= views <= MOST_VIEWS:
            raise InputError(f"views must be 2..{MOST_VIEWS}, got {views!r}.")
        if isinstance(model, (MultiViewModel, TiledModel)):
            raise InputError(
                "The views are those of the model itself; for crops of large planes give "
                "TiledModel(MultiViewModel(model, views))."
            )
        super().__init__(model)
        self.views, self._flips = views, FLIPS[: views - 1]

    def __reduce__(self) -> Any:
        return MultiViewModel, (self.model, self.views)

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> Embedding:
        """Embed a plane and its mirror images.

        Parameters
        ----------
        plane : array_like
            (Y, X) or (Y, X, 3).
        limits, should_stop
            See :meth:`PromptableModel.embed`.
        stages : bool
            True for finders: only the plane is embedded.
        """
        if stages:
            return self.model.embed(plane, limits=limits, should_stop=should_stop, stages=True)
        self._keep_views_prepared()
        # Gray and colours are settled once, so that all views have the same.
        rgb = to_rgb(plane, limits)
        views = [rgb, *(flip.plane(rgb) for flip in self._flips)]
        own, *mirrored = (self.model.embed(view, should_stop=should_stop) for view in views)
        return MultiViewEmbedding(own, tuple(mirrored))

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
        if not isinstance(embedding, MultiViewEmbedding):
            return self.model.predict(
                embedding,
                prompts,
                multimask=multimask,
                ranking=ranking,
                low_res_logits=low_res_logits,
                should_stop=should_stop,
            )
        self.check_embedding(embedding)
        self._keep_views_prepared()
        given = (prompts,) if isinstance(prompts, Prompt) else tuple(prompts)
        for prompt in given:
            if not isinstance(prompt, Prompt):
                raise InputError(f"prompts must be of type Prompt, got {prompt!r}.")
            prompt.check_inside(embedding.shape)
        # The box of a mask is that of the mask as it is.
        asked = [prompt.completed() for prompt in given]
        found: list[MaskSet] = []
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            answers = self._mean_answers(embedding, some, multimask, should_stop)
            for prompt, (logits, predicted_iou) in zip(some, answers, strict=True):
                kept: Logits | None = logits if low_res_logits else None
                if low_res_logits and len(asked) * len(logits) > LOGITS_KEPT:
                    again = partial(self._logits_of, embedding, prompt, multimask)
                    kept = RecomputedLogits(again, np.arange(len(logits)))
                low = torch.from_numpy(logits)
                drawn = draw_candidates(low, predicted_iou, embedding.frame, prompt, kept)
                first = int(outputs_of(multimask, prompt.is_ambiguous) == BOTH)
                found.append(ranked(drawn, ranking, first))
        return found[0] if isinstance(prompts, Prompt) else found

    def _keep_views_prepared(self) -> None:
        """Let the model keep all views of a plane prepared, and one plane of somebody else."""
        keep_prepared(self.model, self.views + 1)

    def _mean_answers(
        self,
        embedding: MultiViewEmbedding,
        prompts: Sequence[Prompt],
        multimask: Multimask,
        should_stop: ShouldStop | None = None,
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Return the (k, m, m) logits and (k,) predicted IoU of each prompt, the mean of views."""
        frame = embedding.frame
        options: dict[str, Any] = {
            "multimask": multimask,
            "ranking": "decoder",
            "should_stop": should_stop,
        }
        own = self.model.predict(embedding.own, prompts, **options)
        sums = [(_logits(each), each.predicted_iou) for each in own]
        for flip, view in zip(self._flips, embedding.mirrored, strict=True):
            flipped = [flip.prompt(prompt, frame) for prompt in prompts]
            answers = self.model.predict(view, flipped, **options)
            sums = [
                (logits + flip.logits(_logits(each), frame), iou + each.predicted_iou)
                for (logits, iou), each in zip(sums, answers, strict=True)
            ]
        part = np.float32(1 / self.views)
        return [(logits * part, iou * part) for logits, iou in sums]

    def _logits_of(
        self, embedding: MultiViewEmbedding, prompt: Prompt, multimask: Multimask
    ) -> NDArray[np.float32]:
        """Compute the (k, m, m) logits of one prompt again, in the order of the decoder."""
        ((logits, _),) = self._mean_answers(embedding, [prompt], multimask)
        return logits

    def prepare(self, embedding: Embedding) -> EmbeddedCrop:
        """Return an embedding in the form that answers many points: the plane as it is."""
        return self.model.prepare(in_one_view(embedding))

    def check_embedding(self, embedding: Embedding) -> None:
        """Raise InputError unless an embedding was made with the model's weights."""
        self.model.check_embedding(in_one_view(embedding))
        if isinstance(embedding, MultiViewEmbedding) and len(embedding.mirrored) != self.views - 1:
            raise InputError(
                f"The embedding has {len(embedding.mirrored) + 1} views, the model {self.views}; "
                "embed the plane again."
            )

    def video_memory(self) -> VideoMemory:
        """Return the video memory of the model, which sees planes as they are."""
        return _OwnMemory(super().video_memory())


def _logits(found: MaskSet) -> NDArray[np.float32]:
    logits = found.low_res_logits
    assert logits is not None
    return logits


class _OwnMemory:
    """The video memory of a model, which sees planes as they are."""

    def __init__(self, memory: VideoMemory) -> None:
        self.begin = memory.begin
        self._memory = memory

    def see(
        self,
        embedding: Embedding,
        given: Sequence[Prompt | MaskSet],
        should_stop: ShouldStop | None = None,
    ) -> list[Recalled]:
        return self._memory.see(in_one_view(embedding), given, should_stop)

    def recall(
        self,
        embedding: Embedding,
        plane: int,
        objects: Sequence[Any],
        should_stop: ShouldStop | None = None,
    ) -> list[Recalled]:
        return self._memory.recall(in_one_view(embedding), plane, objects, should_stop)


def in_one_view(embedding: Embedding) -> Embedding:
    """Return the embedding of the plane as it is."""
    return embedding.own if isinstance(embedding, MultiViewEmbedding) else embedding


def with_views(model: PromptableModel, views: int) -> PromptableModel:
    """Return a model that sees planes, and crops of large planes, in several views.

    Parameters
    ----------
    model : PromptableModel
        The model, whatever views it has.
    views : int
        1 to 4.
    """
    if views_of(model) == views:
        return model
    if isinstance(model, TiledModel):
        seen = with_views(model.model, views)
        return TiledModel(seen, object_size=model.object_size, large_plane=model.large_plane)
    own = model.model if isinstance(model, MultiViewModel) else model
    return own if views == 1 else MultiViewModel(own, views)


def views_of(model: PromptableModel) -> int:
    """Return the number of views in which a model sees a plane."""
    own = without_tiles(model)
    return own.views if isinstance(own, MultiViewModel) else 1
