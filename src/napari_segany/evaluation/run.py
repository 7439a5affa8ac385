"""Evaluation of folders: image after image, with results kept on disk."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.batch.manifest import FOLDER, hash_content
from napari_segany.batch.plan import ReadOptions, chosen_layout, sentence
from napari_segany.core.callbacks import BatchEvent, OnBatchEvent, ShouldStop, check
from napari_segany.errors import BlankPlaneError, Cancelled, InputError
from napari_segany.evaluation.propagation_scores import measure_propagation
from napari_segany.evaluation.tasks import (
    EvaluatedModel,
    EvaluationSettings,
    measure_edges,
    measure_plane,
)
from napari_segany.evaluation.volumes import measure_volumes
from napari_segany.io.atomic import writing
from napari_segany.io.ome_zarr import is_zarr
from napari_segany.io.read import SUFFIXES, open_image, stem
from napari_segany.io.safe_names import shown
from napari_segany.models.protocol import PromptableModel
from napari_segany.schema import from_json

logger = logging.getLogger(__name__)

FORMAT = 5
"""Version of the results; increased when the same settings would measure something else."""

TRUTH_ENDINGS = ("", "_labels", "_label", "_mask", "_masks", "_gt")
"""Endings that follow an image's name in the name of its truth."""


@dataclass(frozen=True)
class PlaneEvaluation:
    """Measurements of one model on one plane.

    Attributes
    ----------
    predictor : str
        Name of the model.
    image : str
        Name of the image.
    plane : tuple of int
        Its index along the leading axes.
    values : mapping
        See :func:`measure_plane`.
    """

    predictor: str
    image: str
    plane: tuple[int, ...]
    values: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Kind of image: the first folder in the image's name, empty if there is none."""
        return self.image.partition("/")[0] if "/" in self.image else ""


@dataclass(frozen=True)
class EvaluationFailure:
    """Image that could not be measured, with the reason."""

    image: Path
    error: str


def pair_files(
    images: Sequence[Path] | Mapping[Path, str], truth: Path
) -> Iterator[tuple[Path, Path] | EvaluationFailure]:
    """Find the truth of each image: a file, or one of the same name in a folder.

    Images in folders, as :func:`find_inputs` gives them, have theirs in folders of the same names.

    Raises
    ------
    InputError
        If one file is to be the truth of several images.
    """
    one = truth.is_file() or is_zarr(truth)
    places = images if isinstance(images, Mapping) else dict.fromkeys(images, "")
    if one and len(places) > 1:
        raise InputError(
            f"{truth} is one file, and there are {len(places)} images; give the folder with the "
            "truth of each, under the image's name."
        )
    inside: dict[tuple[str, str], list[Path]] = {}
    for place in [] if one else dict.fromkeys(places.values()):
        folder = truth / place
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            inside.setdefault((place, path.name.casefold()), []).append(path)
    for image, place in places.items():
        if one:
            yield image, truth
            continue
        names = {
            f"{stem(image)}{ending}{suffix}".casefold()
            for ending in TRUTH_ENDINGS
            for suffix in (*SUFFIXES, ".ome.tif", ".ome.tiff", ".ome.zarr", ".zarr")
        }
        found = sorted(p for name in names for p in inside.get((place, name), ()) if p != image)
        if len(found) == 1:
            yield image, found[0]
        else:
            what = "no file" if not found else f"{len(found)} files"
            yield EvaluationFailure(
                image, f"There is {what} with the truth of {image.name} in {truth}."
            )


def predictor_name(predictor: EvaluatedModel) -> str:
    """Return the name of a model in tables."""
    return predictor.id if isinstance(predictor, PromptableModel) else predictor.name


def predictor_identity(predictor: EvaluatedModel) -> list[str]:
    """Return the values that a model's predictions depend on.

    One that is no model may have an ``identity``, a list of text; its name otherwise.
    """
    if isinstance(predictor, PromptableModel):
        return [predictor.id, predictor.weights.sha256, predictor.precision, predictor.device.type]
    return [predictor.name, *getattr(predictor, "identity", ())]


def check_names(predictors: Sequence[EvaluatedModel]) -> None:
    """Raise InputError if two models have one name, as tables could not tell them apart."""
    names = [predictor_name(each) for each in predictors]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{twice[0]} is to be compared with itself; name others.")


def evaluate_folder(
    pairs: Sequence[tuple[Path, Path]],
    predictors: Sequence[EvaluatedModel],
    settings: EvaluationSettings,
    output: Path,
    *,
    options: ReadOptions | None = None,
    every: int = 1,
    names: Mapping[Path, str] | None = None,
    progress: OnBatchEvent | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[PlaneEvaluation | EvaluationFailure]:
    """Measure models on images with truth; earlier measurements are read and not repeated.

    Parameters
    ----------
    pairs : sequence of (Path, Path)
        Image and truth of the same planes.
    predictors : sequence of PromptableModel, InteractiveModel or EdgeDetector
        Models to measure.
    settings : EvaluationSettings
        Settings of the evaluation.
    output : Path
        Folder; what is done is kept in a folder ``.segany`` in it.
    options : ReadOptions, optional
        Options of reading images.
    every : int
        Only every so many planes of a stack.
    names : mapping, optional
        Name of each image; by default its file name without ending.
    progress, should_stop : callable, optional
        Called with images done; polled to end early.

    Yields
    ------
    PlaneEvaluation or EvaluationFailure
        One per plane and model, and one per image and model for its volumes, with an empty index;
        an image that cannot be measured is a failure instead of an error.

    Raises
    ------
    Cancelled
        If ``should_stop`` returned True; what was measured is kept.
    """
    check_names(predictors)
    if "tracks" in settings.tasks:
        raise InputError("Tracks are measured by evaluation.track_files.evaluate_tracks.")
    kept, options = output / FOLDER / "evaluation", options or ReadOptions()
    for number, (image, truth) in enumerate(pairs):
        found: list[PlaneEvaluation] = []
        called = shown((names or {}).get(image, stem(image)))
        try:
            with _PlanePairs(image, truth, settings, options, kept) as planes:
                for w, each in enumerate(predictors):

                    def report(share: float, w: int = w, number: int = number) -> None:
                        if progress is not None:
                            done = number + (w + share) / len(predictors)
                            progress(BatchEvent(planes.image.path.name, done, len(pairs)))

                    for index, values in planes.measure(each, every, report, should_stop):
                        found.append(PlaneEvaluation(predictor_name(each), called, index, values))
                    if "volumes" in settings.tasks and isinstance(each, PromptableModel):
                        values = planes.measure_volumes(each, report, should_stop)
                        found.append(PlaneEvaluation(predictor_name(each), called, (), values))
                    if "propagation" in settings.tasks and isinstance(each, PromptableModel):
                        values = planes.measure_propagation(each, report, should_stop)
                        found.append(PlaneEvaluation(predictor_name(each), called, (), values))
        except Cancelled:
            raise
        # One bad file must not cost the others.
        except Exception as error:
            yield EvaluationFailure(image, sentence(error))
        else:
            yield from found
        if progress is not None:
            progress(BatchEvent(image.name, number + 1, len(pairs)))


class _PlanePairs:
    """Planes of one image with their truth and their earlier measurements.

    Raises
    ------
    InputError
        On entry, if an image cannot be read or does not fit its truth.
    """

    def __init__(
        self,
        image: Path,
        truth: Path,
        settings: EvaluationSettings,
        options: ReadOptions,
        kept: Path,
    ) -> None:
        self.settings, self.options, self.kept = settings, options, kept
        self.paths = image, truth

    def __enter__(self) -> "_PlanePairs":
        with ExitStack() as opened:
            image, truth = self.paths
            self.image = opened.enter_context(open_image(image, axes=self.options.axes))
            self.truth = opened.enter_context(open_image(truth, stored=True))
            self.layout = chosen_layout(self.image, self.options)
            self.annotators = self._check()
            self.content = [hash_content(each.files) for each in (self.image, self.truth)]
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def measure(
        self,
        predictor: EvaluatedModel,
        every: int,
        report: Callable[[float], None],
        should_stop: ShouldStop | None,
    ) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
        """Iterate over index and measurements of every n-th plane."""
        check(should_stop)
        folder = self._folder(predictor, self.settings)
        indices = list(self.layout.chosen())[::every]
        for done, index in enumerate(indices):
            report(done / len(indices))
            path = folder / f"plane_{self.layout.number(index):06d}.json"
            values = _read(path)
            if values is None:
                labels = np.asarray(self.truth.data[index])
                try:
                    plane = self.layout.read(self.image.data, index)
                except BlankPlaneError as error:
                    logger.info("%s: %s It is not measured.", shown(self.image.path), error)
                    continue
                values = self._measure_one(predictor, plane, labels, should_stop)
                with writing(path) as temporary:
                    temporary.write_text(json.dumps(values), "utf-8")
            yield index, values

    def measure_volumes(
        self,
        predictor: PromptableModel,
        report: Callable[[float], None],
        should_stop: ShouldStop | None,
    ) -> dict[str, Any]:
        """Measure the volumes of a stack; its planes' candidates are kept for other links."""
        path = self._folder(predictor, self.settings) / "volumes.json"
        values = _read(path)
        if values is None:
            started = time.perf_counter()
            store = self._folder(predictor, replace(self.settings, tasks=("volumes",), link=None))
            stacks = self.image, self.truth, self.layout
            found = measure_volumes(predictor, *stacks, self.settings, store, report, should_stop)
            seconds = round(time.perf_counter() - started, 3)
            values = {"objects": 0, "asked": 0, "volumes": found, "seconds": seconds}
            with writing(path) as temporary:
                temporary.write_text(json.dumps(values), "utf-8")
        return values

    def measure_propagation(
        self,
        predictor: PromptableModel,
        report: Callable[[float], None],
        should_stop: ShouldStop | None,
    ) -> dict[str, Any]:
        """Measure objects of a stack that are followed from one plane."""
        path = self._folder(predictor, self.settings) / "propagation.json"
        values = _read(path)
        if values is None:
            started = time.perf_counter()
            stacks = self.image, self.truth, self.layout
            found = measure_propagation(predictor, *stacks, self.settings, report, should_stop)
            seconds = round(time.perf_counter() - started, 3)
            values = {"objects": 0, "asked": 0, "propagation": found, "seconds": seconds}
            with writing(path) as temporary:
                temporary.write_text(json.dumps(values), "utf-8")
        return values

    def _folder(self, predictor: EvaluatedModel, settings: EvaluationSettings) -> Path:
        """Return the folder for what a model gives with some settings."""
        whole = [
            *(FORMAT, self.content, predictor_identity(predictor)),
            *(settings.resolved_for(predictor).to_dict(), asdict(self.options)),
        ]
        key = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
        return self.kept / key

    def _check(self) -> bool:
        """Return True if the truth's planes are annotators; raise InputError if it does not fit."""
        truth, wanted = self.truth, self.layout.labels_shape
        edges = "edges" in self.settings.tasks
        annotators = edges and not self.layout.leading and truth.shape[1:] == wanted
        if not (annotators or truth.shape == wanted) or truth.dtype.kind not in "iubf":
            several = ", or several such planes, one an annotator" if edges else ""
            raise InputError(
                f"{truth.path} is {truth.dtype.name} of shape {truth.shape}; the truth of "
                f"{self.image.path.name} is whole numbers of shape {wanted}{several}."
            )
        return annotators

    def _measure_one(
        self,
        predictor: EvaluatedModel,
        plane: NDArray[np.generic],
        truth: NDArray[np.integer],
        should_stop: ShouldStop | None,
    ) -> dict[str, Any]:
        started = time.perf_counter()
        measured: Any = predictor
        if "edges" in self.settings.tasks:
            boundaries = [each > 0 for each in (truth if self.annotators else [truth])]
            values = measure_edges(measured, plane, boundaries, should_stop)
        else:
            values = measure_plane(measured, plane, truth, self.settings, should_stop=should_stop)
        return values | {"seconds": round(time.perf_counter() - started, 3)}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return from_json(dict[str, Any], path.read_bytes(), str(path))
    except (OSError, InputError):
        return None
