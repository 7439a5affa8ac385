"""Report of unfinished work to napari, which then asks before its window closes."""

from typing import Any


class TaskStatus:
    """Task status in napari that counts the objects that are not committed.

    Parameters
    ----------
    window : napari.window.Window or None
        The viewer's window; in versions of napari without task status nothing is reported.
    """

    def __init__(self, window: Any) -> None:
        self.window = window
        self._task: Any = None
        self._count = 0

    def set(self, count: int) -> None:
        """Report the number of objects that are not committed."""
        register = getattr(self.window, "_register_task_status", None)
        if register is None or count == self._count:
            return
        from napari.utils.task_status import Status

        self._count = count
        text = f"{count} object{'s' if count != 1 else ''} not committed (they can be restored)"
        if self._task is None:
            self._task = register("napari-segany", Status.PENDING, text)
        else:
            status = Status.PENDING if count else Status.COMPLETED
            self.window._update_task_status(self._task, status, text)
