"""Reused memory: fresh pages and cold caches would cost as much as the arithmetic."""

import math

import torch
from torch import Tensor

from napari_segany.networks import large_memory


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
            held = self._held[name, dtype] = large_memory.empty((count,), dtype, self.device)
        return held[:count].view(shape)
