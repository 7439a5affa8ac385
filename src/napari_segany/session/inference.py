"""Asking the model about objects of a session, in whatever thread, and what it answered."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.session.state import PromptHistory, SegmentedObject, State

ANSWERS_KEPT = 200
"""Candidates of so many prompts are remembered, so that undoing needs no model."""

LOGITS_KEPT = 100
"""Masks whose logits are remembered, a quarter of a megabyte each."""

ASKED_AT_ONCE = 64
"""Objects whose masks are computed before their logits are let go, which bounds memory."""


class LogitsCache:
    """Low-resolution logits of the latest answers, which further prompts refine.

    Safe to use from any thread. What is forgotten is computed again from the prompts, to the same
    bytes.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Plane, PromptHistory], NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def put(
        self, plane: Plane, prompt: Prompt, before: PromptHistory | None, found: MaskSet
    ) -> None:
        """Remember those of every candidate."""
        every = found.low_res_logits
        if every is None:
            return
        with self._lock:
            for choice, logits in enumerate(every):
                self._known[plane, PromptHistory(prompt, choice, before)] = logits
            while len(self._known) > LOGITS_KEPT:
                self._known.popitem(last=False)

    def get(self, plane: Plane, earlier: PromptHistory) -> NDArray[np.float32] | None:
        """(m, m) logits, None if they are not known any more."""
        with self._lock:
            return self._known.get((plane, earlier))


class Predictor:
    """Embeds planes of an image and asks a model about them; safe to use from any thread.

    Parameters
    ----------
    source : ImageSource
        The image.
    model : PromptableModel
        Who is asked.
    embeddings : EmbeddingCache
        Of this image.
    logits : LogitsCache, optional
        Of this image and model.
    """

    def __init__(
        self,
        source: ImageSource,
        model: PromptableModel,
        embeddings: EmbeddingCache,
        logits: LogitsCache | None = None,
    ) -> None:
        self.source, self.model, self.embeddings = source, model, embeddings
        # What an answer depends on beside image and prompt.
        self.identity = model.weights.id, model.weights.sha256, model.precision
        self.logits = logits or LogitsCache()

    def _key(self, plane: Plane) -> tuple[Plane, str, str]:
        return plane, self.model.weights.sha256, self.model.precision

    def embedding(self, plane: Plane, should_stop: ShouldStop | None = None) -> Embedding:
        """The embedding of a plane, computed unless it is remembered."""
        found = self.embeddings.get(self._key(plane))
        if found is None:
            pixels = self.source.read(plane)
            found = self.model.embed(pixels, limits=self.source.limits, should_stop=should_stop)
            self.embeddings.put(self._key(plane), found)
        return found

    def is_embedded(self, plane: Plane) -> bool:
        """Whether a plane's embedding is remembered."""
        return self._key(plane) in self.embeddings

    def candidates(
        self,
        plane: Plane,
        asked: Sequence[tuple[Prompt, PromptHistory | None]],
        should_stop: ShouldStop | None = None,
    ) -> list[MaskSet]:
        """Candidates for each prompt and what it refines, best first.

        How many are asked at once changes no bit.
        """
        embedding = self.embedding(plane, should_stop)
        found: list[MaskSet] = []
        for start in range(0, len(asked), ASKED_AT_ONCE):
            check(should_stop)
            some = asked[start : start + ASKED_AT_ONCE]
            prompts = [self._refining(plane, *each, should_stop) for each in some]
            sets = self.model.predict(embedding, prompts, should_stop=should_stop)
            for (prompt, before), each in zip(some, sets, strict=True):
                self.logits.put(plane, prompt, before, each)
                found.append(each.without_logits())
        return found

    def _refining(
        self,
        plane: Plane,
        prompt: Prompt,
        before: PromptHistory | None,
        should_stop: ShouldStop | None,
    ) -> Prompt:
        """A prompt with the logits that it refines."""
        if before is None:
            return prompt
        logits = self.logits.get(plane, before)
        if logits is None:
            embedding = self.embedding(plane, should_stop)
            asked = self._refining(plane, before.prompt, before.before, should_stop)
            (found,) = self.model.predict(embedding, [asked], should_stop=should_stop)
            self.logits.put(plane, before.prompt, before.before, found)
            all_logits = found.low_res_logits
            if all_logits is None or not before.choice < len(all_logits):
                raise InputError(f"{before.prompt!r} has no candidate {before.choice}.")
            logits = all_logits[before.choice]
        return Prompt(prompt.points, prompt.labels, prompt.box, mask_logits=logits)


@dataclass(frozen=True, eq=False)
class Request:
    """What a model is to be asked about some objects of one plane.

    Attributes
    ----------
    plane : tuple
        The plane.
    objects : tuple of SegmentedObject
        As they were when the question arose.
    asker : Predictor
        Who asks.
    """

    plane: Plane
    objects: tuple[SegmentedObject, ...]
    asker: Predictor

    def ask(self, should_stop: ShouldStop | None = None) -> list[MaskSet]:
        """The candidates of each object. Any thread may call this."""
        asked = [(each.prompt, each.before) for each in self.objects]
        return self.asker.candidates(self.plane, asked, should_stop)


class CandidateCache:
    """Candidates by plane and prompt; those of long ago are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Plane, PromptHistory], MaskSet] = OrderedDict()

    @staticmethod
    def _key(each: SegmentedObject) -> tuple[Plane, PromptHistory]:
        return each.plane, PromptHistory(each.prompt, 0, each.before)

    def of(self, each: SegmentedObject) -> MaskSet | None:
        """Candidates for what an object is asked for with, None if not known."""
        return self._known.get(self._key(each))

    def missing(self, state: State, asker: Predictor) -> list[Request]:
        """What has to be asked, plane by plane, so that all open objects have candidates."""
        by_plane: dict[Plane, list[SegmentedObject]] = {}
        for each in state.open:
            if self.of(each) is None:
                by_plane.setdefault(each.plane, []).append(each)
        return [Request(plane, tuple(some), asker) for plane, some in by_plane.items()]

    def take(self, question: Request, sets: Sequence[MaskSet], state: State) -> tuple[int, ...]:
        """Remember answers; the numbers of objects that still ask just that."""
        known = []
        for asked, found in zip(question.objects, sets, strict=True):
            self._known[self._key(asked)] = found
            each = state.objects.get(asked.id)
            if each is not None and self._key(each) == self._key(asked):
                known.append(asked.id)
        limit = max(ANSWERS_KEPT, 2 * len(state.open))
        while len(self._known) > limit:
            self._known.popitem(last=False)
        return tuple(known)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


def no_model() -> InputError:
    """What is said when there is none."""
    return InputError("There is no model yet; set session.model = load_model().")
