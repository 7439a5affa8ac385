"""The parameters of SAM's mask decoder under their published names.

Kirillov et al., "Segment Anything" (ICCV 2023), section 3 and appendix A. How they are used is
in `decoding`.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.networks.layers import MLP, LayerNorm2d

CANDIDATES = 3
"""Candidates of an ambiguous prompt: roughly whole, part and subpart."""


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
        """Attend from (B, n, C) queries to (B, m, C) keys and values: (B, n, C)."""
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
        """Apply the perceptron to (..., C) tokens."""
        out: Tensor = self.lin2(F.relu(self.lin1(x)))
        return out


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, cross-attention to the image, and from the image to the tokens."""

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
        """Apply self-attention among the tokens, normalised."""
        # The first block replaces the tokens: they are their own position code at that point.
        if self.first:
            looked = self.self_attn(tokens, tokens, tokens)
        else:
            coded = tokens + token_code
            looked = tokens + self.self_attn(coded, coded, tokens)
        normed: Tensor = self.norm1(looked)
        return normed


class TwoWayTransformer(nn.Module):
    """Two blocks, and a final attention of the tokens to the image."""

    def __init__(self, width: int, heads: int, hidden: int, depth: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(width, heads, hidden, first=i == 0) for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(width, heads, width // 2)
        self.norm_final_attn = nn.LayerNorm(width)


class MaskDecoder(nn.Module):
    """Parameters that turn prompt tokens and an image embedding into masks and predicted IoU.

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
