"""Seconds and memory of the families of transformers at their published sizes, random weights.

    python benchmarks/families.py --device cpu                    # every family that is installed
    python benchmarks/families.py --device cuda --family sam2_b --family sam3

Random weights take the time of published ones. Each architecture runs in a process of its own: its
weights are written to a file and loaded as a user's are, with hash and checks. On a CPU seconds
are those that the threads of the process computed, so that other programs do not count; on a GPU
they are those of a clock. The first answers of each kind are not timed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.edgetam.model import EdgeTamImageModel
from napari_segany.models.ported.model import PortedModel
from napari_segany.models.sam2.model import Sam2ImageModel
from napari_segany.models.sam3.model import Sam3TrackerImageModel
from napari_segany.models.sam_hq.model import SamHqModel
from napari_segany.weights.cache import CACHE_VARIABLE, hash_file
from napari_segany.weights.image_families import family_of
from napari_segany.weights.resolve import Weights

MODELS: dict[str, type[PortedModel]] = {
    **dict.fromkeys(("sam2_t", "sam2_s", "sam2_b", "sam2_l"), Sam2ImageModel),
    **dict.fromkeys(("sam_hq_b", "sam_hq_l", "sam_hq_h"), SamHqModel),
    "sam3": Sam3TrackerImageModel,
    "edgetam": EdgeTamImageModel,
}
"""Classes by architecture."""

SIDE, MANY = 1024, 64
RESULTS = Path(__file__).parent / "results"
COLUMNS = {
    "parameters": "million parameters",
    "load": "load, s",
    "embed": "embed, s",
    "one": "1 prompt, s",
    "many": f"{MANY} prompts, s",
    "weights_mb": "weights, MB",
    "embedding_mb": "embedding, MB",
    "peak_mb": "peak, MB",
}


def write_random(architecture: str, path: Path) -> int:
    """Write random weights of an architecture and return the number of parameters."""
    from safetensors.torch import save_file

    family = family_of(architecture)
    assert family is not None
    torch.manual_seed(0)
    network = family.build(architecture)
    for value in network.parameters():
        if not value.any():
            value.data.normal_(std=0.02)
    save_file({k: v.clone().contiguous() for k, v in network.state_dict().items()}, path)
    return sum(value.numel() for value in network.parameters())


def seconds_of(work: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Median seconds of some runs."""
    taken = []
    for _ in range(repeats):
        on_gpu = device.type != "cpu"
        clock = time.perf_counter if on_gpu else time.process_time
        start = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(clock() - start)
    return statistics.median(taken)


def measure(architecture: str, device: torch.device, repeats: int, path: Path) -> dict[str, Any]:
    """Load a file of weights, embed a plane, answer prompts."""
    weights = Weights(architecture, architecture, path, hash_file(path).sha256)
    made: list[PortedModel] = []
    load = seconds_of(
        lambda: made.append(MODELS[architecture].load(weights, device, "exact")), device, 1
    )
    (model,) = made
    rng = np.random.default_rng(0)
    plane = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    embedding = model.embed(plane)
    prompts = [Prompt(points=[point]) for point in rng.uniform(0, SIDE - 1, (MANY, 2))]
    model.predict(embedding, prompts[:1])
    found = {
        "load": load,
        "embed": seconds_of(lambda: model.embed(plane), device, repeats),
        "one": seconds_of(lambda: model.predict(embedding, prompts[0]), device, repeats),
        "many": seconds_of(
            lambda: model.predict(embedding, prompts, low_res_logits=False), device, repeats
        ),
        "weights_mb": path.stat().st_size / 1e6,
        "embedding_mb": embedding.nbytes / 1e6,
    }
    if device.type == "cuda":
        found["peak_mb"] = torch.cuda.max_memory_allocated() / 1e6
    else:
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {name: round(value, 4) for name, value in found.items()}


def in_a_process(architecture: str, args: argparse.Namespace, *more: str) -> str:
    """Run this file for one architecture and return what it printed."""
    command = [sys.executable, __file__, "--one", architecture, "--device", args.device]
    command += ["--threads", str(args.threads), "--repeats", str(args.repeats), *more]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{architecture} failed")
    return done.stdout.strip().splitlines()[-1]


def run_one(args: argparse.Namespace) -> None:
    """Write or measure one architecture; print the result as JSON."""
    path = Path(args.weights)
    if args.write:
        print(json.dumps({"parameters": write_random(args.one, path)}))
        return
    print(json.dumps(measure(args.one, torch.device(args.device), args.repeats, path)))


def about(device: torch.device, threads: int) -> dict[str, Any]:
    """What the seconds depend on, without a name of this machine."""
    import transformers

    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": threads,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "plane": [SIDE, SIDE],
    }


def measure_all(args: argparse.Namespace) -> dict[str, Any]:
    """Measure every architecture that was asked for; print a table as it grows."""
    rows: dict[str, Any] = {}
    print("\t".join(("architecture", *COLUMNS.values())), flush=True)
    for architecture in args.family or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ[CACHE_VARIABLE] = folder
            file = ("--weights", str(Path(folder, "model.safetensors")))
            try:
                row = json.loads(in_a_process(architecture, args, *file, "--write"))
                row |= json.loads(in_a_process(architecture, args, *file))
            except (RuntimeError, InputError) as error:
                print(f"{architecture}\t{error}", flush=True)
                continue
        row["parameters"] = round(row["parameters"] / 1e6, 1)
        rows[architecture] = row
        print("\t".join((architecture, *(f"{row[key]:.4g}" for key in COLUMNS))), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--family", action="append", choices=tuple(MODELS), help="architecture")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file (default: in benchmarks/results)")
    for hidden in ("--one", "--weights"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.one:
        run_one(args)
        return
    device = torch.device(args.device)
    known = about(device, args.threads)
    print(json.dumps(known), flush=True)
    rows = measure_all(args)
    out = args.out or RESULTS / f"families_{device.type}.json"
    # Those that were measured before and not now stay.
    before = json.loads(out.read_text())["families"] if out.exists() else {}
    text = json.dumps({"machine": known, "families": before | rows}, indent=2)
    out.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
