"""``napari-segany prompt``: segment objects from points, boxes or a mask."""

import argparse
import json
import logging
import time
from dataclasses import replace
from pathlib import Path

from napari_segany.cli import arguments
from napari_segany.cli.batch import load, model_request
from napari_segany.cli.object_size import SIZE_HELP, object_size, settle_object_size
from napari_segany.cli.prompt_requests import from_options, from_table, predict, read_table
from napari_segany.errors import InputError

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

All points together segment one object; each point refines the mask of the points before. Each box
segments one object. Coordinates are row and column in pixels, with 0 at the centre of the first
pixel. OUT receives NAME_labels.ome.tif, NAME_table.csv, NAME_overlay.png and NAME_prompts.json of
the plane. If NAME has results of another command or of other prompts already, the new results are
called NAME_prompt, NAME_prompt_2 and so on.
"""

CANDIDATES = ("best", "1", "2", "3", "all")
DIALECTS = (
    *("trackmate", "qupath", "cellprofiler", "napari", "scikit-image", "napari-segany", "imagej"),
    *("plain", "plain-centred", "coco", "yolo", "geojson", "rois"),
)
"""Programs whose tables can be read."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``prompt`` to the command line."""
    about = "Segment objects from points, boxes or a mask."
    parser = arguments.add_command(subparsers, "prompt", about, EXAMPLES, run)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    arguments.add_output(parser)
    arguments.add_export(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    group = parser.add_argument_group("prompts")
    arguments.add_points_and_boxes(group)
    group.add_argument(
        "--mask",
        type=Path,
        metavar="FILE",
        help="image of the plane's size that is nonzero where the object roughly is; used together "
        "with the points if there are any",
    )
    group.add_argument(
        "--candidate",
        choices=CANDIDATES,
        default="best",
        help="candidate mask to keep of each prompt: the best, the first, second or third, or all "
        "of them as separate objects (default: best)",
    )
    add_table(parser)
    arguments.add_model(parser, views=True)
    arguments.add_image(parser)
    add_scale(parser)
    parser.add_argument(
        "--plane",
        type=arguments.whole_numbers,
        metavar="I,J",
        help="plane of a stack: its index along each axis except channel, row and column, counted "
        "from 0; axes of length 1 may be omitted, and axes that the stack does not have may be 0",
    )


def add_scale(parser: argparse.ArgumentParser) -> None:
    """Add the options for planes that are larger than the model's frame."""
    group = parser.add_argument_group("large planes")
    group.add_argument(
        "--object-size",
        type=object_size,
        metavar="SIZE",
        help="Longer side of the objects that points are on, about; on a plane above 2048 pixels "
        f"the model sees a crop around each point that suits it. {SIZE_HELP} (default: 1024 x 1024 "
        "pixels)",
    )
    group.add_argument(
        "--tiles",
        choices=("auto", "off"),
        default="auto",
        help="auto: a plane above 2048 pixels is seen in crops around the prompts; off: every "
        "plane is seen as a whole (default: auto)",
    )


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the options for tables of other programs."""
    group = parser.add_argument_group("tables of other programs")
    group.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="boxes or points of another program, one object per row: .csv, .tsv, .txt or .xls "
        "with a header, COCO .json, YOLO .txt, QuPath .geojson, ImageJ .zip or .roi; rows of other "
        "planes are skipped",
    )
    group.add_argument(
        "--keep-rows",
        action="store_true",
        help="use the row numbers of the table as labels, and list every row, also rows whose "
        "object is covered, empty or skipped",
    )
    group.add_argument(
        "--table-dialect",
        choices=DIALECTS,
        metavar="NAME",
        help="program that wrote the table: "
        + ", ".join(DIALECTS)
        + " (in plain tables with width "
        "and height x, y is the corner of a box, in plain-centred tables its centre; default: "
        "detected from the columns)",
    )
    group.add_argument(
        "--first-plane",
        type=int,
        choices=(0, 1),
        help="index of the first plane in the table (default: that of its program)",
    )
    group.add_argument(
        "--table-units",
        choices=("pixels", "calibrated"),
        help="unit of lengths in the table: pixels, or the unit of the image's pixel size "
        "(default: as stated in the table)",
    )


def check_together(args: argparse.Namespace) -> None:
    """Raise InputError if options cannot be combined."""
    if args.object_size and args.tiles == "off":
        raise InputError("--object-size is about crops, which --tiles off leaves out.")
    others = args.point or args.box or args.mask
    if not (others or args.table):
        raise InputError("There is no prompt; give --point, --box, --mask or --table.")
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
    """Run the command; return the exit code."""
    check_together(args)
    from napari_segany.batch.plan import log_notes, own_axes
    from napari_segany.cli.output_names import free_files
    from napari_segany.cli.plane_option import chosen_plane, one_plane
    from napari_segany.cli.prompt_record import provenance, request_record
    from napari_segany.cli.prompt_report import chosen_candidates, print_candidates
    from napari_segany.cli.prompt_results import (
        missing_objects_line,
        paint_prompts,
        paint_rows,
    )
    from napari_segany.core.plane_windows import LayoutPlane
    from napari_segany.core.planes import StackLayout
    from napari_segany.io.atomic import check_writable
    from napari_segany.io.measured_plane import measure_result
    from napari_segany.io.read import choose_series, open_image
    from napari_segany.io.result_files import ResultWriter
    from napari_segany.models.multi_view import with_views
    from napari_segany.models.tiled_model import TiledModel
    from napari_segany.segmentation import make_recipe, resolve_stack

    started = time.monotonic()
    check_writable(args.output)
    chosen = choose_series([args.image], args.series)
    if len(chosen) > 1:
        raise InputError(f"One image is prompted at a time; give --series 0..{len(chosen) - 1}.")
    args.image = chosen[0]
    settle_object_size(args, chosen)
    prompts = from_options(args)
    with open_image(args.image, axes=args.axes or "") as image:
        log_notes(args.image, image.notes)
        # Axes, plane and table are checked before a model is loaded.
        axes = own_axes(image, args.axes or "")
        layout = StackLayout(axes, image.shape, image.channel_numbers(args.channel or (0,)))
        index = chosen_plane(args.plane, layout)
        table = read_table(args, layout, image.pixel_size)
        prompts += [] if table is None else from_table(args, table, layout, index)
        request = request_record(args, layout, index, prompts)
        files = free_files(args, request)
        model = with_views(load(model_request(args)), args.views)
        recipe = make_recipe(
            model, axes=axes, channels=layout.channels, normalise=arguments.given_display(args)
        )
        layout, recipe = resolve_stack(image.data, recipe)
        plane = layout.plane(image.data, index)
        if args.tiles != "off":
            model = TiledModel(model, object_size=args.object_size)
        # Crops that are made smaller are read from the same level of a pyramid as in the window.
        lazy = LayoutPlane(image.levels, layout, index)
        embedding = model.embed(lazy, limits=recipe.limits)
        predicted = predict(args.candidate, model, embedding, [each.prompt for each in prompts])
        kept = [candidates[chosen_candidates(args.candidate)] for candidates in predicted]
        if args.keep_rows and table is not None:
            result = paint_rows(prompts, kept, table.ids)
        else:
            result = paint_prompts(prompts, kept)
        found = measure_result(
            (), plane, result.labels, result.masks, image.pixel_size, layout.channels
        )
        if table is not None:
            found = replace(found, columns=found.columns | result.columns())
        if result.without_object:
            logger.info("%s", missing_objects_line(result.without_object, len(prompts)))
        single = one_plane(layout)
        about = image.name, single, image.pixel_size, recipe.limits, image.path.name
        with ResultWriter(files, *about) as writer:
            writer.add(found, lambda: plane)
            record = provenance(args, recipe, request, table, result.without_object)
            writer.save(json.dumps(record, indent=2) + "\n")
    print_candidates(args, prompts, predicted, result, table, time.monotonic() - started)
    return 0
