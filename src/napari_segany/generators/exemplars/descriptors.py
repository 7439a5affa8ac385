"""Descriptors of masks: the encoder's features, colours, size and shape of each.

Features are averages over a few pixels of the mask and of the ring around it, taken from the
embedding and, where the model has them, from the encoder's finer stages.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import Frame
from napari_segany.core.masks import MaskSet
from napari_segany.models.protocol import Embedding, PromptableModel

PIXELS = 48
"""About so many pixels of a mask are looked at."""

SHAPE_PIXELS = 1024
"""About so many pixels of a mask are measured for its shape."""

RING = 0.3
"""Width of the ring around a mask's box, in sides of the box."""

LEAST_RING = 2
"""Least width of the ring in pixels."""

AT_ONCE = 128
"""Masks whose pixels are looked up together."""


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Descriptors of N masks.

    Attributes
    ----------
    inside, around : ndarray
        (N, C) float32 features of the mask and of the ring around it; each level of the encoder
        has length 1 or less.
    colour, colour_around : ndarray
        (N, 6) and (N, 3) float32: means and standard deviations of red, green and blue in 0..1 in
        the mask, and means in the ring.
    area : ndarray
        (N,) float32, pixels.
    elongation, filling : ndarray
        (N,) float32: log2 of the ratio of the axes of the ellipse with the same moments, and log2
        of the part of it that the mask fills.
    """

    inside: NDArray[np.float32]
    around: NDArray[np.float32]
    colour: NDArray[np.float32]
    colour_around: NDArray[np.float32]
    area: NDArray[np.float32]
    elongation: NDArray[np.float32]
    filling: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.area)

    def __getitem__(self, chosen: Any) -> "Descriptors":
        """Return the descriptors of some masks."""
        return replace(self, **{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @classmethod
    def join(cls, parts: "list[Descriptors]") -> "Descriptors":
        """Return the descriptors of several sets, in order."""
        return cls(
            *(np.concatenate([getattr(each, f.name) for each in parts]) for f in fields(cls))
        )


def describe_masks(
    model: PromptableModel,
    embedding: Embedding,
    plane: NDArray[np.uint8],
    masks: MaskSet,
    should_stop: ShouldStop | None = None,
) -> Descriptors:
    """Describe the masks of a plane; the number of threads changes no bit.

    Parameters
    ----------
    model : PromptableModel
        The model that made the embedding.
    embedding : Embedding
        Of the plane; with stages, these are part of the features.
    plane : ndarray
        (H, W, 3) uint8.
    masks : MaskSet
        The masks, none of them empty.
    should_stop : callable, optional
        Polled between groups of masks.
    """
    look_up = FeatureLookup.of(model, embedding)
    parts = [_describe(look_up, plane, masks[:0])]
    for start in range(0, len(masks), AT_ONCE):
        check(should_stop)
        parts.append(_describe(look_up, plane, masks[start : start + AT_ONCE]))
    return Descriptors.join(parts)


def _describe(look_up: "FeatureLookup", plane: NDArray[np.uint8], masks: MaskSet) -> Descriptors:
    inside, around, shapes = [], [], []
    for number, crop in enumerate(masks.crop(i) for i in range(len(masks))):
        box = masks.boxes[number]
        inside.append(sample_inside(crop, PIXELS) + box[:2])
        around.append(sample_around(crop, box, masks.shape))
        shapes.append(measure_shape(crop))
    features, colours = look_up(inside, plane)
    ring_features, ring_colours = look_up(around, plane)
    elongation, filling = np.array(shapes, np.float32).reshape(-1, 2).T
    return Descriptors(
        features,
        ring_features,
        colours,
        ring_colours[:, :3],
        masks.area.astype(np.float32),
        elongation,
        filling,
    )


def sample_inside(crop: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Return the (P, 2) row, column of about ``count`` pixels of a mask, evenly spread."""
    area = int(np.count_nonzero(crop))
    step = max(int(np.sqrt(area / count)), 1)
    first = step // 2 if step < min(crop.shape) else 0
    found = np.argwhere(crop[first::step, first::step]) * step + first
    if len(found) * 4 < min(area, count):
        # A mask that is thinner than the grid.
        found = np.argwhere(crop)[:: max(area // count, 1)]
    return found.astype(np.int64)


def sample_around(
    crop: NDArray[np.bool_], box: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Return the (P, 2) row, column of pixels of a plane around a mask, outside of it.

    They are those of the mask where nothing is around it.
    """
    height, width = crop.shape
    margin = max(LEAST_RING, round(RING * float(np.sqrt(height * width))))
    a, b = max(int(box[0]) - margin, 0), max(int(box[1]) - margin, 0)
    c, d = min(int(box[2]) + margin, shape[0]), min(int(box[3]) + margin, shape[1])
    step = max(int(np.sqrt((c - a) * (d - b) / (2 * PIXELS))), 1)
    rows, cols = np.arange(a, c, step), np.arange(b, d, step)
    outside = np.ones((len(rows), len(cols)), bool)
    in_rows = (rows >= box[0]) & (rows < box[2])
    in_cols = (cols >= box[1]) & (cols < box[3])
    outside[np.ix_(in_rows, in_cols)] = ~crop[
        np.ix_(rows[in_rows] - box[0], cols[in_cols] - box[1])
    ]
    if not outside.any():
        return sample_inside(crop, PIXELS) + box[:2]
    at = np.argwhere(outside)
    return np.stack([rows[at[:, 0]], cols[at[:, 1]]], axis=1).astype(np.int64)


def measure_shape(crop: NDArray[np.bool_]) -> tuple[float, float]:
    """Return log2 of the elongation of a mask, and of the part of its ellipse that it fills."""
    area = int(np.count_nonzero(crop))
    at = sample_inside(crop, SHAPE_PIXELS).astype(np.float64)
    # A sampled pixel stands for as many pixels as there are to each.
    each = area / len(at)
    rr, cc = at.var(axis=0) + each / 12
    rc = ((at[:, 0] - at[:, 0].mean()) * (at[:, 1] - at[:, 1].mean())).mean()
    middle, off = (rr + cc) / 2, np.hypot((rr - cc) / 2, rc)
    major, minor = middle + off, max(middle - off, 1 / 12)
    filling = area / (4 * np.pi * np.sqrt(major * minor))
    return float(np.log2(major / minor) / 2), float(np.log2(filling))


@dataclass(frozen=True, eq=False)
class FeatureLookup:
    """Looks up features of pixels in the levels of an embedding.

    Attributes
    ----------
    model : PromptableModel
        The model that made the embedding.
    embedding : Embedding
        Of a plane.
    stages : tuple of ndarray
        (h, w, C) float32 stages of the encoder.
    """

    model: PromptableModel
    embedding: Embedding
    stages: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, model: PromptableModel, embedding: Embedding) -> "FeatureLookup":
        """Return the lookup of an embedding."""
        return cls(model, embedding, tuple(_channels_last(each) for each in embedding.stages))

    def __call__(
        self, pixels: list[NDArray[np.int64]], plane: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the (N, C) features and (N, 6) colours of N groups of pixels."""
        if not pixels:
            features, colours = self([np.zeros((1, 2), np.int64)], plane)
            return features[:0], colours[:0]
        at = np.concatenate(pixels)
        rgb = plane[at[:, 0], at[:, 1]].astype(np.float64) / 255
        mean, square = (_group_means(each, pixels) for each in (rgb, rgb**2))
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        colours = np.concatenate([mean, spread], axis=1).astype(np.float32)
        return self.features(pixels), colours

    def features(self, pixels: list[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the (N, C) features of N groups of pixels, none of them empty."""
        levels = self._levels(np.concatenate(pixels))
        means = [_normalised(_group_means(values, pixels)) for values in levels]
        return np.concatenate(means, axis=1).astype(np.float32)

    def _levels(self, at: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yield the (P, C) features of (P, 2) pixels, level by level, coarsest first."""
        yield self.model.prepare(self.embedding).features_at(at.astype(np.float64))
        frame = self.embedding.frame
        if not self.stages or not isinstance(frame, Frame):
            return
        xy = frame.to_xy(at + 0.5) / frame.side
        for stage in reversed(self.stages):
            rows, cols = stage.shape[:2]
            where = np.minimum((xy * (cols, rows)).astype(np.int64), (cols - 1, rows - 1))
            yield stage[where[:, 1], where[:, 0]]


def _group_means(
    values: NDArray[np.floating], groups: list[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Return the (N, C) means of (P, C) values over groups that lie one after another."""
    counts = np.array([len(each) for each in groups])
    sums = np.add.reduceat(values, np.cumsum(counts) - counts, axis=0, dtype=np.float64)
    means: NDArray[np.float64] = sums / counts[:, None]
    return means


def _channels_last(stage: Tensor) -> NDArray[np.float32]:
    """Return a (C, h, w) stage as (h, w, C) float32."""
    values: NDArray[np.float32] = stage.permute(1, 2, 0).float().cpu().numpy()
    return values


def _normalised(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return rows of length 1; rows of zeros stay."""
    length = np.sqrt((values.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    scaled: NDArray[np.floating] = values / np.maximum(length, 1e-12)
    return scaled
