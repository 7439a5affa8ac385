"""Objects of a stack that are linked over time, as planes with the ids of tracks."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.linking.linked_stack import Index, LinkedStack
from napari_segany.linking.tracks.link_labels import link_labels
from napari_segany.linking.tracks.observed_movie import LoadFrame
from napari_segany.linking.tracks.track_params import TrackParams

TIME, DEPTH = "T", "Z"
"""Axes that objects are linked along."""


def check_time(layout: StackLayout, volumes: bool) -> None:
    """Raise InputError unless a stack is a movie of planes, or of volumes.

    Parameters
    ----------
    layout : StackLayout
        The planes.
    volumes : bool
        True if planes are linked to volumes first.
    """
    expected = {TIME, DEPTH} if volumes else {TIME}
    if set(layout.leading) == expected:
        return
    planes = f"planes along {', '.join(layout.leading)}" if layout.leading else "one plane"
    advice = "give axes that name it, such as TYX"
    if volumes:
        advice = "volumes over time have axes such as TZYX"
    elif DEPTH in layout.leading and TIME in layout.leading:
        advice = "link volumes over time with zt"
    raise InputError(f"Objects are to be linked along T, and the image has {planes}; {advice}.")


class TrackedStack:
    """Objects of a movie of planes or volumes, linked over time.

    Parameters
    ----------
    layout : StackLayout
        The planes, along T, or T and Z.
    load_frame : callable
        Returns the labels of a frame, (Y, X) or (Z, Y, X). It is called at least twice for each
        frame: to link, and to paint.
    params : TrackParams
        Rules of linking.
    pixel_size : mapping
        Size and unit of a step along axes.
    should_stop : callable, optional
        Polled from time to time.

    Raises
    ------
    InputError
        If the stack has no such axes, or laptrack is needed and not installed.
    Cancelled
        If ``should_stop`` returned True.

    Attributes
    ----------
    table : TrackTable
        One row an object in a frame.
    """

    def __init__(
        self,
        layout: StackLayout,
        load_frame: LoadFrame,
        params: TrackParams,
        pixel_size: Mapping[str, tuple[float, str]],
        *,
        should_stop: ShouldStop | None = None,
    ) -> None:
        check_time(layout, DEPTH in layout.leading)
        self.layout, self._load = layout, load_frame
        self._at = layout.leading.index(TIME)
        self.table = link_labels(
            load_frame,
            sorted({index[self._at] for index in layout.chosen()}),
            params,
            axes=layout.labels_axes.replace(TIME, ""),
            pixel_size=pixel_size,
            should_stop=should_stop,
        )

    def planes(self) -> Iterator[tuple[Index, NDArray[np.int32]]]:
        """Yield index and (Y, X) labels of each plane that is wanted, in the order of the stack."""
        last, frame = -1, np.zeros(0, np.int32)
        for index in self.layout.chosen():
            if index[self._at] != last:
                last = index[self._at]
                frame = self.table.relabel_frame(last, np.asarray(self._load(last), np.int64))
            yield index, frame[index[: self._at] + index[self._at + 1 :]]

    def labels(self) -> NDArray[np.int32]:
        """Return the labels of the whole stack, one id a track; planes not wanted are empty."""
        out = np.zeros(self.layout.labels_shape, np.int32)
        for index, labels in self.planes():
            out[index] = labels
        return out


def frames_of_planes(
    layout: StackLayout, load: Callable[[Index], NDArray[np.generic] | None]
) -> LoadFrame:
    """Return a loader of the frames of a movie of planes; None is a plane without objects."""

    def load_frame(frame: int) -> NDArray[np.generic]:
        labels = load((frame,))
        return np.zeros(layout.labels_shape[-2:], np.int32) if labels is None else labels

    return load_frame


def frames_of_volumes(layout: StackLayout, volumes: LinkedStack) -> LoadFrame:
    """Return a loader of the frames of a movie of volumes, with ids of the volume's objects."""
    at = layout.leading.index(TIME)
    depth = layout.leading_shape[1 - at]

    def load_frame(frame: int) -> NDArray[np.generic]:
        out = np.zeros((depth, *layout.labels_shape[-2:]), np.int32)
        wanted = [index[1 - at] for index in layout.chosen() if index[at] == frame]
        painted = volumes.volumes[(frame,)].plane_labels()
        for z, labels in zip(wanted, painted, strict=True):
            out[z] = labels
        return out

    return load_frame
