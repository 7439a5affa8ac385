"""Edge detectors that can be evaluated: SAM models, and classical detectors."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.feature import canny
from skimage.filters import gaussian, sobel

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.edges import normalised, thinned
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.models.protocol import PromptableModel
from napari_segany.zero_shot.edges import find_edges

SIGMA = 2.0
"""Standard deviation in pixels of the smoothing before gradients."""

CANNY_THRESHOLDS = tuple(0.005 * 1.16**n for n in range(40))
"""Upper thresholds, from everything is an edge to nothing is."""

CANNY_LOW = 0.4
"""Canny's lower threshold, as a fraction of the upper one."""


class EdgeDetector(Protocol):
    """Protocol of edge detectors."""

    @property
    def name(self) -> str:
        """Name in tables."""
        ...

    def edges(
        self, image: NDArray[np.generic], should_stop: ShouldStop | None = None
    ) -> NDArray[np.float32]:
        """Return thin edges of an (H, W) or (H, W, 3) plane as (H, W) in 0..1."""
        ...


class SamEdgeDetector:
    """Edge detector of a Segment Anything model.

    Parameters
    ----------
    model : PromptableModel
        Model whose edges are detected.
    limits : tuple, optional
        Intensities that become black and white.
    """

    def __init__(self, model: PromptableModel, limits: Limits | None = None) -> None:
        self.model, self.limits = model, limits
        self.name = model.id

    def edges(
        self, image: NDArray[np.generic], should_stop: ShouldStop | None = None
    ) -> NDArray[np.float32]:
        """See :class:`EdgeDetector`."""
        return find_edges(self.model, image, limits=self.limits, should_stop=should_stop)


class Sobel:
    """Gradient magnitude of the grey image, thinned like the edges of models.

    Parameters
    ----------
    sigma : float
        Pixels by which the image is smoothed first; 0 for not at all.
    """

    def __init__(self, sigma: float = 0.0) -> None:
        self.sigma = sigma
        self.name = "sobel" if not sigma else "sobel_smooth"

    def edges(
        self, image: NDArray[np.generic], should_stop: ShouldStop | None = None
    ) -> NDArray[np.float32]:
        """See :class:`EdgeDetector`."""
        check(should_stop)
        grey = rgb2gray(to_rgb(image))
        return normalised(thinned(sobel(gaussian(grey, self.sigma) if self.sigma else grey)))


class Canny:
    """Canny's detector; the strength of a pixel is the share of thresholds that make it an edge."""

    name = "canny"

    def edges(
        self, image: NDArray[np.generic], should_stop: ShouldStop | None = None
    ) -> NDArray[np.float32]:
        """See :class:`EdgeDetector`."""
        grey = rgb2gray(to_rgb(image))
        out = np.zeros(grey.shape, np.float32)
        for high in CANNY_THRESHOLDS:
            check(should_stop)
            out += canny(grey, SIGMA, low_threshold=CANNY_LOW * high, high_threshold=high)
        out /= len(CANNY_THRESHOLDS)
        return out


EDGE_BASELINES: Mapping[str, EdgeDetector] = MappingProxyType(
    {each.name: each for each in (Sobel(), Sobel(SIGMA), Canny())}
)
"""Classical edge detectors by name."""
