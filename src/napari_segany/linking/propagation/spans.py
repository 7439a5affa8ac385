"""Spans of planes between prompted planes, and the result in each of them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import mask_iou

Source = Literal["prompt", "forward", "backward"]
"""Source of a mask: a prompt on the plane, or the planes before or after it."""


@dataclass(frozen=True, eq=False)
class PlaneAnswer:
    """An object on one plane.

    Attributes
    ----------
    mask : MaskSet
        One mask without logits.
    confidence : float
        0..1; 1 on prompted planes.
    predicted_iou : float
        The model's own estimate.
    overlap : float
        IoU with the mask on the plane before, after the best shift, 0..1.
    similarity : float
        Likeness to the object on the prompted plane, 0..1.
    source : {"prompt", "forward", "backward"}
        A prompt on this plane, or the planes before or after it.
    """

    mask: MaskSet
    confidence: float = 1.0
    predicted_iou: float = 1.0
    overlap: float = 1.0
    similarity: float = 1.0
    source: Source = "prompt"


@dataclass(frozen=True)
class Span:
    """Planes between two prompted planes of an object, or beyond the first or the last.

    Attributes
    ----------
    first, last : int or None
        Prompted planes before and after it, which do not belong to it; None where there is none.
    """

    first: int | None
    last: int | None


def spans_of(prompted: Iterable[int]) -> list[Span]:
    """Return the spans that prompted planes divide a stack into, in order.

    Examples
    --------
    >>> spans_of([4, 9])
    [Span(first=None, last=4), Span(first=4, last=9), Span(first=9, last=None)]
    """
    ends = [None, *sorted(prompted), None]
    return [Span(first, last) for first, last in pairwise(ends)]


@dataclass(frozen=True, eq=False)
class SpanResult:
    """The planes of a span on which an object was found.

    Attributes
    ----------
    key : str
        Hash of all that decides what is followed, beside the images and the model.
    answers : mapping
        The object by plane.
    end : str
        Why it ends: "area", "score", "overlap", "growth", "similarity", "presence", "reach",
        "region" at the end of its region, "stack" at the end of the stack, "absent" at a plane
        where it is said not to be, or "stopped"; empty between prompted planes.
    followed : SpanResult or None
        What was found by prompts from plane to plane, if a region has taken its place.
    """

    key: str
    answers: Mapping[int, PlaneAnswer]
    end: str
    followed: "SpanResult | None" = None


def span_key(span: Span, masks: Mapping[int, MaskSet], *settings: object) -> str:
    """Return the hash of a span, settings, and the masks on prompted planes that decide it."""
    digest = hashlib.sha256(repr((span, settings)).encode())
    for plane, mask in sorted(masks.items()):
        digest.update(f"plane {plane}".encode())
        digest.update(repr((mask.shape, mask.boxes.tolist())).encode())
        digest.update(mask.crop(0).tobytes())
    return digest.hexdigest()


def join_directions(
    first: tuple[int, MaskSet],
    last: tuple[int, MaskSet],
    forward: Mapping[int, PlaneAnswer],
    backward: Mapping[int, PlaneAnswer],
) -> dict[int, PlaneAnswer]:
    """Join what was found from both prompted planes around a span.

    Planes up to one are taken from the first prompted plane, the others from the last. That plane
    is chosen so that confidence is high on all of them and the masks on both sides of the change
    agree.

    Parameters
    ----------
    first, last : tuple of int and MaskSet
        The prompted planes and the object there.
    forward, backward : mapping
        Answers by plane, from the first plane on and from the last one back.

    Returns
    -------
    dict
        Answers by plane.
    """
    planes = range(first[0] + 1, last[0])

    def doubt(answers: Mapping[int, PlaneAnswer], plane: int) -> float:
        return 1 - answers[plane].confidence if plane in answers else 1.0

    def junction(change: int) -> float:
        before = _nearest(forward, range(change, first[0], -1)) or first[1]
        after = _nearest(backward, range(change + 1, last[0])) or last[1]
        return 1 - mask_iou(before, after)

    costs = {
        change: sum(doubt(forward, p) for p in planes if p <= change)
        + sum(doubt(backward, p) for p in planes if p > change)
        + junction(change)
        for change in range(first[0], last[0])
    }
    change = min(costs, key=lambda plane: (costs[plane], plane))
    joined = {p: forward[p] for p in planes if p <= change and p in forward}
    return joined | {p: backward[p] for p in planes if p > change and p in backward}


def _nearest(answers: Mapping[int, PlaneAnswer], planes: Iterable[int]) -> MaskSet | None:
    return next((answers[plane].mask for plane in planes if plane in answers), None)
