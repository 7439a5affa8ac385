"""Asking the model about objects of a session, in whatever thread, and what it answered."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.embeddings import EmbeddingCache
from napari_segany.errors import InputError
from napari_segany.models.model import SamModel
from napari_segany.models.prompting import Embedding
from napari_segany.session.objects import SegmentedObject, State
from napari_segany.session.source import ImageSource, Plane

ANSWERS_KEPT = 200
"""Candidates of so many prompts are remembered, so that undoing needs no model."""

ASKED_AT_ONCE = 64
"""Objects whose masks are computed before their logits are let go, which bounds memory."""


class Asker:
    """Embeds planes of an image and asks a model about them; safe to use from any thread.

    Parameters
    ----------
    source : ImageSource
        The image.
    model : SamModel
        Who is asked.
    embeddings : EmbeddingCache
        Of this image.
    """

    def __init__(self, source: ImageSource, model: SamModel, embeddings: EmbeddingCache) -> None:
        self.source, self.model, self.embeddings = source, model, embeddings

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
        self, plane: Plane, prompts: Sequence[Prompt], should_stop: ShouldStop | None = None
    ) -> list[MaskSet]:
        """Candidates for each prompt, best first; how many are asked at once changes no bit."""
        embedding = self.embedding(plane, should_stop)
        found: list[MaskSet] = []
        for start in range(0, len(prompts), ASKED_AT_ONCE):
            check(should_stop)
            some = prompts[start : start + ASKED_AT_ONCE]
            sets = self.model.predict(embedding, some, should_stop=should_stop)
            found += [replace(each, low_res_logits=None) for each in sets]
        return found


@dataclass(frozen=True, eq=False)
class Question:
    """What a model is to be asked about some objects of one plane.

    Attributes
    ----------
    plane : tuple
        The plane.
    objects : tuple of SegmentedObject
        As they were when the question arose.
    asker : Asker
        Who asks.
    """

    plane: Plane
    objects: tuple[SegmentedObject, ...]
    asker: Asker

    def ask(self, should_stop: ShouldStop | None = None) -> list[MaskSet]:
        """The candidates of each object. Any thread may call this."""
        prompts = [each.prompt for each in self.objects]
        return self.asker.candidates(self.plane, prompts, should_stop)


class Answers:
    """Candidates by plane and prompt; those of long ago are forgotten."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Plane, Prompt], MaskSet] = OrderedDict()

    def of(self, each: SegmentedObject) -> MaskSet | None:
        """Candidates for what an object is asked for with, None if not known."""
        return self._known.get((each.plane, each.prompt))

    def missing(self, state: State, asker: Asker) -> list[Question]:
        """What has to be asked, plane by plane, so that all open objects have candidates."""
        by_plane: dict[Plane, list[SegmentedObject]] = {}
        for each in state.open:
            if self.of(each) is None:
                by_plane.setdefault(each.plane, []).append(each)
        return [Question(plane, tuple(some), asker) for plane, some in by_plane.items()]

    def take(self, question: Question, sets: Sequence[MaskSet], state: State) -> tuple[int, ...]:
        """Remember answers; the numbers of objects that still ask just that."""
        known = []
        for asked, found in zip(question.objects, sets, strict=True):
            self._known[asked.plane, asked.prompt] = found
            each = state.objects.get(asked.id)
            if each is not None and each.prompt is asked.prompt:
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
