"""The mask decoder's arithmetic, rearranged so that many prompts on one image are cheap.

Same function as the published decoder, other order of multiplications; `MaskDecoder` holds the
parameters. With t tokens a prompt (about 7), N image tokens (4096) and C channels (256):

- Before the first layer the image tokens are the same for all prompts without a mask, so their
  projections are computed once per image (`SharedImage`).
- Later they differ per prompt, so N x C is never projected. Queries of the tokens absorb the
  image's key projection, (q Wk') x' instead of q (x Wk)', and likewise on the value and output
  sides: heads * t = 56 rows in place of 4096. Biases that are constant under a softmax drop out.
- The position code's part of keys and queries is constant and is projected once per model.
- The transposed convolutions have stride equal to kernel, so they are linear maps of single
  tokens; pixels are put in place once, at the very end.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.networks.layers import LayerNorm2d
from napari_segany.networks.mask_decoder import CANDIDATES, Attention, MaskDecoder, TwoWayBlock
from napari_segany.networks.prompt_encoder import PromptEncoder

DECODED_AT_ONCE = {"cuda": 64, "mps": 16}
"""Prompts decoded together; on a CPU 4, whose buffers stay small enough to be reused."""

UPSCALED_AT_ONCE = {"cuda": 64, "mps": 16}
"""Prompts whose masks are upscaled together; on a CPU one, more would fall out of its cache."""


@dataclass(frozen=True)
class SharedImage:
    """What all prompts without a mask share of one image.

    Attributes
    ----------
    features : Tensor
        (C, g, g) the image encoder's output.
    tokens : Tensor
        (N, C) features plus the code for "no mask".
    keys, values, queries : Tensor
        (heads, N, d) projections for the first layer's two cross-attentions.
    """

    features: Tensor
    tokens: Tensor
    keys: Tensor
    values: Tensor
    queries: Tensor


@dataclass(frozen=True)
class Decoded:
    """P prompts after the transformer; masks are made from it on demand.

    Attributes
    ----------
    predicted_iou : Tensor
        (P, 4) float32: the single-mask answer, then the three candidates.
    tokens : Tensor
        (P, 4, C) one for each mask.
    image : Tensor
        (P, N, C).
    """

    predicted_iou: Tensor
    tokens: Tensor
    image: Tensor


class CrossAttention:
    """One cross-attention with its projections split by head and ready to be absorbed.

    Parameters
    ----------
    layer : Attention
        The published parameters.
    position : Tensor
        (N, C) position code of the image tokens.
    image_asks : bool
        Whether the image attends to the tokens, or the tokens to the image.
    """

    def __init__(self, layer: Attention, position: Tensor, image_asks: bool) -> None:
        heads = layer.heads
        self.heads = heads
        self.width = layer.q_proj.out_features // heads
        self.layer = layer
        image_side = layer.q_proj if image_asks else layer.k_proj
        token_side = layer.k_proj if image_asks else layer.q_proj
        scale = self.width**-0.5
        # (heads, d, C): maps a head's vector of a token to the image's channels.
        self.image_weight = image_side.weight.unflatten(0, (heads, -1)) * scale
        self.image_bias = image_side.bias.unflatten(0, (heads, -1)) * scale
        self.token_side = token_side
        # (heads, d, N): the position code's share of the image side, constant.
        self.position = (position @ image_side.weight.T).unflatten(1, (heads, -1)).permute(1, 2, 0)
        self.position = (self.position * scale).contiguous()
        self.value = layer.v_proj.weight.unflatten(0, (heads, -1))
        self.value_bias = layer.v_proj.bias
        # (heads, d, C)
        self.output = layer.out_proj.weight.T.unflatten(0, (heads, -1)).contiguous()
        self.output_bias = layer.out_proj.bias

    def split(self, x: Tensor) -> Tensor:
        """(P, t, heads * d) -> (heads, P * t, d)."""
        count, t, _ = x.shape
        by_head: Tensor = x.view(count, t, self.heads, -1).permute(2, 0, 1, 3)
        return by_head.reshape(self.heads, count * t, -1)

    def scores(self, coded: Tensor, image: Tensor, with_bias: bool) -> Tensor:
        """Scaled scores (P, heads, t, N) between coded tokens (P, t, C) and image (P, N, C).

        ``with_bias`` keeps the image side's bias, which differs between tokens and matters
        when the softmax runs over them.
        """
        count, t, _ = coded.shape
        by_head = self.split(self.token_side(coded))
        shape = (self.heads, count, t, -1)
        scores: Tensor = (by_head @ self.position).view(shape).transpose(0, 1).contiguous()
        if with_bias:
            own = (by_head @ self.image_bias[:, :, None]).view(shape)
            scores += own.transpose(0, 1)
        absorbed = (by_head @ self.image_weight).view(shape).transpose(0, 1)
        flat = scores.view(count, self.heads * t, -1)
        flat.baddbmm_(absorbed.reshape(count, self.heads * t, -1), image.transpose(1, 2))
        return scores

    def tokens_look(self, coded: Tensor, image: Tensor) -> Tensor:
        """Tokens attend to a prompt's own image tokens: (P, t, C)."""
        count, t, _ = coded.shape
        attention = self.scores(coded, image, with_bias=False).softmax(dim=-1)
        seen = attention.flatten(1, 2) @ image
        by_head = seen.view(count, self.heads, t, -1).transpose(0, 1).flatten(1, 2)
        values = by_head @ self.value.transpose(1, 2)
        joined = values.view(self.heads, count, t, -1).permute(1, 2, 0, 3).flatten(2)
        out: Tensor = self.layer.out_proj(joined + self.value_bias)
        return out

    def tokens_look_shared(self, coded: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Tokens attend to image tokens that all prompts share, projected beforehand."""
        count, t, _ = coded.shape
        by_head = self.split(self.token_side(coded))
        attention = (by_head @ keys.transpose(1, 2)).softmax(dim=-1)
        joined = (attention @ values).view(self.heads, count, t, -1).permute(1, 2, 0, 3).flatten(2)
        out: Tensor = self.layer.out_proj(joined)
        return out

    def shared_scores(self, coded: Tensor, queries: Tensor) -> Tensor:
        """Scores (P, heads, t, N) for image tokens that all prompts share."""
        count, t, _ = coded.shape
        by_head = self.split(self.token_side(coded))
        scores = by_head @ queries.transpose(1, 2)
        return scores.view(self.heads, count, t, -1).transpose(0, 1)

    def image_looks(self, scores: Tensor, tokens: Tensor, image: Tensor, out: Tensor) -> Tensor:
        """Image tokens plus what they see of the tokens, (P, N, C), written into ``out``."""
        count, t, _ = tokens.shape
        attention = scores.softmax(dim=2).flatten(1, 2)
        by_head = self.split(self.layer.v_proj(tokens))
        answer = (by_head @ self.output).view(self.heads, count, t, -1).transpose(0, 1)
        answer = answer.reshape(count, self.heads * t, -1)
        # Rows of each head sum to one, so the bias can ride on one head's answers.
        answer[:, :t] += self.output_bias
        expanded = image.expand(count, -1, -1)
        return torch.baddbmm(expanded, attention.transpose(1, 2), answer, out=out)


class PromptDecoder:
    """Decodes prompts on embedded images with the parameters of one model.

    Parameters
    ----------
    decoder : MaskDecoder
        Parameters of the decoder, in the precision to compute in.
    prompt_encoder : PromptEncoder
        Supplies the position code and the code for "no mask".
    """

    def __init__(self, decoder: MaskDecoder, prompt_encoder: PromptEncoder) -> None:
        self.decoder = decoder
        self.grid = prompt_encoder.grid
        self.dtype = decoder.iou_token.weight.dtype
        position = prompt_encoder.dense_position()[0].flatten(1).T.to(self.dtype)
        self.no_mask = prompt_encoder.no_mask_embed.weight[0]
        self.position = position
        layers = cast("list[TwoWayBlock]", list(decoder.transformer.layers))
        self.layers = layers
        self.to_image = [
            CrossAttention(b.cross_attn_token_to_image, position, False) for b in layers
        ]
        self.to_tokens = [
            CrossAttention(b.cross_attn_image_to_token, position, True) for b in layers
        ]
        self.last = CrossAttention(decoder.transformer.final_attn_token_to_image, position, False)
        self.buffers: dict[str, Tensor] = {}

    @property
    def at_once(self) -> int:
        """Prompts that are best decoded together on this device."""
        return DECODED_AT_ONCE.get(self.position.device.type, 4)

    @cached_property
    def own_tokens(self) -> Tensor:
        """(5, C): the tokens for the predicted IoU and for the four masks."""
        return torch.cat([self.decoder.iou_token.weight, self.decoder.mask_tokens.weight])

    @cached_property
    def upscaling(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights (in, 4 * out) and biases of the transposed convolutions as maps of tokens."""
        steps = (self.decoder.output_upscaling[0], self.decoder.output_upscaling[3])
        maps = []
        for layer in cast("tuple[nn.ConvTranspose2d, ...]", steps):
            assert layer.bias is not None
            maps.append(layer.weight.permute(0, 2, 3, 1).flatten(1).contiguous())
            maps.append(layer.bias.repeat(4))
        return maps[0], maps[1], maps[2], maps[3]

    def share(self, features: Tensor) -> SharedImage:
        """Project one image's (1, C, g, g) features for all its prompts."""
        tokens = (features[0].float() + self.no_mask[:, None, None]).flatten(1).T.to(self.dtype)
        coded = tokens + self.position
        ask, answer = self.to_image[0], self.to_tokens[0]

        def split(x: Tensor) -> Tensor:
            return x.view(len(x), ask.heads, -1).transpose(0, 1).contiguous()

        scale = ask.width**-0.5
        return SharedImage(
            features=features[0],
            tokens=tokens.contiguous(),
            keys=split(ask.layer.k_proj(coded)) * scale,
            values=split(ask.layer.v_proj(tokens)),
            queries=split(answer.layer.q_proj(coded)) * scale,
        )

    def _buffer(self, name: str, *shape: int) -> Tensor:
        """Reused memory: fresh pages would cost as much as the arithmetic on them."""
        count = math.prod(shape)
        held = self.buffers.get(name)
        if held is None or len(held) < count:
            held = self.buffers[name] = self.position.new_empty(count)
        return held[:count].view(shape)

    def decode(self, shared: SharedImage, sparse: Tensor, dense: Tensor | None = None) -> Decoded:
        """Run the transformer for P prompts of equal shape.

        Parameters
        ----------
        shared : SharedImage
            From :meth:`share`.
        sparse : Tensor
            (P, tokens, C) from the prompt encoder.
        dense : Tensor, optional
            (P, C, g, g) codes of mask prompts.
        """
        count = len(sparse)
        code = torch.cat([self.own_tokens.expand(count, -1, -1), sparse.to(self.dtype)], dim=1)
        tokens = code
        image: Tensor = shared.tokens[None]
        if dense is not None:
            image = (shared.features + dense).flatten(2).transpose(1, 2).to(self.dtype)
        for i, block in enumerate(self.layers):
            use_shared = i == 0 and dense is None
            tokens = block.tokens_among_themselves(tokens, code)
            coded = tokens + code
            if use_shared:
                seen = self.to_image[i].tokens_look_shared(coded, shared.keys, shared.values)
            else:
                seen = self.to_image[i].tokens_look(coded, image)
            tokens = block.norm2(tokens + seen)
            tokens = block.norm3(tokens + block.mlp(tokens))
            coded = tokens + code
            if use_shared:
                scores = self.to_tokens[i].shared_scores(coded, shared.queries)
            else:
                scores = self.to_tokens[i].scores(coded, image, with_bias=True)
            summed = self.to_tokens[i].image_looks(
                scores, tokens, image, out=self._buffer("summed", count, *self.position.shape)
            )
            image = _layer_norm(summed, block.norm4)
        seen = self.last.tokens_look(tokens + code, image)
        tokens = self.decoder.transformer.norm_final_attn(tokens + seen)
        scores = self.decoder.iou_prediction_head(tokens[:, 0]).float()
        return Decoded(scores, tokens[:, 1 : CANDIDATES + 2], image)

    def masks(self, decoded: Decoded, prompts: Tensor, outputs: range) -> Tensor:
        """Low-resolution logits of some prompts.

        Parameters
        ----------
        decoded : Decoded
            From :meth:`decode`.
        prompts : Tensor
            (K,) int64 indices of prompts.
        outputs : range
            Of the four masks: ``range(1)`` is the single answer, ``range(1, 4)`` the candidates.

        Returns
        -------
        Tensor
            (K, len(outputs), 4 g, 4 g) float32.
        """
        tokens = decoded.tokens[prompts]
        weights = torch.stack(
            [self.decoder.output_hypernetworks_mlps[i](tokens[:, i]) for i in outputs], dim=1
        )
        g, m = self.grid, len(outputs)
        logits = decoded.image.new_empty((len(prompts), m, 4 * g, 4 * g), dtype=torch.float32)
        at_once = UPSCALED_AT_ONCE.get(decoded.image.device.type, 1)
        for start in range(0, len(prompts), at_once):
            some = prompts[start : start + at_once]
            # One prompt is a view, several are a copy.
            image = decoded.image[int(some[0])][None] if at_once == 1 else decoded.image[some]
            # (k, g * g * 16, c), with the 16 fine pixels as (a, b, c, d) of two 2 x 2 steps.
            fine = self._upscale(image)
            dots = fine @ weights[start : start + at_once].transpose(1, 2)
            k = len(dots)
            placed = dots.view(k, g, g, 2, 2, 2, 2, m).permute(0, 7, 1, 3, 5, 2, 4, 6)
            logits[start : start + k].view(k, m, g, 2, 2, g, 2, 2).copy_(placed)
        return logits

    def _upscale(self, image: Tensor) -> Tensor:
        """(k, N, C) -> (k, N * 16, C / 8), the 16 fine pixels of each image token together."""
        first, bias1, second, bias2 = self.upscaling
        count, n, c = image.shape
        x = self._buffer("upscaled 1", count * n, c)
        torch.addmm(bias1, image.reshape(count * n, c), first, out=x)
        x = x.view(-1, c // 4)
        norm = cast(LayerNorm2d, self.decoder.output_upscaling[1])
        x = _layer_norm(x, norm)
        torch.ops.aten.gelu_(x)
        y = self._buffer("upscaled 2", len(x), c // 2)
        torch.addmm(bias2, x, second, out=y)
        torch.ops.aten.gelu_(y)
        return y.view(count, -1, c // 8)


def _layer_norm(x: Tensor, norm: nn.LayerNorm | LayerNorm2d) -> Tensor:
    """Normalise the last axis."""
    return F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps)
