"""Inputs of a batch: image files from files, folders and patterns, and names of their results."""

import glob
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from napari_segany.batch.manifest import FOLDER
from napari_segany.core.notes import note
from napari_segany.errors import InputError
from napari_segany.io.atomic import check_writable
from napari_segany.io.exports import EXPORTS
from napari_segany.io.ome_zarr import is_zarr
from napari_segany.io.read import (
    ACCEPTED,
    SUFFIXES,
    choose_series,
    expand_containers,
    members,
    stem,
)
from napari_segany.io.result_files import LABELS, PROMPTS, Outputs, ResultFiles
from napari_segany.io.safe_names import shown

logger = logging.getLogger(__name__)

EDGES = "_edges.ome.tif"
"""Suffix of edge maps."""

_RESULTS = (*LABELS.values(), "_overlay.png", EDGES, *(kind.ending for kind in EXPORTS.values()))

_SAID_BESIDE = ("_recipe.json", f"_{PROMPTS}.json", "_edges_recipe.json")
"""Suffixes of the recipes and records that are written beside results."""

_MAGIC = "*?["


def find_inputs(
    given: Iterable[str],
    apart: Iterable[Path] = (),
    series: int | str | None = None,
) -> dict[Path, str]:
    """Find the image files of given files, folders and patterns.

    Skipped, with a note: results of this package, folders of results, and files that belong to an
    image of several files which is in the list. Hidden files and folders are skipped, too.

    Parameters
    ----------
    given : iterable of str
        Files, folders, and patterns; ``**`` in a pattern matches any number of folders.
    apart : iterable of Path
        Folders that are not searched, as they hold other data.
    series : int or str, optional
        The image of files that hold several; see :func:`choose_series`.

    Returns
    -------
    dict
        The images in order, each once, with the subfolder of each below the given folder or
        pattern, with slashes; empty for files that were given themselves.

    Raises
    ------
    InputError
        If a folder holds no image, a pattern matches nothing, or a name is empty.
    """
    found: dict[str, tuple[Path, str]] = {}
    left_out: list[tuple[Path, str]] = []
    others = {os.path.realpath(path) for path in apart}
    for text in given:
        if not text:
            # A variable of a script that is not set would be the folder that one is in.
            raise InputError("One of the inputs is empty; give a file, a folder or a pattern.")
        path = Path(text)
        if os.path.isdir(path) and not is_zarr(path):
            files = [*_walk(path, others - {os.path.realpath(path)}, left_out)]
            if not files:
                raise InputError(f"There is no image in the folder {path}; accepted: {ACCEPTED}.")
            placed = [(file, _below(file, path)) for file in files]
        elif not os.path.lexists(path) and any(c in text for c in _MAGIC):
            # Not every shell expands patterns.
            files = [Path(p) for p in sorted(glob.glob(text, recursive=True))]
            if not files:
                raise InputError(f"Nothing matches {text}.")
            root, zarrs = _root(path), {file for file in files if is_zarr(file)}
            images = [f for f in files if f in zarrs or not os.path.isdir(f)]
            # What lies in an OME-Zarr folder is no image by itself.
            images = [f for f in images if zarrs.isdisjoint(f.parents)]
            placed = [(file, _below(file, root)) for file in images]
        else:
            placed = [(path, "")]
        for file, place in placed:
            for each in expand_containers(file):
                found.setdefault(os.path.realpath(each), (each, place))
    kept = _without_members(found, left_out)
    chosen = {each: place for file, place in kept for each in choose_series([file], series)}
    _log_skipped(left_out)
    return chosen


def _root(pattern: Path) -> Path:
    """Return the leading folders of a pattern that hold no wildcard."""
    parts = pattern.parts
    fixed = next((n for n, part in enumerate(parts) if any(c in part for c in _MAGIC)), 0)
    return Path(*parts[:fixed])


def _below(file: Path, root: Path) -> str:
    place = file.parent.relative_to(root).as_posix()
    return "" if place == "." else place


def _walk(root: Path, apart: set[str], left_out: list[tuple[Path, str]]) -> Iterator[Path]:
    """Yield images in a folder and its subfolders, in order; links lead to no folder twice."""
    seen = set(apart)
    to_do = [root]
    while to_do:
        folder = to_do.pop()
        if (real := os.path.realpath(folder)) in seen:
            continue
        seen.add(real)
        try:
            inside = sorted(folder.iterdir())
        except OSError as error:
            left_out.append((folder, f"it cannot be read ({error.strerror})"))
            continue
        inside = [path for path in inside if not path.name.startswith(".")]
        ours = _is_ours(inside)
        folders = []
        for path in inside:
            if is_zarr(path) or (path.suffix.lower() in SUFFIXES and not os.path.isdir(path)):
                if ours(path):
                    left_out.append((path, "it is a result"))
                else:
                    yield path
            elif os.path.isdir(path):
                if os.path.isdir(path / FOLDER):
                    left_out.append((path, "it is a folder of results"))
                else:
                    folders.append(path)
        # The first folder comes next, and links last, so that files keep their own paths.
        to_do += sorted(folders, key=lambda path: (path.is_symlink(), path), reverse=True)


def _is_ours(inside: Iterable[Path]) -> Callable[[Path], bool]:
    """Return a test for results, which lie beside their recipe or beside their image."""
    names = {path.name for path in inside}
    stems = {stem(path) for path in inside if path.suffix.lower() in SUFFIXES or is_zarr(path)}

    def is_ours(path: Path) -> bool:
        ending = next((end for end in _RESULTS if path.name.endswith(end)), None)
        if ending is None:
            return False
        name = path.name.removesuffix(ending)
        return name in stems or any(name + end in names for end in _SAID_BESIDE)

    return is_ours


def _without_members(
    found: Mapping[str, tuple[Path, str]], left_out: list[tuple[Path, str]]
) -> Iterator[tuple[Path, str]]:
    """Yield images; of an image that is spread over several files only the first file."""
    covered: dict[str, Path] = {}
    for real, (path, place) in found.items():
        if real in covered:
            left_out.append((path, f"it is a part of {covered[real].name}"))
            continue
        covered |= {os.path.realpath(each): path for each in members(path)}
        yield path, place


def _log_skipped(left_out: list[tuple[Path, str]]) -> None:
    """Log one line for each reason, as a folder may hold thousands of files."""
    together: dict[str, list[Path]] = defaultdict(list)
    for path, why in left_out:
        together[why].append(path)
    for why, paths in together.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        note(logger, "%s%s left out: %s. Name it to take it.", shown(paths[0]), more, why)


def name_inputs(inputs: Iterable[Path], folder: Path) -> dict[Path, str]:
    """Return the names of the results of each input.

    A name is the subfolder of the image below the given folder, and its file name without
    suffix. Images of the same name get names with their folders, then with their suffixes.

    Parameters
    ----------
    inputs : iterable of Path
        The result of :func:`find_inputs`; or paths alone, as if they were given themselves.
    folder : Path
        The folder for the results.

    Raises
    ------
    InputError
        If nothing can be written to the folder, or the results of two inputs would have the same
        name on some file system.
    """
    check_writable(folder)
    places = dict(inputs) if isinstance(inputs, Mapping) else dict.fromkeys(inputs, "")
    names = {path: _joined(place, stem(path)) for path, place in places.items()}
    for tell_apart in (_by_folders, _by_endings):
        for group in _of_one_name(names):
            names |= tell_apart(group, names)
    _check_apart(names)
    return names


def _check_apart(names: Mapping[Path, str]) -> None:
    for first, second, *_ in _of_one_name(names):
        raise InputError(
            f"The results of {first} and {second} would have the same names; "
            "run them with different -o folders."
        )


def _joined(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _of_one_name(names: Mapping[Path, str]) -> list[list[Path]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    for path, name in names.items():
        groups[name.casefold()].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _by_folders(group: list[Path], names: Mapping[Path, str]) -> dict[Path, str]:
    folders = [os.path.realpath(path.parent) for path in group]
    if len(set(folders)) == 1:
        return {}
    # On Windows several drives have nothing in common.
    with suppress(ValueError):
        common = os.path.commonpath(folders)
        below = [Path(each).relative_to(common).as_posix() for each in folders]
        return {
            path: names[path].rpartition("/")[2] if at == "." else _joined(at, stem(path))
            for path, at in zip(group, below, strict=True)
        }
    return {}


def _by_endings(group: list[Path], names: Mapping[Path, str]) -> dict[Path, str]:
    found = {}
    for path in group:
        ending = path.name.removeprefix(stem(path)).replace(".", "_")
        found[path] = names[path] + ending
    return found


def name_results(
    inputs: Iterable[Path], folder: Path, provenance: str, outputs: Outputs | None = None
) -> dict[Path, ResultFiles]:
    """Return the result files of each input; see :func:`name_inputs`.

    If results of prompts have the name of an image already, its results are called NAME_segment,
    every time, and a note says so.

    Raises
    ------
    InputError
        See :func:`name_inputs`.
    """
    named = name_inputs(inputs, folder)
    prompted = [path for path, name in named.items() if _is_prompted(folder / name, provenance)]
    for path in prompted:
        said = shown(named[path]), shown(folder)
        named[path] += "_segment"
        note(
            logger,
            "%s has results of prompts in %s already, so its other results are called %s.",
            *(*said, shown(named[path])),
        )
    _check_apart(named)
    return {p: ResultFiles.of(folder, name, provenance, outputs) for p, name in named.items()}


def _is_prompted(place: Path, provenance: str) -> bool:
    """Return True if only results of prompts have a name in a folder of results."""
    prompts, other = (place.parent / f"{place.name}_{kind}.json" for kind in (PROMPTS, provenance))
    return os.path.lexists(prompts) and not os.path.lexists(other)
