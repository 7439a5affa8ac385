"""Image sources: images that are read plane by plane."""

from collections.abc import Iterable, Sequence
from itertools import islice, product
from typing import Any, Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray

from napari_segany.core.intensity import Limits
from napari_segany.core.planes import as_colours
from napari_segany.errors import InputError, PlaneError

Plane = tuple[int | None, ...]
"""One entry an axis of the image (without channel and colour): None for the plane's two axes."""

IDENTIFYING_PLANES, IDENTIFYING_PIXELS = 3, 1 << 16


def plane_slices(plane: Plane) -> tuple[int | slice, ...]:
    """Return the index of a plane in an array; the plane's axes are in ascending order."""
    return tuple(slice(None) if n is None else n for n in plane)


def window_slices(plane: Plane, rows: slice, cols: slice) -> tuple[int | slice, ...]:
    """Return the index of a part of a plane in an array."""
    first = plane.index(None)
    return tuple(n if n is not None else rows if i == first else cols for i, n in enumerate(plane))


def plane_of_level(shapes: Sequence[Sequence[int]], plane: Plane, level: int) -> Plane:
    """Return the plane of a coarser level, which may have fewer planes, too."""
    return tuple(
        None if n is None else min(n * own // full, own - 1)
        for n, full, own in zip(plane, shapes[0], shapes[level], strict=True)
    )


def plane_name(plane: Plane) -> str:
    """Return the name of a plane for messages, with indices from 0."""
    at = ", ".join(str(n) for n in plane if n is not None)
    return f"Plane {at}" if at else "Image"


def plane_shape(shape: Sequence[int], plane: Plane) -> tuple[int, int]:
    """Return (H, W) of a plane of an image of ``shape``."""
    rows, cols = (size for size, n in zip(shape, plane, strict=True) if n is None)
    return rows, cols


def check_plane_index(shape: Sequence[int], plane: Plane) -> None:
    """Raise InputError unless ``plane`` is a plane of an image of ``shape``."""
    fits = len(plane) == len(shape) and sum(n is None for n in plane) == 2
    if not fits or not all(n is None or 0 <= n < s for n, s in zip(plane, shape, strict=True)):
        raise InputError(
            f"{plane} is no plane of an image of shape {tuple(shape)}: give an index for every "
            "axis, None for the two of the plane."
        )


class ImageSource(Protocol):
    """An image of two or more axes, read plane by plane."""

    @property
    def name(self) -> str:
        """Name for messages."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image's labels: without channel and colour axes."""
        ...

    @property
    def limits(self) -> Limits | None:
        """Intensities of black and white, or a display; None for each plane's own percentiles."""
        ...

    def read(self, plane: Plane) -> NDArray[np.generic]:
        """Return (H, W) or (H, W, 3) pixels, axes in ascending order; read no other plane."""
        ...

    @property
    def level_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the image and of its coarser versions, finest first; often only the first."""
        ...

    def window(self, plane: Plane, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return the (h, w) or (h, w, 3) pixels of a part of a plane; read no other pixels.

        Rows and columns are those of the level.
        """
        ...

    def identity(self) -> str:
        """Return a key of the content that is the same when the image is opened again."""
        ...


class ArraySource:
    """Planes of an array: numpy, dask, zarr or any array that is indexed like them.

    Parameters
    ----------
    data : array
        Array with two or more axes beside an optional axis of channels or, last, colours.
    rgb : bool
        True if the last axis is colour (3 or 4 samples).
    channel_axis : int, optional
        Axis of channels.
    channels : sequence of int
        One channel, or two or three that are shown as red, green and blue.
    limits : tuple or Display, optional
        Intensities of black and white, or a display that has gamma and colours, too; each plane's
        own percentiles by default.
    name : str
        Name for messages.
    coarser : sequence of array
        The same image at lower resolutions, finest first, as pyramids hold it.

    Raises
    ------
    InputError
        If the axes do not fit the data.
    """

    def __init__(
        self,
        data: Any,
        *,
        rgb: bool = False,
        channel_axis: int | None = None,
        channels: Sequence[int] = (0,),
        limits: Limits | None = None,
        name: str = "image",
        coarser: Sequence[Any] = (),
    ) -> None:
        shape = tuple(int(n) for n in data.shape)
        if channel_axis is not None and not -len(shape) <= channel_axis < len(shape):
            raise InputError(f"There is no axis {channel_axis} in an image of shape {shape}.")
        if rgb and (channel_axis is not None or shape[-1] not in (3, 4)):
            raise InputError(f"An image of shape {shape} is not RGB with colours last.")
        self.data, self.rgb, self.name, self.limits = data, rgb, name, limits
        self.channel_axis = None if channel_axis is None else channel_axis % len(shape)
        self.channels = tuple(channels)
        self.coarser = tuple(coarser)
        self.shape = self._own_axes(shape)
        if len(self.shape) < 2 or 0 in shape:
            raise InputError(f"An image of shape {shape} has no planes.")
        if self.channel_axis is not None:
            count = shape[self.channel_axis]
            fits = all(0 <= c < count for c in self.channels)
            if len(self.channels) not in (1, 2, 3) or not fits:
                raise InputError(
                    f"Give one, two or three channels of 0..{count - 1}, got {self.channels}."
                )

    def read(self, plane: Plane) -> NDArray[np.generic]:
        """Return (H, W) or (H, W, 3) pixels of one plane.

        Raises
        ------
        PlaneError
            If the array cannot be read.
        """
        check_plane_index(self.shape, plane)
        return self._read(self.data, plane_slices(plane))

    @property
    def level_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the image and of its coarser versions, finest first."""
        every = (self.data, *self.coarser)
        return tuple(self._own_axes(tuple(int(n) for n in each.shape)) for each in every)

    def window(self, plane: Plane, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return the (h, w) or (h, w, 3) pixels of rows and columns of a plane of a level.

        Raises
        ------
        PlaneError
            If the array cannot be read.
        """
        check_plane_index(self.shape, plane)
        there = plane_of_level(self.level_shapes, plane, level)
        data = self.coarser[level - 1] if level else self.data
        return self._read(data, window_slices(there, rows, cols))

    def _own_axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the lengths of all axes but that of channels or colours."""
        dropped = len(shape) - 1 if self.rgb else self.channel_axis
        return tuple(n for axis, n in enumerate(shape) if axis != dropped)

    def _read(self, data: Any, index: tuple[int | slice, ...]) -> NDArray[np.generic]:
        if self.channel_axis is None:
            pixels = self._pixels(data, index)
            return pixels[..., :3] if self.rgb else pixels
        at = self.channel_axis
        # One by one: not every lazy array accepts lists of indices.
        seen = [self._pixels(data, (*index[:at], c, *index[at:])) for c in self.channels]
        return seen[0] if len(seen) == 1 else as_colours(seen)

    def _pixels(self, data: Any, index: tuple[int | slice, ...]) -> NDArray[np.generic]:
        try:
            return np.asarray(data[index])
        except Exception as error:
            # Lazy arrays raise errors of any type: missing files, servers that do not respond.
            raise PlaneError(f"{self.name} cannot be read: {error}") from error

    @property
    def read_options(self) -> dict[str, Any]:
        """Keywords for reading the array; empty for plain planes."""
        if self.channel_axis is not None:
            return {"channel_axis": self.channel_axis, "channels": list(self.channels)}
        return {"rgb": True} if self.rgb else {}

    def identity(self) -> str:
        """Return a hash of shape, type and a few planes, at most 65536 pixels of each."""
        found = xxhash.xxh3_128()
        found.update(repr((self.data.shape, str(self.data.dtype), self.rgb)).encode())
        leading = list(islice(product(*(range(n) for n in self.shape[:-2])), 1 << 16))
        last = len(leading) - 1
        chosen = sorted({0, last // 2, last})[:IDENTIFYING_PLANES]
        for number in chosen:
            pixels = self.read((*leading[number], None, None))
            step = max(1, int((pixels.size / IDENTIFYING_PIXELS) ** 0.5))
            found.update(np.ascontiguousarray(pixels[::step, ::step]).tobytes())
        return found.hexdigest()


class CompositeSource:
    """Two or three gray images of one shape, shown as red, green and blue.

    Parameters
    ----------
    sources : sequence of ImageSource
        The images; the first one gives the name.
    limits : tuple or Display, optional
        Intensities of black and white of each, or a display; percentiles by default.

    Raises
    ------
    InputError
        If their shapes differ or their number is wrong.
    """

    def __init__(self, sources: Iterable[ImageSource], limits: Limits | None = None) -> None:
        sources = tuple(sources)
        if len(sources) not in (2, 3) or len({each.shape for each in sources}) != 1:
            raise InputError("Two or three images of one shape can be seen as colours.")
        self.sources, self.limits = sources, limits

    @property
    def name(self) -> str:
        """Name of the first image."""
        return self.sources[0].name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every image."""
        return self.sources[0].shape

    @property
    def read_options(self) -> dict[str, Any]:
        """Names of the images, as keywords."""
        return {"images": [each.name for each in self.sources]}

    def read(self, plane: Plane) -> NDArray[np.generic]:
        """Return (H, W, 3) pixels of one plane."""
        return as_colours([each.read(plane) for each in self.sources])

    @property
    def level_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the levels that all images have in common, finest first."""
        every = zip(*(each.level_shapes for each in self.sources), strict=False)
        return tuple(shapes[0] for shapes in every if len(set(shapes)) == 1)

    def window(self, plane: Plane, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return the (h, w, 3) pixels of rows and columns of a plane of a level."""
        return as_colours([each.window(plane, rows, cols, level) for each in self.sources])

    def identity(self) -> str:
        """Return a hash of the identities of all images."""
        every = "".join(each.identity() for each in self.sources)
        return xxhash.xxh3_128(every.encode()).hexdigest()


class DisplayedSource:
    """An image source with other intensity limits, for example those of a saved session.

    Parameters
    ----------
    source : ImageSource
        The image.
    limits : tuple, Display or None
        Intensities of black and white in place of its own.
    """

    def __init__(self, source: ImageSource, limits: Limits | None) -> None:
        self.source, self.limits = source, limits

    @property
    def name(self) -> str:
        """Name of the image."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image's labels."""
        return self.source.shape

    def read(self, plane: Plane) -> NDArray[np.generic]:
        """Return (H, W) or (H, W, 3) pixels of one plane."""
        return self.source.read(plane)

    @property
    def level_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the image and of its coarser versions, finest first."""
        return self.source.level_shapes

    def window(self, plane: Plane, rows: slice, cols: slice, level: int = 0) -> NDArray[np.generic]:
        """Return the pixels of rows and columns of a plane of a level."""
        return self.source.window(plane, rows, cols, level)

    def identity(self) -> str:
        """Return the hash of the image."""
        return self.source.identity()
