"""Labels layer of the Everything dock with the objects of a volume, which can be filtered again.

The module needs no Qt.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane, plane_slices
from napari_segany.errors import InputError
from napari_segany.generators.generate import resolve_params
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.volumes.find_maps import check_finder, find_maps
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.linking.link_params import LinkParams
from napari_segany.models.protocol import PromptableModel
from napari_segany.plane_search import PlaneParts, Volume, candidates_of, make_volume
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.jobs.failures import PlaneFailures
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.edit_watch import EditWatch
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.metadata import METADATA
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.recipe import Recipe
from napari_segany.segmentation import make_recipe

FILTERS = ("min_planes", "min_volume", "min_mean_score")
"""Parameters of linking that only leave out objects."""

Made = tuple[Volume, Volume, NDArray[np.int32]]
"""All objects of a volume, those that are left, and their (planes, H, W) labels."""


class VolumeLayer:
    """Layer with the objects of the volume that is in view of a controller.

    Parameters
    ----------
    controller : EverythingController
        Controller whose image, masks, model and jobs are used.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        The labels that were made last.
    remaining : list of tuple
        Planes whose maps are still to be predicted.
    shown : Signal
        Emitted when the layer shows other objects.
    """

    shown = Signal()

    def __init__(self, controller: EverythingController) -> None:
        self.controller = controller
        self.layer: Any = None
        self.remaining: list[Plane] = []
        self._failures = PlaneFailures()
        # Maps of planes, which other parameters of linking do not change.
        self._maps: dict[Plane, PlaneMaps] = {}
        self._maps_of: Any = None
        self._volume: Volume | None = None
        self._planes: Sequence[Plane] = ()
        self._recipe: Recipe | None = None
        self._view: LayerView | None = None
        # A person may correct the objects; bounds would draw them as they were made.
        self._watch = EditWatch(controller.viewer)
        self._watch.edited.connect(self._on_edit)
        self._is_edited = False

    def end(self) -> None:
        """Leave the layer as it is, and do not watch it any more."""
        self._watch.end()

    def stop(self) -> None:
        """Discard the planes that are still to be looked at."""
        self.remaining = []

    def make(self, link: LinkParams, params: GeneratorParams | None = None) -> None:
        """Make objects of the planes parallel to the one in view, in the background.

        Parameters
        ----------
        link : LinkParams
            How objects are made. Masks are those that were found and kept; maps are predicted.
        params : GeneratorParams, optional
            Parameters of the finder for maps; by default the model's own strategy.

        Raises
        ------
        InputError
            If there is no stack, or its planes were not searched.
        """
        planes = self.controller.planes(every_plane=True)
        if len(planes) < 2:
            raise InputError("Objects of a volume are made of several planes; choose a stack.")
        if link.link_from == "maps":
            self.controller.with_model(partial(self._find_maps, planes, link, params))
        else:
            self._link_masks(planes, link)

    def filter(self, link: LinkParams) -> bool:
        """Leave out objects by other bounds, in the background; return False where that is too few.

        Labels that were corrected stay as they are, and a warning says so.

        Parameters
        ----------
        link : LinkParams
            The parameters; those that are no bounds must be those of the objects in the layer.
        """
        recipe, volume = self._recipe, self._volume
        if recipe is None or recipe.link is None or volume is None or not self._is_shown:
            return False
        if replace(link, **_filters(recipe.link)) != recipe.link:
            return False
        if link == recipe.link:
            return True
        shown = self.layer
        if self._is_edited:
            self._say_kept()
            return False

        def done(made: Made) -> None:
            if self._is_edited:
                self._say_kept()
            elif shown is self.layer:
                self._show(shown, made, replace(recipe, link=link))

        work = partial(_filtered, volume, link)
        key = ("volume", "filter")
        self.controller.jobs.submit(key, Priority.REQUEST, work, done, self._on_failed)
        return True

    @property
    def is_of_image(self) -> bool:
        """True if the layer is in the viewer, and holds objects of the image in work."""
        return self._is_shown and self._view is self.controller.view

    @property
    def _is_shown(self) -> bool:
        return self.layer is not None and self.layer in self.controller.viewer.layers

    def _link_masks(self, planes: Sequence[Plane], link: LinkParams) -> None:
        found, view = self.controller.opened()
        missing = sum(plane not in found.masks for plane in planes)
        if missing:
            raise InputError(
                f"{missing} of {len(planes)} planes were not searched yet; tick 'whole stack' and "
                "find everything. Or take objects from 'maps of the volume', which need no search."
            )
        recipe = replace(found.make_recipe(), link=link)
        kept = [found.kept_masks(plane) for plane in planes]
        rejected = [sorted(found.rejected.get(plane, ())) for plane in planes]

        def load(number: int) -> PlaneParts:
            parts = candidates_of(kept[number], recipe)
            # What was rejected is no alternative either.
            usable = ~np.isin(parts.masks.candidate, rejected[number])
            return replace(parts, masks=parts.masks[usable])

        self._make(view, planes, recipe, cache(load))

    def _find_maps(
        self,
        planes: Sequence[Plane],
        link: LinkParams,
        params: GeneratorParams | None,
        model: PromptableModel,
    ) -> None:
        found, view = self.controller.opened()
        resolved = check_finder(resolve_params(model, params))
        own: Any = {"axes": "auto", "link": link, **found.reading}
        recipe = make_recipe(model, resolved, found.filters.label_params, **own)
        seen = found, model, resolved.finder, resolved.crop_n_layers, resolved.crop_overlap_ratio
        if self._maps_of != seen:
            self._maps, self._maps_of = {}, seen
        self._failures = PlaneFailures()
        self.remaining = [plane for plane in planes if plane not in self._maps]
        self.controller.clock.start(len(self.remaining))
        maps = self._maps

        def finish() -> None:
            if self.remaining:
                return
            if failures := str(self._failures):
                self.controller.status.emit(failures, "warning")
            parts = [maps.get(plane) for plane in planes]
            if any(parts):
                self._make(view, planes, recipe, parts.__getitem__)

        for plane in list(self.remaining):
            self._find_plane(found, plane, model, recipe.params, maps, finish)
        if self.remaining:
            self.controller.status.emit(f"Looking at {len(self.remaining)} planes ...")
        finish()

    def _find_plane(
        self,
        found: FoundMasks,
        plane: Plane,
        model: PromptableModel,
        params: GeneratorParams,
        maps: dict[Plane, PlaneMaps],
        finish: Callable[[], None],
    ) -> None:
        controller, source = self.controller, found.source

        def work(should_stop: ShouldStop) -> PlaneMaps:
            ways: Any = {"progress": controller.report, "should_stop": should_stop}
            return find_maps(model, source.read(plane), params, limits=source.limits, **ways)

        def ended() -> None:
            controller.clock.finish_plane()
            self.remaining = [each for each in self.remaining if each != plane]
            finish()

        def done(seen: PlaneMaps) -> None:
            maps[plane] = seen
            ended()

        def failed(error: Exception) -> None:
            self._failures.add(plane, error)
            ended()

        controller.jobs.submit(("volume", plane), Priority.VIEW, work, done, failed)

    def _make(
        self,
        view: LayerView,
        planes: Sequence[Plane],
        recipe: Recipe,
        load: Callable[[int], PlaneParts | None],
    ) -> None:
        link = recipe.link or LinkParams()
        every = replace(recipe, link=replace(link, **_filters(LinkParams())))
        slices = [plane_slices(plane) for plane in planes]
        rows, cols = (view.shape[axis] for axis, n in enumerate(planes[0]) if n is None)

        def work(should_stop: ShouldStop) -> Made:
            volume = make_volume(load, (len(slices), rows, cols), every, should_stop)
            return _filtered(volume, link, should_stop)

        def done(made: Made) -> None:
            if view is not self.controller.view:
                return
            self._volume, self._planes, self._view = made[0], planes, view
            data, name = zeros(view.shape, np.int32), f"{view.name} volume"
            layer = Labels(data, name=name, **view.placement())
            self.layer = add_layer(self.controller.viewer, layer)
            self._show(self.layer, made, recipe)
            if self.controller.layer is not None:
                self.controller.layer.visible = False

        self.controller.status.emit("Making objects of the volume ...")
        self.controller.jobs.submit(("volume",), Priority.REQUEST, work, done, self._on_failed)

    def _show(self, layer: Any, made: Made, recipe: Recipe) -> None:
        _, left, labels = made
        self._watch.end()
        for plane, painted in zip(self._planes, labels, strict=True):
            layer.data[plane_slices(plane)] = painted
        table = dict(left.objects())
        layer.features = {"index": table.pop("label"), **table}
        layer.metadata[METADATA] = {"recipe": recipe.to_json()}
        layer.refresh(extent=False)
        self._recipe, self._is_edited = recipe, False
        self._watch.begin(layer)
        self.shown.emit()
        self.controller.status.emit(f"{left.count} objects in {len(labels)} planes.")

    def _on_edit(self) -> None:
        self._is_edited = True

    def _say_kept(self) -> None:
        name = self.layer.name
        self.controller.status.emit(
            f"'{name}' was corrected, so it stays as it is. Make volume uses these bounds, in "
            "another layer.",
            "warning",
        )

    def _on_failed(self, error: Exception) -> None:
        self.controller.status.emit(str(error), "error")


def _filters(link: LinkParams) -> dict[str, Any]:
    return {name: getattr(link, name) for name in FILTERS}


def _filtered(volume: Volume, link: LinkParams, should_stop: ShouldStop) -> Made:
    """Return a volume with the objects that are left, and their labels."""
    del should_stop
    left = volume.filter(**_filters(link))
    return volume, left, left.labels()
