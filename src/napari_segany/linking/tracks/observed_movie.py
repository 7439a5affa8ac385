"""Objects of a movie and overlaps of its frames, from frames that are read one after the other."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.units import convert, larger
from napari_segany.errors import InputError
from napari_segany.linking.tracks.frame_objects import (
    FeaturesAt,
    FrameObjects,
    SharedPixels,
    measure_frame,
    number_objects,
    shared_pixels,
)
from napari_segany.linking.tracks.frame_shift import common_shift
from napari_segany.linking.tracks.track_table import DIMENSIONS

LoadFrame = Callable[[int], NDArray[np.generic]]
"""Callable that returns a frame by its number."""

LoadFeatures = Callable[[int], FeaturesAt | None]
"""Callable that returns the features of the model on a frame; None for a frame without."""


@dataclass(frozen=True, eq=False)
class FramePair:
    """Two frames that are compared.

    Attributes
    ----------
    one, two : int
        Places of both in the row of frames, the earlier one first.
    shift : ndarray
        (D,) way of most objects between them, in the units of :attr:`ObservedMovie.spacing`.
    shared : SharedPixels
        Pixels that their objects share after that shift.
    """

    one: int
    two: int
    shift: NDArray[np.float64]
    shared: SharedPixels


@dataclass(frozen=True, eq=False)
class ObservedMovie:
    """Objects of all frames of a movie, and its pairs of frames.

    Attributes
    ----------
    frames : tuple of int
        Numbers of the frames, in ascending order.
    objects : list of FrameObjects
        Those of each frame.
    neighbours : list of FramePair
        Each frame with objects, and the next one with objects, if that is near enough.
    gaps : list of FramePair
        Frames that are further apart, and near enough for an object to be missing in between.
    spacing : ndarray
        (D,) length of a step along each axis of a frame.
    """

    frames: tuple[int, ...]
    objects: list[FrameObjects]
    neighbours: list[FramePair]
    gaps: list[FramePair]
    spacing: NDArray[np.float64]

    @cached_property
    def first_row(self) -> NDArray[np.intp]:
        """(T + 1,) number of objects before each frame; rows of the movie count from there."""
        return np.cumsum([0, *(len(each) for each in self.objects)])

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """(N, D) centroids of all objects, in the units of the spacing."""
        return self.gather("position") * self.spacing

    @cached_property
    def area(self) -> NDArray[np.int64]:
        """(N,) pixels of all objects."""
        return self.gather("area")

    def gather(self, name: str) -> NDArray[Any]:
        """Return an attribute of the objects of all frames, one row an object."""
        return np.concatenate([getattr(each, name) for each in self.objects])

    @cached_property
    def diameters(self) -> NDArray[np.float64]:
        """(N,) diameters of discs or balls of the size of each object, in units of the spacing."""
        return equivalent_diameter(self.area, self.spacing)


def equivalent_diameter(
    area: NDArray[np.int64], spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the diameters of discs (2-D) or balls (3-D) with the (n,) pixels of objects."""
    size = area * float(np.prod(spacing))
    if len(spacing) == 2:
        disc: NDArray[np.float64] = 2 * np.sqrt(size / np.pi)
        return disc
    ball: NDArray[np.float64] = np.cbrt(6 * size / np.pi)
    return ball


def frame_spacing(
    pixel_size: Mapping[str, tuple[float, str]], axes: str
) -> tuple[NDArray[np.float64], str]:
    """Return the length of a step along the axes of a frame, and its unit.

    Steps are 1 and the unit is ``px`` unless the sizes along all axes are known and compare.

    Examples
    --------
    >>> frame_spacing({"Z": (1, "um"), "Y": (200, "nm"), "X": (200, "nm")}, "ZYX")
    (array([1. , 0.2, 0.2]), 'um')
    """
    known = [pixel_size[axis] for axis in axes if axis in pixel_size]
    if len(known) == len(axes):
        unit = known[0][1]
        for _, other in known[1:]:
            unit = larger(unit, other)
        lengths = [convert(size, own, unit) for size, own in known]
        if None not in lengths:
            return np.array(lengths, np.float64), unit
    return np.ones(len(axes)), "px"


def observe(
    load_frame: LoadFrame,
    frames: Sequence[int],
    axes: str,
    pixel_size: Mapping[str, tuple[float, str]],
    *,
    max_gap: int,
    align: bool,
    load_image: LoadFrame | None = None,
    load_features: LoadFeatures | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> ObservedMovie:
    """Read the frames of a movie, each once; ``max_gap`` + 2 of them are in memory at most.

    Parameters are those of :func:`napari_segany.linking.tracks.link_labels.link_labels`.

    Raises
    ------
    InputError
        If frames differ in shape, or have other axes than named.
    Cancelled
        If ``should_stop`` returned True.
    """
    spacing, _ = frame_spacing(pixel_size, axes)
    found: list[FrameObjects] = []
    neighbours: list[FramePair] = []
    gaps: list[FramePair] = []
    earlier: deque[tuple[int, NDArray[np.int32]]] = deque()
    shape: tuple[int, ...] | None = None
    for place, frame in enumerate(frames):
        check(should_stop)
        values, numbered = number_objects(np.asarray(load_frame(frame)))
        shape = shape or numbered.shape
        _check_shape(numbered.shape, shape, axes, frame)
        image = None if load_image is None else np.asarray(load_image(frame))
        features_at = None if load_features is None else load_features(frame)
        found.append(measure_frame(values, numbered, image, features_at))
        while earlier and place - earlier[0][0] > max_gap + 1:
            earlier.popleft()
        if len(values):
            for before, other in earlier:
                pair = _compare(found, before, place, other, numbered, spacing, align)
                (neighbours if before == earlier[-1][0] else gaps).append(pair)
            earlier.append((place, numbered))
        if progress is not None:
            progress(place + 1, len(frames))
    return ObservedMovie(tuple(frames), found, neighbours, gaps, spacing)


def _check_shape(
    shape: tuple[int, ...], expected: tuple[int, ...], axes: str, frame: int
) -> None:
    if len(shape) != DIMENSIONS[axes]:
        raise InputError(f"Frames have shape {shape}, and their axes are {axes}.")
    if shape != expected:
        raise InputError(
            f"Frame {frame} has shape {shape}, and those before it have {expected}; all frames of "
            "a movie have one shape."
        )


def _compare(
    objects: list[FrameObjects],
    one: int,
    two: int,
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    spacing: NDArray[np.float64],
    align: bool,
) -> FramePair:
    """Compare two numbered frames after their common shift."""
    shift = np.zeros(len(spacing))
    if align:
        sizes = np.concatenate([objects[one].area, objects[two].area])
        radius = float(np.median(equivalent_diameter(sizes, spacing))) / 2
        places = objects[one].position * spacing, objects[two].position * spacing
        shift = common_shift(*places, radius)
    pixels = tuple(np.rint(shift / spacing).astype(int).tolist())
    return FramePair(one, two, shift, shared_pixels(before, after, pixels))
