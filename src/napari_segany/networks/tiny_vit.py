"""TinyViT, the image encoder of MobileSAM and of the other "vit_t" models.

Wu et al., "TinyViT: Fast pretraining distillation for small vision transformers" (ECCV 2022),
with the changes of Zhang et al., "Faster Segment Anything" (2023): the last downsampling keeps
the resolution and a SAM neck replaces the classifier.
"""

from collections.abc import Sequence
from itertools import pairwise, product

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_segany.networks.layers import (
    BlockCallback,
    Neck,
    StageCallback,
    join_windows,
    split_windows,
    trunk_dtype,
)
from napari_segany.networks.work_pieces import (
    Piece,
    Spread,
    conv_rows,
    input_rows,
    map_pieces,
    one_by_one,
    stack_rows,
)


class ConvNorm(nn.Module):
    """Convolution ``c`` without bias, then batch normalisation ``bn``; channels lie last."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.bn: nn.BatchNorm2d | nn.Identity = nn.BatchNorm2d(outputs)

    @property
    def stride(self) -> int:
        """Rows of the input for each row of the output."""
        return self.c.stride[0]

    def forward(self, x: Tensor, above: int = 0, below: int = 0) -> Tensor:
        """Map (B, rows, W, C) to (B, rows', W', C'); zeros are added at the border."""
        c = self.c
        if c.kernel_size == (1, 1):
            # Faster than the same as a convolution, and the same bytes on several threads.
            out = F.linear(x, c.weight.flatten(1), c.bias)
        else:
            out = conv_rows(x, c.weight, c.bias, above, below, self.stride, c.groups)
        if isinstance(self.bn, nn.Identity):
            return out
        normed: Tensor = self.bn(out.permute(0, 3, 1, 2))
        return normed.permute(0, 2, 3, 1)

    def fuse(self) -> None:
        """Fold the normalisation into the convolution: half the passes over the image."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.c = fuse_conv_bn_eval(self.c, self.bn)
            self.bn = nn.Identity()


class PatchEmbed(nn.Module):
    """Two strided convolutions: an image at a quarter of its size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvNorm(3, width // 2, kernel=3, stride=2),
            nn.GELU(),
            ConvNorm(width // 2, width, kernel=3, stride=2),
        )

    def forward(
        self, x: Tensor, spread: Spread = one_by_one, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Map (B, 3, S, S) to (B, S / 4, S / 4, C) of ``dtype``, computed in the type of ``x``."""
        image = x.permute(0, 2, 3, 1)
        height = image.shape[1]

        def rows(piece: Piece) -> Tensor:
            middle, above, below = input_rows(piece, height // 2, 2)
            first, *missing = input_rows(middle, height, 2)
            hidden = F.gelu(self.seq[0](image[:, first], *missing))
            out: Tensor = self.seq[2](hidden, above, below)
            return out.to(dtype)

        return stack_rows(rows, height // 4, x.device, spread)


class MBConv(nn.Module):
    """Inverted residual block: widen, filter per channel, narrow."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        hidden = width * expansion
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, kernel=3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor, spread: Spread = one_by_one) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C)."""

        def rows(piece: Piece) -> Tensor:
            wider, above, below = input_rows(piece, x.shape[1])
            hidden = F.gelu(self.conv1(x[:, wider]))
            out = self.conv3(F.gelu(self.conv2(hidden, above, below)))
            return F.gelu(out + x[:, piece])

        return stack_rows(rows, x.shape[1], x.device, spread)


class Downsample(nn.Module):
    """Change of width between stages, with ``stride`` 2 everywhere but before the last one."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs)
        self.conv2 = ConvNorm(outputs, outputs, kernel=3, stride=stride, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor, spread: Spread = one_by_one) -> Tensor:
        """Map (B, H, W, C) to (B, H / stride, W / stride, C')."""
        height, stride = x.shape[1], self.conv2.stride

        def rows(piece: Piece) -> Tensor:
            wider, above, below = input_rows(piece, height, stride)
            hidden = F.gelu(self.conv2(F.gelu(self.conv1(x[:, wider])), above, below))
            out: Tensor = self.conv3(hidden)
            return out

        return stack_rows(rows, -(-height // stride), x.device, spread)


def attention_offsets(window: int) -> Tensor:
    """Return the index into the learned biases for every pair of cells of a window.

    Pairs share a bias when their absolute (row, column) distance is the same; distances are
    numbered in the order in which they first occur, which is how the checkpoints were written.

    Returns
    -------
    Tensor
        (window**2, window**2) int64.
    """
    cells = list(product(range(window), repeat=2))
    seen: dict[tuple[int, int], int] = {}
    index = [
        seen.setdefault((abs(a[0] - b[0]), abs(a[1] - b[1])), len(seen))
        for a in cells
        for b in cells
    ]
    return torch.tensor(index).view(len(cells), len(cells))


class WindowAttention(nn.Module):
    """Self-attention within a window, with a learned bias for each relative distance."""

    attention_bias_idxs: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self.register_buffer("attention_bias_idxs", attention_offsets(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within (B, n, C) windows."""
        b, n, c = x.shape
        # Each head's query, key and value stand side by side in the published weights.
        qkv = self.qkv(self.norm(x)).view(b, n, self.heads, 3, c // self.heads)
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        bias = self.attention_biases[:, self.attention_bias_idxs]
        scores = (q @ k.transpose(-2, -1)) * self.scale + bias
        out = scores.softmax(dim=-1) @ v
        projected: Tensor = self.proj(out.transpose(1, 2).reshape(b, n, c))
        return projected


class FeedForward(nn.Module):
    """Pre-normalised two-layer perceptron."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the perceptron to (B, n, C) tokens."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class TinyViTBlock(nn.Module):
    """Window attention, a depthwise convolution across windows, and a perceptron."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.local_conv = ConvNorm(width, width, kernel=3, groups=width)
        self.mlp = FeedForward(width, 4 * width)

    def forward(self, x: Tensor, spread: Spread = one_by_one) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C)."""
        windows, padded = split_windows(x, self.window)
        seen = map_pieces(self.attn, windows.flatten(1, 2), spread).view_as(windows)
        seen = join_windows(seen, self.window, padded, (x.shape[1], x.shape[2]))

        def rows(piece: Piece) -> Tensor:
            wider, above, below = input_rows(piece, x.shape[1])
            some = self.local_conv(x[:, wider] + seen[:, wider], above, below)
            out: Tensor = some + self.mlp(some)
            return out

        return stack_rows(rows, x.shape[1], x.device, spread)


class Stage(nn.Module):
    """The blocks of one resolution and the change to the next."""

    def __init__(self, blocks: Sequence[nn.Module], downsample: Downsample | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def apply_blocks(
        self,
        x: Tensor,
        on_block: BlockCallback | None = None,
        spread: Spread = one_by_one,
    ) -> Tensor:
        """Apply the blocks."""
        for block in self.blocks:
            if on_block is not None:
                on_block()
            x = block(x, spread)
        return x

    def change_width(self, x: Tensor, spread: Spread = one_by_one) -> Tensor:
        """Apply the change to the next stage, if there is one."""
        return x if self.downsample is None else self.downsample(x, spread)


class TinyViT(nn.Module):
    """Image encoder: (B, 3, S, S) normalised -> (B, out_channels, S / 16, S / 16).

    Parameters
    ----------
    widths, depths, heads, windows : tuple of int
        One entry a stage; ``heads`` and ``windows`` of the first, convolutional, stage are unused.
    out_channels : int
        Width of the embedding.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int] = (64, 128, 160, 320),
        depths: tuple[int, int, int, int] = (2, 2, 6, 2),
        heads: tuple[int, int, int, int] = (2, 4, 5, 10),
        windows: tuple[int, int, int, int] = (7, 7, 14, 7),
        out_channels: int = 256,
    ) -> None:
        super().__init__()
        self.widths = widths
        self.patch_embed = PatchEmbed(widths[0])
        downsamples: list[Downsample | None] = [
            Downsample(a, b, stride)
            for (a, b), stride in zip(pairwise(widths), (2, 2, 1), strict=True)
        ]
        self.layers = nn.ModuleList()
        for i, downsample in enumerate([*downsamples, None]):
            blocks: list[nn.Module] = [
                MBConv(widths[i], expansion=4)
                if i == 0
                else TinyViTBlock(widths[i], heads[i], windows[i])
                for _ in range(depths[i])
            ]
            self.layers.append(Stage(blocks, downsample))
        self.neck = Neck(widths[-1], out_channels)

    def forward(
        self,
        x: Tensor,
        on_block: BlockCallback | None = None,
        spread: Spread = one_by_one,
        on_stage: StageCallback | None = None,
    ) -> Tensor:
        """Encode.

        Parameters
        ----------
        x : Tensor
            (B, 3, S, S) normalised.
        on_block : callable, optional
            Called before every block; may raise to stop.
        spread : callable
            Computes the pieces of each layer.
        on_stage : callable, optional
            Called with the result of each of the finer stages, see :attr:`finer_stages`.
        """
        x = self.patch_embed(x, spread, trunk_dtype(self.layers))
        for number, stage in enumerate(self.layers):
            assert isinstance(stage, Stage)
            x = stage.apply_blocks(x, on_block, spread)
            if on_stage is not None and number < len(self.finer_stages):
                on_stage(x)
            x = stage.change_width(x, spread)
        out: Tensor = self.neck(x, spread)
        return out

    @property
    def finer_stages(self) -> tuple[tuple[int, int], ...]:
        """Channels of each stage finer than the embedding, and its cells for each cell of it."""
        return tuple((width, cells) for width, cells in zip(self.widths, (4, 2), strict=False))

    def lower_precision(self, dtype: torch.dtype) -> None:
        """Compute the blocks in ``dtype``; the image and the embedding need float32."""
        self.layers.to(dtype)
