"""Networks of the video memory of SAM 2.1 and SAM 3, beside those that images need."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

TEMPERATURE = 10000
"""Base of the wavelengths in which distances of object pointers are encoded."""


class MemoryNetwork(nn.Module):
    """The networks that remember objects, named as in the published weights.

    Parameters
    ----------
    config : transformers.Sam2VideoConfig or transformers.Sam3TrackerVideoConfig
        Sizes; the image encoder's are not read.
    prefix : str
        Beginning of the names of its networks in transformers: "Sam2Video" or "Sam3TrackerVideo".

    Attributes
    ----------
    frames : int
        Planes whose features are attended to: the present one, and those before it.
    pointers : int
        Planes whose object pointers are attended to, at most.
    """

    def __init__(self, config: Any, prefix: str) -> None:
        name = config.model_type
        parts = import_module(f"transformers.models.{name}.modeling_{name}")
        super().__init__()
        # Matrices of all pairs of tokens would take a gigabyte.
        config._attn_implementation = "sdpa"
        self.frames, self.pointers = config.num_maskmem, config.max_object_pointers_in_encoder
        self._scale, self._bias = config.sigmoid_scale_for_mem_enc, config.sigmoid_bias_for_mem_enc
        width, channels = config.memory_encoder_hidden_size, config.memory_encoder_output_channels
        self.width, self.channels = width, channels
        self.memory_attention = getattr(parts, f"{prefix}MemoryAttention")(config)
        self.memory_encoder = getattr(parts, f"{prefix}MemoryEncoder")(config)
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.object_pointer_proj = getattr(parts, f"{prefix}FeedForward")(width, width, width, 3)
        self.temporal_positional_encoding_projection_layer = nn.Linear(width, channels)
        self.memory_temporal_positional_encoding = nn.Parameter(
            torch.zeros(self.frames, 1, 1, channels)
        )
        self.no_memory_positional_encoding = nn.Parameter(torch.zeros(1, 1, width))
        self.no_object_pointer = nn.Parameter(torch.zeros(1, width))
        self.occlusion_spatial_embedding_parameter = nn.Parameter(torch.zeros(1, channels))

    def encode(self, features: Tensor, masks: Tensor, present: Tensor) -> Tensor:
        """Return what is remembered of B objects on a plane.

        Parameters
        ----------
        features : Tensor
            (1, C, h, w) of the plane, without memory.
        masks : Tensor
            (B, 1, S, S) probabilities, 0..1, in the model's frame.
        present : Tensor
            (B,) bool; False for objects that are not there.

        Returns
        -------
        Tensor
            (B, h * w, channels) bfloat16, as in the published code.
        """
        scaled = masks * self._scale + self._bias
        found = self.memory_encoder(features.expand(len(masks), -1, -1, -1), scaled)[0]
        absent = (~present).to(found.dtype)[:, None, None, None]
        found = found + absent * self.occlusion_spatial_embedding_parameter[..., None, None]
        remembered: Tensor = found.flatten(2).transpose(1, 2).to(torch.bfloat16)
        return remembered

    def point(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Return the (B, C) object pointers of (B, C) tokens of the decoder."""
        pointers = self.object_pointer_proj(tokens)
        return torch.where(present[:, None], pointers, self.no_object_pointer)

    def pointer_positions(self, distances: Tensor, most: int) -> Tensor:
        """Return the (P, channels) encoding of (P,) distances in planes, for ``most`` pointers."""
        half = self.width // 2
        steps = torch.arange(half, dtype=torch.float32, device=distances.device)
        wavelengths = TEMPERATURE ** (2 * (steps // 2) / half)
        angles = (distances / (most - 1))[:, None] / wavelengths
        encoded = torch.cat([angles.sin(), angles.cos()], dim=1)
        positions: Tensor = self.temporal_positional_encoding_projection_layer(encoded)
        return positions

    def plane_positions(self, side: int, device: torch.device) -> Tensor:
        """Return the (side * side, channels) encoding of places on a plane."""
        shape = (1, self.channels, side, side)
        encoded = self.memory_encoder.position_encoding(torch.Size(shape), device, torch.float32)
        places: Tensor = encoded.flatten(2)[0].T
        return places
