"""Runs of propagation: the prompted planes first, then plane after plane in both directions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.linking.propagation.appearance import Appearance, PlaneView
from napari_segany.linking.propagation.chains import (
    Chain,
    OnAnswer,
    Start,
    chains_of,
    largest_section,
)
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.result import Given, PropagatedObject
from napari_segany.linking.propagation.spans import PlaneAnswer, Span
from napari_segany.linking.propagation.step import Judged, PlaneQuestion
from napari_segany.models.protocol import Embedding, PromptableModel

ViewPlane = Callable[[int], PlaneView | None]
"""Return a plane by its number; None for one that is missing or blank."""


class PropagationRun(ABC):
    """One run of propagation: what all its steps need, whichever way objects are looked for.

    Parameters
    ----------
    model, view_plane, planes, params, spacing, on_answer, progress, should_stop
        See :func:`propagate_objects`.
    """

    def __init__(
        self,
        model: PromptableModel,
        view_plane: ViewPlane,
        planes: range,
        params: PropagationParams,
        spacing: float | None,
        on_answer: OnAnswer | None,
        progress: Progress | None,
        should_stop: ShouldStop | None,
    ) -> None:
        self._model, self._view_plane, self._planes = model, view_plane, planes
        self._params, self._spacing, self._should_stop = params, spacing, should_stop
        self._on_answer, self._progress = on_answer, progress

    @abstractmethod
    def _predict(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[MaskSet]:
        """Return one mask for each prompt on its plane."""

    @abstractmethod
    def _ask(
        self, plane: int, question: PlaneQuestion, ready: Sequence[Chain]
    ) -> list[tuple[Judged, str]]:
        """Return the best candidate of each chain on a plane, and why it ends there."""

    def _passes(self, chains: Sequence[Chain]) -> Iterable[tuple[bool, Sequence[Chain]]]:
        """Return the direction of each pass through the stack, and the chains that go with it."""
        return [(way, [each for each in chains if each.forward is way]) for way in (True, False)]

    def predict_prompts(
        self,
        prompts: Mapping[int, Mapping[int, Given]],
        known: Mapping[int, PropagatedObject],
    ) -> dict[int, dict[int, PlaneAnswer]]:
        """Return the objects on the planes on which they are prompted.

        A prompt that gives no mask is left out if the object has a mask on another plane: a
        correction that fails takes nothing away.

        Raises
        ------
        InputError
            If an object has no mask at all, or its plane is missing or blank.
        """
        found: dict[int, dict[int, PlaneAnswer]] = {i: {} for i in sorted(prompts)}
        for plane in sorted({plane for each in prompts.values() for plane in each}):
            asked: dict[int, Prompt] = {}
            for i in sorted(i for i in prompts if plane in prompts[i]):
                given = prompts[i][plane]
                if given is None:
                    continue
                if isinstance(given, MaskSet):
                    found[i][plane] = PlaneAnswer(given.without_logits())
                elif i in known and known[i].given.get(plane) is given:
                    found[i][plane] = known[i].prompted[plane]
                else:
                    asked[i] = given
            if asked:
                check(self._should_stop)
                embedding = self._view(plane).embedding
                masks = self._predict(embedding, list(asked.values()))
                for i, mask in zip(asked, masks, strict=True):
                    if mask.area[0]:
                        iou = float(mask.predicted_iou[0])
                        found[i][plane] = PlaneAnswer(mask, predicted_iou=iou)
        for i in (i for i, answers in found.items() if not answers):
            plane = min(plane for plane, given in prompts[i].items() if given is not None)
            raise InputError(f"Object {i}: its prompt on plane {plane} gives no mask.")
        return found

    def _view(self, plane: int) -> PlaneView:
        view = self._view_plane(plane)
        if view is None:
            raise InputError(f"Plane {plane} is prompted, but it is missing or blank.")
        return view

    def follow(
        self,
        prompted: Mapping[int, Mapping[int, PlaneAnswer]],
        missing: Mapping[int, Sequence[Span]],
    ) -> list[Chain]:
        """Return the chains of all objects through the spans that are missing, at their ends."""
        starts = self._find_starts(prompted, missing)
        largest = {
            i: largest_section({plane: each.mask for plane, each in prompted[i].items()})
            for i in missing
        }
        chains = [
            chain
            for i, spans in missing.items()
            for span in spans
            for chain in chains_of(i, span, starts[i], self._planes, largest[i])
        ]
        planes = [
            (plane, here)
            for forward, some in self._passes(chains)
            for plane in (self._planes if forward else self._planes[::-1])
            if (here := [chain for chain in some if chain.leads_through(plane)])
        ]
        done, total = 0, sum(len(here) for _, here in planes)
        for plane, here in planes:
            self._step(plane, [chain for chain in here if chain.wants(plane)])
            done += len(here)
            if self._progress is not None:
                self._progress(done, total)
        return chains

    def _find_starts(
        self,
        prompted: Mapping[int, Mapping[int, PlaneAnswer]],
        missing: Mapping[int, Sequence[Span]],
    ) -> dict[int, list[Start]]:
        """Return the objects on the prompted planes at the ends of the spans that are missing."""
        needed: dict[int, dict[int, MaskSet]] = {}
        for i, spans in missing.items():
            for span in spans:
                for plane in (span.first, span.last):
                    if plane is not None and plane in prompted[i]:
                        needed.setdefault(plane, {})[i] = prompted[i][plane].mask
        starts: dict[int, list[Start]] = {i: [] for i in missing}
        for plane in sorted(needed):
            check(self._should_stop)
            view = self._view(plane)
            prepared = self._model.prepare(view.embedding)
            for i, mask in needed[plane].items():
                check(self._should_stop)
                starts[i].append(Start(plane, mask, Appearance.of(mask, view, prepared)))
        return starts

    def _step(self, plane: int, ready: Sequence[Chain]) -> None:
        """Look for objects on a plane."""
        check(self._should_stop)
        for chain in ready:
            chain.check_reach(plane, self._params, self._spacing)
        ready = [chain for chain in ready if not chain.end]
        view = self._view_plane(plane) if ready else None
        if view is not None:
            question = PlaneQuestion(
                self._model, view, self._params, self._spacing, self._should_stop
            )
            asked = self._ask(plane, question, ready)
            for chain, (judged, end) in zip(ready, asked, strict=True):
                known = chain.accept(plane, judged, end, self._params, self._spacing)
                self._note(plane, chain, known)

    def _note(self, plane: int, chain: Chain, known: Mapping[int, PlaneAnswer]) -> None:
        """Report what is known of an object after a plane, by plane."""
        if self._on_answer is not None:
            for number, answer in known.items():
                self._on_answer(chain.object, number, answer)
