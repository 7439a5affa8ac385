"""Reused memory: fresh pages and cold caches would cost as much as the arithmetic."""

import math

import numpy as np
import torch
from torch import Tensor

PAGE = 2 << 20
"""Bytes of a large page. numpy asks the system for them where it can; with small ones the decoder
spends a tenth of its time looking up addresses."""


class Buffers:
    """Named memory of one thread on one device.

    The result of :meth:`array` is overwritten by the next use of the same name.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def array(
        self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return contiguous memory of a shape; its content is undefined."""
        count = math.prod(shape)
        held = self._held.get((name, dtype))
        if held is None or len(held) < count:
            held = self._held[name, dtype] = in_large_pages(count, dtype, self.device)
        return held[:count].view(shape)


def in_large_pages(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Allocate (count,) memory; on a CPU it begins with a page if it is as large as one."""
    size = count * dtype.itemsize
    if device.type != "cpu" or size < PAGE:
        return torch.empty(count, dtype=dtype, device=device)
    # Larger than numpy's own threshold for large pages, two of them.
    held = np.empty(size + 2 * PAGE, np.uint8)
    start = -held.ctypes.data % PAGE
    return torch.from_numpy(held[start : start + size]).view(dtype)
