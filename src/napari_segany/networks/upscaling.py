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
    SharedImage,
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
        self.grid = grid
        self.side = 4 * grid
        self.order = _pixel_order(grid).to(weight.device)

    def logits(
        self, shared: SharedImage, updates: ImageUpdates, weights: Tensor, buffers: Buffers
    ) -> Tensor:
        """Masks of p prompts.

        Parameters
        ----------
        shared : SharedImage
            The image.
        updates : ImageUpdates
            What the prompts made of it.
        weights : Tensor
            (p, m, c) the hypernetworks' answers for m masks.
        buffers : Buffers
            Of this thread.

        Returns
        -------
        Tensor
            (p, m, 4 g, 4 g) float32.
        """
        p, m, c = weights.shape
        x = self._first_step(shared, updates, buffers)
        n, dtype = x.shape[-1], x.dtype
        # The same for every subpixel of every prompt.
        steps = p * SUBPIXELS
        y = buffers.take("second step", (steps, SUBPIXELS * c, n), dtype)
        torch.bmm(self.second.expand(steps, -1, -1), x.view(steps, -1, n), out=y)
        torch.ops.aten.gelu_(y.add_(self.second_bias))
        fine = SUBPIXELS * SUBPIXELS
        asked = weights.to(dtype)[:, None].expand(-1, fine, -1, -1).reshape(-1, m, c)
        dots = torch.bmm(asked, y.view(p * fine, c, n)).float()
        flat = dots.view(p, fine, m, n).transpose(1, 2).reshape(p * m, -1)
        return flat.index_select(1, self.order).view(p, m, self.side, self.side)

    def _first_step(self, shared: SharedImage, updates: ImageUpdates, buffers: Buffers) -> Tensor:
        """(p, 4, C / 4, N) after the first convolution, its norm and GELU."""
        p, rows, n = updates.rows.shape
        dtype = updates.rows.dtype
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
        x = buffers.take("first step", (p, *shared.upscaled.shape), dtype)
        torch.mul(shared.upscaled, updates.scale1 * updates.scale2, out=x)
        x.baddbmm_(vectors.to(dtype), weights)
        squares = torch.mul(x, x, out=buffers.take("second step", x.shape, dtype))
        x, squares = (each.view(p, SUBPIXELS, -1, n) for each in (x, squares))
        power = squares.mean(dim=2, keepdim=True, dtype=torch.float32)
        x.mul_((power + self.eps).rsqrt_().to(dtype)).mul_(self.gain).add_(self.offset)
        return torch.ops.aten.gelu_(x)


def _pixel_order(grid: int) -> Tensor:
    """(16 g g,) index of each pixel of the mask, row by row, among (16 subpixels, g g) values."""
    # Subpixels are (a, b, c, d): row and column in the first step's 2 x 2, then in the second's.
    index = torch.arange(SUBPIXELS * SUBPIXELS * grid * grid).view(2, 2, 2, 2, grid, grid)
    return index.permute(4, 0, 2, 5, 1, 3).flatten()
