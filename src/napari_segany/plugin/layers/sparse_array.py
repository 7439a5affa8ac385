"""Arrays of the size of an image that use memory only where they are written."""

import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

FRACTION = 0.25
"""Fraction of the machine's memory above which an array is stored in a sparse file."""


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """Return a writable array of zeros.

    Small arrays are in memory. Larger ones are mapped from a sparse temporary file, which is
    deleted together with the array.
    """
    size = int(np.prod(shape, dtype=np.float64)) * np.dtype(dtype).itemsize
    if size <= FRACTION * memory():
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="napari-segany-") as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def memory() -> int:
    """Return the machine's memory in bytes, 8 GiB if it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30
