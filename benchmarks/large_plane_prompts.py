"""Prompts on a plane of 8192 x 8192 pixels beside the same objects in their own small image.

    python benchmarks/large_plane_prompts.py --data FOLDER --objects 200

lays the images of a set beside each other until they fill the plane. Boxes of random objects are
answered in the plane and in the image that they come from; clicks are timed on the plane and on a
plane of 1024 pixels, embedding included and with it known. Prints mean IoU, the ratios of median
seconds and the peak memory of the process.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from data import add_data_option, data_folder, pairs
from measure import facts, print_facts
from napari_segany import Prompt
from napari_segany.core.binary_mask import bounding_box
from napari_segany.models.tiled_model import TiledModel
from sides import load_ours

SIDE, SMALL = 8192, 1024


def mosaic(images: list[np.ndarray], side: int) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Return a plane of images in rows, and number, row and column of each one that fits in."""
    out = np.zeros((side, side, 3), np.uint8)
    places, row, number = [], 0, 0
    while row < side:
        col, tallest = 0, 1
        while col < side:
            image = images[number % len(images)]
            part = image[: side - row, : side - col]
            out[row : row + part.shape[0], col : col + part.shape[1]] = part
            if part.shape == image.shape:
                places.append((number % len(images), row, col))
            # Rows are as tall as their shortest image, so that nothing stays empty.
            tallest = image.shape[0] if col == 0 else min(tallest, image.shape[0])
            col, number = col + image.shape[1], number + 1
        row += tallest
    return out, places


def middle(mask: np.ndarray) -> tuple[int, int]:
    """Return the pixel of a mask that is farthest from its border."""
    a, b, c, d = bounding_box(mask)
    deep = ndimage.distance_transform_edt(np.pad(mask[a:c, b:d], 1))[1:-1, 1:-1]
    row, col = np.unravel_index(np.argmax(deep), deep.shape)
    return int(row) + a, int(col) + b


def iou(one: np.ndarray, two: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((one & two).sum() / (one | two).sum())


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--set", default="dsb2018")
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--clicks", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    every = [(rgb, labels) for _, rgb, labels in pairs(data_folder(args), args.set)]
    plane, places = mosaic([rgb for rgb, _ in every], SIDE)
    print_facts(facts(torch.device("cpu")))
    own = load_ours(torch.device("cpu"), "auto")
    model = TiledModel(own)
    embedding = model.embed(plane)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    chosen = []
    while len(chosen) < args.objects:
        number, row, col = places[rng.integers(len(places))]
        labels = every[number][1]
        if (values := np.unique(labels)[1:]).size:
            # Images overlap the one above where rows are shorter than they are.
            whole = every[number][0]
            seen = plane[row : row + whole.shape[0], col : col + whole.shape[1]]
            mask = labels == rng.choice(values)
            if np.array_equal(seen[mask], whole[mask]):
                chosen.append((number, row, col, mask))
    boxes = []
    for *_, mask in chosen:
        a, b, c, d = bounding_box(mask)
        boxes.append((a, b, max(c - 1, a + 0.5), max(d - 1, b + 0.5)))
    on_plane = []
    for (_, row, col, mask), box in zip(chosen, boxes, strict=True):
        shifted = np.array(box) + np.array([row, col, row, col])
        found = model.predict(embedding, Prompt(box=shifted), low_res_logits=False)
        height, width = mask.shape
        on_plane.append(iou(found.mask(0)[row : row + height, col : col + width], mask))
    alone = np.zeros(len(chosen))
    for number in sorted({each[0] for each in chosen}):
        small = own.embed(every[number][0])
        members = [i for i, each in enumerate(chosen) if each[0] == number]
        asked = [Prompt(box=boxes[i]) for i in members]
        for i, found in zip(members, own.predict(small, asked, low_res_logits=False), strict=True):
            alone[i] = iou(found.mask(0), chosen[i][3])
    print(f"{len(chosen)} boxes: mean IoU {np.mean(on_plane):.4f} on {SIDE} x {SIDE}, ", end="")
    print(f"{alone.mean():.4f} each in its own image", flush=True)

    seconds: dict[str, list[float]] = {"first": [], "warm": [], "small": [], "small warm": []}
    crop = np.ascontiguousarray(plane[:SMALL, :SMALL])
    for _, row, col, mask in chosen[: args.clicks]:
        r, c = middle(mask)
        here = Prompt(points=[(row + r, col + c)], object_size=24)
        there = Prompt(points=[((row + r) % SMALL, (col + c) % SMALL)])
        fresh = model.embed(plane)
        seconds["first"].append(seconds_of(lambda e=fresh, p=here: model.predict(e, p)))
        seconds["warm"].append(seconds_of(lambda e=fresh, p=here: model.predict(e, p)))
        seconds["small"].append(seconds_of(lambda p=there: own.predict(own.embed(crop), p)))
        small = own.embed(crop)
        seconds["small warm"].append(seconds_of(lambda e=small, p=there: own.predict(e, p)))
    middle_of = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"click to preview, embedding included: {middle_of['first']:.3f} s, ", end="")
    print(f"{middle_of['first'] / middle_of['small']:.2f} x that of {SMALL} x {SMALL}")
    print(f"click to preview, embedding known: {middle_of['warm']:.3f} s, ", end="")
    print(f"{middle_of['warm'] / middle_of['small warm']:.2f} x that of {SMALL} x {SMALL}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB, {peak - before:.0f} MiB above model and plane")


if __name__ == "__main__":
    main()
