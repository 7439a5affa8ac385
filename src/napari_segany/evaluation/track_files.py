"""Evaluation of files of tracks: movies beside their truth, one after the other."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from napari_segany.batch.plan import own_axes, sentence
from napari_segany.core.callbacks import BatchEvent, OnBatchEvent, ShouldStop
from napari_segany.errors import Cancelled, InputError
from napari_segany.evaluation.run import EvaluationFailure, PlaneEvaluation
from napari_segany.evaluation.track_metrics import score_tracks, to_values
from napari_segany.io.ome_zarr import is_zarr
from napari_segany.io.read import open_image, stem
from napari_segany.io.safe_names import shown
from napari_segany.io.tiff import TIFF_SUFFIXES
from napari_segany.io.tracks.ctc import holds_list, is_track_list
from napari_segany.io.tracks.formats import read_tracks
from napari_segany.linking.tracks.label_tracks import tracks_of_labels
from napari_segany.tracking import TrackedMovie, label_movie

PREDICTOR = "tracks"
"""Name of what is scored, where others have the name of a model."""

ENDINGS = ("_tracks", "_labels", "_RES", "_GT", "_TRA", "_ST", "_ERR_SEG", "_ref", "_gt")
"""Endings of the names of tracks and truths, which are left out where names are compared."""


def find_movies(paths: Iterable[Path]) -> list[Path]:
    """Return the movies of some files and folders, in order.

    A folder of the Cell Tracking Challenge is a movie, and so is a label image; of any other
    folder those in it are taken.

    Raises
    ------
    InputError
        If a path is not there, or a folder holds no movie.
    """
    found: list[Path] = []
    for path in paths:
        if not os.path.lexists(path):
            raise InputError(f"There is no file or folder {path}.")
        inside = [path] if _is_movie(path) else _movies_in(path)
        if not inside:
            raise InputError(
                f"{path} holds no movie: neither label images nor folders of the Cell Tracking "
                "Challenge."
            )
        found += inside
    return list(dict.fromkeys(found))


def _is_movie(path: Path) -> bool:
    return not path.is_dir() or is_zarr(path) or holds_list(path)


def _movies_in(folder: Path) -> list[Path]:
    """Return one movie of each name in a folder: tracks before labels that they were made of."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        is_file = path.name.lower().endswith(TIFF_SUFFIXES) and not path.is_dir()
        is_folder = path.is_dir() and (is_zarr(path) or holds_list(path))
        if (is_file or is_folder) and not path.name.startswith("."):
            found.setdefault(movie_name(path).casefold(), []).append(path)
    return [min(paths, key=_rank) for paths in found.values()]


def _rank(path: Path) -> int:
    return 0 if stem(path).endswith("_tracks") else 1 if holds_list(path) else 2


def pair_movies(
    movies: Sequence[Path], truth: Path
) -> Iterator[tuple[Path, Path] | EvaluationFailure]:
    """Find the truth of each movie: one movie, or one of the same name in a folder.

    Endings such as ``_tracks``, ``_RES`` and ``_GT`` are no part of a name.

    Raises
    ------
    InputError
        If one truth is given for several movies.
    """
    if _is_movie(truth):
        if len(movies) > 1:
            raise InputError(
                f"{truth} is one movie, and there are {len(movies)}; give a folder with the truth "
                "of each."
            )
        yield from ((movie, truth) for movie in movies)
        return
    named = {movie_name(path).casefold(): path for path in _movies_in(truth)}
    for movie in movies:
        found = named.get(movie_name(movie).casefold())
        if found is not None and found != movie:
            yield movie, found
        else:
            text = f"There is no movie with the truth of {movie.name} in {truth}."
            yield EvaluationFailure(movie, text)


def movie_name(path: Path) -> str:
    """Return the name of a movie without endings that say what it is.

    Examples
    --------
    >>> movie_name(Path("cells_tracks.ome.tif")), movie_name(Path("01_RES"))
    ('cells', '01')
    """
    name = stem(path.parent if is_track_list(path) else path)
    ending = next((each for each in ENDINGS if name.endswith(each) and name != each), "")
    return name.removesuffix(ending)


@contextmanager
def open_movie(path: Path, axes: str = "auto") -> Iterator[TrackedMovie]:
    """Open a movie with its tracks.

    Parameters
    ----------
    path : Path
        A folder of the Cell Tracking Challenge, or a label image with a table of tracks beside it:
        ``NAME.csv`` or ``NAME_tracks.csv``. In ``NAME_tracks.ome.tif`` labels are tracks, as the
        command ``track`` writes them. Without a table labels are tracks without divisions.
    axes : str
        Axes of a label image; by default the file's own, or TYX where it names none of a stack.

    Raises
    ------
    InputError
        If it cannot be read, or is no movie.
    """
    if is_track_list(path) or (path.is_dir() and not is_zarr(path)):
        table, frames = read_tracks(path)
        if frames is None:
            raise InputError(f"{path} holds no masks, which the scores need.")
        yield TrackedMovie(table, frames, frames.count, frames.shape)
        return
    with open_image(path, stored=True) as image:
        own = own_axes(image, axes)
        # A stack whose file does not name its axes is read as Z.
        movie = label_movie(image.data, own if "T" in own or axes != "auto" else _as_movie(own))
        name = stem(path)
        beside = [path.with_name(f"{n}.csv") for n in (name, f"{movie_name(path)}_tracks")]
        listed = next((each for each in beside if each.is_file()), None)
        if listed is None:
            table = tracks_of_labels(movie, movie.count, movie.axes)
        else:
            table = read_tracks(listed).table
            if name.endswith("_tracks"):
                table = replace(table, label=table.track)
        yield TrackedMovie(table, movie, movie.count, movie.shape)


def _as_movie(axes: str) -> str:
    """Return axes with time as the first one, for stacks of planes."""
    return f"T{axes[1:]}" if len(axes) == 3 and axes.endswith("YX") else axes


def evaluate_tracks(
    pairs: Sequence[tuple[Path, Path]],
    *,
    axes: str = "auto",
    names: Mapping[Path, str] | None = None,
    progress: OnBatchEvent | None = None,
    should_stop: ShouldStop | None = None,
) -> Iterator[PlaneEvaluation | EvaluationFailure]:
    """Score movies with tracks against their truth.

    Parameters
    ----------
    pairs : sequence of (Path, Path)
        Movie and truth, as :func:`open_movie` takes them.
    axes : str
        Axes of label images.
    names : mapping, optional
        Name of each movie; by default that of its file.
    progress, should_stop : callable, optional
        Called with movies done; polled to end early.

    Yields
    ------
    PlaneEvaluation or EvaluationFailure
        One per movie, with an empty index and ``tracks``, the values of :class:`TrackScores`.

    Raises
    ------
    InputError
        If py-ctcmetrics is not installed.
    Cancelled
        If ``should_stop`` returned True.
    """
    for number, (path, truth) in enumerate(pairs):

        def report(done: int, total: int, path: Path = path, number: int = number) -> None:
            if progress is not None:
                progress(BatchEvent(path.name, number + done / total, len(pairs)))

        try:
            with open_movie(path, axes) as found, open_movie(truth, axes) as true:
                scores = score_tracks(true, found, progress=report, should_stop=should_stop)
                count = true.count
        except Cancelled:
            raise
        # One bad file must not cost the others.
        except Exception as error:
            yield EvaluationFailure(path, sentence(error))
            continue
        values = {"objects": scores.objects, "asked": 0, "frames": count}
        name = shown((names or {}).get(path, movie_name(path)))
        yield PlaneEvaluation(PREDICTOR, name, (), {**values, "tracks": to_values(scores)})
