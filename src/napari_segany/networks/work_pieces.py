"""Fixed pieces of work, so that sums do not depend on the number of threads.

A matrix library that spreads one operation over its threads may cut a sum differently for one
thread than for two, and the last bits differ. Here an encoder's layers are cut into pieces whose
size is a constant, and each piece is computed by one thread. The number of threads decides only
how many pieces are computed at once. Pieces also stay in the cache between one layer and the next.
"""

import math
import threading
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segany.networks import large_memory

Piece = slice
"""Part of an axis, with explicit start and stop."""

Spread = Callable[[Callable[[Piece], None], Sequence[Piece]], None]
"""Calls a function once for each piece, in any order or at once, and returns when all are done."""

PIECES = 16
"""Number of pieces that an axis is cut into. More would mean more borders to
compute twice, fewer would leave cores without work."""

TOKENS = 256
"""Least number of pixels or tokens of a piece; fewer cost more to hand out than to compute."""


def one_by_one(function: Callable[[Piece], None], pieces: Sequence[Piece]) -> None:
    """Call a function for each piece in this thread."""
    for piece in pieces:
        function(piece)


def cut(length: int, tokens: int, device: torch.device) -> list[Piece]:
    """Cut an axis into equal pieces, the last one smaller.

    Devices other than the CPU get the whole axis as one piece: small kernels would leave them idle.

    Parameters
    ----------
    length : int
        Entries of the axis.
    tokens : int
        Pixels or tokens of each entry.
    device : torch.device
        Function that computes the pieces.
    """
    step = length
    if device.type == "cpu":
        step = max(math.ceil(length / PIECES), math.ceil(TOKENS / tokens))
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def join(
    function: Callable[[Piece], Tensor],
    pieces: Sequence[Piece],
    axis: int,
    spread: Spread,
) -> Tensor:
    """Return the results of a function for each piece, side by side along an axis.

    Each is put in its place as soon as it is computed, so that no two copies of a layer are held.

    Parameters
    ----------
    function : callable
        Gives part of the result: as many entries along ``axis`` as the piece has.
    pieces : sequence of slice
        They cover the axis in order.
    axis : int
        Of the result.
    spread : callable
        Computes the pieces.
    """
    if len(pieces) == 1:
        results: list[Tensor] = []
        spread(lambda piece: results.append(function(piece)), pieces)
        return results[0]
    whole: list[Tensor] = []
    making = threading.Lock()

    def place(piece: Piece) -> None:
        part = function(piece)
        with making:
            if not whole:
                shape = list(part.shape)
                shape[axis] = pieces[-1].stop
                whole.append(large_memory.empty(tuple(shape), part.dtype, part.device))
        whole[0].narrow(axis, piece.start, piece.stop - piece.start).copy_(part)

    spread(place, pieces)
    return whole[0]


def stack_rows(
    rows: Callable[[Piece], Tensor], height: int, device: torch.device, spread: Spread
) -> Tensor:
    """Compute an image some rows at a time.

    Parameters
    ----------
    rows : callable
        Gives some rows of the result, (B, rows, W, C).
    height : int
        Rows of the result, which is taken to be square.
    device : torch.device
        Function that computes the pieces.
    spread : callable
        Computes the pieces.

    Returns
    -------
    Tensor
        (B, height, W, C).
    """
    return join(rows, cut(height, height, device), 1, spread)


def map_pieces(function: Callable[[Tensor], Tensor], x: Tensor, spread: Spread) -> Tensor:
    """Apply a function that treats the entries of the first axis apart, piece by piece.

    Parameters
    ----------
    function : callable
        Maps part of ``x`` to part of the result; the first axis keeps its length.
    x : Tensor
        (N, tokens, C).
    spread : callable
        Computes the pieces.

    Returns
    -------
    Tensor
        The parts of the result, one after the other.
    """
    pieces = cut(len(x), x.shape[1], x.device)
    return join(lambda piece: function(x[piece]), pieces, 0, spread)


def input_rows(piece: Piece, height: int, stride: int = 1) -> tuple[slice, int, int]:
    """Return the input rows that some output rows of a 3 x 3 convolution with border 1 need.

    Parameters
    ----------
    piece : slice
        Rows of the output.
    height : int
        Rows of the input.
    stride : int
        Of the convolution.

    Returns
    -------
    rows : slice
        Rows of the input that exist.
    above, below : int
        Rows of zeros that are missing at the border, 0 or 1.
    """
    first, end = piece.start * stride - 1, (piece.stop - 1) * stride + 2
    rows = slice(max(first, 0), min(end, height))
    return rows, rows.start - first, end - rows.stop


def conv_rows(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    above: int,
    below: int,
    stride: int = 1,
    groups: int = 1,
) -> Tensor:
    """Compute a 3 x 3 convolution of some rows of an image whose channels lie last.

    Parameters
    ----------
    x : Tensor
        (B, rows, W, C).
    weight, bias : Tensor
        Of the convolution.
    above, below : int
        Rows of zeros to add; columns get one on either side.
    stride, groups : int
        Of the convolution.

    Returns
    -------
    Tensor
        (B, rows', W', C').
    """
    first = x.permute(0, 3, 1, 2)
    if above or below:
        first = F.pad(first, (0, 0, above, below))
    return F.conv2d(first, weight, bias, stride, (0, 1), groups=groups).permute(0, 2, 3, 1)
