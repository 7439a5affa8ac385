"""The files of the Batch dock: what is read of each file, and the outcome of each."""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_segany.batch.batch_run import BatchRun
from napari_segany.batch.command import as_command
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.options import BatchOptions, load_requested_model
from napari_segany.batch.plan import FAILED, Outcome, ReadOptions, inspect, sentence
from napari_segany.batch.protocol import Item
from napari_segany.core.callbacks import OnBatchEvent, ShouldStop
from napari_segany.core.notes import listening_to_notes
from napari_segany.errors import InputError
from napari_segany.io.ome_zarr import is_zarr
from napari_segany.models.protocol import PromptableModel

HERE = "here"
"""The entry of the dock for computing in this process."""

STATES = {
    "done": "done",
    "partly": "done in part",
    "same": "done before",
    "edited": "done before, changed by hand since",
    "locked": "in use: another process works on it",
    "failed": "failed",
}
"""The words for the state of an outcome."""

FLAT = (
    "Some files of the folder are not in the list, so the command names single files; their "
    "results are not put into subfolders."
)
"""Note about a command for a part of the images of a folder."""


@dataclass
class FileRow:
    """One file of the list.

    Attributes
    ----------
    path : Path
        The image.
    axes : str
        Axes that the user set; empty for those of the file.
    understood : str
        Its axes, size, type and pixel size in words, or why it cannot be read.
    state : str
        Its state or outcome in words.
    readable : bool
        False if it cannot be opened.
    place : str
        Its subfolder below the folder that was added; the results get the same subfolder.
    own_axes : str
        Axes of the file if those of the recipe do not fit; known once the file was inspected.
    objects : int or None
        Number of objects of its results; None without results.
    """

    path: Path
    axes: str = ""
    understood: str = ""
    state: str = ""
    readable: bool = True
    place: str = ""
    own_axes: str = ""
    objects: int | None = None

    @property
    def short_state(self) -> str:
        """The state without its details; before a run, whether the file can be read."""
        if not self.state and not self.readable:
            return "unreadable"
        return re.split("[,;:]", self.state)[0]

    @property
    def count(self) -> str:
        """Number of objects as text; empty where there are no results."""
        return "" if self.objects is None else str(self.objects)

    @property
    def detected_axes(self) -> str:
        """Axes of the file; empty before it is read, or if it cannot be."""
        return self.understood.split(" ")[0] if self.readable else ""


@dataclass(frozen=True)
class InspectedFile:
    """The result of opening one file.

    Attributes
    ----------
    path, understood, readable, own_axes
        See :class:`FileRow`.
    """

    path: Path
    understood: str
    readable: bool = True
    own_axes: str = ""


class FileList:
    """The files of a batch and their outcomes."""

    def __init__(self, rows: Iterable[FileRow] = ()) -> None:
        self.rows: list[FileRow] = list(rows)
        # Folders that were added, which a command names in place of their files.
        self._folders: list[Path] = []

    def add(
        self, given: Iterable[str | Path], tell: Callable[[str], object] = lambda text: None
    ) -> list[FileRow]:
        """Add files, the images of folders, and matches of patterns; return the new rows.

        Parameters
        ----------
        given : iterable of path
            Files, folders and patterns.
        tell : callable, optional
            Called with each note, such as about files that are left out.

        Raises
        ------
        InputError
            If a folder holds no image, or a pattern matches nothing.
        """
        known = {os.path.realpath(row.path) for row in self.rows}
        paths = [Path(each) for each in given]
        with listening_to_notes(lambda kind, text: tell(text)):
            found = find_inputs(map(str, paths))
        self._folders += [path for path in paths if path.is_dir() and not is_zarr(path)]
        new = [
            FileRow(path, place=place)
            for path, place in found.items()
            if os.path.realpath(path) not in known
        ]
        self.rows += new
        return new

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove files from the list."""
        gone = set(numbers)
        self.rows = [row for n, row in enumerate(self.rows) if n not in gone]

    @property
    def missing(self) -> str:
        """A sentence about what a run lacks; empty if nothing is missing."""
        if self.rows:
            return ""
        return "Add images first: press Files… or Folder…, or drop them into the list."

    def chosen(self, numbers: Iterable[int]) -> list[Path]:
        """Return the paths of some files; raise InputError for none."""
        if not (found := [self.rows[number].path for number in numbers]):
            raise InputError("Select images in the table first.")
        return found

    def inspect_files(self, options: ReadOptions) -> list[InspectedFile]:
        """Open all files and describe each; slow, so call it from another thread."""
        axes_of = {row.path: row.axes for row in self.rows}
        files: dict[Path, Any] = dict.fromkeys(axes_of)
        inspected = []
        for found in inspect(files, options, axes_of):
            if isinstance(found, Item):
                text = " ".join([found.understood, *found.notes])
                inspected.append(InspectedFile(found.path, text, own_axes=found.axes))
            else:
                inspected.append(InspectedFile(found[0], sentence(found[1]), readable=False))
        return inspected

    def show_inspected(self, inspected: Iterable[InspectedFile]) -> None:
        """Write the result of :meth:`inspect_files` into the rows."""
        by_path = {each.path: each for each in inspected}
        for row in self.rows:
            if (found := by_path.get(row.path)) is not None:
                row.understood, row.readable = found.understood, found.readable
                row.own_axes = found.own_axes

    def prepare_run(
        self,
        options: BatchOptions,
        model: PromptableModel | None,
        on_outcome: Callable[[Outcome], None],
        progress: OnBatchEvent,
    ) -> Callable[[ShouldStop], int]:
        """Return a function that runs the batch in another thread and returns the failures.

        Parameters
        ----------
        options : BatchOptions
            The options.
        model : PromptableModel or None
            The model; None loads the requested one.
        on_outcome : callable
            Called with the outcome of each image.
        progress : callable
            Called with the planes that are done.

        Raises
        ------
        InputError
            If there are no files, or the results of two would have the same name.
        """
        if self.missing:
            raise InputError(self.missing)
        named = name_results(
            {row.path: row.place for row in self.rows}, options.output, "recipe", options.outputs
        )
        run = BatchRun(
            options,
            named,
            axes_of={row.path: row.axes for row in self.rows},
            load_model=load_requested_model if model is None else lambda _: model,
        )

        def work(should_stop: ShouldStop) -> int:
            failures = 0
            for outcome in run.outcomes(progress, should_stop):
                failures += outcome.state in FAILED
                on_outcome(outcome)
            return failures

        return work

    def show_outcome(self, outcome: Outcome) -> None:
        """Write the outcome of an image into its row."""
        for row in self.rows:
            if row.path == outcome.path:
                row.state, row.objects = STATES[outcome.state], None
                if outcome.state == "failed":
                    row.state = "failed: " + outcome.error.removeprefix(f"{row.path}: ")
                elif outcome.state != "locked":
                    row.objects = outcome.objects
                    row.state += f", {outcome.objects} objects"
                    remarks = (*outcome.failed_planes, *outcome.notes)
                    row.state += "".join(f"; {each}" for each in remarks)

    def with_results(self, outcomes: Iterable[Outcome]) -> list[int]:
        """Return the numbers of the images that have results, in the order of the list."""
        written = {each.path for each in outcomes if each.files}
        return [number for number, row in enumerate(self.rows) if row.path in written]

    def as_command(self, options: BatchOptions) -> str:
        """Return the command line of the batch; see :func:`napari_segany.batch.command.as_command`.

        Raises
        ------
        InputError
            If no command can express the options.
        """
        paths = self._operands()
        # The terminal may be in another folder than napari; images are named in full, too.
        options = replace(options, output=options.output.absolute())
        set_by_user = {row.axes for row in self.rows}
        if len(set_by_user) == 1 and set_by_user != {""}:
            return as_command(paths, replace(options, axes=set_by_user.pop()))
        axes_of = {row.path: row.axes or row.own_axes for row in self.rows}
        return as_command(paths, options, axes_of)

    def prepare_command(
        self, options: BatchOptions
    ) -> Callable[[ShouldStop], tuple[str, list[str]]]:
        """Return the work that makes the command line and its notes from the list as it is now.

        It looks into folders, which takes long on a network. Its errors are those of
        :meth:`as_command`.
        """
        now = FileList(replace(row) for row in self.rows)
        now._folders = list(self._folders)
        return lambda _: (now.as_command(options), now.command_notes)

    @property
    def command_notes(self) -> list[str]:
        """Notes about :meth:`as_command`: results whose subfolders it does not say."""
        single = set(self._operands())
        flat = any(row.place and row.path in single for row in self.rows)
        return [FLAT] if flat else []

    def _operands(self) -> list[Path]:
        """Return the paths that name all files.

        They are folders with subfolders of which no file was removed, and single files.
        """
        left = {row.path: row.place for row in self.rows}
        folders = []
        for folder in dict.fromkeys(self._folders):
            # A folder without images any more is no input.
            with suppress(InputError):
                found = find_inputs([str(folder)])
                if any(found.values()) and found.items() <= left.items():
                    folders.append(folder)
                    left = {path: place for path, place in left.items() if path not in found}
        return [*folders, *left]
