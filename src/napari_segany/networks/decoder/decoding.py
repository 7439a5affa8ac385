"""The mask decoder's arithmetic, rearranged so that many prompts on one image are cheap.

Same function as the published decoder (`MaskDecoder` holds the parameters), but the image tokens
of a prompt are never written down. There are t tokens a prompt (about 7), N image tokens (4096) of
C channels (256) and 8 heads; the image's updates come from those heads * t = H rows only:

- The first layer adds sum_j a_nj v_j to image token n, with a its attention (N x H) and v the H
  answers of the tokens. A layer norm centres, which is linear, and scales by 1 / sigma_n. So
  x_n = gamma (S_n + sum_j a_nj v_j) / sigma_n + beta with S and v centred, where S is the same for
  all prompts. The mean square that sigma needs is |S_n|^2 + sum_j a_nj (2 S_n v_j + (G a_n)_j)
  with the Gram matrix G = v v'.
- Whatever is projected from x afterwards (keys, queries, values, the transposed convolution) is a
  projection of S, computed once an image (`SharedImage`), scaled by 1 / sigma_n, plus H rows.
  Products of width d = 16 and H = 56 take the place of products of width C.
- The second layer does the same with 2 H rows.
- The transposed convolutions have stride equal to kernel, so they are linear maps of single
  tokens; pixels are put in place once, at the very end. See `upscaling`.

A mask prompt changes the image, so it has a `SharedImage` of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import local
from typing import cast

import torch
from torch import Tensor

from napari_segany.networks.decoder.attention_heads import absorbed_by, by_head, joined, split
from napari_segany.networks.decoder.buffers import Buffers
from napari_segany.networks.decoder.image_attention import (
    ImageUpdates,
    final_cross_attention,
    first_cross_attention,
    second_cross_attention,
    update_image,
    within,
)
from napari_segany.networks.decoder.image_projections import (
    ImageProjector,
    SharedImage,
    centred,
    output_columns,
)
from napari_segany.networks.decoder.upscaling import (
    SUBPIXELS,
    Sample,
    Upscaler,
    columns_computed,
)
from napari_segany.networks.mask_decoder import MaskDecoder, TwoWayBlock
from napari_segany.networks.prompt_encoder import PromptEncoder

DECODED_AT_ONCE = {"cuda": 64, "mps": 16}
"""Prompts that are decoded together; on a CPU 8, enough for the tokens' perceptrons."""

ASKED_AT_ONCE = {"cuda": 16, "mps": 8}
"""The same for prompts that may come one by one; on a CPU 4, so that one click waits little for the
tokens that fill up its group."""

IMAGES_AT_ONCE = {"cuda": 64, "mps": 16}
"""Prompts whose image tokens are worked on together; on a CPU one, to stay in its cache."""


@dataclass(frozen=True)
class Decoded:
    """P prompts after the transformer; masks are made from it on demand.

    It lives in buffers: the next prompts that the same thread decodes overwrite it.

    Attributes
    ----------
    predicted_iou : Tensor
        (P, 4) float32: the single-mask answer, then the three candidates.
    vectors : Tensor
        (P, C, 2 H + 2) the updates' vectors after the first transposed convolution.
    weights : Tensor
        (P, m, c) what makes the m requested masks of upscaled image tokens: the hypernetworks'
        answers.
    shared : SharedImage
        The image that was prompted.
    updates : ImageUpdates
        The prompts' updates of it.
    """

    predicted_iou: Tensor
    vectors: Tensor
    weights: Tensor
    shared: SharedImage
    updates: ImageUpdates


class PromptDecoder:
    """Decodes prompts on embedded images with the parameters of one model.

    Parameters
    ----------
    decoder : MaskDecoder
        Parameters of the decoder.
    prompt_encoder : PromptEncoder
        Supplies the position code and the code for "no mask".
    dtype : torch.dtype
        In which image tokens are upscaled; attention is always float32.
    """

    def __init__(
        self,
        decoder: MaskDecoder,
        prompt_encoder: PromptEncoder,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._local = local()
        self.decoder = decoder
        self.projector = projector = ImageProjector(decoder, prompt_encoder, dtype)
        self.upscaler = Upscaler(decoder, projector, prompt_encoder.grid)
        self.heads = projector.heads
        self.layers = cast("list[TwoWayBlock]", list(decoder.transformer.layers))
        self.own_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        first, second = self.layers
        last = decoder.transformer.final_attn_token_to_image
        self.gain = first.norm4.weight
        seen = second.cross_attn_token_to_image.v_proj
        # Attention sums to one, so biases of values can be added to its result.
        self.value_biases = (
            first.cross_attn_token_to_image.v_proj.bias,
            seen.bias + seen.weight @ first.norm4.bias,
            last.v_proj.bias + last.v_proj.weight @ second.norm4.bias,
        )
        _, keys, self.value_weight, queries = projector.of_first.chunk(4)
        self.key_weight = by_head(keys, self.heads)
        self.query_weight = by_head(queries, self.heads)
        _, _, keys, self.last_value_weight, _ = projector.of_second.split(projector.parts)
        self.last_key_weight = by_head(keys, self.heads)
        self.columns = [
            by_head(centred(output_columns(block.cross_attn_image_to_token), 1), self.heads)
            for block in self.layers
        ]
        self.constant_power = second.norm4.eps + float(projector.constant.square().mean())

    @property
    def buffers(self) -> Buffers:
        """Memory of the current thread."""
        # Another thread may free the memory of all at any moment.
        own = self._local
        if not hasattr(own, "buffers"):
            own.buffers = Buffers(self.own_tokens.device)
        held: Buffers = own.buffers
        return held

    def free_buffers(self) -> None:
        """Free the memory of all threads; the next prompts get new memory."""
        self._local = local()

    @property
    def at_once(self) -> int:
        """Number of prompts that are best decoded together on the device."""
        return DECODED_AT_ONCE.get(self.own_tokens.device.type, 8)

    @property
    def prompts_at_once(self) -> int:
        """Number of prompts that are decoded together if they may come one by one."""
        return ASKED_AT_ONCE.get(self.own_tokens.device.type, 4)

    def share(self, features: Tensor, dense: Tensor | None = None) -> SharedImage:
        """Project one image's (1, C, g, g) features for all its prompts.

        ``dense`` is the (1, C, g, g) code of a mask prompt. Such an image is used once, and lives
        in buffers: the next one that the same thread projects overwrites it.
        """
        return self.projector.project(features, dense, None if dense is None else self.buffers)

    def decode(
        self, shared: SharedImage, sparse: Tensor, outputs: range, wanted: int | None = None
    ) -> Decoded:
        """Run the transformer for P prompts of equal shape.

        The last bits of an answer depend on P, not on what the other prompts are, nor on their
        order: answers to full groups are the same in any company.

        Parameters
        ----------
        shared : SharedImage
            From :meth:`share`.
        sparse : Tensor
            (P, tokens, C) from the prompt encoder.
        outputs : range
            Of the four masks, those that can be made afterwards: ``range(1)`` is the single
            answer, ``range(1, 4)`` the candidates.
        wanted : int, optional
            The first of the prompts; what the others answer means nothing. They only fill up a
            group, and cost little.
        """
        count = len(sparse)
        wanted = count if wanted is None else wanted
        code = torch.cat([self.own_tokens.expand(count, -1, -1), sparse.float()], dim=1)
        images = self._batches(wanted)
        tokens = self._first_layer(shared, code, images)
        tokens, updates = self._second_layer(shared, tokens, code, images)
        # The predicted IoU's token, then those of the masks.
        last = [0, *(i + 1 for i in outputs)]
        tokens = self._final_attention(shared, tokens[:, last], code[:, last], updates, images)
        networks = self.decoder.output_hypernetworks_mlps
        weights = [networks[i](tokens[:, k]) for k, i in enumerate(outputs, start=1)]
        scores = self.decoder.iou_prediction_head(tokens[:, 0])
        vectors = self.upscaler.vectors(updates.vectors)
        return Decoded(scores, vectors, torch.stack(weights, dim=1), shared, updates)

    def _first_layer(self, shared: SharedImage, code: Tensor, images: list[slice]) -> Tensor:
        """Return the tokens (P, t, C) after the first layer; ``images`` are slices of prompts."""
        block = self.layers[0]
        tokens = block.tokens_among_themselves(code, code)
        queries = split(block.cross_attn_token_to_image.q_proj(tokens + code), self.heads)
        attended = [
            first_cross_attention(shared, queries[:, some], self.buffers) for some in images
        ]
        seen = filled(attended, len(code))
        return self._after_attention(block, tokens, seen, self.value_biases[0])

    def _second_layer(
        self, shared: SharedImage, tokens: Tensor, code: Tensor, images: list[slice]
    ) -> tuple[Tensor, ImageUpdates]:
        """Return the tokens (P, t, C) after the second layer, and the updates of the image."""
        keys, values = self._keys_and_values(0, tokens, code)
        vectors = absorbed_by(values, self.columns[0])
        block = self.layers[1]
        tokens = block.tokens_among_themselves(tokens, code)
        queries = split(block.cross_attn_token_to_image.q_proj(tokens + code), self.heads)
        left = torch.stack([keys, values, queries, queries])
        gram = vectors @ vectors.mT / vectors.shape[2]
        mixing = absorbed_by(queries, self.key_weight) @ vectors.mT
        updates = ImageUpdates.allocate(vectors, shared.first_keys, self.buffers)
        attended = [
            second_cross_attention(
                shared, left[:, :, some], gram[some], mixing[some], updates[some], self.buffers
            )
            for some in images
        ]
        seen, weights = (filled(parts, len(code)) for parts in zip(*attended, strict=True))
        seen = seen + self._values(weights, vectors, self.value_weight)
        tokens = self._after_attention(block, tokens, seen, self.value_biases[1])

        keys, more = self._keys_and_values(1, tokens, code)
        mixing = absorbed_by(keys, self.query_weight) @ vectors.mT
        both = torch.cat([vectors * self.gain, absorbed_by(more, self.columns[1])], dim=1)
        updates.vectors.copy_(centred(both, 2))
        gram = updates.vectors @ updates.vectors.mT / both.shape[2]
        cross = updates.vectors @ self.projector.constant[:, None] * (2 / both.shape[2])
        left = torch.stack([keys, keys, values, more])
        for some in images:
            update_image(
                shared,
                left[:, :, some],
                mixing[some],
                gram[some],
                cross[some],
                self.constant_power,
                updates[some],
                self.buffers,
            )
        return tokens, updates

    def _final_attention(
        self,
        shared: SharedImage,
        tokens: Tensor,
        code: Tensor,
        updates: ImageUpdates,
        images: list[slice],
    ) -> Tensor:
        """Return the tokens (P, k, C) after the final attention to the image."""
        transformer = self.decoder.transformer
        layer = transformer.final_attn_token_to_image
        queries = split(layer.q_proj(tokens + code), self.heads)
        absorbed = absorbed_by(queries, self.last_key_weight)
        mixing = absorbed @ updates.vectors.mT
        constant = absorbed @ self.projector.constant[:, None]
        attended = [
            final_cross_attention(
                shared, queries[:, some], mixing[some], constant[some], updates[some], self.buffers
            )
            for some in images
        ]
        seen, weights, total = (filled(each, len(code)) for each in zip(*attended, strict=True))
        seen = seen + self._values(weights, updates.vectors, self.last_value_weight)
        fixed = self.projector.constant.expand(len(tokens), 1, -1)
        seen = seen + self._values(total, fixed, self.last_value_weight)
        looked = layer.out_proj(joined(seen) + self.value_biases[2])
        out: Tensor = transformer.norm_final_attn(tokens + looked)
        return out

    def fine_logits(
        self, decoded: Decoded, prompts: Tensor, weights: Tensor, sample: Sample | None = None
    ) -> Tensor:
        """Compute logits of m masks of each prompt, image token by image token.

        Parameters
        ----------
        decoded : Decoded
            From :meth:`decode`.
        prompts : Tensor
            (K,) int64.
        weights : Tensor
            (K, m, c) of those of ``decoded.weights``.
        sample : Sample, optional
            Only some image tokens.

        Returns
        -------
        Tensor
            (K, m, 16, n) float32, the 16 pixels of each of n image tokens.
        """
        count = decoded.shared.upscaled.shape[1] if sample is None else len(sample.tokens)
        logits = weights.new_empty(*weights.shape[:2], SUBPIXELS**2, count)
        for some in self._batches(len(prompts)):
            part, upscaled = decoded.updates.of(prompts[some]), decoded.shared.upscaled
            if sample is not None:
                part, upscaled = part.at(sample.tokens), sample.upscaled
            logits[some] = self.upscaler.logits(
                upscaled, decoded.vectors[prompts[some]], part, weights[some], self.buffers
            )
        return logits

    def local_logits(
        self, decoded: Decoded, prompt: int, masks: slice, box: tuple[int, int, int, int]
    ) -> Tensor:
        """Compute logits (m, 4 h, 4 w) of one prompt's masks in a half-open box of h x w tokens."""
        grid, one = self.upscaler.side // 4, slice(prompt, prompt + 1)
        upscaled = within(decoded.shared.upscaled, box, grid)
        fine = self.upscaler.logits(
            upscaled,
            decoded.vectors[one],
            decoded.updates[one].within(box, grid),
            decoded.weights[one, masks],
            self.buffers,
            columns_computed(upscaled.shape[1], upscaled),
        )
        return self.upscaler.placed_in(fine[0], box[2] - box[0], box[3] - box[1]).float()

    def placed(self, fine: Tensor) -> Tensor:
        """Return (K, 16, N) logits of :meth:`fine_logits` as (K, 4 g, 4 g) images."""
        return self.upscaler.placed(fine)

    def masks(self, decoded: Decoded, count: int | None = None) -> Tensor:
        """Compute logits (count, m, 4 g, 4 g) of all masks of the first prompts, float32."""
        number = len(decoded.weights) if count is None else count
        first = torch.arange(number, device=decoded.weights.device)
        fine = self.fine_logits(decoded, first, decoded.weights[:number])
        masks: Tensor = self.placed(fine.flatten(0, 1)).unflatten(0, fine.shape[:2])
        return masks

    def _batches(self, count: int) -> list[slice]:
        """Return slices of prompts whose image tokens are worked on together."""
        step = IMAGES_AT_ONCE.get(self.own_tokens.device.type, 1)
        return [slice(start, start + step) for start in range(0, count, step)]

    def _keys_and_values(self, layer: int, tokens: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of the tokens for the image, (heads, P, t, d) each."""
        attention = self.layers[layer].cross_attn_image_to_token
        keys, values = attention.k_proj(tokens + code), attention.v_proj(tokens)
        return split(keys, self.heads), split(values, self.heads)

    def _values(self, weights: Tensor, vectors: Tensor, layer: Tensor) -> Tensor:
        """Return values (P, heads, k, d) of (P, K, C) vectors under (P, heads * k, K) weights."""
        values = (vectors @ layer.T).unflatten(2, (self.heads, -1)).transpose(1, 2)
        mixed: Tensor = weights.unflatten(1, (self.heads, -1)) @ values
        return mixed

    def _after_attention(
        self, block: TwoWayBlock, tokens: Tensor, seen: Tensor, bias: Tensor
    ) -> Tensor:
        """Return the tokens (P, t, C) after their attention (P, heads, t, d) and perceptron."""
        out = block.cross_attn_token_to_image.out_proj(joined(seen) + bias)
        tokens = block.norm2(tokens + out)
        normed: Tensor = block.norm3(tokens + block.mlp(tokens))
        return normed


def filled(parts: Sequence[Tensor], count: int) -> Tensor:
    """Join parts, with zeros at the end until there are ``count``."""
    joint = torch.cat(list(parts))
    if len(joint) == count:
        return joint
    return torch.cat([joint, joint.new_zeros(count - len(joint), *joint.shape[1:])])
