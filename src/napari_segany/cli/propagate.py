"""``napari-segany propagate``: follow objects from prompted planes through a volume or a movie."""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.batch import load, model_request
from napari_segany.cli.generator_options import add_fields, given
from napari_segany.cli.progress import progress_bar
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown

if TYPE_CHECKING:
    from napari_segany.cli.prompt_requests import SourcedPrompt
    from napari_segany.core.planes import StackLayout
    from napari_segany.io.opened_image import OpenedImage
    from napari_segany.linking.object_table import NumberedPlane
    from napari_segany.linking.propagation.result import Given, Propagation
    from napari_segany.propagation import StackPlanes

EXAMPLES = """\
examples:
  napari-segany propagate volume.tif --plane 12 --box 40,30,90,75 -o results
  napari-segany propagate volume.tif --plane 12 --box 40,30,90,75 --box 10,10,30,35 -o results
  napari-segany propagate volume.tif --masks some_planes.tif --max-reach 0.6 -o results
  napari-segany propagate movie.tif --axes TYX --plane 0 --point 120,88 -o results
  napari-segany propagate movie.tif --plane 0 --box 40,30,90,75 --method memory -o results
  napari-segany propagate volume.tif --plane 12 --box 40,30,90,75 --method regions \\
      --finder my_cells.safetensors -o results

All points together are one object; each box is one. An object is followed in both directions, until
it ends. --masks takes a label image of the stack's shape with objects on some planes: these are
kept as they are, each id is followed to the planes before, between and after them. OUT receives
NAME_propagated_labels.ome.tif, NAME_propagated_table.csv (one row for each object),
NAME_propagated_planes.csv (one row for each object and plane) and NAME_propagated.json.
"""

FORMAT = 1
"""Version of the JSON beside the labels."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``propagate`` to the command line."""
    from napari_segany.linking.propagation.params import PropagationParams

    about = "Follow objects from one plane through a volume or a movie."
    parser = arguments.add_command(subparsers, "propagate", about, EXAMPLES, run)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    arguments.add_output(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    group = parser.add_argument_group("prompts")
    group.add_argument(
        "--plane",
        type=arguments.whole_numbers,
        metavar="I,J",
        help="the plane of the points and boxes: its index along each axis except channel, row and "
        "column, counted from 0; needed with --masks, too, if there are other axes of planes",
    )
    arguments.add_points_and_boxes(group)
    group.add_argument(
        "--masks",
        type=Path,
        metavar="FILE",
        help="label image with objects on some planes, which are never changed",
    )
    stack = parser.add_argument_group("stack")
    stack.add_argument(
        "--along", type=str.upper, metavar="AXIS", help="axis to follow (default: the last one)"
    )
    stack.add_argument(
        "--spacing",
        type=float,
        metavar="X",
        help="step between planes in pixels of a plane (default: by the pixel size along Z)",
    )
    limits = parser.add_argument_group("propagation")
    add_fields(limits, PropagationParams)
    arguments.add_model(parser, views=True)
    arguments.add_image(parser)
    # Prompts from options are read as those of the command prompt, which takes a mask, too.
    parser.set_defaults(mask=None)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if not (args.point or args.box or args.masks):
        raise InputError("There is no prompt; give --box, --point or --masks.")
    from napari_segany.batch.plan import log_notes, own_axes
    from napari_segany.cli.prompt_record import model_record
    from napari_segany.cli.prompt_requests import from_options
    from napari_segany.core.planes import StackLayout
    from napari_segany.io.atomic import check_writable
    from napari_segany.io.read import choose_series, open_image
    from napari_segany.linking.propagation.params import PropagationParams
    from napari_segany.linking.propagation.propagate_objects import propagate_objects
    from napari_segany.models.multi_view import with_views
    from napari_segany.propagation import StackPlanes, choose_axis, default_params, plane_spacing
    from napari_segany.segmentation import make_recipe, resolve_stack
    from napari_segany.volume_regions import finder_of

    started = time.monotonic()
    check_writable(args.output)
    chosen = choose_series([args.image], args.series)
    if len(chosen) > 1:
        raise InputError(f"One image is propagated at a time; give --series 0..{len(chosen) - 1}.")
    args.image = chosen[0]
    sourced = from_options(args)
    with open_image(args.image, axes=args.axes or "") as image:
        log_notes(args.image, image.notes)
        # Axes, plane and masks are checked before a model is loaded.
        axes = own_axes(image, args.axes or "")
        layout = StackLayout(axes, image.shape, image.channel_numbers(args.channel or (0,)))
        along = choose_axis(layout, args.along)
        index = _plane_index(args, layout, along)
        prompts = _gather(args, sourced, layout, along, index)
        params = replace(default_params(along), **given(args, PropagationParams))
        spacing = args.spacing
        if spacing is None:
            spacing = plane_spacing(image.pixel_size, along)
        paths = _free_paths(args, image.name)
        model = load(model_request(args))
        if params.method == "memory":
            # It sees planes as they are.
            args.views = 1
        model = with_views(model, args.views)
        recipe = make_recipe(
            model, axes=axes, channels=layout.channels, normalise=arguments.given_display(args)
        )
        layout, recipe = resolve_stack(image.data, recipe)
        if params.method == "regions":
            params = replace(params, finder=finder_of(model, params.finder).finder)
        stack = StackPlanes(image.data, layout, along, index, recipe, model)
        with progress_bar("planes", args.json) as progress:
            found = propagate_objects(
                model,
                stack,
                stack.planes,
                prompts,
                params,
                spacing=spacing,
                find_regions=stack.find_regions,
                progress=progress,
            )
        record = {
            "format": FORMAT,
            **_request_record(args, sourced, layout, index, along, prompts),
            "spacing": spacing,
            "propagation": vars(params),
            **model_record(recipe),
        }
        _save(paths, found, layout, stack, image, record)
    _report(args, found, params.doubtful, time.monotonic() - started)
    return 0


def _plane_index(args: argparse.Namespace, layout: "StackLayout", along: str) -> tuple[int, ...]:
    """Return the index of the prompted plane; along the axis itself it is 0 without points."""
    from napari_segany.cli.plane_option import chosen_plane

    if args.plane is None and args.masks and not (args.point or args.box):
        lengths = dict(zip(layout.leading, layout.leading_shape, strict=True))
        if all(lengths[axis] == 1 for axis in layout.leading if axis != along):
            return (0,) * len(layout.leading)
    return chosen_plane(args.plane, layout)


def _gather(
    args: argparse.Namespace,
    sourced: "list[SourcedPrompt]",
    layout: "StackLayout",
    along: str,
    index: tuple[int, ...],
) -> "dict[int, dict[int, Given]]":
    """Return the prompts of all objects by id and plane."""
    import numpy as np

    from napari_segany.core.label_images import as_ids
    from napari_segany.io.read import open_image
    from napari_segany.propagation import masks_as_prompts

    prompts: dict[int, dict[int, Given]] = {}
    axis = layout.leading.index(along)
    if args.masks:
        with open_image(args.masks, stored=True) as image:
            if tuple(image.shape) != layout.labels_shape:
                raise InputError(
                    f"{args.masks} has shape {tuple(image.shape)}; labels of this image have shape "
                    f"{layout.labels_shape}."
                )
            place = (*index[:axis], slice(None), *index[axis + 1 :])
            prompts = masks_as_prompts(as_ids(np.asarray(image.data[place])))
        if not prompts:
            raise InputError(f"{args.masks} holds no object.")
    for number, each in enumerate(sourced, start=max(prompts, default=0) + 1):
        prompts[number] = {index[axis]: each.prompt}
    return prompts


def _free_paths(args: argparse.Namespace, name: str) -> dict[str, Path]:
    """Return the paths of the results, the record last; InputError if one is there already."""
    from napari_segany.io.atomic import check_name

    endings = {
        "labels": "_labels.ome.tif",
        "table": "_table.csv",
        "planes": "_planes.csv",
        "record": ".json",
    }
    paths = {kind: args.output / f"{name}_propagated{ending}" for kind, ending in endings.items()}
    for path in paths.values():
        check_name(path)
        if path.exists() and not args.overwrite:
            raise InputError(f"{path} is there already; give --overwrite.")
    return paths


def _request_record(
    args: argparse.Namespace,
    sourced: "list[SourcedPrompt]",
    layout: "StackLayout",
    index: tuple[int, ...],
    along: str,
    prompts: "dict[int, dict[int, Given]]",
) -> dict[str, Any]:
    """Return the prompts for the record."""
    from napari_segany.cli.prompt_record import prompt_record

    given_masks = len(prompts) - len(sourced)
    about: dict[str, Any] = {}
    if args.masks:
        planes = {str(i): list(each) for i, each in list(prompts.items())[:given_masks]}
        about = {"masks": {"file": shown(args.masks.name), "planes": planes}}
    return {
        "image": shown(args.image.name),
        "channels": list(layout.channels),
        "along": along,
        "plane": list(index),
        "prompts": [prompt_record(args, each) for each in sourced],
        **({"views": args.views} if args.views > 1 else {}),
        **about,
    }


def _save(
    paths: dict[str, Path],
    found: "Propagation",
    layout: "StackLayout",
    stack: "StackPlanes",
    image: "OpenedImage",
    record: dict[str, Any],
) -> None:
    """Write labels, tables and record; planes of other places along other axes are empty."""
    from contextlib import ExitStack, closing

    import numpy as np

    from napari_segany.io.atomic import writing
    from napari_segany.io.table import CsvTable
    from napari_segany.io.write_tiff import LabelStack
    from napari_segany.linking.object_table import measure_objects

    ours = {stack.index(plane): plane for plane in stack.planes}
    empty = np.zeros(layout.labels_shape[-2:], np.int32)
    with ExitStack() as together:
        labels = together.enter_context(LabelStack(layout.labels_axes, layout.labels_shape))

        def painted() -> Iterator["NumberedPlane"]:
            for index in layout.indices():
                plane = found.paint_plane(ours[index]) if index in ours else empty
                labels.add(plane)
                if plane.any():
                    yield ours[index], plane, layout.plane(image.data, index)

        objects = dict(found.object_table())
        # Sizes are those in the labels, in which objects share no pixel.
        del objects["volume"]
        about = image.pixel_size, record["along"], layout.channels
        measured = measure_objects(objects["label"], painted(), *about)
        table, planes = (together.enter_context(closing(CsvTable())) for _ in range(2))
        table.add(objects | measured)
        planes.add(found.table())
        # Contexts end last first; the record becomes visible when all else is there.
        temporary = {
            kind: together.enter_context(writing(path)) for kind, path in reversed(paths.items())
        }
        labels.save(temporary["labels"], image.pixel_size, image.name)
        table.save(temporary["table"])
        planes.save(temporary["planes"])
        temporary["record"].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _report(args: argparse.Namespace, found: "Propagation", doubtful: float, took: float) -> None:
    """Print one line an object, or one JSON object."""
    from napari_segany.cli.report import counted, seconds
    from napari_segany.linking.propagation.result import ranges_of

    rows: list[dict[str, Any]] = []
    for i, each in found.objects.items():
        least, plane = min((answer.confidence, p) for p, answer in each.answers.items())
        row: dict[str, Any] = {"object": i, "planes": list(each.planes), "ends": list(each.ends)}
        below = [p for p, answer in each.answers.items() if answer.confidence < doubtful]
        rows.append(row | {"confidence": round(least, 4), "least_at": plane, "doubtful": below})
    if args.json:
        print(json.dumps({"objects": rows, "output": str(args.output)}))
        return
    for row in rows:
        runs = ranges_of(row["planes"])
        text = f"object {row['object']}: planes "
        text += ", ".join(f"{a}..{b}" if b > a else f"{a}" for a, b in runs)
        text += f", lowest confidence {row['confidence']:.2f} on plane {row['least_at']}"
        if row["doubtful"]:
            text += f", {counted(len(row['doubtful']), 'doubtful plane')}"
        print(text)
    objects = counted(len(rows), "object")
    print(f"{objects} in {seconds(took)}; results in {shown(args.output)}")
