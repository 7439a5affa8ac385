"""Logic of the Evaluate dock: background comparison of two labels layers, and its error layer.

The module needs no Qt and works on a ``ViewerModel``.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.errors import InputError
from napari_segany.evaluation.comparison import ObjectComparison, PlaneIndex, compare
from napari_segany.evaluation.error_map import draw_errors
from napari_segany.plugin.evaluate.errors_layer import ErrorsLayer, is_errors
from napari_segany.plugin.evaluate.label_pair import PREDICTION, TRUTH, LabelPair
from napari_segany.plugin.evaluate.scopes import Scope, extent_of
from napari_segany.plugin.evaluate.track_scores import score_layers
from napari_segany.plugin.jobs.queue import JobQueue, Priority
from napari_segany.plugin.layers.candidates import kept_candidates
from napari_segany.plugin.layers.edit_watch import EditWatch
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.layers.transforms import full_data, lies_like, placement_of, show_plane


class EvaluateController:
    """Compares two labels layers, and marks the result as stale when a layer is edited.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Viewer whose layers are compared.
    jobs : JobQueue
        Queue in which they are read and compared.
    report : Progress, optional
        Called from the worker thread with the planes.

    Attributes
    ----------
    status : Signal
        Emitted with a message, and with its severity unless that is "info".
    changed : Signal
        Emitted when the result was replaced, discarded or became stale, and when a chosen layer
        got another place or other data.
    prediction, truth : napari.layers.Labels or None
        Chosen layers.
    result : ObjectComparison or None
        Result of the comparison.
    stale : bool
        True if a layer was edited after the comparison.
    error : Exception or None
        Error of the latest comparison.
    errors : ErrorsLayer
        Layer that shows the errors in colours.
    binary : dict
        For each layer of the result that looks binary the reason, by role.
    """

    status = Signal(str, str)
    changed = Signal()

    def __init__(self, viewer: Any, jobs: JobQueue, report: Progress | None = None) -> None:
        self.viewer, self.jobs, self.report = viewer, jobs, report
        self.prediction: Any = None
        self.truth: Any = None
        self.result: ObjectComparison | None = None
        self.stale = False
        self.error: Exception | None = None
        self.errors = ErrorsLayer(viewer)
        self.binary: dict[int, str] = {}
        # Roles of layers whose connected parts are objects.
        self._separated: frozenset[int] = frozenset()
        # Truth and prediction of the result, or of the comparison in progress.
        self._watch = EditWatch(viewer)
        self._watch.edited.connect(self._on_edit)
        self._labels: LabelPair | None = None
        self._drawing = False
        viewer.layers.events.removed.connect(self._on_removed)

    def choose_layers(self, prediction: Any, truth: Any) -> None:
        """Choose the layers; the result of other layers is discarded."""
        if prediction is self.prediction and truth is self.truth:
            return
        self._separated, self.binary = frozenset(), {}
        self._leave_places()
        self.prediction, self.truth = prediction, truth
        for event in self._place_events:
            event.connect(self._on_place)
        self.discard_result()

    def discard_result(self) -> None:
        """Stop, and discard the result; an error layer stays, named as out of date."""
        self.jobs.cancel()
        self._watch.end()
        if self.result is not None:
            self.errors.mark_outdated()
        self.result, self.stale, self._labels = None, False, None
        self._drawing = False
        self.changed.emit()

    def end(self) -> None:
        """Stop, and disconnect from the viewer."""
        self.jobs.cancel()
        self._watch.end()
        self._leave_places()
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    @property
    def _place_events(self) -> list[Any]:
        """Events of the chosen layers after which they may fit each other, or no longer do."""
        chosen = [each for each in (self.prediction, self.truth) if each is not None]
        return [
            getattr(each.events, name)
            for each in dict.fromkeys(chosen)
            for name in (*placement_of(each), "data")
        ]

    def _leave_places(self) -> None:
        for event in self._place_events:
            event.disconnect(self._on_place)

    def _on_place(self, event: Any) -> None:
        self.changed.emit()

    # Comparing ------------------------------------------------------------------------------

    def compare(self, over: Scope = "plane") -> None:
        """Compare the chosen layers.

        Parameters
        ----------
        over : {"plane", "planes", "stack", "volumes", "tracks"}
            Scope of the comparison.

        Raises
        ------
        InputError
            If a layer is not chosen, the layers differ in shape or position, or they do not have
            this scope.
        """
        self._check_layers()
        prediction, truth = self.prediction, self.truth
        extent = extent_of(self.viewer, truth, over)
        together = extent.together
        self.discard_result()
        self._labels = labels = LabelPair(
            full_data(truth), full_data(prediction), self._separated, together
        )
        self._watch.begin(truth, prediction)
        self.error = None

        read, known = labels.read_and_inspect, kept_candidates(prediction)

        def work(should_stop: ShouldStop) -> ObjectComparison:
            how: Any = {"progress": self.report, "should_stop": should_stop}
            found = compare(
                read, extent.planes, together=together, parts=extent.parts, candidates=known, **how
            )
            if over != "tracks":
                return found
            return replace(found, tracks=score_layers(truth, prediction, should_stop))

        self.jobs.submit("compare", Priority.REQUEST, work, self._on_compared, self._on_failed)
        self.status.emit("Comparing ...")

    def separate_parts(self, separate: bool, over: Scope = "plane") -> None:
        """Compare with each connected part of binary layers as an object, or unchanged again.

        Parameters
        ----------
        separate : bool
            True makes each connected part an object.
        over : {"plane", "planes", "stack", "volumes", "tracks"}
            Scope of the comparison.
        """
        self._separated = frozenset(self.binary) if separate else frozenset()
        self.compare(over)

    @property
    def separates_parts(self) -> bool:
        """True if connected parts are objects."""
        return bool(self._separated)

    def _binary_warning(self) -> str:
        """Return a message about layers that do not distinguish objects."""
        if self._separated:
            return ""
        names = {TRUTH: self.truth.name, PREDICTION: self.prediction.name}
        return " ".join(
            f"{names[role]} holds {text}; each value counts as one object."
            for role, text in self.binary.items()
        )

    def stop(self) -> None:
        """Stop comparing and drawing; an existing result stays."""
        self.jobs.cancel()
        if self.result is None:
            self._watch.end()
        if self._drawing:
            self._drawing = False
            self.errors.mark_outdated()
        self.status.emit("Stopped.")

    @property
    def missing(self) -> str:
        """The reason why the chosen layers cannot be compared; empty if they can."""
        try:
            self._check_layers()
        except InputError as error:
            return str(error)
        return ""

    def _check_layers(self) -> None:
        prediction, truth = self.prediction, self.truth
        if prediction is None or truth is None:
            layers = self.viewer.layers
            count = sum(type(each) is Labels and not is_errors(each) for each in layers)
            if count < 2:
                there = "is only one labels layer" if count else "are no labels layers"
                raise InputError(
                    f"There {there} in the viewer: open or make one with the prediction and one "
                    "with the truth."
                )
            raise InputError("Choose a labels layer as prediction and another one as truth.")
        if prediction is truth:
            raise InputError(
                f"{truth.name} is chosen as prediction and as truth; choose two layers."
            )
        one, other = LayerView(prediction), LayerView(truth)
        if one.shape != other.shape:
            raise InputError(
                f"{one.name} has shape {one.shape}, {other.name} has {other.shape}; choose labels "
                "of the same image."
            )
        if not lies_like(one, other):
            raise InputError(
                f"{one.name} lies elsewhere than {other.name}: scale, translation, rotation or "
                "units differ. Give one layer those of the other."
            )

    def _on_compared(self, result: ObjectComparison) -> None:
        self.result = result
        assert self._labels is not None
        if not self._separated:
            self.binary = self._labels.binary
        self.status.emit(self._binary_warning(), "warning")
        self.changed.emit()
        if self.stale:
            self._report_stale()
        elif self.errors.layer is not None:
            self.draw_errors()

    def _on_failed(self, error: Exception) -> None:
        self.error = error
        self._watch.end()
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        self.status.emit(f"The layers could not be compared: {text}", "error")
        self.changed.emit()

    # Showing --------------------------------------------------------------------------------

    def draw_errors(self) -> Any:
        """Show the errors in colours in one layer, and return the layer.

        The layer is empty until the errors are drawn in the background.

        Raises
        ------
        InputError
            If there is no result, or it is stale.
        """
        result, labels = self._compared()
        if self.stale:
            raise InputError("The layers changed since they were compared; compare them again.")
        truth = self._watch.layers[0]
        data = zeros(LayerView(truth).shape, np.uint8)

        def done(_: None) -> None:
            self._drawing = False
            # The message about progress ends; a warning about the layers stays.
            current = self.result is result and not self.stale
            self.status.emit(self._binary_warning() if current else "", "warning")
            # The layer may have been deleted in the meantime.
            if self.errors.layer is not None and self.result is result:
                self.errors.show(data, truth)
                if self.stale:
                    self.errors.mark_outdated()

        def work(should_stop: ShouldStop) -> None:
            draw_errors(labels, result, data, progress=self.report, should_stop=should_stop)

        layer = self.errors.layer
        if layer is None or layer.ndim != data.ndim:
            layer = self.errors.show(zeros(data.shape, np.uint8), truth)
        self._drawing = True
        self.jobs.submit("errors", Priority.REQUEST, work, done, self._on_drawing_failed)
        return layer

    def _on_drawing_failed(self, error: Exception) -> None:
        self._drawing = False
        self.status.emit(
            f"The errors could not be drawn ({type(error).__name__}: {error}).", "error"
        )

    def go_to(self, index: int) -> Any:
        """Show an object in the middle of the view, select its label, and return its layer.

        Parameters
        ----------
        index : int
            Row of the object in the result's table.
        """
        result, _ = self._compared()
        table = result.objects
        if not 0 <= index < len(table):
            raise InputError(f"There is no object {index}; the table has {len(table)}.")
        truth, prediction = self._watch.layers
        in_truth = bool(table.of_truth[index])
        layer = truth if in_truth else prediction
        position = table.position[index]
        # An object through planes is shown in the orientation of the view.
        plane = (
            self._plane_at(layer, position) if result.together else result.planes[table.part[index]]
        )
        if self.viewer.dims.ndisplay != 2:
            self.viewer.dims.ndisplay = 2
        inside = [axis for axis, n in enumerate(plane) if n is None]
        show_plane(self.viewer, LayerView(layer), plane, position[inside])
        self.viewer.layers.selection.active = layer
        # Separated parts of a layer have no label of their own in it.
        if (TRUTH if in_truth else PREDICTION) not in self._separated:
            layer.selected_label = int(table.label[index])
        if in_truth and table.partner[index] and PREDICTION not in self._separated:
            prediction.selected_label = int(table.partner[index])
        return layer

    def _plane_at(self, layer: Any, position: NDArray[np.float64]) -> PlaneIndex:
        """Return the plane through a position, oriented like the plane in view."""
        extra = self.viewer.dims.ndim - layer.ndim
        shown = [axis - extra for axis in self.viewer.dims.displayed[-2:]]
        if min(shown) < 0:
            shown = [layer.ndim - 2, layer.ndim - 1]
        return tuple(None if k in shown else round(float(x)) for k, x in enumerate(position))

    def _compared(self) -> tuple[ObjectComparison, LabelPair]:
        if self.result is None or self._labels is None:
            raise InputError("Compare two layers first.")
        return self.result, self._labels

    # Events of the viewer -------------------------------------------------------------------

    def _on_edit(self) -> None:
        if not self.stale:
            self.stale = True
            if self.result is not None:
                self._report_stale()

    def _report_stale(self) -> None:
        self.errors.mark_outdated()
        self.status.emit(
            "The layers changed since they were compared; compare them again.", "warning"
        )
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        gone = event.value
        if gone is self.prediction or gone is self.truth:
            self.choose_layers(
                None if gone is self.prediction else self.prediction,
                None if gone is self.truth else self.truth,
            )
            self.status.emit(f"{gone.name} was removed.")
