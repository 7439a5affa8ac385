"""Planes of a followed object that deserve a look: the least confident ones, and its ends.

A limit of the confidence alone hides them. Where objects are followed well, hardly any plane is
below it, though some are wrong; and where an object ends too early, there is no confidence at all.
"""

from collections.abc import Collection, Mapping

from napari_segany.linking.propagation.spans import PlaneAnswer, Span, SpanResult

END_CONFIDENCE = 0.9
"""Confidence that the plane behind an end is without the object. On synthetic nuclei such planes
missed as much as planes of that confidence had wrong
(``docs/decisions/0033-planes-to-look-at.md``)."""

LOOKS = 3
"""Planes of an object that are proposed, if no more are doubtful."""


def confidences_to_check(
    answers: Mapping[int, PlaneAnswer],
    given: Collection[int],
    spans: Mapping[Span, SpanResult],
    planes: range,
) -> dict[int, float]:
    """Return the confidence by plane on which an object was found or has ended.

    Prompted planes are left out. So are ends at the end of the stack, at planes that are prompted
    or on which the object is said not to be, and where the search was stopped.

    Parameters
    ----------
    answers : mapping
        The object by plane.
    given : collection of int
        Planes that are prompted, or on which it is said not to be.
    spans : mapping
        What was found between and beyond them; empty where ends are not known yet.
    planes : range
        The planes of the stack.
    """
    found = {p: each.confidence for p, each in answers.items() if each.source != "prompt"}
    for last, step in ((min(answers), -1), (max(answers), 1)) if answers else ():
        behind = last + step
        if behind in planes and behind not in given and _ends_at(behind, spans):
            found[behind] = END_CONFIDENCE
    return found


def _ends_at(plane: int, spans: Mapping[Span, SpanResult]) -> bool:
    """Return True if an object was looked for on a plane, and did not go on there."""
    ends = [
        result.end
        for span, result in spans.items()
        if (span.first is None or span.first < plane) and (span.last is None or plane < span.last)
    ]
    return any(end not in ("", "stack", "absent", "stopped") for end in ends)


def planes_to_check(confidences: Mapping[int, float], below: float) -> list[int]:
    """Return the planes that deserve a look, the least confident first.

    They are the first :data:`LOOKS`, and all others below a confidence.

    Parameters
    ----------
    confidences : mapping
        See :func:`confidences_to_check`.
    below : float
        The confidence, 0..1.
    """
    ranked = sorted(confidences, key=lambda plane: (confidences[plane], plane))
    return ranked[:LOOKS] + [plane for plane in ranked[LOOKS:] if confidences[plane] < below]
