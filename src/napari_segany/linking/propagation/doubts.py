"""Planes of a followed object that deserve a look: those with most pixels that are probably wrong.

A limit of the confidence alone hides them. Where objects are followed well, hardly any plane is
below it, though some are wrong; and where an object ends too early, there is no confidence at all.
"""

from collections.abc import Collection, Mapping

from napari_segany.linking.propagation.spans import PlaneAnswer, Span, SpanResult

WRONG = 2.9
"""Wrong pixels, in areas of the mask, for each unit of confidence that is missing. By least squares
on synthetic volumes (``docs/decisions/0033-planes-to-look-at.md``)."""

BEHIND_END = 0.3
"""Pixels that are missed on the plane behind an end, in areas of the last mask; from the same."""

LOOKS = 3
"""Planes of an object that are proposed, if no more are doubtful."""


def expected_errors(answers: Mapping[int, PlaneAnswer]) -> dict[int, float]:
    """Return how many pixels are probably wrong, by plane on which an object was found.

    Prompted planes are left out.
    """
    return {
        plane: WRONG * (1 - answer.confidence) * int(answer.mask.area[0])
        for plane, answer in answers.items()
        if answer.source != "prompt"
    }


def expected_behind_ends(
    answers: Mapping[int, PlaneAnswer],
    given: Collection[int],
    spans: Mapping[Span, SpanResult],
    planes: range,
) -> dict[int, float]:
    """Return how many pixels are probably missed, by plane behind an end of an object.

    Ends at the end of the stack, at planes that are prompted or on which the object is said not to
    be, and where the search was stopped, are left out.

    Parameters
    ----------
    answers : mapping
        The object by plane.
    given : collection of int
        Planes that are prompted, or on which it is said not to be.
    spans : mapping
        What was found between and beyond them.
    planes : range
        The planes of the stack.
    """
    found = {}
    for last, step in ((min(answers), -1), (max(answers), 1)) if answers else ():
        behind = last + step
        if behind in planes and behind not in given and _ends_at(behind, spans):
            found[behind] = BEHIND_END * int(answers[last].mask.area[0])
    return found


def _ends_at(plane: int, spans: Mapping[Span, SpanResult]) -> bool:
    """Return True if an object was looked for on a plane, and did not go on there."""
    ends = [
        result.end
        for span, result in spans.items()
        if (span.first is None or span.first < plane) and (span.last is None or plane < span.last)
    ]
    return any(end not in ("", "stack", "absent", "stopped") for end in ends)


def planes_to_check(
    expected: Mapping[int, float], answers: Mapping[int, PlaneAnswer], below: float
) -> list[int]:
    """Return the planes that deserve a look, those with most wrong pixels first.

    They are the first :data:`LOOKS`, and all others below a confidence.

    Parameters
    ----------
    expected : mapping
        Pixels that are probably wrong, by plane.
    answers : mapping
        The object by plane.
    below : float
        The confidence, 0..1.
    """
    ranked = sorted(expected, key=lambda plane: (-expected[plane], plane))
    return ranked[:LOOKS] + [
        plane for plane in ranked[LOOKS:] if plane in answers and answers[plane].confidence < below
    ]
