"""``napari-segany segment``: find everything in many files with one recipe."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segany.cli import arguments
from napari_segany.cli.batch import (
    add_run,
    how_to_read,
    pick,
    run_batch,
)
from napari_segany.cli.generator_options import add_options, given
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.recipe import LabelParams, Recipe

if TYPE_CHECKING:
    from napari_segany.batch.executor import Executor
    from napari_segany.io.result_files import Outputs

logger = logging.getLogger(__name__)

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
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="do as this recipe says")
    add_run(parser)
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
    add_options(parser)
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
    base = None
    if args.recipe:
        from napari_segany.io.recipe_file import read_recipe

        base = read_recipe(args.recipe)
        base.check_product("labels")
    # Wrong values are told before anything heavy is loaded.
    params, labels = chosen_parameters(args, base)
    from napari_segany.batch.inputs import find_inputs, name_results
    from napari_segany.batch.products.labels import LABELS_PRODUCT
    from napari_segany.io.read import open_image

    if args.region:
        open_image(args.region, stored=True).close()
    inputs = find_inputs(args.inputs, series=args.series)
    results = name_results(inputs, args.output, "recipe", chosen_outputs(args))
    return run_batch(
        args,
        results,
        LABELS_PRODUCT,
        lambda where: settle_recipe(args, base, where, params, labels),
        base,
    ).finish()


def chosen_outputs(args: argparse.Namespace) -> "Outputs":
    """Which files are wanted."""
    from napari_segany.io.result_files import Outputs

    return Outputs(args.labels, args.table_format, tuple(args.export))


def chosen_parameters(
    args: argparse.Namespace, base: Recipe | None
) -> tuple[GeneratorParams, LabelParams]:
    """The recipe's parameters, or the defaults, with those on top that were given."""
    params: GeneratorParams = base.params if base else AutomaticParams()
    if changed := given(args, AutomaticParams):
        params = replace(base.point_params() if base else AutomaticParams(), **changed)
    labels = replace(base.labels if base else LabelParams(), **given(args, LabelParams))
    return params, labels


def settle_recipe(
    args: argparse.Namespace,
    base: Recipe | None,
    where: "Executor",
    params: GeneratorParams,
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
        **how_to_read(args, base),
    )
    if base is None:
        return recipe
    base.check_weights(recipe.model, recipe.weights_sha256)
    for difference in base.differences_here(recipe.device_kind):
        logger.info("note: %s; masks may differ in the last bits", difference)
    return recipe
