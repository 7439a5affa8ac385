"""Names of tensors in original checkpoints, rewritten to those of the networks of transformers."""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

Rules = Sequence[tuple[str, str]]
"""Regular expressions and their replacements, applied to a name one after the other."""

PROMPTS_AND_MASKS: Rules = (
    (r"\.pe_layer\.positional_encoding_gaussian_matrix$", ".shared_embedding.positional_embedding"),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"\.norm(\d|_final_attn)\.", r".layer_norm\1."),
)
"""Rules that all descendants of Segment Anything share: prompt encoder, mask decoder, norms."""


def three_layers(heads: str) -> Rules:
    """Return the rules of perceptrons of three layers, named by a regular expression."""
    return (
        (rf"\.({heads})\.layers\.0\.", r".\1.proj_in."),
        (rf"\.({heads})\.layers\.1\.", r".\1.layers.0."),
        (rf"\.({heads})\.layers\.2\.", r".\1.proj_out."),
    )


def renamed(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Return the tensors by their new names; a name that no rule fits stays."""
    compiled = [(re.compile(pattern), new) for pattern, new in rules]
    found = {}
    for name, value in state.items():
        for pattern, new in compiled:
            name = pattern.sub(new, name)
        found[name] = value
    return found


def without(state: Mapping[str, Tensor], beginnings: tuple[str, ...]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with none of these."""
    return {name: value for name, value in state.items() if not name.startswith(beginnings)}
