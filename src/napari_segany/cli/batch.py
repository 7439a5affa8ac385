"""What all commands share that work on many files: options, the model, and the run."""

import argparse
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.progress import batch_bar, progress_bar
from napari_segany.errors import InputError
from napari_segany.recipe import Recipe

if TYPE_CHECKING:
    from napari_segany.batch.executor import Executor
    from napari_segany.batch.plan import Files, Product
    from napari_segany.cli.report import Report
    from napari_segany.models.sam.model import SamModel

logger = logging.getLogger(__name__)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add what to do about files that are there already."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="do everything anew, and replace files that are there whoever made or changed them",
    )


def add_planes(parser: argparse.ArgumentParser) -> None:
    """Add which planes are wanted."""
    parser.add_argument(
        "--planes",
        type=arguments.plane_ranges,
        metavar="A:B",
        help="only planes A to B-1 along the last axis that counts planes, or of axes by name: "
        "T=0:5,Z=10:20; the others are empty in the labels",
    )


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add where planes are computed."""
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


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add what every batch has beside what it makes: files, model, image, planes, where."""
    add_overwrite(parser)
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    said.add_argument(
        "--quiet", action="store_true", help="say nothing but errors, and show no progress"
    )
    arguments.add_model(parser)
    arguments.add_image(parser)
    parser.add_argument(
        "--axes-of",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "AXES"),
        help="axes of one of the images, where they are not those of the others",
    )
    add_planes(parser)
    add_cluster(parser)


def pick(value: Any, base: Recipe | None, name: str, default: Any) -> Any:
    """What was given, else what the recipe says, else the default."""
    if value is not None:
        return value
    return getattr(base, name) if base else default


def how_to_read(args: argparse.Namespace, base: Recipe | None = None) -> dict[str, Any]:
    """How files are to be understood, in the words of a recipe."""
    return {
        "axes": pick(args.axes, base, "axes", "auto"),
        "channels": pick(args.channel, base, "channels", (0,)),
        "normalise": pick(args.normalise, base, "normalise", "plane"),
        "planes": pick(args.planes, base, "planes", ()),
    }


def run_batch(
    args: argparse.Namespace,
    results: "Mapping[Path, Files]",
    product: "Product",
    make_recipe: "Callable[[Executor], Recipe]",
    base: Recipe | None = None,
) -> "Report":
    """Do a batch and say what becomes of each image.

    Parameters
    ----------
    args : Namespace
        With the options of this module.
    results : mapping
        Where the results of each image go.
    product : Product
        What is made.
    make_recipe : callable
        Gives the recipe for where planes are computed.
    base : Recipe, optional
        Says what was not given.

    Returns
    -------
    Report
        Whose last line is not said yet.

    Raises
    ------
    SeganyError
        Nothing could be done.
    """
    from napari_segany.batch.plan import Batch, Item, Outcome, ReadOptions, inspect, sentence
    from napari_segany.batch.report import write_report
    from napari_segany.batch.run import note_failure, run
    from napari_segany.cli.report import Report, say_notes

    report = Report(args.output, args.json, product.noun, args.quiet)
    how = how_to_read(args, base)
    items = []
    usual = args.axes is None and base is not None
    reading = ReadOptions(how["axes"], how["channels"], how["planes"], usual)
    for found in inspect(results, reading, own_axes(args, results)):
        if isinstance(found, Item):
            items.append(found)
            say_notes(found.path, found.notes)
            continue
        path, error = found
        tell(args, error)
        text = sentence(error)
        text = text if str(path) in text else f"{path}: {text}"
        note_failure(args.output, results[path].name, path, text, product.name)
        report.add(Outcome(path, "failed", error=text))
    if not items:
        if not product.name:
            write_report(args.output)
        return report
    with executor(args, base) as where:
        recipe, region = make_recipe(where), getattr(args, "region", None)
        batch = Batch(tuple(items), args.output, recipe, product, region, args.overwrite)
        with (
            batch_bar(args.quiet) as progress,
            # Whatever ends the loop, the report is written before anything else happens.
            closing(
                run(batch, where, progress=progress, on_error=lambda error: tell(args, error))
            ) as outcomes,
            goes_on(args),
        ):
            for outcome in outcomes:
                report.add(outcome)
    return report


@contextmanager
def goes_on(args: argparse.Namespace) -> Iterator[None]:
    """Say, when a signal ends the block, that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(
            f"finished planes are kept in {args.output}, and the same command goes on from there"
        )
        raise


def own_axes(args: argparse.Namespace, results: "Mapping[Path, Files]") -> dict[Path, str]:
    """Axes of single images, by path.

    Raises
    ------
    InputError
        If an image is none of those of the batch.
    """
    known, found = {os.path.realpath(path): path for path in results}, {}
    for name, axes in args.axes_of:
        path = known.get(os.path.realpath(name))
        if path is None:
            raise InputError(f"--axes-of {name}: that is none of the images that were given.")
        found[path] = arguments.axes(axes)
    return found


def tell(args: argparse.Namespace, error: Exception) -> None:
    """Print the traceback if it was asked for."""
    if args.debug:
        traceback.print_exception(error)


@contextmanager
def executor(args: argparse.Namespace, base: Recipe | None) -> "Iterator[Executor]":
    """Where planes are computed: here, or on a cluster; the model is loaded there.

    Raises
    ------
    SeganyError
        If the model cannot be had, or nobody answers.
    """
    if not (args.dask or args.scheduler_file):
        from napari_segany.batch.executor import LocalExecutor

        yield LocalExecutor(load(args, base))
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
            logger.info("note: on a worker %s; masks may differ in the last bits", note)


def load(args: argparse.Namespace, base: Recipe | None = None) -> "SamModel":
    """Load the model that was asked for, or the recipe's.

    Raises
    ------
    SeganyError
        If it cannot be had.
    """
    from napari_segany.io.recipe_file import device_of
    from napari_segany.models.sam.model import load_model

    device = args.device or (device_of(base) if base else "auto")
    precision: Any = args.precision or (base.precision if base else "auto")
    with progress_bar("fetching the model", getattr(args, "quiet", False)) as progress:
        return load_model(
            args.model or (base.model if base else "auto"),
            device=device,
            precision=precision,
            progress=progress,
        )
