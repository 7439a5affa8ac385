"""Propagation of an object of a session through the planes along one axis."""

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
from napari_segany.linking.propagation.result import Propagation
from napari_segany.session.inference import Predictor
from napari_segany.session.session import Session

NEAR = 0.5
"""Distance of a point from the box of a mask, in sides of the box, up to which it refines it."""


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


@dataclass(frozen=True, eq=False)
class PropagationRequest:
    """An object with its masks on prompted planes, to be followed through all others.

    Attributes
    ----------
    predictor : Predictor
        Image and model.
    axis : PlaneAxis
        The planes.
    whole : int
        Number of the object.
    given : mapping
        Its mask on each prompted plane, by number; None where it is said not to be.
    params : PropagationParams
        Limits.
    spacing : float, optional
        Step between planes in pixels of a plane.
    earlier : Propagation, optional
        An earlier result, from which spans between the same masks are taken.
    """

    predictor: Predictor
    axis: PlaneAxis
    whole: int
    given: Mapping[int, MaskSet | None]
    params: PropagationParams = field(default_factory=PropagationParams)
    spacing: float | None = None
    earlier: Propagation | None = None

    def propagate(
        self,
        should_stop: ShouldStop | None = None,
        on_answer: OnAnswer | None = None,
        progress: Progress | None = None,
    ) -> Propagation:
        """Follow the object, see :func:`propagate_objects`. Any thread may call this method."""

        def view(number: int) -> PlaneView | None:
            plane = self.axis.plane(number)
            try:
                embedding = self.predictor.embedding(plane, should_stop)
            except BlankPlaneError:
                return None
            return PlaneView(embedding, self.predictor.source.read(plane))

        return propagate_objects(
            self.predictor.model,
            view,
            range(self.predictor.source.shape[self.axis.axis]),
            {self.whole: self.given},
            self.params,
            spacing=self.spacing,
            earlier=self.earlier,
            on_answer=on_answer,
            progress=progress,
            should_stop=should_stop,
        )

    def same_masks(self, given: Mapping[int, MaskSet | None]) -> bool:
        """Return True if the object has the same masks on the same prompted planes."""
        return self.given.keys() == given.keys() and all(
            _same(mask, given[number]) for number, mask in self.given.items()
        )


def _same(one: MaskSet | None, two: MaskSet | None) -> bool:
    if one is None or two is None:
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


def prompted_masks(
    session: Session, whole: int, planes: PlaneAxis
) -> dict[int, MaskSet | None] | None:
    """Return the chosen masks of an object's open parts by the number of the plane.

    None if a mask is not known yet. Parts without a pixel are left out.
    """
    found: dict[int, MaskSet | None] = {}
    for each in session.state.parts(whole):
        number = planes.number(each.plane)
        if each.commit is None and number is not None:
            mask = session.preview(each.id)
            if mask is None:
                return None
            if mask.area[0]:
                found[number] = mask
    return found


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
