"""Environment of processes that tests start and that import from the tests."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment_with_tests() -> dict[str, str]:
    """Return the variables of this process, with the folder above ``tests`` to import from."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}
