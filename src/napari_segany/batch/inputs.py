"""From what was typed to a list of image files, and to the names of their results."""

import glob
from collections.abc import Iterable
from pathlib import Path

from napari_segany.errors import InputError
from napari_segany.io.exports import EXPORTS
from napari_segany.io.ome_zarr import is_zarr
from napari_segany.io.read import ACCEPTED, SUFFIXES, stem
from napari_segany.io.results import LABELS, Outputs, ResultFiles

EDGES = "_edges.ome.tif"
"""Ending of the names of edge maps."""

_RESULTS = (*LABELS.values(), "_overlay.png", EDGES, *(ending for ending, _ in EXPORTS.values()))


def find_inputs(given: Iterable[str]) -> list[Path]:
    """Files as given, the images of folders, and what patterns match; each once, in order.

    Raises
    ------
    InputError
        If a folder holds no image or a pattern matches nothing.
    """
    found: dict[Path, Path] = {}
    for text in given:
        path = Path(text)
        if path.is_dir() and not is_zarr(path):
            files = [
                p
                for p in sorted(path.iterdir())
                # Results of an earlier run in the same folder are no inputs.
                if (p.suffix.lower() in SUFFIXES or is_zarr(p))
                and not p.name.startswith(".")
                and not p.name.endswith(_RESULTS)
            ]
            if not files:
                raise InputError(f"There is no image in the folder {path}; accepted: {ACCEPTED}.")
        elif not path.exists() and any(c in text for c in "*?["):
            # Not every shell expands patterns.
            files = [Path(p) for p in sorted(glob.glob(text))]
            if not files:
                raise InputError(f"Nothing matches {text}.")
        else:
            files = [path]
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def name_inputs(inputs: Iterable[Path], folder: Path) -> dict[Path, str]:
    """What the results of each input are called that go to a folder.

    Raises
    ------
    InputError
        If the results of two inputs would have one name, on any file system.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; -o takes a folder.")
    named: dict[str, Path] = {}
    for path in inputs:
        other = named.setdefault(stem(path).casefold(), path)
        if other is not path:
            raise InputError(
                f"The results of {other} and {path} would have the same names; "
                "run them with different -o folders."
            )
    return {path: stem(path) for path in named.values()}


def name_results(
    inputs: Iterable[Path], folder: Path, provenance: str, outputs: Outputs | None = None
) -> dict[Path, ResultFiles]:
    """Where the results of each input go; see :func:`name_inputs`."""
    named = name_inputs(inputs, folder)
    return {p: ResultFiles.of(folder, name, provenance, outputs) for p, name in named.items()}


def there_already(files: ResultFiles, options: str) -> InputError:
    """The error for results that would be overwritten; ``options`` are those that help."""
    present = next(p for p in files.all() if p.exists())
    return InputError(f"{present} is there already; give {options}.")
