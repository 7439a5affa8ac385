"""Attention to and from N image tokens, for p prompts at once; `decoding` has the algebra.

Everything here is as wide as the image: rows of N. What comes in from the tokens' side is small.
There are H = heads * t rows a prompt. All of it is float32: it is bound by memory and by softmax,
which half the precision would not make faster.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segany.networks.decoder.buffers import Buffers
from napari_segany.networks.decoder.image_projections import SharedImage


@dataclass(frozen=True)
class ImageUpdates:
    """The updates of the image tokens by P prompts, in factored form.

    Before the last norm's gain and bias, image token n of a prompt is
    ``scale2_n (scale1_n M_n + constant + sum_k rows_kn vectors_k)``.

    Attributes
    ----------
    rows : Tensor
        (P, 2 H, N): attention of the image to the tokens, the first layer's times ``scale1``.
    vectors : Tensor
        (P, 2 H, C) float32, centred.
    scale1, scale2 : Tensor
        (P, 1, N) reciprocal standard deviations of the two norms.
    """

    rows: Tensor
    vectors: Tensor
    scale1: Tensor
    scale2: Tensor

    @classmethod
    def allocate(cls, vectors: Tensor, like: Tensor, buffers: Buffers) -> "ImageUpdates":
        """Allocate the updates of P prompts with first vectors (P, H, C) on an image."""
        count, h, channels = vectors.shape
        n = like.shape[-1]
        return cls(
            buffers.array("rows", (count, 2 * h, n)),
            buffers.array("vectors", (count, 2 * h, channels)),
            buffers.array("scale1", (count, 1, n)),
            buffers.array("scale2", (count, 1, n)),
        )

    def __getitem__(self, index: slice | Tensor) -> "ImageUpdates":
        return ImageUpdates(
            self.rows[index], self.vectors[index], self.scale1[index], self.scale2[index]
        )

    def at(self, tokens: Tensor) -> "ImageUpdates":
        """Return the updates of some image tokens only."""
        return ImageUpdates(
            self.rows.index_select(2, tokens),
            self.vectors,
            self.scale1.index_select(2, tokens),
            self.scale2.index_select(2, tokens),
        )

    def within(self, box: tuple[int, int, int, int], grid: int) -> "ImageUpdates":
        """Return the updates of a half-open box of the (grid, grid) image tokens only."""
        return ImageUpdates(
            within(self.rows, box, grid),
            self.vectors,
            within(self.scale1, box, grid),
            within(self.scale2, box, grid),
        )

    def of(self, prompts: Tensor) -> "ImageUpdates":
        """Return the updates of (k,) prompts; a single one is not copied."""
        if len(prompts) == 1:
            first = int(prompts[0])
            return self[first : first + 1]
        return self[prompts]


def within(rows: Tensor, box: tuple[int, int, int, int], grid: int) -> Tensor:
    """Select the tokens of a half-open box, (..., grid * grid) -> (..., h * w)."""
    a, b, c, d = box
    inside: Tensor = rows.unflatten(-1, (grid, grid))[..., a:c, b:d].flatten(-2)
    return inside


def products(name: str, left: Tensor, right: Tensor, buffers: Buffers) -> Tensor:
    """Multiply every head with the image: (k, heads, p, t, d), (k heads, d, N) -> (p, k H, N).

    For one prompt the result is not copied.
    """
    k, heads, p, t, d = left.shape
    out = buffers.array(name, (k * heads, p * t, right.shape[-1]))
    torch.bmm(left.reshape(k * heads, p * t, d), right, out=out)
    return out.view(k * heads, p, t, -1).transpose(0, 1).reshape(p, k * heads * t, -1)


def values_seen(attention: Tensor, values: Tensor) -> Tensor:
    """Apply (p, H, N) attention to (heads, d, N) values: (p, heads, t, d)."""
    heads = len(values)
    p, rows, n = attention.shape
    by_head = attention.view(p, heads, -1, n).transpose(0, 1).reshape(heads, -1, n)
    seen = torch.bmm(by_head, values.transpose(1, 2))
    return seen.view(heads, p, rows // heads, -1).transpose(0, 1)


def over_tokens(scores: Tensor, heads: int, out: Tensor) -> Tensor:
    """Write the softmax of (p, H, N) scores over the tokens of each head into ``out``."""
    by_head = scores.unflatten(1, (heads, -1))
    torch.softmax(by_head, 2, out=out.unflatten(1, (heads, -1)))
    return out


def over_image(scores: Tensor) -> Tensor:
    """Compute the softmax over the image, in place."""
    return torch.softmax(scores, -1, out=scores)


def first_cross_attention(shared: SharedImage, queries: Tensor, buffers: Buffers) -> Tensor:
    """Attend from the first layer's tokens to the image: (heads, p, t, d) -> (p, heads, t, d)."""
    scores = products("asked", queries[None], shared.first_keys, buffers)
    return values_seen(over_image(scores), shared.first_values)


def second_cross_attention(
    shared: SharedImage,
    left: Tensor,
    gram: Tensor,
    mixing: Tensor,
    updates: ImageUpdates,
    buffers: Buffers,
) -> tuple[Tensor, Tensor]:
    """Attend from the image to the first layer's tokens, then from the second layer's to it.

    Parameters
    ----------
    shared : SharedImage
        The image.
    left : Tensor
        (4, heads, p, t, d): keys and values of the first layer's tokens, queries of the second
        layer's twice.
    gram : Tensor
        (p, H, H) mean products of the first layer's vectors.
    mixing : Tensor
        (p, H, H) products of the second layer's queries with those vectors.
    updates : ImageUpdates
        Its first rows and ``scale1`` are written.
    buffers : Buffers
        Of this thread.

    Returns
    -------
    seen : Tensor
        (p, heads, t, d) values of the shared image.
    weights : Tensor
        (p, H, H) weights of the vectors in what was seen.
    """
    heads, scale = left.shape[1], updates.scale1
    asked, inner, scores, coded = products("asked", left, shared.second, buffers).chunk(4, dim=1)
    attention = over_tokens(asked, heads, out=asked)
    inner.baddbmm_(gram, attention)
    power = inner.mul_(attention).sum(dim=1, keepdim=True)
    scale.copy_(power.add_(shared.first_power).rsqrt_())
    first = torch.mul(attention, scale, out=updates.rows[:, : attention.shape[1]])
    torch.addcmul(coded, scores, scale, out=scores)
    looks = over_image(scores.baddbmm_(mixing, first))
    weights = looks @ first.mT
    return values_seen(looks.mul_(scale), shared.second_values), weights


def update_image(
    shared: SharedImage,
    left: Tensor,
    mixing: Tensor,
    gram: Tensor,
    cross: Tensor,
    constant_power: float,
    updates: ImageUpdates,
    buffers: Buffers,
) -> None:
    """Attend from the image to the second layer's tokens; write second rows and ``scale2``.

    Parameters
    ----------
    shared : SharedImage
        The image.
    left : Tensor
        (4, heads, p, t, d): keys of the second layer's tokens twice, values of the first layer's
        and of the second's.
    mixing : Tensor
        (p, H, H) products of the keys with the first layer's vectors.
    gram, cross : Tensor
        (p, 2 H, 2 H) mean products of all vectors, (p, 2 H, 1) twice those with the constant.
    constant_power : float
        Mean square of the constant with the norm's epsilon.
    updates : ImageUpdates
        With its first rows and ``scale1``.
    buffers : Buffers
        Of this thread.
    """
    heads, h = left.shape[1], mixing.shape[1]
    asked = products("asked", left, shared.third, buffers)
    scores, coded, inner = asked.split([h, h, 2 * h], dim=1)
    scale = updates.scale1
    torch.addcmul(coded, scores, scale, out=scores)
    scores.baddbmm_(mixing, updates.rows[:, :h])
    over_tokens(scores, heads, out=updates.rows[:, h:])
    torch.addcmul(cross, inner, scale, out=inner)
    inner.baddbmm_(gram, updates.rows)
    power = inner.mul_(updates.rows).sum(dim=1, keepdim=True)
    power += scale * (scale * shared.second_power + shared.cross_power) + constant_power
    updates.scale2.copy_(power.rsqrt_())


def final_cross_attention(
    shared: SharedImage,
    queries: Tensor,
    mixing: Tensor,
    constant: Tensor,
    updates: ImageUpdates,
    buffers: Buffers,
) -> tuple[Tensor, Tensor, Tensor]:
    """Attend from some tokens to the image once more.

    Parameters
    ----------
    shared : SharedImage
        The image.
    queries : Tensor
        (heads, p, k, d) queries of k tokens.
    mixing, constant : Tensor
        (p, heads k, 2 H) and (p, heads k, 1) products of the queries with all vectors and with the
        constant.
    updates : ImageUpdates
        The prompts' updates of the image.
    buffers : Buffers
        Of this thread.

    Returns
    -------
    seen : Tensor
        (p, heads, k, d) values of the shared image.
    weights, total : Tensor
        (p, heads k, 2 H) and (p, heads k, 1) weights of the vectors and of the constant.
    """
    scale1, scale2 = updates.scale1, updates.scale2
    both = products("asked", torch.stack([queries, queries]), shared.last, buffers)
    scores, coded = both.chunk(2, dim=1)
    torch.addcmul(constant, scores, scale1, out=scores)
    scores.baddbmm_(mixing, updates.rows)
    looks = over_image(torch.addcmul(coded, scores, scale2, out=scores)).mul_(scale2)
    weights = looks @ updates.rows.mT
    total = looks.sum(dim=-1, keepdim=True)
    seen = values_seen(looks.mul_(scale1), shared.last_values)
    return seen, weights, total
