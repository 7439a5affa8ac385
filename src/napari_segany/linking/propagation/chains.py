"""Chains: one object followed from a prompted plane in one direction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import diameter
from napari_segany.linking.propagation.appearance import Appearance
from napari_segany.linking.propagation.expected_shape import (
    fit_reach,
    section_area,
    shape_towards,
    shrink_to,
)
from napari_segany.linking.propagation.motion import Velocity, update_velocity
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.spans import PlaneAnswer, Source, Span
from napari_segany.linking.propagation.step import Expectation, Judged

OnAnswer = Callable[[int, int, PlaneAnswer], None]
"""Called from the computing thread with an object, a plane and what was found there."""


@dataclass(frozen=True, eq=False)
class Start:
    """An object on a prompted plane.

    Attributes
    ----------
    plane : int
        The plane.
    mask : MaskSet
        One mask.
    appearance : Appearance
        Its looks there.
    """

    plane: int
    mask: MaskSet
    appearance: Appearance


@dataclass(eq=False)
class Chain:
    """An object on its way from a prompted plane in one direction.

    Attributes
    ----------
    object : int
        Its id.
    span : Span
        The planes that may belong to it.
    start : Start
        The prompted plane.
    forward : bool
        The direction.
    far : MaskSet or None
        The object on the prompted plane at the other end of the span, if it is there: then it is
        on all planes between.
    last : int
        The last plane on its way.
    largest : tuple of int and MaskSet
        The prompted plane on which the object is largest, and its mask there.
    answers : dict
        What was found, by plane.
    end : str
        Why it ended; empty while it goes on.
    """

    object: int
    span: Span
    start: Start
    forward: bool
    far: MaskSet | None
    last: int
    largest: tuple[int, MaskSet]
    answers: dict[int, PlaneAnswer] = field(default_factory=dict)
    end: str = ""
    # The last plane on which the object was found, its mask there, and its motion.
    _plane: int = field(init=False)
    _mask: MaskSet = field(init=False)
    _velocity: Velocity | None = None
    # Planes in a row on which it was not found.
    _missed: int = 0

    def __post_init__(self) -> None:
        self._plane, self._mask = self.start.plane, self.start.mask

    @property
    def _step(self) -> int:
        return 1 if self.forward else -1

    @property
    def source(self) -> Source:
        """The source of its masks."""
        return "forward" if self.forward else "backward"

    def leads_through(self, plane: int) -> bool:
        """Return True if a plane is on its way, whether or not the object goes that far."""
        ahead = (plane - self.start.plane) * self._step > 0
        return ahead and (self.last - plane) * self._step >= 0

    def wants(self, plane: int) -> bool:
        """Return True if the object is to be looked for on a plane."""
        return not self.end and self.leads_through(plane)

    def expect(self, plane: int, params: PropagationParams, spacing: float | None) -> Expectation:
        """Return the object as it is expected on a plane."""
        start, mask, area = self.start, self._mask, None
        prompted_area, distance = int(start.mask.area[0]), abs(plane - self._plane)
        if self.far is not None and not params.predict_motion:
            # Across planes of a volume, the shape comes nearer to the one at the other end.
            left = abs(self.last + self._step - self._plane)
            mask = shape_towards(mask, self.far, distance / left)
            area = float(mask.area[0])
        elif self.far is None and params.max_reach and spacing is not None:
            # What ends at a known distance is round, and tapers off.
            away, known, reach = self._ellipsoid(plane, params.max_reach, spacing)
            area = prompted_area * section_area(away, reach) / section_area(known, reach)
            mask = shrink_to(mask, area)
        return Expectation(mask, start.appearance, prompted_area, self._velocity, distance, area)

    def _ellipsoid(self, plane: int, reach: float, spacing: float) -> tuple[float, float, float]:
        """Return distances from the largest section: of a plane, of the start, and of the end.

        All are in diameters of the largest section.
        """
        middle, largest = self.largest
        size = spacing / diameter(largest)
        away, known = (abs(each - middle) * size for each in (plane, self.start.plane))
        if known:
            area = int(self.start.mask.area[0]) / int(largest.area[0])
            reach = fit_reach(known, area, reach)
        return away, known, reach

    def check_reach(self, plane: int, params: PropagationParams, spacing: float | None) -> None:
        """End the chain where a plane is too far from the largest section."""
        if params.max_reach and self.far is None:
            away, _, reach = self._ellipsoid(plane, params.max_reach, spacing or 1.0)
            if away > reach:
                self.end = "reach"

    def accept(
        self, plane: int, judged: Judged, end: str, params: PropagationParams
    ) -> PlaneAnswer | None:
        """Take the best candidate on a plane, or end; return what was found, if anything.

        Between planes on which the object is, it does not end; only an empty mask is no object.
        """
        if end and not (self.far is not None and judged.mask.area[0]):
            self._missed += 1
            if self.far is None and self._missed > params.max_gap:
                self.end = end
            return None
        self._missed = 0
        mask = judged.mask.without_logits()
        if params.predict_motion:
            distance = abs(plane - self._plane)
            self._velocity = update_velocity(self._velocity, self._mask, mask, distance)
        self._plane, self._mask = plane, mask
        answer = PlaneAnswer(
            mask,
            judged.confidence,
            judged.predicted_iou,
            judged.overlap.iou,
            judged.similarity,
            self.source,
        )
        self.answers[plane] = answer
        return answer


def chains_of(
    object: int,
    span: Span,
    starts: Sequence[Start],
    planes: range,
    largest: tuple[int, MaskSet],
) -> list[Chain]:
    """Return the chains that fill a span from the prompted planes at its ends; none if it is empty.

    Parameters
    ----------
    object : int
        Id of the object.
    span : Span
        The span.
    starts : sequence of Start
        The object on prompted planes, those at the ends of the span on which it is among them.
    planes : range
        Planes of the stack.
    largest : tuple of int and MaskSet
        The prompted plane on which the object is largest, and its mask there.
    """
    low = planes[0] if span.first is None else span.first + 1
    high = planes[-1] if span.last is None else span.last - 1
    if low > high:
        return []
    by_plane = {start.plane: start for start in starts}
    ends = [(forward, plane) for forward, plane in ((True, span.first), (False, span.last))]
    there = [(forward, by_plane[p]) for forward, p in ends if p is not None and p in by_plane]
    masks = [start.mask for _, start in there]
    opposite = masks[::-1] if len(there) == 2 else [None]
    return [
        Chain(object, span, start, forward, far, high if forward else low, largest)
        for (forward, start), far in zip(there, opposite, strict=False)
    ]


def largest_section(masks: Mapping[int, MaskSet]) -> tuple[int, MaskSet]:
    """Return the plane on which an object is largest, the first of several, and its mask there."""
    plane = max(masks, key=lambda number: (int(masks[number].area[0]), -number))
    return plane, masks[plane]
