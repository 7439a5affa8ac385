"""Options of the command line for searching large planes in tiles."""

import argparse
from dataclasses import replace

from napari_segany.cli.generator_options import add_parameter, given, option
from napari_segany.cli.object_size import SIZE_HELP, object_size
from napari_segany.core.parameter_info import parameters_of
from napari_segany.errors import InputError
from napari_segany.generators.tile_params import AUTO_TILES, TileParams

TILES, SIZE, OFF = "tiles", "object_size", "off"


def add_tile_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; those not given leave no trace in the parsed arguments."""
    group = parser.add_argument_group("large planes")
    for name, info in parameters_of(TileParams).items():
        if name == TILES:
            group.add_argument(
                "--tiles",
                choices=(*info.values, OFF),
                default=argparse.SUPPRESS,
                help=f"{info.help} off searches every plane as a whole (default: auto)",
            )
        elif name == SIZE:
            group.add_argument(
                option(TileParams, name),
                type=object_size,
                metavar="SIZE",
                default=argparse.SUPPRESS,
                help=f"{info.help} {SIZE_HELP} (default: estimated)",
            )
        else:
            add_parameter(group, name, info, (TileParams,))


def chosen_tiles(
    args: argparse.Namespace, base: TileParams | None = AUTO_TILES
) -> TileParams | None:
    """Return the parameters that were given, completed from ``base``; None for whole planes.

    Parameters
    ----------
    args : Namespace
        The options of :func:`add_tile_options`.
    base : TileParams, optional
        Those of a recipe, None if its planes were searched as a whole.

    Raises
    ------
    InputError
        If options of tiles were given together with ``--tiles off``.
    """
    values = given(args, TileParams)
    if values.get(TILES) == OFF:
        for name in values:
            if name != TILES:
                raise InputError(f"{option(TileParams, name)} does not go with --tiles off.")
        return None
    if not values:
        return base
    start = base or AUTO_TILES
    if SIZE in values:
        # Side and overlap follow the size unless they are given, too.
        start = replace(start, tile_side=None, tile_overlap=None)
    return replace(start, **values)
