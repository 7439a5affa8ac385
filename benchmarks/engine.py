"""Seconds and memory of the published code and of ours on the same images, in one run.

    python benchmarks/engine.py --data FOLDER --reference --json FILE --plot FILE.png

prints a table for each part, always with the ratio reference / ours. Without ``--reference`` only
ours runs. Parts: embed, click, prompts, boxes (on the first image); automatic (on all images, with
how well the ways agree); memory (each way in a process of its own); waterfall and curve (first
image).
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agreement import matched
from curves import by_points, by_side
from data import add_data_option, as_rgb, data_folder, read_image
from measure import facts, median_seconds, print_facts
from memory import WAYS, measure_here, tiled
from memory import in_own_process as memory_of
from napari_segany import AutomaticParams, MaskSet, Prompt
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.point_grids import point_grid
from napari_segany.models.device import choose_device
from napari_segany.models.sam.model import SamModel
from sides import Reference, answer, load_ours, segment, unasked
from stages import Stopwatch, of_reference
from vit import timed

IMAGES = (
    "dsb2018/07fb37aafa66",
    "coco/000000005802",
    "em_isbi2012/slice00",
    "phc_usiigaci/set01",
)
SIMILAR = 0.9
"""IoU from which two masks are the same."""

CLICKS, EMBEDDINGS = 7, 3
BOXES = 200
Row = dict[str, Any]


@dataclass
class Bench:
    """Both sides, loaded when first asked for."""

    device: torch.device
    images: dict[str, np.ndarray]
    params: AutomaticParams
    repeats: int
    with_reference: bool

    @cached_property
    def reference(self) -> Reference | None:
        return Reference(self.device) if self.with_reference else None

    @cached_property
    def models(self) -> dict[str, SamModel]:
        """Ours by name; the same twice where "auto" means "exact" on this device."""
        return {name: load_ours(self.device, name) for name in ("exact", "auto")}

    @property
    def first(self) -> tuple[str, np.ndarray]:
        return next(iter(self.images.items()))

    def median(self, work: Callable[[], Any], repeats: int) -> float:
        return median_seconds(work, self.device, repeats)


def row(name: str, seconds: float, references: dict[str, float], **more: Any) -> Row:
    """Print one line of ours and return it."""
    ratios = {each: theirs / seconds for each, theirs in references.items()}
    text = "".join(f", {ratio:.1f} x ({each})" for each, ratio in ratios.items())
    rest = "".join(f", {value} {key.replace('_', ' ')}" for key, value in more.items())
    print(f"  {name:14} {seconds:9.4f} s{text}{rest}", flush=True)
    return {"name": name, "seconds": seconds, "ratio": ratios, **more}


def print_references(references: dict[str, float]) -> None:
    """The lines of the published code."""
    for name, seconds in references.items():
        print(f"  {name:14} {seconds:9.4f} s", flush=True)


def embed(bench: Bench) -> Row:
    """One image through the encoder, after a warm-up."""
    name, rgb = bench.first
    print(f"embed {name}, median of {EMBEDDINGS}")
    theirs = {}
    if bench.reference is not None:
        bench.reference.embed(rgb)
        seconds = bench.median(lambda: bench.reference.embed(rgb), EMBEDDINGS)
        theirs = {"reference": seconds}
    print_references(theirs)
    rows = []
    for way, model in bench.models.items():
        model.embed(rgb)
        rows.append(row(way, bench.median(lambda m=model: m.embed(rgb), EMBEDDINGS), theirs))
    return {"image": name, "reference": theirs, "ours": rows}


def click(bench: Bench) -> Row:
    """One point on an embedded plane, to three masks at image size."""
    name, rgb = bench.first
    point = np.array(rgb.shape[:2]) // 2
    print(f"click {name}, median of {CLICKS}")
    theirs = {}
    if bench.reference is not None:
        bench.reference.embed(rgb)
        bench.reference.points_one_by_one(point[None])
        seconds = bench.median(lambda: bench.reference.points_one_by_one(point[None]), CLICKS)
        theirs = {"reference": seconds}
    print_references(theirs)
    prompts = [Prompt(points=[point])]
    rows = []
    for way, model in bench.models.items():
        embedding = model.embed(rgb)
        answer(model, embedding, prompts)
        for label, given in ((f"{way}, first", unasked), (way, lambda same: same)):
            seconds = bench.median(
                lambda m=model, e=embedding, g=given: answer(m, g(e), prompts), CLICKS
            )
            rows.append(row(label, seconds, theirs))
    return {"image": name, "reference": theirs, "ours": rows}


def prompts(bench: Bench) -> Row:
    """64 points, one prompt each."""
    points = point_grid(8) * bench.first[1].shape[:2]
    return _many(bench, "points", points, [Prompt(points=[point]) for point in points])


def boxes(bench: Bench) -> Row:
    """Boxes of 4 to 15 % of the plane's sides."""
    random = np.random.default_rng(0)
    size = random.uniform(0.04, 0.15, (BOXES, 2))
    corner = random.uniform(0, 1 - size)
    given = np.hstack([corner, corner + size]) * np.tile(bench.first[1].shape[:2], 2)
    return _many(bench, "boxes", given, [Prompt(box=box) for box in given])


def _many(bench: Bench, what: str, given: np.ndarray, ours: list[Prompt]) -> Row:
    name, rgb = bench.first
    print(f"{len(given)} {what} on {name}, ours median of {bench.repeats}")
    theirs = {}
    if bench.reference is not None:
        bench.reference.embed(rgb)
        for how in ("one_by_one", "batched"):
            ask = getattr(bench.reference, f"{what}_{how}")
            ask(given[:1])
            theirs[how.replace("_", " ")] = bench.median(lambda a=ask: a(given), 1)
    print_references(theirs)
    rows = []
    for way, model in bench.models.items():
        embedding = model.embed(rgb)
        for label, logits in ((way, False), (f"{way}, logits", True)):
            answer(model, embedding, ours[:1], logits)
            seconds = bench.median(
                lambda m=model, e=embedding, keep=logits: answer(m, unasked(e), ours, keep),
                bench.repeats,
            )
            rows.append(row(label, seconds, theirs))
    return {"image": name, "prompts": len(given), "reference": theirs, "ours": rows}


def automatic(bench: Bench) -> list[Row]:
    """Array to labels, on every image."""
    for model in bench.models.values():
        segment(model, bench.first[1], replace(bench.params, points_per_side=4))
        segment(model, bench.first[1], FinderParams())
    return [_automatic(bench, name, rgb) for name, rgb in bench.images.items()]


def _automatic(bench: Bench, name: str, rgb: np.ndarray) -> Row:
    points = bench.params.points_per_side**2
    print(f"automatic {name} {rgb.shape[:2]}, {points} points, ours median of {bench.repeats}")
    theirs: dict[str, float] = {}
    count = None
    if bench.reference is not None:
        (_, count), seconds = timed(
            lambda: bench.reference.segment(rgb, bench.params), bench.device
        )
        theirs = {"reference": seconds}
        print(f"  {'reference':12} {seconds:9.4f} s, {count} masks", flush=True)
    exact, auto = bench.models["exact"], bench.models["auto"]
    adaptive = replace(bench.params, strategy="adaptive")
    found: dict[str, MaskSet] = {}
    # A part of every row below.
    rows = [row("embedding", bench.median(lambda: auto.embed(rgb), bench.repeats), {})]
    for way, model, params, faithful, repeats in (
        ("faithful", exact, bench.params, True, 1),
        ("exact", exact, bench.params, False, bench.repeats),
        ("auto", auto, bench.params, False, bench.repeats),
        ("adaptive", auto, adaptive, False, bench.repeats),
        ("finder", auto, FinderParams(), False, bench.repeats),
    ):

        def run(way=way, model=model, params=params, faithful=faithful) -> None:
            found[way] = segment(model, rgb, params, faithful)

        seconds = bench.median(run, repeats)
        asked = found[way].prompts_asked
        rows.append(row(way, seconds, theirs, masks=len(found[way]), prompts_asked=asked))
    found["screened"] = segment(exact, rgb, bench.params.as_reference())
    agreement = [
        _agreement("screened", "faithful", found),
        _agreement("auto", "exact", found),
        _agreement("adaptive", "auto", found),
    ]
    return {
        "image": name,
        "shape": rgb.shape[:2],
        "reference": theirs,
        "reference_masks": count,
        "ours": rows,
        "agreement": agreement,
    }


def _agreement(one: str, other: str, found: dict[str, MaskSet]) -> Row:
    """How many masks of either way the other found as well.

    "screened" is the fast path with the parameters of the faithful one.
    """
    a, b = found[one], found[other]
    of_a, of_b = matched(a, b, SIMILAR)
    print(
        f"  agreement at IoU >= {SIMILAR}: {of_a} of {len(a)} {one} in {other}, "
        f"{of_b} of {len(b)} {other} in {one}",
        flush=True,
    )
    return {"one": one, "other": other, "masks": (len(a), len(b)), "matched": (of_a, of_b)}


def memory(bench: Bench) -> Row:
    """Peak memory of a run, each way in a process of its own."""
    rgb = tiled(bench.first[1])
    points = bench.params.points_per_side**2
    print(f"memory {rgb.shape[0]} x {rgb.shape[1]}, {points} points")
    ways = [way for way in WAYS if way != "reference" or bench.with_reference]
    peaks: dict[str, Row] = {}
    for way in ways:
        peaks[way] = peak = memory_of(way, rgb, Path(__file__))
        text = ""
        for kind in ("peak", "gpu_peak"):
            if way != "reference" and bench.with_reference and peak.get(kind):
                peak[f"{kind}_ratio"] = peaks["reference"][kind] / peak[kind]
                text += f", {peak[f'{kind}_ratio']:.1f} x less at {kind.replace('_', ' ')}"
        gpu = f", {peak['gpu_peak']:.0f} MB of GPU memory" if "gpu_peak" in peak else ""
        print(
            f"  {way:12} {peak['peak']:7.0f} MB at peak, {peak['loaded']:5.0f} MB with the model "
            f"loaded{gpu}, {peak['seconds']:.1f} s{text}",
            flush=True,
        )
    return {"shape": rgb.shape[:2], "megabytes": peaks}


def waterfall(bench: Bench) -> Row:
    """Seconds of each stage of a run, ours in float32."""
    name, rgb = bench.first
    model = bench.models["exact"]
    segment(model, rgb, replace(bench.params, points_per_side=4))
    watches = {}
    with Stopwatch(bench.device) as watches["ours"]:
        segment(model, rgb, bench.params)
    if bench.reference is not None:
        with Stopwatch(bench.device, of_reference()) as watches["reference"]:
            bench.reference.segment(rgb, bench.params)
    result: Row = {"image": name}
    for side, watch in watches.items():
        elapsed, summed = watch.elapsed(), watch.thread_seconds()
        workers = max(len(watch.threads), 1)
        print(f"waterfall of {side}, exact, {name}: {watch.seconds:.3f} s, {workers} workers")
        for stage, seconds in elapsed.items():
            print(
                f"  {stage:12} {seconds:9.4f} s, {100 * seconds / watch.seconds:5.1f} %, "
                f"summed over threads {summed.get(stage, seconds):9.4f} s"
            )
        result[side] = {
            "seconds": watch.seconds,
            "workers": workers,
            "elapsed": elapsed,
            "summed_over_threads": summed,
        }
    return result


def curve(bench: Bench) -> Row:
    """Seconds against the number of points and against the side of the image."""
    name, rgb = bench.first
    model, params = bench.models["exact"], bench.params
    print(f"curve of ours, exact, {name}, without embedding")
    return {
        "image": name,
        "points": by_points(model, rgb, params),
        "sides": by_side(model, rgb, params),
    }


# Memory first: a process that starts another leaves it its own peak.
PARTS: dict[str, Callable[[Bench], Any]] = {
    "memory": memory,
    "embed": embed,
    "click": click,
    "prompts": prompts,
    "boxes": boxes,
    "automatic": automatic,
    "waterfall": waterfall,
    "curve": curve,
}


def _image(folder: Path, name: str) -> np.ndarray:
    """The image SET/NAME, with or without its ending."""
    group, _, stem = name.partition("/")
    paths = sorted((folder / group / "images").glob(f"{Path(stem).stem}.*"))
    if not paths:
        raise SystemExit(f"There is no image {name}; give SET/NAME of SET/images/NAME.png.")
    return as_rgb(read_image(paths[0]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--images", nargs="+", default=IMAGES, metavar="SET/NAME")
    parser.add_argument("--parts", default=",".join(PARTS), help="with commas; default: all")
    parser.add_argument("--reference", action="store_true", help="also run the published code")
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3, help="of our longer runs (default: 3)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="that torch uses (default: torch's own)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--plot", type=Path, help="also draw them here")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--array", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"unknown parts {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return args


def main() -> None:
    """Run the parts asked for."""
    args = _arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    params = AutomaticParams(points_per_side=args.points_per_side)
    if args.way:
        print(json.dumps(measure_here(args.way, np.load(args.array), device, params)))
        return
    folder = data_folder(args)
    images = {name: _image(folder, name) for name in args.images}
    bench = Bench(device, images, params, args.repeats, args.reference)
    figures: Row = {"machine": facts(device), "params": asdict(params), "repeats": args.repeats}
    print_facts(figures["machine"])
    asked = args.parts.split(",")
    for name, part in PARTS.items():
        if name in asked:
            figures[name] = part(bench)
            # Written after every part, so that a run that is ended early leaves something.
            if args.json:
                args.json.write_text(json.dumps(figures, indent=2) + "\n")
    if "memory" not in asked or len(asked) > 1:
        figures["auto_is"] = bench.models["auto"].precision
        print(f'"auto", "adaptive" and "finder" computed in {figures["auto_is"]}')
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    if args.plot:
        from engine_plot import draw

        draw(figures, args.plot)


if __name__ == "__main__":
    sys.exit(main())
