"""Seconds and memory of video memories at their published sizes, with random weights.

    OMP_NUM_THREADS=1 python benchmarks/video_memory.py --sizes sam2_t --planes 9 --objects 1 2
    python benchmarks/video_memory.py --device cuda --sizes sam2_t sam2_l sam3 --objects 1 8 32

Masks of random weights mean nothing, but time and memory depend on sizes only. Objects are made
to be on all planes, so that each plane is answered with a memory as full as it gets. Printed for
each size and number of objects are the seconds to embed a plane and to see the objects on the
prompted one, the seconds for a plane and object while memory fills up, and memory at peak.
``--threads`` sets the threads of the CPU, whose times are added up. Neither napari nor a window is
needed.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_segany.core.prompts import Prompt
from napari_segany.models.ported.memory_network import MemoryNetwork
from napari_segany.models.ported.remembering import RememberingModel
from napari_segany.models.sam2 import model as sam2
from napari_segany.models.sam3 import model as sam3
from napari_segany.weights.resolve import Weights
from napari_segany.weights.sam2_files import SAM2, SAM2_SHAPES
from napari_segany.weights.sam3_files import SAM3

SIDE = 1024
"""Side of the planes in pixels."""

MEGABYTE = 2**20


def make_model(size: str, device: torch.device) -> RememberingModel:
    """Return a model of a published size with random weights, whose objects are always there."""
    torch.manual_seed(0)
    network = (SAM3 if size == "sam3" else SAM2).build(size)
    network.mask_decoder.pred_obj_score_head.proj_out.bias.data += 20
    if size == "sam3":
        memory = MemoryNetwork(sam3.memory_config(), "Sam3TrackerVideo")
    else:
        memory = MemoryNetwork(sam2.memory_config(), "Sam2Video")
    memory.eval().requires_grad_(False)
    weights = Weights(f"random_{size}", size, Path("random"), "0" * 64)
    made = sam3.Sam3TrackerImageModel if size == "sam3" else sam2.Sam2ImageModel
    return made(network, weights, device, memory.to(device))


def make_plane(number: int) -> np.ndarray:
    """Return a plane of blobs that drift."""
    rows, cols = np.mgrid[:SIDE, :SIDE] / SIDE
    light = np.sin(9 * rows + 0.1 * number) * np.cos(7 * cols - 0.1 * number)
    return ((light + 1) * 127).astype(np.uint8)


def make_boxes(count: int) -> list[Prompt]:
    """Return boxes on a grid, one for each object."""
    side = int(np.ceil(np.sqrt(count)))
    step = SIDE / side
    corners = [(i // side * step, i % side * step) for i in range(count)]
    return [Prompt(box=[a + 9, b + 9, a + step - 9, b + step - 9]) for a, b in corners]


def synchronised(device: torch.device) -> float:
    """Return the time once the device has done what it was asked for.

    On a CPU it is the processor's time, since other programs may use the machine.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


@contextmanager
def timed(device: torch.device, note: Callable[[float], object]) -> Iterator[None]:
    """Give ``note`` the seconds that a block takes."""
    start = synchronised(device)
    yield
    note(synchronised(device) - start)


def peak(device: torch.device) -> dict[str, float]:
    """Return memory at peak in megabytes, of the process and of the device."""
    found = {"process_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        found["device_mb"] = torch.cuda.max_memory_allocated() / MEGABYTE
    return {name: round(value) for name, value in found.items()}


def measure(model: RememberingModel, planes: int, count: int) -> dict[str, Any]:
    """Return the figures of one model for a number of objects."""
    device, memory = model.device, model.video_memory()
    embedding_s: list[float] = []
    see_s: list[float] = []
    recall_s: list[float] = []

    def embed(number: int) -> Any:
        with timed(device, embedding_s.append):
            return model.embed(make_plane(number), limits=((0, 255),))

    first = embed(0)
    with timed(device, see_s.append):
        seen = memory.see(first, make_boxes(count))
    kept = [memory.begin({0: each.memory}, True, planes) for each in seen]
    for number in range(1, planes):
        embedding = embed(number)
        with timed(device, recall_s.append):
            found = memory.recall(embedding, number, kept)
        for one, each in zip(kept, found, strict=True):
            one.add(number, each.memory)
    return {
        "model": model.id,
        "objects": count,
        "at_once": memory.at_once,
        "embed_s": round(float(np.median(embedding_s)), 3),
        "see_s_object": round(see_s[0] / count, 3),
        "recall_s_object": [round(each / count, 3) for each in recall_s],
        "kept_mb_object": round(kept[0].nbytes / MEGABYTE, 1),
        **peak(device),
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["sam2_t"], choices=[*SAM2_SHAPES, "sam3"])
    parser.add_argument("--planes", type=int, default=10, help="planes, the prompted one included")
    parser.add_argument("--objects", type=int, nargs="+", default=[1])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads of the CPU")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    print(json.dumps({"device": name, "torch": torch.__version__, "side": SIDE}))
    for size in args.sizes:
        model = make_model(size, device)
        if device.type == "cuda":
            # The first call loads kernels.
            measure(model, 3, 1)
            torch.cuda.reset_peak_memory_stats()
        for count in args.objects:
            print(json.dumps(measure(model, args.planes, count)), flush=True)


if __name__ == "__main__":
    main()
