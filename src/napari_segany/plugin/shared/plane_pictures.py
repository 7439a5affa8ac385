"""Pictures of the image beneath masks, read in the background."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import ImageSource, Plane, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.models.object_size import LARGE_PLANE
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.shared.thumbnails import Window, picture_of_plane, window_around

Pictures = list[NDArray[np.uint8]]


class PlanePictures:
    """Reads the parts of a plane around masks, which a lazy image may be slow at.

    Parameters
    ----------
    jobs : JobQueue
        Queue beside which they are read.
    show : callable
        Called in the GUI thread with the masks and a picture for each of them.
    """

    def __init__(self, jobs: JobQueue, show: Callable[[MaskSet, Pictures], object]) -> None:
        self._jobs, self._show = jobs, show
        # The plane read last, with what it was read from: several masks are on one plane.
        self._last: tuple[ImageSource, Plane, NDArray[Any]] | None = None

    def read(self, source: ImageSource, plane: Plane, masks: MaskSet, view: LayerView) -> None:
        """Read the pictures of masks on a plane.

        Parameters
        ----------
        source : ImageSource
            The image.
        plane : tuple
            The plane.
        masks : MaskSet
            The masks, a few.
        view : LayerView
            The image in the viewer, whose contrast limits become black and white.
        """
        last = self._last
        if max(plane_shape(source.shape, plane)) > LARGE_PLANE:
            self._read_windows(source, plane, masks, view)
            return
        low, high = view.layer.contrast_limits

        def work(should_stop: ShouldStop) -> tuple[NDArray[Any], Pictures]:
            known = last is not None and last[0] is source and last[1] == plane
            pixels = last[2] if last is not None and known else source.read(plane)
            windows = [window_around(masks, number) for number in range(len(masks))]
            return pixels, [picture_of_plane(pixels, each, (low, high)) for each in windows]

        def done(read: tuple[NDArray[Any], Pictures]) -> None:
            self._last = source, plane, read[0]
            self._show(masks, read[1])

        # A plane that cannot be read has been reported by its embedding.
        self._jobs.run_beside(work, done, lambda error: None)

    def _read_windows(
        self, source: ImageSource, plane: Plane, masks: MaskSet, view: LayerView
    ) -> None:
        """Read the pictures of masks on a large plane, without the rest of it."""
        low, high = view.layer.contrast_limits
        shape = plane_shape(source.shape, plane)

        def work(should_stop: ShouldStop) -> Pictures:
            pictures = []
            for number in range(len(masks)):
                window = window_around(masks, number)
                rows, cols = (
                    slice(max(first, 0), min(first + window.side, length))
                    for first, length in zip((window.top, window.left), shape, strict=True)
                )
                pixels = source.window(plane, rows, cols)
                top, left = window.top - rows.start, window.left - cols.start
                pictures.append(
                    picture_of_plane(pixels, Window(top, left, window.side), (low, high))
                )
            return pictures

        def done(pictures: Pictures) -> None:
            self._show(masks, pictures)

        self._jobs.run_beside(work, done, lambda error: None)
