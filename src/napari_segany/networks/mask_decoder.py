"""SAM's mask decoder: prompt tokens and an image embedding become masks and their scores.

Kirillov et al., "Segment Anything" (ICCV 2023), section 3 and appendix A.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.networks.layers import MLP, LayerNorm2d

CANDIDATES = 3
"""Readings of an ambiguous prompt: roughly whole, part and subpart."""


class Attention(nn.Module):
    """Multi-head attention whose inner width may be narrower than its tokens."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, -1).transpose(1, 2)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (
            self._split(self.q_proj(q)),
            self._split(self.k_proj(k)),
            self._split(self.v_proj(v)),
        )
        scores = (q @ k.transpose(-2, -1)) / (q.shape[-1] ** 0.5)
        out = scores.softmax(dim=-1) @ v
        projected: Tensor = self.out_proj(out.transpose(1, 2).flatten(2))
        return projected


class TokenMLP(nn.Module):
    """The perceptron between the two directions of cross-attention."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.lin2(F.relu(self.lin1(x)))
        return out


class TwoWayBlock(nn.Module):
    """Tokens look at each other, then at the image; then the image looks at the tokens."""

    def __init__(self, width: int, heads: int, hidden: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, heads, width)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, heads, width // 2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = TokenMLP(width, hidden)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, heads, width // 2)

    def tokens_among_themselves(self, tokens: Tensor, token_code: Tensor) -> Tensor:
        """Self-attention of the tokens, normalised."""
        # The first block replaces the tokens: they are their own position code at that point.
        if self.first:
            looked = self.self_attn(tokens, tokens, tokens)
        else:
            coded = tokens + token_code
            looked = tokens + self.self_attn(coded, coded, tokens)
        normed: Tensor = self.norm1(looked)
        return normed

    def forward(
        self, tokens: Tensor, image: Tensor, token_code: Tensor, image_code: Tensor
    ) -> tuple[Tensor, Tensor]:
        # The first block replaces the tokens: they are their own position code at that point.
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            coded = tokens + token_code
            tokens = tokens + self.self_attn(coded, coded, tokens)
        tokens = self.norm1(tokens)
        seen = self.cross_attn_token_to_image(tokens + token_code, image + image_code, image)
        tokens = self.norm2(tokens + seen)
        tokens = self.norm3(tokens + self.mlp(tokens))
        seen = self.cross_attn_image_to_token(image + image_code, tokens + token_code, tokens)
        return tokens, self.norm4(image + seen)


class TwoWayTransformer(nn.Module):
    """Two blocks and a last look of the tokens at the image."""

    def __init__(self, width: int, heads: int, hidden: int, depth: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(width, heads, hidden, first=i == 0) for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(width, heads, width // 2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, image: Tensor, image_code: Tensor) -> tuple[Tensor, Tensor]:
        token_code = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_code, image_code)
        seen = self.final_attn_token_to_image(tokens + token_code, image + image_code, image)
        return self.norm_final_attn(tokens + seen), image


class MaskDecoder(nn.Module):
    """Masks and predicted IoU for a batch of prompts on one image.

    Parameters
    ----------
    width : int
        Width C of tokens and embedding.
    heads, hidden : int
        Attention heads and perceptron width of the transformer.
    """

    def __init__(self, width: int = 256, heads: int = 8, hidden: int = 2048) -> None:
        super().__init__()
        outputs = CANDIDATES + 1
        self.transformer = TwoWayTransformer(width, heads, hidden)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(outputs, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP((width, width, width, width // 8)) for _ in range(outputs)
        )
        self.iou_prediction_head = MLP((width, width, width, outputs))

    def forward(
        self,
        embedding: Tensor,
        position: Tensor,
        sparse: Tensor,
        dense: Tensor,
        multimask: bool,
    ) -> tuple[Tensor, Tensor]:
        """Decode P prompts.

        Parameters
        ----------
        embedding : Tensor
            (1, C, g, g), the image encoder's output.
        position : Tensor
            (1, C, g, g), the prompt encoder's dense position code.
        sparse, dense : Tensor
            The prompt encoder's output.
        multimask : bool
            Whether to return the three candidates or the single-mask token's answer.

        Returns
        -------
        logits : Tensor
            (P, 3 or 1, 4 g, 4 g).
        predicted_iou : Tensor
            (P, 3 or 1).
        """
        count, grid = len(sparse), embedding.shape[-2:]
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(count, -1, -1), sparse], dim=1)
        image = (embedding + dense).expand(count, -1, -1, -1)
        tokens, image = self.transformer(
            tokens, image.flatten(2).transpose(1, 2), position.flatten(2).transpose(1, 2)
        )
        wanted = range(1, CANDIDATES + 1) if multimask else range(1)
        upscaled = self.output_upscaling(image.transpose(1, 2).unflatten(2, grid))
        weights = torch.stack(
            [self.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in wanted], dim=1
        )
        logits = (weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])
        scores = self.iou_prediction_head(tokens[:, 0])
        return logits, scores[:, wanted.start : wanted.stop]
