"""Decoder of micro-sam's checkpoints: foreground and distances from an image embedding.

A convolutional decoder without skip connections into the encoder, under the parameter names of the
published weights. Layers of the embedding are enlarged in four steps to the size of the frame, once
straight (``deconv1`` to ``deconv4``) and once along a path that joins them (``decoder``).
:mod:`napari_segany.networks.unetr_inference` computes the same in less memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEPS = 4
"""Steps by which the embedding is enlarged, twofold each."""

FOREGROUND, CENTRE, BOUNDARY = range(3)
"""Index of each map: probability of an object, distances to its centre and to its border."""

MAPS = 3
"""Number of maps."""


@dataclass(frozen=True)
class UnetrShape:
    """Architecture of a decoder.

    Attributes
    ----------
    embedding : int
        Channels of the image embedding.
    width : int
        Channels of the finest layers; coarser ones have 2, 4 and 8 times as many.
    transposed : bool
        True for decoders of the first generation, which enlarge by transposed convolutions; later
        ones enlarge linearly and convolve.
    """

    embedding: int = 256
    width: int = 64
    transposed: bool = False

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the layers of each step, coarsest first."""
        return tuple(self.width * 2**n for n in reversed(range(STEPS)))


def identify_shape(state: Mapping[str, Tensor]) -> UnetrShape | None:
    """Return the architecture that a decoder's weights belong to, None if they are no decoder's."""
    first, last = state.get("base.block.1.weight"), state.get("out_conv.weight")
    if first is None or last is None or first.ndim != 4 or last.ndim != 4:
        return None
    transposed = any(name.startswith("decoder.samplers.") and ".block." in name for name in state)
    return UnetrShape(first.shape[1], last.shape[1], transposed)


class LinearUpsampler(nn.Module):
    """Twofold enlargement, linear between pixels, and a convolution of single pixels."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (B, C, h, w) to (B, C', 2h, 2w)."""
        enlarged = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        out: Tensor = self.conv(enlarged)
        return out


class TransposedUpsampler(nn.Module):
    """Twofold enlargement by a transposed convolution."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.block = nn.ConvTranspose2d(inside, outside, kernel_size=2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (B, C, h, w) to (B, C', 2h, 2w)."""
        out: Tensor = self.block(x)
        return out


def upsampler(
    shape: UnetrShape, inside: int, outside: int
) -> LinearUpsampler | TransposedUpsampler:
    """Return the twofold enlargement of a generation of decoders."""
    kind = TransposedUpsampler if shape.transposed else LinearUpsampler
    return kind(inside, outside)


class Convolution(nn.Module):
    """A 3 x 3 convolution, held in ``block`` as the published names want it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w)."""
        out: Tensor = self.block(x)
        return out


class EnlargingBlock(nn.Module):
    """A step of the straight path: enlarged, convolved, normalised and rectified."""

    def __init__(self, shape: UnetrShape, inside: int, outside: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            upsampler(shape, inside, outside),
            Convolution(outside),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (B, C, h, w) to (B, C', 2h, 2w)."""
        out: Tensor = self.block(x)
        return out


class NormalisedBlock(nn.Module):
    """Two 3 x 3 convolutions of layers whose channels are normalised over the whole frame."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.InstanceNorm2d(inside),
            nn.Conv2d(inside, outside, 3, padding=1),
            nn.ReLU(),
            nn.InstanceNorm2d(outside),
            nn.Conv2d(outside, outside, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C', h, w)."""
        out: Tensor = self.block(x)
        return out


class JoiningPath(nn.Module):
    """The path that joins the layers of the straight one, of all steps but the last."""

    def __init__(self, shape: UnetrShape) -> None:
        super().__init__()
        pairs = list(zip(shape.widths[:-1], shape.widths[1:], strict=True))
        self.blocks = nn.ModuleList(NormalisedBlock(*pair) for pair in pairs)
        self.samplers = nn.ModuleList(upsampler(shape, *pair) for pair in pairs)

    def forward(self, x: Tensor, straight: list[Tensor]) -> Tensor:
        """Enlarge (B, C, h, w) eightfold, joined by the layers of the straight path."""
        for block, sampler, other in zip(self.blocks, self.samplers, straight, strict=True):
            x = sampler(x)
            x = block(torch.cat([x, middle_channels(other, x.shape[1])], dim=1))
        return x


def middle_channels(x: Tensor, count: int) -> Tensor:
    """Return the ``count`` channels in the middle of (B, C, h, w).

    The published decoder joins these only, because it crops the layers to one shape.
    """
    return x[:, middle_slice(x.shape[1], count)]


def middle_slice(channels: int, count: int) -> slice:
    """Return the place of ``count`` channels in the middle of all."""
    first = (channels - count) // 2
    return slice(first, first + count)


class Unetr(nn.Module):
    """A decoder under its published names, in its plain form.

    Parameters
    ----------
    shape : UnetrShape
        The architecture.
    """

    def __init__(self, shape: UnetrShape) -> None:
        super().__init__()
        widths, width = shape.widths, shape.width
        self.decoder = JoiningPath(shape)
        self.deconv1 = EnlargingBlock(shape, shape.embedding, widths[0])
        self.deconv2 = EnlargingBlock(shape, widths[0], widths[1])
        self.deconv3 = EnlargingBlock(shape, widths[1], widths[2])
        self.deconv4 = EnlargingBlock(shape, widths[2], widths[3])
        self.base = NormalisedBlock(shape.embedding, widths[0])
        self.out_conv = nn.Conv2d(width, MAPS, 1)
        self.deconv_out = upsampler(shape, width, width)
        self.decoder_head = NormalisedBlock(2 * width, width)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the (B, 3, 16 g, 16 g) maps, 0..1, of a (B, C, g, g) image embedding."""
        straight = [self.deconv1(embedding)]
        for block in (self.deconv2, self.deconv3, self.deconv4):
            straight.append(block(straight[-1]))
        x = self.decoder(self.base(embedding), straight[:-1])
        x = self.decoder_head(torch.cat([self.deconv_out(x), straight[-1]], dim=1))
        return torch.sigmoid(self.out_conv(x))


def build_unetr(shape: UnetrShape) -> Unetr:
    """Return a decoder with random weights, in evaluation mode."""
    return Unetr(shape).eval().requires_grad_(False)
