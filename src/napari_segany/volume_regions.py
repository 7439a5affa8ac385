"""Regions of a volume that prompts select, for Python, command line and docks alike."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.intensity import Limits
from napari_segany.errors import BlankPlaneError, InputError
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.volumes.find_maps import check_finder, find_maps
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.prompted_regions import PromptedRegions
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.models.multi_view import views_of, with_views
from napari_segany.models.protocol import PromptableModel
from napari_segany.plane_search import finder_card, quality_of_maps

FEWEST_VIEWS = 2
"""Views in which a finder sees each plane at least. By the second one nuclei and cells gain up to 3
points, and mitochondria lose (``docs/decisions/0036-propagation-by-regions.md``)."""

ReadPlane = Callable[[int], NDArray[np.generic]]
"""Read a plane by its number; raises BlankPlaneError for one that is blank."""


class VolumeRegions:
    """Looks at the planes of a volume with a finder, and keeps what it saw.

    Maps are kept in 8 bits, 0.3 MB for each plane. Regions are cut anew only with other parameters,
    so that a correction costs no look.

    Parameters
    ----------
    model : PromptableModel
        The model whose image encoder the finder reads. The finder sees planes in as many views as
        it, and in two at least.
    read : callable
        Reads a plane by its number.
    count : int
        Planes of the volume.
    limits : tuple, optional
        Intensities that become black and white; see :func:`core.intensity.to_rgb`.
    """

    def __init__(
        self,
        model: PromptableModel,
        read: ReadPlane,
        count: int,
        limits: Limits | None = None,
    ) -> None:
        self._model, self._views = with_views(model, 1), finder_views(model)
        self._read, self._count, self._limits = read, count, limits
        self._maps: dict[int, PlaneMaps | None] = {}
        self._params: FinderParams | None = None
        self._regions: PromptedRegions | None = None
        self._cut_as: object = None

    def find(
        self,
        params: PropagationParams,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> PromptedRegions:
        """Return the regions of the volume.

        Parameters
        ----------
        params : PropagationParams
            Finder, smoothing and outline.
        progress, should_stop : callable, optional
            Called with planes done and in all, if there is one to look at; polled often.

        Raises
        ------
        InputError
            If the finder is not here, does not fit the model, or all planes are blank.
        Cancelled
            If ``should_stop`` returned True.
        """
        wanted = finder_of(self._model, params.finder, self._views)
        if wanted != self._params:
            self._params, self._maps, self._regions = wanted, {}, None
        self._look(wanted, progress, should_stop)
        cut_as = params.smoothing, params.outline
        if self._regions is None or self._cut_as != cut_as:
            self._regions, self._cut_as = self._cut(wanted, params, should_stop), cut_as
        return self._regions

    def _look(
        self, wanted: FinderParams, progress: Progress | None, should_stop: ShouldStop | None
    ) -> None:
        """Look at the planes that were not seen yet."""
        missing = [plane for plane in range(self._count) if plane not in self._maps]
        for done, plane in enumerate(missing, self._count - len(missing)):
            check(should_stop)
            if progress is not None:
                progress(done, self._count)
            try:
                image = self._read(plane)
            except BlankPlaneError:
                self._maps[plane] = None
                continue
            self._maps[plane] = find_maps(
                self._model, image, wanted, limits=self._limits, should_stop=should_stop
            )

    def _cut(
        self, wanted: FinderParams, params: PropagationParams, should_stop: ShouldStop | None
    ) -> PromptedRegions:
        shape = next((maps.shape for maps in self._maps.values() if maps is not None), None)
        if shape is None:
            raise InputError("All planes of the volume are blank.")
        planes = [self._maps[plane] for plane in range(self._count)]
        return PromptedRegions(
            planes.__getitem__,
            (len(planes), *shape),
            quality_of_maps(wanted, planes).region,
            smoothing=params.smoothing,
            outline=params.outline,
            should_stop=should_stop,
        )


def finder_views(model: PromptableModel) -> int:
    """Return the views in which a finder sees planes beside a model for prompts."""
    return max(views_of(model), FEWEST_VIEWS)


def finder_of(
    model: PromptableModel, sha256: str | None, views: int = FEWEST_VIEWS
) -> FinderParams:
    """Return how a finder looks at the planes of a volume.

    A finder that learned planes of a person is shown planes as it learned them, and is used for all
    of them (``docs/decisions/0036-propagation-by-regions.md``).

    Raises
    ------
    InputError
        If the finder is not here, or does not fit the model.
    """
    resolved = check_finder(resolve_params(model, FinderParams(finder=sha256, views=views)))
    if finder_card(resolved.finder).base is None:
        return resolved
    own = FinderParams(finder=resolved.finder, finder_everywhere=True, fill_frame=True, views=views)
    return check_finder(resolve_params(model, own))
