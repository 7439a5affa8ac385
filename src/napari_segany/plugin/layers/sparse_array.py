"""Arrays as large as an image, which take memory only where they are written."""

import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

FRACTION = 0.25
"""Of the machine's memory; what is larger lies in a temporary file without holes filled."""


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Any:
    """Zeros that can be written in place.

    Small arrays are in memory. Larger ones are mapped from a sparse temporary file, which is gone
    when nobody uses them any more.
    """
    size = int(np.prod(shape, dtype=np.float64)) * np.dtype(dtype).itemsize
    if size <= FRACTION * memory():
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="napari-segany-") as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def memory() -> int:
    """Bytes of the machine's memory; 8 GB where that cannot be asked."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30
