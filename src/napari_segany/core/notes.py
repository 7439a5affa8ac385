"""Notes about what was assumed: lines of the log that other faces can show, too."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

TellNote = Callable[[str, str], object]
"""A function that is given the kind of a note, the same for other values in it, and its text."""

_listener: ContextVar[TellNote | None] = ContextVar("notes", default=None)


def note(logger: logging.Logger, text: str, *values: object) -> None:
    """Log a note as "note: TEXT", and give its text to the listener of this thread.

    Parameters
    ----------
    logger : logging.Logger
        Logger of the module.
    text : str
        Text, with places for values as those of ``logging``.
    *values
        Values.
    """
    logger.info(f"note: {text}", *values)
    tell = _listener.get()
    if tell is not None:
        # As in the log, a text without values is no template.
        tell(text, text % values if values else text)


@contextmanager
def listening_to_notes(tell: TellNote) -> Iterator[None]:
    """Call a function with each note of this thread.

    Parameters
    ----------
    tell : callable
        Called in this thread with kind and text of each note.
    """
    token = _listener.set(tell)
    try:
        yield
    finally:
        _listener.reset(token)
