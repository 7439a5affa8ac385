"""Classical baselines that see the image only: nothing in them is fitted to labels or set by hand.

Both decide by one fixed rule whether objects are bright or dark: Otsu's threshold parts the pixels,
and the smaller part is the objects. All lengths are in pixels, and constants are the same for every
image.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

SMOOTH = 1.0
"""Gaussian before any threshold."""

SMALLEST = 20
"""Smaller objects are left out by :func:`otsu_watershed`."""

APART = 5
"""Least distance between two seeds of :func:`otsu_watershed`."""

NEIGHBOURHOOD = 25.0
"""Gaussian of the local mean of :func:`diameter_watershed`."""

CONTRAST = 0.25
"""Standard deviations of the image by which an object exceeds its local mean."""


def otsu_watershed(rgb: np.ndarray) -> np.ndarray:
    """(H, W) labels: Otsu's threshold, then a watershed from peaks of the distance transform."""
    bright = as_bright_objects(rgb)
    foreground = bright > threshold_otsu(bright) if np.ptp(bright) else np.zeros(bright.shape, bool)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), SMOOTH)
    return grow_seeds(depth, foreground, APART, SMALLEST)


def diameter_watershed(rgb: np.ndarray) -> np.ndarray:
    """(H, W) labels: local threshold, and seeds at the spacing of the image's own diameter.

    The diameter is that of :func:`estimate_diameter`. Parts of less than a sixteenth of a circle of
    it are no objects. This is the classical counterpart of a network that is told one diameter an
    image, with the diameter estimated without labels.
    """
    bright = as_bright_objects(rgb)
    local = ndimage.gaussian_filter(bright, NEIGHBOURHOOD)
    foreground = bright > local + CONTRAST * bright.std()
    foreground = ndimage.binary_fill_holes(ndimage.binary_opening(foreground))
    depth = ndimage.distance_transform_edt(foreground)
    diameter = estimate_diameter(depth)
    smooth = ndimage.gaussian_filter(depth, diameter / 8)
    least = np.pi * diameter**2 / 4 / 16
    return grow_seeds(smooth, foreground, max(round(diameter / 2), 1), least)


def as_bright_objects(rgb: np.ndarray) -> np.ndarray:
    """(H, W) float gray image, smoothed, and inverted if the smaller part of it is dark."""
    gray = ndimage.gaussian_filter(rgb.astype(np.float64).mean(axis=2), SMOOTH)
    if not np.ptp(gray):
        return gray
    return gray if np.mean(gray > threshold_otsu(gray)) <= 0.5 else -gray


def estimate_diameter(depth: np.ndarray) -> float:
    """Diameter of the discs that fill the foreground, at least 4.

    Peaks of the distance to the background are the discs' radii. Half of the area that all of them
    cover is that of discs of this diameter or larger, so specks of noise hardly count.
    """
    peaks = np.sort(depth[(depth > 1) & (depth == ndimage.maximum_filter(depth, 5))])
    if not len(peaks):
        return 4.0
    covered = np.cumsum(peaks**2)
    return max(2 * float(peaks[np.searchsorted(covered, covered[-1] / 2)]), 4.0)


def grow_seeds(depth: np.ndarray, foreground: np.ndarray, apart: int, least: float) -> np.ndarray:
    """(H, W) int32 labels grown from peaks of ``depth`` at least ``apart`` from each other."""
    seeds = np.zeros(depth.shape, np.int32)
    parts, _ = ndimage.label(foreground)
    peaks = peak_local_max(depth, min_distance=apart, labels=parts, exclude_border=False)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, seeds, mask=foreground)
    small = np.bincount(labels.ravel()) < least
    labels[small[labels]] = 0
    return labels


CLASSICAL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "otsu": otsu_watershed,
    "diameter": diameter_watershed,
}
"""Baselines by name; each turns (H, W, 3) uint8 into labels."""
