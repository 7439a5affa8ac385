"""Labels layers that are made of found masks, in the background where planes are large."""

from collections.abc import Callable
from typing import Any

from psygnal import Signal

from napari_segany.plugin.everything.found_masks import FoundMasks
from napari_segany.plugin.everything.large_preview import is_large
from napari_segany.plugin.everything.made_labels import MadeLabels
from napari_segany.plugin.everything.mask_preview import MaskPreview
from napari_segany.plugin.everything.messages import made_message
from napari_segany.plugin.everything.result_layers import (
    PaintedLabels,
    labels_layer,
    paint_planes,
)
from napari_segany.plugin.jobs.failures import describe_error
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.adding import add_layer
from napari_segany.plugin.layers.image_view import LayerView


class LabelMaker:
    """Makes labels of masks, and shows them in place of the masks until these are filtered again.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer.
    jobs : JobQueue
        Queue beside which labels of large planes are painted.
    preview : MaskPreview
        The masks of the image in work.

    Attributes
    ----------
    above : callable
        Returns the layer below which labels are added; by default None, for above all layers.
    status : Signal
        Emitted with a message and its severity.
    changed : Signal
        Emitted when labels were made or left.
    """

    status = Signal(str, str)
    changed = Signal()

    def __init__(self, viewer: Any, jobs: JobQueue, preview: MaskPreview) -> None:
        self._viewer, self._jobs, self._preview = viewer, jobs, preview
        self.above: Callable[[], Any] = lambda: None
        self._current: FoundMasks | None = None
        # Labels that were made last of the masks of an image, until they are filtered again.
        self._made: dict[FoundMasks, MadeLabels] = {}

    def follow(self, found: FoundMasks | None) -> None:
        """Work on the masks of another image, None for none."""
        self._current = found
        self._preview.set_visible(found not in self._made)

    def made_of(self, found: FoundMasks) -> MadeLabels | None:
        """Return the labels of an image's masks; None without any, or once they are filtered."""
        return self._made.get(found)

    def make(self, found: FoundMasks, view: LayerView) -> Any:
        """Add a labels layer of all searched planes of the image in work.

        Returns
        -------
        napari.layers.Labels or None
            The layer. None for large planes, whose labels are painted in the background first.

        Raises
        ------
        InputError
            If no plane was searched.
        """
        if not any(is_large(view, plane) for plane in found.masks):
            return self._add(found, view, paint_planes(found, view.shape))
        now = found.snapshot()

        def done(painted: PaintedLabels) -> None:
            self.status.emit("", "info")
            if found is self._current:
                self._add(found, view, painted)

        def failed(error: Exception) -> None:
            self.status.emit(describe_error(error), "error")

        self._jobs.run_beside(lambda _: paint_planes(now, view.shape), done, failed)
        self.status.emit("Making labels ...", "info")
        return None

    def _add(self, found: FoundMasks, view: LayerView, painted: PaintedLabels) -> Any:
        made = labels_layer(painted, view)
        layers, above = self._viewer.layers, self.above()
        at = layers.index(above) if above in layers else None
        add_layer(self._viewer, made.layer, at, show=True)
        self._made[found] = made
        self._preview.set_visible(False)
        self.changed.emit()
        count = sum(map(len, painted.ids.values()))
        self.status.emit(made_message(str(made.layer.name), count), "info")
        return made.layer

    def take_back(self, found: FoundMasks) -> None:
        """Show the masks in place of the labels that were made of them; the labels stay."""
        made = self._made.pop(found, None)
        if made is not None and found is self._current:
            made.layer.visible = False
            self._preview.set_visible(True)
            self.changed.emit()

    def forget(self, found: FoundMasks) -> None:
        """Forget the labels of masks that are discarded."""
        self._made.pop(found, None)

    def forget_layer(self, layer: Any) -> None:
        """Show masks again, because the labels that were made of them left the viewer."""
        for found, made in list(self._made.items()):
            if layer is made.layer:
                self.take_back(found)
