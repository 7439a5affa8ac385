"""``napari-segany demo``: labels and an overlay of an image that comes with scikit-image."""

import argparse
import time

from napari_segany.cli import arguments
from napari_segany.errors import SeganyError
from napari_segany.io.safe_names import shown
from napari_segany.recipe import LabelParams

POINTS_PER_SIDE = 16
"""A quarter of the usual points: coins are large, and the demo should be fast."""

MAX_AREA_FRACTION = 0.1
"""Fraction of the image: no coin covers a tenth of it, but the table does."""

MIN_AREA = 600
"""Pixels: larger than the figures on the coins, and than what single coins leave visible of a mask
of several, but smaller than the coins."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``demo`` to the command line."""
    about = "Segment an image of coins and list the result files."
    parser = arguments.add_command(
        subparsers,
        "demo",
        about,
        "example:\n  napari-segany demo -o demo",
        run,
        "The image comes with scikit-image; weights are fetched if they are missing.",
    )
    arguments.add_output(parser, default="demo")
    arguments.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    print("Segmenting a picture of 24 coins ...", flush=True)
    from PIL import Image
    from skimage import data

    from napari_segany.batch.executor import LocalExecutor
    from napari_segany.batch.plan import FAILED, Batch
    from napari_segany.batch.plane_loop import run as run_batch
    from napari_segany.batch.products.labels import LABELS_PRODUCT
    from napari_segany.batch.protocol import Item
    from napari_segany.batch.report import REPORT
    from napari_segany.cli.batch import load, model_request
    from napari_segany.cli.report import counted, seconds
    from napari_segany.generators.parameters import AutomaticParams
    from napari_segany.io.atomic import check_writable, writing
    from napari_segany.io.result_files import ResultFiles
    from napari_segany.segmentation import make_recipe

    started = time.monotonic()
    check_writable(args.output)
    # Part of scikit-image's wheel, so nothing is downloaded.
    coins = data.coins()
    picture = args.output / "coins.png"
    with writing(picture) as temporary:
        Image.fromarray(coins).save(temporary, format="PNG")
    model = load(model_request(args))
    loaded = time.monotonic() - started
    params = AutomaticParams(
        points_per_side=POINTS_PER_SIDE, max_area_fraction=MAX_AREA_FRACTION, min_area=MIN_AREA
    )
    recipe = make_recipe(model, params, LabelParams(min_area=MIN_AREA), axes="auto")
    files = ResultFiles.of(args.output, picture.stem)
    item = Item(picture, files, picture.stem)
    batch = Batch((item,), args.output, recipe, LABELS_PRODUCT, overwrite=True)
    (outcome,) = run_batch(batch, LocalExecutor(model))
    if outcome.state in FAILED:
        raise SeganyError(outcome.error)
    print(
        f"{counted(outcome.objects, 'object')} found by {model.id} on {model.device} "
        f"with {POINTS_PER_SIDE} x {POINTS_PER_SIDE} points in {seconds(outcome.seconds)} "
        f"(and {seconds(loaded)} to load)."
    )
    about = {
        picture: "the image",
        files.overlay: "every object outlined: look here first",
        files.labels: "label image, for napari or Fiji",
        files.table: "position, size, shape, intensity and score of each object",
        files.provenance: "all that decided this result",
        args.output / REPORT: "all of it on one page, for a browser",
    }
    width = max(len(shown(path)) for path in about)
    for path, what in about.items():
        print(f"  {shown(path):<{width}}  {what}")
    print(f"Next, your own: napari-segany segment IMAGE -o {shown(args.output)}")
    return 0
