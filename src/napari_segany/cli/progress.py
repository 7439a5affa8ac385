"""A progress bar on stderr, only where stderr is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_segany.io.safe_names import shown

if TYPE_CHECKING:
    from rich.progress import Progress

Report = Callable[[int, int | None], None]
"""Called with what is done and what there is in all, None while unknown."""

BatchReport = Callable[[str, float, int], None]
"""Called with the image in work, planes done and planes in all."""


@contextmanager
def _display(quiet: bool = False) -> Iterator["Progress | None"]:
    """A display for bars, None where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # Results go to stdout; where that is a file they must not go to the bar's terminal.
    both = sys.stdout.isatty()
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=both
    ) as progress:
        yield progress


@contextmanager
def bar(description: str, quiet: bool = False) -> Iterator[Report | None]:
    """Show a bar while the block runs; gives None, so that nothing is counted, elsewhere."""
    with _display(quiet) as progress:
        if progress is None:
            yield None
            return
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def planes_bar(quiet: bool = False) -> Iterator[BatchReport | None]:
    """The same for a batch: the bar says which image is in work."""
    with _display(quiet) as progress:
        if progress is None:
            yield None
            return
        task = progress.add_task("", total=None)
        yield lambda name, done, total: progress.update(
            task, description=shown(name), completed=done, total=total
        )
