"""Open objects of a session, followed through the planes of a stack in the background."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from psygnal import Signal

from napari_segany.errors import InputError
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.spans import PlaneAnswer
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.transforms import axis_names, plane_step, show_plane
from napari_segany.plugin.prompt.followed_objects import FollowedObjects
from napari_segany.plugin.prompt.layer_sync import LayerSync
from napari_segany.plugin.prompt.propagation_job import PropagationJob
from napari_segany.propagation import default_params
from napari_segany.session.prompt_updates import ObjectPrompts, PartMask
from napari_segany.session.session import Session
from napari_segany.session.state import SegmentedObject, box_center, object_center
from napari_segany.session.through_planes import (
    GivenMasks,
    PlaneAxis,
    PropagationRequest,
    axes_of,
    is_there,
    parts_without_mask,
    planes_of,
    prompted_masks,
    prompted_planes,
    refined,
)


class ThroughPlanes:
    """Follows open objects from their prompted planes through the others, all together.

    What was found is shown in the preview until it is committed. It belongs to the masks on the
    prompted planes: once one of them is another, the planes beside it are searched again. One of
    the objects is shown: its confidence on every plane, and what clicks on further planes correct.

    Parameters
    ----------
    jobs : JobQueue
        Queue of the background job.
    sync : LayerSync
        The session and its layers.
    refuse : callable
        Called with an error.
    tell : callable
        Called with a message.

    Attributes
    ----------
    changed : Signal
        Emitted when there is another result, or another state of the job.
    job : PropagationJob
        The background job.
    params : PropagationParams
        Limits.
    axis : int or None
        Axis of the planes; None for the last one with several planes.
    only_active : bool
        Follow the active object and those that are followed already, instead of all open ones.
    found : FollowedObjects
        What was found.
    """

    changed = Signal()

    def __init__(
        self,
        jobs: JobQueue,
        sync: LayerSync,
        refuse: Callable[[Exception], object],
        tell: Callable[[str], object],
    ) -> None:
        self.sync, self._tell = sync, tell
        self.job = PropagationJob(jobs, self.changed.emit, refuse)
        self.params = PropagationParams()
        self.axis: int | None = None
        self.only_active = False
        self.forget()

    def forget(self) -> None:
        """Forget the objects and what was found, for another session."""
        self.job.forget()
        self.found = FollowedObjects()
        self._followed: tuple[int, ...] = ()
        self._session: Session | None = None
        self._planes: PlaneAxis | None = None

    # Present state --------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True while objects are followed."""
        return self.job.running

    @property
    def wholes(self) -> tuple[int, ...]:
        """Numbers of the objects that are followed and still open in the present session."""
        session = self.sync.session
        if session is None or session is not self._session:
            return ()
        is_open = {each.whole for each in session.state.open}
        return tuple(whole for whole in self._followed if whole in is_open)

    @property
    def whole(self) -> int | None:
        """Number of the object that is shown: the active one if it is followed."""
        wholes = self.wholes
        if not wholes:
            return None
        active = self.sync.open_session().active
        followed = active is not None and active.whole in wholes
        return active.whole if active is not None and followed else wholes[-1]

    @property
    def planes(self) -> PlaneAxis | None:
        """The planes of the objects; None if none of them is open any more."""
        return self._planes if self.wholes else None

    @property
    def given(self) -> Mapping[int, GivenMasks]:
        """The masks of the followed objects on prompted planes.

        Objects with a mask that is not known yet are left out.
        """
        planes, wholes = self.planes, self.wholes
        if planes is None:
            return {}
        masks = prompted_masks(self.sync.open_session(), planes)
        return {whole: masks[whole] for whole in wholes if whole in masks}

    @property
    def is_current(self) -> bool:
        """True if what was found of the object that is shown belongs to its present prompts."""
        whole = self.whole
        return whole is not None and self._is_current(whole, self.given)

    def _is_current(self, whole: int, given: Mapping[int, GivenMasks]) -> bool:
        request = self.found.request_of(whole)
        current = request is not None and not self._is_outdated(request)
        return current and self.found.answers_to(whole, given.get(whole))

    def _is_outdated(self, request: PropagationRequest) -> bool:
        """Return True if a request is about another model, or other pixels."""
        now = self.sync.open_session().predictor
        return not request.predictor.uses_as(now)

    @property
    def answers(self) -> Mapping[int, PlaneAnswer]:
        """The shown object on each plane on which it was found; while it is followed, so far."""
        whole = self.whole
        return {} if whole is None else self.found.answers(whole)

    @property
    def absent(self) -> frozenset[int]:
        """Planes on which the shown object is said not to be."""
        planes, whole = self.planes, self.whole
        if planes is None or whole is None:
            return frozenset()
        absent = self.sync.open_session().state.absent_planes(whole)
        return frozenset(n for plane in absent if (n := planes.number(plane)) is not None)

    @property
    def prompted(self) -> frozenset[int]:
        """Planes with prompts of the shown object."""
        planes, whole = self.planes, self.whole
        if planes is None or whole is None:
            return frozenset()
        return prompted_planes(self.sync.open_session(), planes).get(whole, frozenset())

    @property
    def without_mask(self) -> list[SegmentedObject]:
        """Corrections of followed objects that give no mask; what was found there stays."""
        planes, wholes = self.planes, self.wholes
        failed = [] if planes is None else parts_without_mask(self.sync.open_session(), planes)
        return [each for each in failed if each.whole in wholes]

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the axes of the image, such as "z"; its numbers where they have none."""
        return () if self.sync.view is None else axis_names(self.sync.view)

    def suit_axis(self) -> None:
        """Predict motion along an axis of time, and nowhere else."""
        axes, names = axes_of(self.sync.session), self.axis_names
        if axes:
            name = names[axes[-1] if self.axis is None else self.axis]
            motion = default_params(name[:1].upper()).predict_motion
            self.params = replace(self.params, predict_motion=motion)

    @property
    def count(self) -> int:
        """Number of the planes; 0 without an object."""
        session, planes = self.sync.session, self.planes
        return 0 if session is None or planes is None else session.source.shape[planes.axis]

    @property
    def shown(self) -> int | None:
        """Number of the plane in view, None if it is none of these."""
        planes = self.planes
        return None if planes is None else planes.number(self.sync.plane)

    def propagated(self) -> Sequence[PartMask]:
        """Return the masks of all objects on planes that are not prompted.

        The most confident ones are first: where objects overlap, they have the pixels.
        """
        planes = self.planes
        if planes is None:
            return ()
        prompted = prompted_planes(self.sync.open_session(), planes)
        return self.found.parts(self.wholes, planes, prompted)

    # Actions --------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow all open objects or the active one, or go on after prompts were changed.

        Raises
        ------
        InputError
            If no object is open, one is not segmented yet, or what was found on other planes would
            be lost.
        """
        session = self.sync.open_session()
        leader = self.whole if session.active is None else session.active.whole
        if leader is None:
            raise InputError("There is no open object; click on one first.")
        planes = planes_of(session, leader, self.axis)
        others = [each for each in self.wholes if each != leader and each in self.found]
        if not planes.same_planes(self._planes) or session is not self._session:
            if others:
                raise InputError(
                    f"Object {others[0]} went through other planes and is not committed yet; "
                    "commit or clear it first."
                )
            self.forget()
        masks, there = prompted_masks(session, planes), prompted_planes(session, planes)
        wanted = {leader, *self.wholes} & there.keys() if self.only_active else there.keys()
        if not wanted <= masks.keys():
            raise InputError("The object is not segmented yet; press G, and then again here.")
        if not is_there(masks[leader]):
            raise InputError("The object has no mask on a plane; click on it first.")
        self._session, self._planes = session, planes
        # Objects that are committed stay in the list, for undo may open them again.
        new = [each for each in sorted(wanted) if each not in self._followed]
        self._followed += tuple(each for each in new if is_there(masks[each]))
        self._submit()

    def _submit(self) -> None:
        """Follow the objects in the background."""
        session, planes = self.sync.open_session(), self._planes
        assert planes is not None
        given = {whole: each for whole, each in self.given.items() if is_there(each)}
        motion = self.params.predict_motion
        spacing = None if motion else plane_step(self.sync.view, planes.axis, planes.through)
        usable = [
            whole
            for whole in given
            if (before := self.found.request_of(whole)) and not self._is_outdated(before)
        ]
        earlier = self.found.earlier(usable)
        request = PropagationRequest(
            session.predictor, planes, given, self.params, spacing, earlier
        )
        self.job.start(request, self.found)

    def on_stopped(self) -> None:
        """Note that all jobs were cancelled; what was found until then stays."""
        self.job.on_cancelled()

    def follow_prompts(self, live: bool = True) -> None:
        """Search again beside prompted planes whose masks are others now.

        A request is not repeated that failed or was stopped.
        """
        given, asked = self.given, self.job.asked
        if not live or asked is None or len(given) < len(self.wholes):
            return
        there = {whole: each for whole, each in given.items() if is_there(each)}
        known = all(asked.is_about(whole, each) for whole, each in there.items())
        if there and (not known or self._is_outdated(asked)):
            self._submit()

    def toggle_absent(self) -> bool:
        """Say that the shown object is not on the plane in view, or take it back; True if not.

        Raises
        ------
        InputError
            If nothing was followed, or the plane is prompted.
        """
        planes, whole, number = self.planes, self.whole, self.shown
        if planes is None or whole is None or number is None:
            raise InputError("Press Through planes first, and go to one of them.")
        absent = number not in self.absent
        asked = self.job.asked
        self.sync.open_session().set_absent(whole, planes.plane(number), absent)
        if self.job.asked is asked and self.given.get(whole):
            self._submit()
        return absent

    def go_to(self, number: int) -> None:
        """Show a plane, with the place of the shown object in view."""
        planes, whole, session = self.planes, self.whole, self.sync.open_session()
        if planes is None or whole is None:
            raise InputError("Press Through planes first.")
        # On a plane on which it was not found, the place where it was found last.
        near = min(self.answers, key=lambda known: abs(known - number), default=None)
        center = object_center(session.state.parts(whole)[0])
        if near is not None and (mask := self.answers[near].mask).area[0]:
            center = box_center(mask.boxes[0])
        show_plane(self.sync.viewer, self.sync.view, planes.plane(number), center, centre=False)

    @property
    def doubtful(self) -> list[int]:
        """Planes on which the shown object is doubtful, the least confident first."""
        ranked = sorted((answer.confidence, number) for number, answer in self.answers.items())
        return [number for confidence, number in ranked if confidence < self.params.doubtful]

    @property
    def is_any_to_check(self) -> bool:
        """True if any of the objects has a plane that deserves a look."""
        return any(self.to_check(whole) for whole in self.wholes)

    def to_check(self, whole: int) -> list[int]:
        """Return the planes of an object that deserve a look, the least confident first."""
        return self.found.to_check(whole, self.params.doubtful)

    def next_doubtful(self) -> int:
        """Show the next plane that deserves a look and return its number.

        After the last one of an object, the next object that has any is made the active one.
        """
        session, whole, wholes = self.sync.open_session(), self.whole, self.wholes
        at = 0 if whole is None else wholes.index(whole)
        ranked = [(each, n) for each in (*wholes[at:], *wholes[:at]) for n in self.to_check(each)]
        if not ranked:
            raise InputError("No plane is doubtful.")
        here = (whole, self.shown)
        follower = ranked.index(here) + 1 if here in ranked else 0
        whole, number = ranked[follower % len(ranked)]
        if whole != self.whole:
            session.reopen(next(p.id for p in session.state.parts(whole) if p.commit is None))
        self.go_to(number)
        where, seen = f"Object {whole}, plane {number}: confidence", self.answers.get(number)
        end = f"Object {whole} ends before plane {number}. Click on it if it is there."
        self._tell(f"{where} {seen.confidence:.2f}. Correct it or press Not here." if seen else end)
        return number

    # Prompts and commits --------------------------------------------------------------------

    def continue_prompts(self, wanted: ObjectPrompts) -> tuple[ObjectPrompts, Mapping[int, int]]:
        """Make new prompts on further planes of the shown object parts of it.

        Points refine the mask that was found there, unless they lie elsewhere.

        Returns
        -------
        wanted : mapping
            Plane and prompt by object number.
        wholes : mapping
            The object that new ones are parts of, by their number.
        """
        planes, whole = self.planes, self.whole
        if planes is None or whole is None or self.sync.mode != "one":
            return wanted, {}
        result, wholes = dict(wanted), dict[int, int]()
        answers, parts = self.answers, self.sync.open_session().state.parts(whole)
        taken = {planes.number(part.plane) for part in parts}
        for name, (plane, prompt) in wanted.items():
            number = planes.number(plane)
            if name > 0 or number is None or number in taken:
                continue
            taken.add(number)
            wholes[name] = whole
            self._tell(f"This corrects object {whole}; commit it before you begin another one.")
            if number in answers:
                result[name] = plane, refined(prompt, answers[number].mask)
        return result, wholes

    def masks_to_commit(self, numbers: list[int]) -> list[PartMask]:
        """Return propagated masks of the objects that are to be committed.

        Raises
        ------
        InputError
            If one of them is being followed, or its prompts have changed since.
        """
        session = self.sync.open_session()
        chosen = {session.state.find(n).whole for n in numbers}.intersection(self.wholes)
        if chosen and self.running:
            raise InputError("The object is being followed; wait, or press stop.")
        given = self.given
        if not all(self._is_current(whole, given) for whole in chosen if whole in self.found):
            raise InputError("The prompts have changed; press Through planes again.")
        return [part for part in self.propagated() if part[0] in chosen]
