"""The whole model as one module, and the architectures of the published checkpoints."""

from collections.abc import Callable
from types import MappingProxyType

import torch
from torch import Tensor, nn

from napari_segany.networks import large_memory
from napari_segany.networks.mask_decoder import MaskDecoder
from napari_segany.networks.prompt_encoder import PromptEncoder
from napari_segany.networks.tiny_vit import ConvNorm, TinyViT
from napari_segany.networks.vit import ViT

PIXEL_MEAN, PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Mean and standard deviation by which the colours of images, 0..255, are normalised."""


class Sam(nn.Module):
    """Image encoder, prompt encoder and mask decoder under their published names."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self, image_encoder: TinyViT | ViT, prompt_encoder: PromptEncoder, mask_decoder: MaskDecoder
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (PIXEL_MEAN, PIXEL_STD))
        self.register_buffer("pixel_mean", mean, persistent=False)
        self.register_buffer("pixel_std", std, persistent=False)

    @property
    def frame(self) -> int:
        """Side of the square the image encoder sees, in pixels."""
        return self.prompt_encoder.frame

    def fuse(self) -> "Sam":
        """Make the image encoder faster, once its weights are loaded and final.

        Batch norms are folded into their convolutions, and channels lie last in memory. The
        answers stay the same to rounding; the parameters lose their published names.
        """
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fuse()
        for parameter in self.image_encoder.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def normalise(self, rgb: Tensor) -> Tensor:
        """Normalise (B, 3, h, w) in 0..255 and pad it with zeros to a square of side ``frame``.

        The result is float32; colours lie last in memory.
        """
        (*images, colours, h, w), side = rgb.shape, self.frame
        shape = (*images, side, side, colours)
        padded = large_memory.empty(shape, torch.float32, rgb.device).movedim(-1, -3)
        padded[..., h:, :] = padded[..., w:] = 0
        # In place: a copy of the image for every step would be the largest thing in memory.
        inside = padded[..., :h, :w]
        torch.sub(rgb, self.pixel_mean, out=inside).div_(self.pixel_std)
        return padded


ARCHITECTURES: MappingProxyType[str, Callable[[], TinyViT | ViT]] = MappingProxyType(
    {
        "vit_t": TinyViT,
        "vit_b": lambda: ViT(width=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11)),
        "vit_l": lambda: ViT(width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)),
        "vit_h": lambda: ViT(width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)),
    }
)


def build_sam(architecture: str) -> Sam:
    """Build a model with random weights, in evaluation mode.

    Parameters
    ----------
    architecture : str
        A key of ``ARCHITECTURES``: ``vit_t``, ``vit_b``, ``vit_l`` or ``vit_h``.
    """
    model = Sam(ARCHITECTURES[architecture](), PromptEncoder(), MaskDecoder())
    return model.eval().requires_grad_(False)
