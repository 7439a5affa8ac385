"""Strategies that forms and options offer: the registered generators with described parameters."""

from collections.abc import Sequence
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
    info = merged_info("strategy", params_types())
    for cls in params_types()[1:]:
        names = ", ".join(strategies_of(cls)).capitalize()
        help = parameters_of(cls)["strategy"].help
        info = replace(info, help=f"{info.help} {names}: {help[:1].lower()}{help[1:]}")
    return info


def merged_info(name: str, having: Sequence[type]) -> ParameterInfo:
    """Return the description of a parameter that several types have.

    It is that of the first, with the choices of all.
    """
    infos = [parameters_of(cls)[name] for cls in having]
    choices: dict[str, str] = {}
    for value, label in (choice for info in infos for choice in info.choices):
        choices.setdefault(value, label)
    return replace(infos[0], choices=tuple(choices.items()))
