"""Objects that were followed through planes, and the result of each."""

from collections.abc import Iterator, Mapping, Sequence

from napari_segany.linking.propagation.doubts import confidences_to_check, planes_to_check
from napari_segany.linking.propagation.interrupted import interrupted_objects
from napari_segany.linking.propagation.result import PropagatedObject, Propagation
from napari_segany.linking.propagation.spans import PlaneAnswer
from napari_segany.session.prompt_updates import PartMask
from napari_segany.session.through_planes import GivenMasks, PlaneAxis, PropagationRequest

Arriving = Mapping[int, dict[int, PlaneAnswer]]
"""Answers of a running job, by object and plane; another thread adds to them."""


class FollowedObjects:
    """Results of objects, each with the request that it answers.

    Masks belong to the prompts of their request: once a prompted plane has another mask, the planes
    beside it are to be searched again.

    Attributes
    ----------
    arriving : mapping
        Answers of the running job, by object and plane.
    """

    def __init__(self) -> None:
        self.arriving: Arriving = {}
        self._found: dict[int, PropagatedObject] = {}
        self._requests: dict[int, PropagationRequest] = {}
        # What :meth:`parts` returned last, and for what.
        self._key: object = None
        self._parts: tuple[PartMask, ...] = ()

    def __contains__(self, whole: int) -> bool:
        return whole in self._found

    def begin(self, request: PropagationRequest) -> Arriving:
        """Return where the answers to a request are to be put, by object and plane."""
        self.arriving = {whole: {} for whole in request.given}
        return self.arriving

    def end(self) -> None:
        """Forget answers that arrived and are not kept."""
        self.arriving = {}

    def keep(self, request: PropagationRequest, result: Propagation) -> None:
        """Keep the result of a request."""
        self._key = None
        self._found |= result.objects
        self._requests |= dict.fromkeys(result.objects, request)

    def keep_arrived(self, request: PropagationRequest) -> None:
        """Keep what arrived until a request was stopped, of objects without a whole result.

        Of one that was stopped before, the answers are kept that reach further.
        """
        new = {
            whole: given
            for whole, given in request.given.items()
            if whole not in self._found or self._reaches_further(whole)
        }
        if not any(self.arriving.get(whole) for whole in new):
            return
        arrived = {whole: self.arriving.get(whole, {}).copy() for whole in new}
        self._key = None
        shared = request.params.max_shared
        self._found |= interrupted_objects(new, arrived, shared, request.spacing)
        self._requests |= dict.fromkeys(new, request)

    def _reaches_further(self, whole: int) -> bool:
        """Return True if more arrived of an object than was kept when it was stopped before."""
        known = self._found[whole].answers.values()
        before = sum(answer.source != "prompt" for answer in known)
        return self.is_stopped(whole) and len(self.arriving.get(whole, {})) > before

    def request_of(self, whole: int) -> PropagationRequest | None:
        """Return the request that the result of an object answers; None without a result."""
        return self._requests.get(whole)

    def answers_to(self, whole: int, given: GivenMasks | None) -> bool:
        """Return True if the result of an object belongs to its present masks."""
        request = self._requests.get(whole)
        return request is not None and given is not None and request.is_about(whole, given)

    def is_stopped(self, whole: int) -> bool:
        """Return True if the search for an object was stopped before it ended."""
        found = self._found.get(whole)
        return found is not None and any(span.end == "stopped" for span in found.spans.values())

    def earlier(self, wholes: Sequence[int]) -> dict[int, PropagatedObject]:
        """Return the results of some objects, as far as they are known."""
        return {whole: self._found[whole] for whole in wholes if whole in self._found}

    def answers(self, whole: int) -> dict[int, PlaneAnswer]:
        """Return an object on each plane on which it was found; while it is followed, so far."""
        known = self._found[whole].answers if whole in self._found else {}
        # The thread that adds answers does not interrupt the copy of a dictionary.
        return {**known, **self.arriving.get(whole, {}).copy()}

    def to_check(self, whole: int, below: float) -> list[int]:
        """Return the planes of an object that deserve a look, the least confident first.

        Ends are among them once the object is no longer followed.

        Parameters
        ----------
        whole : int
            The object.
        below : float
            Confidence below which all planes are among them.
        """
        found, request = self._found.get(whole), self._requests.get(whole)
        if found is None or request is None or self.arriving.get(whole):
            known = confidences_to_check(self.answers(whole), (), {}, range(0))
        else:
            known = found.confidences(request.planes)
        return planes_to_check(known, below)

    def parts(
        self, wholes: Sequence[int], planes: PlaneAxis, prompted: Mapping[int, frozenset[int]]
    ) -> Sequence[PartMask]:
        """Return the masks of objects on planes that are not prompted, the most confident first.

        The same sequence is returned while nothing has changed: it may have thousands of masks, and
        is asked for after every step.

        Parameters
        ----------
        wholes : sequence of int
            The objects.
        planes : PlaneAxis
            The planes.
        prompted : mapping
            Numbers of prompted planes by object.
        """
        key = tuple(wholes), planes, {whole: prompted.get(whole) for whole in wholes}
        if key != self._key:
            self._key, self._parts = key, self._find_parts(wholes, planes, prompted)
        return self._parts

    def _find_parts(
        self, wholes: Sequence[int], planes: PlaneAxis, prompted: Mapping[int, frozenset[int]]
    ) -> tuple[PartMask, ...]:
        ranked = sorted(
            (-answer.confidence, whole, number, answer.mask)
            for whole in wholes
            for number, answer in self._propagated(whole)
            if number not in prompted.get(whole, ())
        )
        return tuple((whole, planes.plane(number), mask) for _, whole, number, mask in ranked)

    def _propagated(self, whole: int) -> Iterator[tuple[int, PlaneAnswer]]:
        found = self._found.get(whole)
        for number, answer in () if found is None else found.answers.items():
            if answer.source != "prompt":
                yield number, answer
