"""Labels that a session writes into: an array, a layer or nothing."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.image_source import Plane
from napari_segany.core.label_images import LARGEST_ID
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError

Box = tuple[slice, ...]
"""Part of an image: a slice with start and stop for every axis."""

Pixels = tuple[NDArray[np.intp], ...]
"""Pixels of an image: (n,) indices for every axis."""


class LabelsTarget(Protocol):
    """Integer labels of an image, read and written by parts."""

    def read(self, box: Box) -> NDArray[np.integer]:
        """Return a copy of the labels in a box."""
        ...

    def read_pixels(self, pixels: Pixels) -> NDArray[np.integer]:
        """Return the (n,) labels of pixels."""
        ...

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Set the pixels ``where`` (of the box) to the (n,) ``values``."""
        ...

    def free_label(self) -> int:
        """Return a label larger than any that was ever used."""
        ...

    def check(self, label: int) -> None:
        """Raise InputError if a label does not fit into the type of the labels."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Return a context in which many writes are one event for observers of the labels."""
        ...


class ArrayTarget:
    """Labels in an array.

    Parameters
    ----------
    data : ndarray
        Array of any integer type; written in place.
    """

    def __init__(self, data: NDArray[np.integer]) -> None:
        if data.dtype.kind not in "iu":
            raise InputError(f"Labels must be whole numbers, got an array of {data.dtype}.")
        if not data.flags.writeable:
            raise InputError("The labels are read-only; give a copy that can be written.")
        self.data = data
        self._last = int(data.max(initial=0))

    def read(self, box: Box) -> NDArray[np.integer]:
        """Return a copy of the labels in a box."""
        found: NDArray[np.integer] = self.data[box].copy()
        return found

    def read_pixels(self, pixels: Pixels) -> NDArray[np.integer]:
        """Return the (n,) labels of pixels."""
        found: NDArray[np.integer] = self.data[pixels]
        return found

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Set the pixels ``where`` (of the box) to the (n,) ``values``."""
        self.data[box][where] = values
        self._last = max(self._last, int(values.max(initial=0)))

    def free_label(self) -> int:
        """Return a label larger than any that was ever used."""
        self._last += 1
        self.check(self._last)
        return self._last

    def check(self, label: int) -> None:
        """Raise InputError if a label does not fit into the type of the labels."""
        check_label(label, self.data.dtype)

    def together(self) -> AbstractContextManager[None]:
        """Return an empty context, as an array has no observers."""
        return nullcontext()


class NoTarget:
    """Placeholder for labels that do not exist yet."""

    def read(self, box: Box) -> NDArray[np.integer]:
        """Raise InputError."""
        raise self._error()

    def read_pixels(self, pixels: Pixels) -> NDArray[np.integer]:
        """Raise InputError."""
        raise self._error()

    def write(self, box: Box, where: NDArray[np.bool_], values: NDArray[np.integer]) -> None:
        """Raise InputError."""
        raise self._error()

    def free_label(self) -> int:
        """Raise InputError."""
        raise self._error()

    def check(self, label: int) -> None:
        """Raise InputError."""
        raise self._error()

    def together(self) -> AbstractContextManager[None]:
        """Return an empty context, as an array has no observers."""
        return nullcontext()

    @staticmethod
    def _error() -> InputError:
        return InputError("There are no labels to commit into; session.set_target() gives some.")


def pixels_of(mask: MaskSet, plane: Plane) -> tuple[Box, NDArray[np.bool_]]:
    """Return the box of the first mask of a set in the image, and its pixels in the box."""
    a, b, c, d = (int(n) for n in mask.boxes[0])
    sides = iter((slice(a, c), slice(b, d)))
    box = tuple(next(sides) if n is None else slice(n, n + 1) for n in plane)
    return box, mask.crop(0).reshape([each.stop - each.start for each in box])


def check_label(label: int, dtype: np.dtype[np.integer]) -> None:
    """Raise InputError if ``label`` does not fit into the type of the labels."""
    largest = min(int(np.iinfo(dtype).max), LARGEST_ID)
    if label > largest:
        raise InputError(
            f"The labels are of type {dtype}, which ends at {largest} for ids: there is no place "
            f"for {label}. Commit into labels of a larger type, or number them anew, for example "
            "with skimage.segmentation.relabel_sequential."
        )
