"""micro-sam's decoder as it is used: normalisations folded, channels last, layers in fixed pieces.

It computes what :class:`napari_segany.networks.unetr.Unetr` computes, in a third of the memory:
enlarged layers are made row by row where they are read, and each layer is let go after its last
reader. Every pass is cut into the pieces of :mod:`napari_segany.networks.work_pieces`, so the
number of threads changes no bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from napari_segany.networks.unetr import (
    MAPS,
    STEPS,
    Convolution,
    EnlargingBlock,
    NormalisedBlock,
    TransposedUpsampler,
    UnetrShape,
    build_unetr,
    middle_slice,
)
from napari_segany.networks.work_pieces import (
    Piece,
    Spread,
    conv_rows,
    cut,
    input_rows,
    one_by_one,
    stack_rows,
)

LayerCallback = Callable[[], None]
"""Called between layers; it may raise to end the computation."""

EPSILON = nn.InstanceNorm2d(1).eps
"""Added to variances by which channels are normalised."""


def _no_call() -> None:
    """Do nothing between layers."""


class _Rows(Protocol):
    """An image of which rows can be read."""

    @property
    def height(self) -> int:
        """Number of rows."""
        ...

    def rows(self, piece: Piece) -> Tensor:
        """Return some rows, (1, n, W, C)."""
        ...


@dataclass(frozen=True)
class _Stored:
    """Rows of an image in memory, of some of its channels."""

    image: Tensor
    channels: slice | None = None

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.image.shape[1]

    def rows(self, piece: Piece) -> Tensor:
        """Return some rows, (1, n, W, C)."""
        return self.image[:, piece, :, self.channels or slice(None)]


@dataclass(frozen=True)
class _LinearlyEnlarged:
    """Rows of an image that is enlarged twofold, linear between pixels."""

    image: Tensor

    @property
    def height(self) -> int:
        """Number of rows."""
        return 2 * self.image.shape[1]

    def rows(self, piece: Piece) -> Tensor:
        """Return some rows, (1, n, W, C)."""
        last = self.image.shape[1] - 1
        first, end = piece.start // 2 - 1, (piece.stop - 1) // 2 + 2
        # One row more at either end; beyond the border that is the outermost row again.
        index = torch.arange(first, end, device=self.image.device).clamp_(0, last)
        part = self.image[:, index].permute(0, 3, 1, 2)
        enlarged = F.interpolate(part, scale_factor=2, mode="bilinear", align_corners=False)
        skipped = piece.start - 2 * first
        return enlarged.permute(0, 2, 3, 1)[:, skipped : skipped + piece.stop - piece.start]


@dataclass(frozen=True)
class _Transposed:
    """Rows of an image that is enlarged twofold by a transposed convolution."""

    image: Tensor
    weight: Tensor
    bias: Tensor

    @property
    def height(self) -> int:
        """Number of rows."""
        return 2 * self.image.shape[1]

    def rows(self, piece: Piece) -> Tensor:
        """Return some rows, (1, n, W, C)."""
        coarse = slice(piece.start // 2, -(-piece.stop // 2))
        part = self.image[:, coarse].permute(0, 3, 1, 2)
        enlarged = F.conv_transpose2d(part, self.weight, self.bias, stride=2)
        skipped = piece.start - 2 * coarse.start
        return enlarged.permute(0, 2, 3, 1)[:, skipped : skipped + piece.stop - piece.start]


@dataclass(frozen=True)
class _Joined:
    """Rows of two images side by side in their channels."""

    one: _Rows
    other: _Rows

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.one.height

    def rows(self, piece: Piece) -> Tensor:
        """Return some rows, (1, n, W, C)."""
        return torch.cat([self.one.rows(piece), self.other.rows(piece)], dim=-1)


@dataclass(frozen=True)
class _Layer:
    """Weights of one convolution: (out, in) for single pixels, else (out, in, 3, 3)."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, layer: nn.Module, norm: nn.BatchNorm2d | None = None) -> "_Layer":
        """Return the weights of a convolution, with a normalisation after it folded in."""
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        assert layer.bias is not None
        weight, bias = layer.weight.detach(), layer.bias.detach()
        if norm is not None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            weight, bias = fuse_conv_bn_weights(
                weight,
                bias,
                norm.running_mean,
                norm.running_var,
                norm.eps,
                norm.weight,
                norm.bias,
            )
        if layer.kernel_size == (1, 1):
            weight = weight.flatten(1)
        return cls(weight.detach(), bias.detach())

    def to(self, device: torch.device, dtype: torch.dtype) -> "_Layer":
        """Return the weights on a device, channels last."""
        weight = self.weight.to(device, dtype)
        if weight.ndim == 4:
            weight = weight.contiguous(memory_format=torch.channels_last)
        return _Layer(weight, self.bias.to(device, dtype))

    def around(self, image: _Rows, piece: Piece, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Return some rows of the image, changed and then convolved and rectified."""
        wider, above, below = input_rows(piece, image.height)
        near = change(image.rows(wider))
        return conv_rows(near, self.weight, self.bias, above, below).clamp_min_(0)


class UnetrInference:
    """A decoder on a device.

    Parameters
    ----------
    shape : UnetrShape
        The architecture.
    state : mapping of str to Tensor
        Weights under their published names.
    device : torch.device
        The device on which it computes.
    dtype : torch.dtype
        Type of the arithmetic; the maps are float32.
    """

    def __init__(
        self,
        shape: UnetrShape,
        state: Mapping[str, Tensor],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.shape, self.device, self.dtype = shape, device, dtype
        network = build_unetr(shape)
        network.load_state_dict(state)
        made = {"out_conv": _Layer.of(network.out_conv)}
        for name, module in network.named_modules():
            if isinstance(module, EnlargingBlock):
                convolution, norm = module.block[1], module.block[2]
                assert isinstance(convolution, Convolution)
                assert isinstance(norm, nn.BatchNorm2d)
                made[name] = _Layer.of(convolution.block, norm)
            elif isinstance(module, NormalisedBlock):
                made[f"{name}.first"] = _Layer.of(module.block[1])
                made[f"{name}.second"] = _Layer.of(module.block[4])
            elif isinstance(module, TransposedUpsampler):
                made[name] = _Layer.of(module.block)
            elif name.endswith(".conv"):
                made[name.removesuffix(".conv")] = _Layer.of(module)
        self._layers = {name: layer.to(device, dtype) for name, layer in made.items()}

    def predict(
        self,
        embedding: Tensor,
        spread: Spread = one_by_one,
        on_layer: LayerCallback = _no_call,
    ) -> Tensor:
        """Predict the maps of one frame.

        Parameters
        ----------
        embedding : Tensor
            (C, g, g), the image embedding.
        spread : callable
            Computes the pieces of each layer.
        on_layer : callable
            Called between layers; may raise to stop.

        Returns
        -------
        Tensor
            (3, 16 g, 16 g) float32, 0..1, in the order of the constants of
            :mod:`napari_segany.networks.unetr`.
        """
        passes = _Passes(self.device, self.dtype, spread, on_layer)
        straight = embedding.permute(1, 2, 0)[None].to(self.dtype).contiguous()
        x = self._normalise_and_convolve("base", _Stored(straight), passes)
        for step in range(1, STEPS):
            straight = self._enlarge_straight(step, straight, passes)
            sampler = self._enlarged(f"decoder.samplers.{step - 1}", x, passes)
            middle = middle_slice(straight.shape[-1], self.shape.widths[step])
            joined = _Joined(sampler, _Stored(straight, middle))
            x = self._normalise_and_convolve(f"decoder.blocks.{step - 1}", joined, passes)
        straight = self._enlarge_straight(STEPS, straight, passes)
        joined = _Joined(self._enlarged("deconv_out", x, passes), _Stored(straight))
        hidden = self._first_half("decoder_head", joined, passes)
        del x, straight, joined
        return self._read_maps(hidden, passes)

    def _enlarge_straight(self, step: int, x: Tensor, passes: "_Passes") -> Tensor:
        """Return the next layer of the straight path."""
        layer = self._layers[f"deconv{step}"]
        enlarged = self._enlarged(f"deconv{step}.block.0", x, passes)
        return passes.stack(enlarged.height, lambda p: layer.around(enlarged, p, _unchanged))

    def _enlarged(self, name: str, x: Tensor, passes: "_Passes") -> _Rows:
        """Return an image enlarged twofold."""
        layer = self._layers[name]
        if self.shape.transposed:
            return _Transposed(x, layer.weight, layer.bias)
        # Enlarging is linear, so single pixels are convolved before there are four times as many.
        return _LinearlyEnlarged(
            passes.stack(x.shape[1], lambda p: F.linear(x[:, p], layer.weight, layer.bias))
        )

    def _first_half(self, name: str, x: _Rows, passes: "_Passes") -> Tensor:
        first = self._layers[f"{name}.first"]
        change = passes.normaliser(x)
        return passes.stack(x.height, lambda p: first.around(x, p, change))

    def _normalise_and_convolve(self, name: str, x: _Rows, passes: "_Passes") -> Tensor:
        hidden, second = _Stored(self._first_half(name, x, passes)), self._layers[f"{name}.second"]
        change = passes.normaliser(hidden)
        return passes.stack(x.height, lambda p: second.around(hidden, p, change))

    def _read_maps(self, hidden: Tensor, passes: "_Passes") -> Tensor:
        """Return the maps from the first half of the last block."""
        image, head = _Stored(hidden), self._layers["decoder_head.second"]
        last, change = self._layers["out_conv"], passes.normaliser(image)

        def rows(piece: Piece) -> Tensor:
            finest = head.around(image, piece, change)
            return F.linear(finest, last.weight, last.bias).float().sigmoid_()

        maps = passes.stack(image.height, rows)
        return maps[0].permute(2, 0, 1).reshape(MAPS, *maps.shape[1:3])


def _unchanged(x: Tensor) -> Tensor:
    """Return rows as they are."""
    return x


@dataclass(frozen=True)
class _Passes:
    """Passes over images, piece by piece."""

    device: torch.device
    dtype: torch.dtype
    spread: Spread
    on_layer: LayerCallback

    def stack(self, height: int, rows: Callable[[Piece], Tensor]) -> Tensor:
        """Return an image that is computed some rows at a time."""
        self.on_layer()
        return stack_rows(rows, height, self.device, self.spread)

    def normaliser(self, image: _Rows) -> Callable[[Tensor], Tensor]:
        """Return the function that gives each channel the mean 0 and the variance 1.

        Both are those of the whole frame, added up from the pieces in float64.
        """
        self.on_layer()
        pieces = cut(image.height, image.height, self.device)

        measured: dict[int, Tensor] = {}

        def measure(piece: Piece) -> None:
            rows = image.rows(piece).float()
            variance, mean = torch.var_mean(rows, dim=(0, 1, 2), correction=0)
            count = torch.full_like(mean, rows.shape[1])
            measured[piece.start] = torch.stack([count, mean, variance]).double()

        self.spread(measure, pieces)
        # Added in one order, whichever piece was first.
        each = torch.stack([measured[piece.start] for piece in pieces])
        count, means, variances = each.unbind(1)
        mean = (count * means).sum(0) / count.sum(0)
        spread = (count * (variances + (means - mean) ** 2)).sum(0) / count.sum(0)
        scale = (1 / torch.sqrt(spread + EPSILON)).float()
        shift = (-mean * scale).float()

        def normalise(rows: Tensor) -> Tensor:
            return torch.addcmul(shift, rows.float(), scale).to(self.dtype)

        return normalise
