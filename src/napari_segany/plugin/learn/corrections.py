"""Corrections of labels: kept while they are made, with presses of the mouse and time."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop
from napari_segany.plugin.jobs.queue import JobQueue
from napari_segany.plugin.layers.edit_watch import EditWatch
from napari_segany.plugin.layers.metadata import OWN_NAMES
from napari_segany.training.project import Effort

PAUSE = 20.0
"""Seconds without a press of the mouse of which no more count as work."""

QUIET = 1.0
"""Seconds between an edit and the beginning of its saving, in which more edits may come."""

IDLE_MODES = ("pan_zoom", "transform", "pick", "select", "direct")
"""Modes of layers in which a press of the mouse draws and prompts nothing."""

Save = Callable[[NDArray[np.int32]], object]
"""Called in another thread with labels to keep."""


class Corrections:
    """Watch on the labels of the image in work.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer, whose mouse is watched.
    layer : napari.layers.Labels
        The labels.
    jobs : JobQueue
        Queue in which labels are saved.
    save : callable
        Saves labels.
    saved, failed : callable
        Called in the GUI thread after each saving, and with its error.
    quiet : float
        Seconds that a saving waits for more edits.
    clock : callable
        The time in seconds.

    Attributes
    ----------
    is_touched : bool
        True once the labels were edited.
    """

    def __init__(
        self,
        viewer: Any,
        layer: Any,
        jobs: JobQueue,
        save: Save,
        saved: Callable[[], object],
        failed: Callable[[Exception], object],
        *,
        quiet: float = QUIET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.viewer, self.layer, self._jobs = viewer, layer, jobs
        self._save, self._saved, self._failed = save, saved, failed
        self._quiet, self._clock = quiet, clock
        self._edits, self._seconds, self._last = 0, 0.0, clock()
        self._is_dirty = self._is_saving = self._has_ended = False
        self.is_touched = False
        self._data: Any = layer.data
        # A copy is made and written by one thread at a time, so that the last one is the latest.
        self._writing = threading.Lock()
        self._watch = EditWatch(viewer)
        self._watch.begin(layer)
        self._watch.edited.connect(self._on_edit)
        viewer.mouse_drag_callbacks.append(self._on_press)

    @property
    def labels(self) -> NDArray[np.int32]:
        """A copy of the labels as they are now; any thread may ask for it."""
        return np.array(self._data, np.int32)

    def take_effort(self, is_last: bool = False) -> Effort:
        """Return presses and seconds since the last call.

        Parameters
        ----------
        is_last : bool
            Count the time since the last press, too.
        """
        if is_last:
            self._count_time()
        found = Effort(self._edits, round(self._seconds, 1))
        self._edits, self._seconds = 0, 0.0
        return found

    def end(self) -> None:
        """Leave the labels; what was not saved yet is saved by :meth:`save_now`."""
        if self._has_ended:
            return
        self._has_ended = True
        self._watch.edited.disconnect(self._on_edit)
        self._watch.end()
        if self._on_press in self.viewer.mouse_drag_callbacks:
            self.viewer.mouse_drag_callbacks.remove(self._on_press)

    def save_now(self) -> None:
        """Save in this thread what was not saved yet, and wait for what another thread saves."""
        with self._writing:
            if self._is_dirty:
                self._is_dirty = False
                try:
                    self._save(self.labels)
                except Exception:
                    self._is_dirty = True
                    raise

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        """Count a press of the mouse that draws or prompts, and the time since the last one."""
        layer = viewer.layers.selection.active
        is_ours = layer is self.layer or (layer is not None and layer.name in OWN_NAMES)
        if is_ours and str(layer.mode) not in IDLE_MODES:
            self._edits += 1
            self._count_time()
        yield

    def _count_time(self) -> None:
        now = self._clock()
        self._seconds += min(now - self._last, PAUSE)
        self._last = now

    def _on_edit(self) -> None:
        self.is_touched = self._is_dirty = True
        # Labels that were replaced as a whole are other data.
        self._data = self.layer.data
        if not self._is_saving:
            self._begin_saving()

    def _begin_saving(self) -> None:
        self._is_saving = True

        def work(should_stop: ShouldStop) -> None:
            latest = self._clock() + self._quiet
            while self._clock() < latest and not should_stop():
                time.sleep(min(0.05, self._quiet))
            self.save_now()

        def done(_: Any) -> None:
            self._is_saving = False
            self._saved()
            if self._is_dirty and not self._has_ended:
                self._begin_saving()

        def failed(error: Exception) -> None:
            self._is_saving = False
            self._failed(error)

        self._jobs.run_beside(work, done, failed)
