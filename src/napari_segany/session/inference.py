"""Model inference for the objects of a session, and caches of its results."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.image_source import ImageSource, Plane, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.core.plane_windows import SourcePlane
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.multi_view import views_of, with_views
from napari_segany.models.object_size import LARGE_PLANE
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.tiled_model import with_tiles, without_tiles
from napari_segany.session.painting import apply_paint
from napari_segany.session.prompt_updates import ObjectPrompts, with_object_sizes
from napari_segany.session.state import PaintedPixels, PromptHistory, SegmentedObject, State

CANDIDATES_KEPT = 200
"""Prompts whose candidates stay cached, so that undo needs no model."""

LOGITS_KEPT = 100
"""Masks whose logits stay cached, a quarter of a megabyte each."""

BATCH = 64
"""Objects whose masks are computed before their logits are released, which bounds memory."""


@dataclass(frozen=True, eq=False)
class CropLogits:
    """Low-resolution logits of one candidate and the crop of the plane that they belong to.

    Attributes
    ----------
    logits : ndarray
        (m, m) float32.
    crop : ndarray
        (4,) row_min, col_min, row_max, col_max in pixels; the whole plane unless it is large.
    """

    logits: NDArray[np.float32]
    crop: NDArray[np.int64]


class LogitsCache:
    """Low-resolution logits of the latest candidates, which further prompts refine.

    Safe to use from any thread. Evicted logits are computed again from the prompts, to the same
    bytes.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Plane, PromptHistory], CropLogits] = OrderedDict()
        self._lock = threading.Lock()

    def add(
        self, plane: Plane, prompt: Prompt, before: PromptHistory | None, candidates: MaskSet
    ) -> None:
        """Store the logits of every candidate of a prompt."""
        every = candidates.low_res_logits
        if every is None:
            return
        with self._lock:
            for choice, logits in enumerate(every):
                known = CropLogits(logits, candidates.crop_boxes[choice])
                self._known[plane, PromptHistory(prompt, choice, before)] = known
            while len(self._known) > LOGITS_KEPT:
                self._known.popitem(last=False)

    def get(self, plane: Plane, history: PromptHistory) -> CropLogits | None:
        """Return the logits of a chosen candidate, None if they are not cached."""
        with self._lock:
            return self._known.get((plane, history))


class Predictor:
    """Embeds planes of an image and predicts masks for prompts; safe to use from any thread.

    Parameters
    ----------
    source : ImageSource
        The image.
    model : PromptableModel
        The model; it sees large planes in crops, see :class:`TiledModel`, and each plane or crop
        in several views if it is a :class:`MultiViewModel`.
    embeddings : EmbeddingCache
        Embeddings of this image.
    logits : LogitsCache, optional
        Logits of this image and model.

    Attributes
    ----------
    identity : tuple of str
        Name of the model, sha256 of its weights, precision, and number of views if there are
        several: all that candidates depend on beside image and prompt.
    views : int
        Views of each plane.
    """

    def __init__(
        self,
        source: ImageSource,
        model: PromptableModel,
        embeddings: EmbeddingCache,
        logits: LogitsCache | None = None,
    ) -> None:
        self.source, self.model, self.embeddings = source, with_tiles(model), embeddings
        self.views = views_of(model)
        several = (str(self.views),) if self.views > 1 else ()
        self.identity = model.weights.id, model.weights.sha256, model.precision, *several
        self.logits = logits or LogitsCache()

    def in_one_view(self) -> "Predictor":
        """Return a predictor that sees planes as they are, with logits of its own."""
        return Predictor(self.source, with_views(self.model, 1), self.embeddings)

    def _key(self, plane: Plane) -> tuple[Plane, str, str, int]:
        return plane, self.model.weights.sha256, self.model.precision, self.views

    def embedding(self, plane: Plane, should_stop: ShouldStop | None = None) -> Embedding:
        """Return the embedding of a plane; compute it unless it is cached."""
        found = self.embeddings.get(self._key(plane))
        if found is None:
            large = self.model.is_large(plane_shape(self.source.shape, plane))
            pixels = SourcePlane(self.source, plane) if large else self.source.read(plane)
            found = self.model.embed(pixels, limits=self.source.limits, should_stop=should_stop)
            self.embeddings.put(self._key(plane), found)
        return found

    def is_embedded(self, plane: Plane) -> bool:
        """Return True if the embedding of a plane is cached."""
        return self._key(plane) in self.embeddings

    def uses_as(self, other: "Predictor") -> bool:
        """Return True if another predictor has the same model and cache of embeddings."""
        same = without_tiles(self.model) is without_tiles(other.model)
        return same and self.embeddings is other.embeddings

    def candidates(
        self,
        plane: Plane,
        prompts: Sequence[tuple[Prompt, PromptHistory | None]],
        should_stop: ShouldStop | None = None,
    ) -> list[MaskSet]:
        """Predict candidates for each prompt and the prompt history that it refines, best first.

        The number of prompts that are predicted together changes no bit of the result.
        """
        embedding = self.embedding(plane, should_stop)
        found: list[MaskSet] = []
        for start in range(0, len(prompts), BATCH):
            check(should_stop)
            batch = prompts[start : start + BATCH]
            refining = [self._with_logits(plane, *each, should_stop) for each in batch]
            sets = self.model.predict(embedding, refining, should_stop=should_stop)
            for (prompt, before), candidates in zip(batch, sets, strict=True):
                self.logits.add(plane, prompt, before, candidates)
                found.append(candidates.without_logits())
        return found

    def _with_logits(
        self,
        plane: Plane,
        prompt: Prompt,
        history: PromptHistory | None,
        should_stop: ShouldStop | None,
    ) -> Prompt:
        """Return the prompt with the logits that it refines."""
        if history is None:
            return prompt
        known = self.logits.get(plane, history)
        if known is None:
            embedding = self.embedding(plane, should_stop)
            previous = self._with_logits(plane, history.prompt, history.before, should_stop)
            (candidates,) = self.model.predict(embedding, [previous], should_stop=should_stop)
            self.logits.add(plane, history.prompt, history.before, candidates)
            all_logits = candidates.low_res_logits
            if all_logits is None or not history.choice < len(all_logits):
                raise InputError(f"{history.prompt!r} has no candidate {history.choice}.")
            known = CropLogits(all_logits[history.choice], candidates.crop_boxes[history.choice])
        return prompt.changed(mask=None, mask_logits=known.logits, logits_crop=known.crop)


@dataclass(frozen=True, eq=False)
class Request:
    """Objects of one plane that have no candidates yet, with the predictor for them.

    Attributes
    ----------
    plane : tuple
        The plane.
    objects : tuple of SegmentedObject
        The objects at the moment of the request.
    predictor : Predictor
        Predicts their candidates.
    """

    plane: Plane
    objects: tuple[SegmentedObject, ...]
    predictor: Predictor

    def predict(self, should_stop: ShouldStop | None = None) -> list[MaskSet]:
        """Return the candidates of each object. Any thread may call this method."""
        prompts = [(each.prompt, each.before) for each in self.objects]
        return self.predictor.candidates(self.plane, prompts, should_stop)


class CandidateCache:
    """Candidates by plane and prompt; the oldest are evicted."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Plane, PromptHistory], MaskSet] = OrderedDict()

    @staticmethod
    def _key(each: SegmentedObject) -> tuple[Plane, PromptHistory]:
        return each.plane, PromptHistory(each.prompt, 0, each.before)

    def get(self, each: SegmentedObject) -> MaskSet | None:
        """Return the candidates for the prompt of an object, None if they are not known."""
        return self._known.get(self._key(each))

    def missing(self, state: State) -> dict[Plane, list[SegmentedObject]]:
        """Return the open objects without candidates, by plane."""
        by_plane: dict[Plane, list[SegmentedObject]] = {}
        for each in state.open:
            if self.get(each) is None:
                by_plane.setdefault(each.plane, []).append(each)
        return by_plane

    def add(self, request: Request, sets: Sequence[MaskSet], state: State) -> tuple[int, ...]:
        """Store candidates; return the numbers of objects that still have the same prompt."""
        known = []
        for requested, candidates in zip(request.objects, sets, strict=True):
            self._known[self._key(requested)] = candidates
            each = state.objects.get(requested.id)
            if each is not None and self._key(each) == self._key(requested):
                known.append(requested.id)
        limit = max(CANDIDATES_KEPT, 2 * len(state.open))
        while len(self._known) > limit:
            self._known.popitem(last=False)
        return tuple(known)


class Inference:
    """The model of a session with its caches: embeddings, logits and candidates of one image.

    Parameters
    ----------
    source : ImageSource
        The image.
    model : PromptableModel, optional
        The model; can be set later.
    embeddings : EmbeddingCache, optional
        Embeddings of the image's planes.
    """

    def __init__(
        self,
        source: ImageSource,
        model: PromptableModel | None = None,
        embeddings: EmbeddingCache | None = None,
    ) -> None:
        self.source, self.model = source, model
        # An empty cache is false.
        self.embeddings = EmbeddingCache() if embeddings is None else embeddings
        self._candidates, self._logits = CandidateCache(), LogitsCache()
        self._painted = OrderedDict[tuple[MaskSet, PaintedPixels], MaskSet]()

    @property
    def predictor(self) -> Predictor:
        """A predictor for the present image and model; InputError if there is no model."""
        if self.model is None:
            raise InputError("There is no model yet; set session.model = load_model().")
        return Predictor(self.source, self.model, self.embeddings, self._logits)

    def with_object_sizes(
        self, state: State, wanted: ObjectPrompts, size: float | None
    ) -> ObjectPrompts:
        """Return prompts of large planes with the size of their objects, which decides the scale.

        The default is that of the model; see :func:`prompt_updates.with_object_sizes`.
        """
        model = None if self.model is None else with_tiles(self.model)
        size = size or (None if model is None else model.object_size)
        limit = LARGE_PLANE if model is None else model.large_plane
        shape = self.source.shape
        large = {
            number: (plane, prompt)
            for number, (plane, prompt) in wanted.items()
            if size is not None and max(plane_shape(shape, plane)) > limit
        }
        return wanted if size is None else {**wanted, **with_object_sizes(state, large, size)}

    def is_embedded(self, plane: Plane) -> bool:
        """Return True if there is a model and the embedding of a plane is cached."""
        return self.model is not None and self.predictor.is_embedded(plane)

    def clear(self, source: ImageSource | None = None) -> None:
        """Clear embeddings, logits and candidates; from now on read the image from ``source``."""
        self.source = self.source if source is None else source
        # A new cache: an embedding that is being computed still goes into the old one.
        self.embeddings = EmbeddingCache(self.embeddings.max_bytes)
        self._candidates, self._logits = CandidateCache(), LogitsCache()
        self._painted.clear()

    def candidates(self, each: SegmentedObject) -> MaskSet | None:
        """Return the candidates of an object, best first; None if they are not known.

        Pixels that were painted by hand are on them, or off them.
        """
        found = self._candidates.get(each)
        if found is None or each.painted is None:
            return found
        key = found, each.painted
        if key not in self._painted:
            self._painted[key] = apply_paint(found, each.painted)
            while len(self._painted) > CANDIDATES_KEPT:
                self._painted.popitem(last=False)
        return self._painted[key]

    def requests(self, state: State) -> list[Request]:
        """Return a request for each plane with open objects that have no candidates."""
        predictor = self.predictor
        missing = self._candidates.missing(state)
        return [Request(plane, tuple(some), predictor) for plane, some in missing.items()]

    def add_candidates(
        self, request: Request, sets: Sequence[MaskSet], state: State
    ) -> tuple[int, ...]:
        """Store what :meth:`Request.predict` returned.

        Returns
        -------
        tuple of int
            Numbers of the objects whose candidates are now known. Candidates of another model or
            of earlier pixels are dropped.
        """
        if self.model is None or not request.predictor.uses_as(self.predictor):
            return ()
        return self._candidates.add(request, sets, state)
