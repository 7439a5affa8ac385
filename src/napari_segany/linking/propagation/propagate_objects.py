"""Propagation: objects from prompted planes through all others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

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
from napari_segany.linking.propagation.conflicts import resolve_conflicts
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.result import Given, PropagatedObject, Propagation
from napari_segany.linking.propagation.spans import (
    PlaneAnswer,
    Span,
    SpanResult,
    join_directions,
    span_key,
    spans_of,
)
from napari_segany.linking.propagation.step import PlaneQuestion
from napari_segany.models.iterative import refine
from napari_segany.models.protocol import Embedding, PromptableModel

LARGEST_ID = 2**31 - 1
"""Largest id of an object: labels are int32."""

ViewPlane = Callable[[int], PlaneView | None]
"""Return a plane by its number; None for one that is missing or blank."""


def propagate_objects(
    model: PromptableModel,
    view_plane: ViewPlane,
    planes: range,
    prompts: Mapping[int, Mapping[int, Given]],
    params: PropagationParams | None = None,
    *,
    spacing: float | None = None,
    earlier: Propagation | None = None,
    on_answer: OnAnswer | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Propagation:
    """Follow objects from the planes on which they are prompted through all others.

    Parameters
    ----------
    model : PromptableModel
        The model that is asked.
    view_plane : callable
        Gives a plane by its number. It is called for one plane at a time: the prompted planes in
        order, the planes after them forward, and the planes before them backward. Caches, and
        embeddings computed ahead, belong to the caller.
    planes : range
        The planes of the stack, with a step of 1.
    prompts : mapping
        For each object, by id (1 or more), its prompts by plane. A set of one mask is taken as it
        is, and None says that the object is not there. Prompted planes are never overwritten.
    params : PropagationParams, optional
        Limits and margins.
    spacing : float, optional
        Step between planes in pixels of a plane, above 0: 10 for sections of 50 nm with pixels of
        5 nm. None where it means nothing, as for frames of a movie.
    earlier : Propagation, optional
        An earlier result of the same stack and model. Spans between the same masks are taken from
        it, so a correction runs only as far as the next prompted plane.
    on_answer : callable, optional
        Called with object, plane and what was found there. Between prompted planes a plane is
        reported from both sides.
    progress : callable, optional
        Called after each plane with planes of objects done and in all: 20 objects on 200 planes
        are 4000.
    should_stop : callable, optional
        Polled between prompts.

    Returns
    -------
    Propagation
        The objects.

    Raises
    ------
    InputError
        If a prompt does not fit, or an object has none.
    Cancelled
        If ``should_stop`` returned True.
    """
    params = params or PropagationParams()
    _check(planes, prompts, spacing)
    run = _Run(model, view_plane, planes, params, spacing, on_answer, progress, should_stop)
    known = {} if earlier is None or params.neighbour_points else dict(earlier.objects)
    prompted = run.predict_prompts(prompts, known)
    reused, missing = _reuse(prompts, prompted, known, params, spacing)
    chains = run.follow(prompted, missing)
    objects = {
        i: _assemble(prompts[i], prompted[i], reused[i], chains, i, params, spacing)
        for i in sorted(prompts)
    }
    shape = next(iter(next(iter(prompted.values())).values())).mask.shape
    return Propagation(planes, shape, resolve_conflicts(objects, params.max_shared, spacing))


class _Run:
    """One run of propagation: what all its steps need, and the planes that are done."""

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

    def predict_prompts(
        self,
        prompts: Mapping[int, Mapping[int, Given]],
        known: Mapping[int, PropagatedObject],
    ) -> dict[int, dict[int, PlaneAnswer]]:
        """Return the objects on the planes on which they are prompted."""
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
                    if not mask.area[0]:
                        raise InputError(f"Object {i}: its prompt on plane {plane} gives no mask.")
                    found[i][plane] = PlaneAnswer(mask, predicted_iou=float(mask.predicted_iou[0]))
        return found

    def _predict(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[MaskSet]:
        """Return the best mask of each prompt; several points are refined in turn."""
        stop = self._should_stop
        single = [p for p in prompts if p.points is None or len(p.points) < 2]
        predicted = iter(
            self._model.predict(embedding, single, low_res_logits=False, should_stop=stop)
        )
        return [
            (
                next(predicted)
                if p.points is None or len(p.points) < 2
                else refine(self._model, embedding, p, should_stop=stop)
            )[:1].without_logits()
            for p in prompts
        ]

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
                starts[i].append(Start(plane, mask, Appearance.of(mask, view, prepared)))
        chains = [
            chain
            for i, spans in missing.items()
            for span in spans
            for chain in chains_of(i, span, starts[i], self._planes, _largest(prompted[i]))
        ]
        both = [[chain for chain in chains if chain.forward is way] for way in (True, False)]
        planes = [
            (plane, here)
            for some, order in zip(both, (self._planes, self._planes[::-1]), strict=True)
            for plane in order
            if (here := [chain for chain in some if chain.leads_through(plane)])
        ]
        done, total = 0, sum(len(here) for _, here in planes)
        for plane, here in planes:
            self._step(plane, [chain for chain in here if chain.wants(plane)])
            done += len(here)
            if self._progress is not None:
                self._progress(done, total)
        return chains

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
            expected = [chain.expect(plane, self._params, self._spacing) for chain in ready]
            asked = question.ask(expected)
            for chain, (judged, end) in zip(ready, asked, strict=True):
                known = chain.accept(plane, judged, end, self._params, self._spacing)
                if self._on_answer is not None:
                    for number, answer in known.items():
                        self._on_answer(chain.object, number, answer)


def _reuse(
    prompts: Mapping[int, Mapping[int, Given]],
    prompted: Mapping[int, Mapping[int, PlaneAnswer]],
    known: Mapping[int, PropagatedObject],
    params: PropagationParams,
    spacing: float | None,
) -> tuple[dict[int, dict[Span, SpanResult]], dict[int, list[Span]]]:
    """Return the spans of each object that are known already, and those that are not."""
    reused: dict[int, dict[Span, SpanResult]] = {}
    missing: dict[int, list[Span]] = {}
    for i, answers in prompted.items():
        reused[i], missing[i] = {}, []
        masks = {plane: answer.mask for plane, answer in answers.items()}
        for span in spans_of(prompts[i]):
            earlier = known[i].spans.get(span) if i in known else None
            if earlier is not None and earlier.key == _key(span, masks, params, spacing):
                reused[i][span] = earlier
            else:
                missing[i].append(span)
    return reused, missing


def _key(
    span: Span, masks: Mapping[int, MaskSet], params: PropagationParams, spacing: float | None
) -> str:
    # How objects are compared with one another is decided afterwards.
    settings = {name: value for name, value in asdict(params).items() if name != "max_shared"}
    known = {plane: mask for plane, mask in masks.items() if plane in (span.first, span.last)}
    if params.max_reach and known:
        # How fast a round object tapers off, its largest section tells.
        plane, mask = largest_section(masks)
        known[plane] = mask
    return span_key(span, known, settings, spacing)


def _largest(answers: Mapping[int, PlaneAnswer]) -> tuple[int, MaskSet]:
    return largest_section({plane: answer.mask for plane, answer in answers.items()})


def _assemble(
    given: Mapping[int, Given],
    prompted: Mapping[int, PlaneAnswer],
    reused: Mapping[Span, SpanResult],
    chains: Sequence[Chain],
    i: int,
    params: PropagationParams,
    spacing: float | None,
) -> PropagatedObject:
    """Put an object together from the spans that were known and those that were followed."""
    masks = {plane: answer.mask for plane, answer in prompted.items()}
    spans = dict(reused)
    for span in spans_of(given):
        if span in spans:
            continue
        ours = [chain for chain in chains if chain.object == i and chain.span == span]
        if len(ours) == 2:
            one, two = ((chain.start.plane, chain.start.mask) for chain in ours)
            answers, end = join_directions(one, two, ours[0].answers, ours[1].answers), ""
        else:
            answers = dict(ours[0].answers) if ours else {}
            outermost = span.first is None or span.last is None
            end = (ours[0].reason if ours else "") or ("stack" if outermost else "absent")
        spans[span] = SpanResult(_key(span, masks, params, spacing), answers, end)
    each = PropagatedObject(dict(given), dict(sorted(prompted.items())), spans, {})
    return replace(each, answers=each.found())


def _check(
    planes: range, prompts: Mapping[int, Mapping[int, Given]], spacing: float | None
) -> None:
    if not len(planes) or planes.step != 1:
        raise InputError(f"planes must be a range of at least one with a step of 1, got {planes}.")
    if spacing is not None and not spacing > 0:
        raise InputError(f"spacing must be above 0, got {spacing!r}.")
    if not prompts:
        raise InputError("There is no object to propagate; give at least one prompt.")
    for i, each in prompts.items():
        if not 1 <= i <= LARGEST_ID:
            raise InputError(f"Ids of objects must be 1 or more, up to {LARGEST_ID}, got {i}.")
        if all(given is None for given in each.values()):
            raise InputError(f"Object {i} has no prompt on a plane on which it is.")
        for plane, given in each.items():
            if plane not in planes:
                raise InputError(
                    f"Object {i} is prompted on plane {plane}; the stack has planes "
                    f"{planes[0]}..{planes[-1]}."
                )
            if isinstance(given, MaskSet) and (len(given) != 1 or not given.area[0]):
                raise InputError(f"Object {i}: its mask on plane {plane} is not one mask.")
