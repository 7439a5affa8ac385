"""Prompts of ``napari-segany prompt``, from options and from a table, each with its source."""

import argparse
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segany.errors import InputError

if TYPE_CHECKING:
    from napari_segany.core.masks import MaskSet
    from napari_segany.core.planes import StackLayout
    from napari_segany.core.prompts import Prompt
    from napari_segany.io.detections import Detections
    from napari_segany.io.pixel_size import PixelSize
    from napari_segany.models.protocol import Embedding, PromptableModel

logger = logging.getLogger(__name__)

OVERRIDES = {
    "dialect": "--table-dialect",
    "first_plane": "--first-plane",
    "units": "--table-units",
}
"""Options by the property of a table that they override."""


@dataclass(frozen=True)
class SourcedPrompt:
    """A prompt with its source.

    Attributes
    ----------
    prompt : Prompt
        The prompt.
    source : str
        Its source in words: "the points", "box 2", "row 3 (line 4)".
    row : int
        Row of the table, from 1; 0 if it comes from an option.
    id : str
        Its identifier in the table.
    """

    prompt: "Prompt"
    source: str
    row: int = 0
    id: str = ""


def from_options(args: argparse.Namespace) -> list[SourcedPrompt]:
    """Return one prompt for the points and the mask together, and one for each box."""
    import numpy as np

    from napari_segany.core.prompts import Prompt
    from napari_segany.io.read import open_image

    prompts = []
    if args.point or args.mask:
        mask = None
        if args.mask:
            with open_image(args.mask, stored=True) as image:
                mask = np.asarray(image.data) != 0
            if mask.ndim == 3 and image.axes.endswith("S"):
                mask = mask.any(axis=-1)
        prompt = Prompt(
            points=[p[:2] for p in args.point] or None,
            labels=[p[2] for p in args.point] or None,
            mask=mask,
        )
        prompts.append(SourcedPrompt(prompt, "the points" if args.point else "the mask"))
    boxes = enumerate(args.box, start=1)
    return prompts + [SourcedPrompt(Prompt(box=box), f"box {number}") for number, box in boxes]


def read_table(
    args: argparse.Namespace, layout: "StackLayout", pixel_size: "PixelSize"
) -> "Detections | None":
    """Read the boxes or points of the table, if one is given; log how it was understood."""
    if args.table is None:
        return None
    from napari_segany.io.detections import TableImage, TableOptions, read_detections

    rows, cols = layout.labels_shape[-2:]
    lengths = zip(layout.axes, layout.shape, strict=True)
    axes = {axis: length for axis, length in lengths if axis not in "YXS"}
    found = read_detections(
        args.table,
        TableImage((rows, cols), axes, pixel_size, args.image.name),
        TableOptions(args.table_dialect, args.first_plane, args.table_units),
    )
    options = [OVERRIDES[name] for name in found.overrides]
    others = f"{', '.join(options[:-1])} and {options[-1]}" if options[1:] else options[0]
    logger.info(
        "%s: %s (%s override%s this)",
        args.table.name,
        found.understood,
        others,
        "" if options[1:] else "s",
    )
    for line in found.remarks():
        logger.info("%s: %s", args.table.name, line)
    return found


def from_table(
    args: argparse.Namespace, found: "Detections", layout: "StackLayout", index: tuple[int, ...]
) -> list[SourcedPrompt]:
    """Return one prompt for each object of the table in the plane.

    Raises
    ------
    InputError
        If the table has no object in the plane.
    """
    plane = dict(zip(layout.leading, index, strict=True))
    here = [each for each in found if each.lies_in(plane)]
    if not here:
        raise InputError(f"{args.table} holds nothing in plane {', '.join(map(str, index))}.")
    if len(here) < len(found):
        logger.info("%s: %d of %d lie in this plane.", args.table.name, len(here), len(found))
    rows, cols = layout.labels_shape[-2:]
    return [
        SourcedPrompt(each.prompt((rows, cols)), each.where, each.number, each.id) for each in here
    ]


def predict(
    candidate: str, model: "PromptableModel", embedding: "Embedding", prompts: "list[Prompt]"
) -> "list[MaskSet]":
    """Return the candidates of all prompts; several points of one object are refined in turn."""
    from napari_segany.models.iterative import refine

    if candidate != "best":
        return model.predict(embedding, prompts, multimask=True)
    several_points = {
        i for i, each in enumerate(prompts) if each.points is not None and len(each.points) > 1
    }
    others = [each for i, each in enumerate(prompts) if i not in several_points]
    predicted = iter(model.predict(embedding, others))
    return [
        refine(model, embedding, each) if i in several_points else next(predicted)
        for i, each in enumerate(prompts)
    ]
