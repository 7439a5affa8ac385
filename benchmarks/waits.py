"""The time that small things take, which tests do not assert because machines are busy.

    python benchmarks/waits.py

prints the shortest of five: ``--help`` of the commands, in a process of its own; the answer when a
download's host is unreachable; and a table of 16384 compared objects, shown, sorted and filtered.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

COMMANDS = ([], ["segment"], ["prompt"], ["models"], ["models", "fetch"], ["demo"])


def shortest(act: Callable[[], object], times: int = 5) -> float:
    """Return the seconds of the fastest of some calls."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def measure_help() -> None:
    """Print the time of ``--help`` of every command."""
    code = "from napari_segany.cli.main import main; main({!r})"
    for command in COMMANDS:
        call = [sys.executable, "-c", code.format([*command, "--help"])]
        seconds = shortest(lambda call=call: subprocess.run(call, capture_output=True, check=True))  # type: ignore[misc]
        print(f"{' '.join([*command, '--help']):20} {seconds * 1000:6.0f} ms")


def measure_unreachable_host() -> None:
    """Print the time until a download from an unreachable host fails."""
    from napari_segany.errors import FetchError
    from napari_segany.weights import cache, catalog, download

    spec = catalog.get_spec("mobile_sam")

    def fetch() -> None:
        with tempfile.TemporaryDirectory() as folder:
            os.environ[cache.CACHE_VARIABLE] = folder
            try:
                download.fetch(spec.id)
            except FetchError:
                return
            raise SystemExit("the host could be reached")

    # Nobody listens at port 9 of this machine.
    os.environ["https_proxy"] = os.environ["http_proxy"] = "http://127.0.0.1:9"
    print(f"{'unreachable host':20} {shortest(fetch) * 1000:6.0f} ms")


def measure_object_table() -> None:
    """Print the time of each thing that is done with a table of 16384 objects."""
    from qtpy.QtCore import Qt

    from napari_segany.evaluation.comparison import compare
    from napari_segany.plugin.evaluate.object_table import COLUMNS, ObjectTableModel

    ids = np.arange(1, 128 * 128 + 1).reshape(128, 128)
    one = np.pad(np.ones((7, 7), np.int32), ((0, 1), (0, 1)))
    truth, found = (np.kron(x, one) for x in (ids, np.where(ids % 3, ids, 0)))
    result = compare(lambda side, _: (truth, found)[side], [(None, None)])
    model = ObjectTableModel()

    def show(act: Callable[[], object]) -> None:
        act()
        for row in range(30):
            for column in range(len(COLUMNS)):
                model.data(model.index(row, column))

    acts: dict[str, Callable[[], object]] = {
        "show": lambda: model.show_result(result),
        "sort by column 0": lambda: model.sort(0, Qt.SortOrder.DescendingOrder),
        "missed only": lambda: model.show_kinds({"missed"}),
    }
    for name, act in acts.items():
        seconds = shortest(lambda act=act: show(act))  # type: ignore[misc]
        print(f"{'table, ' + name:20} {seconds * 1000:6.0f} ms")


if __name__ == "__main__":
    measure_help()
    measure_object_table()
    measure_unreachable_host()
