"""One option for every field of AutomaticParams and LabelParams, made from the dataclasses."""

import argparse
import inspect
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

from napari_segany.core.overlap import Nms, Overlap
from napari_segany.errors import InputError
from napari_segany.generators.parameters import (
    FROM_MODEL,
    RANGES,
    AutomaticParams,
    Strategy,
)
from napari_segany.recipe import LabelParams

CHOICES = {
    "nms": get_args(Nms),
    "overlap": get_args(Overlap),
    "strategy": get_args(Strategy),
}


OWN_OPTION = {"min_area": "min_object_area"}
"""Fields of LabelParams that AutomaticParams has, too: an option of that name sets both, and one of
this name the labels' alone."""


def described(cls: type) -> dict[str, str]:
    """What the docstring of a dataclass says about each field, on one line."""
    text = inspect.cleandoc(cls.__doc__ or "")
    entries = re.findall(r"^(\w+) : .*\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    return {name: " ".join(body.split()) for name, body in entries}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; those not given leave no trace in the parsed arguments."""
    finding = parser.add_argument_group("finding objects")
    painting = parser.add_argument_group("from masks to labels")
    for cls, group in ((AutomaticParams, finding), (LabelParams, painting)):
        texts = described(cls)
        for field in fields(cls):
            default = None if field.default is MISSING else field.default
            name, text = field.name, texts.get(field.name, "")
            if cls is LabelParams and name in OWN_OPTION:
                name, default = OWN_OPTION[name], None
                text += f" Wins over {_flag(field.name)}, which sets this, too."
            elif name in OWN_OPTION:
                text += f" Also sets {_flag(OWN_OPTION[name])}."
            group.add_argument(
                _flag(name),
                dest=name,
                default=argparse.SUPPRESS,
                help=_help(name, text, default),
                **_kind(field.name, default),
            )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _kind(name: str, default: Any) -> dict[str, Any]:
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction}
    if name in CHOICES:
        return {"choices": CHOICES[name]}
    if name == "point_grids":
        return {"type": Path, "metavar": "FILE"}
    whole = RANGES[name][0] == "whole number" if name in RANGES else isinstance(default, int)
    return {"type": int, "metavar": "N"} if whole else {"type": float, "metavar": "X"}


def _help(name: str, text: str, default: Any) -> str:
    notes = []
    if name in RANGES:
        _, low, high = RANGES[name]
        notes.append(f"{low:g}..{high:g}" if high < 2**32 else f"from {low:g} on")
    if name == "point_grids":
        notes.append("a JSON file")
    if default is not None:
        shown = f"{default:.4g}" if isinstance(default, float) else default
        notes.append(f"default: {shown}")
    elif name in FROM_MODEL:
        notes.append("default: the model's own")
    whole = f"{text} ({'; '.join(notes)})" if notes else text
    return whole.replace("%", "%%")


def given(args: argparse.Namespace, cls: type) -> dict[str, Any]:
    """The fields of ``cls`` that were given on the command line.

    Raises
    ------
    InputError
        If the file with point grids cannot be read.
    """
    names = [f.name for f in fields(cls)]
    values = {name: getattr(args, name) for name in names if hasattr(args, name)}
    if cls is LabelParams:
        own = {name: option for name, option in OWN_OPTION.items() if hasattr(args, option)}
        values |= {name: getattr(args, option) for name, option in own.items()}
    if "point_grids" in values:
        try:
            values["point_grids"] = json.loads(values["point_grids"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"--point-grids: {error}; give a JSON file of points.") from error
    return values
