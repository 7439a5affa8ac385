"""Sorting of the objects that were found: labels by a person, features in the background."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.utils import DirectLabelColormap
from napari.utils.colormaps import label_colormap

from napari_segany.classification.class_set import COLOURS, ObjectClass, usual_classes
from napari_segany.classification.classify_masks import describe_objects
from napari_segany.classification.describe_tiles import describe_in_tiles
from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane
from napari_segany.core.intensity import to_rgb
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.tiles.join_tiles import TiledCandidates
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.decisions import Decision
from napari_segany.plugin.everything.sorted_objects import SortedObjects
from napari_segany.plugin.everything.tile_search import plane_reader
from napari_segany.plugin.jobs.queue import Priority

FIRST = ("class 1", "class 2")
"""Names of the classes before a person names them."""

DECIDED = (
    ObjectClass("accepted", COLOURS[0]),
    ObjectClass("rejected", COLOURS[5], left_out=True),
)
"""Classes of objects that were accepted and rejected in the review."""


class ObjectSorting:
    """Sorts the objects that a controller shows.

    Parameters
    ----------
    controller : EverythingController
        Holder of the masks.
    """

    def __init__(self, controller: EverythingController) -> None:
        self._controller = controller
        # Planes whose objects are being described after a search.
        self._asked: list[Plane] = []
        # What the preview is coloured by.
        self._coloured: Any = None

    @property
    def sorted(self) -> SortedObjects | None:
        """Classes and labels of the image in work, None before anything is sorted."""
        found = self._controller.found
        return None if found is None else found.sorting

    def start(self, classes: tuple[ObjectClass, ...] | None = None) -> SortedObjects:
        """Return the sorting of the image in work, begun with some classes if there is none.

        Raises
        ------
        InputError
            If nothing was found yet.
        """
        found, _ = self._controller.opened()
        if found.model is None:
            raise InputError("Nothing was searched for yet.")
        if found.sorting is None or found.sorting.model is not found.model:
            before = found.sorting.classes if found.sorting else None
            found.sorting = SortedObjects(found.model, classes or before or usual_classes(FIRST))
        return found.sorting

    def label(self, candidate: int, number: int, then: Callable[[], object]) -> None:
        """Give an object of the plane in view to a class, and call a function afterwards.

        Raises
        ------
        InputError
            If there is no such class.
        """
        of, plane = self._controller, self._controller.plane
        found, _ = of.opened()
        sorting = self.start()
        if not 0 <= number < len(sorting.classes):
            raise InputError(f"There is no class {number + 1}; add one first.")

        def give() -> None:
            before = sorting.label_of(plane, candidate)

            def undo() -> None:
                sorting.set_label(plane, candidate, before)

            found.decisions.append(Decision(plane, candidate, (False, False), undo=undo))
            sorting.set_label(plane, candidate, number)
            self.show()
            then()

        self._with_features([plane], give)

    def learn_from_decisions(self, then: Callable[[], object]) -> None:
        """Leave out what resembles rejected objects more than accepted ones.

        Raises
        ------
        InputError
            If no object was accepted, or none rejected.
        """
        of = self._controller
        found, _ = of.opened()
        planes = [p for p in found.masks if found.accepted.get(p) or found.rejected.get(p)]
        for decided, word in ((found.accepted, "accept"), (found.rejected, "reject")):
            if not any(decided.values()):
                raise InputError(f"First {word} one or more objects; the others follow then.")
        if found.sorting is not None and found.sorting.classes != DECIDED:
            found.sorting = None
        sorting = self.start(DECIDED)

        def give() -> None:
            for plane in planes:
                for label, decided in enumerate((found.accepted, found.rejected)):
                    for candidate in sorted(decided.get(plane, ())):
                        sorting.set_label(plane, candidate, label)
            self.show()
            then()

        # The planes in which nothing was decided follow, too.
        self._with_features(list(found.masks), give)

    def end(self) -> None:
        """Forget classes and labels; all masks that pass the filters come back."""
        found, _ = self._controller.opened()
        found.sorting = None
        self.show()

    def follow_search(self) -> None:
        """Sort planes that were searched since."""
        found, sorting = self._controller.found, self.sorted
        if found is not None and sorting is not None and not self._controller.remaining:
            if sorting.model is not found.model:
                found.sorting = None
                return
            new = [plane for plane in found.masks if not sorting.has_features(plane)]
            if new and new != self._asked:
                self._asked = new
                self._with_features(new, self._followed)

    def _followed(self) -> None:
        self._asked = []
        self.show()

    def _with_features(self, planes: list[Plane], then: Callable[[], None]) -> None:
        """Call a function once the candidates of planes are described, in the background."""
        of = self._controller
        found, _ = of.opened()
        sorting = found.sorting
        assert sorting is not None
        missing = [plane for plane in planes if not sorting.has_features(plane)]
        if not missing:
            then()
            return
        source, model, tiles = found.source, sorting.model, found.tiles.settled
        kept = {plane: found.masks[plane].refilterable for plane in missing}
        masks = {plane: found.masks[plane].all_candidates for plane in missing}

        def describe(plane: Plane, should_stop: ShouldStop) -> Descriptors:
            candidates = kept[plane]
            if tiles is not None and isinstance(candidates, TiledCandidates):
                grid, read = tiles.grid(candidates.masks.shape), plane_reader(source, plane)
                return describe_in_tiles(model, read, grid, candidates, should_stop)
            rgb = to_rgb(source.read(plane), source.limits)
            return _describe(model, rgb, masks[plane], should_stop)

        def work(should_stop: ShouldStop) -> dict[Plane, Descriptors]:
            return {plane: describe(plane, should_stop) for plane in missing}

        def done(described: dict[Plane, Descriptors]) -> None:
            if found.sorting is sorting:
                for plane, each in described.items():
                    if plane in found.masks and found.masks[plane].all_candidates is masks[plane]:
                        sorting.add_features(plane, each)
                if all(sorting.has_features(plane) for plane in planes):
                    then()

        def failed(error: Exception) -> None:
            of.status.emit(str(error), "error")
            of.changed.emit()

        of.jobs.submit(("sort", tuple(missing)), Priority.VIEW, work, done, failed)
        of.status.emit("Looking at the objects ...")

    def show(self) -> None:
        """Draw the masks again, in the colours of their classes."""
        self._controller.redraw()
        self.colour()

    def colour(self) -> None:
        """Colour the preview by the classes in the plane in view, if they changed."""
        of, sorting = self._controller, self.sorted
        if of.layer is None or of.shown is None:
            return
        classes = None if sorting is None else sorting.classes_of(of.plane)
        if sorting is not None and classes is not None:
            numbers = classes.index
            colours = [each.colour for each in sorting.classes]
            if self._coloured != (of.layer, colours, numbers.tobytes()):
                self._coloured = of.layer, colours, numbers.tobytes()
                # Those that filters hide now come back in their colours.
                named: dict[int | None, str] = {None: "transparent"}
                named |= {n + 1: colours[k] for n, k in enumerate(numbers.tolist())}
                of.layer.colormap = DirectLabelColormap(color_dict=named)
        elif self._coloured is not None:
            self._coloured = None
            of.layer.colormap = label_colormap()


def _describe(model: Any, rgb: Any, masks: MaskSet, should_stop: ShouldStop) -> Descriptors:
    """Describe candidates; those without pixels are like the first."""
    full = np.flatnonzero(masks.area > 0)
    found = describe_objects(model, rgb, masks[full], should_stop=should_stop)
    at = np.zeros(len(masks), np.int64)
    at[full] = np.arange(len(full))
    return found[at] if len(full) else found
