"""``napari-segany segment``: segment all objects in many files with one recipe."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.batch import add_run, batch_options, pick, run_batch
from napari_segany.cli.generator_options import add_options, chosen_params, given
from napari_segany.cli.like_options import add_like_options, choose_strategy, read_examples
from napari_segany.cli.link_options import add_link_options, chosen_link, chosen_tracks
from napari_segany.cli.object_size import settle_object_size
from napari_segany.cli.tile_options import add_tile_options, chosen_tiles
from napari_segany.generators.default_params import DefaultParams
from napari_segany.generators.exemplars.params import with_examples
from napari_segany.generators.parameters import check_faithful
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.recipe import LabelParams, Recipe

if TYPE_CHECKING:
    from napari_segany.batch.options import BatchOptions
    from napari_segany.io.result_files import Outputs

EXAMPLES = """\
examples:
  napari-segany segment cells.tif -o results
  napari-segany segment plates/*.tif -o results --channel 1 --points-per-side 64
  napari-segany segment stack.tif -o results --axes ZYX --normalise stack --min-area 50
  napari-segany segment volume.tif -o results --axes ZYX --link z --min-planes 3
  napari-segany segment movie.tif -o results --axes TYX --link t
  napari-segany segment slide.zarr -o results --object-size 25 --region-box 8000,8000,12000,12000
  napari-segany segment photos/ -o results --text "bicycle" "traffic light"
  napari-segany segment cells.tif more/*.tif -o results --like-box 40,52,71,80
  napari-segany segment night/ -o results --recipe results/cells_recipe.json
  napari-segany segment night/ -o results --dask local:4 --export coco rois

Each input gives four files in OUT: NAME_labels.ome.tif (axes and pixel size as in the image, ids
unique over a stack), NAME_table.csv, NAME_overlay.png (the plane with the most objects) and
NAME_recipe.json, which --recipe takes to repeat the run. Options take precedence over the recipe.
segany_report.html shows all results on one page.

With --link z an object has one id in all its planes, and one row in the table. With --link t it has
one id in all its frames, and one row for each; --link zt links volumes over time.

With --like-box or --like, objects like these examples are found in all images. The recipe holds the
examples, so that --recipe finds the same in others.

The same command resumes a run that was stopped or killed: results of unchanged images and recipes
are left unchanged, others are computed again, and finished planes are not computed twice.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``segment`` to the command line."""
    about = "Segment all objects in images and stacks."
    parser = arguments.add_command(subparsers, "segment", about, EXAMPLES, run)
    arguments.add_inputs(parser)
    arguments.add_export(parser)
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="recipe with the parameters of a run"
    )
    add_run(parser)
    parser.add_argument(
        "--region",
        type=Path,
        metavar="FILE",
        help="image that is nonzero where objects are searched, of one plane or the whole stack",
    )
    parser.add_argument(
        "--region-box",
        type=arguments.pixel_box,
        metavar="R0,C0,R1,C1",
        help="search only rows R0 to R1-1 and columns C0 to C1-1 of each plane; of a plane that is "
        "searched in tiles only those that reach into the box are read",
    )
    parser.add_argument(
        "--faithful",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="reproduce the set of masks of the published code",
    )
    add_like_options(parser)
    add_options(parser)
    add_tile_options(parser)
    add_link_options(parser, over_time=True)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    base = None
    if args.recipe:
        from napari_segany.io.recipe_file import read_recipe

        base = read_recipe(args.recipe)
        base.check_product("labels")
    # Invalid values are reported before anything heavy is loaded.
    has_examples = choose_strategy(args)
    chosen_parameters(args, base)
    chosen_links(args, base)
    from napari_segany.batch.inputs import find_inputs, name_results
    from napari_segany.io.read import open_image

    if args.region:
        open_image(args.region, stored=True).close()
    inputs = find_inputs(args.inputs, series=args.series)
    settle_object_size(args, inputs)
    chosen_tiles(args)
    results = name_results(inputs, args.output, "recipe", chosen_outputs(args))
    options = segment_options(args, base)
    if has_examples:
        examples = read_examples(args, next(iter(inputs)), base)
        options = replace(options, params=with_examples(options.params, examples))
    return run_batch(args, options, results).finish()


def segment_options(args: argparse.Namespace, base: Recipe | None = None) -> "BatchOptions":
    """Return the options of a batch that makes labels."""
    params, labels = chosen_parameters(args, base)
    faithful = pick(args.faithful, base, "faithful", False)
    if faithful and not isinstance(params, DefaultParams):
        check_faithful(params)
    return batch_options(
        args,
        base,
        params=params,
        labels=labels,
        faithful=faithful,
        region=args.region,
        region_box=args.region_box,
        outputs=chosen_outputs(args),
        tiles=chosen_tiles(args, base.tiles) if base else chosen_tiles(args),
        classes=None if base is None else base.classes,
        **chosen_links(args, base),
    )


def chosen_links(args: argparse.Namespace, base: Recipe | None) -> dict[str, Any]:
    """Return the parameters of linking, by their entry of the recipe."""
    link, tracks = (base.link, base.tracks) if base else (None, None)
    return {
        "link": chosen_link(args, link, tracks is not None),
        "tracks": chosen_tracks(args, tracks),
    }


def chosen_outputs(args: argparse.Namespace) -> "Outputs":
    """Return the kinds of result files."""
    from napari_segany.io.result_files import Outputs

    return Outputs(args.labels, args.table_format, tuple(args.export))


def chosen_parameters(
    args: argparse.Namespace, base: Recipe | None
) -> tuple[GeneratorParams, LabelParams]:
    """Return the given parameters, completed from the recipe or the defaults."""
    params = chosen_params(args, base.params if base else None)
    labels = replace(base.labels if base else LabelParams(), **given(args, LabelParams))
    return params, labels
