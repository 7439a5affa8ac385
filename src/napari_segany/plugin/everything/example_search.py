"""Objects that a person points at as examples, and the search for objects like them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.image_source import Plane
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.generators.exemplars.find_alike import make_examples
from napari_segany.models.protocol import PromptableModel
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.jobs.queue import Priority
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.labels_to_prompts import sample_labels
from napari_segany.plugin.layers.transforms import in_image

Marked = dict[str, Any]
"""Arguments of ``make_examples`` that hold masks and boxes."""


class ExampleSearch:
    """Examples of an image's objects, gathered one after another.

    Parameters
    ----------
    controller : EverythingController
        Holder of the image and its masks.
    search : callable
        Called with the examples once they are features; searches for objects like them.

    Attributes
    ----------
    examples : ExampleSet or None
        Examples and negatives so far; those of other images are kept.
    """

    def __init__(
        self, controller: EverythingController, search: Callable[[ExampleSet], None]
    ) -> None:
        self._controller, self._search = controller, search
        self.examples: ExampleSet | None = None

    def find_alike(self, layer: Any = None, *, more: bool = False, unlike: bool = False) -> None:
        """Take what is marked as examples, and search for objects like them.

        Parameters
        ----------
        layer : napari.layers.Labels or Shapes, or MaskSet, optional
            Labels whose selected object is the example, or shapes whose boxes in the plane in view
            are, or masks of that plane; by default the selected object among those that were found.
        more : bool
            Keep the examples so far.
        unlike : bool
            The objects are negatives: they are not wanted.

        Raises
        ------
        InputError
            If nothing is marked, or negatives are given before an example.
        """
        of = self._controller
        found, view = of.opened()
        plane = of.plane
        known = self.examples if more or unlike else None
        if unlike and known is None:
            raise InputError("Give an example first: select an object, and press Find alike.")
        read = self._marked_objects(layer, view, plane)
        source = found.source

        def begin(model: PromptableModel) -> None:
            def work(should_stop: ShouldStop) -> ExampleSet:
                marked = {f"{'unlike_' if unlike else ''}{k}": v for k, v in read().items()}
                return make_examples(
                    model,
                    source.read(plane),
                    limits=source.limits,
                    known=known,
                    should_stop=should_stop,
                    **marked,
                )

            def done(examples: ExampleSet) -> None:
                self.examples = examples
                if found is of.found:
                    self._search(examples)

            def failed(error: Exception) -> None:
                of.status.emit(str(error), "error")
                of.changed.emit()

            of.jobs.submit(("examples", plane), Priority.VIEW, work, done, failed)
            of.status.emit("Looking at the examples ...")

        of.with_model(begin)

    def forget(self) -> None:
        """Forget all examples; masks that were found stay."""
        self.examples = None

    def _marked_objects(self, layer: Any, view: LayerView, plane: Plane) -> Callable[[], Marked]:
        """Return a function that reads what is marked, for another thread."""
        of = self._controller
        if layer is None or layer is of.layer:
            layer = self._selected_mask()
        if isinstance(layer, MaskSet):
            masks = layer
            return lambda: {"labels": masks.to_labels(min_visible=0)}
        if isinstance(layer, Shapes):
            boxes = boxes_in_plane(of.viewer, view, layer, plane)
            return lambda: {"boxes": boxes}
        assert isinstance(layer, Labels)
        number = int(layer.selected_label)
        sampled = sample_labels(of.viewer, view, layer, plane)

        def read() -> Marked:
            labels = sampled() == number
            if number <= 0 or not labels.any():
                raise InputError(
                    f"{layer.name} has no object {number} in this plane; click on one with the "
                    "picker (key 4)."
                )
            return {"labels": labels.astype(np.uint8)}

        return read

    def _selected_mask(self) -> MaskSet:
        """Return the mask that is selected among those shown."""
        of = self._controller
        if of.layer is not None and of.shown is not None:
            at = np.flatnonzero(of.shown.candidate == int(of.layer.selected_label) - 1)
            if len(at):
                return of.shown[at[:1]]
        raise InputError(
            "Click on an object that was found, or choose labels or shapes with an example."
        )


def boxes_in_plane(viewer: Any, view: LayerView, layer: Any, plane: Plane) -> NDArray[np.float64]:
    """Return the (N, 4) boxes around the shapes of a layer in a plane of an image.

    Raises
    ------
    InputError
        If the layer has more axes than the image, or no shape lies in the plane.
    """
    if layer.ndim > view.ndim:
        raise InputError(f"{layer.name} has more axes than {view.name}.")
    seen = [axis for axis, n in enumerate(plane) if n is None]
    boxes = []
    for vertices in layer.data:
        at = in_image(viewer, layer, vertices, view)
        first = len(plane) - layer.ndim
        if all(n is None or a < first or round(float(at[0, a])) == n for a, n in enumerate(plane)):
            spots = at[:, seen]
            boxes.append(np.concatenate([spots.min(axis=0), spots.max(axis=0)]))
    if not boxes:
        raise InputError(f"{layer.name} has no shape in this plane; draw a box around an object.")
    return np.array(boxes, np.float64)
