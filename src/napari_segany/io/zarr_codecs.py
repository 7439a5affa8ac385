"""Codecs of Zarr arrays that are refused because reading a chunk could run programs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_segany.errors import InputError

_UNSAFE = "pickle"

_PLACES = ("filters", "compressor", "codecs")
"""Entries of an array's metadata that name codecs, in Zarr 2 and 3."""


def names_unsafe_codec(metadata: Any) -> bool:
    """Return True if a text in metadata that is an id or a name is that of an unsafe codec."""
    return any(_UNSAFE in text.lower() for text in _texts(metadata))


def _texts(value: Any) -> Iterator[str]:
    """Iterate over all texts that are values of an id or a name."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            yield from (str(each[key]) for key in ("id", "name") if key in each)
            todo += each.values()
        elif isinstance(each, list):
            todo += each


def check_codecs(array: Path) -> None:
    """Check that the codecs of an array in a folder only decode.

    Raises
    ------
    InputError
        If one is Python's pickle, which can run any program.
    """
    for name in (".zarray", "zarr.json"):
        file = array / name
        if file.is_file():
            found = json.loads(file.read_text(encoding="utf-8"))
            if names_unsafe_codec([found.get(place) for place in _PLACES]):
                raise InputError(f"{file} names a codec that can run programs; it is not read.")
