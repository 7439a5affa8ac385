"""The number of random examples and steps: fewer by default, all of them with ``--full``."""

import os

VARIABLE = "SEGANY_FULL_TESTS"
"""Environment variable with the same meaning as ``--full``, which sets it for other processes."""


def choose_count(full: int, quick: int) -> int:
    """Return the number of examples or steps of this run."""
    return full if os.environ.get(VARIABLE) else quick
