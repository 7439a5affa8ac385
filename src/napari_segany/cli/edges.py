"""``napari-segany edges``: edge maps of images and stacks."""

import argparse
from typing import TYPE_CHECKING

from napari_segany.cli import arguments
from napari_segany.cli.batch import add_run, how_to_read, run_batch

if TYPE_CHECKING:
    from napari_segany.batch.executor import Executor
    from napari_segany.recipe import Recipe

EXAMPLES = """\
examples:
  napari-segany edges photo.jpg -o results
  napari-segany edges membranes/ -o results --soft --points-per-side 32
  napari-segany evaluate images/ --truth boundaries/ -o scores --tasks edges

Each input gives NAME_edges.ome.tif (float32, 0 to 1, axes and pixel size as in the image) and
NAME_edges_recipe.json. The same command again goes on where it was stopped, or killed.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``edges`` to the command line."""
    about = "Draw edge maps from the outlines of everything the model sees."
    parser = subparsers.add_parser(
        "edges",
        help=about[:1].lower() + about[1:-1],
        description=about,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="image files, folders or patterns")
    arguments.add_output(parser)
    parser.add_argument(
        "--points-per-side",
        type=int,
        default=16,
        metavar="N",
        help="points along each side of the grid; more find finer edges (default: 16)",
    )
    parser.add_argument(
        "--soft", action="store_true", help="as wide as the outlines are; default: one pixel wide"
    )
    add_run(parser)
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
    from napari_segany.batch.inputs import find_inputs, name_inputs
    from napari_segany.batch.products.edges import EdgesProduct, edge_files, edge_params

    params, thin = edge_params(args.points_per_side), not args.soft

    def make_recipe(where: "Executor") -> "Recipe":
        return where.make_recipe(params=params, **how_to_read(args))

    named = name_inputs(find_inputs(args.inputs, series=args.series), args.output)
    files = {path: edge_files(args.output, name, thin) for path, name in named.items()}
    return run_batch(args, files, EdgesProduct(thin), make_recipe).finish()
