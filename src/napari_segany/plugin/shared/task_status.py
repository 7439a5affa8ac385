"""What napari is told about work that is not finished, so that closing its window asks."""

from typing import Any


class TaskStatus:
    """Objects that are not committed, as a task of napari's: closing the window names it.

    Parameters
    ----------
    window : napari.window.Window or None
        The viewer's window. Versions of napari without such tasks are told nothing.
    """

    def __init__(self, window: Any) -> None:
        self.window = window
        self._task: Any = None
        self._count = 0

    def set(self, count: int) -> None:
        """Say how many objects are not committed."""
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
