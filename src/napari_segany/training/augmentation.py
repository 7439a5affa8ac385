"""Random views of labelled images: scale, place and orientation, with their targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segany.generators.finder import layers_for
from napari_segany.networks.finder import UNSHUFFLE, UPSCALING
from napari_segany.training.colours import degrade, jitter_colours
from napari_segany.training.targets import Targets, make_targets

CELL = UNSHUFFLE // UPSCALING
"""Pixels of the frame for each cell of the maps, a side."""

MARGIN = 64
"""Pixels of the frame around a view that its targets are computed with."""

ZOOM = (0.35, 2.0)
"""Range of scales, as factors of the one at which the image fills the frame."""

BY_OBJECTS = 0.4
"""Share of views that are scaled by their objects."""

OBJECT_SIDE = (10.0, 240.0)
"""Range of sides, in pixels of the frame, that objects are scaled to in such views."""

WIDEST_ZOOM = (0.25, 6.0)
"""Range of scales of views that are scaled by their objects."""

AS_USED_ZOOM = (0.7, 1.5)
"""Range of scales of views that are scaled as the finder is used, as factors of that scale."""

STRETCH = 0.1
"""Standard deviation of the logarithm of the stretch of a view."""

AIMED = 0.85
"""Share of views that are placed so that they contain a part of an object."""


@dataclass(frozen=True)
class ViewSize:
    """Sizes in pixels of the encoder's frame and of the part of it that a view shows.

    Attributes
    ----------
    frame : int
        Side of the frame that a whole image fills at scale 1.
    side : int
        Side of a view; a multiple of 16.
    """

    frame: int = 1024
    side: int = 512

    @property
    def cells(self) -> int:
        """Cells of the maps of a view, a side."""
        return self.side // CELL


@dataclass(frozen=True)
class View:
    """A part of an image as the encoder sees it, S pixels a side.

    Attributes
    ----------
    image : ndarray
        (S, S, 3) uint8.
    known : ndarray
        (S, S) boolean; false beyond the image, where the frame is padded.
    targets : Targets
        On the grid of S / CELL cells a side.
    """

    image: NDArray[np.uint8]
    known: NDArray[np.bool_]
    targets: Targets


@dataclass(frozen=True)
class _Place:
    """Position of a view in its image, along rows and columns.

    Attributes
    ----------
    origin : tuple of int
        First pixel of the image.
    scale : tuple of float
        Pixels of the frame for each pixel of the image.
    size : tuple of int
        Pixels of the frame that the image fills, at most the side of the view.
    """

    origin: tuple[int, int]
    scale: tuple[float, float]
    size: tuple[int, int]


def random_view(
    rgb: NDArray[np.uint8],
    labels: NDArray[np.integer],
    rng: np.random.Generator,
    view_size: ViewSize | None = None,
    background_weight: float = 1.0,
    *,
    as_used: bool = False,
) -> View:
    """Return a random view of an image and its labels.

    Parameters
    ----------
    rgb : ndarray
        (H, W, 3) uint8.
    labels : ndarray
        (H, W) ids; 0 is background, negative ids are unknown.
    rng : Generator
        Decides everything that is random.
    view_size : ViewSize, optional
        Sizes of the frame and of the view.
    background_weight : float
        Weight of background pixels; see :func:`training.targets.make_targets`.
    as_used : bool
        Scale views about as a search does, which fills the frame with a plane, or with a crop of it
        where objects are small; otherwise at any scale at which objects can be found.
    """
    sizes = view_size or ViewSize()
    side = sizes.side
    height, width = labels.shape
    object_side = _typical_side(labels)
    stretch = float(np.exp(rng.normal(0, STRETCH)))
    filling = sizes.frame / max(height, width)
    wanted = object_side * filling
    zoom = _zoom_as_used(wanted, filling, rng) if as_used else _choose_zoom(wanted, rng)
    scale = filling * zoom
    by_row, by_col = scale * stretch, scale / stretch
    top, rows = _place(height, side / by_row, _aim(labels, 0, rng), rng)
    left, cols = _place(width, side / by_col, _aim(labels, 1, rng), rng)
    part = degrade(rgb[top : top + rows, left : left + cols], object_side, rng)
    size = (min(round(rows * by_row), side), min(round(cols * by_col), side))
    scaled = np.asarray(
        Image.fromarray(np.ascontiguousarray(part)).resize(
            (size[1], size[0]), Image.Resampling.BILINEAR
        )
    )
    image = np.zeros((side, side, 3), np.uint8)
    image[: size[0], : size[1]] = jitter_colours(scaled, rng)
    known = np.zeros((side, side), bool)
    known[: size[0], : size[1]] = True
    place = _Place((top, left), (by_row, by_col), size)
    targets = _targets(labels, place, sizes, background_weight)
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


def _typical_side(labels: NDArray[np.integer]) -> float:
    """Return the side of an image's objects in its pixels: square root of the median area."""
    areas = np.bincount(labels[labels > 0])
    areas = areas[areas > 0]
    return float(np.sqrt(np.median(areas))) if len(areas) else float(max(labels.shape)) / 16


def _choose_zoom(object_side: float, rng: np.random.Generator) -> float:
    """Return a scale for objects of this side in the frame: a random one, or one for their size."""
    if rng.random() >= BY_OBJECTS:
        return float(np.exp(rng.uniform(*np.log(ZOOM))))
    wanted = float(np.exp(rng.uniform(*np.log(OBJECT_SIDE))))
    return float(np.clip(wanted / object_side, *WIDEST_ZOOM))


def _zoom_as_used(object_side: float, filling: float, rng: np.random.Generator) -> float:
    """Return a scale near the one at which a search sees objects of this side in the frame."""
    layers = layers_for(object_side, filling)
    return float(2**layers * np.exp(rng.uniform(*np.log(AS_USED_ZOOM))))


def _turn(array: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    """Rotate an (S, S, ...) array by quarter turns and mirror it if wanted."""
    turned = np.rot90(array, turns)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)


def _aim(labels: NDArray[np.integer], axis: int, rng: np.random.Generator) -> float:
    """Return a place along an axis that a view should contain, mostly one with an object."""
    inside = np.flatnonzero((labels > 0).any(axis=1 - axis))
    if len(inside) and rng.random() < AIMED:
        return float(rng.choice(inside))
    return float(rng.uniform(0, labels.shape[axis]))


def _place(length: int, wanted: float, aim: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return the first pixel and the number of pixels of a view along an axis."""
    pixels = max(round(wanted), 1)
    if pixels >= length:
        return 0, length
    start = round(aim - rng.uniform(0.1, 0.9) * pixels)
    return min(max(start, 0), length - pixels), pixels


def _targets(
    labels: NDArray[np.integer], place: _Place, sizes: ViewSize, background_weight: float
) -> Targets:
    """Return the targets of a view, computed with a margin so that objects are seen whole."""
    cells = np.arange(-MARGIN // CELL, (sizes.side + MARGIN) // CELL)
    seen, pixels = [], []
    for length, start, factor, filled in zip(
        labels.shape, place.origin, place.scale, place.size, strict=True
    ):
        at = np.floor(start + (cells + 0.5) * CELL / factor).astype(np.int64)
        exists = (at >= 0) & (at < length)
        # Where the image ends within the view, the frame is padded.
        exists &= (cells * CELL < filled) | (filled == sizes.side)
        seen.append(cells[exists])
        pixels.append(at[exists])
    grid = labels[np.ix_(*pixels)]
    area = np.bincount(np.maximum(labels, 0).ravel()) * place.scale[0] * place.scale[1]
    sides = np.where(area > 0, np.sqrt(area), np.nan)
    found = make_targets(grid, sides, np.ones(grid.shape, bool), background_weight)
    maps = np.zeros((len(found.maps), sizes.cells, sizes.cells), np.float32)
    weights = np.zeros((sizes.cells, sizes.cells), np.float32)
    sized = np.zeros((sizes.cells, sizes.cells), bool)
    rows, cols = ((each >= 0) & (each < sizes.cells) for each in seen)
    to, within = np.ix_(seen[0][rows], seen[1][cols]), np.ix_(rows, cols)
    for target, each in zip(maps, found.maps, strict=True):
        target[to] = each[within]
    weights[to], sized[to] = found.weights[within], found.sized[within]
    return Targets(maps, weights, sized)
