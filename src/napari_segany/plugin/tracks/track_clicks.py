"""Clicks on the labels of tracks: they select tracks, or are the two points of a split."""

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_segany.linking.tracks.split import Point
from napari_segany.plugin.tracks.controller import TracksController

OnSplit = Callable[[tuple[Point, Point], int, int], object]
"""Called with the two points of a split, the track and the frame."""


class TrackClicks:
    """Clicks on the labels, which select tracks or split an object.

    Parameters
    ----------
    controller : TracksController
        The tracks.
    split : callable
        Called after the second click of a split.
    """

    def __init__(self, controller: TracksController, split: OnSplit) -> None:
        self._controller, self._split = controller, split
        # Object that the next clicks split, and the clicks on it so far.
        self._object: tuple[int, int] | None = None
        self._points: list[Point] = []

    def begin_split(self, track: int, frame: int) -> None:
        """Take the next two clicks in a frame as the parts of an object."""
        self._object, self._points = (track, frame), []

    def clear(self) -> None:
        """Let clicks select tracks again."""
        self._object, self._points = None, []

    def click(self, event: Any, add: bool) -> None:
        """Handle a click; with ``add`` the track is selected beside others."""
        controller = self._controller
        if controller.session is None:
            return
        labels = controller.layers.labels
        if self._object is not None and self._object[1] == controller.frame:
            place = np.asarray(labels.world_to_data(event.position))
            self._points.append((float(place[-2]), float(place[-1])))
            if len(self._points) == 2:
                (one, two), (track, frame) = self._points, self._object
                self.clear()
                self._split((one, two), track, frame)
            return
        self.clear()
        value = labels.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        controller.pick(int(value or 0), add)
