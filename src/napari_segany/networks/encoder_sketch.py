"""Sketches of image encoders: a few numbers by which the same weights are recognised.

A finder reads what one encoder computes, and is of no use on another. The same encoder is
published in several files: with normalisations folded or not, in float32 or rounded to 16 bits. A
hash of rounded weights would change wherever a value lies near a boundary of the rounding, and
among millions one always does. So each tensor is projected on a few random signs instead, and
projections are compared within a tolerance: the difference of two projections has the size of the
relative difference of the tensors.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    # Kept sketches are compared without torch, so that lists of models are quick.
    from torch import Tensor, nn

PROJECTIONS = 8
"""Projections of each tensor."""

STEPS = 1000
"""Steps of a stored projection within 1."""

SAMPLED = 1 << 16
"""Most values of a tensor that are looked at; of larger ones every n-th."""

LEAST = 1e-3
"""Root mean square below which a tensor counts as small: its noise means nothing."""

TOLERANCE = 0.01
"""Largest relative difference of a tensor of the same encoder.

Rounding to bfloat16, the coarsest type of published weights, makes 0.004; fine-tuning
that is worth its name changes some tensors by several hundredths; other encoders differ by 1.4.
"""


@dataclass(frozen=True)
class EncoderSketch:
    """A sketch of an image encoder's weights.

    Attributes
    ----------
    layout : str
        Hexadecimal hash of the names and shapes of the tensors.
    values : tuple of tuple of int
        ``PROJECTIONS`` numbers for each tensor, in units of 1 / ``STEPS``.
    """

    layout: str
    values: tuple[tuple[int, ...], ...]

    def distance(self, other: "EncoderSketch") -> float:
        """Return the largest relative difference of a tensor; infinite for another layout."""
        if self.layout != other.layout or self._lengths != other._lengths:
            return float("inf")
        difference = (np.array(self.values) - np.array(other.values)) / STEPS
        return float(np.sqrt(np.square(difference).mean(axis=1)).max(initial=0.0))

    @property
    def _lengths(self) -> list[int]:
        return [len(each) for each in self.values]

    def is_same(self, other: "EncoderSketch") -> bool:
        """Return True if both are of the same encoder, up to rounding of its weights."""
        return self.distance(other) <= TOLERANCE


def sketch_encoder(encoder: "nn.Module") -> EncoderSketch:
    """Sketch an image encoder.

    Parameters
    ----------
    encoder : Module
        With its normalisations folded, see :meth:`napari_segany.networks.sam.Sam.fuse`; of any
        floating type.
    """
    names = [(name, tuple(each.shape)) for name, each in encoder.named_parameters()]
    layout = hashlib.sha256(repr(names).encode()).hexdigest()
    values = [_project(name, each) for name, each in encoder.named_parameters()]
    return EncoderSketch(layout, tuple(values))


def _project(name: str, tensor: "Tensor") -> tuple[int, ...]:
    flat = tensor.detach().reshape(-1)
    # An odd step, so that more than a few columns of a matrix are looked at.
    step = -(-len(flat) // SAMPLED) | 1 if len(flat) > SAMPLED else 1
    values: NDArray[np.float64] = flat[::step].cpu().double().numpy()
    size = len(values)
    # Not numpy's generator, whose numbers may change between releases.
    bits = hashlib.shake_256(name.encode()).digest(-(-PROJECTIONS * size // 8))
    signs = 2.0 * np.unpackbits(np.frombuffer(bits, np.uint8))[: PROJECTIONS * size] - 1
    norm = max(float(np.sqrt(np.square(values).sum())), LEAST * size**0.5)
    projected = signs.reshape(PROJECTIONS, size) @ values / norm
    return tuple(int(n) for n in np.rint(STEPS * projected))
