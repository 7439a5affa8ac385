"""Options for finding objects like examples: boxes and labels that are examples."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli import arguments
from napari_segany.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_segany.core.planes import StackLayout
    from napari_segany.generators.exemplars.example_set import ExampleSet
    from napari_segany.recipe import Recipe

STRATEGY = "exemplars"

OPTIONS = ("like", "like_box", "unlike", "unlike_box", "like_image", "like_plane")
"""Destinations of the options."""


def add_like_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name examples."""
    group = parser.add_argument_group("examples of the objects to find")
    for flag, meaning, one in (
        ("like", "examples", "an example"),
        ("unlike", "not wanted", "not wanted"),
    ):
        group.add_argument(
            f"--{flag}",
            metavar="LABELS[:ID,ID]",
            help=f"labels whose objects, or those of these ids, are {meaning}",
        )
        group.add_argument(
            f"--{flag}-box",
            type=arguments.box,
            action="append",
            default=[],
            metavar="R0,C0,R1,C1",
            help=f"box around an object that is {one}; may be repeated",
        )
    group.add_argument(
        "--like-image",
        type=Path,
        metavar="FILE",
        help="image that the boxes and labels are of (default: the first input)",
    )
    group.add_argument(
        "--like-plane",
        type=arguments.whole_numbers,
        metavar="I,J",
        help="plane of that image, for a stack, as --plane of the command prompt",
    )


def choose_strategy(args: argparse.Namespace) -> bool:
    """Return True if examples are given; the strategy is theirs then.

    Raises
    ------
    InputError
        If another strategy was given, or only negatives.
    """
    if not any(getattr(args, name, None) for name in OPTIONS):
        return False
    if getattr(args, "strategy", STRATEGY) != STRATEGY:
        raise InputError(
            f"Examples go with the strategy {STRATEGY}, not with --strategy {args.strategy}."
        )
    args.strategy = STRATEGY
    return True


def read_examples(
    args: argparse.Namespace, first: Path, base: "Recipe | None" = None
) -> "ExampleSet":
    """Return the examples that the options name, as features of the model.

    Parameters
    ----------
    args : Namespace
        The options of the command.
    first : Path
        The first input, which the examples are of unless another image is given.
    base : Recipe, optional
        A recipe; its examples are used, too.

    Raises
    ------
    InputError
        If an image or the labels cannot be read, or there is no object.
    """
    from napari_segany.batch.plan import log_notes, own_axes
    from napari_segany.cli.batch import load, model_request, pick
    from napari_segany.cli.plane_option import chosen_plane
    from napari_segany.core.planes import StackLayout
    from napari_segany.generators.exemplars.find_alike import make_examples
    from napari_segany.generators.exemplars.params import ExemplarParams
    from napari_segany.io.read import open_image
    from napari_segany.segmentation import make_recipe, resolve_stack

    known = base.params.examples if base and isinstance(base.params, ExemplarParams) else None
    path = args.like_image or first
    given = args.axes or ""
    with open_image(path, axes=given) as image:
        log_notes(path, image.notes)
        axes = own_axes(image, given)
        channels = image.channel_numbers(pick(args.channel, base, "channels", (0,)))
        layout = StackLayout(axes, image.shape, channels)
        index = chosen_plane(args.like_plane, layout)
        labels = _labels(args.like, layout, index)
        unlike = _labels(args.unlike, layout, index)
        if labels is None and not args.like_box and known is None:
            raise InputError("Only negatives were given; give an example: --like-box or --like.")
        model = load(model_request(args, base), args.quiet)
        recipe = make_recipe(
            model,
            axes=axes,
            channels=layout.channels,
            normalise=arguments.given_display(args, base),
        )
        layout, recipe = resolve_stack(image.data, recipe)
        plane = layout.plane(image.data, index)
    found: Any = make_examples(
        model,
        plane,
        args.like_box or None,
        labels,
        unlike_boxes=args.unlike_box or None,
        unlike_labels=unlike,
        limits=recipe.limits,
        known=known,
    )
    examples: ExampleSet = found
    return examples


def _labels(
    text: str | None, layout: "StackLayout", index: tuple[int, ...]
) -> "NDArray[np.integer] | None":
    """Return the plane of a file of labels, with the ids that were asked for only."""
    if not text:
        return None
    import numpy as np

    from napari_segany.core.label_images import as_ids
    from napari_segany.io.read import open_image

    name, _, ids = text.rpartition(":")
    wanted = [int(part) for part in ids.split(",") if part.strip().isdecimal()]
    if not name or not wanted or len(wanted) < len(ids.split(",")):
        # No ids: a colon can be part of a path.
        name, wanted = text, []
    with open_image(Path(name), stored=True) as file:
        values = np.asarray(file.data)
    if values.ndim > 2 and values.shape == layout.labels_shape:
        values = values[index]
    size = layout.labels_shape[-2:]
    values = np.squeeze(values) if values.shape != size else values
    if values.shape != size:
        raise InputError(
            f"{name} has shape {values.shape}, and the image's planes {size}; give labels of the "
            "plane or of the whole stack."
        )
    found = as_ids(values)
    if not wanted:
        if not found.any():
            raise InputError(f"{name} has no object in this plane.")
        return found
    missing = sorted(set(wanted) - set(np.unique(found).tolist()))
    if missing:
        raise InputError(f"{name} has no object {missing[0]} in this plane.")
    return np.where(np.isin(found, wanted), found, 0)
