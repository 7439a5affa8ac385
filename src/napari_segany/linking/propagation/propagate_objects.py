"""Propagation: objects from prompted planes through all others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.linking.propagation.chains import Chain, OnAnswer, largest_section
from napari_segany.linking.propagation.conflicts import resolve_conflicts
from napari_segany.linking.propagation.memory_run import MemoryRun
from napari_segany.linking.propagation.params import OF_REGIONS, PropagationParams
from napari_segany.linking.propagation.prompt_run import PromptRun
from napari_segany.linking.propagation.region_source import FindRegions
from napari_segany.linking.propagation.regions import fill_spans, require_regions
from napari_segany.linking.propagation.result import Given, PropagatedObject, Propagation
from napari_segany.linking.propagation.run import ViewPlane
from napari_segany.linking.propagation.spans import (
    PlaneAnswer,
    Span,
    SpanResult,
    join_directions,
    span_key,
    spans_of,
)
from napari_segany.models.protocol import PromptableModel

LARGEST_ID = 2**31 - 1
"""Largest id of an object: labels are int32."""


def propagate_objects(
    model: PromptableModel,
    view_plane: ViewPlane,
    planes: range,
    prompts: Mapping[int, Mapping[int, Given]],
    params: PropagationParams | None = None,
    *,
    spacing: float | None = None,
    earlier: Propagation | None = None,
    find_regions: FindRegions | None = None,
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
        order, the planes after them forward, and the planes before them backward. With the method
        "memory", 32 objects at a time go this way. Caches, and embeddings computed ahead, belong
        to the caller.
    planes : range
        The planes of the stack, with a step of 1.
    prompts : mapping
        For each object, by id (1 or more), its prompts by plane. A set of one mask is taken as it
        is, and None says that the object is not there. Prompted planes are never overwritten. A
        prompt that gives no mask is left out if the object has a mask on another plane, see
        :attr:`PropagatedObject.without_mask`.
    params : PropagationParams, optional
        Limits and margins.
    spacing : float, optional
        Step between planes in pixels of a plane, above 0: 10 for sections of 50 nm with pixels of
        5 nm. None where it means nothing, as for frames of a movie.
    earlier : Propagation, optional
        An earlier result of the same stack and model. Spans between the same masks are taken from
        it, so a correction runs only as far as the next prompted plane.
    find_regions : callable, optional
        Looks at all planes and returns the regions of the volume; for the method "regions", which
        calls it after the prompted planes and before all others.
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
        If a prompt does not fit, an object has none, or none of them gives a mask; with the method
        "memory", if the model has no video memory; with "regions", if there are none.
    WeightsError
        With the method "memory", if the weights have no video memory.
    Cancelled
        If ``should_stop`` returned True.
    """
    params = params or PropagationParams()
    _check(planes, prompts, spacing)
    find = require_regions(params, find_regions) if params.method == "regions" else None
    needed = (model, view_plane, planes, params, spacing, on_answer, progress, should_stop)
    run = MemoryRun(prompts, *needed) if params.method == "memory" else PromptRun(*needed)
    known = {} if earlier is None or params.neighbour_points else dict(earlier.objects)
    prompted = run.predict_prompts(prompts, known)
    regions = None if find is None else find(params, progress, should_stop)
    answered = {i: _answered(each, prompted[i]) for i, each in prompts.items()}
    reused, missing = _reuse(answered, prompted, known, params, spacing)
    chains = run.follow(prompted, missing)
    objects = {
        i: replace(
            _assemble(answered[i], prompted[i], reused[i], chains, i, params, spacing),
            without_mask={p: g for p, g in prompts[i].items() if p not in answered[i]},
        )
        for i in sorted(prompts)
    }
    if regions is not None:
        followed = resolve_conflicts(objects, params.max_shared, spacing)
        objects = fill_spans(regions, planes, followed, params.min_fit, on_answer, should_stop)
    shape = next(iter(next(iter(prompted.values())).values())).mask.shape
    own = resolve_conflicts(objects, params.max_shared, spacing)
    return Propagation(planes, shape, own, find)


def _answered(given: Mapping[int, Given], found: Mapping[int, PlaneAnswer]) -> dict[int, Given]:
    """Return what is given of an object, without prompts that gave no mask."""
    return {plane: each for plane, each in given.items() if each is None or plane in found}


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
            if earlier is not None and earlier.followed is not None:
                # The choice of a region is made anew, which takes no time.
                earlier = earlier.followed
            if params.method == "memory" and earlier is not None:
                # A prompt is remembered with more than its mask.
                earlier = earlier if _same_ends(span, known[i].given, prompts[i]) else None
            if earlier is not None and earlier.key == _key(span, masks, params, spacing):
                reused[i][span] = earlier
            else:
                missing[i].append(span)
    return reused, missing


def _same_ends(span: Span, before: Mapping[int, Given], now: Mapping[int, Given]) -> bool:
    """Return True if the prompts at the ends of a span are the same, or both are masks."""
    pairs = [(before[p], now[p]) for p in (span.first, span.last) if p is not None]
    return all(
        one is two or (isinstance(one, MaskSet) and isinstance(two, MaskSet)) for one, two in pairs
    )


def _key(
    span: Span, masks: Mapping[int, MaskSet], params: PropagationParams, spacing: float | None
) -> str:
    # How objects are compared with one another, and regions, are decided afterwards.
    later = {"max_shared", "method", *OF_REGIONS}
    settings = {name: value for name, value in asdict(params).items() if name not in later}
    settings["memory"] = params.method == "memory"
    known = {plane: mask for plane, mask in masks.items() if plane in (span.first, span.last)}
    if params.max_reach and known:
        # How fast a round object tapers off, its largest section tells.
        plane, mask = largest_section(masks)
        known[plane] = mask
    return span_key(span, known, settings, spacing)


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
