"""The log of a batch: events with their times.

Besides it only the records in ``.segany``, which hold modification times, differ from run to run.
"""

import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any

from napari_segany.io.safe_names import shown

logger = logging.getLogger(__name__)

LOG = "segany_log.jsonl"
"""Name of the log in the folder with the results."""


class Log:
    """A log of one JSON object per line, to which several processes may write.

    Parameters
    ----------
    output : Path
        The folder with the results.
    """

    def __init__(self, output: Path) -> None:
        self._path = output / LOG
        self._failed = False

    def write(self, event: str, **values: Any) -> None:
        """Append an event with the time."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "event": event,
            **values,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # No link is followed: it could lead to a file that nobody meant.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            # One write a line, so that lines of several processes do not mix.
            with open(os.open(self._path, flags, 0o666), "ab", buffering=0) as file:
                file.write((json.dumps(line) + "\n").encode())
        # Results do not hang on the log, so a full disk here must not cost them.
        except OSError as error:
            if not self._failed:
                logger.warning("%s is not written (%s).", shown(self._path), error.strerror)
            self._failed = True
