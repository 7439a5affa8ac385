"""A batch as the widget has it: files, what is understood of them, and what became of each."""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from napari_segany.batch.cluster import ModelRequest, connect
from napari_segany.batch.executor import Executor, LocalExecutor
from napari_segany.batch.inputs import find_inputs, name_results
from napari_segany.batch.plan import FAILED, Batch, Item, Outcome, ReadOptions, inspect, sentence
from napari_segany.batch.products.labels import LABELS_PRODUCT
from napari_segany.batch.run import note_failure, run
from napari_segany.core.callbacks import OnBatchEvent, ShouldStop
from napari_segany.core.planes import Range
from napari_segany.errors import InputError
from napari_segany.generators.parameters import AutomaticParams
from napari_segany.io.result_files import Outputs
from napari_segany.models.sam.model import SamModel, load_model
from napari_segany.recipe import LabelParams, Normalise, Recipe

HERE = "here"


@dataclass(frozen=True)
class BatchSettings:
    """Everything a batch does but its files.

    Attributes
    ----------
    output : Path
        The folder with the results.
    params, labels, faithful, axes, channels, normalise, planes
        As in a recipe; axes "auto" are each file's own.
    outputs : Outputs
        Which files are wanted.
    where : str
        "here", or what ``--dask`` takes.
    overwrite : bool
        Do everything anew.
    request : ModelRequest
        Who is asked.
    recipe : Recipe or None
        What all of this came from; its weights are asked for.
    """

    output: Path
    params: AutomaticParams = field(default_factory=AutomaticParams)
    labels: LabelParams = field(default_factory=LabelParams)
    faithful: bool = False
    axes: str = "auto"
    channels: tuple[int, ...] = (0,)
    normalise: Normalise = "plane"
    planes: tuple[Range, ...] = ()
    outputs: Outputs = field(default_factory=Outputs)
    where: str = HERE
    overwrite: bool = False
    request: ModelRequest = field(default_factory=ModelRequest)
    recipe: Recipe | None = None

    def with_recipe(self, recipe: Recipe) -> "BatchSettings":
        """The same as a recipe does it."""
        return replace(
            self,
            params=recipe.params,
            labels=recipe.labels,
            faithful=recipe.faithful,
            axes=recipe.axes or "auto",
            channels=recipe.channels,
            normalise=recipe.normalise,
            planes=recipe.planes,
            request=replace(self.request, model=recipe.model, precision=recipe.precision),
            recipe=recipe,
        )

    @property
    def reading(self) -> ReadOptions:
        """How files are to be understood."""
        return ReadOptions(self.axes, self.channels, self.planes, usual=self.recipe is not None)

    @property
    def given(self) -> dict[str, Any]:
        """What makes the recipe, once there is a model."""
        return {
            "params": self.params,
            "labels": self.labels,
            "faithful": self.faithful,
            "axes": self.axes,
            "channels": self.channels,
            "normalise": self.normalise,
            "planes": self.planes,
        }


@dataclass
class FileRow:
    """One file of the list.

    Attributes
    ----------
    path : Path
        The image.
    axes : str
        Axes that a person set; empty for the file's own.
    understood : str
        Its axes, size, type and pixel size in words, or why it cannot be read.
    state : str
        What became of it.
    readable : bool
        Whether it could be opened.
    place : str
        The folder it lies in below the one that was added; its results go to one of that name.
    taken : str
        Axes that it goes by because those of the recipe do not fit; known once it was looked at.
    """

    path: Path
    axes: str = ""
    understood: str = ""
    state: str = ""
    readable: bool = True
    place: str = ""
    taken: str = ""


STATES = {
    "done": "done",
    "partly": "done in part",
    "same": "done before",
    "edited": "done before, changed by hand since",
    "elsewhere": "another process is at it",
    "failed": "failed",
}


class FileList:
    """The files of a batch, and what became of them."""

    def __init__(self, rows: Iterable[FileRow] = ()) -> None:
        self.rows: list[FileRow] = list(rows)

    def add(self, given: Iterable[str | Path]) -> list[FileRow]:
        """Add files, the images of folders, and what patterns match; returns those that are new.

        Raises
        ------
        InputError
            If a folder holds no image, or a pattern matches nothing.
        """
        known = {os.path.realpath(row.path) for row in self.rows}
        found = find_inputs(map(str, given))
        new = [
            FileRow(path, place=place)
            for path, place in found.items()
            if os.path.realpath(path) not in known
        ]
        self.rows += new
        return new

    def remove(self, numbers: Iterable[int]) -> None:
        """Take files out of the list."""
        gone = set(numbers)
        self.rows = [row for n, row in enumerate(self.rows) if n not in gone]

    def look(self, reading: ReadOptions) -> list[tuple[Path, str, bool, str]]:
        """What is understood of each file; opens all of them, so call it in another thread."""
        paths = {row.path: row.axes for row in self.rows}
        files: dict[Path, Any] = dict.fromkeys(paths)
        seen = []
        for found in inspect(files, reading, paths):
            if isinstance(found, Item):
                seen.append(
                    (found.path, " ".join([found.understood, *found.notes]), True, found.axes)
                )
            else:
                seen.append((found[0], sentence(found[1]), False, ""))
        return seen

    def show(self, seen: Iterable[tuple[Path, str, bool, str]]) -> None:
        """Take up what :meth:`look` found."""
        by_path = {path: (text, good, taken) for path, text, good, taken in seen}
        for row in self.rows:
            if row.path in by_path:
                row.understood, row.readable, row.taken = by_path[row.path]

    def work(
        self,
        settings: BatchSettings,
        model: SamModel | None,
        told: Callable[[Outcome], None],
        progress: OnBatchEvent,
    ) -> Callable[[ShouldStop], int]:
        """How to do the batch; what is returned is called in another thread, gives the failures.

        Parameters
        ----------
        settings : BatchSettings
            What to do.
        model : SamModel or None
            Who is asked, None to load it first.
        told : callable
            Called with the outcome of each image.
        progress : callable
            Called with planes done and in all.

        Raises
        ------
        InputError
            If there are no files, or two would have results of one name.
        """
        if not self.rows:
            raise InputError("Add images first: drop them here, or press Add.")
        named = name_results(
            {row.path: row.place for row in self.rows}, settings.output, "recipe", settings.outputs
        )
        own = {row.path: row.axes for row in self.rows}

        def do(should_stop: ShouldStop) -> int:
            items, failures = [], 0
            for found in inspect(named, settings.reading, own):
                if isinstance(found, Item):
                    items.append(found)
                    continue
                path, error = found
                text = sentence(error)
                text = text if str(path) in text else f"{path}: {text}"
                note_failure(settings.output, named[path].name, path, text)
                told(Outcome(path, "failed", error=text))
                failures += 1
            if items:
                with _executor(settings, model) as where:
                    recipe = where.make_recipe(**settings.given)
                    _check_weights(recipe, settings.recipe)
                    overwrite = settings.overwrite
                    batch = Batch(
                        tuple(items), settings.output, recipe, LABELS_PRODUCT, overwrite=overwrite
                    )
                    for outcome in run(batch, where, progress=progress, should_stop=should_stop):
                        failures += outcome.state in FAILED
                        told(outcome)
            return failures

        return do

    def take(self, outcome: Outcome) -> None:
        """Note what became of a file."""
        for row in self.rows:
            if row.path == outcome.path:
                row.state = STATES[outcome.state]
                if outcome.state == "failed":
                    row.state = "failed: " + outcome.error.removeprefix(f"{row.path}: ")
                elif outcome.state != "elsewhere":
                    row.state += f", {outcome.objects} objects"
                    told = (*outcome.failed_planes, *outcome.notes)
                    row.state += "".join(f"; {each}" for each in told)


def _check_weights(recipe: Recipe, asked: Recipe | None) -> None:
    """Another model may be chosen for a recipe, but not another one under the same name."""
    if asked is None or recipe.model != asked.model:
        return
    if recipe.weights_sha256 != asked.weights_sha256:
        raise InputError(
            f"The recipe was made with other weights of {asked.model} (sha256 "
            f"{asked.weights_sha256[:12]}...) than those here ({recipe.weights_sha256[:12]}...)."
        )


@contextmanager
def _executor(settings: BatchSettings, model: SamModel | None) -> Iterator[Executor]:
    if settings.where != HERE:
        with connect(settings.where, None, settings.request) as cluster:
            yield cluster
        return
    if model is None:
        request: Any = settings.request
        model = load_model(request.model, device=request.device, precision=request.precision)
    yield LocalExecutor(model)


def as_command(files: FileList, settings: BatchSettings) -> str:
    """The same batch for a terminal or a cluster.

    Raises
    ------
    InputError
        If no command can say it.
    """
    if settings.params.point_grids is not None:
        raise InputError(
            "Points of one's own do not fit into a command; save the recipe, and give that file "
            "with --recipe."
        )
    request, outputs = settings.request, settings.outputs
    command = ["napari-segany", "segment", *(_operand(row.path) for row in files.rows)]
    command += ["-o", str(settings.output), "--model", request.model]
    for flag, value in (("--device", request.device), ("--precision", request.precision)):
        command += [] if value == "auto" else [flag, value]
    command += _parameters(settings.params, settings.labels)
    if settings.faithful:
        command.append("--faithful")
    command += _axes(files, settings)
    command += ["--channel", ",".join(map(str, settings.channels))]
    if settings.planes:
        parts = [f"{axis}={a}:{b}" if axis else f"{a}:{b}" for axis, a, b in settings.planes]
        command += ["--planes", ",".join(parts)]
    if isinstance(settings.normalise, str):
        command += ["--normalise", settings.normalise]
    else:
        numbers = [n for pair in settings.normalise for n in pair]
        command.append("--normalise=" + ",".join(f"{n:.17g}" for n in numbers))
    command += ["--labels", outputs.labels, "--table-format", outputs.table]
    if outputs.exports:
        command += ["--export", *outputs.exports]
    if settings.where != HERE:
        command += ["--dask", settings.where]
    if settings.overwrite:
        command.append("--overwrite")
    return shlex.join(command)


def _operand(path: Path) -> str:
    """A file's name, which no option may look like."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _parameters(params: AutomaticParams, labels: LabelParams) -> list[str]:
    """Options for parameters that are not the usual ones."""
    words: list[str] = []
    for given, usual in ((params, AutomaticParams()), (labels, LabelParams())):
        for each in fields(given):
            value, flag = getattr(given, each.name), "--" + each.name.replace("_", "-")
            if given is labels and each.name == "min_area":
                # An option of that name is for masks, and sets this, too.
                if value != (params.min_area or 0):
                    words += ["--min-object-area", str(value)]
            elif value not in (None, getattr(usual, each.name)):
                words += [flag] if value is True else [flag, str(value)]
    return words


def _axes(files: FileList, settings: BatchSettings) -> list[str]:
    """Options for axes: of all files, or of those that have others."""
    own = {row.axes for row in files.rows}
    if len(own) == 1 and own != {""}:
        return ["--axes", *own]
    words = [] if settings.axes == "auto" else ["--axes", settings.axes]
    for row in files.rows:
        axes = row.axes or row.taken
        words += ["--axes-of", _operand(row.path), axes] if axes else []
    return words
