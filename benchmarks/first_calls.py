"""How often the first call of one of torch's functions differs, when several threads make it.

    python benchmarks/first_calls.py --processes 3000 --threads 16 --together 12

Forked processes compute sines of the same numbers, as the code of a model's positions does. With
``--after`` each of them has called the functions of `napari_segany.networks.vector_math` before, as
the package does. Needs a system that forks processes, and torch with Intel's library.
"""

import argparse
import hashlib
import os
from collections import Counter

import torch

from napari_segany.networks.vector_math import warm_up_vector_functions

NUMBERS = 64 * 64 * 128
"""Sines of the code of the positions of 64 x 64 tokens."""


def sines(threads: int, after: bool) -> bytes:
    """Return the hash of the sines that this process computes first of all."""
    torch.set_num_threads(threads)
    if after:
        warm_up_vector_functions()
    numbers = torch.arange(NUMBERS, dtype=torch.float32).mul_(0.0137)
    return hashlib.sha256(numbers.sin().numpy().tobytes()).digest()


def in_a_process(threads: int, after: bool) -> tuple[int, int]:
    """Start a process that computes; returns where its hash can be read, and its number."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.write(write, sines(threads, after))
        finally:
            os._exit(0)
    os.close(write)
    return read, process


def main() -> None:
    """Print how many processes gave each result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=16, help="threads of each process")
    parser.add_argument("--together", type=int, default=12, help="processes at the same time")
    parser.add_argument("--after", action="store_true", help="after one thread called them")
    args = parser.parse_args()
    results: Counter[bytes] = Counter()
    for first in range(0, args.processes, args.together):
        count = min(args.together, args.processes - first)
        started = [in_a_process(args.threads, args.after) for _ in range(count)]
        for read, process in started:
            found = os.read(read, 100)
            if len(found) != hashlib.sha256().digest_size:
                raise SystemExit("A process ended without a result.")
            results[found] += 1
            os.close(read)
            os.waitpid(process, 0)
    (_, usual), *others = results.most_common()
    print(f"the same result: {usual}; others: {[number for _, number in others]}")


if __name__ == "__main__":
    main()
