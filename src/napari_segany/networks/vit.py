"""The plain vision transformer of the published SAM models, with windowed and global blocks.

Li et al., "Exploring plain vision transformer backbones for object detection" (ECCV 2022);
decomposed relative positions from Li et al., "MViTv2" (CVPR 2022).
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.networks.layers import (
    BlockCallback,
    Neck,
    StageCallback,
    join_windows,
    split_windows,
    trunk_dtype,
)
from napari_segany.networks.work_pieces import Piece, Spread, map_pieces, one_by_one, stack_rows


class PatchEmbed(nn.Module):
    """Cut the image into patches and project each: (B, 3, S, S) -> (B, g, g, C)."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, x: Tensor, spread: Spread = one_by_one) -> Tensor:
        """Map (B, 3, S, S) to (B, S / patch, S / patch, C)."""
        patch = self.proj.kernel_size[0]

        def rows(piece: Piece) -> Tensor:
            part = x[:, :, piece.start * patch : piece.stop * patch]
            out: Tensor = self.proj(part)
            return out.permute(0, 2, 3, 1)

        return stack_rows(rows, x.shape[2] // patch, x.device, spread)


def relative_positions(table: Tensor, size: int) -> Tensor:
    """Look up the code of every (query, key) distance along one axis.

    Parameters
    ----------
    table : Tensor
        (2 * size - 1, C), the codes of the distances ``1 - size .. size - 1``.
    size : int
        Number of cells along the axis.

    Returns
    -------
    Tensor
        (size, size, C).
    """
    cells = torch.arange(size, device=table.device)
    return table[cells[:, None] - cells[None, :] + size - 1]


HEADS_AT_ONCE, QUERIES_AT_ONCE = 2, 512
"""Size of a piece: with 4096 keys it has 16 MB of scores, which a large cache can hold.
Smaller pieces occupy fewer threads, and their threads have to wait for each other more often."""


def attention_in_pieces(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    by_row: Tensor,
    by_col: Tensor,
    spread: Spread = one_by_one,
) -> Tensor:
    """Compute attention with score terms for the key's row and column, in little memory.

    The terms of a few heads and a few rows of queries are added up at a time; the matrix of all
    queries and keys, gigabytes for a few planes, never exists.

    Parameters
    ----------
    q, k, v : Tensor
        (B, heads, h * w, C), the cells of a (h, w) grid row by row.
    by_row, by_col : Tensor
        (B, heads, h, w, h) and (B, heads, h, w, w), what every query adds to the scores of the
        keys of each row and of each column.
    spread : callable
        Computes the pieces.

    Returns
    -------
    Tensor
        (B, heads, h * w, C), the values weighted by softmax(q k / sqrt(C) + by_row + by_col).
    """
    b, heads, h, w, _ = by_row.shape
    rows = max(1, QUERIES_AT_ONCE // w)
    # In memory the heads of a cell lie together, as the projection that follows wants them.
    out = q.new_empty(b, h * w, heads, v.shape[-1]).transpose(1, 2)
    starts = range(0, h, rows)

    def some(piece: Piece) -> None:
        head, start = divmod(piece.start, len(starts))
        group = slice(head * HEADS_AT_ONCE, (head + 1) * HEADS_AT_ONCE)
        lines = slice(starts[start], starts[start] + rows)
        cells = slice(lines.start * w, lines.stop * w)
        terms = by_row[:, group, lines, :, :, None] + by_col[:, group, lines, :, None, :]
        out[:, group, cells] = F.scaled_dot_product_attention(
            q[:, group, cells],
            k[:, group],
            v[:, group],
            attn_mask=terms.flatten(2, 3).flatten(3),
        )

    count = len(range(0, heads, HEADS_AT_ONCE)) * len(starts)
    spread(some, [slice(n, n + 1) for n in range(count)])
    return out


def attention_by_codes(q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_col: Tensor) -> Tensor:
    """Compute :func:`attention_in_pieces` as one dot product without any added term.

    Every key also carries its row and its column as one-hot codes and every query its terms for
    all rows and columns, so that kernels which keep no scores in memory can run. Such a kernel
    must take values narrower than queries, as the memory-efficient one of CUDA does.
    """
    h, w, c = by_row.shape[-1], by_col.shape[-1], q.shape[-1]
    cells = torch.arange(h * w, device=q.device)
    codes = torch.cat([F.one_hot(cells // w, h), F.one_hot(cells % w, w)], dim=1).to(q.dtype)
    codes = codes.expand(*k.shape[:2], -1, -1)
    # The scale is for the dot product of q and k alone; the terms are divided by it beforehand.
    terms = c**0.5 * torch.cat([by_row, by_col], dim=-1).flatten(2, 3)
    # Widths that 8 does not divide would rule the kernel out in half precision.
    unused = (0, -(c + h + w) % 8)
    queries = F.pad(torch.cat([q, terms], dim=-1), unused)
    keys = F.pad(torch.cat([k, codes], dim=-1), unused)
    return F.scaled_dot_product_attention(queries, keys, v, scale=c**-0.5)


class RelativeAttention(nn.Module):
    """Self-attention over a (size, size) grid with decomposed relative positions."""

    def __init__(self, width: int, heads: int, size: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * size - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * size - 1, width // heads))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, h, w, C) to (B, h, w, C)."""
        out: Tensor = self.proj(self.attend(self.qkv(x), one_by_one))
        return out

    def attend(self, qkv: Tensor, spread: Spread) -> Tensor:
        """Attend with (B, h, w, 3 C) queries, keys and values; returns (B, h, w, C)."""
        b, h, w, c = qkv.shape
        split = qkv.view(b, h * w, 3, self.heads, c // 3 // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        grid = q.unflatten(2, (h, w))
        by_row = torch.einsum("bnhwc,hkc->bnhwk", grid, relative_positions(self.rel_pos_h, h))
        by_col = torch.einsum("bnhwc,wkc->bnhwk", grid, relative_positions(self.rel_pos_w, w))
        # Contiguous terms make their sum, by far the largest tensor here, contiguous in turn.
        by_row, by_col = by_row.contiguous(), by_col.contiguous()
        # On a processor the codes make the dot product three times as wide, which costs more than
        # the added terms. CUDA has a kernel for wide dot products that keeps no scores, and many
        # small pieces would leave it idle; that choice follows from the kernels, not from timing.
        if qkv.is_cuda:
            seen = attention_by_codes(q, k, v, by_row, by_col)
        else:
            seen = attention_in_pieces(q, k, v, by_row, by_col, spread)
        return seen.transpose(1, 2).reshape(b, h, w, c // 3)


class FeedForward(nn.Module):
    """Two-layer perceptron."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the perceptron to (B, h, w, C)."""
        out: Tensor = self.lin2(F.gelu(self.lin1(x)))
        return out


class Block(nn.Module):
    """Transformer block; ``window`` 0 attends over the whole grid."""

    def __init__(self, width: int, heads: int, hidden: int, window: int, grid: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = RelativeAttention(width, heads, window or grid)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = FeedForward(width, hidden)

    def forward(self, x: Tensor, spread: Spread = one_by_one) -> Tensor:
        """Map (B, h, w, C) to (B, h, w, C)."""
        height, device = x.shape[1], x.device
        if self.window:
            normed = stack_rows(lambda piece: self.norm1(x[:, piece]), height, device, spread)
            windows, padded = split_windows(normed, self.window)
            # All of a window fits into one piece; heads and queries need not be cut.
            flat = map_pieces(
                lambda some: self.attn(some.view(-1, *windows.shape[1:])).flatten(1, 2),
                windows.flatten(1, 2),
                spread,
            )
            shape = (x.shape[1], x.shape[2])
            seen = join_windows(flat.view_as(windows), self.window, padded, shape)
        else:
            attn = self.attn
            qkv = stack_rows(
                lambda piece: attn.qkv(self.norm1(x[:, piece])), height, device, spread
            )
            heads = attn.attend(qkv, spread)
            seen = stack_rows(lambda piece: attn.proj(heads[:, piece]), height, device, spread)

        def rows(piece: Piece) -> Tensor:
            some = x[:, piece] + seen[:, piece]
            out: Tensor = some + self.mlp(self.norm2(some))
            return out

        return stack_rows(rows, height, device, spread)


class ViT(nn.Module):
    """Image encoder: (B, 3, 16 * grid, 16 * grid) normalised -> (B, out_channels, grid, grid).

    Parameters
    ----------
    width, depth, heads : int
        Width of the tokens, number of blocks, attention heads.
    global_blocks : collection of int
        Blocks that attend over the whole grid; the others work in windows.
    window : int
        Side of the windows, in patches.
    patch, grid : int
        Side of a patch in pixels and number of patches along a side.
    out_channels : int
        Width of the embedding.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        global_blocks: Collection[int],
        window: int = 14,
        patch: int = 16,
        grid: int = 64,
        out_channels: int = 256,
        hidden_ratio: int = 4,
    ) -> None:
        super().__init__()
        self.stage_width, self.stage_ends = width, tuple(sorted(global_blocks))[:2]
        self.patch_embed = PatchEmbed(width, patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, width))
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden_ratio * width, 0 if i in global_blocks else window, grid)
            for i in range(depth)
        )
        self.neck = Neck(width, out_channels)

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
            Called with the results of the first two global blocks, see :attr:`finer_stages`.
        """
        x = (self.patch_embed(x, spread) + self.pos_embed).to(trunk_dtype(self.blocks))
        for number, block in enumerate(self.blocks):
            if on_block is not None:
                on_block()
            x = block(x, spread)
            if on_stage is not None and number in self.stage_ends:
                on_stage(x)
        out: Tensor = self.neck(x, spread)
        return out

    @property
    def finer_stages(self) -> tuple[tuple[int, int], ...]:
        """Channels of each stage that ``on_stage`` is given, and its cells for each embedding cell.

        All blocks of this encoder work on the grid of the embedding; earlier ones see more detail.
        """
        return tuple((self.stage_width, 1) for _ in self.stage_ends)

    def lower_precision(self, dtype: torch.dtype) -> None:
        """Compute the blocks in ``dtype``; the image and the embedding need float32."""
        self.blocks.to(dtype)
