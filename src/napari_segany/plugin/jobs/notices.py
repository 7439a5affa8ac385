"""Warnings and notes of the library while a job runs, for the dock that the job belongs to."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from napari_segany.core.notes import listening_to_notes

LIBRARY = "napari_segany"
"""Logger of the library, and so of everything that it assumes about an image."""

Tell = Callable[[str, str], object]
"""A function that is given the kind of a notice, the same for other numbers in it, and its text."""

_here = threading.local()
_installing = threading.Lock()


class _Collector(logging.Handler):
    """Gives warnings to the job that runs in the thread, and prints them as without it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Give a notice to the job of this thread."""
        tell: Tell | None = getattr(_here, "tell", None)
        if tell is not None:
            tell(str(record.msg), record.getMessage())
        # Python prints warnings itself only while there is no handler at all.
        if not logging.getLogger().handlers and logging.lastResort is not None:
            logging.lastResort.handle(record)


_collector = _Collector(logging.WARNING)


@contextmanager
def collecting_notices(tell: Tell) -> Iterator[None]:
    """Call a function with each warning and each note that the library logs in this thread.

    Parameters
    ----------
    tell : callable
        Called in this thread with kind and text of each notice.
    """
    with _installing:
        logger = logging.getLogger(LIBRARY)
        if _collector not in logger.handlers:
            logger.addHandler(_collector)
    before = getattr(_here, "tell", None)
    _here.tell = tell
    try:
        with listening_to_notes(tell):
            yield
    finally:
        _here.tell = before
