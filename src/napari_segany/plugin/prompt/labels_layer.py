"""Labels layer that a session commits into, with its features and metadata."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels

from napari_segany.errors import InputError
from napari_segany.models.object_size import LARGE_PLANE
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.metadata import EARLIER, METADATA
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.layers.transforms import lies_like
from napari_segany.plugin.prompt.layer_target import LayerTarget, check_writable
from napari_segany.session import Session
from napari_segany.session.history import write_steps
from napari_segany.session.replay import append_new_steps, object_table, provenance
from napari_segany.session.state import State, Step


class LabelsLayer:
    """Binding of a session to one labels layer at a time.

    Parameters
    ----------
    jobs : JobQueue
        Queue that delays the redraw of large layers.
    on_redraw : callable
        Called after the labels were redrawn, for example by their own undo.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        Layer that objects are committed into.
    is_large : bool
        True if its planes are large, so that a new layer is shown after the first commit.
    """

    def __init__(self, jobs: JobQueue, on_redraw: Callable[[Any], None]) -> None:
        self.jobs = jobs
        self.layer: Any = None
        self.is_large = False
        self._target: LayerTarget | None = None
        # Number of steps that the layer's features show.
        self._described = 0
        # Labels described last, and those of them whose rows hold no other data.
        self._known: set[int] = set()
        self._added: set[int] = set()
        self._record: Any = None
        self._on_redraw = on_redraw

    @staticmethod
    def new_layer(view: LayerView) -> Any:
        """Return an empty layer for the objects of an image, invisible until it is added."""
        data = zeros(view.shape, np.int32)
        return Labels(data, name=f"{view.name} objects", visible=False, **view.placement())

    def restored_layer(self, view: LayerView, steps: Sequence[Step]) -> Any:
        """Return a new layer with the objects and scores that an earlier session committed."""
        layer = self.new_layer(view)
        compositor = write_steps(LayerTarget(layer, 0), steps)
        state = State({each.id: each for each in compositor.objects})
        layer.features = pd.DataFrame(object_table(state, compositor.area))
        return layer

    def bind(self, layer: Any, view: LayerView, new: bool = False) -> LayerTarget:
        """Bind to a layer, and return the target for commits into it.

        Raises
        ------
        InputError
            If the layer cannot be written, or its shape or transform differs from the image's.
        """
        check_writable(layer)
        shape = tuple(layer.data.shape)
        if shape != view.shape:
            raise InputError(
                f"{layer.name} has shape {shape}, {view.name} has planes of {view.shape}; "
                "choose labels of the image's shape."
            )
        if not lies_like(layer, view):
            raise InputError(
                f"{layer.name} lies elsewhere than {view.name}: scale, translation, rotation or "
                "units differ. Give it those of the image, or choose other labels."
            )
        # Of a large plane only the pixels that were written are drawn, at once; drawing all of it
        # takes much longer than one object. Of other planes several writes are drawn together.
        self.is_large = max(view.shape[-2:]) > LARGE_PLANE
        later = None if self.is_large else self._draw_later(layer)
        target = LayerTarget(layer, 0 if new else None, later)
        self.unbind()
        self.layer, self._target, self._described = layer, target, 0
        self._known, self._added, self._record = set(), set(), None
        self.observe()
        return target

    def _draw_later(self, layer: Any) -> Callable[[], object]:
        return lambda: self.jobs.call_later("labels drawn", layer.refresh)

    def observe(self) -> None:
        """Follow changes of the layer, if there is one, from outside."""
        if self.layer is not None:
            self.layer.events.data.connect(self._on_data)
            self.layer.events.set_data.connect(self._on_redraw)
            self.layer.events.paint.connect(self._on_paint)

    def pause(self) -> None:
        """Follow changes of the layer no longer; its largest label may change meanwhile."""
        if self.layer is not None:
            self.layer.events.set_data.disconnect(self._on_redraw)
            self.layer.events.paint.disconnect(self._on_paint)
            self.layer.events.data.disconnect(self._on_data)
            self._on_data()

    def unbind(self) -> None:
        """Release the layer, which stays unchanged."""
        self.pause()
        self.layer = self._target = None

    def describe(self, session: Session) -> None:
        """Write scores to the layer's features, and provenance to its metadata."""
        count = len(session.steps)
        if self.layer is not None and count != self._described:
            self._described = count
            self.layer.features = self._merged(object_table(session.state, session.area))
            self.record_provenance(session)

    def _merged(self, ours: dict[str, Any]) -> Any:
        """Return the layer's table with rows and columns of the session; other data stays."""
        rows = pd.DataFrame(ours).set_index("index")
        theirs = self.layer.features
        if "index" not in theirs:
            # Without that column the number of a row is its label.
            theirs = theirs.assign(index=range(len(theirs)))
        theirs = theirs.set_index("index")
        theirs = theirs[~theirs.index.duplicated()]
        gone = self._known - set(rows.index)
        # Rows of deleted objects are removed if they hold no other data.
        theirs = theirs.drop(index=list(self._added & gone), errors="ignore")
        columns = [name for name in rows.columns if name in theirs.columns]
        if gone and columns:
            theirs.loc[theirs.index.isin(gone), columns] = np.nan
        self._added = (self._added - gone) | (set(rows.index) - set(theirs.index))
        self._known = set(rows.index)
        if not len(theirs):
            # Only the names of columns are kept.
            return rows.assign(**{n: None for n in theirs.columns if n not in rows}).reset_index()
        merged = theirs.reindex(theirs.index.union(rows.index))
        for name in rows.columns:
            known = merged[name] if name in merged else pd.Series(np.nan, merged.index)
            merged[name] = (
                rows[name].reindex(merged.index).where(merged.index.isin(rows.index), known)
            )
        ordered = [*rows.columns, *(name for name in merged.columns if name not in rows.columns)]
        return merged[ordered].rename_axis("index").reset_index()

    def record_provenance(self, session: Session) -> None:
        """Write the provenance of the labels to the layer's metadata."""
        if self.layer is None or session.model is None or not session.steps:
            return
        known = self.layer.metadata.get(METADATA)
        if known is None or not append_new_steps(known, session):
            if known is not None and known is not self._record:
                # Provenance from an earlier session or another tool.
                self.layer.metadata.setdefault(EARLIER, []).append(known)
            self._record = self.layer.metadata[METADATA] = provenance(session)

    def _on_data(self, event: Any = None) -> None:
        if self._target is not None:
            self._target.forget_largest()

    def _on_paint(self, event: Any = None) -> None:
        if self._target is not None:
            self._target.note_painted(int(self.layer.selected_label))
