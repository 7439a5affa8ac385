"""Progress bars on stderr, shown only where stderr is a terminal."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from napari_segany.core.callbacks import BatchEvent, OnBatchEvent, Progress
from napari_segany.io.safe_names import shown

if TYPE_CHECKING:
    from rich import progress as rich_progress


@contextmanager
def _display() -> "Iterator[rich_progress.Progress]":
    """Show a display for bars on stderr."""
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    # Results go to stdout; where that is a file they must not go to the bar's terminal.
    both = sys.stdout.isatty()
    with rich_progress.Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=both
    ) as display:
        yield display


def _is_shown(quiet: bool) -> bool:
    return not quiet and sys.stderr.isatty()


@contextmanager
def progress_bar(description: str, quiet: bool = False) -> Iterator[Progress | None]:
    """Show a bar while the block runs; give None where no bar is shown."""
    if not _is_shown(quiet):
        yield None
        return
    with _display() as display:
        task = display.add_task(description, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total or None)


class _BatchBar:
    """A bar that names the item in work; it appears with the first event.

    Two bars cannot be shown at the same time, and before the first event the model's weights may
    be fetched.
    """

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self._display: rich_progress.Progress | None = None

    def show(self, event: BatchEvent) -> None:
        """Move the bar."""
        if self._display is None:
            self._display = self._opened.enter_context(_display())
            self._task = self._display.add_task("", total=None)
        self._display.update(
            self._task, description=shown(event.name), completed=event.done, total=event.total
        )


@contextmanager
def batch_bar(quiet: bool = False) -> Iterator[OnBatchEvent | None]:
    """Show a bar for a batch while the block runs; give None where no bar is shown."""
    if not _is_shown(quiet):
        yield None
        return
    with ExitStack() as opened:
        yield _BatchBar(opened).show
