"""Split of an object into two, by masks that a model gave for a point in each part."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.linking.tracks.track_edit import FrameMask

Point = tuple[float, float]
"""Row and column in a frame."""


def split_mask(
    mask: FrameMask, points: tuple[Point, Point], candidates: tuple[MaskSet, MaskSet]
) -> tuple[FrameMask, FrameMask]:
    """Split an object by the masks of two prompts, one in each part.

    Of each prompt that candidate is taken with which both parts get most pixels of their own. Every
    pixel of the object goes to one part; those that both masks or none of them cover, to the part
    that is nearer.

    Parameters
    ----------
    mask : FrameMask
        The object in a plane.
    points : tuple
        Row and column of the two points.
    candidates : tuple of MaskSet
        Candidates for each of them.

    Returns
    -------
    tuple of FrameMask
        The part of the first point, and that of the second.

    Raises
    ------
    InputError
        If a point is not on the object, or both are the same pixel.
    """
    pixels = pixels_of(mask, points)
    one, two = _best_pair(mask, candidates)
    cores = [(one & ~two) & mask.pixels, (two & ~one) & mask.pixels]
    for number, pixel in enumerate(pixels):
        cores[number][pixel], cores[1 - number][pixel] = True, False
    distances = [ndimage.distance_transform_edt(~core) for core in cores]
    first = mask.pixels & (distances[0] <= distances[1])
    return _part(mask, first), _part(mask, mask.pixels & ~first)


def pixels_of(mask: FrameMask, points: tuple[Point, Point]) -> list[tuple[int, int]]:
    """Return the pixels of two points in the box of an object.

    Raises
    ------
    InputError
        If a point is not on the object, or both are the same pixel.
    """
    found = []
    height, width = mask.pixels.shape
    for point in points:
        row, col = (round(float(x)) - start for x, start in zip(point, mask.start, strict=True))
        if not (0 <= row < height and 0 <= col < width and mask.pixels[row, col]):
            raise InputError("Both points must be on the object; click on two parts of it.")
        found.append((row, col))
    if found[0] == found[1]:
        raise InputError("Both points are the same pixel; click on two parts of the object.")
    return found


def _best_pair(
    mask: FrameMask, candidates: tuple[MaskSet, MaskSet]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the masks, within the object's box, that together fit the object best."""
    ones, twos = ([each.mask(i)[mask.box] for i in range(len(each))] for each in candidates)
    pairs = [(one, two) for one in ones for two in twos]

    def fitness(pair: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> tuple[int, int]:
        one, two = (each & mask.pixels for each in pair)
        first, second = (int(np.count_nonzero(own)) for own in (one & ~two, two & ~one))
        return min(first, second), first + second

    # The first of equal ones: candidates are in the order of their scores.
    return max(pairs, key=fitness)


def _part(mask: FrameMask, pixels: NDArray[np.bool_]) -> FrameMask:
    inner = FrameMask.of(pixels)
    start = tuple(a + b for a, b in zip(mask.start, inner.start, strict=True))
    return FrameMask(start, inner.pixels)
