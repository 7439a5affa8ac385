"""The entry point: parse arguments, run one command, report errors as a sentence and a code."""

import argparse
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from napari_segany.cli import (
    demo,
    edges,
    evaluate,
    models,
    prompt,
    propagate,
    proposals,
    replay,
    segment,
    serve,
    text,
    track,
    train,
)
from napari_segany.cli.shell import drop_output, safe_streams, stopped_by_signals
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown

EXAMPLES = """\
examples:
  napari-segany demo
  napari-segany segment cells.tif -o results
  napari-segany text car.png "beaver tooth grille" -o results
  napari-segany prompt cells.tif --point 120,88 -o results
  napari-segany train images/ --truth labels/ -o mine.safetensors
  napari-segany models list

exit codes: 0 all done, 1 something failed, 2 the command cannot be done as given, 130 stopped by
Ctrl-C, 143 by SIGTERM, 129 by SIGHUP
"""

FAILED, USAGE = 1, 2

NEGATIVE = re.compile(r"-(\d|\.\d|inf\b|nan\b)", re.IGNORECASE)
"""The beginning of a negative number, which is a value and no option."""

MOST_IN_USAGE = 12
"""Options in the first line of a help; of commands with more only those that must be given."""


class Parser(argparse.ArgumentParser):
    """A parser, also of subcommands, that reports errors in one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        # argparse matches words with a dash against this pattern to tell values from options. Its
        # own pattern matches -5, but not -10,5,20,30. No option begins with a digit.
        self._negative_number_matcher = NEGATIVE

    def shorten_usage(self) -> None:
        """Leave out of the first line of the help what need not be given, if that is much."""
        needed = [each for each in self._actions if each.required or not each.option_strings]
        if len(self._actions) - len(needed) <= MOST_IN_USAGE:
            return
        formatter = self._get_formatter()
        formatter.add_usage(None, needed, [], prefix="")
        usage = f"{formatter.format_help().strip()} [OPTION ...]"
        self.usage = usage.replace("%", "%%")

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with the code for wrong usage."""
        self.exit(USAGE, f"napari-segany: error: {shown(message)} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    """The option that looks up and prints the version."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"napari-segany {version('napari-segany')}")
        except PackageNotFoundError:
            print("napari-segany (not installed, so of unknown version)")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands; import nothing heavy."""
    parser = Parser(
        prog="napari-segany",
        description="Segment scientific images with the Segment Anything family.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    commands = (demo, segment, text, prompt, propagate, track, replay, edges, proposals)
    for module in (*commands, evaluate, train, models, serve):
        module.add_parser(subparsers)
    parser.set_defaults(debug=False)
    for command in (parser, *subparsers.choices.values()):
        # Without a default of their own, or the subcommand's would undo the command's.
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="print tracebacks"
        )
        command.shorten_usage()
    return parser


class _Notes(logging.Handler):
    """A log handler that prints notes on stderr; repeated notes in a row appear once."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one note."""
        text = record.getMessage()
        if text != self.last:
            # Not a StreamHandler: a progress bar exchanges sys.stderr while it is shown.
            print(shown(text), file=sys.stderr)
        self.last = text


@contextmanager
def _notes_on_stderr(debug: bool, quiet: bool) -> Iterator[None]:
    ours, tiff, notes = logging.getLogger("napari_segany"), logging.getLogger("tifffile"), _Notes()
    before = ours.level, tiff.level
    ours.addHandler(notes)
    # Warnings are always shown.
    ours.setLevel(logging.WARNING if quiet else logging.INFO)
    if not debug:
        # Damaged files raise errors as well.
        tiff.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        ours.removeHandler(notes)
        ours.setLevel(before[0])
        tiff.setLevel(before[1])


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``napari-segany``.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the command's name; by default those of the process.

    Returns
    -------
    int
        0 all done, 1 something failed, 2 wrong usage; stopped by Ctrl-C 130, by SIGTERM 143, by
        SIGHUP 129.
    """
    with safe_streams(), stopped_by_signals() as stop:
        debug = False
        try:
            try:
                args = build_parser().parse_args(argv)
            except SystemExit as end:
                sys.stdout.flush()
                return int(end.code or 0)
            debug = args.debug
            with _notes_on_stderr(args.debug, getattr(args, "quiet", False)):
                code: int = args.run(args)
                sys.stdout.flush()
                return code
        except KeyboardInterrupt as error:
            notes = getattr(error, "__notes__", ["files that were finished are complete"])
            print(f"\nnapari-segany: stopped; {shown('; '.join(notes))}.", file=sys.stderr)
            return stop.code
        except BrokenPipeError:
            # The reader of the output has closed it, so a message would be of no use.
            drop_output()
            return FAILED
        except Exception as error:
            if debug:
                traceback.print_exc()
            return _print_error(error)


def _print_error(error: Exception) -> int:
    """Print an error; return the exit code."""
    from napari_segany.batch.plan import sentence

    if isinstance(error, OSError):
        # It may be the output that cannot be written, and would be tried once more at exit.
        drop_output()
    print(f"napari-segany: error: {shown(sentence(error))}", file=sys.stderr)
    return USAGE if isinstance(error, InputError) else FAILED
