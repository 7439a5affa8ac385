"""``napari-segany proposals``: ranked masks for detectors, as COCO's results."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segany.cli import arguments
from napari_segany.cli.batch import add_run, how_to_read, run_batch

if TYPE_CHECKING:
    from napari_segany.batch.executor import Executor
    from napari_segany.recipe import Recipe

EXAMPLES = """\
examples:
  napari-segany proposals photos/ -o results
  napari-segany proposals photos/ -o results --annotations instances_val2017.json
  napari-segany evaluate photos/ --truth labels/ -o scores --tasks proposals automatic

Each input gives NAME_proposals.json and NAME_proposals_recipe.json. proposals.json holds all of
them as COCO's results, best first, for pycocotools and whatever reads its format;
proposals_images.json says which image each image_id is. The same command again goes on where it was
stopped, or killed.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``proposals`` to the command line."""
    about = "Propose masks that may be objects, the likeliest first."
    parser = subparsers.add_parser(
        "proposals",
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
        default=64,
        metavar="N",
        help="points along each side of the grid (default: 64)",
    )
    parser.add_argument(
        "--most",
        type=int,
        default=1000,
        metavar="N",
        help="at most so many a plane (default: 1000)",
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="COCO annotations whose ids the images get, by file name (default: ids from 1 on)",
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
    from napari_segany.batch.products.proposals import (
        ProposalsProduct,
        check_ids,
        collect,
        proposal_files,
        read_ids,
    )
    from napari_segany.io.rle import mask_codec
    from napari_segany.zero_shot.proposals import PROPOSALS, check_most

    # What is wrong or missing is told before the night.
    mask_codec()
    params = replace(PROPOSALS, points_per_side=args.points_per_side)
    check_most(args.most)
    ids = None if args.annotations is None else read_ids(args.annotations)
    named = name_inputs(find_inputs(args.inputs, series=args.series), args.output)
    if ids is not None:
        check_ids(named, ids)

    def make_recipe(where: "Executor") -> "Recipe":
        return where.make_recipe(params=params, **how_to_read(args))

    files = {path: proposal_files(args.output, name, args.most) for path, name in named.items()}
    report = run_batch(args, files, ProposalsProduct(args.most), make_recipe)
    there = [each.main for path, each in files.items() if path not in report.failed]
    if there := [path for path in there if path.exists()]:
        collect(there, args.output, ids)
    return report.finish()
