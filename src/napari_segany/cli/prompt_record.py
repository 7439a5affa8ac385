"""The JSON record beside the result of ``napari-segany prompt``."""

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.cli.prompt_requests import SourcedPrompt
from napari_segany.io.safe_names import shown

if TYPE_CHECKING:
    from napari_segany.core.planes import StackLayout
    from napari_segany.io.detections import Detections
    from napari_segany.recipe import Recipe

FORMAT = 1
"""Version of the JSON with the prompts."""


def provenance(
    args: argparse.Namespace,
    recipe: "Recipe",
    request: Mapping[str, Any],
    table: "Detections | None",
    without_object: Mapping[str, str],
) -> dict[str, Any]:
    """Return everything that decides the result, for the JSON beside it."""
    about: dict[str, Any] = {}
    if table is not None:
        about["table"] = table_record(args, table)
    if without_object:
        about["without_object"] = dict(without_object)
    return {"format": FORMAT, **about, **request, **model_record(recipe)}


def model_record(recipe: "Recipe") -> dict[str, Any]:
    """Return the entries of a recipe that are not about automatic segmentation."""
    settled: dict[str, Any] = json.loads(recipe.to_json())
    for name in ("format", "params", "labels", "faithful", "product"):
        del settled[name]
    return settled


def request_record(
    args: argparse.Namespace,
    layout: "StackLayout",
    index: tuple[int, ...],
    prompts: list[SourcedPrompt],
) -> dict[str, Any]:
    """Return the prompts and the options that apply to them, for the JSON beside the result."""
    return {
        "image": shown(args.image.name),
        "channels": list(layout.channels),
        "plane": list(index),
        "candidate": args.candidate,
        "prompts": [prompt_record(args, each) for each in prompts],
        **({"keep_rows": args.keep_rows} if args.table else {}),
        **({"object_size": args.object_size} if args.object_size else {}),
        **({"tiles": args.tiles} if args.tiles != "auto" else {}),
        **({"views": args.views} if args.views > 1 else {}),
    }


def table_record(args: argparse.Namespace, table: "Detections") -> dict[str, Any]:
    """Return how a table was understood, and which rows were skipped or changed."""
    return {
        "file": shown(args.table.name),
        "understood": table.understood,
        "rows": table.count,
        "skipped": list(table.skipped),
        "changed": list(table.notes),
    }


def prompt_record(args: argparse.Namespace, each: SourcedPrompt) -> dict[str, Any]:
    """Return one prompt, for the JSON beside the result."""
    import numpy as np

    p = each.prompt
    is_file = p.region is not None and not each.row
    digest = None if p.mask is None else hashlib.sha256(np.packbits(p.mask).tobytes()).hexdigest()
    return {
        "points": None if p.points is None else p.points.tolist(),
        "labels": None if p.labels is None else p.labels.tolist(),
        "box": None if p.box is None else p.box.tolist(),
        "mask": shown(Path(args.mask).name) if is_file else None,
        "mask_sha256": digest,
        **({"row": each.row, "id": each.id} if each.row else {}),
    }
