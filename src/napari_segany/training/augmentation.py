"""Random views of labelled images: scale, place, orientation, contrast, colour, noise, blur."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_segany.networks.finder import UNSHUFFLE, UPSCALING
from napari_segany.training.targets import Targets, make_targets

FRAME = 1024
"""Side in pixels of the frame that a whole image fills at scale 1."""

VIEW = 512
"""Side in pixels of the part of the frame that a view shows."""

CELL = UNSHUFFLE // UPSCALING
"""Pixels of the frame for each cell of the maps, a side."""

MARGIN = 64
"""Pixels of the frame around a view that its targets are computed with."""

ZOOM = (0.35, 2.0)
"""Range of scales, as factors of the one at which the image fills the frame."""


@dataclass(frozen=True)
class View:
    """A part of an image as the encoder sees it.

    Attributes
    ----------
    image : ndarray
        (VIEW, VIEW, 3) uint8.
    known : ndarray
        (VIEW, VIEW) boolean; false beyond the image, where the frame is padded.
    targets : Targets
        On the grid of VIEW / CELL cells a side.
    """

    image: NDArray[np.uint8]
    known: NDArray[np.bool_]
    targets: Targets


def random_view(
    rgb: NDArray[np.uint8], labels: NDArray[np.integer], rng: np.random.Generator
) -> View:
    """Return a random view of an (H, W, 3) image and its (H, W) labels."""
    height, width = labels.shape
    zoom = float(np.exp(rng.uniform(*np.log(ZOOM))))
    stretch = float(np.exp(rng.normal(0, 0.06)))
    scale = FRAME / max(height, width) * zoom
    by_row, by_col = scale * stretch, scale / stretch
    top, rows = _place(height, VIEW / by_row, by_row, _aim(labels, 0, rng), rng)
    left, cols = _place(width, VIEW / by_col, by_col, _aim(labels, 1, rng), rng)
    part = rgb[top : top + rows, left : left + cols]
    size = (min(round(rows * by_row), VIEW), min(round(cols * by_col), VIEW))
    scaled = np.asarray(
        Image.fromarray(np.ascontiguousarray(part)).resize(
            (size[1], size[0]), Image.Resampling.BILINEAR
        )
    )
    jittered = jitter_colours(scaled, rng)
    image = np.zeros((VIEW, VIEW, 3), np.uint8)
    image[: size[0], : size[1]] = jittered
    known = np.zeros((VIEW, VIEW), bool)
    known[: size[0], : size[1]] = True
    targets = _targets(labels, (top, left), (by_row, by_col), size)
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    return View(
        _turn(image, turns, flip),
        _turn(known, turns, flip),
        Targets(
            np.stack([_turn(each, turns, flip) for each in targets.maps]),
            _turn(targets.weights, turns, flip),
            _turn(targets.sized, turns, flip),
        ),
    )


def _turn(array: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    turned = np.rot90(array, turns)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)


def _aim(labels: NDArray[np.integer], axis: int, rng: np.random.Generator) -> float:
    """Return a place along an axis that a view should contain, mostly one with an object."""
    inside = np.flatnonzero((labels > 0).any(axis=1 - axis))
    if len(inside) and rng.random() < 0.85:
        return float(rng.choice(inside))
    return float(rng.uniform(0, labels.shape[axis]))


def _place(
    length: int, wanted: float, scale: float, aim: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Return the first pixel and the number of pixels of a view along an axis."""
    pixels = max(round(wanted), 1)
    if pixels >= length:
        return 0, length
    start = round(aim - rng.uniform(0.1, 0.9) * pixels)
    return min(max(start, 0), length - pixels), pixels


def _targets(
    labels: NDArray[np.integer],
    origin: tuple[int, int],
    scale: tuple[float, float],
    size: tuple[int, int],
) -> Targets:
    """Return the targets of a view, computed with a margin so that objects are seen whole."""
    indices, inner, known = [], [], []
    for length, start, factor, pixels in zip(labels.shape, origin, scale, size, strict=True):
        cells = np.arange(-MARGIN // CELL, (VIEW + MARGIN) // CELL)
        place = np.floor(start + (cells + 0.5) * CELL / factor).astype(np.int64)
        exists = (place >= 0) & (place < length)
        # Where the image ends within the view, the frame is padded.
        exists &= (cells * CELL < pixels) | (pixels == VIEW)
        indices.append(place[exists])
        known.append(exists & (cells >= 0) & (cells < VIEW // CELL))
        inner.append(cells[exists])
    grid = labels[np.ix_(*indices)]
    area = np.bincount(np.maximum(labels, 0).ravel()) * scale[0] * scale[1]
    sides = np.where(area > 0, np.sqrt(area), np.nan)
    found = make_targets(grid, sides, np.ones(grid.shape, bool))
    side = VIEW // CELL
    maps = np.zeros((len(found.maps), side, side), np.float32)
    weights, sized = np.zeros((side, side), np.float32), np.zeros((side, side), bool)
    rows, cols = ((each >= 0) & (each < side) for each in inner)
    place = np.ix_(inner[0][rows], inner[1][cols])
    within = np.ix_(rows, cols)
    for i, each in enumerate(found.maps):
        maps[i][place] = each[within]
    weights[place], sized[place] = found.weights[within], found.sized[within]
    return Targets(maps, weights, sized)


def jitter_colours(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an (H, W, 3) image with random contrast, colours, noise and blur."""
    x = rgb.astype(np.float32) / 255
    gray = bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())
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
    if rng.random() < 0.35:
        level = np.exp(rng.uniform(np.log(0.005), np.log(0.1))) * max(float(x.std()) * 4, 0.1)
        channels = 1 if gray else 3
        noise = rng.normal(0, level, (*x.shape[:2], channels)).astype(np.float32)
        grain = float(rng.uniform(0, 1.5))
        x = x + (ndimage.gaussian_filter(noise, (grain, grain, 0)) * (1 + 2 * grain))
    return np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8)


def _colourise(gray: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Show a gray image between two random colours, as stains and colour maps do."""
    low, high = rng.uniform(0, 1, (2, 3)).astype(np.float32)
    if rng.random() < 0.5:
        low = np.zeros(3, np.float32)
    elif rng.random() < 0.5:
        low = rng.uniform(0.75, 1, 3).astype(np.float32)
    # Colours must differ, or there is nothing to see.
    if np.abs(high - low).max() < 0.35:
        high = 1 - low
    mixed: NDArray[np.float32] = low + gray[..., None] * (high - low)
    return mixed


def _mix_channels(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Vary stains: gains and offsets of the channels, in optical density, and their mixture."""
    density = -np.log(np.clip(x, 0.02, 1))
    matrix = np.eye(3, dtype=np.float32) + rng.normal(0, 0.12, (3, 3)).astype(np.float32)
    density = density @ matrix * np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)
    mixed = np.exp(-np.clip(density, 0, None)) + rng.normal(0, 0.04, 3).astype(np.float32)
    return mixed[..., rng.permutation(3)] if rng.random() < 0.2 else mixed


def _blur(x: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(x, (sigma, sigma, 0))
    return blurred


def _coarsen(x: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Lose resolution, as an image that was enlarged has."""
    height, width = x.shape[:2]
    small = (max(1, int(width / factor)), max(1, int(height / factor)))
    image = Image.fromarray((np.clip(x, 0, 1) * 255).astype(np.uint8))
    coarse = image.resize(small, Image.Resampling.BOX).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    return np.asarray(coarse).astype(np.float32) / 255


def _shading(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a smooth (H, W) factor around 1: uneven illumination."""
    rows, cols = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    a, b, c = rng.uniform(-0.3, 0.3, 3).astype(np.float32)
    bowl = rows[:, None] ** 2 + cols[None] ** 2
    shading: NDArray[np.float32] = 1 + a * rows[:, None] + b * cols[None] - abs(c) * bowl / 2
    return np.clip(shading, 0.3, None)


def _limit_contrast(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Use part of the range of intensities: dim, bright or flat images."""
    low, high = np.percentile(x, [rng.uniform(0, 2), rng.uniform(98, 100)])
    stretched = (x - low) / max(high - low, 0.02)
    span = float(np.exp(rng.uniform(np.log(0.12), np.log(1.3))))
    offset = 0.0 if rng.random() < 0.4 else float(rng.uniform(-0.1, max(1.1 - span, -0.05)))
    limited: NDArray[np.float32] = np.clip(stretched, -0.1, 1.3) * span + offset
    return limited
