"""Display of what a controller has found in the form of the Everything dock."""

from collections.abc import Callable
from typing import Any

from napari_segany.core.image_source import Plane, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import usual_params
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.form import EverythingForm
from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.object_clicks import ObjectClicks
from napari_segany.plugin.everything.outline_layer import OutlineLayer
from napari_segany.plugin.everything.pixel_area import PixelArea, pixel_area
from napari_segany.plugin.everything.review import ObjectReview
from napari_segany.plugin.everything.suggestions import Suggestion, installed_models, suggest
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.shared.plane_pictures import PlanePictures


class FormPresenter:
    """Shows masks, filters, the reviewed object and offers in a form.

    Parameters
    ----------
    form : EverythingForm
        The form.
    controller : EverythingController
        Holder of the masks.
    review : ObjectReview
        Review of them.
    jobs : JobQueue
        Queue beside which pictures are read.
    clicked : callable
        Called with a layer of found objects and the label that was clicked in it.
    """

    def __init__(
        self,
        form: EverythingForm,
        controller: EverythingController,
        review: ObjectReview,
        jobs: JobQueue,
        clicked: Callable[[Any, int], object],
    ) -> None:
        self._form, self._controller, self._review = form, controller, review
        self._jobs = jobs
        self._outline = OutlineLayer(controller.viewer)
        # View, plane and mask of the object that is outlined.
        self._outlined: tuple[LayerView, Plane, MaskSet] | None = None
        controller.labels.above = lambda: self._outline.layer
        self._clicks = ObjectClicks(controller.viewer, clicked)
        # Masks whose ranges and histograms the sliders show, and those that offers are about.
        self._shown: MaskSet | None = None
        self._offered: MaskSet | None = None
        # Masks of which an object may be selected.
        self._reviewed: MaskSet | None = None
        self._pictures = PlanePictures(
            jobs, lambda mask, found: form.card.show_picture(mask, found[0])
        )

    def refresh(self, summary: str) -> None:
        """Show the present state, and a line about image and model."""
        form, found, shown = self._form, self._controller.found, self._controller.shown
        form.setup.show_summary(summary)
        params = None if found is None else found.params
        stack = found is not None and max(found.source.shape[:-2], default=1) > 1
        there = shown is not None and params is not None
        form.show_found(there, stack)
        if there:
            self._forget_selection()
        self._show_reviewed(there)
        form.show_review(
            there and self._review.selected is not None,
            there and found is not None and bool(found.decisions),
        )
        self._show_tiles(found)
        if found is None or shown is None or params is None:
            # Ranges and counts of another image, or of another plane, mean nothing here.
            self._shown = self._offered = None
            form.show_made("")
            form.sliders.setEnabled(False)
            form.sliders.show_passing(None, 0)
            form.sliders.again.show_offers(())
            return
        self._show_filters(found, params, shown)
        made = self._controller.made
        form.show_made("" if made is None else str(made.layer.name))
        if made is not None:
            self._clicks.follow(made.layer)
        self._clicks.follow(self._controller.layer)

    def _forget_selection(self) -> None:
        """Select no object once the masks in view are others: the same number is another one."""
        of = self._controller
        masks = None if of.found is None else of.found.masks.get(of.plane)
        if masks is not self._reviewed:
            self._reviewed = masks
            if of.layer is not None:
                of.layer.selected_label = 0

    def _show_tiles(self, found: FoundMasks | None) -> None:
        view, tiles = self._controller.view, self._form.tiles
        if found is None or view is None:
            tiles.show_plane(None, PixelArea())
            return
        try:
            plane = self._controller.plane
        except InputError:
            # No plane of the image is in view.
            return
        estimate = found.tiles.estimate
        size = None if estimate is None else estimate.size
        tiles.show_plane(plane_shape(view.shape, plane), pixel_area(view, plane), size)

    def _show_filters(self, found: FoundMasks, params: FilterRules, shown: MaskSet) -> None:
        form, plane, view = self._form, self._controller.plane, self._controller.view
        masks = found.masks[plane]
        assert view is not None
        if masks is not self._shown:
            self._shown = masks
            form.sliders.begin(masks, params, found.filters, pixel_area(view, plane))
        elif found.filters != form.sliders.filters:
            form.sliders.show_filters(found.filters)
        form.sliders.show_passing(shown, len(masks.all_candidates))
        wanted = None if len(shown) else masks
        if wanted is not self._offered:
            self._offered = wanted
            offers = [] if wanted is None else self._suggestions(found, params, wanted)
            form.sliders.again.show_offers(offers)

    def _suggestions(
        self, found: FoundMasks, params: FilterRules, masks: MaskSet
    ) -> list[Suggestion]:
        model = found.model
        if model is None:
            return []
        finder_fits = isinstance(usual_params(model), FinderParams)
        return suggest(masks, params, model.id, finder_fits, installed_models())

    def _show_reviewed(self, there: bool) -> None:
        each, of = self._review.present, self._controller
        # Another image, plane or search has other objects.
        if each is not None and not (there and self._review.selected == each.candidate + 1):
            each = None
        review = self._review
        number = 0 if each is None else review.number_of(of.plane, each.candidate)
        new = self._form.card.show_object(each, number, review.done, review.left)
        if each is None:
            self._outlined = None
            self._outline.hide()
        elif new and of.found is not None and of.view is not None:
            self._outlined = of.view, of.plane, each.mask
            if self._outline.is_on(of.view):
                self._draw_outline()
            else:
                # Adding its layer takes napari longer than all the rest.
                self._jobs.call_later("outline", self._draw_outline)
            self._pictures.read(of.found.source, of.plane, each.mask, of.view)

    def _draw_outline(self) -> None:
        """Outline the object that is shown by now."""
        if self._outlined is not None:
            self._outline.show(*self._outlined)

    def end(self) -> None:
        """Remove the outline of the reviewed object from the viewer, and leave the layers."""
        self._outline.remove()
        self._clicks.end()
