"""Options, model and run shared by the commands that work on many files."""

import argparse
import os
import traceback
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.progress import batch_bar, progress_bar
from napari_segany.errors import InputError
from napari_segany.recipe import Recipe

if TYPE_CHECKING:
    from napari_segany.batch.options import BatchOptions, ModelRequest
    from napari_segany.batch.protocol import Files, Product
    from napari_segany.cli.report import Report
    from napari_segany.models.protocol import PromptableModel


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the option to replace existing files."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="compute everything again, and replace existing files, also those changed by hand",
    )


def add_planes(parser: argparse.ArgumentParser) -> None:
    """Add the option to select planes."""
    parser.add_argument(
        "--planes",
        type=arguments.plane_ranges,
        metavar="A:B",
        help="use only planes A to B-1 along the last axis of planes (such as Z), or along named "
        "axes: T=0:5,Z=10:20; the other planes are empty in labels and edge maps",
    )


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the options for computing on dask workers."""
    cluster = parser.add_argument_group("several processes or machines (dask)")
    workers = cluster.add_mutually_exclusive_group()
    workers.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="local:N for N processes on this machine, or the address of a scheduler, such as "
        "tcp://host:8786",
    )
    workers.add_argument(
        "--scheduler-file", metavar="FILE", help="file in which the scheduler wrote its address"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options that every batch command has."""
    add_overwrite(parser)
    messages = parser.add_mutually_exclusive_group()
    messages.add_argument(
        "--json", action="store_true", help="print one JSON object per line on stdout"
    )
    messages.add_argument(
        "--quiet", action="store_true", help="print errors only, and show no progress"
    )
    arguments.add_model(parser)
    arguments.add_image(parser)
    parser.add_argument(
        "--axes-of",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "AXES"),
        help="axes of a single image, where they differ from --axes; may be repeated",
    )
    add_planes(parser)
    add_cluster(parser)


def pick(value: Any, base: Recipe | None, name: str, default: Any) -> Any:
    """Return a given value, else that of the recipe, else the default."""
    if value is not None:
        return value
    return getattr(base, name) if base else default


def batch_options(
    args: argparse.Namespace, base: Recipe | None = None, **own: Any
) -> "BatchOptions":
    """Return the options of a batch.

    Parameters
    ----------
    args : Namespace
        The options of this module.
    base : Recipe, optional
        The recipe that the options follow, where they are not given.
    **own
        Options that only one command has.
    """
    from napari_segany.batch.options import BatchOptions

    return BatchOptions(
        output=args.output,
        axes=pick(args.axes, base, "axes", "auto"),
        channels=pick(args.channel, base, "channels", (0,)),
        normalise=arguments.given_display(args, base),
        planes=pick(args.planes, base, "planes", ()),
        request=model_request(args, base),
        cluster=args.dask,
        scheduler_file=args.scheduler_file,
        overwrite=args.overwrite,
        recipe=base,
        axes_from_recipe=args.axes is None and base is not None,
        **own,
    )


def run_batch(
    args: argparse.Namespace,
    options: "BatchOptions",
    results: "Mapping[Path, Files]",
    product: "Product | None" = None,
) -> "Report":
    """Run a batch and print the outcome of each image.

    Parameters
    ----------
    args : Namespace
        The options of this module.
    options : BatchOptions
        The same, as the batch takes them.
    results : mapping
        The result files of each image.
    product : Product, optional
        The kind of result, as for :class:`BatchRun`.

    Returns
    -------
    Report
        The report, whose last line is not printed yet.

    Raises
    ------
    SeganyError
        If nothing can be computed.
    """
    from napari_segany.batch.batch_run import BatchRun
    from napari_segany.cli.report import Report

    run = BatchRun(
        options,
        results,
        product,
        axes_of=axes_of(args, results),
        load_model=lambda request: load(request, args.quiet),
        on_error=lambda error: print_traceback(args, error),
    )
    report = Report(args.output, args.json, run.product.noun, args.quiet)
    try:
        # Whatever ends the loop, the report is written before anything else happens.
        with batch_bar(args.quiet) as progress, closing(run.outcomes(progress)) as outcomes:
            for outcome in outcomes:
                report.add(outcome)
    except KeyboardInterrupt as stop:
        stop.add_note(
            f"finished planes are kept in {args.output}, and the same command goes on from there"
        )
        raise
    return report


def axes_of(args: argparse.Namespace, results: "Mapping[Path, Files]") -> dict[Path, str]:
    """Return the axes of single images, by path.

    Raises
    ------
    InputError
        If an image is not among the inputs.
    """
    known, found = {os.path.realpath(path): path for path in results}, {}
    for name, axes in args.axes_of:
        path = known.get(os.path.realpath(name))
        if path is None:
            raise InputError(f"--axes-of {name}: that is none of the images that were given.")
        found[path] = arguments.axes(axes)
    return found


def print_traceback(args: argparse.Namespace, error: Exception) -> None:
    """Print the traceback of an error if ``--debug`` was given."""
    if args.debug:
        traceback.print_exception(error)


def model_request(args: argparse.Namespace, base: Recipe | None = None) -> "ModelRequest":
    """Return the requested model, else that of the recipe, else the default."""
    from napari_segany.batch.options import ModelRequest

    device = args.device or "auto"
    # Workers may have other devices than this process.
    is_local = not (getattr(args, "dask", None) or getattr(args, "scheduler_file", None))
    if base is not None and is_local and not args.device:
        from napari_segany.io.recipe_file import device_of

        device = device_of(base)
    return ModelRequest(
        args.model or (base.model if base else "auto"),
        device,
        args.precision or (base.precision if base else "auto"),
    )


def load(request: "ModelRequest", quiet: bool = False) -> "PromptableModel":
    """Load a model, with a progress bar while its weights are fetched.

    Raises
    ------
    SeganyError
        If the model cannot be loaded.
    """
    from napari_segany.batch.options import load_requested_model

    with progress_bar("fetching the model", quiet) as progress:
        return load_requested_model(request, progress)
