"""Average recall, false masks, prompts and seconds of the ways to find everything.

    python benchmarks/recall.py --data FOLDER --sets dsb2018 coco --images 10

prints a line a set and way. ``--tile 2048`` repeats every image and its labels to that size first.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agreement import Recall, recall
from data import add_data_option, data_folder, pairs
from measure import facts, print_facts
from memory import tiled
from napari_segany import AutomaticParams
from napari_segany.generators.generate import generate_masks
from napari_segany.models.device import choose_device
from sides import load_ours
from vit import timed


@dataclass
class Sum:
    """What one way found in a set."""

    images: list[Recall] = field(default_factory=list)
    prompts: int = 0
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Average recall over images that have objects and over objects, and sums."""
        objects = Recall(np.concatenate([each.best_iou for each in self.images]), 0, 0)
        with_objects = [each.average for each in self.images if len(each.best_iou)]
        return {
            "recall_over_images": float(np.mean(with_objects)) if with_objects else None,
            "recall_over_objects": objects.average if with_objects else None,
            "images": len(self.images),
            "objects": len(objects.best_iou),
            "masks": sum(each.masks for each in self.images),
            "false_masks": sum(each.false_masks for each in self.images),
            "prompts": self.prompts,
            "seconds": self.seconds,
        }


def numbered(labels: np.ndarray) -> np.ndarray:
    """(H, W) int64 labels 0..K without gaps."""
    values, index = np.unique(labels, return_inverse=True)
    return index.reshape(labels.shape) + (values[0] != 0)


def tiled_labels(labels: np.ndarray, side: int) -> np.ndarray:
    """(side, side) of consecutive labels again and again, each repeat with labels of its own."""
    (h, w), count = labels.shape, int(labels.max())
    y, x = np.arange(side)[:, None], np.arange(side)[None]
    repeat = (y // h) * -(-side // w) + x // w
    known = labels[y % h, x % w]
    return np.where(known > 0, known + count * repeat, 0)


def images_of(
    folder: Path, name: str, count: int | None, side: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """RGB and labels of a set's images, one at a time."""
    for _, rgb, labels in islice(pairs(folder, name), count):
        found = numbered(labels)
        if side is None:
            yield rgb, found
        else:
            # What is cut at the border loses its number's object too, so numbers are made anew.
            yield tiled(rgb, side), numbered(tiled_labels(found, side))


def main() -> None:
    """Run the sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", default=["dsb2018"])
    parser.add_argument("--images", type=int, help="only the first so many of each set")
    parser.add_argument("--tile", type=int, metavar="SIDE", help="repeat images to this size")
    parser.add_argument("--faithful", action="store_true", help="also the faithful run (slow)")
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="that torch uses (default: torch's own)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    folder = data_folder(args)
    grid = AutomaticParams(points_per_side=args.points_per_side)
    exact, auto = load_ours(device, "exact"), load_ours(device, "auto")
    ways = {
        "exact grid": (exact, grid, False),
        "auto grid": (auto, grid, False),
        "auto adaptive": (auto, replace(grid, strategy="adaptive"), False),
    }
    if args.faithful:
        ways["faithful"] = (exact, grid, True)
    for model in (exact, auto):
        # The first run of a process pays for its memory and its threads.
        generate_masks(model, np.zeros((64, 64), np.uint8), replace(grid, points_per_side=4))
    figures: dict[str, Any] = {
        "machine": facts(device),
        "auto_is": auto.precision,
        "points_per_side": args.points_per_side,
        "tile": args.tile,
        "sets": {},
    }
    print_facts(figures["machine"])
    print(f'"auto" computes in {auto.precision}')
    for name in args.sets:
        sums = {way: Sum() for way in ways}
        for rgb, labels in images_of(folder, name, args.images, args.tile):
            for way, (model, params, faithful) in ways.items():

                def run(m=model, p=params, f=faithful, rgb=rgb) -> Any:
                    return generate_masks(m, rgb, p, faithful=f, refilter=False)

                found, seconds = timed(run, device)
                sums[way].images.append(recall(found, labels))
                sums[way].prompts += found.prompts_asked
                sums[way].seconds += seconds
        figures["sets"][name] = report(name, sums)
        if args.json:
            args.json.write_text(json.dumps(figures, indent=2) + "\n")


def report(name: str, sums: dict[str, Sum]) -> dict[str, Any]:
    """Print a set's lines and return its figures."""
    rows = {way: each.figures() for way, each in sums.items()}
    base = rows["exact grid"]
    print(f"{name}: {base['images']} images, {base['objects']} objects")
    for way, row in rows.items():
        over_images, over_objects = (
            float("nan") if row[key] is None else row[key]
            for key in ("recall_over_images", "recall_over_objects")
        )
        print(
            f"  {way:14} average recall {over_images:.4f} over images, {over_objects:.4f} over "
            f"objects; {row['masks']} masks, {row['false_masks']} false; {row['prompts']} prompts, "
            f"{base['prompts'] / max(row['prompts'], 1):.2f} x fewer; {row['seconds']:.1f} s",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
