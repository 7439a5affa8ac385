"""A model that embeds the same pixels once, for all who use it in a process."""

import logging
import threading
from collections import deque
from typing import Any
from weakref import WeakValueDictionary

from numpy.typing import ArrayLike

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.pixel_hash import hash_pixels
from napari_segany.models.model_wrapper import ModelWrapper
from napari_segany.models.protocol import EmbeddedCrop, Embedding, PromptableModel

logger = logging.getLogger(__name__)

KEPT = 4
"""Embeddings that a model keeps for other docks, usually 4 MiB each."""


class SharedModel(ModelWrapper):
    """A model that embeds the same pixels once, whichever dock asks.

    Embeddings that some dock still holds, and the latest ones, are found by a hash of the colours
    that the model sees. Everything else is as the model itself does it, to the same bytes. Any
    thread may call any method.

    Parameters
    ----------
    model : PromptableModel
        The model.
    """

    def __init__(self, model: PromptableModel) -> None:
        super().__init__(model)
        self._known: WeakValueDictionary[bytes, Embedding] = WeakValueDictionary()
        self._latest: deque[Embedding] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        # Another process has docks of its own, or none.
        return _unshared, (self.model,)

    def embed(
        self,
        plane: ArrayLike,
        *,
        limits: Limits | None = None,
        should_stop: ShouldStop | None = None,
        stages: bool = False,
    ) -> Embedding:
        """Return the embedding of a plane; the encoder runs only if it is not known.

        Parameters
        ----------
        plane, limits, should_stop, stages
            See :meth:`PromptableModel.embed`. Stages are not kept.
        """
        rgb = to_rgb(plane, limits)
        if rgb.min() == rgb.max():
            logger.warning(
                "The model sees one brightness in the whole plane: it is constant, or outside of "
                "the contrast limits. Contrast: automatic stretch, or other limits."
            )
        key = hash_pixels(rgb)
        if not stages:
            with self._lock:
                known = self._known.get(key)
            if known is not None:
                check(should_stop)
                return known
        found = self.model.embed(rgb, should_stop=should_stop, stages=stages)
        bare = found.without_stages()
        with self._lock:
            self._known[key] = bare
            self._latest.append(bare)
        return found

    def predict(self, embedding: Embedding, prompts: Any, **options: Any) -> Any:
        """Predict the candidates of prompts; see :meth:`PromptableModel.predict`."""
        return self.model.predict(embedding, prompts, **options)

    def prepare(self, embedding: Embedding) -> EmbeddedCrop:
        """Return an embedding in the form that answers many points."""
        return self.model.prepare(embedding)

    def check_embedding(self, embedding: Embedding) -> None:
        """Raise InputError unless an embedding was made with the model's weights."""
        self.model.check_embedding(embedding)


def _unshared(model: PromptableModel) -> PromptableModel:
    return model
