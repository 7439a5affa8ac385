"""Strategies that forms and options offer: the registered generators with described parameters."""

from dataclasses import replace

from napari_segany.core.parameter_info import ParameterInfo, parameters_of
from napari_segany.errors import InputError
from napari_segany.generators.filter_rules import FilterRules
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.registry import GENERATORS, find_entry


def params_types() -> tuple[type[GeneratorParams], ...]:
    """Return the types of parameters that have descriptions, in the order of the registry."""
    types = dict.fromkeys(entry.params for entry in GENERATORS.values())
    return tuple(each for each in types if "strategy" in parameters_of(each))


def strategies_of(cls: type[GeneratorParams]) -> tuple[str, ...]:
    """Return the strategies whose parameters are of a type."""
    return tuple(tag for tag, entry in GENERATORS.items() if entry.params is cls)


def start_params(strategy: str) -> GeneratorParams:
    """Return the default parameters of a strategy.

    Raises
    ------
    InputError
        If there is no such strategy.
    """
    return find_entry(strategy).params(strategy)


def check_described(params: GeneratorParams) -> FilterRules:
    """Return parameters if they are of a type that forms and options are made from.

    Raises
    ------
    InputError
        If they are of another type; the message names their generator.
    """
    if type(params) not in params_types() or not isinstance(params, FilterRules):
        known = ", ".join(tag for cls in params_types() for tag in strategies_of(cls))
        raise InputError(
            f"The recipe's generator is {params.strategy!r}; only recipes of {known} can be used "
            "here."
        )
    return params


def strategy_info() -> ParameterInfo:
    """Return the description of the choice among all strategies."""
    first, *others = ((cls, parameters_of(cls)["strategy"]) for cls in params_types())
    info = first[1]
    for cls, other in others:
        names = ", ".join(strategies_of(cls)).capitalize()
        help = f"{info.help} {names}: {other.help[:1].lower()}{other.help[1:]}"
        info = replace(info, help=help, choices=info.choices + other.choices)
    return info
