"""The open object of a session, followed through the planes of a stack in the background."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from psygnal import Signal

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.result import Propagation
from napari_segany.linking.propagation.spans import PlaneAnswer
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.layers.transforms import axis_names, plane_step, show_plane
from napari_segany.plugin.prompt.layer_sync import LayerSync
from napari_segany.propagation import default_params
from napari_segany.session.prompt_updates import ObjectPrompts
from napari_segany.session.session import Session
from napari_segany.session.state import object_center
from napari_segany.session.through_planes import (
    PlaneAxis,
    PropagationRequest,
    axes_of,
    planes_of,
    prompted_masks,
    refined,
)


class ThroughPlanes:
    """Follows one open object from its prompted planes through the others.

    What was found is shown in the preview until it is committed. It belongs to the masks on the
    prompted planes: once one of them is another, the planes beside it are searched again.

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
    report : Progress or None
        Called from the computing thread with planes done and in all.
    params : PropagationParams
        Limits.
    axis : int or None
        Axis of the planes; None for the last one with several planes.
    whole : int or None
        Number of the object that was followed last.
    running : bool
        True while it is followed.
    """

    changed = Signal()

    def __init__(
        self,
        jobs: JobQueue,
        sync: LayerSync,
        refuse: Callable[[Exception], object],
        tell: Callable[[str], object],
    ) -> None:
        self.jobs, self.sync, self._refuse, self._tell = jobs, sync, refuse, tell
        self.report: Progress | None = None
        self.params = PropagationParams()
        self.axis: int | None = None
        self.forget()

    def forget(self) -> None:
        """Forget the object and what was found, for another session."""
        self.whole: int | None = None
        self.running = False
        self._session: Session | None = None
        self._planes: PlaneAxis | None = None
        self._absent: set[int] = set()
        # The last request, and the last one with a result.
        self._asked: PropagationRequest | None = None
        self._found: PropagationRequest | None = None
        self._result: Propagation | None = None
        # Answers of the running job, by plane.
        self._arriving: dict[int, PlaneAnswer] = {}

    # Present state --------------------------------------------------------------------------

    @property
    def planes(self) -> PlaneAxis | None:
        """The planes of the object; None if it is not open in the present session any more."""
        session = self.sync.session
        if self.whole is None or session is None or session is not self._session:
            return None
        is_open = any(each.commit is None for each in session.state.parts(self.whole))
        return self._planes if is_open else None

    @property
    def given(self) -> Mapping[int, MaskSet | None] | None:
        """The masks of the prompted planes, None for planes without the object.

        None altogether if a mask is not known yet.
        """
        session, planes = self.sync.session, self.planes
        if session is None or planes is None or self.whole is None:
            return None
        masks = prompted_masks(session, self.whole, planes)
        if masks is None:
            return None
        return {**dict.fromkeys(self._absent), **masks}

    @property
    def is_current(self) -> bool:
        """True if what was found belongs to the present prompts."""
        return self._result is not None and self._is_about_prompts(self._found)

    def _is_about_prompts(self, request: PropagationRequest | None) -> bool:
        """Return True if a request is about the present prompts, image and model."""
        given = self.given
        if request is None or given is None or self._is_outdated(request):
            return False
        return request.same_masks(given)

    def _is_outdated(self, request: PropagationRequest) -> bool:
        """Return True if a request is about another model, or other pixels."""
        now = self.sync.open_session().predictor
        return not request.predictor.uses(now.model, now.embeddings)

    @property
    def answers(self) -> Mapping[int, PlaneAnswer]:
        """The object on each plane on which it was found, by number; while it runs, so far."""
        if self.planes is None or self.whole is None:
            return {}
        known = {} if self._result is None else self._result.objects[self.whole].answers
        # The thread that adds answers does not interrupt the copy of a dictionary.
        return {**known, **self._arriving.copy()}

    @property
    def absent(self) -> frozenset[int]:
        """Planes on which the object is said not to be."""
        return frozenset(self._absent if self.planes is not None else ())

    @property
    def prompted(self) -> frozenset[int]:
        """Planes with prompts of the object."""
        planes = self.planes
        numbers = set() if planes is None else self._prompted_planes(planes)
        return frozenset(number for number in numbers if number is not None)

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
        return None if self.planes is None else self.planes.number(self.sync.plane)

    def propagated(self) -> dict[Plane, MaskSet]:
        """Return the masks on planes that are not prompted, by plane."""
        planes, whole = self.planes, self.whole
        if planes is None or whole is None or self._result is None:
            return {}
        prompted = self._prompted_planes(planes)
        return {
            planes.plane(number): answer.mask
            for number, answer in self._result.objects[whole].answers.items()
            if number not in prompted and answer.source != "prompt"
        }

    def _prompted_planes(self, planes: PlaneAxis) -> set[int | None]:
        session = self.sync.open_session()
        parts = [] if self.whole is None else session.state.parts(self.whole)
        return {planes.number(each.plane) for each in parts}

    # Actions --------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the active object, or go on after its prompts were changed.

        Raises
        ------
        InputError
            If no object is open, it is not segmented yet, or what was found of another one would be
            lost.
        """
        active = self.sync.open_session().active
        whole = active.whole if active is not None else self.whole
        if whole is None:
            raise InputError("There is no open object; click on one first.")
        if self.planes is not None and whole != self.whole and self._result is not None:
            raise InputError(
                f"Object {self.whole} went through planes and is not committed yet; commit or "
                "clear it first."
            )
        self._start(whole, self.axis)

    def _start(self, whole: int, axis: int | None) -> None:
        session = self.sync.open_session()
        planes = planes_of(session, whole, axis)
        before = None if self._planes is None else self._planes.axis
        if (whole, session, planes.axis) != (self.whole, self._session, before):
            self.forget()
            self.whole, self._session = whole, session
        self._planes = planes
        given = self.given
        if given is None:
            raise InputError("The object is not segmented yet; press G, and then again here.")
        if not any(mask is not None for mask in given.values()):
            raise InputError("The object has no mask on a plane; click on it first.")
        self._submit(self._request(session, planes, whole, given))

    def _request(
        self,
        session: Session,
        planes: PlaneAxis,
        whole: int,
        given: Mapping[int, MaskSet | None],
    ) -> PropagationRequest:
        spacing = None
        if not self.params.predict_motion:
            spacing = plane_step(self.sync.view, planes.axis, planes.through)
        usable = self._found is not None and not self._is_outdated(self._found)
        earlier = self._result if usable else None
        return PropagationRequest(
            session.predictor, planes, whole, given, self.params, spacing, earlier
        )

    def _submit(self, request: PropagationRequest) -> None:
        arriving: dict[int, PlaneAnswer] = {}

        def work(should_stop: ShouldStop) -> Propagation:
            # A job that gave way to a more urgent one begins anew.
            arriving.clear()
            return request.propagate(
                should_stop, lambda _, plane, answer: arriving.update({plane: answer}), self.report
            )

        def done(result: Propagation) -> None:
            if self._asked is request:
                self._result, self._found = result, request
                self._end_run()

        def failed(error: Exception) -> None:
            if self._asked is request:
                self._end_run()
                self._refuse(error)

        self._asked, self._arriving, self.running = request, arriving, True
        # Work on the plane in view does not make it begin anew.
        self.jobs.submit("through planes", Priority.VIEW, work, done, failed)
        self.changed.emit()

    def _end_run(self) -> None:
        self._arriving, self.running = {}, False
        self.changed.emit()

    def on_stopped(self) -> None:
        """Note that all jobs were cancelled; what was found before stays."""
        if self.running:
            self._end_run()

    def follow_prompts(self, live: bool = True) -> None:
        """Search again beside prompted planes whose masks are others now.

        A request is not repeated that failed or was stopped.
        """
        planes, whole, given = self.planes, self.whole, self.given
        if not live or planes is None or whole is None or given is None or self._asked is None:
            return
        is_there = any(mask is not None for mask in given.values())
        if is_there and not self._is_about_prompts(self._asked):
            self._start(whole, planes.axis)

    def toggle_absent(self) -> bool:
        """Say that the object is not on the plane in view, or take it back; return True if not.

        Raises
        ------
        InputError
            If nothing was followed, or the plane is prompted.
        """
        planes, whole, number = self.planes, self.whole, self.shown
        if planes is None or whole is None or number is None:
            raise InputError("Press Through planes first, and go to one of them.")
        if number in self._prompted_planes(planes):
            raise InputError("The object is prompted on this plane; delete these prompts instead.")
        self._absent ^= {number}
        self._start(whole, planes.axis)
        return number in self._absent

    def go_to(self, number: int) -> None:
        """Show a plane, with the object in the middle if it was found there."""
        planes, whole, session = self.planes, self.whole, self.sync.open_session()
        if planes is None or whole is None:
            raise InputError("Press Through planes first.")
        answer = self.answers.get(number)
        if answer is not None:
            a, b, c, d = answer.mask.boxes[0].tolist()
            center = (a + c) / 2, (b + d) / 2
        else:
            center = object_center(session.state.parts(whole)[0])
        show_plane(self.sync.viewer, self.sync.view, planes.plane(number), center)

    @property
    def doubtful(self) -> list[int]:
        """Planes whose confidence is below the limit, the least confident first."""
        below = [
            (answer.confidence, number)
            for number, answer in self.answers.items()
            if answer.confidence < self.params.doubtful
        ]
        return [number for _, number in sorted(below)]

    def next_doubtful(self) -> int:
        """Show the next doubtful plane and return its number; after the last one the first."""
        ranked = self.doubtful
        if not ranked:
            raise InputError("No plane is doubtful.")
        at = ranked.index(self.shown) if self.shown in ranked else -1
        number = ranked[(at + 1) % len(ranked)]
        self.go_to(number)
        return number

    # Prompts and commits --------------------------------------------------------------------

    def continue_prompts(self, wanted: ObjectPrompts) -> tuple[ObjectPrompts, Mapping[int, int]]:
        """Make new prompts on further planes of the followed object parts of it.

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
        answers, taken = self.answers, self._prompted_planes(planes)
        for name, (plane, prompt) in wanted.items():
            number = planes.number(plane)
            if name > 0 or number is None or number in taken:
                continue
            taken.add(number)
            self._absent.discard(number)
            wholes[name] = whole
            self._tell(f"This corrects object {whole}; commit it before you begin another one.")
            if number in answers:
                result[name] = plane, refined(prompt, answers[number].mask)
        return result, wholes

    def masks_to_commit(self, numbers: list[int]) -> tuple[int, dict[Plane, MaskSet]] | None:
        """Return the object and its propagated masks, if it is among those to be committed.

        Raises
        ------
        InputError
            If it is being followed, or its prompts have changed since.
        """
        session, whole = self.sync.open_session(), self.whole
        if self.planes is None or whole is None:
            return None
        if not any(session.state.find(n).whole == whole for n in numbers):
            return None
        if self.running:
            raise InputError("The object is being followed; wait, or press stop.")
        if self._result is None:
            return None
        if not self.is_current:
            raise InputError("The prompts have changed; press Through planes again.")
        return whole, self.propagated()
