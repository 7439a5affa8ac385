"""Projections of one image that all its prompts share.

The image tokens of a prompt are never written down; `decoding` explains the algebra. Here are the
matrices that depend on the image alone, computed once, and their weights, computed once a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from napari_segany.networks.decoder.attention_heads import by_head
from napari_segany.networks.decoder.buffers import Buffers
from napari_segany.networks.layers import LayerNorm2d
from napari_segany.networks.mask_decoder import Attention, MaskDecoder, TwoWayBlock
from napari_segany.networks.prompt_encoder import PromptEncoder


@dataclass(frozen=True)
class SharedImage:
    """One image (N tokens of C channels), projected for all its prompts.

    With S the tokens, S0 = centred(S + bias) the constant part of the first layer's sum, and
    M = centred(gamma1 S0) that of the second's; d is the width of a head.

    Attributes
    ----------
    first_keys, first_values : Tensor
        (heads, d, N) of S, for the tokens' look in the first layer.
    second : Tensor
        (4 heads, d, N): the first layer's image queries; S0 as values of its tokens see it, for the
        variance; the second layer's keys of S0, and of the position code.
    second_values : Tensor
        (heads, d, N) of S0.
    first_power : Tensor
        (N,) float32, mean square of S0 with the norm's epsilon.
    third : Tensor
        (4 heads, d, N): the second layer's image queries of S0, and of the position code with the
        biases; M as values of the first and of the second layer's tokens see it.
    second_power, cross_power : Tensor
        (N,) float32, mean square of M, and twice the mean of M times the constant added to it.
    last : Tensor
        (2 heads, d, N): keys of M, and of the position code, for the tokens' last look.
    last_values : Tensor
        (heads, d, N) of M.
    upscaled : Tensor
        (4 * C / 4, N): M after the first transposed convolution, subpixel by subpixel.
    """

    first_keys: Tensor
    first_values: Tensor
    second: Tensor
    second_values: Tensor
    first_power: Tensor
    third: Tensor
    second_power: Tensor
    cross_power: Tensor
    last: Tensor
    last_values: Tensor
    upscaled: Tensor


def centred(x: Tensor, dim: int) -> Tensor:
    """Return ``x`` less its mean along ``dim``, the linear half of a layer norm."""
    return x - x.mean(dim=dim, keepdim=True)


def output_columns(layer: Attention) -> Tensor:
    """Return (heads * d, C), the contribution of each channel of a head to a token."""
    columns: Tensor = layer.out_proj.weight.T
    return columns


class ImageProjector:
    """Projector of images with the weights of one model.

    Parameters
    ----------
    decoder : MaskDecoder
        Parameters of the decoder.
    prompt_encoder : PromptEncoder
        Supplies the position code and the code for "no mask".
    dtype : torch.dtype
        Of what is upscaled; everything else is float32.
    """

    def __init__(
        self, decoder: MaskDecoder, prompt_encoder: PromptEncoder, dtype: torch.dtype
    ) -> None:
        layers = cast("list[TwoWayBlock]", list(decoder.transformer.layers))
        first, second = layers
        last = decoder.transformer.final_attn_token_to_image
        self.heads = last.heads
        self.scale = (last.q_proj.out_features // last.heads) ** -0.5
        self.dtype = dtype
        self.no_mask = prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
        self.position = prompt_encoder.dense_position()[0].flatten(1)
        gamma1, beta1 = first.norm4.weight, first.norm4.bias
        gamma2 = second.norm4.weight
        self.gamma1 = gamma1[:, None]
        self.eps1 = first.norm4.eps
        self.first_bias = first.cross_attn_image_to_token.out_proj.bias[:, None]
        # Terms that the second layer adds to M for every prompt.
        self.constant = centred(beta1 + second.cross_attn_image_to_token.out_proj.bias, 0)
        self.first_value_weight = first.cross_attn_token_to_image.v_proj.weight
        looks, answers = first.cross_attn_token_to_image, first.cross_attn_image_to_token
        self.of_coded = torch.cat([looks.k_proj.weight, answers.q_proj.weight]) * self.scale
        self.query_bias = answers.q_proj.bias[:, None] * self.scale
        channels = len(gamma1)
        looks, answers2 = second.cross_attn_token_to_image, second.cross_attn_image_to_token
        position_keys = looks.k_proj.weight @ self.position * self.scale
        # Including the terms that are the same for every prompt.
        bias2 = answers2.q_proj.bias + answers2.q_proj.weight @ beta1
        position_queries = answers2.q_proj.weight @ self.position + bias2[:, None]
        self.position_keys = position_keys
        self.position_queries = position_queries * self.scale
        self.last_position = last.k_proj.weight @ self.position * self.scale
        self.of_first = torch.cat(
            [
                output_columns(answers) * (2 / channels),
                looks.k_proj.weight * gamma1 * self.scale,
                looks.v_proj.weight * gamma1,
                answers2.q_proj.weight * gamma1 * self.scale,
            ]
        )
        self.of_second = torch.cat(
            [
                centred(output_columns(answers), 1) * gamma1 * (2 / channels),
                output_columns(answers2) * (2 / channels),
                last.k_proj.weight * gamma2 * self.scale,
                last.v_proj.weight * gamma2,
                upscaling_weight(decoder) * gamma2,
            ]
        )

        width = len(self.of_second) - channels
        self.parts = [width // 4] * 4 + [channels]

    def project(
        self, features: Tensor, dense: Tensor | None = None, buffers: Buffers | None = None
    ) -> SharedImage:
        """Project one image.

        Parameters
        ----------
        features : Tensor
            (1, C, g, g) or (C, g, g) the image encoder's output.
        dense : Tensor, optional
            (1, C, g, g) code of a mask prompt; by default that for "no mask".
        buffers : Buffers, optional
            Memory to use, until it is used for the next image.
        """
        room = buffers or Buffers(features.device)
        added = self.no_mask if dense is None else dense
        tokens = (features.float() + added)[0].flatten(1)
        # A product is used up before the next one takes its memory, and so is what "passing" holds.
        passing = room.array("passing once", tokens.shape)
        coded = torch.add(tokens, self.position, out=passing)
        keys, queries = self._product(self.of_coded, coded, room).chunk(2)
        first_keys, queries = self._stack("first keys", [keys], room), queries.clone()
        values = self._product(self.first_value_weight, tokens, room)
        first_values = self._stack("first values", [values], room)
        s0 = tokens.add_(self.first_bias)
        s0 -= s0.mean(dim=0)
        of_first = self._product(self.of_first, s0, room)
        seen_as_value, keys1, values1, queries1 = of_first.chunk(4)
        of_image = [queries + self.query_bias, seen_as_value, keys1, self.position_keys]
        second, queries1 = self._stack("second", of_image, room), queries1.clone()
        second_values = self._stack("second values", [values1], room)
        first_power = torch.square(s0, out=passing).mean(dim=0) + self.eps1
        m = s0.mul_(self.gamma1)
        m -= m.mean(dim=0)
        parts = self._product(self.of_second, m, room).split(self.parts)
        return SharedImage(
            first_keys=first_keys,
            first_values=first_values,
            second=second,
            second_values=second_values,
            first_power=first_power,
            third=self._stack("third", [queries1, self.position_queries, parts[0], parts[1]], room),
            second_power=torch.square(m, out=passing).mean(dim=0),
            cross_power=2 * torch.mul(m, self.constant[:, None], out=passing).mean(dim=0),
            last=self._stack("last", [parts[2], self.last_position], room),
            last_values=self._stack("last values", [parts[3]], room),
            upscaled=room.array("upscaled once", parts[4].shape, self.dtype).copy_(parts[4]),
        )

    def _product(self, left: Tensor, right: Tensor, room: Buffers) -> Tensor:
        """Multiply in memory that the next product overwrites."""
        most, n = len(self.of_second), right.shape[1]
        out = room.array("product once", (most, n), right.dtype)
        return torch.matmul(left, right, out=out[: len(left)])

    def _stack(self, name: str, matrices: Sequence[Tensor], room: Buffers) -> Tensor:
        """Stack matrices (heads * d, N) as one (len * heads, d, N)."""
        first = matrices[0]
        shape = (len(matrices) * len(first), first.shape[1])
        out = room.array(f"{name} once", shape, first.dtype)
        return by_head(torch.cat(list(matrices), out=out), len(matrices) * self.heads)


def upscaling_weight(decoder: MaskDecoder) -> Tensor:
    """Return (4 * C / 4, C), the first transposed convolution as a map of tokens.

    The outputs are subpixel by subpixel, each subpixel's channels centred, which is the linear half
    of the norm that follows.
    """
    weight = cast(nn.ConvTranspose2d, decoder.output_upscaling[0]).weight
    return centred(weight.permute(2, 3, 1, 0).flatten(0, 1), 1).flatten(0, 1)


def upscaling_bias(decoder: MaskDecoder) -> Tensor:
    """Return (4 * C / 4,), the bias that goes with :func:`upscaling_weight`."""
    bias = cast(nn.ConvTranspose2d, decoder.output_upscaling[0]).bias
    assert bias is not None
    return centred(bias, 0).repeat(4)


def upscaling_norm(decoder: MaskDecoder) -> LayerNorm2d:
    """Return the norm between the two transposed convolutions."""
    return cast(LayerNorm2d, decoder.output_upscaling[1])
