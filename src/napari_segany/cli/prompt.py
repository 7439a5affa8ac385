"""``napari-segany prompt``: segment the objects that points, boxes or a mask ask for."""

import argparse
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.batch import load
from napari_segany.cli.segment import chosen_outputs
from napari_segany.errors import InputError

if TYPE_CHECKING:
    from napari_segany.core.masks import MaskSet
    from napari_segany.core.planes import StackLayout
    from napari_segany.core.prompts import Prompt
    from napari_segany.models.model import SamModel
    from napari_segany.models.prompting import Embedding
    from napari_segany.recipe import Recipe

EXAMPLES = """\
examples:
  napari-segany prompt cells.tif --point 120,88 -o results
  napari-segany prompt cells.tif --point 120,88 --point 140,60,- -o results
  napari-segany prompt cells.tif --box 40,30,90,75 --box 100,30,160,80 -o results
  napari-segany prompt cells.tif --table detections.csv -o results
  napari-segany prompt stack.tif --plane 12 --point 120,88 --candidate all -o results
  napari-segany prompt movie.tif --plane 0,12 --point 120,88 -o results

All points together ask for one object, each refining the answer before; each box asks for one.
Coordinates are rows and columns in pixels, from 0 at the centre of the first pixel. OUT receives
NAME_labels.ome.tif, NAME_table.csv, NAME_overlay.png and NAME_prompts.json, for the one plane.
"""

CANDIDATES = ("best", "1", "2", "3", "all")
FORMAT = 1
"""Version of the JSON with the prompts."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``prompt`` to the command line."""
    about = "Segment the objects that points, boxes or a mask ask for."
    parser = subparsers.add_parser(
        "prompt",
        help=about[:1].lower() + about[1:-1],
        description=about,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    arguments.add_output(parser)
    arguments.add_export(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace results")
    parser.add_argument("--json", action="store_true", help="a JSON object on stdout")
    asking = parser.add_argument_group("prompts")
    asking.add_argument(
        "--point",
        type=arguments.point,
        action="append",
        default=[],
        metavar="R,C[,+|-]",
        help="point on (+) or off (-) the object; may be repeated",
    )
    asking.add_argument(
        "--box",
        type=arguments.box,
        action="append",
        default=[],
        metavar="R0,C0,R1,C1",
        help="box around one object; may be repeated",
    )
    asking.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="image of the plane's size that is not zero about where the object is; it belongs "
        "with the points if there are any",
    )
    asking.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="boxes or points of another tool, an object each: .csv or .tsv with a header, COCO's "
        ".json, YOLO's .txt; rows of other planes are left out",
    )
    asking.add_argument(
        "--candidate",
        choices=CANDIDATES,
        default="best",
        help="which reading of each prompt to keep: the best one, the first, second or third, or "
        "all of them as objects of their own (default: best)",
    )
    arguments.add_model(parser)
    arguments.add_image(parser)
    parser.add_argument(
        "--plane",
        type=arguments.whole_numbers,
        metavar="I,J",
        help="plane of a stack: its index along each axis but channel, row and column, from 0; "
        "axes of length 1 may be left out, and axes that the stack has not be 0",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what was asked.

    Raises
    ------
    SeganyError
        If it could not be done.
    """
    if not (args.point or args.box or args.mask or args.table):
        raise InputError("Nothing was asked for; give --point, --box, --mask or --table.")
    from napari_segany.batch.inputs import name_results, there_already
    from napari_segany.batch.plan import own_axes
    from napari_segany.cli.report import say_notes
    from napari_segany.core.labels import paint
    from napari_segany.core.masks import MaskSet
    from napari_segany.core.planes import StackLayout
    from napari_segany.everything import make_recipe, resolve_stack
    from napari_segany.io.read import choose_series, open_image
    from napari_segany.io.results import ResultWriter, measured

    started = time.monotonic()
    chosen = choose_series([args.image], args.series)
    if len(chosen) > 1:
        raise InputError(f"One image is prompted at a time; give --series 0..{len(chosen) - 1}.")
    args.image = chosen[0]
    named = name_results([args.image], args.output, "prompts", chosen_outputs(args))
    files = named[args.image]
    if not args.overwrite and any(file.exists() for file in files.all()):
        raise there_already(files, "--overwrite")
    prompts = make_prompts(args)
    with open_image(args.image, axes=args.axes or "") as image:
        say_notes(args.image, image.notes)
        # Axes and plane are checked before a model is loaded.
        axes = own_axes(image, args.axes or "")
        layout = StackLayout(axes, image.shape, args.channel or (0,))
        index = chosen_plane(args.plane, layout)
        prompts += detected(args, layout, index)
        model = load(args)
        recipe = make_recipe(
            model, axes=axes, channels=layout.channels, normalise=args.normalise or "plane"
        )
        layout, recipe = resolve_stack(image.data, recipe)
        limits = None if isinstance(recipe.normalise, str) else recipe.normalise
        plane = layout.plane(image.data, index)
        embedding = model.embed(plane, limits=limits)
        answers = ask(args, model, embedding, prompts)
        kept = MaskSet.concatenate([answer[taken(args.candidate)] for answer in answers])
        labels, source = paint(kept)
        single = one_plane(layout)
        found = measured((), plane, labels, kept[source], image.pixel_size, layout.channels)
        with ResultWriter(files, image.name, single, image.pixel_size, limits) as writer:
            writer.add(found, lambda: plane)
            record = json.dumps(provenance(args, recipe, index, prompts), indent=2) + "\n"
            writer.save(record)
    print_answers(args, prompts, answers, writer.object_count, time.monotonic() - started)
    return 0


def make_prompts(args: argparse.Namespace) -> "list[Prompt]":
    """One prompt for the points and the mask together, and one for each box."""
    import numpy as np

    from napari_segany.core.prompts import Prompt
    from napari_segany.io.read import open_image

    prompts = []
    if args.point or args.mask:
        mask = None
        if args.mask:
            with open_image(args.mask) as image:
                mask = np.asarray(image.data) != 0
            if mask.ndim == 3 and image.axes.endswith("S"):
                mask = mask.any(axis=-1)
        prompts.append(
            Prompt(
                points=[p[:2] for p in args.point] or None,
                labels=[p[2] for p in args.point] or None,
                mask=mask,
            )
        )
    return prompts + [Prompt(box=box) for box in args.box]


def detected(
    args: argparse.Namespace, layout: "StackLayout", index: tuple[int, ...]
) -> "list[Prompt]":
    """One prompt for each object of the table that lies in the plane."""
    if args.table is None:
        return []
    from napari_segany.io.detections import read_detections

    rows, cols = layout.labels_shape[-2:]
    found = read_detections(args.table, (rows, cols), args.image.name)
    here = [each for each in found if each.plane is None or not index or each.plane == index[-1]]
    if not here:
        raise InputError(f"{args.table} holds nothing in plane {', '.join(map(str, index))}.")
    return [each.prompt() for each in here]


def ask(
    args: argparse.Namespace, model: "SamModel", embedding: "Embedding", prompts: "list[Prompt]"
) -> "list[MaskSet]":
    """The answers to all prompts; several points of one object refine one another."""
    from napari_segany.models.refining import refine

    if args.candidate != "best":
        return model.predict(embedding, prompts, multimask=True)
    clicked = {
        i for i, each in enumerate(prompts) if each.points is not None and len(each.points) > 1
    }
    others = [each for i, each in enumerate(prompts) if i not in clicked]
    answered = iter(model.predict(embedding, others))
    return [
        refine(model, embedding, each) if i in clicked else next(answered)
        for i, each in enumerate(prompts)
    ]


def chosen_plane(asked: tuple[int, ...] | None, layout: "StackLayout") -> tuple[int, ...]:
    """The index of the plane along the leading axes.

    Raises
    ------
    InputError
        If a stack comes without one, or it does not fit.
    """
    size = layout.leading_shape
    given = fitted(asked or (), size)
    if given is None or any(i >= n for i, n in zip(given, size, strict=True)):
        ranges = ", ".join(f"{a} 0..{n - 1}" for a, n in zip(layout.leading, size, strict=True))
        said = "" if asked is None else f", got --plane {','.join(map(str, asked))}"
        wanted = f"give --plane with {ranges}" if size else "the image is a single plane"
        raise InputError(f"One plane is prompted at a time: {wanted}{said}.")
    return given


def fitted(asked: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...] | None:
    """An index for each axis of ``size``; None if there are too few, or too many that are not 0.

    A viewer's sliders give an index for every axis, and a person leaves out those of length 1.
    """
    if len(asked) == len(size):
        return asked
    more = len(asked) - len(size)
    if more > 0:
        return asked[more:] if not any(asked[:more]) else None
    if len(asked) != sum(n > 1 for n in size):
        return None
    given = iter(asked)
    return tuple(next(given) if n > 1 else 0 for n in size)


def one_plane(layout: "StackLayout") -> "StackLayout":
    """The layout of one plane of a stack."""
    kept = [(a, n) for a, n in zip(layout.axes, layout.shape, strict=True) if a in "CYXS"]
    return replace(layout, axes="".join(a for a, _ in kept), shape=tuple(n for _, n in kept))


def taken(candidate: str) -> slice:
    """Which of the ranked readings of a prompt are kept."""
    if candidate == "all":
        return slice(None)
    number = 0 if candidate == "best" else int(candidate) - 1
    return slice(number, number + 1)


def provenance(
    args: argparse.Namespace, recipe: "Recipe", index: tuple[int, ...], prompts: "list[Prompt]"
) -> dict[str, Any]:
    """Everything that decided the result, for the JSON beside it."""
    import numpy as np

    settled = json.loads(recipe.to_json())
    for name in ("format", "params", "labels", "faithful"):
        # Those are about automatic segmentation.
        del settled[name]
    asked = [
        {
            "points": None if p.points is None else p.points.tolist(),
            "labels": None if p.labels is None else p.labels.tolist(),
            "box": None if p.box is None else p.box.tolist(),
            "mask": None if p.region is None else Path(args.mask).name,
            "mask_sha256": None
            if p.mask is None
            else hashlib.sha256(np.packbits(p.mask).tobytes()).hexdigest(),
        }
        for p in prompts
    ]
    return {
        "format": FORMAT,
        "image": args.image.name,
        "plane": list(index),
        "candidate": args.candidate,
        "prompts": asked,
        **settled,
    }


def print_answers(
    args: argparse.Namespace,
    prompts: "list[Prompt]",
    answers: "list[MaskSet]",
    objects: int,
    took: float,
) -> None:
    """Say how good the readings of each prompt are, and where the results lie."""
    from napari_segany.cli.report import counted, seconds

    readings = [
        [
            {
                "predicted_iou": round(float(iou), 4),
                "stability_score": round(float(stable), 4),
                "area": int(area),
                "kept": i in range(len(found))[taken(args.candidate)],
            }
            for i, (iou, stable, area) in enumerate(
                zip(found.predicted_iou, found.stability_score, found.area, strict=True)
            )
        ]
        for found in answers
    ]
    if args.json:
        rows = [
            {"prompt": repr(p), "candidates": r} for p, r in zip(prompts, readings, strict=True)
        ]
        print(json.dumps({"prompts": rows, "objects": objects, "output": str(args.output)}))
        return
    for prompt, rows_ in zip(prompts, readings, strict=True):
        print(f"{prompt!r}")
        for number, row in enumerate(rows_, start=1):
            print(
                f"  {number}  predicted IoU {row['predicted_iou']:.3f}, "
                f"stability {row['stability_score']:.3f}, {row['area']} px"
                + ("  <- kept" if row["kept"] else "")
            )
    print(f"{counted(objects, 'object')} in {seconds(took)}; results in {args.output}")
