"""Random changes of an image's colours: contrast, stains, illumination, noise and blur."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SMALLEST_SIDE = 7.0
"""Side in pixels to which objects may shrink when resolution is lost."""

PHOTONS = (3.0, 150.0)
"""Range of the photons that a camera counts in the brightest pixels of images with little light."""


def degrade(
    rgb: NDArray[np.uint8], object_side: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return an image as a poorer camera would have taken it: fewer pixels, and noise of its own.

    Small images are enlarged before the encoder sees them, and their noise with them: it is then as
    large as a small object, which noise that is added at the frame's scale never is.

    Parameters
    ----------
    rgb : ndarray
        (H, W, 3) uint8.
    object_side : float
        Side of the image's objects in its pixels, which limits how many are lost.
    rng : Generator
        Decides everything that is random.

    Returns
    -------
    ndarray
        (h, w, 3) uint8 with at most as many pixels.
    """
    poorer = rgb
    most = object_side / SMALLEST_SIDE
    if most > 1 and rng.random() < 0.35:
        factor = float(np.exp(rng.uniform(0, np.log(min(most, 8)))))
        height, width = (max(1, round(length / factor)) for length in rgb.shape[:2])
        poorer = np.asarray(
            Image.fromarray(np.ascontiguousarray(rgb)).resize((width, height), Image.Resampling.BOX)
        )
    if rng.random() < 0.3:
        x: NDArray[np.floating] = poorer.astype(np.float32) / 255
        if rng.random() < 0.3:
            x = _blur(x, float(rng.uniform(0.4, 1.2)))
        x = _add_noise(x, 1 if _is_gray(rgb) else 3, rng)
        poorer = np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8)
    elif rng.random() < 0.2:
        x = _count_photons(poorer.astype(np.float32) / 255, _is_gray(rgb), rng)
        poorer = np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8)
    return poorer


def _is_gray(rgb: NDArray[np.uint8]) -> bool:
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())


def jitter_colours(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image with random contrast, colours, illumination, noise and blur.

    Parameters
    ----------
    rgb : ndarray
        (H, W, 3) uint8. Images without colour mostly stay without.
    rng : Generator
        Decides everything that is random.

    Returns
    -------
    ndarray
        (H, W, 3) uint8.
    """
    x: NDArray[np.floating] = rgb.astype(np.float32) / 255
    gray = _is_gray(rgb)
    if rng.random() < 0.15:
        x = 1 - x
    if rng.random() < 0.5:
        x = np.clip(x, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.4)))
    if gray:
        x = _colourise(x[..., 0], rng) if rng.random() < 0.2 else x
    elif rng.random() < 0.25:
        weights = rng.dirichlet(np.ones(3)).astype(np.float32)
        x = np.repeat((x @ weights)[..., None], 3, axis=-1)
    elif rng.random() < 0.6:
        x = _mix_channels(x, rng)
    if rng.random() < 0.25:
        x = _blur(x, float(rng.uniform(0.5, 2.5)))
    elif rng.random() < 0.15:
        x = _coarsen(x, float(rng.uniform(1.5, 4)))
    if rng.random() < 0.2:
        x = x * _shading(x.shape[:2], rng)[..., None]
    if rng.random() < 0.5:
        x = _limit_contrast(x, rng)
    if rng.random() < 0.25:
        x = _add_noise(x, 1 if gray else 3, rng)
    jittered: NDArray[np.uint8] = np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8)
    return jittered


def _colourise(gray: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """Show a gray image between two random colours, as stains and colour maps do."""
    low, high = rng.uniform(0, 1, (2, 3)).astype(np.float32)
    if rng.random() < 0.5:
        low = np.zeros(3, np.float32)
    elif rng.random() < 0.5:
        low = rng.uniform(0.75, 1, 3).astype(np.float32)
    # Colours must differ, or there is nothing to see.
    if np.abs(high - low).max() < 0.35:
        high = 1 - low
    mixed: NDArray[np.floating] = low + gray[..., None] * (high - low)
    return mixed


def _mix_channels(x: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """Vary stains: gains and offsets of the channels, in optical density, and their mixture."""
    density = -np.log(np.clip(x, 0.02, 1))
    matrix = np.eye(3, dtype=np.float32) + rng.normal(0, 0.12, (3, 3)).astype(np.float32)
    density = density @ matrix * np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)
    mixed: NDArray[np.floating] = np.exp(-np.clip(density, 0, None)) + rng.normal(
        0, 0.04, 3
    ).astype(np.float32)
    if rng.random() < 0.2:
        mixed = mixed[..., rng.permutation(3)]
    return mixed


def _add_noise(
    x: NDArray[np.floating], channels: int, rng: np.random.Generator
) -> NDArray[np.floating]:
    """Add Gaussian noise of random strength and grain, the same for all channels or not."""
    strength = np.exp(rng.uniform(np.log(0.005), np.log(0.1)))
    level = strength * max(float(x.std()) * 4, 0.1)
    noise = rng.normal(0, level, (*x.shape[:2], channels)).astype(np.float32)
    grain = float(rng.uniform(0, 1.5))
    # Smoothing makes noise weaker, which the factor undoes in part.
    noisy: NDArray[np.floating] = x + ndimage.gaussian_filter(noise, (grain, grain, 0)) * (
        1 + 2 * grain
    )
    return noisy


def _count_photons(
    x: NDArray[np.floating], gray: bool, rng: np.random.Generator
) -> NDArray[np.floating]:
    """Return an image as few photons show it: brighter pixels are noisier (Poisson's law)."""
    brightest = float(np.exp(rng.uniform(*np.log(PHOTONS))))
    # All channels of an image without colour are one count.
    seen = x[..., :1] if gray else x
    counted = rng.poisson(np.clip(seen, 0, 1) * brightest).astype(np.float32) / brightest
    noisy: NDArray[np.floating] = np.broadcast_to(counted, x.shape)
    return noisy


def _blur(x: NDArray[np.floating], sigma: float) -> NDArray[np.floating]:
    blurred: NDArray[np.floating] = ndimage.gaussian_filter(x, (sigma, sigma, 0))
    return blurred


def _coarsen(x: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    """Lose resolution, as an image that was enlarged has."""
    height, width = x.shape[:2]
    small = (max(1, int(width / factor)), max(1, int(height / factor)))
    image = Image.fromarray((np.clip(x, 0, 1) * 255).astype(np.uint8))
    coarse = image.resize(small, Image.Resampling.BOX).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    return np.asarray(coarse).astype(np.float32) / 255


def _shading(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.floating]:
    """Return a smooth (H, W) factor around 1: uneven illumination."""
    rows, cols = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    a, b, c = rng.uniform(-0.3, 0.3, 3).astype(np.float32)
    bowl = rows[:, None] ** 2 + cols[None] ** 2
    factor = 1 + a * rows[:, None] + b * cols[None] - abs(c) * bowl / 2
    shading: NDArray[np.floating] = np.clip(factor, 0.3, None)
    return shading


def _limit_contrast(x: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    """Use part of the range of intensities: dim, bright or flat images."""
    low, high = np.percentile(x, [rng.uniform(0, 2), rng.uniform(98, 100)])
    stretched = (x - low) / max(high - low, 0.02)
    span = float(np.exp(rng.uniform(np.log(0.12), np.log(1.3))))
    offset = 0.0 if rng.random() < 0.4 else float(rng.uniform(-0.1, max(1.1 - span, -0.05)))
    limited: NDArray[np.floating] = np.clip(stretched, -0.1, 1.3) * span + offset
    return limited
