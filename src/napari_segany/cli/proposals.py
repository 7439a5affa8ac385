"""``napari-segany proposals``: ranked masks for detectors, as COCO results."""

import argparse
from dataclasses import replace
from pathlib import Path

from napari_segany.cli import arguments
from napari_segany.cli.batch import add_run, batch_options, run_batch

EXAMPLES = """\
examples:
  napari-segany proposals photos/ -o results
  napari-segany proposals photos/ -o results --annotations instances_val2017.json
  napari-segany evaluate photos/ --truth labels/ -o scores --tasks proposals automatic

Each input gives NAME_proposals.json and NAME_proposals_recipe.json. proposals.json holds all
of them as COCO results, best first, for pycocotools and other readers of the format;
proposals_images.json lists the image of each image_id. The same command resumes a run that was
stopped or killed.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``proposals`` to the command line."""
    about = "Propose masks of possible objects, ranked by score."
    parser = arguments.add_command(subparsers, "proposals", about, EXAMPLES, run)
    arguments.add_inputs(parser)
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
        help="maximum number of proposals per plane (default: 1000)",
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="COCO annotations from which images take their ids, by file name (default: numbered "
        "from 1)",
    )
    add_run(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
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

    # Invalid options are reported before the computation, which may take a night.
    mask_codec()
    params = replace(PROPOSALS, points_per_side=args.points_per_side)
    check_most(args.most)
    ids = None if args.annotations is None else read_ids(args.annotations)
    named = name_inputs(find_inputs(args.inputs, series=args.series), args.output)
    if ids is not None:
        check_ids(named, ids)

    files = {path: proposal_files(args.output, name, args.most) for path, name in named.items()}
    options = batch_options(args, params=params)
    report = run_batch(args, options, files, ProposalsProduct(args.most))
    written = [each.main for path, each in files.items() if path not in report.failed]
    if written := [path for path in written if path.exists()]:
        collect(written, args.output, ids)
    return report.finish()
