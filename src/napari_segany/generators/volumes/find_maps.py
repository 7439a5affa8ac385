"""Search of one plane for the maps of its objects."""

from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.errors import InputError
from napari_segany.generators.finder_params import FinderParams, require_finder
from napari_segany.generators.finder_views import with_mirror_views
from napari_segany.generators.plane_finder import choose_finder
from napari_segany.generators.point_grids import crop_layers
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.small_planes import continue_plane, is_small
from napari_segany.generators.volumes.plane_maps import NAMES, PlaneMaps, as_maps
from napari_segany.models.finder import CELL, FinderModel, ObjectMaps
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.searching import searching_model

Value = TypeVar("Value", bound=np.generic)

_sides: "WeakKeyDictionary[PromptableModel, int]" = WeakKeyDictionary()
"""Side of the frame of each model in pixels."""

STEPS = 100
"""Steps of a plane that are reported, as many as the finder reports."""


def find_maps(
    model: PromptableModel,
    plane: ArrayLike,
    params: GeneratorParams,
    *,
    limits: Limits | None = None,
    region: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> PlaneMaps:
    """Return the maps of all objects of a plane.

    A small plane is seen in the smaller scale alone, or fills the frame if the parameters say so. A
    plane is seen as a whole, or in the crops
    of the last layer if the parameters ask for layers.

    Parameters
    ----------
    model : PromptableModel
        The model whose image encoder the finder reads.
    plane : array_like
        (Y, X) or (Y, X, 3) of any boolean, integer or real floating type.
    params : FinderParams
        The finder, the layers of crops, and the views; the rest is about masks.
    limits : tuple, optional
        Intensities that become black and white; see :func:`core.intensity.to_rgb`.
    region : ndarray, optional
        (H, W) boolean; there is no object outside of it.
    progress, should_stop : callable, optional
        Called with steps done and in all; polled often.

    Raises
    ------
    InputError
        If the parameters are not those of the finder, or the plane holds no image.
    Cancelled
        If ``should_stop`` returned True.
    """
    rgb, own = to_rgb(plane, limits), searching_model(model)
    if own is not None:
        ways: Any = {"region": region, "progress": progress, "should_stop": should_stop}
        return PlaneMaps.from_bytes(own.search_maps(rgb, check_finder(params), **ways))
    search = _Search(model, check_finder(params), should_stop)
    layers = check_finder(params).crop_n_layers or 0
    if layers:
        found = search.look_at_crops(rgb, layers, check_finder(params).crop_overlap_ratio, progress)
    else:
        found = search.look(rgb)
    if region is not None:
        found.values[0] *= _cells(region, found.step)
    if progress is not None:
        progress(STEPS, STEPS)
    return found


def check_finder(params: GeneratorParams) -> FinderParams:
    """Return the parameters of the finder; raise InputError for another generator's."""
    if not isinstance(params, FinderParams):
        raise InputError(
            f"Maps are predicted by the finder, and the strategy is {params.strategy!r}; choose "
            "the strategy 'finder', or link masks."
        )
    return params


def _cells(values: NDArray[Value], step: int) -> NDArray[Value]:
    """Return the pixels in the middle of cells."""
    rows, cols = (
        np.minimum(np.arange(0, length, step) + step // 2, length - 1) for length in values.shape
    )
    return values[np.ix_(rows, cols)]


class _Search:
    """A finder that looks at planes and crops."""

    def __init__(
        self, model: PromptableModel, params: FinderParams, should_stop: ShouldStop | None
    ) -> None:
        self.model, self.params, self.should_stop = model, params, should_stop
        self.named = require_finder(model, params.finder)

    def look(self, rgb: NDArray[np.uint8]) -> PlaneMaps:
        """Return the maps of a whole plane."""
        shape = (rgb.shape[0], rgb.shape[1])
        side = _sides.get(self.model, 0)
        seen = continue_plane(rgb, side) if self._continues(shape, side) else rgb
        embedding = self._embed(seen)
        finder = choose_finder(self.model, self.params, embedding)
        maps = self._predict(finder, embedding, seen)
        if not side:
            # Known from the first plane on, which is seen twice if it is small.
            side = _sides[self.model] = maps.frame.side
            if self._continues(shape, side):
                return self.look(rgb)
        scale = side / max(seen.shape[:2])
        step = max(1, int(CELL / scale))
        rows, cols = (-(-length // step) for length in shape)
        parts = [_cells(maps.enlarge(getattr(maps, name)), step) for name in NAMES]
        parts = [each[:rows, :cols] for each in parts]
        return _pack(shape, step, step * scale, parts, finder is not self.named)

    def _continues(self, shape: tuple[int, int], side: int) -> bool:
        """Return True if a plane is shown at a smaller scale, continued beyond its edges."""
        return not self.params.fill_frame and is_small(shape, side)

    def look_at_crops(
        self, rgb: NDArray[np.uint8], layers: int, overlap: float, progress: Progress | None
    ) -> PlaneMaps:
        """Return the maps of a plane from those of crops, blended where they overlap."""
        shape = (rgb.shape[0], rgb.shape[1])
        boxes = [box for layer, box in crop_layers(shape, layers, overlap) if layer == layers]
        sums, weights = np.zeros((len(NAMES), *shape), np.float32), np.zeros(shape, np.float32)
        finder, scale = self.named, 1.0
        if finder.card.gate is not None:
            finder = choose_finder(self.model, self.params, self._embed(rgb))
        for number, (a, b, c, d) in enumerate(boxes):
            check(self.should_stop)
            if progress is not None:
                progress(int(STEPS * number / len(boxes)), STEPS)
            crop = rgb[a:c, b:d]
            embedding = self._embed(crop)
            maps = self._predict(finder, embedding, crop)
            scale = maps.frame.side / max(crop.shape[:2])
            weight = _taper(c - a, d - b)
            weights[a:c, b:d] += weight
            for total, name in zip(sums, NAMES, strict=True):
                total[a:c, b:d] += weight * maps.enlarge(getattr(maps, name))
        step = max(1, int(CELL / scale))
        parts = [_cells(each / weights, step) for each in sums]
        return _pack(shape, step, step * scale, parts, finder is not self.named)

    def _embed(self, rgb: NDArray[np.uint8]) -> Embedding:
        return self.model.embed(rgb, stages=True, should_stop=self.should_stop)

    def _predict(
        self, finder: FinderModel, embedding: Embedding, rgb: NDArray[np.uint8]
    ) -> ObjectMaps:
        """Return the maps of a plane, or the mean of several views of it."""
        maps = finder.predict_maps(embedding, rgb, should_stop=self.should_stop)
        views, stop = self.params.views or 1, self.should_stop
        return with_mirror_views(maps, views, self.model, finder, rgb, stop)


def _taper(height: int, width: int) -> NDArray[np.float32]:
    """Return the weight of a crop's pixels, which falls towards its border."""
    rows, cols = (np.minimum(np.arange(n) + 1, n - np.arange(n)) for n in (height, width))
    weight: NDArray[np.float32] = np.minimum(rows[:, None], cols).astype(np.float32)
    return weight


def _pack(
    shape: tuple[int, int],
    step: int,
    side: float,
    parts: list[NDArray[np.float32]],
    by_base: bool,
) -> PlaneMaps:
    return PlaneMaps.pack(shape, step, side, as_maps(np.stack(parts)), by_base)
