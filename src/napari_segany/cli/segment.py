"""``napari-segany segment``: find everything in many files with one recipe."""

import argparse
import sys
import time
import traceback
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.cli.automatic_options import add_options, given
from napari_segany.cli.progress import bar
from napari_segany.core.parameters import AutomaticParams
from napari_segany.errors import InputError
from napari_segany.recipe import LabelParams, Recipe

if TYPE_CHECKING:
    from napari_segany.cli.report import Outcome
    from napari_segany.io.read import OpenedImage
    from napari_segany.io.results import ResultFiles
    from napari_segany.models.model import SamModel

EXAMPLES = """\
examples:
  napari-segany segment cells.tif -o results
  napari-segany segment plates/*.tif -o results --channel 1 --points-per-side 64
  napari-segany segment stack.tif -o results --axes ZYX --normalise stack --min-area 50
  napari-segany segment night/ -o results --recipe results/cells_recipe.json --skip-existing

Each input gives four files in OUT: NAME_labels.ome.tif (axes and pixel size as in the image, ids
unique over a stack), NAME_table.csv, NAME_overlay.png (the plane with the most objects) and
NAME_recipe.json, which --recipe takes to do the same again. With --recipe, options that are given
win over the recipe.
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
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace results")
    existing.add_argument("--skip-existing", action="store_true", help="leave finished files out")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="do as this recipe says")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    arguments.add_model(parser)
    arguments.add_image(parser)
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
    base = read_recipe(args.recipe) if args.recipe else None
    # Wrong values are told before anything heavy is loaded.
    params, labels = chosen_parameters(args, base)
    from napari_segany.cli.inputs import find_inputs, name_results, there_already
    from napari_segany.cli.main import sentence
    from napari_segany.cli.report import Report
    from napari_segany.io.read import open_image

    report = Report(args.output, args.json)
    results = name_results(find_inputs(args.inputs), args.output, "recipe", args.export)

    def failed(path: Path, error: Exception) -> None:
        if args.debug:
            traceback.print_exc()
        text = sentence(error)
        report.fail(path, text if str(path) in text else f"{path}: {text}")

    to_do: list[Path] = []
    for path, files in results.items():
        present = [file.exists() for file in files.all()]
        if args.skip_existing and all(present):
            report.skip(path)
            continue
        try:
            # Files that cannot be read are told now, not in the middle of the night.
            open_image(path).close()
            if any(present) and not (args.overwrite or args.skip_existing):
                raise there_already(files, "--overwrite or --skip-existing")
            to_do.append(path)
        except Exception as error:
            failed(path, error)
    if to_do:
        model = load(args, base)
        recipe = settle_recipe(args, base, model, params, labels)
        with ExitStack() as stack:
            region = stack.enter_context(open_image(args.region)).data if args.region else None
            for path in to_do:
                try:
                    report.add(segment_file(path, results[path], recipe, model, region))
                # One bad file must not cost the others, whatever is wrong with it.
                except Exception as error:
                    failed(path, error)
    return report.finish()


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return Recipe.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} cannot be read ({error}).") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def chosen_parameters(
    args: argparse.Namespace, base: Recipe | None
) -> tuple[AutomaticParams, LabelParams]:
    """The recipe's parameters, or the defaults, with those on top that were given."""
    params = replace(base.params if base else AutomaticParams(), **given(args, AutomaticParams))
    labels = replace(base.labels if base else LabelParams(), **given(args, LabelParams))
    return params, labels


def load(args: argparse.Namespace, base: Recipe | None = None) -> "SamModel":
    """Load the model that was asked for, or the recipe's.

    Raises
    ------
    SeganyError
        If it cannot be had, or is not the one of the recipe.
    """
    from napari_segany.models.device import choose_device
    from napari_segany.models.model import load_model

    device = args.device or "auto"
    if base and not args.device:
        try:
            device = str(choose_device(base.device_kind))
        except InputError:
            device = "auto"
    precision: Any = args.precision or (base.precision if base else "auto")
    with bar("fetching the model") as progress:
        model = load_model(
            args.model or (base.model if base else "auto"),
            device=device,
            precision=precision,
            progress=progress,
        )
    if base and base.weights_sha256 != model.weights.sha256:
        raise InputError(
            f"The recipe was made with the weights of {base.model} (sha256 "
            f"{base.weights_sha256[:12]}...), and {model.id} has others (sha256 "
            f"{model.weights.sha256[:12]}...); give the same weights with --model."
        )
    return model


def settle_recipe(
    args: argparse.Namespace,
    base: Recipe | None,
    model: "SamModel",
    params: AutomaticParams,
    labels: LabelParams,
) -> Recipe:
    """What will be done, for this machine; says where that differs from the recipe given."""
    from napari_segany.everything import make_recipe

    def pick(value: Any, name: str, default: Any) -> Any:
        if value is not None:
            return value
        return getattr(base, name) if base else default

    recipe = make_recipe(
        model,
        params,
        labels,
        faithful=pick(args.faithful, "faithful", False),
        axes=pick(args.axes, "axes", "auto"),
        channels=pick(args.channel, "channels", (0,)),
        normalise=pick(args.normalise, "normalise", "plane"),
    )
    if base:
        differences = base.differences_here()
        if base.device_kind != recipe.device_kind:
            differences.append(
                f"the device is {recipe.device_kind} here and {base.device_kind} in the recipe"
            )
        for difference in differences:
            print(f"note: {difference}; masks may differ in the last bits", file=sys.stderr)
    return recipe


def own_axes(image: "OpenedImage", axes: str) -> str:
    """The axes to take an image by.

    Raises
    ------
    InputError
        If there are more or fewer than the image has.
    """
    if axes in ("auto", ""):
        return image.axes
    if len(axes) != len(image.shape):
        size = " x ".join(str(n) for n in image.shape)
        raise InputError(
            f"Axes {axes} were asked for, but {image.path} is {image.axes} {size}; give others, or "
            "--axes auto to go by the file."
        )
    return axes


def segment_file(
    path: Path,
    files: "ResultFiles",
    recipe: Recipe,
    model: "SamModel",
    region: Any = None,
) -> "Outcome":
    """Segment one file and write its results.

    Parameters
    ----------
    path : Path
        The image.
    files : ResultFiles
        Where the results go.
    recipe : Recipe
        With axes, or "auto" for the file's own.
    model : SamModel
        The recipe's.
    region : array, optional
        Points are asked only where it is not zero.
    """
    from napari_segany.cli.report import Outcome
    from napari_segany.everything import resolve_stack, segment_planes
    from napari_segany.io.read import open_image
    from napari_segany.io.results import ResultWriter

    started = time.monotonic()
    with open_image(path) as image:
        asked = replace(recipe, axes=own_axes(image, recipe.axes))
        layout, settled = resolve_stack(image.data, asked)
        limits = None if isinstance(settled.normalise, str) else settled.normalise
        with (
            ResultWriter(layout, image.pixel_size, limits, files.exports) as writer,
            bar(path.name) as progress,
        ):
            for found in segment_planes(
                image.data, layout, settled, model, region=region, progress=progress
            ):
                writer.add(found.index, found.image, found.labels, found.masks)
            writer.save(files, image.name, settled.to_json())
        return Outcome(
            path=path,
            understood=image.describe(layout.axes),
            objects=writer.object_count,
            planes=layout.plane_count,
            seconds=time.monotonic() - started,
            files=files,
            pictured=writer.pictured,
        )
