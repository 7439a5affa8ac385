"""Option values and options that several commands share; without torch."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segany.core.display import Display, Normalise, as_display, combine
from napari_segany.errors import InputError
from napari_segany.io.exports import EXPORTS

if TYPE_CHECKING:
    from napari_segany.recipe import Recipe


def numbers(text: str, *counts: int) -> tuple[float, ...]:
    """Parse numbers with commas between, as many as one of ``counts``."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in counts or not all(math.isfinite(v) for v in values):
        wanted = " or ".join(str(n) for n in counts)
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted} numbers with commas between")
    return values


def point(text: str) -> tuple[float, float, int]:
    """Parse ``R,C``, ``R,C,+`` (on the object) or ``R,C,-`` (off it)."""
    place, _, sign = text.rpartition(",") if text.endswith((",+", ",-")) else (text, "", "+")
    row, col = numbers(place, 2)
    return row, col, int(sign == "+")


def box(text: str) -> tuple[float, ...]:
    """Parse ``R0,C0,R1,C1``."""
    return numbers(text, 4)


def whole_numbers(text: str) -> tuple[int, ...]:
    """Parse whole numbers from 0 on with commas between."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not whole numbers with commas between")
    return tuple(int(part) for part in parts)


def channels(text: str) -> tuple[int | str, ...]:
    """Parse numbers from 0 on, or names of channels, with commas between."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts) or any(part.startswith("-") for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not whole numbers or names of channels with commas between"
        )
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def normalise(text: str) -> str | tuple[tuple[float, float], ...]:
    """Parse ``plane``, ``stack``, ``LOW,HIGH``, or two or three such pairs."""
    if text in ("plane", "stack"):
        return text
    values = numbers(text, 2, 4, 6)
    return tuple((values[i], values[i + 1]) for i in range(0, len(values), 2))


def gamma(text: str) -> tuple[float, ...]:
    """Parse one to three numbers above 0."""
    values = numbers(text, 1, 2, 3)
    if min(values) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return values


def colours(text: str) -> tuple[str, ...]:
    """Parse two or three colours, by name or as ``#rrggbb``."""
    try:
        return Display(colours=tuple(part.strip() for part in text.split(","))).colours
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def given_display(args: argparse.Namespace, base: "Recipe | None" = None) -> Normalise:
    """Return limits, gamma and colours of the options; those of a recipe where none is given."""
    usual = as_display("plane" if base is None else base.normalise)
    return combine(
        usual.limits if args.normalise is None else args.normalise,
        usual.gamma if args.gamma is None else args.gamma,
        usual.colours if args.colour is None else args.colour,
    )


def plane_ranges(text: str) -> tuple[tuple[str, int, int], ...]:
    """Parse ``A:B`` or ``A`` for the last leading axis, or ``T=0:5,Z=3`` for named axes."""
    found = []
    for part in text.split(","):
        axis, _, span = part.rpartition("=")
        first, colon, end = span.strip().partition(":")
        if not (first.isdecimal() and (end.isdecimal() or not colon)) or len(axis.strip()) > 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not FIRST:END or such as T=0:5,Z=10:20")
        start = int(first)
        found.append((axis.strip().upper(), start, int(end) if colon else start + 1))
    return tuple(found)


def pixel_box(text: str) -> tuple[int, int, int, int]:
    """Parse ``R0,C0,R1,C1``: first row and column, and those after the last."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 4 and all(part.isdecimal() for part in parts):
        top, left, bottom, right = map(int, parts)
        if top < bottom and left < right:
            return top, left, bottom, right
    raise argparse.ArgumentTypeError(
        f"{text!r} is not R0,C0,R1,C1: pixels, the last row and column not included"
    )


def series(text: str) -> int | str:
    """Parse a whole number from 0 on, a name, or ``all``."""
    if not text.strip() or (text[:1] in "-+" and text[1:].isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number from 0 on nor a name nor all"
        )
    return int(text) if text.isdecimal() else text


def axes(text: str) -> str:
    """Parse axis letters, or ``auto``; return letters in upper case."""
    return text if text == "auto" else text.upper()


def folder(text: str) -> Path:
    """Parse a path that is not empty, as an unset shell variable would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; . is the folder that you are in")
    return Path(text)


def add_command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    about: str,
    epilog: str,
    run: Callable[[argparse.Namespace], int],
    more: str = "",
    listed: bool = True,
) -> argparse.ArgumentParser:
    """Add a command to the command line; return its parser.

    Parameters
    ----------
    subparsers : _SubParsersAction
        The commands.
    name : str
        The command.
    about : str
        Its description in a sentence.
    epilog : str
        Examples and notes below the options.
    run : callable
        Runs the command with the parsed arguments; returns the exit code (0 all done, 1 some
        inputs failed), and raises SeganyError if nothing can be done.
    more : str, optional
        Further sentences of the description.
    listed : bool
        False leaves the command out of the list of commands: it is for developers.
    """
    # A command without this entry does not appear in the list.
    entry: dict[str, Any] = {"help": about[:1].lower() + about[1:-1]} if listed else {}
    parser = subparsers.add_parser(
        name,
        **entry,
        description=f"{about}\n{more}".rstrip(),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the input files and the folder for the results."""
    parser.add_argument("inputs", nargs="+", metavar="IN", help="image files, folders or patterns")
    add_output(parser)


def add_output(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the option for the folder of the results."""
    parser.add_argument(
        "-o",
        "--output",
        type=folder,
        required=default is None,
        default=None if default is None else Path(default),
        metavar="OUT",
        help="folder for the results" + (f" (default: {default})" if default else ""),
    )


def add_points_and_boxes(group: Any) -> None:
    """Add the options for points and boxes, which are prompts of objects."""
    group.add_argument(
        "--point",
        type=point,
        action="append",
        default=[],
        metavar="R,C[,+|-]",
        help="point on (+) or off (-) the object; may be repeated",
    )
    group.add_argument(
        "--box",
        type=box,
        action="append",
        default=[],
        metavar="R0,C0,R1,C1",
        help="box around one object; may be repeated",
    )


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options for the kinds of result files."""
    group = parser.add_argument_group("files")
    group.add_argument(
        "--labels",
        choices=("tiff", "zarr"),
        default="tiff",
        help="format of label images: OME-TIFF or OME-Zarr (default: tiff)",
    )
    group.add_argument(
        "--table-format",
        choices=("csv", "parquet"),
        default="csv",
        help="format of tables of objects (default: csv)",
    )
    group.add_argument(
        "--export",
        nargs="+",
        choices=tuple(EXPORTS),
        default=[],
        metavar="KIND",
        help="also export " + ", ".join(f"{name} ({kind.about})" for name, kind in EXPORTS.items()),
    )


def add_model(parser: argparse.ArgumentParser, views: bool = False) -> None:
    """Add the options for the model, its device and precision, and for its views of a plane."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        help="model name from `napari-segany models list`, a checkpoint file, or the address of a "
        "model on another machine, remote://HOST:PORT/NAME (default: auto)",
    )
    group.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    group.add_argument(
        "--precision",
        help="arithmetic of the network: auto, exact (float32) or bfloat16 (default: auto)",
    )
    if views:
        group.add_argument(
            "--views",
            type=int,
            choices=range(1, 5),
            default=1,
            help="views of each plane that the model is shown: as it is, turned by 180 degrees, "
            "and its mirror images along columns and rows. The mean of the answers counts: "
            "outlines fit better, and it takes as many times as long (default: 1)",
        )


def add_image(parser: argparse.ArgumentParser, brightness: bool = True) -> None:
    """Add the options for reading image files, and for the intensity limits."""
    group = parser.add_argument_group("image")
    options: list[tuple[str, Callable[[str], Any], str, str]] = [
        (
            "--series",
            series,
            "N|NAME|all",
            "image of a file that holds several, by its number from 0 or its name, or all of them; "
            "the results are called NAME_s0, NAME_s1 and so on (default: the first, called NAME)",
        ),
        (
            "--axes",
            axes,
            "AXES",
            "one letter per dimension, of T, Z, C, Y, X and S (colour samples), such as TZYX "
            "(default: auto, the axes stated in the file)",
        ),
        (
            "--channel",
            channels,
            "C",
            "channel to segment, counted from 0 or by the name that the file gives it, or two or "
            "three shown to the model as red, green and blue (default: 0)",
        ),
        (
            "--normalise",
            normalise,
            "HOW",
            "intensity limits: plane or stack (percentiles 1 and 99.8 of each plane or of the "
            "whole stack), or LOW,HIGH, the contrast limits of a viewer (default: plane)",
        ),
        (
            "--gamma",
            gamma,
            "G",
            "exponent of the intensities between their limits, as in a viewer; below 1 shows dim "
            "structures brighter; one number, or one a channel (default: 1)",
        ),
        (
            "--colour",
            colours,
            "C,C[,C]",
            "colours of two or three channels, which are added up: red, green, blue, cyan, "
            "magenta, yellow, gray or #rrggbb (default: red, green, blue)",
        ),
    ]
    for name, kind, metavar, text in options if brightness else options[:-3]:
        group.add_argument(name, type=kind, metavar=metavar, help=text)
