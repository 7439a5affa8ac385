"""Changes of a labels layer by napari's brush, or by another dock, frame by frame."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from napari_segany.plugin.jobs.queue import JobQueue


class LabelWatch:
    """Notes the frames of a labels layer that are painted.

    Parameters
    ----------
    jobs : JobQueue
        Queue in whose next turn changes are reported.
    changed : callable
        Called with the frames, or with None if all may have changed.
    """

    def __init__(self, jobs: JobQueue, changed: Callable[[Sequence[int] | None], object]) -> None:
        self.jobs, self._changed = jobs, changed
        self._layer: Any = None
        self._frames: set[int] = set()

    def begin(self, layer: Any) -> None:
        """Watch a layer."""
        self.end()
        self._layer = layer
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_data)

    def end(self) -> None:
        """Watch no layer."""
        if self._layer is not None:
            self._layer.events.paint.disconnect(self._on_paint)
            self._layer.events.data.disconnect(self._on_data)
        self._layer = None
        self._frames.clear()

    def _on_paint(self, event: Any) -> None:
        for atom in event.value:
            self._frames.update(_frames_of(atom, len(self._layer.data)))
        self.jobs.call_later("painted tracks", self._report)

    def _on_data(self, event: Any) -> None:
        self.jobs.call_later("replaced tracks", lambda: self._layer and self._changed(None))

    def _report(self) -> None:
        frames, self._frames = sorted(self._frames), set()
        if self._layer is not None:
            self._changed(frames)


def _frames_of(atom: Any, count: int) -> Iterable[int]:
    """Return the frames of one change in napari's history: an index, or a box with a mask."""
    index = atom.slice_key if hasattr(atom, "slice_key") else atom[0]
    first = index[0]
    if isinstance(first, slice):
        return range(*first.indices(count))
    found: list[int] = np.unique(np.asarray(first)).tolist()
    return found
