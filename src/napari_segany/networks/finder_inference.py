"""The finder as it is used: normalisations folded, channels last, layers in fixed pieces.

It computes what :class:`napari_segany.networks.finder.Finder` computes in evaluation mode, for the
part of the frame that a plane fills, in half the time and in a third of the memory. Every layer is
cut into the pieces of :mod:`napari_segany.networks.work_pieces`, so the number of threads changes
no bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_segany.networks import large_memory
from napari_segany.networks.finder import (
    LEVELS,
    MAPS,
    SIZE,
    UNSHUFFLE,
    UPSCALING,
    ConvNorm,
    Finder,
    FinderShape,
)
from napari_segany.networks.sam import PIXEL_MEAN, PIXEL_STD
from napari_segany.networks.work_pieces import Piece, Spread, cut, one_by_one

LayerCallback = Callable[[], None]
"""Called between layers; it may raise to end the computation."""


def _no_call() -> None:
    """Do nothing between layers."""


def fold(finder: Finder) -> dict[str, Tensor]:
    """Return a trained finder's weights with the normalisations folded into the convolutions.

    Returns
    -------
    dict of str to Tensor
        ``NAME.weight`` and ``NAME.bias`` of each convolution, on the CPU in float32.
    """
    folded: dict[str, Tensor] = {}
    for name, module in finder.eval().named_modules():
        if isinstance(module, ConvNorm):
            layer, norm = module[0], module[1]
            assert isinstance(layer, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            folded |= _named(name, fuse_conv_bn_eval(layer, norm))
    return folded | _named("head", finder.head)


def unfold(shape: FinderShape, weights: Mapping[str, Tensor]) -> Finder:
    """Return a network that computes what folded weights compute, to be trained further.

    Its normalisations change nothing, as their statistics are those of normal values; they must
    stay in evaluation mode while the network learns.

    Parameters
    ----------
    shape : FinderShape
        The architecture.
    weights : mapping of str to Tensor
        As from :func:`fold`.

    Returns
    -------
    Finder
        In evaluation mode, on the CPU in float32.
    """
    finder = Finder(shape).eval()
    with torch.no_grad():
        for name, module in finder.named_modules():
            if isinstance(module, ConvNorm):
                layer, norm = module[0], module[1]
                assert isinstance(layer, nn.Conv2d)
                assert isinstance(norm, nn.BatchNorm2d)
                layer.weight.copy_(weights[f"{name}.weight"])
                nn.init.ones_(norm.weight)
                norm.bias.copy_(weights[f"{name}.bias"])
                assert norm.running_mean is not None
                assert norm.running_var is not None
                norm.running_mean.zero_()
                norm.running_var.fill_(1 - norm.eps)
        finder.head.load_state_dict(
            {"weight": weights["head.weight"], "bias": weights["head.bias"]}
        )
    return finder


def _named(name: str, layer: nn.Conv2d) -> dict[str, Tensor]:
    assert layer.bias is not None
    weight, bias = layer.weight.detach(), layer.bias.detach()
    return {f"{name}.weight": weight.cpu().float(), f"{name}.bias": bias.cpu().float()}


def folded_shapes(shape: FinderShape) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that :func:`fold` gives for an architecture."""
    with torch.device("meta"):
        finder = Finder(shape)
    shapes: dict[str, tuple[int, ...]] = {}
    layers = {name: m[0] for name, m in finder.named_modules() if isinstance(m, ConvNorm)}
    for name, layer in (layers | {"head": finder.head}).items():
        assert isinstance(layer, nn.Conv2d)
        shapes[f"{name}.weight"] = tuple(layer.weight.shape)
        shapes[f"{name}.bias"] = (layer.out_channels,)
    return shapes


@dataclass(frozen=True)
class _Layer:
    """Weights of one convolution: (out, in) for a kernel of one cell, else (out, in, 3, 3)."""

    weight: Tensor
    bias: Tensor

    def at_cells(self, x: Tensor) -> Tensor:
        """Map (B, rows, W, C) of any floating type cell by cell."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)

    def around(self, x: Tensor) -> Tensor:
        """Map (B, rows + 2, W, C) to (B, rows, W, C'), with columns of zeros at the sides."""
        out = F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, padding=(0, 1))
        return out.permute(0, 2, 3, 1)


@dataclass(frozen=True)
class _Extent:
    """Rows and columns of a level that are computed."""

    rows: int
    cols: int

    def coarser(self, margin: int, most: int) -> "_Extent":
        """Return half the extent and ``margin`` cells more, at most ``most``."""
        rows, cols = -(-self.rows // 2), -(-self.cols // 2)
        return _Extent(min(rows + margin, most), min(cols + margin, most))


class _Passes:
    """Passes over images with a row of zeros above and below, piece by piece.

    Parameters
    ----------
    device, dtype
        Of the computation.
    spread : callable
        Computes the pieces of each pass.
    on_layer : callable
        Called before each pass.
    """

    def __init__(
        self, device: torch.device, dtype: torch.dtype, spread: Spread, on_layer: LayerCallback
    ) -> None:
        self.device, self.dtype = device, dtype
        self.spread, self.on_layer = spread, on_layer

    def empty(self, extent: _Extent, width: int) -> Tensor:
        """Return a (1, rows + 2, cols, width) image; its first and last row are zero."""
        shape = 1, extent.rows + 2, extent.cols, width
        x = large_memory.empty(shape, self.dtype, self.device)
        x[:, 0] = x[:, -1] = 0
        return x

    def each(self, extent: _Extent, rows: Callable[[Piece], None]) -> None:
        """Call a function for each piece of the rows."""
        self.on_layer()
        self.spread(rows, cut(extent.rows, extent.cols, self.device))

    def fill(self, out: Tensor, rows: Callable[[Piece], Tensor]) -> Tensor:
        """Fill an image with rows, rectified: negative values become zero."""
        extent = _Extent(out.shape[1] - 2, out.shape[2])

        def write(piece: Piece) -> None:
            torch.clamp_min(rows(piece), 0, out=inner(out, piece))

        self.each(extent, write)
        return out


def inner(x: Tensor, piece: Piece) -> Tensor:
    """Return the rows of a piece from an image with a row more above and below."""
    return x[:, piece.start + 1 : piece.stop + 1]


def outer(x: Tensor, piece: Piece) -> Tensor:
    """Return the rows of a piece and one more above and below."""
    return x[:, piece.start : piece.stop + 2]


class FinderInference:
    """A trained finder on a device.

    Parameters
    ----------
    shape : FinderShape
        The architecture.
    weights : mapping of str to Tensor
        As from :func:`fold`, of any floating type.
    device : torch.device
        The device on which it computes.
    dtype : torch.dtype
        Type of the arithmetic; the maps are float32.
    """

    def __init__(
        self,
        shape: FinderShape,
        weights: Mapping[str, Tensor],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.shape, self.device, self.dtype = shape, device, dtype
        self._layers: dict[str, _Layer] = {}
        for name, value in weights.items():
            layer, _, kind = name.rpartition(".")
            if kind == "weight":
                if layer == "image.0":
                    # Pixels of a cell lie row by row in memory, colours within them.
                    value = value.view(-1, 3, UNSHUFFLE, UNSHUFFLE).permute(0, 2, 3, 1).flatten(1)
                elif value.shape[2:] == (1, 1):
                    value = value.flatten(1)
                bias = weights[f"{layer}.bias"].to(device, dtype)
                value = value.to(device, dtype)
                if value.ndim == 4:
                    value = value.contiguous(memory_format=torch.channels_last)
                self._layers[layer] = _Layer(value.contiguous() if value.ndim == 2 else value, bias)
        self._mean = torch.tensor(PIXEL_MEAN, device=device)
        self._std = torch.tensor(PIXEL_STD, device=device)

    def predict(
        self,
        embedding: Tensor,
        stages: Sequence[Tensor],
        image: Tensor,
        cells: tuple[int, int],
        spread: Spread = one_by_one,
        on_layer: LayerCallback = _no_call,
    ) -> Tensor:
        """Predict the maps of one plane.

        Parameters
        ----------
        embedding : Tensor
            (C, g, g), the neck's output.
        stages : sequence of Tensor
            (C', n * g, n * g) of each stage, n as in the architecture.
        image : Tensor
            (h, w, 3) uint8, the image in the frame without padding.
        cells : tuple of int
            Rows and columns of the maps, at most 8 * g, as the plane needs them.
        spread : callable
            Computes the pieces of each layer.
        on_layer : callable
            Called between layers; may raise to stop.

        Returns
        -------
        Tensor
            (MAPS, rows, cols) float32: probabilities, 0..1, and log2 size, in the order of
            the constants of :mod:`napari_segany.networks.finder`.
        """
        passes = _Passes(self.device, self.dtype, spread, on_layer)
        extents = self._extents(cells, embedding.shape[-1])
        x: Tensor | None = None
        for level, extent in enumerate(extents):
            sources = [embedding] if level == 0 else []
            sources += [
                stage
                for stage, (_, each) in zip(stages, self.shape.stages, strict=True)
                if each == 2**level
            ]
            seen: Tensor | None = None
            if level == LEVELS - 1 and self.shape.image_width:
                seen = self._see_image(image, extent, passes)
            x = self._join(level, x, sources, seen, extent, passes)
            hidden = passes.empty(extent, self.shape.widths[level])
            for block in range(self.shape.blocks):
                self._apply_block(f"levels.{level}.blocks.{block}", x, hidden, passes)
        assert x is not None
        return self._read_maps(x, cells, passes)

    def _extents(self, cells: tuple[int, int], grid: int) -> list[_Extent]:
        """Return the part of each level on which cells of the maps depend, coarsest first.

        Beyond it a convolution takes zeros for what is not computed. Every convolution carries
        that one cell further, which the margins make up for.
        """
        margin = 2 * self.shape.blocks
        finest = grid * 2 ** (LEVELS - 1)
        rows, cols = (-(-n // UPSCALING) for n in cells)
        # Two more for the convolutions of the image and of the head.
        extent = _Extent(min(rows + margin + 2, finest), min(cols + margin + 2, finest))
        extents = [extent]
        for level in reversed(range(LEVELS - 1)):
            extents.insert(0, extents[0].coarser(margin, grid * 2**level))
        return extents

    def _see_image(self, image: Tensor, extent: _Extent, passes: _Passes) -> Tensor:
        """Return the first layer of the branch that reads the image."""
        layer = self._layers["image.0"]

        def rows(piece: Piece) -> Tensor:
            count = piece.stop - piece.start
            part = image[
                UNSHUFFLE * piece.start : UNSHUFFLE * piece.stop, : UNSHUFFLE * extent.cols
            ]
            pixels = torch.zeros(
                (UNSHUFFLE * count, UNSHUFFLE * extent.cols, 3), device=self.device
            )
            pixels[: part.shape[0], : part.shape[1]] = (part.float() - self._mean) / self._std
            by_cell = pixels.view(count, UNSHUFFLE, extent.cols, 3 * UNSHUFFLE).transpose(1, 2)
            return layer.at_cells(by_cell.reshape(1, count, extent.cols, 3 * UNSHUFFLE**2))

        return passes.fill(passes.empty(extent, self.shape.image_width), rows)

    def _join(
        self,
        level: int,
        below: Tensor | None,
        sources: Sequence[Tensor],
        seen: Tensor | None,
        extent: _Extent,
        passes: _Passes,
    ) -> Tensor:
        """Join the level below, the encoder's (C, h, w) sources and the image's first layer."""
        name = f"levels.{level}"
        lasts = [source.permute(1, 2, 0)[None] for source in sources]

        def rows(piece: Piece) -> Tensor:
            parts = [
                self._layers[f"{name}.sources.{i}"].at_cells(source[:, piece, : extent.cols])
                for i, source in enumerate(lasts)
            ]
            if seen is not None:
                near = self._layers["image.1"].around(outer(seen, piece)).clamp_min_(0)
                parts.append(self._layers[f"{name}.sources.{len(lasts)}"].at_cells(near))
            if below is not None:
                coarse = slice(piece.start // 2, -(-piece.stop // 2))
                low = self._layers[f"{name}.below"].at_cells(inner(below, coarse))
                low = low.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
                first = piece.start - 2 * coarse.start
                parts.append(low[:, first : first + piece.stop - piece.start, : extent.cols])
            joined = parts[0]
            for part in parts[1:]:
                joined = joined.add_(part)
            return joined

        return passes.fill(passes.empty(extent, self.shape.widths[level]), rows)

    def _apply_block(self, name: str, x: Tensor, hidden: Tensor, passes: _Passes) -> None:
        """Apply a residual block to ``x`` in place; ``hidden`` is overwritten."""
        first, second = self._layers[f"{name}.first"], self._layers[f"{name}.second"]
        passes.fill(hidden, lambda piece: first.around(outer(x, piece)))
        passes.fill(x, lambda piece: second.around(outer(hidden, piece)).add_(inner(x, piece)))

    def _read_maps(self, x: Tensor, cells: tuple[int, int], passes: _Passes) -> Tensor:
        """Return the maps that the last layer gives."""
        layer = self._layers["head"]
        extent = _Extent(*(-(-n // UPSCALING) for n in cells))
        shape = MAPS, UPSCALING * extent.rows, UPSCALING * extent.cols
        maps = large_memory.empty(shape, torch.float32, self.device)

        def rows(piece: Piece) -> None:
            raw = layer.around(outer(x, piece))[0, :, : extent.cols].float()
            fine = raw.unflatten(-1, (MAPS, UPSCALING, UPSCALING)).permute(2, 0, 3, 1, 4)
            place = maps[:, UPSCALING * piece.start : UPSCALING * piece.stop]
            place.copy_(fine.reshape(place.shape))
            place[:SIZE].sigmoid_()

        passes.each(extent, rows)
        return maps[:, : cells[0], : cells[1]]
