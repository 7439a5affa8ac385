"""Small pictures of candidates: the object with a margin, outlined, on the image beneath."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.masks import MaskSet
from napari_segany.plugin.shared.colours import OUTLINE, rgb

SIDE = 64
"""Side of a picture in pixels."""

MARGIN = 0.25
"""Margin around an object, in its longer side."""

OUTSIDE = 0.45
"""Brightness of pixels outside the object."""

WITHOUT_IMAGE = 90
"""Brightness of a plane that has not been read yet, 0 to 255."""


@dataclass(frozen=True)
class Window:
    """Square part of a plane around a mask.

    Attributes
    ----------
    top, left : int
        First row and column; negative where it reaches over the plane's edge.
    side : int
        Rows and columns.
    """

    top: int
    left: int
    side: int

    def indices(self, shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows and columns of the plane that a picture shows, some outside it."""
        steps = (np.arange(SIDE) + 0.5) * self.side / SIDE
        return np.intp(self.top) + steps.astype(np.intp), np.intp(self.left) + steps.astype(np.intp)


def window_around(masks: MaskSet, number: int) -> Window:
    """Return the square around one mask, with a margin."""
    top, left, bottom, right = (int(n) for n in masks.boxes[number])
    longer = max(bottom - top, right - left, 1)
    side = longer + 2 * max(round(MARGIN * longer), 2)
    return Window((top + bottom - side) // 2, (left + right - side) // 2, side)


def draw_thumbnail(
    masks: MaskSet, number: int, image: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Draw one mask.

    Parameters
    ----------
    masks : MaskSet
        Candidates.
    number : int
        The candidate.
    image : ndarray, optional
        (SIDE, SIDE, 3) picture of its window, see :func:`picture_of_plane`.

    Returns
    -------
    ndarray
        (SIDE, SIDE, 3) uint8.
    """
    window = window_around(masks, number)
    rows, cols = window.indices(masks.shape)
    top, left, bottom, right = (int(n) for n in masks.boxes[number])
    inside = np.zeros((SIDE, SIDE), np.bool_)
    in_rows, in_cols = (rows >= top) & (rows < bottom), (cols >= left) & (cols < right)
    crop = masks.crop(number)
    inside[np.ix_(in_rows, in_cols)] = crop[np.ix_(rows[in_rows] - top, cols[in_cols] - left)]
    if image is None:
        image = np.full((SIDE, SIDE, 3), WITHOUT_IMAGE, np.uint8)
    drawn = np.where(inside[..., None], image, image * OUTSIDE).astype(np.uint8)
    drawn[inside & ~ndimage.binary_erosion(inside)] = rgb(OUTLINE)
    return drawn


def picture_of_plane(
    plane: NDArray[np.generic], window: Window, limits: tuple[float, float]
) -> NDArray[np.uint8]:
    """Return a picture of a part of a plane; black outside the plane.

    Parameters
    ----------
    plane : ndarray
        (H, W) or (H, W, C).
    window : Window
        The part.
    limits : tuple of float
        Values that become black and white.

    Returns
    -------
    ndarray
        (SIDE, SIDE, 3) uint8.
    """
    rows, cols = window.indices(plane.shape)
    there = np.ix_((rows >= 0) & (rows < plane.shape[0]), (cols >= 0) & (cols < plane.shape[1]))
    part = plane[np.ix_(rows.clip(0, plane.shape[0] - 1), cols.clip(0, plane.shape[1] - 1))]
    values = part[..., None] if part.ndim == 2 else part[..., :3]
    low, high = limits
    shares = np.nan_to_num((values.astype(np.float64) - low) / max(high - low, 1e-12))
    if shares.shape[-1] == 1:
        shares = shares.repeat(3, axis=-1)
    elif shares.shape[-1] == 2:
        shares = np.concatenate([shares, np.zeros_like(shares[..., :1])], axis=-1)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[there] = (shares.clip(0, 1) * 255).astype(np.uint8)[there]
    return picture
