"""SAM's prompt encoder: points, boxes and masks become tokens and a dense map.

Kirillov et al., "Segment Anything" (ICCV 2023), section 3 and appendix A.
"""

import math

import torch
from torch import Tensor, nn

from napari_segany.networks.layers import LayerNorm2d

NOT_A_POINT = -1
"""Label of the padding point that takes the place of a box."""


class RandomFourierPosition(nn.Module):
    """Positions as sines and cosines of random frequencies (Tancik et al., 2020)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, features))

    def forward(self, unit_xy: Tensor) -> Tensor:
        """Encode (..., 2) positions in [0, 1] as (..., 2 * features)."""
        angle = 2 * math.pi * ((2 * unit_xy - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class PromptEncoder(nn.Module):
    """Turn prompts in the model's frame into sparse tokens and a dense map.

    Parameters
    ----------
    width : int
        Width C of the tokens.
    grid : int
        Side g of the image embedding; the frame is 16 g pixels wide, mask inputs are 4 g.
    mask_channels : int
        Hidden channels of the mask input's convolutions.
    """

    def __init__(self, width: int = 256, grid: int = 64, mask_channels: int = 16) -> None:
        super().__init__()
        self.width = width
        self.grid = grid
        self.frame = 16 * grid
        self.pe_layer = RandomFourierPosition(width // 2)
        # In this order: negative point, positive point, box's first corner, box's second corner.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, mask_channels // 4, kernel_size=2, stride=2),
            LayerNorm2d(mask_channels // 4),
            nn.GELU(),
            nn.Conv2d(mask_channels // 4, mask_channels, kernel_size=2, stride=2),
            LayerNorm2d(mask_channels),
            nn.GELU(),
            nn.Conv2d(mask_channels, width, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, width)

    def dense_position(self) -> Tensor:
        """Return the position code of every cell of the image embedding, (1, C, g, g)."""
        device = self.no_mask_embed.weight.device
        centre = (torch.arange(self.grid, device=device, dtype=torch.float32) + 0.5) / self.grid
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        out: Tensor = self.pe_layer(torch.stack([x, y], dim=-1))
        return out.permute(2, 0, 1)[None]

    def _point_code(self, index: int) -> Tensor:
        return self.get_parameter(f"point_embeddings.{index}.weight")

    def _encode_xy(self, xy: Tensor) -> Tensor:
        # Prompts name pixels; their centres lie half a pixel in.
        out: Tensor = self.pe_layer((xy + 0.5) / self.frame)
        return out

    def _embed_points(self, xy: Tensor, labels: Tensor, pad: bool) -> Tensor:
        if pad:
            xy = torch.cat([xy, xy.new_zeros(len(xy), 1, 2)], dim=1)
            labels = torch.cat([labels, labels.new_full((len(labels), 1), NOT_A_POINT)], dim=1)
        tokens = self._encode_xy(xy)
        kind = labels[..., None]
        tokens = torch.where(kind == NOT_A_POINT, self.not_a_point_embed.weight, tokens)
        tokens = tokens + (kind == 0) * self._point_code(0)
        return tokens + (kind == 1) * self._point_code(1)

    def _embed_boxes(self, boxes: Tensor) -> Tensor:
        corners = torch.cat([self._point_code(2), self._point_code(3)])
        return self._encode_xy(boxes.view(-1, 2, 2)) + corners

    def forward(
        self,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embed P prompts of equal shape.

        Parameters
        ----------
        points : Tensor, optional
            (P, N, 2) x, y in the model's frame.
        labels : Tensor, optional
            (P, N): 1 on the object, 0 off it.
        boxes : Tensor, optional
            (P, 4) x0, y0, x1, y1 in the model's frame.
        masks : Tensor, optional
            (P, 1, 4 g, 4 g) logits.

        Returns
        -------
        sparse : Tensor
            (P, tokens, C).
        dense : Tensor
            (P, C, g, g) with masks, else the (1, C, 1, 1) code for "no mask".
        """
        tokens = []
        if points is not None and labels is not None:
            tokens.append(self._embed_points(points, labels, pad=boxes is None))
        if boxes is not None:
            tokens.append(self._embed_boxes(boxes))
        if tokens:
            sparse = torch.cat(tokens, dim=1)
        else:
            count = 1 if masks is None else len(masks)
            sparse = self.no_mask_embed.weight.new_empty(count, 0, self.width)
        if masks is not None:
            return sparse, self.mask_downscaling(masks)
        return sparse, self.no_mask_embed.weight.view(1, -1, 1, 1)
