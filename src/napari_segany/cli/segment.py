"""``napari-segany segment``: find everything in many files with one recipe."""

import argparse
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.automatic_options import add_options, given
from napari_segany.cli.progress import bar, planes_bar
from napari_segany.core.parameters import AutomaticParams
from napari_segany.errors import InputError
from napari_segany.recipe import LabelParams, Recipe

if TYPE_CHECKING:
    from napari_segany.batch.plan import Reading
    from napari_segany.batch.work import Executor
    from napari_segany.io.results import Outputs
    from napari_segany.models.model import SamModel

EXAMPLES = """\
examples:
  napari-segany segment cells.tif -o results
  napari-segany segment plates/*.tif -o results --channel 1 --points-per-side 64
  napari-segany segment stack.tif -o results --axes ZYX --normalise stack --min-area 50
  napari-segany segment night/ -o results --recipe results/cells_recipe.json
  napari-segany segment night/ -o results --dask local:4 --export coco rois

Each input gives four files in OUT: NAME_labels.ome.tif (axes and pixel size as in the image, ids
unique over a stack), NAME_table.csv, NAME_overlay.png (the plane with the most objects) and
NAME_recipe.json, which --recipe takes to do the same again. With --recipe, options that are given
win over the recipe. segany_report.html shows all of it on one page.

The same command again goes on where it was stopped, or killed: images whose content and recipe are
unchanged are left as they are, others are done anew, finished planes are not computed twice.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``segment`` to the command line."""
    about = "Find everything in images and stacks."
    parser = subparsers.add_parser(
        "segment",
        help=about[:1].lower() + about[1:-1],
        description=about,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="image files, folders or patterns")
    arguments.add_output(parser)
    arguments.add_export(parser)
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="do everything anew, and replace files that are there whoever made or changed them",
    )
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="do as this recipe says")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    arguments.add_model(parser)
    arguments.add_image(parser)
    parser.add_argument(
        "--region",
        type=Path,
        metavar="FILE",
        help="image that is not zero where objects are to be looked for, of one plane or the stack",
    )
    parser.add_argument(
        "--faithful",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="reproduce the reference generator's set of masks",
    )
    parser.add_argument(
        "--planes",
        type=arguments.plane_ranges,
        metavar="A:B",
        help="only planes A to B-1 along the last axis that counts planes, or of axes by name: "
        "T=0:5,Z=10:20; the others are empty in the labels",
    )
    add_options(parser)
    cluster = parser.add_argument_group("several processes or machines (dask)")
    where = cluster.add_mutually_exclusive_group()
    where.add_argument(
        "--dask",
        metavar="WHERE",
        help="local:N for N processes here, or a scheduler's address such as tcp://host:8786",
    )
    where.add_argument(
        "--scheduler-file", metavar="FILE", help="where the scheduler wrote its address"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what was asked.

    Returns
    -------
    int
        0 all done, 1 some inputs failed.

    Raises
    ------
    SeganyError
        Nothing could be done.
    """
    base = read_recipe(args.recipe) if args.recipe else None
    # Wrong values are told before anything heavy is loaded.
    params, labels = chosen_parameters(args, base)
    from napari_segany.batch.inputs import find_inputs, name_results
    from napari_segany.batch.plan import Batch, Item, Outcome, sentence, survey
    from napari_segany.batch.report import write_report
    from napari_segany.batch.run import note_failure
    from napari_segany.batch.run import run as run_batch
    from napari_segany.cli.report import Report
    from napari_segany.io.read import open_image, stem

    if args.region:
        open_image(args.region).close()
    report = Report(args.output, args.json)
    results = name_results(find_inputs(args.inputs), args.output, "recipe", chosen_outputs(args))
    reading = chosen_reading(args, base)
    items = []
    for found in survey(results, reading):
        if isinstance(found, Item):
            items.append(found)
            continue
        path, error = found
        tell(args, error)
        text = sentence(error)
        text = text if str(path) in text else f"{path}: {text}"
        note_failure(args.output, stem(path), path, text)
        report.add(Outcome(path, "failed", error=text))
    if not items:
        write_report(args.output)
        return report.finish()
    with executor(args, base) as where:
        recipe = settle_recipe(args, base, where, params, labels)
        batch = Batch(tuple(items), args.output, recipe, args.region, args.overwrite)
        with planes_bar() as progress:
            for outcome in run_batch(
                batch, where, progress=progress, on_error=lambda error: tell(args, error)
            ):
                report.add(outcome)
    return report.finish()


def tell(args: argparse.Namespace, error: Exception) -> None:
    """Print the traceback if it was asked for."""
    if args.debug:
        traceback.print_exception(error)


def chosen_outputs(args: argparse.Namespace) -> "Outputs":
    """Which files are wanted."""
    from napari_segany.io.results import Outputs

    return Outputs(args.labels, args.table_format, tuple(args.export))


def chosen_reading(args: argparse.Namespace, base: Recipe | None) -> "Reading":
    """How files are to be understood."""
    from napari_segany.batch.plan import Reading

    return Reading(
        pick(args.axes, base, "axes", "auto"),
        pick(args.channel, base, "channels", (0,)),
        pick(args.planes, base, "planes", ()),
    )


def pick(value: Any, base: Recipe | None, name: str, default: Any) -> Any:
    """What was given, else what the recipe says, else the default."""
    if value is not None:
        return value
    return getattr(base, name) if base else default


@contextmanager
def executor(args: argparse.Namespace, base: Recipe | None) -> "Iterator[Executor]":
    """Where planes are computed: here, or on a cluster; the model is loaded there.

    Raises
    ------
    SeganyError
        If the model cannot be had, or nobody answers.
    """
    if not (args.dask or args.scheduler_file):
        from napari_segany.batch.work import Local

        yield Local(load(args, base))
        return
    from napari_segany.batch.cluster import ModelRequest, connect

    request = ModelRequest(
        args.model or (base.model if base else "auto"),
        args.device or "auto",
        args.precision or (base.precision if base else "auto"),
    )
    with connect(args.dask, args.scheduler_file, request) as cluster:
        yield cluster
        for note in cluster.notes:
            print(f"note: on a worker {note}; masks may differ in the last bits", file=sys.stderr)


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return Recipe.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} cannot be read ({error}).") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def chosen_parameters(
    args: argparse.Namespace, base: Recipe | None
) -> tuple[AutomaticParams, LabelParams]:
    """The recipe's parameters, or the defaults, with those on top that were given."""
    params = replace(base.params if base else AutomaticParams(), **given(args, AutomaticParams))
    labels = replace(base.labels if base else LabelParams(), **given(args, LabelParams))
    return params, labels


def load(args: argparse.Namespace, base: Recipe | None = None) -> "SamModel":
    """Load the model that was asked for, or the recipe's.

    Raises
    ------
    SeganyError
        If it cannot be had.
    """
    from napari_segany.models.device import choose_device
    from napari_segany.models.model import load_model

    device = args.device or "auto"
    if base and not args.device:
        try:
            device = str(choose_device(base.device_kind))
        except InputError:
            device = "auto"
    precision: Any = args.precision or (base.precision if base else "auto")
    with bar("fetching the model") as progress:
        return load_model(
            args.model or (base.model if base else "auto"),
            device=device,
            precision=precision,
            progress=progress,
        )


def settle_recipe(
    args: argparse.Namespace,
    base: Recipe | None,
    where: "Executor",
    params: AutomaticParams,
    labels: LabelParams,
) -> Recipe:
    """What will be done, for this machine; says where that differs from the recipe given.

    Raises
    ------
    InputError
        If the model's weights are not those of the recipe.
    """
    recipe = where.make_recipe(
        params=params,
        labels=labels,
        faithful=pick(args.faithful, base, "faithful", False),
        axes=pick(args.axes, base, "axes", "auto"),
        channels=pick(args.channel, base, "channels", (0,)),
        normalise=pick(args.normalise, base, "normalise", "plane"),
        planes=pick(args.planes, base, "planes", ()),
    )
    if base is None:
        return recipe
    if base.weights_sha256 != recipe.weights_sha256:
        raise InputError(
            f"The recipe was made with the weights of {base.model} (sha256 "
            f"{base.weights_sha256[:12]}...), and {recipe.model} has others (sha256 "
            f"{recipe.weights_sha256[:12]}...); give the same weights with --model."
        )
    differences = base.differences_here()
    if base.device_kind != recipe.device_kind:
        differences.append(
            f"the device is {recipe.device_kind} here and {base.device_kind} in the recipe"
        )
    for difference in differences:
        print(f"note: {difference}; masks may differ in the last bits", file=sys.stderr)
    return recipe
