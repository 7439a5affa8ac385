"""Small layers that several networks share."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.networks import large_memory
from napari_segany.networks.work_pieces import (
    Piece,
    Spread,
    conv_rows,
    input_rows,
    one_by_one,
    stack_rows,
)

BlockCallback = Callable[[], None]
"""Called between encoder blocks; it may raise to end the computation."""

StageCallback = Callable[[Tensor], None]
"""Called with the (B, h, w, C) result of a stage of an encoder."""


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of a (B, C, H, W) tensor."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        centred = x - x.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
        normed = centred / torch.sqrt(variance + self.eps)
        return normed * self.weight[:, None, None] + self.bias[:, None, None]

    def last(self, x: Tensor) -> Tensor:
        """Normalise a tensor whose channels lie last."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class MLP(nn.Module):
    """Linear layers with ReLU between them, held in ``layers``."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Apply all layers to (..., C)."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        out: Tensor = self.layers[-1](x)
        return out


class Neck(nn.Sequential):
    """Projection from encoder width to embedding width, the end of all SAM encoders.

    Parameters
    ----------
    channels, out_channels : int
        The two widths.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, out_channels, kernel_size=1, bias=False),
            LayerNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out_channels),
        )

    def forward(self, x: Tensor, spread: Spread = one_by_one) -> Tensor:
        """Project (B, g, g, C) of any floating type to (B, C', g, g) float32."""
        first, second = (self.get_parameter(f"{n}.weight") for n in (0, 2))
        norms = [each for each in self if isinstance(each, LayerNorm2d)]

        def rows(piece: Piece) -> Tensor:
            wider, above, below = input_rows(piece, x.shape[1])
            hidden = norms[0].last(F.linear(x[:, wider].float(), first.flatten(1)))
            return norms[1].last(conv_rows(hidden, second, None, above, below))

        out = stack_rows(rows, x.shape[1], x.device, spread)
        return large_memory.copy(out.permute(0, 3, 1, 2))


def trunk_dtype(blocks: nn.Module) -> torch.dtype:
    """Return the type in which an encoder's blocks compute."""
    return next(blocks.parameters()).dtype


def split_windows(x: Tensor, size: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut (B, H, W, C) into (B * n, size, size, C) windows, padding with zeros below and right.

    Returns the windows and the padded (H, W).
    """
    b, h, w, c = x.shape
    below, right = -h % size, -w % size
    if below or right:
        inside, x = x, large_memory.empty((b, h + below, w + right, c), x.dtype, x.device)
        x[:, :h, :w] = inside
        x[:, h:] = x[:, :, w:] = 0
    rows, cols = (h + below) // size, (w + right) // size
    windows = large_memory.copy(x.view(b, rows, size, cols, size, c).transpose(2, 3))
    return windows.view(b * rows * cols, size, size, c), (h + below, w + right)


def join_windows(
    windows: Tensor, size: int, padded: tuple[int, int], shape: tuple[int, int]
) -> Tensor:
    """Undo :func:`split_windows`: back to (B, H, W, C) with ``shape`` = (H, W)."""
    rows, cols = padded[0] // size, padded[1] // size
    c = windows.shape[-1]
    x = large_memory.copy(windows.view(-1, rows, cols, size, size, c).transpose(2, 3))
    inside = x.view(-1, *padded, c)[:, : shape[0], : shape[1]]
    return inside if padded == shape else large_memory.copy(inside)
