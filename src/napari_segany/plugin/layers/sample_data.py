"""Sample data that needs no network."""

from typing import Any

import numpy as np
from scipy import ndimage
from skimage import data


def coins() -> list[tuple[Any, dict[str, Any], str]]:
    """Return coins, (303, 384) uint8, from scikit-image."""
    return [(data.coins(), {"name": "coins"}, "image")]


def tissue() -> list[tuple[Any, dict[str, Any], str]]:
    """Return stained tissue, (512, 512) RGB, from scikit-image."""
    return [(data.immunohistochemistry(), {"name": "tissue", "rgb": True}, "image")]


def cells() -> list[tuple[Any, dict[str, Any], str]]:
    """Return a synthetic stack of round cells, (12, 256, 256) uint16, anisotropic."""
    random = np.random.default_rng(0)
    z, y, x = np.mgrid[:12, :256, :256].astype(np.float32)
    stack = np.zeros(z.shape, np.float32)
    for _ in range(40):
        centre = random.uniform([1, 12, 12], [11, 244, 244])
        radius = random.uniform(9, 16)
        distance = (3 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
        stack = np.maximum(stack, random.uniform(0.5, 1) * (distance < radius**2))
    blurred = ndimage.gaussian_filter(stack, (0.5, 2, 2))
    noisy = 200 + 3000 * blurred + random.normal(0, 60, stack.shape)
    shown = {"name": "cells", "scale": (3.0, 1.0, 1.0)}
    return [(noisy.clip(0, 65535).astype(np.uint16), shown, "image")]
