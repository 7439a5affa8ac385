"""Attention heads as matrices: channels split by head and joined again."""

from torch import Tensor


def by_head(x: Tensor, heads: int) -> Tensor:
    """Split (heads * d, ...) into (heads, d, ...)."""
    apart: Tensor = x.unflatten(0, (heads, -1))
    return apart


def split(x: Tensor, heads: int) -> Tensor:
    """Split (P, k, heads * d) into (heads, P, k, d)."""
    apart: Tensor = x.unflatten(2, (heads, -1)).permute(2, 0, 1, 3)
    return apart


def joined(x: Tensor) -> Tensor:
    """Join (P, heads, k, d) to (P, k, heads * d)."""
    return x.transpose(1, 2).flatten(2)


def absorbed_by(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply (heads, P, k, d) by (heads, d, C) to (P, heads * k, C)."""
    heads, count, k, d = x.shape
    rows = x.reshape(heads, count * k, d) @ weight
    return rows.view(heads, count, k, -1).transpose(0, 1).flatten(1, 2)
