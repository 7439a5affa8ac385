"""Options of the command line for the parameters of every strategy, and of LabelParams."""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_segany.core.parameter_info import ParameterInfo, defaults_of, parameters_of
from napari_segany.errors import InputError
from napari_segany.generators.default_params import BY_DEFAULT, DefaultParams
from napari_segany.generators.exemplars.example_set import ExampleSet
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.strategies import (
    merged_info,
    params_types,
    start_params,
    strategies_of,
    strategy_info,
)
from napari_segany.recipe import LabelParams
from napari_segany.weights.finders import require_installed

OWN_OPTION: Mapping[str, str] = MappingProxyType({"min_area": "min_object_area"})
"""Fields of LabelParams whose names the strategies have, too, and their options' names.

The option with the field's own name sets both parameters; this option sets the labels' alone.
"""

STRATEGY = "strategy"

BY_MODEL = "finder if one fits the model, else grid"
"""Default of ``--strategy``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; those not given leave no trace in the parsed arguments.

    A parameter that several strategies have is one option.
    """
    types = params_types()
    finding = parser.add_argument_group("finding objects")
    own = [parser.add_argument_group(_title(cls)) for cls in types] if len(types) > 1 else [finding]
    painting = parser.add_argument_group("from masks to labels")
    for name, having in _owners().items():
        shared = name == STRATEGY or len(having) > 1
        group = finding if shared else own[types.index(having[0])]
        info = strategy_info() if name == STRATEGY else merged_info(name, having)
        add_parameter(group, name, info, having)
    add_fields(painting, LabelParams)


def add_fields(group: Any, cls: type) -> None:
    """Add the options of all parameters of one dataclass to a group of the parser."""
    for name, info in parameters_of(cls).items():
        add_parameter(group, name, info, (cls,))


def _owners() -> dict[str, tuple[type, ...]]:
    """Return the names of all strategies' parameters, with the types that have each."""
    types = params_types()
    names = dict.fromkeys(name for cls in types for name in parameters_of(cls))
    return {name: tuple(cls for cls in types if name in parameters_of(cls)) for name in names}


def _title(cls: type[GeneratorParams]) -> str:
    return f"finding objects with the strategy {' or '.join(strategies_of(cls))}"


def add_parameter(group: Any, name: str, info: ParameterInfo, having: tuple[type, ...]) -> None:
    """Add the option of a parameter that some types have."""
    group.add_argument(
        option(having[0], name),
        dest=_dest(having[0], name),
        default=argparse.SUPPRESS,
        help=_help(name, info, having),
        **_kind(info),
    )


def option(cls: type, name: str) -> str:
    """Return the option that sets a field of ``cls``."""
    return "--" + _dest(cls, name).replace("_", "-")


def _dest(cls: type, name: str) -> str:
    return OWN_OPTION.get(name, name) if cls is LabelParams else name


def _kind(info: ParameterInfo) -> dict[str, Any]:
    """Return the arguments of ``add_argument`` that read a parameter's values."""
    kinds: dict[str, dict[str, Any]] = {
        "flag": {"action": argparse.BooleanOptionalAction},
        "choice": {"choices": info.values},
        "hash": {"metavar": "HASH"},
        "finder": {"metavar": "FINDER"},
        "name": {"metavar": "NAME"},
        "phrases": {"nargs": "+", "metavar": "PHRASE"},
        "structure": {"type": Path, "metavar": "FILE"},
        "integer": {"type": int, "metavar": "N"},
        "number": {"type": float, "metavar": "X"},
    }
    return kinds[info.kind]


def _help(name: str, info: ParameterInfo, having: tuple[type, ...]) -> str:
    """Return the help of an option: what the parameter does, its unit, range and default."""
    sentences, default = [info.help], _shown_defaults(name, having)
    if name in OWN_OPTION and having == (LabelParams,):
        both = f"--{name.replace('_', '-')}"
        sentences.append(f"Takes precedence over {both}, which sets this, too.")
        default += f", or that of {both}"
    elif name in OWN_OPTION:
        sentences.append(f"Also sets {option(LabelParams, name)}.")
    unit = "" if info.unit == "fraction" else info.unit
    notes = [f"{info.range} {unit}".strip()] if info.range else []
    notes += ["a JSON file"] if info.kind == "structure" else [f"default: {default}"]
    return f"{' '.join(sentences)} ({'; '.join(notes)})".replace("%", "%%")


def _shown_defaults(name: str, having: tuple[type, ...]) -> str:
    """Return the default in words, also that of other strategies where it is another one."""
    if name == STRATEGY:
        return BY_MODEL
    first, *others = ((cls, shown_default(cls, name)) for cls in having)
    differing = [
        f"for {', '.join(strategies_of(cls))} {default}"
        for cls, default in others
        if default != first[1]
    ]
    return "; ".join([first[1], *differing])


def shown_default(cls: type, name: str) -> str:
    """Return the default of a field of ``cls`` in words."""
    default = defaults_of(cls)[name]
    if default is None:
        return parameters_of(cls)[name].unset or "none"
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple):
        return ", ".join(default) or "none"
    return f"{default:.4g}" if isinstance(default, float) else str(default)


def given(args: argparse.Namespace, cls: type) -> dict[str, Any]:
    """Return the fields of ``cls`` that were given on the command line.

    Raises
    ------
    InputError
        If the file with point grids or with examples cannot be read.
    """
    values: dict[str, Any] = {}
    name_finder_by_hash(args)
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
    if isinstance(values.get("examples"), Path):
        values["examples"] = _read_examples(values["examples"])
    return values


def _read_examples(path: Path) -> ExampleSet:
    """Read examples from a file of their own, or from a recipe that has some."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict) and isinstance(values.get("params"), dict):
            values = values["params"].get("examples")
        if not isinstance(values, dict):
            raise ValueError("it holds no examples")
        return ExampleSet.from_dict(values)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--examples {path}: {error}; give a recipe that was made with --like-box or --like."
        ) from error


def name_finder_by_hash(args: argparse.Namespace) -> None:
    """Replace a finder's file or name by its hash, which recipes hold; a file is installed.

    Raises
    ------
    WeightsError
        The file is no usable finder.
    InputError
        There is no such finder.
    """
    wanted = getattr(args, "finder", None)
    # Another machine may have a finder that is not here.
    if wanted is not None and re.fullmatch("[0-9a-f]{64}", wanted) is None:
        args.finder = require_installed(wanted).sha256


def chosen_params(args: argparse.Namespace, base: GeneratorParams | None = None) -> GeneratorParams:
    """Return the parameters for finding objects that were given, completed from ``base``.

    Without ``--strategy`` and ``base``, options that only one kind of strategy has choose it;
    otherwise the model will.

    Parameters
    ----------
    args : Namespace
        The options of :func:`add_options`.
    base : GeneratorParams, optional
        Parameters of a recipe.

    Raises
    ------
    InputError
        If options of different strategies were given; the message names both.
    """
    name_finder_by_hash(args)
    typed = {name: having for name, having in _owners().items() if hasattr(args, name)}
    strategy = args.strategy if typed.pop(STRATEGY, None) else None
    if strategy is not None:
        same = base is not None and strategy in strategies_of(type(base))
        start = replace(base, strategy=strategy) if base and same else start_params(strategy)
        because = f"--strategy {strategy}"
    elif base is not None:
        start, because = base, f"the recipe's strategy {base.strategy}"
    else:
        own = {n: having for n, having in typed.items() if not set(BY_DEFAULT) <= set(having)}
        if not own:
            return DefaultParams(changes={name: getattr(args, name) for name in typed})
        name, having = next(iter(own.items()))
        start, because = start_params(strategies_of(having[0])[0]), option(having[0], name)
    for name, having in typed.items():
        if type(start) not in having:
            names = " or ".join(tag for cls in having for tag in strategies_of(cls))
            raise InputError(
                f"{option(having[0], name)} goes with the strategy {names}, not with {because}."
            )
    values = given(args, type(start))
    values.pop(STRATEGY, None)
    return replace(start, **values)
