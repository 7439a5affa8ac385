"""Chains: one object followed from a prompted plane in one direction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import diameter
from napari_segany.linking.propagation.appearance import Appearance
from napari_segany.linking.propagation.expected_shape import (
    fit_reach,
    round_part,
    section_area,
    shape_towards,
    shrink_to,
)
from napari_segany.linking.propagation.motion import Velocity, update_velocity
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.spans import PlaneAnswer, Source, Span
from napari_segany.linking.propagation.step import Expectation, Judged
from napari_segany.linking.propagation.walls import WIDEST, UnlikePlanes

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
    # Planes in a row behind its last one that are unlike it, perhaps a wall.
    _unlike: UnlikePlanes = field(default_factory=UnlikePlanes)

    def __post_init__(self) -> None:
        self._plane, self._mask = self.start.plane, self.start.mask

    @property
    def _step(self) -> int:
        return 1 if self.forward else -1

    @property
    def reason(self) -> str:
        """Why it ended before the last plane on its way; empty if it did not."""
        return self.end or ("similarity" if self._unlike else "")

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
            mask = shape_towards(mask, self.far, self._part(plane, self.far, params))
            area = float(mask.area[0])
        elif self.far is None and params.max_reach and spacing is not None:
            # What ends at a known distance is round, and tapers off.
            away, known, reach = self._ellipsoid(plane, params.max_reach, spacing)
            area = prompted_area * section_area(away, reach) / section_area(known, reach)
            mask = shrink_to(mask, area)
        return Expectation(mask, start.appearance, prompted_area, self._velocity, distance, area)

    def _part(self, plane: int, far: MaskSet, params: PropagationParams) -> float:
        """Return how far on the way to the other end of its span the shape is on a plane, 0..1."""
        end = self.last + self._step
        if params.max_reach:
            middle, ends = self.largest[0], (self.start.plane, end)
            areas = int(self.start.mask.area[0]), int(far.area[0])
            known = [(each - middle) ** 2 for each in ends]
            return round_part((self._plane - middle) ** 2, (plane - middle) ** 2, known, areas)
        return abs(plane - self._plane) / abs(end - self._plane)

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
                self.end = "similarity" if self._unlike else "reach"

    def accept(
        self, plane: int, judged: Judged, end: str, params: PropagationParams, spacing: float | None
    ) -> dict[int, PlaneAnswer]:
        """Take the best candidate on a plane, or end; return what is known now, by plane.

        Between planes on which the object is, it does not end; only an empty mask is no object.
        Planes that are unlike the object are known behind a wall only.
        """
        if self.far is not None:
            return self._go_on(plane, judged, params) if judged.mask.area[0] else {}
        if end and self._missed < params.max_gap and not self._unlike:
            self._missed += 1
            return {}
        if end and not (end == "similarity" and self._may_be_wall(plane, params, spacing)):
            self.end = "similarity" if self._unlike else end
            return {}
        if not (end or self._unlike):
            return self._go_on(plane, judged, params)
        if end or not self._unlike.rises_to(judged.level):
            self._unlike.add(plane, self._move(plane, judged, params), judged.level)
            return {}
        self.end = "similarity"
        found = self._unlike.before_middle()
        self.answers |= found
        return found

    def _may_be_wall(self, plane: int, params: PropagationParams, spacing: float | None) -> bool:
        """Return True if planes that are unlike the object are not too many for a wall."""
        if spacing is None or params.predict_motion:
            return False
        first = self._unlike.planes[0] if self._unlike else plane
        return (abs(plane - first) + 1) * spacing <= WIDEST * diameter(self.start.mask)

    def _go_on(
        self, plane: int, judged: Judged, params: PropagationParams
    ) -> dict[int, PlaneAnswer]:
        """Take a candidate with which the object goes on; return it by plane."""
        self._missed = 0
        found = {plane: self._move(plane, judged, params)}
        self.answers |= found
        return found

    def _move(self, plane: int, judged: Judged, params: PropagationParams) -> PlaneAnswer:
        """Follow a candidate to its plane; return it as an answer."""
        mask = judged.mask.without_logits()
        if params.predict_motion:
            distance = abs(plane - self._plane)
            self._velocity = update_velocity(self._velocity, self._mask, mask, distance)
        self._plane, self._mask = plane, mask
        return PlaneAnswer(
            mask,
            judged.confidence,
            judged.predicted_iou,
            judged.overlap.iou,
            judged.similarity,
            self.source,
        )


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
