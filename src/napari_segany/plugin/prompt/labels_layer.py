"""The labels layer that a session commits into."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels

from napari_segany.errors import InputError
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.image_view import LayerView
from napari_segany.plugin.layers.metadata import EARLIER, METADATA
from napari_segany.plugin.layers.sparse_array import zeros
from napari_segany.plugin.layers.transforms import lies_like
from napari_segany.plugin.prompt.layer_target import LayerTarget, check_writable
from napari_segany.session import Session
from napari_segany.session.history import written
from napari_segany.session.replay import provenance, steps_since, table
from napari_segany.session.state import State, Step


class LabelsLayer:
    """Follows one labels layer at a time.

    Parameters
    ----------
    jobs : JobQueue
        Large layers are drawn in turns of their own.
    on_redraw : callable
        Called when the labels were drawn again, maybe because somebody undid something there.

    Attributes
    ----------
    layer : napari.layers.Labels or None
        What is committed into.
    """

    def __init__(self, jobs: JobQueue, on_redraw: Callable[[Any], None]) -> None:
        self.jobs = jobs
        self.layer: Any = None
        self._target: LayerTarget | None = None
        # Steps that are in the layer's features.
        self._described = 0
        # Labels that we described last, and those of them whose rows are only ours.
        self._known: set[int] = set()
        self._added: set[int] = set()
        self._record: Any = None
        self._on_redraw = on_redraw

    @staticmethod
    def new_layer(picture: LayerView) -> Any:
        """An empty layer for the objects of a picture."""
        data = zeros(picture.shape, np.int32)
        return Labels(data, name=f"{picture.name} objects", **picture.placement())

    def written_again(self, picture: LayerView, steps: Sequence[Step]) -> Any:
        """A layer like one that an earlier session was done with, with its objects and scores."""
        layer = self.new_layer(picture)
        ledger = written(LayerTarget(layer, 0), steps)
        state = State({each.id: each for each in ledger.objects})
        layer.features = pd.DataFrame(table(state, ledger.area))
        return layer

    def take(self, layer: Any, picture: LayerView, new: bool = False) -> LayerTarget:
        """Follow a layer from now on.

        Raises
        ------
        InputError
            If it cannot be written, has another shape than the picture, or lies elsewhere.
        """
        check_writable(layer)
        shape = tuple(layer.data.shape)
        if shape != picture.shape:
            raise InputError(
                f"{layer.name} has shape {shape}, {picture.name} has planes of {picture.shape}; "
                "choose labels of the image's shape."
            )
        if not lies_like(layer, picture):
            raise InputError(
                f"{layer.name} lies elsewhere than {picture.name}: scale, translation, rotation or "
                "units differ. Give it those of the image, or choose other labels."
            )
        target = LayerTarget(
            layer, 0 if new else None, lambda: self.jobs.call_later("labels drawn", layer.refresh)
        )
        self.leave()
        self.layer, self._target, self._described = layer, target, 0
        self._known, self._added, self._record = set(), set(), None
        layer.events.data.connect(self._on_data)
        layer.events.set_data.connect(self._on_redraw)
        layer.events.paint.connect(self._on_paint)
        return target

    def leave(self) -> None:
        """Follow it no more; it stays as it is."""
        if self.layer is not None:
            self.layer.events.set_data.disconnect(self._on_redraw)
            self.layer.events.paint.disconnect(self._on_paint)
            self.layer.events.data.disconnect(self._on_data)
        self.layer = self._target = None

    def describe(self, session: Session) -> None:
        """Scores into the layer's features, how they came about into its metadata."""
        count = len(session.steps)
        if self.layer is not None and count != self._described:
            self._described = count
            self.layer.features = self._merged(table(session.state, session.area))
            self.record(session)

    def _merged(self, ours: dict[str, Any]) -> Any:
        """The layer's table with our columns and rows; what others wrote there stays."""
        rows = pd.DataFrame(ours).set_index("index")
        theirs = self.layer.features
        if "index" not in theirs:
            # In a table without that column the row's number is the label.
            theirs = theirs.assign(index=range(len(theirs)))
        theirs = theirs.set_index("index")
        theirs = theirs[~theirs.index.duplicated()]
        gone = self._known - set(rows.index)
        # Of objects that are no more, rows that only we made go.
        theirs = theirs.drop(index=list(self._added & gone), errors="ignore")
        columns = [name for name in rows.columns if name in theirs.columns]
        if gone and columns:
            theirs.loc[theirs.index.isin(gone), columns] = np.nan
        self._added = (self._added - gone) | (set(rows.index) - set(theirs.index))
        self._known = set(rows.index)
        if not len(theirs):
            # Nothing to keep but the names of columns.
            return rows.assign(**{n: None for n in theirs.columns if n not in rows}).reset_index()
        merged = theirs.reindex(theirs.index.union(rows.index))
        for name in rows.columns:
            known = merged[name] if name in merged else pd.Series(np.nan, merged.index)
            merged[name] = (
                rows[name].reindex(merged.index).where(merged.index.isin(rows.index), known)
            )
        ordered = [*rows.columns, *(name for name in merged.columns if name not in rows.columns)]
        return merged[ordered].rename_axis("index").reset_index()

    def record(self, session: Session) -> None:
        """How the labels came about into the layer's metadata."""
        if self.layer is None or session.model is None or not session.steps:
            return
        known = self.layer.metadata.get(METADATA)
        if known is None or not steps_since(known, session):
            if known is not None and known is not self._record:
                # How somebody else, or an earlier session, made what is in this layer.
                self.layer.metadata.setdefault(EARLIER, []).append(known)
            self._record = self.layer.metadata[METADATA] = provenance(session)

    def _on_data(self, event: Any = None) -> None:
        if self._target is not None:
            self._target.replaced()

    def _on_paint(self, event: Any = None) -> None:
        if self._target is not None:
            self._target.note(int(self.layer.selected_label))
