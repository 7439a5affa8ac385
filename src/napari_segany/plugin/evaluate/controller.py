"""A prediction beside the truth in a viewer: compared in another thread, shown in layers.

It needs no Qt and works on a ``ViewerModel``.
"""

from itertools import product
from typing import Any, Literal

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.errors import InputError
from napari_segany.evaluation.comparison import ObjectComparison, PlaneIndex, compare, draw_errors
from napari_segany.plugin.evaluate.errors_layer import ErrorsLayer, is_errors
from napari_segany.plugin.evaluate.label_pair import LabelPair
from napari_segany.plugin.jobs.queue import ASK, JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.sparse_array import empty
from napari_segany.plugin.layers.transforms import full_data, lies_like, show_plane, viewed_plane

Scope = Literal["plane", "planes", "stack"]
"""The plane in view; every plane, each with objects of its own; objects through all planes."""

EDITS = ("data", "paint", "labels_update")
"""Events of a layer whose labels changed, unless by undo or in place."""


class EvaluateController:
    """Compares two labels layers, and notices when what it found is no longer so.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose layers are compared.
    jobs : JobQueue
        Where they are read and compared.
    report : callable, optional
        Called from other threads with planes done and planes in all.

    Attributes
    ----------
    status : Signal
        Emitted with a line.
    changed : Signal
        Emitted when there is another result, none any more, or it is out of date.
    prediction, truth : napari.layers.Labels or None
        The layers that were chosen.
    result : ObjectComparison or None
        What was found.
    stale : bool
        Whether the layers were edited since.
    error : Exception or None
        Why the latest comparison failed.
    """

    status = Signal(str)
    changed = Signal()

    def __init__(self, viewer: Any, jobs: JobQueue, report: Progress | None = None) -> None:
        self.viewer, self.jobs, self.report = viewer, jobs, report
        self.prediction: Any = None
        self.truth: Any = None
        self.result: ObjectComparison | None = None
        self.stale = False
        self.error: Exception | None = None
        self.errors = ErrorsLayer(viewer)
        # What looks binary in the layers of the result, in words, and sides taken apart.
        self.binary: dict[int, str] = {}
        self._apart: frozenset[int] = frozenset()
        # Truth and prediction of the result, or of the one that is being found.
        self._layers: tuple[Any, ...] = ()
        self._read: LabelPair | None = None
        self._views: dict[int, Any] = {}
        self._drawing = False
        viewer.layers.events.removed.connect(self._on_removed)

    def choose(self, prediction: Any, truth: Any) -> None:
        """Choose layers; a result of others is forgotten."""
        if prediction is self.prediction and truth is self.truth:
            return
        self._apart, self.binary = frozenset(), {}
        self.prediction, self.truth = prediction, truth
        self.forget()

    def forget(self) -> None:
        """Stop, and forget the result; a layer with errors stays, named as out of date."""
        self.jobs.stop()
        self._leave()
        if self.result is not None:
            self.errors.outdated()
        self.result, self.stale, self._read = None, False, None
        self._drawing = False
        self.changed.emit()

    def end(self) -> None:
        """Stop, and let go of the viewer."""
        self.jobs.stop()
        self._leave()
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    # Comparing ------------------------------------------------------------------------------

    def compare(self, over: Scope = "plane") -> None:
        """Compare the layers that were chosen.

        Raises
        ------
        InputError
            If they cannot be compared: none or one chosen, other shapes, other places.
        """
        self._check()
        prediction, truth = self.prediction, self.truth
        planes = self._planes(truth, over)
        together = over == "stack" and truth.ndim > 2
        self.forget()
        self._read = read = LabelPair(
            full_data(truth), full_data(prediction), self._apart, together
        )
        self._follow(truth, prediction)
        self.error = None

        def work(should_stop: ShouldStop) -> ObjectComparison:
            look, report = read.look, self.report
            return compare(
                look, planes, together=together, progress=report, should_stop=should_stop
            )

        self.jobs.submit("compare", ASK, work, self._on_compared, self._on_failed)
        self.status.emit("Comparing ...")

    def take_apart(self, apart: bool, over: Scope = "plane") -> None:
        """Compare with each separate part of what looks binary as an object, or as it is again."""
        self._apart = frozenset(self.binary) if apart else frozenset()
        self.compare(over)

    @property
    def is_apart(self) -> bool:
        """True if separate parts are objects."""
        return bool(self._apart)

    def _about_binary(self) -> str:
        """A line about layers that do not tell objects apart."""
        if self._apart:
            return ""
        names = {0: self.truth.name, 1: self.prediction.name}
        return " ".join(
            f"{names[side]} holds {text}; each value counts as one object."
            for side, text in self.binary.items()
        )

    def stop(self) -> None:
        """Stop comparing and drawing; a result that is there stays."""
        self.jobs.stop()
        if self.result is None:
            self._leave()
        if self._drawing:
            self._drawing = False
            self.errors.outdated()
        self.status.emit("Stopped.")

    def _check(self) -> None:
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

    def _planes(self, truth: Any, over: Scope) -> list[PlaneIndex]:
        if over not in ("plane", "planes", "stack"):
            raise InputError(f'over must be "plane", "planes" or "stack", got {over!r}.')
        picture = LayerView(truth)
        last_two: PlaneIndex = (*(0,) * (truth.ndim - 2), None, None)
        # Objects through planes are the same whichever way the planes lie.
        like = (
            last_two if over == "stack" or truth.ndim == 2 else viewed_plane(self.viewer, picture)
        )
        if over == "plane" or truth.ndim == 2:
            return [like]
        choices = (
            [None] if n is None else range(s) for n, s in zip(like, picture.shape, strict=True)
        )
        return list(product(*choices))

    def _on_compared(self, found: ObjectComparison) -> None:
        self.result = found
        assert self._read is not None
        if not self._apart:
            self.binary = self._read.noticed
        self.status.emit(self._about_binary())
        self.changed.emit()
        if self.stale:
            self._tell_stale()
        elif self.errors.layer is not None:
            self.draw()

    def _on_failed(self, error: Exception) -> None:
        self.error = error
        self._leave()
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        self.status.emit(f"The layers could not be compared: {text}")
        self.changed.emit()

    # Showing --------------------------------------------------------------------------------

    def draw(self) -> Any:
        """Show the errors in colours, in one layer; returns it.

        The colours follow when they are drawn.

        Raises
        ------
        InputError
            If there is no result, or it is out of date.
        """
        result, read = self._known()
        if self.stale:
            raise InputError("The layers changed since they were compared; compare them again.")
        truth = self._layers[0]
        data = empty(LayerView(truth).shape, np.uint8)

        def done(_: None) -> None:
            self._drawing = False
            self.status.emit("")
            # Somebody may have deleted the layer while it was drawn.
            if self.errors.layer is not None and self.result is result:
                self.errors.show(data, truth)
                if self.stale:
                    self.errors.outdated()

        def work(should_stop: ShouldStop) -> None:
            draw_errors(read, result, data, progress=self.report, should_stop=should_stop)

        layer = self.errors.layer
        if layer is None or layer.ndim != data.ndim:
            layer = self.errors.show(empty(data.shape, np.uint8), truth)
        self._drawing = True
        self.jobs.submit("errors", ASK, work, done, self._on_failed_to_draw)
        return layer

    def _on_failed_to_draw(self, error: Exception) -> None:
        self._drawing = False
        self.status.emit(f"The errors could not be drawn ({type(error).__name__}: {error}).")

    def go_to(self, index: int) -> Any:
        """Show an object: its plane, itself in the middle, its label selected; returns its layer.

        Parameters
        ----------
        index : int
            A row of the result's table.
        """
        result, _ = self._known()
        table = result.objects
        if not 0 <= index < len(table):
            raise InputError(f"There is no object {index}; the table has {len(table)}.")
        truth, prediction = self._layers
        about_truth = bool(table.of_truth[index])
        layer = truth if about_truth else prediction
        position = table.position[index]
        # An object through planes is looked at from where one looks.
        plane = self._seen(layer, position) if result.together else result.planes[table.part[index]]
        if self.viewer.dims.ndisplay != 2:
            self.viewer.dims.ndisplay = 2
        inside = [axis for axis, n in enumerate(plane) if n is None]
        show_plane(self.viewer, LayerView(layer), plane, position[inside])
        self.viewer.layers.selection.active = layer
        # Parts of a layer that was taken apart have no label of their own in it.
        if int(not about_truth) not in self._apart:
            layer.selected_label = int(table.label[index])
        if about_truth and table.partner[index] and 1 not in self._apart:
            prediction.selected_label = int(table.partner[index])
        return layer

    def _seen(self, layer: Any, position: NDArray[np.float64]) -> PlaneIndex:
        extra = self.viewer.dims.ndim - layer.ndim
        shown = [axis - extra for axis in self.viewer.dims.displayed[-2:]]
        if min(shown) < 0:
            shown = [layer.ndim - 2, layer.ndim - 1]
        return tuple(None if k in shown else round(float(x)) for k, x in enumerate(position))

    def _known(self) -> tuple[ObjectComparison, LabelPair]:
        if self.result is None or self._read is None:
            raise InputError("Compare two layers first.")
        return self.result, self._read

    # What the viewer tells ------------------------------------------------------------------

    def _follow(self, *layers: Any) -> None:
        self._layers = layers
        for layer in layers:
            self._views[id(layer)] = self._view(layer)
            for name in EDITS:
                getattr(layer.events, name).connect(self._on_edit)
            layer.events.set_data.connect(self._on_redraw)
            layer.events.visible.connect(self._on_visible)

    def _leave(self) -> None:
        for layer in self._layers:
            for name in EDITS:
                getattr(layer.events, name).disconnect(self._on_edit)
            layer.events.set_data.disconnect(self._on_redraw)
            layer.events.visible.disconnect(self._on_visible)
        self._layers, self._views = (), {}

    def _view(self, layer: Any) -> Any:
        """All that a layer is drawn again for, except its pixels."""
        dims, extra = self.viewer.dims, self.viewer.dims.ndim - layer.ndim
        return (
            *(dims.point[extra:], tuple(k - extra for k in dims.order if k >= extra)),
            *(dims.ndisplay, layer.contour, layer.show_selected_label, layer.selected_label),
            *(layer.data_level, np.asarray(layer.corner_pixels).tolist()),
        )

    def _on_redraw(self, event: Any) -> None:
        # Undo, and a refresh after data was edited in place, tell nothing but this.
        layer = event.source
        before, now = self._views.get(id(layer)), self._view(layer)
        self._views[id(layer)] = now
        if before == now:
            self._on_edit()

    def _on_visible(self, event: Any) -> None:
        # It is drawn again when it comes back, just before that is told.
        if not event.source.visible:
            self._views.pop(id(event.source), None)

    def _on_edit(self, event: Any = None) -> None:
        if not self.stale:
            self.stale = True
            if self.result is not None:
                self._tell_stale()

    def _tell_stale(self) -> None:
        self.errors.outdated()
        self.status.emit("The layers changed since they were compared; compare them again.")
        self.changed.emit()

    def _on_removed(self, event: Any) -> None:
        gone = event.value
        if gone is self.prediction or gone is self.truth:
            self.choose(
                None if gone is self.prediction else self.prediction,
                None if gone is self.truth else self.truth,
            )
            self.status.emit(f"{gone.name} was removed.")
