"""The half of a session that asks the model, and knows what it answered."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.masks import MaskSet
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import PromptableModel
from napari_segany.session.inference import (
    CandidateCache,
    LogitsCache,
    Predictor,
    Request,
    no_model,
)
from napari_segany.session.state import State


class Inquiry(ABC):
    """Asks a model about the open objects of a state.

    Parameters
    ----------
    source : ImageSource
        The image.
    model : PromptableModel, optional
        Who is asked; can be set later.
    cache : EmbeddingCache, optional
        Embeddings of planes.

    Attributes
    ----------
    changed : Signal
        Emitted after every step, with the state before and the state after.
    answered : Signal
        Emitted with the numbers of objects whose candidates are now known.
    """

    changed = Signal(State, State)
    answered = Signal(tuple)

    def __init__(
        self, source: ImageSource, model: PromptableModel | None, cache: EmbeddingCache | None
    ) -> None:
        self.source = source
        # One that is empty is false.
        self.embeddings = EmbeddingCache() if cache is None else cache
        self._model = model
        self._answers, self._logits = CandidateCache(), LogitsCache()

    @property
    @abstractmethod
    def state(self) -> State:
        """All objects, frozen."""

    @property
    def model(self) -> PromptableModel | None:
        """Who is asked. Another one forgets embeddings and candidates, but no object."""
        return self._model

    @model.setter
    def model(self, model: PromptableModel | None) -> None:
        if model is not self._model:
            self._model = model
            self.forget_image()

    @property
    def asker(self) -> Predictor:
        """Who asks the model, from any thread; InputError if there is no model yet."""
        if self._model is None:
            raise no_model()
        return Predictor(self.source, self._model, self.embeddings, self._logits)

    def is_embedded(self, plane: Plane) -> bool:
        """Whether a plane's embedding is remembered."""
        return self._model is not None and self.asker.is_embedded(plane)

    def forget_image(self) -> None:
        """Forget embeddings and candidates, because the image's pixels have changed."""
        # Another cache: what is being embedded at this moment still goes into the old one.
        self.embeddings = EmbeddingCache(self.embeddings.max_bytes)
        self._logits = LogitsCache()
        self._answers.clear()
        self.changed.emit(self.state, self.state)

    # Asking ---------------------------------------------------------------------------------

    def candidates(self, number: int | None = None) -> MaskSet | None:
        """Candidates of an open object (the active one), best first; None if not known yet."""
        number = self.state.active if number is None else number
        each = None if number is None else self.state.objects.get(number)
        return None if each is None else self._answers.of(each)

    def questions(self) -> list[Request]:
        """What has to be asked so that the candidates of every open object are known."""
        return self._answers.missing(self.state, self.asker)

    def answer(self, question: Request, sets: Sequence[MaskSet]) -> bool:
        """Take up what :meth:`Request.ask` returned.

        Returns
        -------
        bool
            Whether any of it answers what the session still asks; what came too late is left out.
        """
        asker = question.asker
        if asker.model is not self._model or asker.embeddings is not self.embeddings:
            return False
        known = self._answers.take(question, sets, self.state)
        if known:
            self.answered.emit(known)
        return bool(known)

    def ask(self, should_stop: ShouldStop | None = None) -> MaskSet | None:
        """Ask all there is to ask and wait; returns the active object's candidates."""
        for question in self.questions():
            self.answer(question, question.ask(should_stop))
        return self.candidates()

    def preview(self, number: int | None = None) -> MaskSet | None:
        """The one mask that an open object (the active one) means at present."""
        number = self.state.active if number is None else number
        found = self.candidates(number)
        if found is None or number is None or not len(found):
            return None
        return found[min(self.state.objects[number].choice, len(found) - 1)]
