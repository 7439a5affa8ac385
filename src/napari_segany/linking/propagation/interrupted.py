"""Objects whose propagation was stopped, as far as they are known."""

from collections.abc import Mapping
from dataclasses import replace

from napari_segany.core.masks import MaskSet
from napari_segany.linking.propagation.conflicts import resolve_conflicts
from napari_segany.linking.propagation.result import PropagatedObject
from napari_segany.linking.propagation.spans import PlaneAnswer, Span, SpanResult, spans_of


def interrupted_objects(
    given: Mapping[int, Mapping[int, MaskSet | None]],
    answers: Mapping[int, Mapping[int, PlaneAnswer]],
    max_shared: float,
    spacing: float | None = None,
) -> dict[int, PropagatedObject]:
    """Return objects with the planes that were reported before their propagation was stopped.

    Given as ``earlier`` to :func:`propagate_objects`, all of their spans are searched again.

    Parameters
    ----------
    given : mapping
        Masks on prompted planes by id of the object, None where it is said not to be.
    answers : mapping
        What was reported of each object, by plane.
    max_shared : float
        See :class:`PropagationParams`.
    spacing : float, optional
        Step between planes in pixels of a plane.

    Returns
    -------
    dict
        The objects by id; their spans end with "stopped".
    """
    objects = {}
    for i, masks in given.items():
        prompted = {p: PlaneAnswer(mask) for p, mask in sorted(masks.items()) if mask is not None}
        found = {p: a for p, a in sorted(answers.get(i, {}).items()) if p not in masks}
        spans = {span: _stopped(span, found) for span in spans_of(masks)}
        each = PropagatedObject(dict(masks), prompted, spans, {})
        objects[i] = replace(each, answers=each.found())
    return resolve_conflicts(objects, max_shared, spacing)


def _stopped(span: Span, answers: Mapping[int, PlaneAnswer]) -> SpanResult:
    """Return the part of a span that was reached. No span has its key, so it is searched again."""
    inside = {
        plane: answer
        for plane, answer in answers.items()
        if (span.first is None or plane > span.first) and (span.last is None or plane < span.last)
    }
    return SpanResult("", inside, "stopped")
