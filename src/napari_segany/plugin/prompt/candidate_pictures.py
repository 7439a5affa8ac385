"""Pictures of the image beneath candidates, read in the background."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ImageSource, Plane
from napari_segany.core.masks import MaskSet
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.prompt.thumbnails import picture_of_plane, window_around
from napari_segany.session.session import Session

Pictures = list[NDArray[np.uint8] | None]


class CandidatePictures:
    """Reads the parts of a plane around candidates, which a lazy image may be slow at.

    Parameters
    ----------
    jobs : JobQueue
        Queue beside which they are read.
    show : callable
        Called in the GUI thread with the candidates and a picture for each of them.
    """

    def __init__(self, jobs: JobQueue, show: Callable[[MaskSet, Pictures], object]) -> None:
        self._jobs, self._show = jobs, show
        # The plane read last, with what it was read from: several clicks are on one plane.
        self._last: tuple[ImageSource, Plane, NDArray[Any]] | None = None

    def read(self, session: Session | None, view: LayerView | None) -> None:
        """Read the pictures of the candidates of a session's active object.

        Parameters
        ----------
        session : Session or None
            The session.
        view : LayerView or None
            Its image, whose contrast limits become black and white.
        """
        candidates = None if session is None else session.candidates()
        if session is None or session.active is None or candidates is None or view is None:
            return
        source, plane, found = session.source, session.active.plane, candidates
        low, high = view.layer.contrast_limits
        last = self._last

        def work(should_stop: ShouldStop) -> tuple[NDArray[Any], Pictures]:
            known = last is not None and last[0] is source and last[1] == plane
            pixels = last[2] if last is not None and known else source.read(plane)
            numbers = range(len(found))
            windows = [window_around(found, number) for number in numbers]
            return pixels, [picture_of_plane(pixels, each, (low, high)) for each in windows]

        def done(read: tuple[NDArray[Any], Pictures]) -> None:
            self._last = source, plane, read[0]
            self._show(found, read[1])

        # A plane that cannot be read has been reported by its embedding.
        self._jobs.run_beside(work, done, lambda error: None)
