"""Set how OpenMP threads wait before torch is loaded.

Threads that wait for their next piece of work spin by default, for about a millisecond. On a
machine whose cores are shared by two programs each spinning thread takes a core from the other
program: the two together can run many times slower than one alone. Threads that wait briefly and
sleep then give the same speed alone. ``benchmarks/two_programs.py`` measures both.
"""

import os

WAITING = {
    # GCC's OpenMP, which PyTorch uses on Linux: turns of the waiting loop.
    "GOMP_SPINCOUNT": "1000",
    # LLVM's and Intel's OpenMP, which PyTorch uses on macOS and Windows: milliseconds.
    "KMP_BLOCKTIME": "0",
}
"""Environment variables that say how long a thread spins before it sleeps."""

CHOICES = (*WAITING, "OMP_WAIT_POLICY")
"""Variables by which a person may have chosen already."""


def wait_briefly() -> None:
    """Let waiting OpenMP threads sleep soon, unless the environment says how they wait.

    It has no effect on libraries that are loaded already.
    """
    if not any(name in os.environ for name in CHOICES):
        os.environ.update(WAITING)
