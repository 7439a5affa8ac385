"""Memory that is used again: fresh pages and cold caches would cost as much as the arithmetic."""

import math

import torch
from torch import Tensor


class Buffers:
    """Named memory of one thread on one device.

    What :meth:`take` returns is overwritten by the next use of the same name.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """Contiguous memory of a shape, with whatever it holds."""
        count = math.prod(shape)
        held = self._held.get((name, dtype))
        if held is None or len(held) < count:
            held = self._held[name, dtype] = torch.empty(count, dtype=dtype, device=self.device)
        return held[:count].view(shape)
