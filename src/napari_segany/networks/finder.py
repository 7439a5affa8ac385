"""Finder: a small network that sees all objects of a plane in what the image encoder computed.

It reads the embedding, the encoder's finer stages and the image itself, and predicts maps on a
grid of half the frame's pixels, from which :mod:`napari_segany.generators.finder` makes regions.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FOREGROUND, CONTOUR, INTERIOR, CENTRE, SIZE = range(5)
"""Maps of the output: logits of "in an object" and "at an object's border", distance to the border
and to the centre (1 at the middle of an object, 0 at its border), and log2 of the object's side in
units of 16 pixels of the frame."""

SIZE_UNIT = 16.0
"""Side in pixels of the frame of an object whose size map is 0."""

MAPS = 5
UPSCALING = 2
"""Cells of the output for each cell of the finest level, a side."""

LEVELS = 3
UNSHUFFLE = 4
"""Pixels of the frame for each cell of the finest level, a side."""


@dataclass(frozen=True)
class FinderShape:
    """Architecture of a finder.

    Attributes
    ----------
    embedding : int
        Channels of the embedding.
    stages : tuple of (int, int)
        Channels of each of the encoder's finer stages, and its cells for each cell of the
        embedding, a side: 1, 2 or 4.
    widths : tuple of int
        Channels at 1, 2 and 4 cells for each cell of the embedding.
    image_width : int
        Channels of the branch that reads the image; 0 for none.
    blocks : int
        Residual blocks at each level.
    """

    embedding: int = 256
    stages: tuple[tuple[int, int], ...] = ((64, 4), (128, 2))
    widths: tuple[int, int, int] = (160, 128, 64)
    image_width: int = 32
    blocks: int = 2

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dictionary, as files store it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FinderShape":
        """Undo :meth:`to_dict`, also after JSON made lists of tuples."""
        stages = tuple((int(channels), int(cells)) for channels, cells in values["stages"])
        widths = tuple(int(width) for width in values["widths"])
        return cls(**{**values, "stages": stages, "widths": widths})


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, if wanted, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, activate: bool = True) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, momentum=0.02),
        ]
        if activate:
            layers.append(nn.ReLU())
        super().__init__(*layers)


class Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ConvNorm(width, width)
        self.second = ConvNorm(width, width, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        return F.relu(x + self.second(self.first(x)))


class Level(nn.Module):
    """One resolution: joins what comes from the level below and from the encoder."""

    def __init__(self, below: int, sources: Sequence[int], width: int, blocks: int) -> None:
        super().__init__()
        self.below = ConvNorm(below, width, 1, activate=False) if below else None
        self.sources = nn.ModuleList(ConvNorm(each, width, 1, activate=False) for each in sources)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))

    def forward(self, below: Tensor | None, sources: Sequence[Tensor]) -> Tensor:
        """Join (B, C, h, w) from below and the (B, C', 2h, 2w) sources of this resolution."""
        joined: Tensor | None = None
        if below is not None and self.below is not None:
            joined = F.interpolate(self.below(below), scale_factor=2, mode="nearest")
        for layer, source in zip(self.sources, sources, strict=True):
            seen = layer(source)
            joined = seen if joined is None else joined + seen
        assert joined is not None
        out: Tensor = self.blocks(F.relu(joined))
        return out


class Finder(nn.Module):
    """Maps of all objects from the outputs of an image encoder.

    Parameters
    ----------
    shape : FinderShape
        The architecture.
    """

    def __init__(self, shape: FinderShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or FinderShape()
        # Features of single channels must not decide alone: kinds of images differ in them.
        self.drop = nn.Dropout2d(0.1)
        self.levels = nn.ModuleList()
        below = 0
        for level, width in enumerate(shape.widths):
            sources = [shape.embedding] if level == 0 else []
            sources += [channels for channels, cells in shape.stages if cells == 2**level]
            if level == LEVELS - 1 and shape.image_width:
                sources.append(shape.image_width)
            self.levels.append(Level(below, sources, width, shape.blocks))
            below = width
        if shape.image_width:
            self.image = nn.Sequential(
                ConvNorm(3 * UNSHUFFLE**2, shape.image_width, 1),
                ConvNorm(shape.image_width, shape.image_width),
            )
        self.head = nn.Conv2d(below, MAPS * UPSCALING**2, 3, padding=1)

    def forward(self, embedding: Tensor, stages: Sequence[Tensor], image: Tensor) -> Tensor:
        """Predict the maps.

        Parameters
        ----------
        embedding : Tensor
            (B, C, g, g), the neck's output.
        stages : sequence of Tensor
            (B, C', n * g, n * g) of each stage, n as in the architecture.
        image : Tensor
            (B, 3, 16 * g, 16 * g), the normalised image in the frame.

        Returns
        -------
        Tensor
            (B, MAPS, 8 * g, 8 * g), in the order of the constants of this module.
        """
        x: Tensor | None = None
        for level, layer in enumerate(self.levels):
            sources = [self.drop(embedding)] if level == 0 else []
            sources += [
                self.drop(stage)
                for stage, (_, cells) in zip(stages, self.shape.stages, strict=True)
                if cells == 2**level
            ]
            if level == LEVELS - 1 and self.shape.image_width:
                sources.append(self.image(F.pixel_unshuffle(image, UNSHUFFLE)))
            x = layer(x, sources)
        return F.pixel_shuffle(self.head(x), UPSCALING)


def predict_maps(raw: Tensor) -> Tensor:
    """Turn the network's (B, MAPS, H, W) output into maps: probabilities, 0..1, and log2 size."""
    bounded = torch.sigmoid(raw[:, :SIZE])
    return torch.cat([bounded, raw[:, SIZE:]], dim=1)
