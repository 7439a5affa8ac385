"""``napari-segany prompt``: segment the objects that points, boxes or a mask ask for."""

import argparse
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.batch import load
from napari_segany.cli.prompt_requests import (
    Asked,
    answers_to,
    from_options,
    from_table,
    read_table,
)
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown

if TYPE_CHECKING:
    from napari_segany.cli.prompt_results import Painted
    from napari_segany.core.masks import MaskSet
    from napari_segany.core.planes import StackLayout
    from napari_segany.io.detections import Detections
    from napari_segany.recipe import Recipe

logger = logging.getLogger(__name__)

EXAMPLES = """\
examples:
  napari-segany prompt cells.tif --point 120,88 -o results
  napari-segany prompt cells.tif --point 120,88 --point 140,60,- -o results
  napari-segany prompt cells.tif --box 40,30,90,75 --box 100,30,160,80 -o results
  napari-segany prompt cells.tif --table detections.csv -o results
  napari-segany prompt cells.tif --table Results.csv --keep-rows -o results
  napari-segany prompt stack.tif --plane 12 --point 120,88 --candidate all -o results
  napari-segany prompt movie.tif --plane 0,12 --point 120,88 -o results

All points together ask for one object, each refining the answer before; each box asks for one.
Coordinates are rows and columns in pixels, from 0 at the centre of the first pixel. OUT receives
NAME_labels.ome.tif, NAME_table.csv, NAME_overlay.png and NAME_prompts.json, for the one plane.
Where NAME has results of another command or of other prompts, they are called NAME_prompt,
NAME_prompt_2 and so on.
"""

CANDIDATES = ("best", "1", "2", "3", "all")
DIALECTS = (
    *("trackmate", "qupath", "cellprofiler", "napari", "scikit-image", "napari-segany", "imagej"),
    *("plain", "plain-centred", "coco", "yolo"),
)
"""Programs whose tables are known."""

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
        "--candidate",
        choices=CANDIDATES,
        default="best",
        help="which reading of each prompt to keep: the best one, the first, second or third, or "
        "all of them as objects of their own (default: best)",
    )
    add_table(parser)
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


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the table of another program, and how it is to be understood."""
    group = parser.add_argument_group("tables of other programs")
    group.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="boxes or points of another program, an object each: .csv, .tsv, .txt or .xls with a "
        "header, COCO's .json, YOLO's .txt; rows of other planes are left out",
    )
    group.add_argument(
        "--keep-rows",
        action="store_true",
        help="number objects by the rows of the table, and list every row, also those whose "
        "object is covered, empty or skipped",
    )
    group.add_argument(
        "--table-dialect",
        choices=DIALECTS,
        metavar="NAME",
        help="who wrote the table: " + ", ".join(DIALECTS) + " (x, y of plain tables with width "
        "and height are a corner, of plain-centred ones the middle; default: told by its columns)",
    )
    group.add_argument(
        "--first-plane",
        type=int,
        choices=(0, 1),
        help="what the table calls the first plane (default: as its program does)",
    )
    group.add_argument(
        "--table-units",
        choices=("pixels", "calibrated"),
        help="whether lengths in the table are pixels or in the unit of the image's pixel size "
        "(default: as the table says)",
    )


def check_together(args: argparse.Namespace) -> None:
    """Raise InputError if options do not go together."""
    others = args.point or args.box or args.mask
    if not (others or args.table):
        raise InputError("Nothing was asked for; give --point, --box, --mask or --table.")
    if not args.table:
        options = {
            "--keep-rows": args.keep_rows,
            "--table-dialect": args.table_dialect,
            "--first-plane": args.first_plane,
            "--table-units": args.table_units,
        }
        for option, value in options.items():
            if value is not None and value is not False:
                raise InputError(f"{option} is about a table; give --table, or leave it out.")
    if args.keep_rows and (others or args.candidate == "all"):
        raise InputError(
            "--keep-rows makes one object of every row of the table, so it does not go together "
            "with --point, --box, --mask and --candidate all."
        )


def run(args: argparse.Namespace) -> int:
    """Do what was asked.

    Raises
    ------
    SeganyError
        If it could not be done.
    """
    check_together(args)
    from napari_segany.batch.plan import own_axes
    from napari_segany.cli.output_names import free_files
    from napari_segany.cli.prompt_results import lost_line, painted, painted_by_row
    from napari_segany.cli.report import say_notes
    from napari_segany.core.planes import StackLayout
    from napari_segany.io.atomic import check_writable
    from napari_segany.io.read import choose_series, open_image
    from napari_segany.io.result_files import ResultWriter, measure_result
    from napari_segany.segmentation import make_recipe, resolve_stack

    started = time.monotonic()
    check_writable(args.output)
    chosen = choose_series([args.image], args.series)
    if len(chosen) > 1:
        raise InputError(f"One image is prompted at a time; give --series 0..{len(chosen) - 1}.")
    args.image = chosen[0]
    asked = from_options(args)
    with open_image(args.image, axes=args.axes or "") as image:
        say_notes(args.image, image.notes)
        # Axes, plane and table are checked before a model is loaded.
        axes = own_axes(image, args.axes or "")
        layout = StackLayout(axes, image.shape, args.channel or (0,))
        index = chosen_plane(args.plane, layout)
        table = read_table(args, layout, image.pixel_size)
        asked += [] if table is None else from_table(args, table, layout, index)
        question = question_of(args, layout, index, asked)
        files = free_files(args, question)
        model = load(args)
        recipe = make_recipe(
            model, axes=axes, channels=layout.channels, normalise=args.normalise or "plane"
        )
        layout, recipe = resolve_stack(image.data, recipe)
        limits = None if isinstance(recipe.normalise, str) else recipe.normalise
        plane = layout.plane(image.data, index)
        embedding = model.embed(plane, limits=limits)
        answers = answers_to(args.candidate, model, embedding, [each.prompt for each in asked])
        kept = [answer[taken(args.candidate)] for answer in answers]
        if args.keep_rows and table is not None:
            result = painted_by_row(asked, kept, table.ids)
        else:
            result = painted(asked, kept)
        found = measure_result(
            (), plane, result.labels, result.masks, image.pixel_size, layout.channels
        )
        if table is not None:
            found = replace(found, columns=found.columns | result.columns())
        if result.lost:
            logger.info("%s", lost_line(result.lost, len(asked)))
        single = one_plane(layout)
        about = image.name, single, image.pixel_size, limits, image.path.name
        with ResultWriter(files, *about) as writer:
            writer.add(found, lambda: plane)
            record = provenance(args, recipe, question, table, result.lost)
            writer.save(json.dumps(record, indent=2) + "\n")
    print_answers(args, asked, answers, result, table, time.monotonic() - started)
    return 0


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
    args: argparse.Namespace,
    recipe: "Recipe",
    question: Mapping[str, Any],
    table: "Detections | None",
    lost: Mapping[str, str],
) -> dict[str, Any]:
    """Everything that decided the result, for the JSON beside it."""
    settled = json.loads(recipe.to_json())
    for name in ("format", "params", "labels", "faithful", "product"):
        # Those are about automatic segmentation.
        del settled[name]
    about: dict[str, Any] = {}
    if table is not None:
        about["table"] = described(args, table)
    if lost:
        about["without_object"] = dict(lost)
    return {"format": FORMAT, **about, **question, **settled}


def question_of(
    args: argparse.Namespace, layout: "StackLayout", index: tuple[int, ...], asked: list[Asked]
) -> dict[str, Any]:
    """The question, for the JSON beside the answer."""
    return {
        "image": shown(args.image.name),
        "channels": list(layout.channels),
        "plane": list(index),
        "candidate": args.candidate,
        "prompts": [_asked_with(args, each) for each in asked],
        **({"keep_rows": args.keep_rows} if args.table else {}),
    }


def described(args: argparse.Namespace, table: "Detections") -> dict[str, Any]:
    """A table as it was understood, and what became of its rows."""
    return {
        "file": shown(args.table.name),
        "understood": table.understood,
        "rows": table.count,
        "skipped": list(table.skipped),
        "changed": list(table.notes),
    }


def _asked_with(args: argparse.Namespace, each: Asked) -> dict[str, Any]:
    import numpy as np

    p = each.prompt
    is_file = p.region is not None and not each.row
    digest = None if p.mask is None else hashlib.sha256(np.packbits(p.mask).tobytes()).hexdigest()
    return {
        "points": None if p.points is None else p.points.tolist(),
        "labels": None if p.labels is None else p.labels.tolist(),
        "box": None if p.box is None else p.box.tolist(),
        "mask": shown(Path(args.mask).name) if is_file else None,
        "mask_sha256": digest,
        **({"row": each.row, "id": each.id} if each.row else {}),
    }


def print_answers(
    args: argparse.Namespace,
    asked: list[Asked],
    answers: "list[MaskSet]",
    result: "Painted",
    table: "Detections | None",
    took: float,
) -> None:
    """Say how good the readings of each prompt are, and where the results lie."""
    from napari_segany.cli.prompt_results import readings_of
    from napari_segany.cli.report import counted, seconds

    readings = [readings_of(found, taken(args.candidate)) for found in answers]
    if args.json:
        pairs = zip(asked, readings, strict=True)
        rows = [{"prompt": repr(a.prompt), "from": a.where, "candidates": r} for a, r in pairs]
        about = {} if table is None else {"table": described(args, table)}
        print(
            json.dumps(
                {
                    "prompts": rows,
                    **about,
                    "without_object": dict(result.lost),
                    "objects": result.count,
                    "output": str(args.output),
                }
            )
        )
        return
    for each, rows_ in zip(asked, readings, strict=True):
        print(f"{shown(each.where)}: {each.prompt!r}" if each.row else f"{each.prompt!r}")
        for number, row in enumerate(rows_, start=1):
            print(
                f"  {number}  predicted IoU {row['predicted_iou']:.3f}, "
                f"stability {row['stability_score']:.3f}, {row['area']} px"
                + ("  <- kept" if row["kept"] else "")
            )
    objects = counted(result.count, "object")
    print(f"{objects} in {seconds(took)}; results in {shown(args.output)}")
