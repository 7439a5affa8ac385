"""Stacks as planes: the meaning of each axis, and one (Y, X) or (Y, X, 3) array at a time.

Nothing here reads more than one plane at once, and windows of planes without the rest of them, so
dask and zarr arrays stay lazy.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.intensity import check_plane, find_limits, keep_apart
from napari_segany.errors import BlankPlaneError, InputError, PlaneError

KNOWN_AXES = "TZCYXSQI"
"""Time, depth, channel, row, column, colour sample, and unnamed axes as tifffile calls them."""

SAMPLES_PER_PLANE = 65_536
"""Pixels a plane contributes to the limits of a whole stack, at most."""

SAMPLES_PER_STACK = 2**24
"""Pixels that all planes contribute together, or one each; bounds memory for long recordings."""


Box = tuple[int, int, int, int]
"""Half-open row_min, col_min, row_max, col_max in pixels."""

Range = tuple[str, int, int]
"""An axis, the first index that is wanted, and the one after the last."""


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes of an unnamed array: (Y, X), (Y, X, colour) or a stack of planes.

    A last axis of 3 or 4 behind two longer ones is colour; leading axes are called T, Z, C as
    napari's users expect for 3-D to 5-D data.

    Raises
    ------
    InputError
        If there are fewer than two axes or more than can be named.

    Examples
    --------
    >>> guess_axes((512, 512)), guess_axes((512, 512, 3)), guess_axes((20, 512, 512))
    ('YX', 'YXS', 'ZYX')
    """
    if len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 4:
        return guess_axes(shape[:-1]) + "S"
    leading = {2: "", 3: "Z", 4: "TZ", 5: "TCZ"}.get(len(shape))
    if leading is None:
        raise InputError(
            f"An array of shape {tuple(shape)} is no image; give axes to say what it is."
        )
    return leading + "YX"


def axes_fit(axes: str, own: str) -> bool:
    """Tell if axes meant for other images can be those of one with axes of its own.

    Their number must be the same, and colour is colour in every file. "auto" names none.

    Examples
    --------
    >>> axes_fit("TYX", "ZYX"), axes_fit("YXS", "ZYX")
    (True, False)
    """
    return axes != "auto" and len(axes) == len(own) and ("S" in axes) == ("S" in own)


def as_colours(channels: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Stack two or three (Y, X) channels as (Y, X, 3); the third colour of two is empty.

    8-bit channels come as uint16, which is stretched like any other intensity: 8-bit RGB goes to
    the model as it is, but fluorescence is as dim as it was recorded.
    """
    wide = [each.astype(np.uint16) if each.dtype == np.uint8 else each for each in channels]
    return np.stack([*wide, *[np.zeros_like(wide[0])] * (3 - len(wide))], axis=-1)


@dataclass(frozen=True)
class StackLayout:
    """The meaning of an array's axes, and the planes that it is made of.

    Attributes
    ----------
    axes : str
        One letter a dimension, for example "TZCYX"; "S" is colour.
    shape : tuple of int
        The array's shape.
    channels : tuple of int
        Channels to look at; two or three make the colours of one plane.
    ranges : tuple
        (axis, first, end) for leading axes of which only a part is wanted, end not included.

    Examples
    --------
    >>> layout = StackLayout("TCYX", (5, 2, 64, 80), channels=(1,))
    >>> layout.labels_axes, layout.labels_shape, layout.plane_count
    ('TYX', (5, 64, 80), 5)
    >>> layout.plane(np.zeros(layout.shape), (3,)).shape
    (64, 80)
    """

    axes: str
    shape: tuple[int, ...]
    channels: tuple[int, ...] = (0,)
    ranges: tuple[Range, ...] = ()

    def __post_init__(self) -> None:
        axes, shape = self.axes, self.shape
        if len(axes) != len(shape):
            raise InputError(f"axes {axes!r} names {len(axes)} axes, the image has shape {shape}.")
        if (
            len(set(axes)) != len(axes)
            or set(axes) - set(KNOWN_AXES)
            or not {"Y", "X"} <= set(axes)
        ):
            raise InputError(
                f"axes must name Y and X once each, and others of {', '.join(KNOWN_AXES)} at most "
                f"once, got {axes!r}."
            )
        if 0 in shape:
            raise InputError(f"The image has shape {shape}, so there are no pixels to segment.")
        if "S" in axes and shape[axes.index("S")] not in (1, 3, 4):
            raise InputError(
                f"The colour axis S must have 1, 3 or 4 samples, got {shape[axes.index('S')]}."
            )
        count = shape[axes.index("C")] if "C" in axes else 1
        bad = [c for c in self.channels if not 0 <= c < count]
        if bad:
            known = f"channels 0..{count - 1}" if count > 1 else "one channel, 0"
            raise InputError(f"There is no channel {bad[0]}; the image has {known}.")
        if len(self.channels) not in (1, 2, 3) or ("S" in axes and len(self.channels) > 1):
            raise InputError(
                "Give one channel, or two or three to be seen as red, green and blue; "
                f"got {self.channels}."
            )
        for axis, first, end in self.ranges:
            length = dict(zip(self.leading, self.leading_shape, strict=True)).get(axis)
            if length is None:
                along = f"planes along {', '.join(self.leading)}" if self.leading else "one plane"
                raise InputError(
                    f"Planes were chosen along {axis or 'an axis'}, but the image has {along}."
                )
            if not 0 <= first < end <= length:
                raise InputError(
                    f"Planes {first}:{end} were chosen along {axis}; the image has 0:{length}."
                )

    @property
    def leading(self) -> str:
        """The axes that count planes: all but channel, row, column and colour."""
        return "".join(a for a in self.axes if a not in "CYXS")

    @property
    def leading_shape(self) -> tuple[int, ...]:
        """Lengths of the leading axes."""
        return tuple(self.shape[self.axes.index(a)] for a in self.leading)

    @property
    def labels_axes(self) -> str:
        """Axes of the label image: the leading ones, then Y, X."""
        return self.leading + "YX"

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """Shape of the label image."""
        return (
            *self.leading_shape,
            self.shape[self.axes.index("Y")],
            self.shape[self.axes.index("X")],
        )

    @property
    def colours(self) -> int:
        """Intensities a pixel of a plane has, 1 or 3."""
        if "S" in self.axes:
            return 1 if self.shape[self.axes.index("S")] == 1 else 3
        return 1 if len(self.channels) == 1 else 3

    def restricted(self, ranges: Sequence[Range]) -> "StackLayout":
        """Return a layout of some planes only; an axis without a name is the last leading one."""
        last = self.leading[-1:]
        return replace(self, ranges=tuple((a or last, first, end) for a, first, end in ranges))

    @property
    def plane_count(self) -> int:
        """Number of planes."""
        return int(np.prod(self.leading_shape, dtype=np.int64))

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Index along the leading axes of every plane, in order."""
        return product(*(range(n) for n in self.leading_shape))

    def chosen(self) -> Iterator[tuple[int, ...]]:
        """Index of every plane that is wanted, in order."""
        parts = {axis: (first, end) for axis, first, end in self.ranges}
        lengths = zip(self.leading, self.leading_shape, strict=True)
        return product(*(range(*parts.get(axis, (0, n))) for axis, n in lengths))

    @property
    def chosen_count(self) -> int:
        """Number of planes that are wanted."""
        parts = {axis: end - first for axis, first, end in self.ranges}
        lengths = zip(self.leading, self.leading_shape, strict=True)
        return int(np.prod([parts.get(axis, n) for axis, n in lengths], dtype=np.int64))

    def number(self, index: tuple[int, ...]) -> int:
        """Return the number of a plane, from 0, counted over the whole stack."""
        return int(np.ravel_multi_index(index, self.leading_shape)) if index else 0

    def plane(self, data: Any, index: tuple[int, ...]) -> NDArray[np.generic]:
        """Read one plane of ``data``, (Y, X) or (Y, X, 3); a fourth colour sample is dropped."""
        return self._pixels(data, dict(zip(self.leading, index, strict=True)))

    def window(self, data: Any, index: tuple[int, ...], box: Box) -> NDArray[np.generic]:
        """Read a part of a plane; of lazy arrays nothing else is read.

        Parameters
        ----------
        data : array
            The image; indexed by integers and slices.
        index : tuple of int
            Index of the plane along the leading axes.
        box : tuple of int
            Half-open row_min, col_min, row_max, col_max in pixels, within the plane.

        Returns
        -------
        ndarray
            (h, w) or (h, w, 3) pixels, the same as those of :meth:`plane` within the box.

        Raises
        ------
        InputError
            If the box is empty or reaches beyond the plane.
        PlaneError
            If the pixels cannot be read.
        """
        top, left, bottom, right = (int(n) for n in box)
        height, width = self.labels_shape[-2:]
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise InputError(
                f"The box {tuple(box)} is no part of a plane of {height} x {width} pixels; give "
                "row_min, col_min, row_max, col_max, the last two not included."
            )
        where = dict(zip(self.leading, index, strict=True))
        with self._errors_of(index):
            return self._pixels(data, where | {"Y": slice(top, bottom), "X": slice(left, right)})

    def _pixels(self, data: Any, where: Mapping[str, int | slice]) -> NDArray[np.generic]:
        read = [self._read(data, {**where, "C": c}) for c in self.channels]
        return read[0] if len(read) == 1 else as_colours(read)

    @contextmanager
    def _errors_of(self, index: tuple[int, ...]) -> Iterator[None]:
        """Turn errors of reading into one that names the plane."""
        try:
            yield
        except (InputError, OSError) as error:
            text = getattr(error, "strerror", None) or error
            raise PlaneError(f"{self.beginning(index)}{text}") from error

    def beginning(self, index: tuple[int, ...]) -> str:
        """Return the start of a plane's errors, such as "Plane T 0, Z 3: "; empty without axes."""
        place = ", ".join(f"{a} {i}" for a, i in zip(self.leading, index, strict=True))
        return f"Plane {place}: " if place else ""

    def read(self, data: Any, index: tuple[int, ...]) -> NDArray[np.generic]:
        """Read a plane that has something on it that can be segmented.

        Raises
        ------
        BlankPlaneError
            If no pixel is a finite number; registration and stitching leave such planes.
        PlaneError
            If the plane cannot be read.
        """
        with self._errors_of(index):
            plane = self.plane(data, index)
        # Row by row, since as a rule the first one answers it.
        if plane.dtype.kind == "f" and not any(np.isfinite(row).any() for row in plane):
            raise self.blank(index)
        return plane

    def blank(self, index: tuple[int, ...]) -> BlankPlaneError:
        """Return the error for a plane on which no pixel is a finite number."""
        start = self.beginning(index)
        return BlankPlaneError(f"{start}No pixel is a finite number, so there is no image.")

    def _read(self, data: Any, where: Mapping[str, int | slice]) -> NDArray[np.generic]:
        kept = [a for a in self.axes if a in "YXS"]
        array = np.asarray(data[tuple(where.get(a, slice(None)) for a in self.axes)])
        array = array.transpose([kept.index(a) for a in "YXS" if a in kept])
        if "S" not in kept:
            return array
        return array[..., 0] if array.shape[-1] == 1 else array[..., :3]

    def limits(
        self, data: Any, percentiles: tuple[float, float]
    ) -> tuple[tuple[float, float], ...]:
        """Return intensity limits over all planes, one pair a channel or colour.

        Every plane gives an evenly spaced sample, read one plane at a time. The upper limit of a
        constant stack is set just above the lower one.
        """
        most = min(SAMPLES_PER_PLANE, max(1, SAMPLES_PER_STACK // self.plane_count))
        samples = []
        fault: PlaneError | None = None
        for index in self.indices():
            try:
                plane = check_plane(self.read(data, index))
            # Reported when the plane is segmented; the others have limits nevertheless.
            except PlaneError as error:
                fault = error
                continue
            flat = plane.reshape(-1, self.colours)
            # An odd step does not fall on the same few columns again and again.
            samples.append(flat[:: -(-len(flat) // most) | 1].astype(np.float64))
        if not samples and fault is not None:
            raise fault
        return tuple(
            keep_apart(*find_limits(channel, percentiles)) for channel in np.concatenate(samples).T
        )
