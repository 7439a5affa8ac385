"""Options of the command line for every field of AutomaticParams and LabelParams."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_segany.core.parameter_info import ParameterInfo, defaults_of, parameters_of
from napari_segany.errors import InputError
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.recipe import LabelParams

OWN_OPTION: Mapping[str, str] = MappingProxyType({"min_area": "min_object_area"})
"""Fields of LabelParams whose names AutomaticParams has, too, and their options' names.

The option with the field's own name sets both parameters; this option sets the labels' alone.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; those not given leave no trace in the parsed arguments."""
    finding = parser.add_argument_group("finding objects")
    painting = parser.add_argument_group("from masks to labels")
    for cls, group in ((AutomaticParams, finding), (LabelParams, painting)):
        for name, info in parameters_of(cls).items():
            group.add_argument(
                option(cls, name),
                dest=_dest(cls, name),
                default=argparse.SUPPRESS,
                help=_help(cls, name, info),
                **_kind(info),
            )


def option(cls: type, name: str) -> str:
    """Return the option that sets a field of ``cls``."""
    return "--" + _dest(cls, name).replace("_", "-")


def _dest(cls: type, name: str) -> str:
    return OWN_OPTION.get(name, name) if cls is LabelParams else name


def _kind(info: ParameterInfo) -> dict[str, Any]:
    """Return the arguments of ``add_argument`` that read a parameter's values."""
    if info.kind == "flag":
        return {"action": argparse.BooleanOptionalAction}
    if info.kind == "choice":
        return {"choices": info.values}
    if info.kind == "structure":
        return {"type": Path, "metavar": "FILE"}
    return (
        {"type": int, "metavar": "N"} if info.kind == "integer" else {"type": float, "metavar": "X"}
    )


def _help(cls: type, name: str, info: ParameterInfo) -> str:
    """Return the help of an option: what the parameter does, its unit, range and default."""
    sentences = [info.help]
    default = shown_default(cls, name)
    if name in OWN_OPTION and cls is LabelParams:
        both = option(AutomaticParams, name)
        sentences.append(f"Takes precedence over {both}, which sets this, too.")
        default += f", or that of {both}"
    elif name in OWN_OPTION:
        sentences.append(f"Also sets {option(LabelParams, name)}.")
    unit = "" if info.unit == "fraction" else info.unit
    notes = [f"{info.range} {unit}".strip()] if info.range else []
    notes += ["a JSON file"] if info.kind == "structure" else [f"default: {default}"]
    return f"{' '.join(sentences)} ({'; '.join(notes)})".replace("%", "%%")


def shown_default(cls: type, name: str) -> str:
    """Return the default of a field of ``cls`` in words."""
    default = defaults_of(cls)[name]
    if default is None:
        return parameters_of(cls)[name].unset or "none"
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:.4g}" if isinstance(default, float) else str(default)


def given(args: argparse.Namespace, cls: type) -> dict[str, Any]:
    """Return the fields of ``cls`` that were given on the command line.

    Raises
    ------
    InputError
        If the file with point grids cannot be read.
    """
    values: dict[str, Any] = {}
    for name in parameters_of(cls):
        # The labels' own option comes last, so that it wins.
        for dest in (name, _dest(cls, name)):
            if hasattr(args, dest):
                values[name] = getattr(args, dest)
    if "point_grids" in values:
        try:
            values["point_grids"] = json.loads(values["point_grids"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"--point-grids: {error}; give a JSON file of points.") from error
    return values
