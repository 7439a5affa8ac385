"""Who can be asked for edges: our models, and the classical detectors."""

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
"""Pixels by which images are smoothed before their slope is taken."""

CANNY_THRESHOLDS = tuple(0.005 * 1.16**n for n in range(40))
"""Upper thresholds, from where everything is an edge to where nothing is."""

CANNY_LOW = 0.4
"""Canny's lower threshold, as a fraction of the upper one."""


class EdgeFinder(Protocol):
    """Draws edge maps."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def edges(
        self, image: NDArray[np.generic], should_stop: ShouldStop | None = None
    ) -> NDArray[np.float32]:
        """(H, W), 0..1, thin, of an (H, W) or (H, W, 3) plane."""
        ...


class SamEdges:
    """A Segment Anything model.

    Parameters
    ----------
    model : PromptableModel
        Who is asked.
    limits : tuple, optional
        Intensities that become black and white.
    """

    def __init__(self, model: PromptableModel, limits: Limits | None = None) -> None:
        self.model, self.limits = model, limits
        self.name = model.id

    def edges(
        self, image: NDArray[np.generic], should_stop: ShouldStop | None = None
    ) -> NDArray[np.float32]:
        """See :class:`EdgeFinder`."""
        return find_edges(self.model, image, limits=self.limits, should_stop=should_stop)


class Sobel:
    """The slope of the grey image, thinned as our edges are.

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
        """See :class:`EdgeFinder`."""
        check(should_stop)
        grey = rgb2gray(to_rgb(image))
        return normalised(thinned(sobel(gaussian(grey, self.sigma) if self.sigma else grey)))


class Canny:
    """Canny's detector; a pixel is the stronger the more thresholds find it to be an edge."""

    name = "canny"

    def edges(
        self, image: NDArray[np.generic], should_stop: ShouldStop | None = None
    ) -> NDArray[np.float32]:
        """See :class:`EdgeFinder`."""
        grey = rgb2gray(to_rgb(image))
        out = np.zeros(grey.shape, np.float32)
        for high in CANNY_THRESHOLDS:
            check(should_stop)
            out += canny(grey, SIGMA, low_threshold=CANNY_LOW * high, high_threshold=high)
        out /= len(CANNY_THRESHOLDS)
        return out


EDGE_BASELINES: Mapping[str, EdgeFinder] = MappingProxyType(
    {each.name: each for each in (Sobel(), Sobel(SIGMA), Canny())}
)
"""Classical detectors by name."""
