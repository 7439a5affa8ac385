"""Corrections of a labels layer: saved while they are made, with clicks and time."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.plugin.jobs.queue import JobQueue

PAUSE = 20.0
"""Seconds without a click after which a person is taken to do something else."""

SAVED_AFTER = 2.0
"""Seconds between two savings of labels that change, at least."""


class Corrections:
    """Watch on the labels of an image in work.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    jobs : JobQueue
        Queue in which labels are saved.
    save : callable
        Called in another thread with a copy of the labels.
    clock : callable
        The time in seconds.
    """

    def __init__(
        self,
        layer: Any,
        jobs: JobQueue,
        save: Callable[[NDArray[np.integer]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.layer, self._jobs, self._save, self._clock = layer, jobs, save, clock
        self._clicks, self._seconds, self._last = 0, 0.0, clock()
        self._is_changed = self._is_saving = False
        self._saved_at = clock()
        self.error: Exception | None = None
        layer.mouse_drag_callbacks.append(self._on_press)
        for event in (layer.events.labels_update, layer.events.data, layer.events.paint):
            event.connect(self._on_edit)

    def take_effort(self) -> tuple[int, float]:
        """Return clicks and seconds since the last call."""
        found = self._clicks, self._seconds
        self._clicks, self._seconds = 0, 0.0
        return found

    def end(self, save: bool = True) -> None:
        """Leave the layer; save what was not saved yet."""
        if self._on_press in self.layer.mouse_drag_callbacks:
            self.layer.mouse_drag_callbacks.remove(self._on_press)
        for event in (
            self.layer.events.labels_update,
            self.layer.events.data,
            self.layer.events.paint,
        ):
            event.disconnect(self._on_edit)
        if save and self._is_changed:
            self._save(np.asarray(self.layer.data))
            self._is_changed = False

    def _on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Count a press of the mouse that may change labels, and the time since the last one."""
        if str(layer.mode) not in ("pan_zoom", "transform", "pick"):
            now = self._clock()
            self._clicks += 1
            self._seconds += min(now - self._last, PAUSE)
            self._last = now
        yield

    def _on_edit(self, event: Any = None) -> None:
        self._is_changed = True
        if not self._is_saving and self._clock() - self._saved_at >= SAVED_AFTER:
            self._jobs.call_later("save labels", self._begin_saving)

    def _begin_saving(self) -> None:
        if not self._is_changed or self._is_saving:
            return
        self._is_changed, self._is_saving = False, True
        self._saved_at = self._clock()
        data = np.array(self.layer.data)

        def work(_: ShouldStop) -> None:
            self._save(data)

        def done(_: Any) -> None:
            self._is_saving = False

        def failed(error: Exception) -> None:
            self._is_saving, self._is_changed, self.error = False, True, error

        self._jobs.run_beside(work, done, failed)
