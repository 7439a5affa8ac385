"""``napari-segany text``: segment what phrases name in an image."""

import argparse

from napari_segany.cli import arguments, segment
from napari_segany.cli.batch import add_run
from napari_segany.cli.generator_options import STRATEGY, add_fields, add_parameter
from napari_segany.core.parameter_info import parameters_of
from napari_segany.generators.text_params import TextParams
from napari_segany.recipe import LabelParams

EXAMPLES = """\
examples:
  napari-segany models fetch owlv2_base
  napari-segany text car.png "beaver tooth grille" -o results
  napari-segany text street.jpg "bicycle" "traffic light" -o results --text-threshold 0.1
  napari-segany segment photos/ --text "bicycle" "traffic light" -o results --export coco

Each phrase is a class: the table has the columns class and class_score, and COCO files a category.
Scores are those of the text model, which was trained on photographs. A phrase without an object is
told with its best score. The files are those of `napari-segany segment`, which takes the same
options, many images, and --recipe.
"""

PHRASES = "text"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``text`` to the command line."""
    about = "Segment what phrases name in an image or a stack."
    parser = arguments.add_command(subparsers, "text", about, EXAMPLES, run)
    parser.add_argument("image", metavar="IMAGE", help="image file")
    parser.add_argument(
        "phrases", nargs="+", metavar="PHRASE", help="name of the objects to find, in quotes"
    )
    arguments.add_output(parser)
    arguments.add_export(parser)
    add_run(parser)
    finding = parser.add_argument_group("finding objects")
    for name, info in parameters_of(TextParams).items():
        if name not in (STRATEGY, PHRASES):
            add_parameter(finding, name, info, (TextParams,))
    add_fields(parser.add_argument_group("from masks to labels"), LabelParams)
    parser.set_defaults(recipe=None, region=None, region_box=None, faithful=None)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    args.inputs, args.text, args.strategy = [args.image], args.phrases, TextParams.strategy
    return segment.run(args)
