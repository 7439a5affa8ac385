"""Options of the command line for linking the objects of planes."""

import argparse
from dataclasses import replace

from napari_segany.cli.generator_options import add_parameter, given, option
from napari_segany.core.parameter_info import parameters_of
from napari_segany.errors import InputError
from napari_segany.linking.link_params import LinkParams

LINK = "link"


def add_link_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; those not given leave no trace in the parsed arguments."""
    group = parser.add_argument_group("volumes")
    for name, info in parameters_of(LinkParams).items():
        if name == LINK:
            group.add_argument(
                "--link",
                choices=info.values,
                default=argparse.SUPPRESS,
                help=f"{info.help} (default: planes by themselves)",
            )
        else:
            add_parameter(group, name, info, (LinkParams,))


def chosen_link(args: argparse.Namespace, base: LinkParams | None = None) -> LinkParams | None:
    """Return the parameters that were given, completed from a recipe's; None without linking.

    Raises
    ------
    InputError
        If options of linking were given without ``--link``.
    """
    values = given(args, LinkParams)
    if base is None and LINK not in values:
        if values:
            raise InputError(f"{option(LinkParams, next(iter(values)))} goes with --link z.")
        return None
    return replace(base or LinkParams(), **values)
