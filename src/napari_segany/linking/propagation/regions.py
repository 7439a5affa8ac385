"""Propagation by regions: a region of the volume that fits an object is the object.

A finder's maps of all planes are cut into nested regions. An object is followed by prompts first.
The region that fits both the prompted masks and what was found then takes its place, with a first
and a last plane of its own. What is found in a span depends on its ends, so a correction reaches as
far as the next prompted planes. Where none fits, the object stays as it was followed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.linking.mask_geometry import diameter
from napari_segany.linking.propagation.chains import OnAnswer
from napari_segany.linking.propagation.compare import Overlap, compare_shapes
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.region_source import FindRegions, RegionSource
from napari_segany.linking.propagation.result import PropagatedObject
from napari_segany.linking.propagation.spans import (
    PlaneAnswer,
    Source,
    Span,
    SpanResult,
)
from napari_segany.linking.propagation.step import Judged


def require_regions(params: PropagationParams, find_regions: FindRegions | None) -> FindRegions:
    """Return what finds regions.

    Raises
    ------
    InputError
        If there is nothing to find regions with, or objects move.
    """
    if params.predict_motion:
        raise InputError(
            "Regions reach from plane to plane of a volume, and objects of a movie move; choose "
            "the method 'prompts'."
        )
    if find_regions is None:
        raise InputError("There are no regions of the volume; choose the method 'prompts'.")
    return find_regions


def fill_spans(
    regions: RegionSource,
    planes: range,
    objects: Mapping[int, PropagatedObject],
    min_fit: float,
    on_answer: OnAnswer | None,
    should_stop: ShouldStop | None,
) -> dict[int, PropagatedObject]:
    """Return objects with regions in the spans in which one fits.

    Parameters
    ----------
    regions : RegionSource
        The regions.
    planes : range
        Planes of the stack.
    objects : mapping
        The objects, as they were followed by prompts and compared with one another.
    min_fit : float
        Least IoU of a region with the prompted masks at the ends of a span.
    on_answer, should_stop
        See :func:`propagate_objects`.
    """
    spans = [
        (i, span, within)
        for i, each in objects.items()
        for span in each.spans
        if (within := planes_within(span, planes)) and any(_ends(span, each).values())
    ]
    numbers, fits = regions.select(
        [_ends(span, objects[i]) for i, span, _ in spans],
        [_followed(objects[i], within) for i, _, within in spans],
        should_stop,
    )
    fitting = [k for k, fit in enumerate(fits.tolist()) if fit > 0 and fit >= min_fit]
    wanted = [(int(numbers[k]), spans[k][2]) for k in fitting]
    found = {i: dict(each.spans) for i, each in objects.items()}
    for k, sections in zip(fitting, regions.sections(wanted, should_stop), strict=True):
        i, span, within = spans[k]
        masks = {p: mask for p, mask in _ends(span, objects[i]).items() if mask is not None}
        if len(masks) == 2 and len(sections) < len(within):
            # Between planes on which the object is, it is on every plane.
            continue
        score, fit = float(regions.scores[numbers[k]]), float(fits[k])
        answers = dict(sorted(_answers(masks, sections, score, fit).items()))
        end, followed = _end(span, within, masks, sections), objects[i].spans[span]
        found[i][span] = SpanResult(followed.key, answers, end, followed)
        if on_answer is not None:
            for plane, answer in answers.items():
                on_answer(i, plane, answer)
    filled = {i: replace(each, spans=found[i]) for i, each in objects.items()}
    return {i: replace(each, answers=each.found()) for i, each in filled.items()}


def planes_within(span: Span, planes: range) -> range:
    """Return the planes of a stack that belong to a span."""
    first = planes.start if span.first is None else span.first + 1
    return range(first, planes.stop if span.last is None else span.last)


def _ends(span: Span, each: PropagatedObject) -> dict[int, MaskSet | None]:
    """Return the masks of an object at the ends of a span, by plane."""
    ends = [p for p in (span.first, span.last) if p is not None]
    return {p: each.prompted[p].mask if p in each.prompted else None for p in ends}


def _followed(each: PropagatedObject, within: range) -> dict[int, MaskSet | None]:
    """Return what was found of an object on some planes."""
    return {p: each.answers[p].mask if p in each.answers else None for p in within}


def _end(span: Span, within: range, masks: Mapping[int, MaskSet], sections: Iterable[int]) -> str:
    """Return why an object ends in a span; empty between planes on which it is."""
    if len(masks) == 2:
        return ""
    backward = span.last in masks
    if within[0 if backward else -1] not in sections:
        return "region"
    return "stack" if (span.first if backward else span.last) is None else "absent"


def _answers(
    masks: Mapping[int, MaskSet], sections: Mapping[int, MaskSet], score: float, fit: float
) -> dict[int, PlaneAnswer]:
    """Return the sections of a region as answers, each compared with the one before it.

    Parameters
    ----------
    masks : mapping
        The object on the prompted planes beside them.
    sections : mapping
        The region by plane.
    score, fit : float
        Expected IoU of the region, and its IoU with the prompted masks.
    """
    found: dict[int, PlaneAnswer] = {}
    for plane, section in sections.items():
        start = min(masks, key=lambda prompted: abs(prompted - plane))
        step = 1 if start < plane else -1
        last = next((p for p in range(plane - step, start, -step) if p in sections), start)
        before = masks[start] if last == start else sections[last]
        overlap: Overlap = compare_shapes(before, section, diameter(before))[0]
        judged = Judged(section, score, overlap, fit)
        source: Source = "forward" if step > 0 else "backward"
        found[plane] = PlaneAnswer(section, judged.confidence, score, overlap.iou, fit, source)
    return found
