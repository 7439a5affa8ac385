"""Objects like one example, by kind of image, beside the finder and the grid.

    python benchmarks/find_alike.py --data FOLDER --planes 2 --results R.jsonl

For each plane, single objects are examples in turn, each by its box; objects of less than half the
median area are none, as nobody would point at a speck. Every measured plane is a line
of the results file, so the same command goes on where it was stopped. In photographs (``coco``) the
truth are the objects of the example's category only. Planes with fewer than three objects are left
out. Masks are ranked by quality ("alike") and by likeness. Seconds are the first search of a plane
after its embedding, those of it in which crops were embedded, and a second search.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data import add_data_option, data_folder
from fit_likeness import OTHER, best_iou
from kind_images import KindPlane, find_planes
from kinds import without_unknown
from napari_segany import (
    AutomaticParams,
    ExemplarParams,
    FinderParams,
    MaskSet,
    PromptableModel,
    make_examples,
)
from napari_segany.core.prompts import prompt_boxes
from napari_segany.core.rasterize import paint
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.generators.exemplars.params import RankBy
from napari_segany.generators.exemplars.search import KNOWN
from napari_segany.generators.generate import generate_masks
from napari_segany.models.device import choose_device
from napari_segany.models.protocol import Embedding
from napari_segany.recipe import LabelParams
from sides import load_ours

LEAST = 3
"""Objects of a plane that is measured."""

LEFT_OUT = ("bsds500", "multichannel", "tl_cho3d")
"""Sets whose labels are segments and no objects, or whose planes have channels or depth to choose
from."""


def truth_of(plane: KindPlane, labels: np.ndarray) -> np.ndarray:
    """Labels of objects that are alike: of a photograph those of its most frequent category."""
    notes = plane.labels_path.parents[1] / "annotations.json"
    if not notes.is_file():
        return labels
    values = json.loads(notes.read_text("utf-8"))
    category = {
        each["label_id"]: each["category_id"]
        for each in values["annotations"]
        if each["image_id"] == int(plane.image) and each["label_id"]
    }
    often = np.bincount(list(category.values()) or [0]).argmax()
    own = [i for i, each in category.items() if each == often]
    return np.where(np.isin(labels, own), labels, 0)


def score(masks: MaskSet, truth: np.ndarray) -> dict[str, float]:
    """Scores of masks painted with the defaults."""
    labels, _ = paint(masks, **asdict(LabelParams()))
    overlaps = ObjectOverlaps.from_labels(truth, without_unknown(labels, truth))
    found = score_instances(overlaps)
    return {"msa": float(found.msa), "f1": float(found.f1)}


def search(
    model: PromptableModel,
    rgb: np.ndarray,
    examples: ExampleSet,
    embedding: Embedding,
    rank_by: RankBy = "quality",
) -> MaskSet:
    """Masks of the objects like examples."""
    params = ExemplarParams(examples=examples, rank_by=rank_by)
    return generate_masks(model, rgb, params, embedding=embedding, refilter=False)


def first_wrong(masks: MaskSet, truth: np.ndarray) -> np.ndarray | None:
    """The box of the most alike mask that is no object, as a prompt; None if there is none."""
    ids, areas = np.unique(truth[truth > 0], return_counts=True)
    for i in np.argsort(-masks.predicted_iou, kind="stable").tolist():
        if best_iou(masks, i, truth, ids, areas) < OTHER:
            return prompt_boxes(masks.boxes[i : i + 1], 0, masks.shape)
    return None


class EmbeddingClock:
    """Counts the processor seconds in which a model embeds."""

    def __init__(self, model: Any) -> None:
        self.seconds, self._embed = 0.0, model.embed
        model.embed = self._timed

    def _timed(self, *args: Any, **kwargs: Any) -> Embedding:
        started = time.process_time()
        try:
            return self._embed(*args, **kwargs)
        finally:
            self.seconds += time.process_time() - started


OTHERS = {"grid": AutomaticParams, "finder": FinderParams}
"""Ways beside the search by an example."""


def measure(
    plane: KindPlane,
    model: PromptableModel,
    clock: EmbeddingClock,
    examples: int,
    others: Sequence[str],
    wrong: int,
) -> dict[str, Any] | None:
    """Scores and seconds of each way on a plane; None if it has too few objects.

    ``clock`` is the model's, and ``wrong`` the number of found objects that are said to be
    none, one after the other.
    """
    rgb, labels = plane.read()
    truth = truth_of(plane, labels)
    ids = np.unique(truth[truth > 0])
    if len(ids) < LEAST or min(rgb.shape[:2]) < 16:
        return None
    embedding = model.embed(rgb, stages=True)
    ways: dict[str, Any] = {}
    for name in others:
        started = time.process_time()
        masks = generate_masks(model, rgb, OTHERS[name](), embedding=embedding, refilter=False)
        ways[name] = score(masks, truth) | {"seconds": time.process_time() - started}
    rng = np.random.default_rng(0)
    scores, corrected, likeness = defaultdict(list), defaultdict(list), defaultdict(list)
    areas = np.bincount(truth[truth > 0])[ids]
    plain = ids[areas >= np.median(areas) / 2]
    for i in rng.choice(plain, min(examples, len(plain)), replace=False):
        object_box = MaskSet.from_masks((truth == i)[None]).boxes
        box = prompt_boxes(object_box, 0, rgb.shape[:2])
        KNOWN.forget()
        started, embedded = time.process_time(), clock.seconds
        alike = make_examples(model, rgb, box, embedding=embedding)
        masks = search(model, rgb, alike, embedding)
        seconds = {
            "seconds": time.process_time() - started,
            "embedding_seconds": clock.seconds - embedded,
        }
        for key, value in (score(masks, truth) | seconds).items():
            scores[key].append(value)
        started = time.process_time()
        ranked = search(model, rgb, alike, embedding, "likeness")
        seconds = {"seconds": time.process_time() - started}
        for key, value in (score(ranked, truth) | seconds).items():
            likeness[key].append(value)
        for _ in range(wrong):
            unlike = first_wrong(masks, truth)
            if unlike is None:
                break
            alike = make_examples(model, rgb, unlike_boxes=unlike, known=alike, embedding=embedding)
            masks = search(model, rgb, alike, embedding)
        for key, value in score(masks, truth).items():
            corrected[key].append(value)
    ways["alike"] = {key: float(np.mean(values)) for key, values in scores.items()}
    ways["likeness"] = {key: float(np.mean(values)) for key, values in likeness.items()}
    if wrong:
        ways["corrected"] = {key: float(np.mean(values)) for key, values in corrected.items()}
    return {"kind": plane.kind, "image": plane.image, "plane": plane.plane, "ways": ways}


def report(lines: list[dict[str, Any]]) -> None:
    """Print a row for each kind: mSA and F1 of each way, and processor seconds of a plane.

    Seconds are the first search, those of it that embed crops, and a second search.
    """
    ways = list(lines[0]["ways"]) if lines else []
    print(
        "| kind | planes |"
        + "".join(f" {way} mSA | {way} F1 |" for way in ways)
        + " seconds | in crops | again |"
    )
    print("|---|---|" + "---|---|" * len(ways) + "---|---|---|")
    rows = defaultdict(list)
    for line in lines:
        rows[line["kind"]].append(
            [line["ways"][way][key] for way in ways for key in ("msa", "f1")]
            + [line["ways"]["alike"][key] for key in ("seconds", "embedding_seconds")]
            + [line["ways"]["likeness"]["seconds"]]
        )
    means = {kind: np.mean(values, axis=0) for kind, values in sorted(rows.items())}
    counts = {kind: len(values) for kind, values in rows.items()}
    means["mean of kinds"] = np.mean(list(means.values()), axis=0)
    for kind, values in means.items():
        count = counts.get(kind, len(lines))
        print(f"| {kind} | {count} | " + " | ".join(f"{v:.3f}" for v in values) + " |")


def main() -> None:
    """Measure planes that are not in the results file, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--planes", type=int, default=2, help="planes of each kind (default: 2)")
    parser.add_argument("--examples", type=int, default=2, help="examples of a plane (default: 2)")
    parser.add_argument(
        "--others",
        nargs="*",
        choices=list(OTHERS),
        default=list(OTHERS),
        help="ways beside it (default: all); the grid takes most of the time",
    )
    parser.add_argument(
        "--every", nargs="+", default=["50"], help="step of planes of stacks, N or SET=N"
    )
    parser.add_argument("--split", help="images of a split of training sets instead")
    parser.add_argument(
        "--wrong",
        type=int,
        default=0,
        help="found objects that are said to be none, the most alike first (default: none)",
    )
    parser.add_argument("--kinds", nargs="+", help="only these kinds")
    parser.add_argument("--results", type=Path, required=True, help="file with a line a plane")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load_ours(choose_device(args.device), "auto")
    clock, lines = EmbeddingClock(model), []
    if args.results.is_file():
        lines = [json.loads(line) for line in args.results.read_text("utf-8").splitlines()]
    done = {(each["kind"], each["image"], each["plane"]) for each in lines}
    counts: dict[str, int] = defaultdict(int)
    every = [] if args.split else args.every
    for plane in find_planes([data_folder(args)], None, every, args.split):
        wanted = args.kinds is None or plane.kind in args.kinds
        if plane.kind in LEFT_OUT or not wanted or counts[plane.kind] >= args.planes:
            continue
        if (plane.kind, plane.image, plane.plane) in done:
            counts[plane.kind] += 1
            continue
        found = measure(plane, model, clock, args.examples, args.others, args.wrong)
        if found is not None:
            counts[plane.kind] += 1
            lines.append(found)
            with args.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
    report(lines)


if __name__ == "__main__":
    main()
