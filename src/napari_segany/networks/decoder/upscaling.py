"""Upscaling of image tokens with hypernetwork weights to low-resolution logits.

Both transposed convolutions have stride equal to kernel, so they are linear maps of single tokens.
The first is applied to the factored image tokens (see `decoding`): a projection of the shared image
that is scaled, and of 2 H vectors. Channels come first and tokens last all the way, and pixels are
put in place once, at the end.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from napari_segany.networks.decoder.buffers import Buffers
from napari_segany.networks.decoder.image_attention import ImageUpdates
from napari_segany.networks.decoder.image_projections import (
    ImageProjector,
    upscaling_bias,
    upscaling_norm,
    upscaling_weight,
)
from napari_segany.networks.mask_decoder import MaskDecoder, TwoWayBlock

SUBPIXELS = 4
"""Pixels that one step of upscaling makes of one."""

FEWEST_COLUMNS = 16
"""Image tokens that are computed at least, in bfloat16 on a CPU."""


@dataclass(frozen=True)
class Sample:
    """Some of an image's tokens, upscaled instead of all of them for a sparse estimate of a mask.

    Attributes
    ----------
    tokens : Tensor
        (n,) int64.
    upscaled : Tensor
        (C, n) the `SharedImage`'s.
    """

    tokens: Tensor
    upscaled: Tensor


class Upscaler:
    """The upscaling half of one model's decoder.

    Parameters
    ----------
    decoder : MaskDecoder
        Parameters of the decoder.
    projector : ImageProjector
        Of the same model.
    grid : int
        Side g of the image embedding.
    """

    def __init__(self, decoder: MaskDecoder, projector: ImageProjector, grid: int) -> None:
        dtype = projector.dtype
        last_norm = cast("list[TwoWayBlock]", list(decoder.transformer.layers))[-1].norm4
        weight = upscaling_weight(decoder)
        self.of_vectors = weight * last_norm.weight
        self.of_constant = self.of_vectors @ projector.constant
        self.bias = weight @ last_norm.bias + upscaling_bias(decoder)
        norm = upscaling_norm(decoder)
        self.eps = norm.eps
        self.gain = norm.weight.to(dtype)[:, None]
        self.offset = norm.bias.to(dtype)[:, None]
        second = cast(nn.ConvTranspose2d, decoder.output_upscaling[3])
        assert second.bias is not None
        # (4 subpixels * channels, inputs)
        self.second = second.weight.permute(2, 3, 1, 0).flatten(0, 2).to(dtype)
        self.second_bias = second.bias.repeat(SUBPIXELS).to(dtype)[:, None]
        self.channels = second.weight.shape[1]
        self.side = 4 * grid
        pixels = torch.arange(self.side**2, device=weight.device)
        self.order = _by_row(pixels.view(1, 2, 2, 2, 2, grid, grid)).flatten()

    def placed(self, fine: Tensor) -> Tensor:
        """Arrange (K, 16, N) logits, token by token, as (K, 4 g, 4 g) images."""
        return fine.flatten(1).index_select(1, self.order).view(-1, self.side, self.side)

    @staticmethod
    def placed_in(fine: Tensor, rows: int, cols: int) -> Tensor:
        """Arrange (K, 16, rows * cols) logits of a box of tokens as (K, 4 rows, 4 cols) images."""
        placed = _by_row(fine.flatten(1).unflatten(1, (2, 2, 2, 2, rows, cols)))
        return placed.reshape(-1, 4 * rows, 4 * cols)

    def vectors(self, vectors: Tensor) -> Tensor:
        """Apply the first convolution to (P, 2 H, C) vectors of updates: (P, C, 2 H + 2).

        The constant and the bias are two more vectors, with rows of their own.
        """
        count = len(vectors)
        parts = [
            self.of_vectors @ vectors.mT,
            self.of_constant[:, None].expand(count, -1, 1),
            self.bias[:, None].expand(count, -1, 1),
        ]
        return torch.cat(parts, dim=2).to(self.gain.dtype)

    def logits(
        self,
        upscaled: Tensor,
        vectors: Tensor,
        updates: ImageUpdates,
        weights: Tensor,
        buffers: Buffers,
        columns: int | None = None,
    ) -> Tensor:
        """Compute the masks of p prompts.

        Parameters
        ----------
        upscaled : Tensor
            (C, n) the shared image's, of n image tokens.
        vectors : Tensor
            (p, C, 2 H + 2) from :meth:`vectors`.
        updates : ImageUpdates
            The prompts' updates of them.
        weights : Tensor
            (p, m, c) the hypernetworks' answers for m masks of each.
        buffers : Buffers
            Of this thread.
        columns : int, optional
            Image tokens that are computed, n or more, see :func:`columns_computed`; by default n.

        Returns
        -------
        Tensor
            (p, m, 16, n).
        """
        p, m, c = weights.shape
        n, fine = upscaled.shape[1], SUBPIXELS * SUBPIXELS
        width = n if columns is None else columns
        x = self._first_step(upscaled, vectors, updates, width, buffers)
        # The same for every subpixel of every prompt.
        steps = p * SUBPIXELS
        y = buffers.array("second step", (steps, SUBPIXELS * c, width), x.dtype)
        torch.bmm(self.second.expand(steps, -1, -1), x.view(steps, -1, width), out=y)
        torch.ops.aten.gelu_(y.add_(self.second_bias))
        asked = weights.to(x.dtype)[:, None].expand(-1, fine, -1, -1).reshape(-1, m, c)
        dots = torch.bmm(asked, y.view(p * fine, c, width))
        return dots.view(p, fine, m, width)[..., :n].transpose(1, 2)

    def _first_step(
        self,
        upscaled: Tensor,
        vectors: Tensor,
        updates: ImageUpdates,
        width: int,
        buffers: Buffers,
    ) -> Tensor:
        """Compute (p, C, width) after the first convolution, its norm and GELU.

        Columns beyond n mean nothing.
        """
        p, rows, n = updates.rows.shape
        dtype = upscaled.dtype
        weights = buffers.array("asked", (p, rows + 2, width), dtype)
        # Operations on two types at once would copy the larger operand first.
        scale2 = updates.scale2.to(dtype)
        torch.mul(updates.rows.to(dtype), scale2, out=weights[:, :rows, :n])
        weights[:, rows : rows + 1, :n] = scale2
        weights[:, rows + 1, :n] = 1
        whole = buffers.array("first step", (p, len(upscaled), width), dtype)
        x = whole[..., :n]
        torch.mul(upscaled, (updates.scale1 * updates.scale2).to(dtype), out=x)
        if width > n:
            weights[..., n:] = whole[..., n:] = 0
        whole.baddbmm_(vectors, weights)
        squares = buffers.array("second step", (p, len(upscaled), n), dtype)
        torch.mul(x, x, out=squares)
        x, squares = (each.unflatten(1, (SUBPIXELS, -1)) for each in (x, squares))
        # Sums are made in float32 in any case, without a copy of the squares in that type.
        power = squares.sum(dim=2, keepdim=True).float() / x.shape[2]
        x.mul_((power + self.eps).rsqrt_().to(dtype))
        torch.addcmul(self.offset, x, self.gain, out=x)
        torch.ops.aten.gelu_(whole)
        return whole


def columns_computed(n: int, like: Tensor) -> int:
    """Return the number of image tokens to compute, ``n`` or more, so that few numbers occur.

    On a CPU, oneDNN makes a program of a quarter of a megabyte for every shape that it multiplies
    in bfloat16, and keeps up to a thousand. Boxes have any shape. A token's result does not depend
    on how many others there are. With the library for float32 it can, which keeps no programs.

    Parameters
    ----------
    n : int
        Number of image tokens that are needed.
    like : Tensor
        Of the type and on the device of the computation.
    """
    if like.dtype != torch.bfloat16 or like.device.type != "cpu":
        return n
    power = 1 << max(n - 1, FEWEST_COLUMNS - 1).bit_length()
    return power * 3 // 4 if n <= power * 3 // 4 and power > FEWEST_COLUMNS else power


def _by_row(fine: Tensor) -> Tensor:
    """Order the axes of (K, 2, 2, 2, 2, rows, cols) subpixels and tokens as those of an image."""
    # Subpixels are (a, b, c, d): row and column in the first step's 2 x 2, then in the second's.
    return fine.permute(0, 5, 1, 3, 6, 2, 4)
