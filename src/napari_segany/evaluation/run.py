"""Measuring over folders: image after image, kept as they are done."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.batch.plan import Reading, chosen_layout, sentence
from napari_segany.batch.records import FOLDER, hash_content
from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.planes import StackLayout
from napari_segany.errors import Cancelled, InputError
from napari_segany.evaluation.tasks import Predictor, Settings, measure_edges, measure_plane
from napari_segany.io.atomic import writing
from napari_segany.io.read import SUFFIXES, OpenedImage, open_image, stem
from napari_segany.models.model import SamModel

FORMAT = 2
"""Raised when the same settings would measure something else."""

TRUTH_ENDINGS = ("", "_labels", "_label", "_mask", "_masks", "_gt")
"""What follows an image's name in the name of its truth."""

Progress = Callable[[str, int, int], None]
"""Called with the image in work, and planes done and in all."""


@dataclass(frozen=True)
class Measured:
    """What one predictor did on one plane.

    Attributes
    ----------
    who : str
        The predictor.
    image : str
        Name of the image.
    plane : tuple of int
        Its index along the leading axes.
    values : mapping
        See :func:`measure_plane`.
    """

    who: str
    image: str
    plane: tuple[int, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """An image that could not be measured, and why."""

    image: Path
    error: str


def pair_up(images: Sequence[Path], truth: Path) -> Iterator[tuple[Path, Path] | Failure]:
    """Find the truth of each image: a file, or one of the same name in a folder."""
    for image in images:
        if truth.is_file():
            yield image, truth
            continue
        names = {
            f"{stem(image)}{ending}{suffix}".casefold()
            for ending in TRUTH_ENDINGS
            for suffix in (*SUFFIXES, ".ome.tif", ".ome.tiff", ".ome.zarr", ".zarr")
        }
        found = sorted(p for p in truth.iterdir() if p.name.casefold() in names and p != image)
        if len(found) == 1:
            yield image, found[0]
        else:
            what = "no file" if not found else f"{len(found)} files"
            yield Failure(image, f"There is {what} with the truth of {image.name} in {truth}.")


def name_of(who: Predictor) -> str:
    """What tables call a predictor."""
    return who.id if isinstance(who, SamModel) else who.name


def _identity(who: Predictor) -> list[str]:
    if isinstance(who, SamModel):
        return [who.id, who.weights.sha256, who.precision, who.device.type]
    return [who.name]


def evaluate_folder(
    pairs: Sequence[tuple[Path, Path]],
    who: Sequence[Predictor],
    settings: Settings,
    output: Path,
    *,
    reading: Reading | None = None,
    every: int = 1,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[Measured | Failure]:
    """Measure predictors on images with truth; what was measured before is read and not repeated.

    Parameters
    ----------
    pairs : sequence of (Path, Path)
        Image and truth of the same planes.
    who : sequence of SamModel, Clicker or EdgeFinder
        Whom to measure.
    settings : Settings
        What to measure.
    output : Path
        Folder; what is done is kept in a folder ``.segany`` in it.
    reading : Reading, optional
        How images are to be understood.
    every : int
        Only every so many planes of a stack.
    progress, should_stop : callable, optional
        Told of planes; polled to end early.

    Yields
    ------
    Measured or Failure
        One for a plane and predictor; an image that cannot be measured is a failure and no error.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True; what was measured is kept.
    """
    kept, reading = output / FOLDER / "evaluation", reading or Reading()
    for number, (image, truth) in enumerate(pairs):

        def told(done: int, of: int, image: Path = image, number: int = number) -> None:
            if progress is not None:
                progress(f"{image.name}, plane {done} of {of}", number, len(pairs))

        for each in who:
            check(should_stop)
            try:
                content = hash_content([image]), hash_content([truth])
                whole = [FORMAT, content, _identity(each), asdict(settings), asdict(reading)]
                key = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
                planes = _Planes(image, truth, settings, reading, kept / key)
                found = list(planes.measure(each, every, told, should_stop))
            except Cancelled:
                raise
            # One bad file must not cost the others.
            except Exception as error:
                yield Failure(image, sentence(error))
                continue
            for index, values in found:
                yield Measured(name_of(each), stem(image), index, values)
        if progress is not None:
            progress(image.name, number + 1, len(pairs))


@dataclass(frozen=True)
class _Planes:
    """The planes of one image, with what was measured of them for one predictor."""

    image: Path
    truth: Path
    settings: Settings
    reading: Reading
    kept: Path

    def measure(
        self,
        who: Predictor,
        every: int,
        told: Callable[[int, int], None],
        should_stop: ShouldStop | None,
    ) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
        """Index and values of every so many planes."""
        with open_image(self.image) as image, open_image(self.truth) as truth:
            layout = chosen_layout(image, self.reading)
            annotators = self._check(truth, layout)
            indices = list(layout.chosen())[::every]
            for done, index in enumerate(indices):
                told(done, len(indices))
                path = self.kept / f"plane_{layout.number(index):06d}.json"
                values = _read(path)
                if values is None:
                    labels = np.asarray(truth.data[index])
                    plane = layout.plane(image.data, index)
                    values = self._measured(who, plane, labels, annotators, should_stop)
                    with writing(path) as temporary:
                        temporary.write_text(json.dumps(values), "utf-8")
                yield index, values

    def _check(self, truth: OpenedImage, layout: StackLayout) -> bool:
        """Whether the truth's planes are annotators; raises InputError if it does not fit."""
        edges = "edges" in self.settings.tasks
        annotators = edges and not layout.leading and truth.shape[1:] == layout.labels_shape
        fits = annotators or truth.shape == layout.labels_shape
        if not fits or truth.dtype.kind not in "iub":
            several = ", or several such planes, one an annotator" if edges else ""
            raise InputError(
                f"{self.truth} is {truth.dtype.name} of shape {truth.shape}; the truth of "
                f"{self.image.name} is whole numbers of shape {layout.labels_shape}{several}."
            )
        return annotators

    def _measured(
        self,
        who: Predictor,
        plane: NDArray[np.generic],
        truth: NDArray[np.integer],
        annotators: bool,
        should_stop: ShouldStop | None,
    ) -> dict[str, Any]:
        started = time.perf_counter()
        someone: Any = who
        if "edges" in self.settings.tasks:
            boundaries = [each > 0 for each in (truth if annotators else [truth])]
            values = measure_edges(someone, plane, boundaries, should_stop)
        else:
            values = measure_plane(someone, plane, truth, self.settings, should_stop=should_stop)
        return values | {"seconds": round(time.perf_counter() - started, 3)}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return values
    except (OSError, ValueError):
        return None
