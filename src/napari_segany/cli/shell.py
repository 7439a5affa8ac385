"""Behave well in a shell: signals, closed pipes, stream encoding."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from types import FrameType
from typing import Any


@dataclass
class Stop:
    """A signal that stopped the command.

    Attributes
    ----------
    code : int
        The exit code that shells expect: 128 and the number of the signal.
    """

    code: int = 128 + signal.SIGINT


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Treat the signals that end a process like Ctrl-C, so that the command cleans up.

    The first one raises KeyboardInterrupt, a second one ends the process as usual. Signals that
    are ignored, as under nohup, or that somebody else takes, stay so.
    """
    stop = Stop()
    before: dict[int, Any] = {}

    def stop_once(number: int, _: FrameType | None) -> None:
        stop.code = 128 + number
        for each, handler in before.items():
            signal.signal(each, handler)
        raise KeyboardInterrupt

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    if threading.current_thread() is threading.main_thread():
        # Windows has no SIGHUP.
        for each in (getattr(signal, name) for name in names if hasattr(signal, name)):
            if signal.getsignal(each) in (signal.SIG_DFL, signal.default_int_handler):
                before[each] = signal.getsignal(each)
        for each in before:
            signal.signal(each, stop_once)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def safe_streams() -> Iterator[None]:
    """Escape characters that the encoding of a stream does not have, in place of an error.

    Streams that were closed before the command began discard everything.
    """
    given = sys.stdout, sys.stderr
    streams = [s for s in given if isinstance(s, TextIOWrapper)]
    before = [stream.errors for stream in streams]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        for stream in streams:
            stream.reconfigure(errors="backslashreplace")
        sys.stdout, sys.stderr = (nowhere if s is None else s for s in given)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = given
            for stream, errors in zip(streams, before, strict=True):
                with suppress(OSError, ValueError):
                    stream.reconfigure(errors=errors)


def drop_output() -> None:
    """Discard buffered output if it cannot be written.

    The interpreter would try again at exit, and print an error.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
