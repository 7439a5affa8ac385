"""The image encoder in fixed pieces beside the same layers whole, for several numbers of threads.

    python benchmarks/threads.py [--architecture vit_t] [--threads 1 2 4] [--repeats 5]

Whole layers are shared out by torch among its threads; then "bytes" says whether the embedding is
that of one thread. Weights are random: neither time nor bytes depend on what they are.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from napari_segany.models.sam.thread_pool import spreading_pieces
from napari_segany.networks import work_pieces as pieces
from napari_segany.networks.sam import build_sam
from napari_segany.networks.work_pieces import one_by_one
from napari_segany.recipe import machine

CPU = torch.device("cpu")


def encode(
    encoder: torch.nn.Module, image: torch.Tensor, whole: bool
) -> tuple[float, torch.Tensor]:
    """Seconds and embedding."""
    before = pieces.PIECES
    pieces.PIECES = 1 if whole else before
    start = time.perf_counter()
    try:
        if whole:
            found = encoder(image, spread=one_by_one)
        else:
            with spreading_pieces(CPU) as spread:
                found = encoder(image, spread=spread)
    finally:
        pieces.PIECES = before
    return time.perf_counter() - start, found


def main() -> None:
    """Print one row for each precision and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--architecture", default="vit_t")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print(machine())
    print("precision threads  whole s  pieces s  ratio  bytes whole  bytes pieces")
    torch.manual_seed(0)
    image = torch.randn(1, 3, 1024, 1024)
    for dtype in (torch.float32, torch.bfloat16):
        encoder = build_sam(args.architecture).fuse().image_encoder
        encoder.lower_precision(dtype)
        reference: dict[bool, Tensor] = {}
        for threads in args.threads:
            torch.set_num_threads(threads)
            times: dict[bool, list[float]] = {True: [], False: []}
            same = {True: True, False: True}
            with torch.inference_mode():
                for repeat in range(args.repeats + 1):
                    for whole in (True, False):
                        seconds, found = encode(encoder, image, whole)
                        reference.setdefault(whole, found)
                        same[whole] &= torch.equal(found, reference[whole])
                        if repeat:
                            times[whole].append(seconds)
            medians = {whole: statistics.median(each) for whole, each in times.items()}
            print(
                f"{str(dtype)[6:]:9} {threads:7} {medians[True]:8.3f} {medians[False]:9.3f} "
                f"{medians[True] / medians[False]:6.2f}  "
                f"{'same' if same[True] else 'differ':11}  {'same' if same[False] else 'differ'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
