"""From image tokens and hypernetwork weights to low-resolution logits.

Both transposed convolutions have stride equal to kernel, so they are linear maps of single tokens.
The first is applied to the factored image tokens (see `decoding`): a projection of the shared image
that is scaled, and of 2 H vectors. Channels come first and tokens last all the way, and pixels are
put in place once, at the end.
"""

from typing import cast

import torch
from torch import Tensor, nn

from napari_segany.networks.buffers import Buffers
from napari_segany.networks.image_side import ImageUpdates
from napari_segany.networks.mask_decoder import MaskDecoder, TwoWayBlock
from napari_segany.networks.shared_image import (
    ImageProjector,
    upscaling_bias,
    upscaling_norm,
    upscaling_weight,
)

SUBPIXELS = 4
"""Pixels that one step of upscaling makes of one."""


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
        self.order = _pixel_order(grid).to(weight.device)

    def placed(self, fine: Tensor) -> Tensor:
        """(K, 16, N) logits, token by token, as (K, 4 g, 4 g) images."""
        return fine.flatten(1).index_select(1, self.order).view(-1, self.side, self.side)

    def logits(
        self,
        upscaled: Tensor,
        updates: ImageUpdates,
        weights: Tensor,
        prompts: Tensor,
        buffers: Buffers,
    ) -> Tensor:
        """Masks of p prompts.

        Parameters
        ----------
        upscaled : Tensor
            (C, n) the shared image's, of n image tokens.
        updates : ImageUpdates
            What the prompts made of them.
        weights : Tensor
            (K, c) the hypernetworks' answers for K masks.
        prompts : Tensor
            (K,) int64, whose masks they are, 0..p.
        buffers : Buffers
            Of this thread.

        Returns
        -------
        Tensor
            (K, 16, n) float32.
        """
        p, n = len(updates.rows), upscaled.shape[1]
        x = self._first_step(upscaled, updates, buffers)
        # The same for every subpixel of every prompt.
        steps = p * SUBPIXELS
        y = buffers.take("second step", (steps, SUBPIXELS * self.channels, n), x.dtype)
        torch.bmm(self.second.expand(steps, -1, -1), x.view(steps, -1, n), out=y)
        torch.ops.aten.gelu_(y.add_(self.second_bias))
        pixels = y.view(p, SUBPIXELS * SUBPIXELS, self.channels, n)
        if p == 1:
            asked = weights.to(x.dtype).expand(SUBPIXELS * SUBPIXELS, -1, -1)
            return torch.bmm(asked, pixels[0]).transpose(0, 1).float()
        asked = weights.to(x.dtype)[:, None, None]
        return (asked @ pixels[prompts])[:, :, 0].float()

    def _first_step(self, upscaled: Tensor, updates: ImageUpdates, buffers: Buffers) -> Tensor:
        """(p, 4, C / 4, n) after the first convolution, its norm and GELU."""
        p, rows, n = updates.rows.shape
        dtype = upscaled.dtype
        # The constant and the bias are two more vectors, with rows of their own.
        vectors = torch.cat(
            [
                self.of_vectors @ updates.vectors.mT,
                self.of_constant[:, None].expand(p, -1, 1),
                self.bias[:, None].expand(p, -1, 1),
            ],
            dim=2,
        )
        weights = buffers.take("asked", (p, rows + 2, n), dtype)
        torch.mul(updates.rows, updates.scale2, out=weights[:, :rows])
        weights[:, rows : rows + 1] = updates.scale2
        weights[:, rows + 1] = 1
        x = buffers.take("first step", (p, *upscaled.shape), dtype)
        torch.mul(upscaled, updates.scale1 * updates.scale2, out=x)
        x.baddbmm_(vectors.to(dtype), weights)
        squares = torch.mul(x, x, out=buffers.take("second step", x.shape, dtype))
        x, squares = (each.view(p, SUBPIXELS, -1, n) for each in (x, squares))
        # Summed in float32 in any case; asking for that type would copy all squares first.
        power = squares.mean(dim=2, keepdim=True)
        x.mul_(power.add_(self.eps).rsqrt_()).mul_(self.gain).add_(self.offset)
        torch.ops.aten.gelu_(x)
        return x


def _pixel_order(grid: int) -> Tensor:
    """(16 g g,) index of each pixel of the mask, row by row, among (16 subpixels, g g) values."""
    # Subpixels are (a, b, c, d): row and column in the first step's 2 x 2, then in the second's.
    index = torch.arange(SUBPIXELS * SUBPIXELS * grid * grid).view(2, 2, 2, 2, grid, grid)
    return index.permute(4, 0, 2, 5, 1, 3).flatten()
