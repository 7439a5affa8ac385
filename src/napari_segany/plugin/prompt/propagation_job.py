"""The background job that follows objects through planes, one at a time."""

from collections.abc import Callable
from dataclasses import replace

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.linking.propagation.result import Propagation
from napari_segany.linking.propagation.spans import PlaneAnswer
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.prompt.followed_objects import FollowedObjects
from napari_segany.plugin.prompt.kept_regions import KeptRegions
from napari_segany.session.through_planes import PropagationRequest


class PropagationJob:
    """Runs the latest request in the background; its answers go to the objects that are followed.

    Parameters
    ----------
    jobs : JobQueue
        Queue of the job.
    changed : callable
        Called when the job has begun or ended.
    refuse : callable
        Called with an error.

    Attributes
    ----------
    report : Progress or None
        Called from the computing thread with planes of objects done and in all.
    asked : PropagationRequest or None
        The latest request, which may have ended, failed or been stopped.
    running : bool
        True while it runs.
    """

    def __init__(
        self,
        jobs: JobQueue,
        changed: Callable[[], object],
        refuse: Callable[[Exception], object],
    ) -> None:
        self._jobs, self._changed, self._refuse = jobs, changed, refuse
        self.report: Progress | None = None
        self._found, self._regions = FollowedObjects(), KeptRegions()
        self.forget()

    def forget(self) -> None:
        """Forget the request; its result is dropped."""
        self.asked: PropagationRequest | None = None
        self.running = False
        self._regions.forget()

    def start(self, request: PropagationRequest, found: FollowedObjects) -> None:
        """Follow objects instead of those before; keep what is found."""
        request = replace(request, find_regions=self._regions.find_for(request))
        arriving = found.begin(request)

        def work(should_stop: ShouldStop) -> Propagation:
            # A job that gave way to a more urgent one begins anew.
            for answers in arriving.values():
                answers.clear()

            def on_answer(whole: int, plane: int, answer: PlaneAnswer) -> None:
                arriving[whole][plane] = answer

            return request.propagate(should_stop, on_answer, self.report)

        def done(result: Propagation) -> None:
            if self.asked is request:
                found.keep(request, result)
                self._end()

        def failed(error: Exception) -> None:
            if self.asked is request:
                self._end()
                self._refuse(error)

        self._found, self.asked, self.running = found, request, True
        # Work on the plane in view does not make it begin anew.
        self._jobs.submit("through planes", Priority.VIEW, work, done, failed)
        self._changed()

    def on_cancelled(self) -> None:
        """Note that the queue cancelled all jobs; what was found until then is kept."""
        if self.running and self.asked is not None:
            self._found.keep_arrived(self.asked)
            self._end()

    def _end(self) -> None:
        self._found.end()
        self.running = False
        self._changed()
