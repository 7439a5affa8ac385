"""Overlays: an image as the model saw it, with every object outlined."""

import math
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from scipy import ndimage

from napari_segany.core.geometry import resize

COLOURS = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
    ],
    np.uint8,
)
"""Colours that are distinct in any kind of colour vision, without black.

Okabe & Ito, "Color Universal Design" (2008).
"""

SMALLEST_SIDE, LARGEST_SIDE = 800, 2048
"""Range in pixels of the long side of overlays; images are scaled to be inside."""

FILL = 0.25
"""Opacity of the colour inside an object."""

OUTLINES_ACROSS = 500
"""Width of an outline as a fraction of the long side, at least one pixel."""

NEAR = 5
"""Pixels within which neighbours get different colours, if there are enough."""

TILE = 512
"""Pixels along each side of a tile in the search for neighbours; bounds memory."""


def draw_overlay(rgb: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Draw labels over an image.

    Parameters
    ----------
    rgb : ndarray
        (Y, X, 3) uint8.
    labels : ndarray
        (Y, X), 0 for background.

    Returns
    -------
    ndarray
        (height, width, 3) uint8, scaled to be legible at any size of the image.

    Examples
    --------
    >>> labels = np.zeros((40, 60), int)
    >>> labels[10:30, 10:40] = 1
    >>> draw_overlay(np.zeros((40, 60, 3), np.uint8), labels).shape
    (560, 840, 3)
    """
    colours = np.zeros((int(labels.max(initial=0)) + 1, 3), np.uint8)
    colours[1:] = COLOURS[choose_colours(labels)]
    image, shown = _fit(rgb, labels)
    thickness = max(1, round(max(shown.shape) / OUTLINES_ACROSS))
    window = 2 * thickness + 1
    # An edge runs along the inside of each object, so touching objects keep one each.
    edge = ndimage.minimum_filter(shown, window) != ndimage.maximum_filter(shown, window)
    inside = shown > 0
    out = image.copy()
    # One colour at a time, which takes a third of the memory.
    for i in range(3):
        colour = colours[:, i][shown[inside]]
        mixed = (image[..., i][inside] * (1 - FILL) + colour * FILL).round()
        out[..., i][inside] = np.where(edge[inside], colour, mixed.astype(np.uint8))
    return out


def _fit(
    rgb: NDArray[np.uint8], labels: NDArray[np.integer]
) -> tuple[NDArray[np.uint8], NDArray[np.integer]]:
    """Scale both: small images by a whole factor so that pixels stay square, large ones down."""
    side = max(labels.shape)
    factor = -(-SMALLEST_SIDE // side)
    if factor > 1:
        return (
            rgb.repeat(factor, axis=0).repeat(factor, axis=1),
            labels.repeat(factor, axis=0).repeat(factor, axis=1),
        )
    if side <= LARGEST_SIDE:
        return rgb, labels
    height, width = (max(1, round(n * LARGEST_SIDE / side)) for n in labels.shape)
    image = resize(rgb, (height, width), Image.Resampling.BOX)
    rows = (np.arange(height) + 0.5) * labels.shape[0] / height
    cols = (np.arange(width) + 0.5) * labels.shape[1] / width
    return image, labels[np.ix_(rows.astype(int), cols.astype(int))]


def choose_colours(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return an index into :data:`COLOURS` for each id from 1 on, different between neighbours.

    Objects choose in order: the colour that the fewest neighbours have, then the one used least.
    """
    count = int(labels.max(initial=0))
    neighbours: list[set[int]] = [set() for _ in range(count + 1)]
    for a, b in _near_pairs(labels):
        neighbours[a].add(b)
        neighbours[b].add(a)
    chosen = np.full(count + 1, -1, np.intp)
    used = np.zeros(len(COLOURS), np.int64)
    for i in range(1, count + 1):
        around = chosen[list(neighbours[i])]
        clash = np.bincount(around[around >= 0], minlength=len(COLOURS))
        chosen[i] = np.lexsort((np.arange(len(COLOURS)), used, clash))[0]
        used[chosen[i]] += 1
    return chosen[1:]


def _near_pairs(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return (N, 2) pairs of different objects at most about NEAR pixels apart."""
    reach = NEAR / 2 + 0.5
    # Pixels beyond it change nothing inside a tile; one more is looked at from the tile before.
    margin = math.ceil(reach) + 1
    found = [np.zeros((0, 2), labels.dtype)]
    for top, left in product(*(range(0, n, TILE) for n in labels.shape)):
        first = max(top - margin, 0), max(left - margin, 0)
        part = labels[first[0] : top + TILE + margin, first[1] : left + TILE + margin]
        if not part.any():
            continue
        distance, nearest = ndimage.distance_transform_edt(part == 0, return_indices=True)
        grown = np.where(distance <= reach, part[tuple(nearest)], 0)
        grown = grown[top - first[0] :, left - first[1] :][: TILE + 1, : TILE + 1]
        for one, other in ((grown[:-1], grown[1:]), (grown[:, :-1], grown[:, 1:])):
            touching = (one != other) & (one > 0) & (other > 0)
            found.append(np.stack([one[touching], other[touching]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def write_png(path: Path, image: NDArray[np.uint8], description: str) -> None:
    """Write a PNG with a line of text in its metadata."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", description)
    Image.fromarray(image).save(path, format="PNG", pnginfo=text)
