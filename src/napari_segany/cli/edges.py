"""``napari-segany edges``: edge maps of images and stacks."""

import argparse

from napari_segany.cli import arguments
from napari_segany.cli.batch import add_run, batch_options, run_batch

EXAMPLES = """\
examples:
  napari-segany edges photo.jpg -o results
  napari-segany edges membranes/ -o results --soft --points-per-side 32
  napari-segany evaluate images/ --truth boundaries/ -o scores --tasks edges

Each input gives NAME_edges.ome.tif (float32, 0 to 1, axes and pixel size as in the image) and
NAME_edges_recipe.json. The same command resumes a run that was stopped or killed.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``edges`` to the command line."""
    about = "Compute edge maps from the outlines of all masks that the model finds."
    parser = arguments.add_command(subparsers, "edges", about, EXAMPLES, run)
    arguments.add_inputs(parser)
    parser.add_argument(
        "--points-per-side",
        type=int,
        default=16,
        metavar="N",
        help="points along each side of the grid; more points find finer edges (default: 16)",
    )
    parser.add_argument(
        "--soft", action="store_true", help="keep the full width of edges (default: thin to 1 px)"
    )
    add_run(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from napari_segany.batch.inputs import find_inputs, name_inputs
    from napari_segany.batch.products.edges import EdgesProduct, edge_files, edge_params

    params, thin = edge_params(args.points_per_side), not args.soft
    named = name_inputs(find_inputs(args.inputs, series=args.series), args.output)
    files = {path: edge_files(args.output, name, thin) for path, name in named.items()}
    options = batch_options(args, params=params)
    return run_batch(args, options, files, EdgesProduct(thin)).finish()
