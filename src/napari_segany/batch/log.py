"""When what was done: the one file of a batch that differs from run to run."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

LOG = "segany_log.jsonl"


class Log:
    """Appends a JSON object a line; several processes may write into one.

    Parameters
    ----------
    output : Path
        The folder with the results.
    """

    def __init__(self, output: Path) -> None:
        self._path = output / LOG

    def write(self, event: str, **values: Any) -> None:
        """Note an event with the time."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "event": event,
            **values,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # One write a line, so that lines of several processes do not mix.
        with self._path.open("ab") as file:
            file.write((json.dumps(line) + "\n").encode())
