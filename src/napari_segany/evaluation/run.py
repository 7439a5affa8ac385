"""Measuring over folders: image after image, kept as they are done."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from napari_segany.batch.plan import Reading, chosen_layout, sentence
from napari_segany.batch.records import FOLDER, hash_content
from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.errors import Cancelled, InputError
from napari_segany.evaluation.tasks import Predictor, Settings, measure_edges, measure_plane
from napari_segany.io.atomic import writing
from napari_segany.io.read import SUFFIXES, open_image, stem
from napari_segany.models.model import SamModel

FORMAT = 1
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
        A line a plane and predictor; an image that cannot be measured is a failure and no error.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True; what was measured is kept.
    """
    kept = output / FOLDER / "evaluation"
    for number, (image, truth) in enumerate(pairs):
        for each in who:
            check(should_stop)
            try:
                content = hash_content([image]), hash_content([truth])
                whole = [
                    *(FORMAT, content, _identity(each), asdict(settings), every),
                    asdict(reading or Reading()),
                ]
                text = json.dumps(whole, sort_keys=True)
                path = kept / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
                planes = _read(path)
                if planes is None:

                    def told(done: int, of: int, image: Path = image, number: int = number) -> None:
                        if progress is not None:
                            progress(f"{image.name}, plane {done} of {of}", number, len(pairs))

                    planes = _measure(
                        image, truth, each, settings, reading or Reading(), every, told, should_stop
                    )
                    with writing(path) as temporary:
                        temporary.write_text(json.dumps(planes), "utf-8")
            except Cancelled:
                raise
            # One bad file must not cost the others.
            except Exception as error:
                yield Failure(image, sentence(error))
                continue
            for plane in planes:
                index = tuple(plane["index"])
                yield Measured(name_of(each), stem(image), index, plane["values"])
        if progress is not None:
            progress(image.name, number + 1, len(pairs))


def _read(path: Path) -> list[dict[str, Any]] | None:
    try:
        planes: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        return planes
    except (OSError, ValueError):
        return None


def _measure(
    image_path: Path,
    truth_path: Path,
    who: Predictor,
    settings: Settings,
    reading: Reading,
    every: int,
    told: Callable[[int, int], None],
    should_stop: ShouldStop | None,
) -> list[dict[str, Any]]:
    out = []
    with open_image(image_path) as image, open_image(truth_path) as truth:
        layout = chosen_layout(image, reading)
        edges = "edges" in settings.tasks
        drawn = edges and not layout.leading and truth.shape[1:] == layout.labels_shape
        if not (drawn or truth.shape == layout.labels_shape) or truth.dtype.kind not in "iub":
            several = ", or several such planes, one an annotator" if edges else ""
            raise InputError(
                f"{truth_path} is {truth.dtype.name} of shape {truth.shape}; the truth of "
                f"{image_path.name} is whole numbers of shape {layout.labels_shape}{several}."
            )
        indices = list(layout.chosen())[::every]
        for done, index in enumerate(indices):
            told(done, len(indices))
            labels = np.asarray(truth.data[index])
            started = time.perf_counter()
            plane = layout.plane(image.data, index)
            if edges:
                boundaries = [each > 0 for each in (labels if drawn else [labels])]
                values = measure_edges(cast(Any, who), plane, boundaries, should_stop)
            else:
                values = measure_plane(
                    cast(Any, who), plane, labels, settings, should_stop=should_stop
                )
            values["seconds"] = round(time.perf_counter() - started, 3)
            out.append({"index": list(index), "values": values})
    return out
