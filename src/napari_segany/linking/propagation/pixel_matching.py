"""Matching of pixels: where an object is on a plane, by what its pixels looked like before.

Every pixel near the place where an object is expected is compared with pixels of planes on which
the object is known, those of its surroundings and neighbours among them. It belongs to the object
if those that it resembles most do. So it is done by memory networks for video segmentation (Oh et
al., Video object segmentation using space-time memory networks, 2019), with a network trained for
it; here the embedding and the intensities around a pixel are compared as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.masks import MaskSet
from napari_segany.linking.mask_geometry import centroids, diameter
from napari_segany.linking.propagation.appearance import PlaneView
from napari_segany.models.protocol import EmbeddedCrop

SIDE = 40
"""Pixels along each side of the window around an object that are compared, at most."""

MARGIN = 0.5
"""Width of the surroundings on each side, in diameters of the object."""

PATCH = 2
"""Pixels to each side whose intensities are compared with those around another pixel."""

SHARPNESS = 10.0
"""Weight of likeness: one of 1 is as much as ten natural units of likelihood."""

REACH = 0.15
"""Standard deviation of the distance between pixels that match, in diameters of the object."""

NEAREST = 16
"""Known pixels that decide about a pixel."""

BLOCK = 16
"""Known pixels whose largest likeness is looked at first, when the likeliest are searched."""

FEWEST = 4
"""Pixels of a match at least."""


@dataclass(frozen=True, eq=False)
class KnownPixels:
    """Pixels in and around an object on one plane.

    Attributes
    ----------
    places : ndarray
        (N, 2) float32 rows and columns from the object's centre.
    features : tuple of ndarray
        (N, C) float32, one array for each kind: the embedding, and intensities if the image is
        known.
    inside : ndarray
        (N,) boolean, pixels of the object.
    """

    places: NDArray[np.float32]
    features: tuple[NDArray[np.float32], ...]
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, mask: MaskSet, view: PlaneView, prepared: EmbeddedCrop) -> "KnownPixels":
        """Return the pixels of a set of one mask, not empty, on a plane prepared for prompts."""
        rows, cols = _window(mask)
        grid = _grid(rows, cols)
        places = (grid - centroids(mask)[0]).astype(np.float32)
        low, high = np.split(mask.boxes[0], 2)
        inside: NDArray[np.bool_] = np.all((grid >= low) & (grid < high), axis=1)
        inside[inside] = mask.crop(0)[tuple((grid[inside] - low).T)]
        return cls(places, _features(grid, view, prepared), inside)


def match_pixels(
    expected: MaskSet, known: Sequence[KnownPixels], view: PlaneView, prepared: EmbeddedCrop
) -> MaskSet | None:
    """Return the object on a plane by the pixels that match those of other planes.

    Parameters
    ----------
    expected : MaskSet
        One mask, not empty, where the object is expected.
    known : sequence of KnownPixels
        Planes on which the object is known.
    view : PlaneView
        The plane.
    prepared : EmbeddedCrop
        The same plane, prepared for prompts.

    Returns
    -------
    MaskSet or None
        One mask; None if nothing is known, or hardly any pixel matches.
    """
    if not any(each.inside.any() for each in known):
        return None
    rows, cols = _window(expected)
    grid = _grid(rows, cols)
    places = (grid - centroids(expected)[0]).astype(np.float32)
    likeness = _likeness(_features(grid, view, prepared), places, known, diameter(expected))
    part = _vote(likeness, np.concatenate([each.inside for each in known]))
    shape = len(rows), len(cols)
    step = int(rows[1] - rows[0]) if len(rows) > 1 else 1
    fine = np.meshgrid(
        np.arange(0, rows[-1] - rows[0] + 1) / step,
        np.arange(0, cols[-1] - cols[0] + 1) / step,
        indexing="ij",
    )
    found = ndimage.map_coordinates(part.reshape(shape), fine, order=1, mode="nearest") > 0.5
    if found.sum() < FEWEST:
        return None
    return MaskSet.from_crops(expected.shape, [found], [(int(rows[0]), int(cols[0]))])


def _window(mask: MaskSet) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and the columns that are compared around a mask, evenly spaced."""
    wide = MARGIN * diameter(mask) + 2
    box = mask.boxes[0]
    low = np.maximum(0, box[:2] - wide).astype(np.intp)
    high = np.minimum(mask.shape, box[2:] + wide).astype(np.intp)
    step = max(1, int(np.ceil((high - low).max() / SIDE)))
    return np.arange(low[0], high[0], step), np.arange(low[1], high[1], step)


def _grid(rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return (N, 2) row, column of all pixels of some rows and columns."""
    return np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)


def _features(
    grid: NDArray[np.intp], view: PlaneView, prepared: EmbeddedCrop
) -> tuple[NDArray[np.float32], ...]:
    """Return what is compared at (N, 2) row, column: the embedding, and intensities around."""
    embedded = prepared.features_at(grid.astype(np.float64))
    if view.image is None:
        return (embedded,)
    image = view.image if view.image.ndim == 3 else view.image[..., None]
    most = np.array(image.shape[:2]) - 1
    around = []
    for row in range(-PATCH, PATCH + 1):
        for col in range(-PATCH, PATCH + 1):
            rows, cols = np.clip(grid + np.array([row, col]), 0, most).T
            around.append(image[rows, cols].astype(np.float32).mean(axis=1))
    return embedded, np.stack(around, axis=1)


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = features / np.maximum(length, np.float32(1e-9))
    return unit


def _likeness(
    mine: tuple[NDArray[np.float32], ...],
    places: NDArray[np.float32],
    known: Sequence[KnownPixels],
    size: float,
) -> NDArray[np.float32]:
    """Return (N, M) how much N pixels are like M known ones, but for a constant of each row.

    That is the mean cosine over kinds of features, times :data:`SHARPNESS`, less half of the
    squared distance in :data:`REACH`. One product of matrices is faster than its parts.
    """
    rows, cols = [], []
    for k, features in enumerate(mine):
        theirs = np.concatenate([each.features[k] for each in known])
        # What all pixels of the windows share says nothing.
        mean = theirs.mean(axis=0)
        rows.append(_unit(features - mean) * np.float32(SHARPNESS / len(mine)))
        cols.append(_unit(theirs - mean))
    scale = np.float32(1 / (REACH * size))
    away = np.concatenate([each.places for each in known]) * scale
    # The squared distance without that of the pixel itself, which is the same for all known ones.
    rows += [places * scale, np.full((len(places), 1), -0.5, np.float32)]
    cols += [away, (away**2).sum(axis=1, keepdims=True)]
    found: NDArray[np.float32] = np.concatenate(rows, axis=1) @ np.concatenate(cols, axis=1).T
    return found


def _vote(likeness: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the (N,) part of the object in the votes of the likeliest of M known pixels, 0..1."""
    best = _largest(likeness, NEAREST)
    votes = np.take_along_axis(likeness, best, axis=1)
    votes = np.exp(votes - votes.max(axis=1, keepdims=True))
    part: NDArray[np.float32] = (votes * inside[best]).sum(axis=1) / votes.sum(axis=1)
    return part


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Return the (N, count) columns of the largest of (N, M) values, ascending; fewer if M is less.

    They lie in the blocks of columns with the largest maxima, so most columns need no sorting.
    """
    number, width = values.shape
    blocks = width // BLOCK
    if blocks <= count:
        columns = np.argpartition(-values, min(count, width) - 1, axis=1)[:, :count]
        return np.sort(columns, axis=1)
    # What is left over of a whole number of blocks is looked at in any case.
    maxima = values[:, : blocks * BLOCK].reshape(number, blocks, BLOCK).max(axis=2)
    chosen = np.argpartition(-maxima, count - 1, axis=1)[:, :count]
    some = (chosen[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(number, -1)
    rest = np.broadcast_to(np.arange(blocks * BLOCK, width), (number, width - blocks * BLOCK))
    some = np.concatenate([some, rest], axis=1)
    order = np.argpartition(-np.take_along_axis(values, some, axis=1), count - 1, axis=1)
    return np.sort(np.take_along_axis(some, order[:, :count], axis=1), axis=1)
