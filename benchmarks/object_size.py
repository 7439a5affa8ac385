"""IoU of one box and of one click against the size that an object has in the model's frame.

    python benchmarks/object_size.py --data FOLDER --objects 6

prints one line a set and one a size. The size is the longer side of the object's bounding box, in
pixels of the 1024 x 1024 frame. Every object is shown in a square crop around it, as large as its
size asks for; where a crop exceeds the image, the image goes on as its mirror image.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from data import add_data_option, data_folder, pairs
from measure import facts, print_facts
from napari_segany import Prompt
from napari_segany.core.binary_mask import bounding_box
from napari_segany.models.sam.model import SamModel
from sides import load_ours

SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
FRAME = 1024
MOST_PIXELS = 4 * FRAME
"""Longest side of a crop; images whose objects need more are made smaller first."""

SMALLEST, FEWEST_IN_HULL = 10, 0.1
"""Shortest box of an object in pixels, and how much of its box an object fills."""


def objects_of(
    folder: Path, name: str, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(image, mask) of some objects of a set, each of another image as far as there are enough."""
    rng = np.random.default_rng(seed)
    every = list(pairs(folder, name))
    order = rng.permutation(len(every))
    chosen: list[tuple[np.ndarray, np.ndarray]] = []
    for turn in range(20 * count):
        _, rgb, labels = every[order[turn % len(every)]]
        mask = labels == rng.choice(np.unique(labels)[1:]) if labels.any() else None
        if mask is None:
            continue
        a, b, c, d = bounding_box(mask)
        whole = min(a, b) > 0 and c < mask.shape[0] and d < mask.shape[1]
        if whole and min(c - a, d - b) >= SMALLEST and mask[a:c, b:d].mean() > FEWEST_IN_HULL:
            chosen.append((rgb, mask))
        if len(chosen) == count:
            break
    return chosen


def crop_around(rgb: np.ndarray, mask: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the square crop in whose frame the object is ``size`` long, and the object in it."""
    a, b, c, d = bounding_box(mask)
    long = max(c - a, d - b)
    zoom = min(1.0, MOST_PIXELS * size / (FRAME * long))
    if zoom < 1:
        new = tuple(max(1, round(n * zoom)) for n in mask.shape)
        rgb = np.asarray(Image.fromarray(rgb).resize(new[::-1], Image.Resampling.BILINEAR))
        mask = np.asarray(Image.fromarray(mask).resize(new[::-1], Image.Resampling.NEAREST))
        a, b, c, d = bounding_box(mask)
        long = max(c - a, d - b)
    side = max(1, round(long * FRAME / size))
    centre = (a + c) // 2, (b + d) // 2
    rows, cols = (np.arange(side) + at - side // 2 for at in centre)
    inside = np.ix_(*(_mirrored(i, n) for i, n in zip((rows, cols), mask.shape, strict=True)))
    own = np.zeros((side, side), bool)
    # The object itself and not its mirror images.
    there = [(i >= 0) & (i < n) for i, n in zip((rows, cols), mask.shape, strict=True)]
    own[np.ix_(*there)] = mask[np.ix_(rows[there[0]], cols[there[1]])]
    return rgb[inside], own


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """Return indices into an axis that goes on as its mirror image."""
    folded = index % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def iou(one: np.ndarray, two: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((one & two).sum() / (one | two).sum())


def ask(model: SamModel, rgb: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """IoU of the answers to the object's box and to a click in its middle: first, and best."""
    embedding = model.embed(np.ascontiguousarray(rgb))
    a, b, c, d = bounding_box(truth)
    box = Prompt(box=(a, b, max(c - 1, a + 0.5), max(d - 1, b + 0.5)))
    deep = ndimage.distance_transform_edt(np.pad(truth[a:c, b:d], 1))[1:-1, 1:-1]
    middle = np.unravel_index(np.argmax(deep), deep.shape)
    click = Prompt(points=[[middle[0] + a, middle[1] + b]])
    by_box, by_click = model.predict(embedding, [box, click], low_res_logits=False)
    clicked = [iou(by_click.mask(i), truth) for i in range(len(by_click))]
    return iou(by_box.mask(0), truth), clicked[0], max(clicked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="*", help="sets of the folder (default: all)")
    parser.add_argument("--objects", type=int, default=6, help="objects a set")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file of all figures")
    args = parser.parse_args()
    folder = data_folder(args)
    names = args.sets or sorted(each.parent.name for each in folder.glob("*/images"))
    device = torch.device("cpu")
    print_facts(facts(device))
    model = load_ours(device, "auto")
    figures = {}
    for name in names:
        chosen = objects_of(folder, name, args.objects, args.seed)
        if not chosen:
            continue
        found = [[ask(model, *crop_around(*each, size)) for each in chosen] for size in args.sizes]
        figures[name] = np.asarray(found)
        by_box = zip(args.sizes, figures[name][..., 0].mean(axis=1), strict=True)
        listed = " ".join(f"{size}:{value:.3f}" for size, value in by_box)
        print(f"{name} ({len(chosen)} objects), box: {listed}", flush=True)
    sets = np.stack([each.mean(axis=1) for each in figures.values()])
    objects = sum(each.shape[1] for each in figures.values())
    print(f"mean of {len(sets)} sets ({objects} objects, equal weight a set)")
    print("size in frame | box | click, first answer | click, best of three | mean")
    for size, row in zip(args.sizes, sets.mean(axis=0), strict=True):
        print(f"{size} | {row[0]:.3f} | {row[1]:.3f} | {row[2]:.3f} | {row.mean():.3f}")
    if args.out:
        kept = {name: each.tolist() for name, each in figures.items()}
        args.out.write_text(json.dumps({"sizes": list(args.sizes), "sets": kept}))


if __name__ == "__main__":
    main()
