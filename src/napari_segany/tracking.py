"""Links of the labels of a movie over time, for Python and the command line alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.label_images import as_ids
from napari_segany.core.planes import StackLayout
from napari_segany.core.sequences import as_array
from napari_segany.errors import InputError
from napari_segany.io.pixel_size import PixelSize, check_sizes
from napari_segany.io.read import open_image
from napari_segany.linking.tracks.link_labels import OnEstimate, link_labels
from napari_segany.linking.tracks.observed_movie import LoadFeatures, LoadFrame
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.track_table import TrackTable

TIME_AXIS = "T"
"""Axis along which objects are linked over time."""

MOVIES = {3: "TYX", 4: "TZYX"}
"""Axes of arrays of labels by the number of their dimensions."""


class Frames(Protocol):
    """Protocol of the label frames of a movie, which are read when they are called for."""

    @property
    def count(self) -> int:
        """Number of frames."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame, (Y, X) or (Z, Y, X)."""
        ...

    def __call__(self, frame: int) -> NDArray[np.generic]:
        """Return a frame."""
        ...


class MovieFrames:
    """Frames of a movie, read when they are called for.

    Parameters
    ----------
    data : array
        The movie, maybe lazy.
    layout : StackLayout
        Its axes: T, maybe Z, Y, X, and maybe channels or colours.

    Attributes
    ----------
    axes : {"YX", "ZYX"}
        Axes of a frame.
    count : int
        Number of frames.
    shape : tuple of int
        Shape of a frame.

    Raises
    ------
    InputError
        If there is no axis T.
    """

    def __init__(self, data: Any, layout: StackLayout) -> None:
        if TIME_AXIS not in layout.leading:
            raise InputError(
                f"Objects are linked along T, and the axes are {layout.axes}; give axes that name "
                "it, such as TYX."
            )
        self._data, self._layout = data, layout
        lengths = dict(zip(layout.labels_axes, layout.labels_shape, strict=True))
        self.count = lengths.pop(TIME_AXIS)
        self.axes = "".join(lengths)
        self.shape = tuple(lengths.values())

    def __call__(self, frame: int) -> NDArray[np.generic]:
        """Return a frame: (Y, X) or (Z, Y, X), with three colours as a last axis if it has them."""
        at = self._layout.leading.index(TIME_AXIS)
        if len(self._layout.leading) == 1:
            return self._layout.plane(self._data, (frame,))
        depth = self.shape[0]
        places = [(frame, z) if at == 0 else (z, frame) for z in range(depth)]
        return np.stack([self._layout.plane(self._data, place) for place in places])


@dataclass(frozen=True, eq=False)
class TrackedMovie:
    """A movie whose objects are linked over time.

    Attributes
    ----------
    table : TrackTable
        One row an object in a frame.
    load_frame : callable
        Returns the labels of a frame as they were given.
    count : int
        Number of frames.
    shape : tuple of int
        Shape of a frame, (Y, X) or (Z, Y, X).
    """

    table: TrackTable
    load_frame: LoadFrame
    count: int
    shape: tuple[int, ...]

    def given_frame(self, number: int) -> NDArray[np.integer]:
        """Return the labels of a frame as the table names them; those below 0 are 0."""
        return as_ids(self.load_frame(number))

    def frame(self, number: int) -> NDArray[np.int32]:
        """Return the labels of a frame, with the ids of tracks."""
        # Ids are compared with those of the table, which are signed.
        return self.table.relabel_frame(number, self.given_frame(number).astype(np.int64))

    def to_labels(self) -> NDArray[np.int32]:
        """Return the labels of the movie, (T, Y, X) or (T, Z, Y, X): one id a track."""
        labels = np.zeros((self.count, *self.shape), np.int32)
        for number in range(self.count):
            labels[number] = self.frame(number)
        return labels


def label_movie(data: Any, axes: str | None) -> MovieFrames:
    """Return the frames of an array of labels; by default its axes are TYX or TZYX.

    Raises
    ------
    InputError
        If it is no movie of labels.
    """
    shape = tuple(int(n) for n in np.shape(data))
    axes = axes or MOVIES.get(len(shape), "")
    if not axes:
        raise InputError(f"Labels have axes TYX or TZYX, and these have shape {shape}.")
    if wrong := sorted(set(axes) & {"C", "S"}):
        raise InputError(
            f"Labels have no axis {wrong[0]}, and their axes are {axes}. State other axes, such as "
            f"{MOVIES.get(len(shape), 'TYX')}."
        )
    return MovieFrames(data, StackLayout(axes, shape))


def image_movie(data: Any, axes: str, channels: tuple[int, ...], labels: Frames) -> MovieFrames:
    """Return the frames of the image that labels belong to.

    Raises
    ------
    InputError
        If it has other frames than the labels.
    """
    shape = tuple(int(n) for n in np.shape(data))
    image = MovieFrames(data, StackLayout(axes, shape, channels))
    if (image.count, image.shape) != (labels.count, labels.shape):
        raise InputError(
            f"The image has {image.count} frames of shape {image.shape}, and the labels have "
            f"{labels.count} of {labels.shape}."
        )
    return image


def track(
    labels: ArrayLike | str | Path,
    axes: str | None = None,
    params: TrackParams | None = None,
    *,
    image: ArrayLike | str | Path | None = None,
    image_axes: str | None = None,
    channels: int | tuple[int, ...] = 0,
    pixel_size: PixelSize | None = None,
    load_features: LoadFeatures | None = None,
    on_estimate: OnEstimate | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TrackedMovie:
    """Link the objects of a labelled movie over time, with gaps and divisions.

    Parameters
    ----------
    labels : array_like or path
        (T, Y, X) or (T, Z, Y, X) whole numbers of any tool; numpy, dask or zarr, or a file, read
        frame by frame. Labels of different frames say nothing about each other.
    axes : str, optional
        One letter a dimension; by default those of the file, or TYX or TZYX.
    params : TrackParams, optional
        Rules and weights.
    image : array_like or path, optional
        The movie that the labels belong to. Its brightness tells objects apart.
    image_axes : str, optional
        Its axes; by default those of its file, or those of the labels.
    channels : int or tuple of int
        The channel of the image, or two or three.
    pixel_size : mapping, optional
        Size and unit of a step along axes, such as ``{"Z": (1, "um"), "Y": (0.2, "um"), "X":
        (0.2, "um"), "T": (5, "min")}``; by default that of the file.
    load_features, on_estimate, progress, should_stop : callable, optional
        As for :func:`napari_segany.linking.tracks.link_labels.link_labels`.

    Returns
    -------
    TrackedMovie
        Its ``table`` has one row an object in a frame, and ``to_labels()`` one id a track.

    Raises
    ------
    InputError
        If labels, image, axes or sizes cannot be used, or laptrack is needed and not installed.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> movie = np.zeros((2, 20, 30), np.uint8)
    >>> movie[0, 5:10, 4:9], movie[1, 5:10, 6:11] = 3, 8
    >>> found = track(movie)
    >>> np.unique(found.to_labels()).tolist()
    [0, 1]
    """
    chosen = (channels,) if isinstance(channels, int) else tuple(channels)
    with _opened(labels, stored=True) as source:
        frames = label_movie(source.data, axes or source.axes)
        known = image_axes or (None if isinstance(image, (str, Path)) else axes or source.axes)
        movie = track_frames(
            frames,
            frames.axes,
            params,
            image=image,
            image_axes=known,
            channels=chosen,
            pixel_size=check_sizes(pixel_size) if pixel_size else source.pixel_size,
            load_features=load_features,
            on_estimate=on_estimate,
            progress=progress,
            should_stop=should_stop,
        )
    if isinstance(labels, (str, Path)):
        return replace(movie, load_frame=file_frames(Path(labels), axes))
    return movie


def track_frames(
    frames: Frames,
    axes: str,
    params: TrackParams | None = None,
    *,
    image: ArrayLike | str | Path | None = None,
    image_axes: str | None = None,
    channels: tuple[int, ...] = (0,),
    pixel_size: PixelSize,
    load_features: LoadFeatures | None = None,
    on_estimate: OnEstimate | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TrackedMovie:
    """Link the objects of label frames that are read one by one.

    Parameters
    ----------
    frames : Frames
        The labels.
    axes : {"YX", "ZYX"}
        Axes of a frame.
    image_axes : str, optional
        By default those of the image's file, or T and ``axes``.
    params, image, channels, pixel_size, load_features, on_estimate, progress, should_stop
        As for :func:`track`.
    """
    with _opened(image) as picture:
        load_image = None
        if image is not None:
            known = image_axes or picture.axes or f"T{axes}"
            load_image = image_movie(picture.data, known, channels, frames)
        table = link_labels(
            frames,
            range(frames.count),
            params,
            axes=axes,
            pixel_size=pixel_size,
            load_image=load_image,
            load_features=load_features,
            on_estimate=on_estimate,
            progress=progress,
            should_stop=should_stop,
        )
    return TrackedMovie(table, frames, frames.count, frames.shape)


@dataclass(frozen=True, eq=False)
class _Source:
    """An array, with the axes and pixel size that its file states."""

    data: Any
    axes: str = ""
    pixel_size: PixelSize = field(default_factory=dict)


@contextmanager
def _opened(values: ArrayLike | str | Path | None, stored: bool = False) -> Iterator[_Source]:
    """Open a file, or take an array."""
    if isinstance(values, (str, Path)):
        with open_image(values, stored=stored) as image:
            yield _Source(image.data, image.axes, image.pixel_size)
    else:
        yield _Source(as_array(values))


def file_frames(path: Path, axes: str | None) -> LoadFrame:
    """Return a callable that opens a file of labels for each frame and returns its labels."""

    def load(frame: int) -> NDArray[np.generic]:
        with open_image(path, stored=True) as image:
            return label_movie(image.data, axes or image.axes)(frame)

    return load
