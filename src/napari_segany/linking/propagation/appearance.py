"""Looks of an object: its embedding and its brightness, beside those of its surroundings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.linking.propagation.compare import RING, Ring, sample_around, sample_inside
from napari_segany.models.protocol import EmbeddedCrop, Embedding

LEAST_CONTRAST = 0.3
"""Difference between object and surroundings, in parts of their pixels, from which on brightness
tells them apart."""

BRIGHTNESS_WEIGHT = 2 / 3
"""Weight of brightness in the similarity, where the image is known. Across planes of a volume it is
the surer sign: the encoder sees the context, which goes on where an object ends."""

LEAST_STEP = 0.2
"""Difference of brightness between an object and its surroundings, in standard deviations, from
which on it can be compared with that on other planes."""

RINGS: tuple[Ring, ...] = ((0.0, 0.4), (0.2, 1.0), RING)
"""Surroundings that brightness is compared with: those that differ most from the object. Around
cells it is the wall, around what is blurred the background further away."""

CONTEXT_PIXELS = 4000
"""Pixels whose brightness is looked at, at most."""


@dataclass(frozen=True, eq=False)
class PlaneView:
    """One plane as propagation sees it.

    Attributes
    ----------
    embedding : Embedding
        Of the plane.
    image : ndarray, optional
        (Y, X) or (Y, X, 3), with the same scale of intensities on all planes. Without it, only
        the embedding says where an object ends.
    """

    embedding: Embedding
    image: NDArray[np.generic] | None = None

    def values(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (P, C) intensities at (P, 2) row, column; no columns without an image."""
        if self.image is None:
            return np.zeros((len(places), 0))
        rows, cols = np.rint(places).astype(np.intp).T
        values: NDArray[np.float64] = self.image[rows, cols].astype(np.float64)
        return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True, eq=False)
class Contrast:
    """A direction in which pixels of an object differ from those of its surroundings.

    Attributes
    ----------
    direction : ndarray
        (C,) from the surroundings to the object.
    middle : float
        Projection half way between both.
    inside, outside : float
        Part of the pixels of the object and of its surroundings on the side of the object, 0..1.
    """

    direction: NDArray[np.float64]
    middle: float
    inside: float
    outside: float

    @classmethod
    def between(cls, inside: NDArray[np.float64], outside: NDArray[np.float64]) -> "Contrast":
        """Return the contrast between (P, C) and (Q, C) values; none if either is empty."""
        if not (inside.size and outside.size):
            return cls(np.zeros(inside.shape[1]), 0.0, 0.0, 0.0)
        one, two = inside.mean(axis=0), outside.mean(axis=0)
        direction = one - two
        middle = float((one + two) @ direction / 2)
        sides = (float(np.mean(each @ direction > middle)) for each in (inside, outside))
        return cls(direction, middle, *sides)

    @property
    def strength(self) -> float:
        """Difference between object and surroundings, in parts of their pixels."""
        return self.inside - self.outside

    @property
    def tells(self) -> bool:
        """True if the object can be told from its surroundings."""
        return self.strength >= LEAST_CONTRAST

    def likeness(self, values: NDArray[np.float64]) -> float:
        """Return 1 for (P, C) values like the object's, 0 for those of its surroundings."""
        share = float(np.mean(values @ self.direction > self.middle))
        return min(1.0, max(0.0, (share - self.outside) / self.strength))

    def level(self, values: NDArray[np.float64]) -> float:
        """Return 1 for the mean of the object, 0 for that of its surroundings, beyond 0..1 too.

        The likeness counts pixels and stays 0 inside of a wall. This goes on to its middle.
        """
        distance = float(np.mean(values @ self.direction)) - self.middle
        return distance / max(float(self.direction @ self.direction), 1e-12) + 0.5


@dataclass(frozen=True, eq=False)
class Appearance:
    """The looks of an object on a plane.

    Attributes
    ----------
    embedded, brightness : Contrast
        Of the embedding's features, scaled to length 1, and of the intensities.
    step : float
        Difference of mean brightness between object and surroundings, in standard deviations.
    """

    embedded: Contrast
    brightness: Contrast
    step: float = 0.0

    @classmethod
    def of(cls, mask: MaskSet, view: PlaneView, prepared: EmbeddedCrop) -> "Appearance":
        """Return the looks of a set of one mask on a plane that is prepared for prompts."""
        features = [
            _unit(prepared.features_at(places)) if len(places) else np.zeros((0, 1))
            for places in (sample_inside(mask), sample_around(mask))
        ]
        inside = view.values(sample_inside(mask, CONTEXT_PIXELS))
        around = [view.values(sample_around(mask, CONTEXT_PIXELS, ring)) for ring in RINGS]
        brightness = max(
            (Contrast.between(inside, each) for each in around), key=lambda each: each.strength
        )
        return cls(Contrast.between(*features), brightness, _step(inside, around[-1]))

    def similarity(self, mask: MaskSet, features: NDArray[np.float32], view: PlaneView) -> float:
        """Return how much a mask on another plane looks like the object.

        Parameters
        ----------
        mask : MaskSet
            One mask, not empty.
        features : ndarray
            (P, C) of the embedding at pixels of the mask.
        view : PlaneView
            The other plane.

        Returns
        -------
        float
            1 as on its own plane, 0 as the surroundings there. What does not tell them apart there
            counts as 1.
        """
        embedded = self.embedded.likeness(_unit(features)) if self.embedded.tells else 1.0
        if view.image is None:
            return embedded
        values = view.values(sample_inside(mask, CONTEXT_PIXELS))
        bright = self.brightness.likeness(values) if self.brightness.tells else 1.0
        return BRIGHTNESS_WEIGHT * bright + (1 - BRIGHTNESS_WEIGHT) * embedded

    def level(self, mask: MaskSet, view: PlaneView) -> float:
        """Return the mean brightness in a mask on another plane, 1 as the object's own.

        Returns
        -------
        float
            0 as the surroundings on its own plane, beyond 0..1 too. 1 where brightness does not
            tell the object from them, or is not known.
        """
        if view.image is None or not (self.brightness.tells and mask.area[0]):
            return 1.0
        return self.brightness.level(view.values(sample_inside(mask, CONTEXT_PIXELS)))

    def relative_step(self, mask: MaskSet, view: PlaneView) -> float:
        """Return the step of brightness at the border of a mask on another plane.

        Returns
        -------
        float
            1 as on the object's own plane, 0 without a step, negative where it is the other way
            round; -1..1.5. 1 where there is none on its own plane.
        """
        if abs(self.step) < LEAST_STEP:
            return 1.0
        return float(np.clip(_step(*_values(mask, view)) / self.step, -1.0, 1.5))


def _values(mask: MaskSet, view: PlaneView) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (P, C) intensities inside a mask, and (Q, C) around it."""
    inside, around = sample_inside(mask, CONTEXT_PIXELS), sample_around(mask, CONTEXT_PIXELS)
    return view.values(inside), view.values(around)


def _step(inside: NDArray[np.float64], around: NDArray[np.float64]) -> float:
    if not (inside.size and around.size):
        return 0.0
    one, two = inside.mean(axis=1), around.mean(axis=1)
    return float((one.mean() - two.mean()) / (np.sqrt(one.var() + two.var()) + 1e-6))


def _unit(features: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = features.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: NDArray[np.float64] = wide / np.maximum(length, 1e-12)
    return unit
