"""Search for objects like examples from the Everything dock."""

from typing import Any

from napari_segany.core.masks import MaskSet
from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.generators.exemplars.params import ExemplarParams, with_examples
from napari_segany.plugin.everything.controller import EverythingController
from napari_segany.plugin.everything.example_search import ExampleSearch
from napari_segany.plugin.everything.form import EverythingForm
from napari_segany.plugin.shared.image_dock import ImageDock


class AlikeActions:
    """Actions of the part "Find alike" of a dock.

    Parameters
    ----------
    dock : ImageDock
        The dock.
    controller : EverythingController
        Holder of its image and masks.
    form : EverythingForm
        Its controls.

    Examples
    --------
    >>> widget.alike.find(viewer.layers["Shapes"], wait=True)
    """

    def __init__(
        self, dock: ImageDock, controller: EverythingController, form: EverythingForm
    ) -> None:
        self._dock, self._controller, self._form = dock, controller, form
        self._panel = form.alike
        self._search = ExampleSearch(controller, self._find_like)
        buttons = self._panel.buttons
        # Not the signal's argument: it would be a layer.
        buttons["Find alike"].clicked.connect(dock.guarded(self._on_find))
        buttons["Add example"].clicked.connect(dock.guarded(lambda: self._on_find(more=True)))
        # A negative is one of those that were found.
        buttons["Not this one"].clicked.connect(dock.guarded(lambda: self.find(unlike=True)))
        buttons["Forget examples"].clicked.connect(dock.guarded(self.forget))
        form.search.changed.connect(lambda: self._show_examples(self.examples))

    @property
    def examples(self) -> ExampleSet | None:
        """Examples and negatives so far."""
        return self._search.examples

    def find(
        self, layer: Any = None, *, more: bool = False, unlike: bool = False, wait: bool = False
    ) -> MaskSet | None:
        """Search for objects like an example in the plane in view, or the stack if that is ticked.

        Parameters
        ----------
        layer : napari.layers.Labels or Shapes, or MaskSet, optional
            Labels whose selected object is the example, or shapes that are boxes around some, or
            masks; by default the selected object among those that were found.
        more : bool
            The examples so far count, too.
        unlike : bool
            The objects are not wanted, and nor is what resembles them.
        wait : bool
            Return when the search is done.

        Returns
        -------
        MaskSet or None
            Masks shown in the plane in view, None before they are found.

        Raises
        ------
        InputError
            If nothing is marked there, or there is no example yet.
        """
        dock = self._dock
        dock.message.dismiss()
        dock.run_when_ready(lambda: self._search.find_alike(layer, more=more, unlike=unlike), wait)
        return self._controller.shown

    def forget(self) -> None:
        """Forget all examples; masks that were found stay."""
        self._search.forget()
        self._show_examples(None)

    def _show_examples(self, examples: ExampleSet | None) -> None:
        params = self._form.search.params
        ranks = isinstance(params, ExemplarParams) and params.rank_by == "likeness"
        self._panel.show_examples(examples, ranks)

    def _on_find(self, more: bool = False) -> None:
        self.find(self._panel.chosen_layer, more=more)

    def _find_like(self, examples: ExampleSet) -> None:
        """Search for objects like examples that are features now."""
        form = self._form
        now = form.search.params
        start = now if isinstance(now, ExemplarParams) else ExemplarParams()
        form.search.params = with_examples(start, examples)
        self._show_examples(examples)
        whole = form.whole_stack.isChecked()
        self._controller.find(form.search.params, whole, form.region.layer)
