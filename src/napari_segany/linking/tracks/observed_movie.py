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


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame with objects that is in memory: its place, its pixels, and its shift in all."""

    place: int
    numbered: NDArray[np.int32]
    way: NDArray[np.float64]


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
    earlier: deque[_Seen] = deque()
    shape: tuple[int, ...] | None = None
    for place, frame in enumerate(frames):
        check(should_stop)
        values, numbered = number_objects(np.asarray(load_frame(frame)))
        shape = shape or numbered.shape
        _check_shape(numbered.shape, shape, axes, frame)
        image = None if load_image is None else np.asarray(load_image(frame))
        features_at = None if load_features is None else load_features(frame)
        found.append(measure_frame(values, numbered, image, features_at))
        while earlier and place - earlier[0].place > max_gap + 1:
            earlier.popleft()
        if len(values):
            way = np.zeros(len(spacing))
            if earlier and align:
                before = earlier[-1]
                way = before.way + _shift(found[before.place], found[place], spacing)
            for before in earlier:
                shift = way - before.way
                pixels = tuple(np.rint(shift / spacing).astype(int).tolist())
                shared = shared_pixels(before.numbered, numbered, pixels)
                pair = FramePair(before.place, place, shift, shared)
                (neighbours if before is earlier[-1] else gaps).append(pair)
            earlier.append(_Seen(place, numbered, way))
        if progress is not None:
            progress(place + 1, len(frames))
    return ObservedMovie(tuple(frames), found, neighbours, gaps, spacing)


def _check_shape(shape: tuple[int, ...], expected: tuple[int, ...], axes: str, frame: int) -> None:
    if len(shape) != DIMENSIONS[axes]:
        raise InputError(f"Frames have shape {shape}, and their axes are {axes}.")
    if shape != expected:
        raise InputError(
            f"Frame {frame} has shape {shape}, and those before it have {expected}; all frames of "
            "a movie have one shape."
        )


def _shift(
    one: FrameObjects, two: FrameObjects, spacing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the common shift of the objects of two frames."""
    sizes = np.concatenate([one.area, two.area])
    radius = float(np.median(equivalent_diameter(sizes, spacing))) / 2
    return common_shift(one.position * spacing, two.position * spacing, radius)
