"""Arrays of a finished plane or tile as bytes, and back."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from napari_segany.errors import SeganyError


def to_stored(arrays: Mapping[str, Any], compressed: bool = True) -> bytes:
    """Return NumPy arrays by name as the bytes of a ``.npz`` file, the same bytes every time."""
    file = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(file, **arrays)
    return file.getvalue()


@contextmanager
def from_stored(content: bytes) -> Iterator[NpzFile]:
    """Open the arrays of :func:`to_stored`; whatever fails inside says that they are damaged.

    Raises
    ------
    SeganyError
        If the bytes are incomplete, or do not hold what is read from them.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            yield arrays
    # A damaged zip file fails in many ways.
    except Exception as error:
        raise SeganyError(
            f"A finished plane or tile cannot be read ({error}); it is done again."
        ) from error
