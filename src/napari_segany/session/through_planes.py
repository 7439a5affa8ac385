"""Propagation of objects of a session through the planes along one axis."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import BlankPlaneError, InputError
from napari_segany.linking.propagation.appearance import PlaneView
from napari_segany.linking.propagation.chains import OnAnswer
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.region_source import FindRegions
from napari_segany.linking.propagation.result import PropagatedObject, Propagation
from napari_segany.session.inference import Predictor
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject

NEAR = 0.5
"""Distance of a point from the box of a mask, in sides of the box, up to which it refines it."""

GivenMasks = Mapping[int, MaskSet | None]
"""Masks of an object on prompted planes, by number of the plane; None where it is said not to
be."""


@dataclass(frozen=True)
class PlaneAxis:
    """The planes along one axis of an image.

    Attributes
    ----------
    axis : int
        The axis.
    through : tuple
        One of the planes.
    """

    axis: int
    through: Plane

    def plane(self, number: int) -> Plane:
        """Return a plane by its number."""
        return (*self.through[: self.axis], number, *self.through[self.axis + 1 :])

    def number(self, plane: Plane | None) -> int | None:
        """Return the number of a plane; None if it is none of these."""
        if plane is None or plane[self.axis] is None:
            return None
        number = plane[self.axis]
        return number if number is not None and self.plane(number) == plane else None

    def same_planes(self, other: "PlaneAxis | None") -> bool:
        """Return True if the planes are those of another row of planes."""
        return (
            other is not None and self.axis == other.axis and self.number(other.through) is not None
        )


@dataclass(frozen=True, eq=False)
class PropagationRequest:
    """Objects with their masks on prompted planes, to be followed through all others.

    Attributes
    ----------
    predictor : Predictor
        Image and model.
    axis : PlaneAxis
        The planes.
    given : mapping
        The masks of each object, by its number.
    params : PropagationParams
        Limits.
    spacing : float, optional
        Step between planes in pixels of a plane.
    earlier : mapping
        Earlier results by number of the object, from which spans between the same masks are taken.
    find_regions : callable, optional
        Finds the regions of the volume of these planes, for the method "regions".
    """

    predictor: Predictor
    axis: PlaneAxis
    given: Mapping[int, GivenMasks]
    params: PropagationParams = field(default_factory=PropagationParams)
    spacing: float | None = None
    earlier: Mapping[int, PropagatedObject] = field(default_factory=dict)
    find_regions: FindRegions | None = None

    @property
    def planes(self) -> range:
        """Numbers of the planes."""
        return range(self.predictor.source.shape[self.axis.axis])

    def propagate(
        self,
        should_stop: ShouldStop | None = None,
        on_answer: OnAnswer | None = None,
        progress: Progress | None = None,
    ) -> Propagation:
        """Follow the objects, see :func:`propagate_objects`. Any thread may call this method."""
        predictor = self.predictor
        if self.params.method == "memory":
            # It sees planes as they are.
            predictor = predictor.in_one_view()

        def view(number: int) -> PlaneView | None:
            plane = self.axis.plane(number)
            try:
                embedding = predictor.embedding(plane, should_stop)
            except BlankPlaneError:
                return None
            return PlaneView(embedding, predictor.source.read(plane))

        masks = (mask for each in self.given.values() for mask in each.values())
        shape = next((mask.shape for mask in masks if mask is not None), (0, 0))
        return propagate_objects(
            predictor.model,
            view,
            self.planes,
            self.given,
            self.params,
            spacing=self.spacing,
            earlier=Propagation(self.planes, shape, self.earlier),
            find_regions=self.find_regions,
            on_answer=on_answer,
            progress=progress,
            should_stop=should_stop,
        )

    def is_about(self, whole: int, given: GivenMasks) -> bool:
        """Return True if an object has the same masks on the same prompted planes."""
        known = self.given.get(whole)
        return (
            known is not None
            and known.keys() == given.keys()
            and all(_same(mask, given[number]) for number, mask in known.items())
        )


def _same(one: MaskSet | None, two: MaskSet | None) -> bool:
    if one is None or two is None or one is two:
        return one is two
    same_box = bool((one.boxes == two.boxes).all())
    return same_box and bool((one.crop(0) == two.crop(0)).all())


def axes_of(session: Session | None) -> tuple[int, ...]:
    """Return the axes of an image along which the planes of its session lie, several each."""
    if session is None:
        return ()
    shape = session.source.shape
    return tuple(k for k, n in enumerate(session.plane) if n is not None and shape[k] > 1)


def planes_of(session: Session, whole: int, axis: int | None = None) -> PlaneAxis:
    """Return the planes that an open object may be followed through.

    Parameters
    ----------
    session : Session
        The session.
    whole : int
        Number of the object.
    axis : int, optional
        The axis; by default the last one with several planes.

    Raises
    ------
    InputError
        If no part of the object is open, or there is no such axis.
    """
    parts = [each for each in session.state.parts(whole) if each.commit is None]
    if not parts:
        raise InputError("There is no open object; click on one first.")
    plane = parts[0].plane
    axes = [k for k, n in enumerate(plane) if n is not None and session.source.shape[k] > 1]
    if not axes:
        raise InputError("The image is one plane; an object has nothing to be followed through.")
    if axis is not None and axis not in axes:
        raise InputError(f"There are no planes along axis {axis}; choose one of {axes}.")
    return PlaneAxis(axes[-1] if axis is None else axis, plane)


def prompted_masks(session: Session, planes: PlaneAxis) -> dict[int, dict[int, MaskSet | None]]:
    """Return the chosen masks of all open objects on planes, by object and number of the plane.

    Planes on which an object is said not to be have None. Objects with a mask that is not known yet
    are left out, as are parts without a pixel.
    """
    found: dict[int, dict[int, MaskSet | None]] = {}
    absent: dict[int, dict[int, MaskSet | None]] = {}
    unknown = set()
    for each in session.state.open:
        number = planes.number(each.plane)
        numbers = (planes.number(plane) for plane in each.absent)
        absent.setdefault(each.whole, {}).update({n: None for n in numbers if n is not None})
        if number is None:
            continue
        mask = session.preview(each.id)
        if mask is None:
            unknown.add(each.whole)
        masks = found.setdefault(each.whole, {})
        if mask is not None and mask.area[0]:
            masks[number] = mask
    return {whole: absent[whole] | masks for whole, masks in found.items() if whole not in unknown}


def prompted_planes(session: Session, planes: PlaneAxis) -> dict[int, frozenset[int]]:
    """Return the numbers of the prompted planes of each open object, by object.

    Planes of :func:`parts_without_mask` are left out.
    """
    found: dict[int, set[int]] = {}
    failed = {each.id for each in parts_without_mask(session, planes)}
    for each in session.state.objects.values():
        number = planes.number(each.plane)
        if number is not None and not each.propagated and each.id not in failed:
            found.setdefault(each.whole, set()).add(number)
    still_open = {each.whole for each in session.state.open}
    return {whole: frozenset(n) for whole, n in found.items() if whole in still_open}


def is_there(given: GivenMasks) -> bool:
    """Return True if an object is on one of its prompted planes."""
    return any(mask is not None for mask in given.values())


def parts_without_mask(session: Session, planes: PlaneAxis) -> list[SegmentedObject]:
    """Return open parts whose prompts give no pixel, of objects with a mask on another plane.

    Such a part says nothing of its plane: what was found there from other planes stays.
    """
    empty, masked = list[SegmentedObject](), set[int]()
    for each in session.state.objects.values():
        mask = session.preview(each.id) if each.commit is None else each.commit.mask
        if planes.number(each.plane) is None or mask is None or each.propagated:
            continue
        if mask.area[0]:
            masked.add(each.whole)
        else:
            empty.append(each)
    return [each for each in empty if each.whole in masked]


def refined(prompt: Prompt, mask: MaskSet) -> Prompt:
    """Return a prompt of points that refines a mask; the same one if they are about other pixels.

    The box around mask and points is added, because the models segment poorly from a mask without
    one. A box or a mask of its own, and a point on the object that lies far off the mask, mean that
    the object is somewhere else.
    """
    if prompt.points is None or prompt.labels is None or prompt.box is not None or prompt.has_mask:
        return prompt
    positive = prompt.points[prompt.labels == 1]
    low, high = mask.boxes[0, :2].astype(np.float64), mask.boxes[0, 2:] - 1.0
    reach = NEAR * (high - low + 1)
    if not ((positive >= low - reach) & (positive <= high + reach)).all():
        return prompt
    low, high = np.vstack([low, positive]).min(axis=0), np.vstack([high, positive]).max(axis=0)
    box = np.concatenate([low, np.maximum(high, low + 0.5)])
    return Prompt(prompt.points, prompt.labels, box, mask)
