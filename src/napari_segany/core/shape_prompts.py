"""Conversion of drawn shapes to prompts: boxes, outlines, scribbles."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from skimage import draw as drawing

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import SAME_PLACE, Prompt

SCRIBBLE_POINTS = 8
"""Number of points that a line or a path is sampled at."""


@dataclass
class ShapePrompt:
    """Points and shapes drawn for one object in one plane.

    Attributes
    ----------
    points : list
        Row and column of each point.
    signs : list of int
        1 for points on the object, 0 for points off it.
    box : list of float or None
        row_min, col_min, row_max, col_max through the centres of the outermost pixels; of a
        rectangle, or around an outline.
    outline : ndarray or None
        (N, 2) polygon around the object.
    """

    points: list[list[float]] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    box: list[float] | None = None
    outline: NDArray[np.float64] | None = None

    def prompt(self, shape: tuple[int, int], region: MaskSet | None = None) -> Prompt:
        """Return the prompt for a plane of ``shape``; ``region`` is its mask without an outline."""
        if self.outline is not None:
            filled = MaskSet.from_masks(drawing.polygon2mask(shape, self.outline)[None])
            region = filled if filled.area[0] else region
        return Prompt(self.points, self.signs or None, self.box, region)

    def keep_order_of(self, before: Prompt) -> None:
        """Put points that the previous prompt has first, in its order, and keep its box if equal.

        Points of a layer come before those of shapes. Without this order, a click that follows a
        scribble would come first, and the candidate of the scribble would not be refined.
        """
        if self.box is not None and before.box is not None and _near(self.box, before.box):
            self.box = before.box.tolist()
        if before.points is None or before.labels is None:
            return
        left, known = list(zip(self.points, self.signs, strict=True)), []
        for spot, on in zip(before.points.tolist(), before.labels.tolist(), strict=True):
            same = (k for k, (at, sign) in enumerate(left) if sign == on and _near(at, spot))
            if (k := next(same, None)) is not None:
                del left[k]
                known.append((spot, on))
        self.points = [at for at, _ in (*known, *left)]
        self.signs = [sign for _, sign in (*known, *left)]

    def add(self, other: "ShapePrompt") -> None:
        """Add the points of another drawing; its box replaces the present one."""
        self.points += other.points
        self.signs += other.signs
        if other.box is not None:
            self.box, self.outline = other.box, other.outline

    @property
    def empty(self) -> bool:
        """True if there is neither a point nor a box."""
        return not self.points and self.box is None


def _near(one: Iterable[float], other: Iterable[float]) -> bool:
    return all(abs(a - b) < SAME_PLACE for a, b in zip(one, other, strict=True))


def inside(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a (N,) mask of the (N, 2) positions that lie in a plane of ``shape``."""
    within = (points >= -0.5) & (points <= np.asarray(shape) - 0.5)
    return np.asarray(within.all(axis=1))


def prompts_of_shape(
    kind: str, spots: NDArray[np.float64], sign: int, shape: tuple[int, int]
) -> ShapePrompt:
    """Return the prompt that a napari shape stands for.

    Parameters
    ----------
    kind : str
        Shape type of napari.
    spots : ndarray
        (N, 2) row and column of its vertices.
    sign : int
        1 if points of a scribble are on the object.
    shape : tuple of int
        (H, W) of the plane.
    """
    sketch = ShapePrompt()
    if kind in ("line", "path"):
        spots = _along(spots)
        spots = spots[inside(spots, shape)]
        sketch.points, sketch.signs = spots.tolist(), [sign] * len(spots)
        return sketch
    limit = np.asarray(shape) - 1
    low, high = np.clip(spots.min(axis=0), 0, limit), np.clip(spots.max(axis=0), 0, limit)
    if (high - low > SAME_PLACE).all():
        sketch.box = [*low.tolist(), *high.tolist()]
        if kind != "rectangle" or not _upright(spots):
            sketch.outline = ellipse(spots) if kind == "ellipse" else spots
    return sketch


def _along(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points at equal distances along a path, including its ends."""
    steps = np.linalg.norm(np.diff(vertices, axis=0), axis=1)
    place = np.concatenate([[0], np.cumsum(steps)])
    if place[-1] == 0:
        return vertices[:1]
    at = np.linspace(0, place[-1], SCRIBBLE_POINTS)
    return np.stack([np.interp(at, place, vertices[:, k]) for k in range(2)], axis=1)


def _upright(vertices: NDArray[np.float64]) -> bool:
    """Return True if four corners are those of a box along the axes."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    slack = 1e-6 * max(float((high - low).max()), 1)
    near = (np.abs(vertices - low) < slack) | (np.abs(vertices - high) < slack)
    return bool(near.all())


def ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the polygon of the ellipse in a rectangle of four corners, rotated or not."""
    middle = corners.mean(axis=0)
    one, other = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    polygon: NDArray[np.float64] = middle + np.cos(angle) * one + np.sin(angle) * other
    return polygon


NEGATIVE_WORDS = frozenset({"negative", "-", "0", "0.0", "false"})
SIGN_WORDS = NEGATIVE_WORDS | {"positive", "+", "1", "1.0", "true", "", "nan"}


def sign_of(word: object) -> int:
    """Return 1 if a word marks a point as on its object, 0 if as off it."""
    return int(str(word).strip().lower() not in NEGATIVE_WORDS)


def are_signs(words: Iterable[object]) -> bool:
    """Return True if all entries of a column are signs, and not ids of objects."""
    return {str(word).strip().lower() for word in words} <= SIGN_WORDS
