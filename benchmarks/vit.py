"""Seconds and peak memory of the ViT image encoder, plain and ours, with the same random weights.

    python benchmarks/vit.py --architecture vit_b --planes 1

runs each in a process of its own on the same random planes. The plain encoder gives attention the
relative positions as one (B, heads, N, N) tensor, N being 4096 in its global blocks.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segany.networks.sam import build_sam
from napari_segany.networks.vit import RelativeAttention, ViT, relative_positions
from napari_segany.networks.work_pieces import Spread, one_by_one

SIDES = ("plain", "ours")
REPEATS = 3
SLOW = 20.0
"""Seconds of the warm-up from which one timed run has to do."""


class PlainAttention(nn.Module):
    """The attention of our encoder with every relative position written down."""

    def __init__(self, weights: RelativeAttention) -> None:
        super().__init__()
        self.weights, self.qkv, self.proj = weights, weights.qkv, weights.proj

    def attend(self, qkv: Tensor, spread: Spread) -> Tensor:
        del spread
        b, h, w, c = qkv.shape
        heads = self.weights.heads
        q, k, v = qkv.view(b, h * w, 3, heads, -1).permute(2, 0, 3, 1, 4)
        grid = q.unflatten(2, (h, w))
        rows = relative_positions(self.weights.rel_pos_h, h)
        columns = relative_positions(self.weights.rel_pos_w, w)
        by_row = torch.einsum("bnhwc,hkc->bnhwk", grid, rows).contiguous()
        by_col = torch.einsum("bnhwc,wkc->bnhwk", grid, columns).contiguous()
        bias = (by_row[..., :, None] + by_col[..., None, :]).view(b, heads, h * w, h * w)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return seen.transpose(1, 2).reshape(b, h, w, c // 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.attend(self.qkv(x), one_by_one))


def random_encoder(architecture: str, side: str) -> ViT:
    """The same weights for both sides; positions are not left at zero, where they start."""
    torch.manual_seed(0)
    encoder = build_sam(architecture).image_encoder
    for name, parameter in encoder.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            nn.init.normal_(parameter, std=0.3)
    if side == "plain":
        for block in encoder.blocks:
            block.attn = PlainAttention(block.attn)
    return encoder


def peak_megabytes(device: torch.device) -> float:
    """The most memory this process ever held: on the GPU for CUDA, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def timed(encode: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, float]:
    """The embedding and the seconds until it is there."""
    start = time.perf_counter()
    embedding = encode()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return embedding, time.perf_counter() - start


@torch.inference_mode()
def measure(args: argparse.Namespace) -> dict[str, float | int]:
    """Run one side in this process and leave its embedding in ``args.embedding``."""
    device = torch.device(args.device)
    encoder = random_encoder(args.architecture, args.side).to(device)
    generator = torch.Generator().manual_seed(1)
    planes = torch.randn(args.planes, 3, 1024, 1024, generator=generator).to(device)
    loaded = peak_megabytes(device)
    embedding, warm_up = timed(lambda: encoder(planes), device)
    repeats = REPEATS if warm_up < SLOW else 1
    seconds = [timed(lambda: encoder(planes), device)[1] for _ in range(repeats)]
    peak = peak_megabytes(device) - loaded
    np.save(args.embedding, embedding.cpu().numpy())
    return {
        "seconds": statistics.median(seconds),
        "runs": repeats,
        "peak_megabytes": peak,
        "threads": torch.get_num_threads(),
    }


def in_own_process(side: str, embedding: Path) -> dict[str, float | int]:
    """Run the script again, for one side."""
    command = [sys.executable, __file__, *sys.argv[1:]]
    command += ["--side", side, "--embedding", str(embedding)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--architecture", default="vit_b", choices=("vit_b", "vit_l", "vit_h"))
    parser.add_argument("--planes", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--embedding", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measure(args)))
        return
    figures: dict = {
        "architecture": args.architecture,
        "planes": args.planes,
        "device": args.device,
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = {side: Path(folder) / f"{side}.npy" for side in SIDES}
        for side in SIDES:
            figures[side] = in_own_process(side, paths[side])
        plain, ours = (np.load(paths[side]) for side in SIDES)
    figures["largest_difference"] = float(np.abs(plain - ours).max())
    figures["largest_value"] = float(np.abs(plain).max())
    print(f"{args.architecture}, {args.planes} plane(s), {args.device}")
    for side in SIDES:
        each = figures[side]
        print(
            f"  {side:5} {each['seconds']:7.2f} s (median of {each['runs']}, "
            f"{each['threads']} threads), {each['peak_megabytes']:7.0f} MB above the loaded model"
        )
    print(
        f"  largest difference {figures['largest_difference']:.1e} "
        f"in values up to {figures['largest_value']:.1f}"
    )
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
