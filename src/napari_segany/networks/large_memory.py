"""Memory of layers and images: mapped apart from the heap, in large pages.

A heap cannot give back a hole between smaller objects that live longer, and the next image of
several megabytes rarely fits into one. A process that embeds crop after crop would grow by the
holes. A mapping is returned to the system as soon as nothing refers to it.
"""

import math
import mmap
import sys
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

PAGE = 2 << 20
"""Bytes of a large page; with small ones the decoder spends a tenth of its time looking up
addresses."""


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a contiguous tensor of undefined content.

    On a CPU it begins with a large page if it is as large as one.

    Parameters
    ----------
    shape : tuple of int
        Of the tensor.
    dtype : torch.dtype
        Of the tensor.
    device : torch.device
        Of the tensor.
    """
    size = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or size < PAGE:
        return torch.empty(shape, dtype=dtype, device=device)
    # What is left over before the first large page and after the last one is never touched.
    held = np.frombuffer(_map(size + PAGE), np.uint8)
    start = -held.ctypes.data % PAGE
    return torch.from_numpy(held[start : start + size]).view(dtype).view(shape)


def copy(x: Tensor) -> Tensor:
    """Return a contiguous copy of a tensor."""
    return empty(tuple(x.shape), x.dtype, x.device).copy_(x)


def _map(size: int) -> mmap.mmap:
    """Return memory of the process's own, also after a fork."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux":
        # A system may have none.
        with suppress(OSError):
            held.madvise(mmap.MADV_HUGEPAGE)
    return held
