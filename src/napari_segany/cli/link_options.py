"""Options of the command line for linking the objects of planes and of frames."""

import argparse
from dataclasses import replace
from typing import Any

from napari_segany.cli.generator_options import add_parameter, given, option
from napari_segany.core.parameter_info import parameters_of
from napari_segany.errors import InputError
from napari_segany.linking.link_params import LinkParams
from napari_segany.linking.tracks.track_params import TrackParams

LINK = "link"

OVER_TIME = ("t", "zt")
"""Values of ``--link`` by which objects are linked over time: planes, or volumes."""


def add_link_options(parser: argparse.ArgumentParser, over_time: bool = False) -> None:
    """Add the options; those not given leave no trace in the parsed arguments.

    Parameters
    ----------
    parser : ArgumentParser
        The parser.
    over_time : bool
        Whether objects can be linked over time, too. A parameter of both kinds is one option.
    """
    group = parser.add_argument_group("volumes")
    time = parameters_of(TrackParams) if over_time else {}
    for name, info in parameters_of(LinkParams).items():
        if name == LINK:
            _add_link(group, info.values, info.help, over_time)
            continue
        if name in time:
            info = replace(info, help=f"{info.help} Over time: {time[name].help}")
        add_parameter(group, name, info, (LinkParams,))
    if over_time:
        group = parser.add_argument_group("links over time (with --link t or zt)")
        for name, info in time.items():
            if name not in parameters_of(LinkParams):
                add_parameter(group, name, info, (TrackParams,))


def _add_link(group: Any, axes: tuple[str, ...], help: str, over_time: bool) -> None:
    more = " t links frames over time, zt volumes." if over_time else ""
    group.add_argument(
        "--link",
        choices=(*axes, *OVER_TIME) if over_time else axes,
        default=argparse.SUPPRESS,
        help=f"{help}{more} (default: planes by themselves)",
    )


def chosen_link(
    args: argparse.Namespace, base: LinkParams | None = None, over_time: bool = False
) -> LinkParams | None:
    """Return the parameters that were given, completed from a recipe's; None without linking.

    Parameters
    ----------
    args : Namespace
        The options of :func:`add_link_options`.
    base : LinkParams, optional
        Parameters of a recipe.
    over_time : bool
        True if the recipe links over time.

    Raises
    ------
    InputError
        If options of linking were given without ``--link``.
    """
    values = given(args, LinkParams)
    axis = values.get(LINK)
    if axis == "t":
        _refuse(set(values) - set(parameters_of(TrackParams)) - {LINK}, LinkParams, "z")
        return None
    if axis == "zt":
        values[LINK] = "z"
    if base is None and axis is None:
        shared = set(parameters_of(TrackParams)) if over_time else set()
        _refuse(set(values) - shared, LinkParams, "z")
        return None
    return replace(base or LinkParams(), **values)


def chosen_tracks(args: argparse.Namespace, base: TrackParams | None = None) -> TrackParams | None:
    """Return the parameters of links over time that were given, completed from a recipe's.

    Raises
    ------
    InputError
        If options of links over time were given without them.
    """
    values = given(args, TrackParams)
    axis = getattr(args, LINK, None)
    if axis in OVER_TIME or (base is not None and axis is None):
        return replace(base or TrackParams(), **values)
    _refuse(set(values) - set(parameters_of(LinkParams)), TrackParams, "t")
    return None


def _refuse(names: set[str], cls: type, axis: str) -> None:
    """Raise InputError if there is a name of an option that goes with another axis."""
    for name in parameters_of(cls):
        if name in names:
            raise InputError(f"{option(cls, name)} goes with --link {axis}.")
