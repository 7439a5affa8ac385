"""Turn one-shot iterables into sequences."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from napari_segany.errors import InputError


def listed(values: Any) -> Any:
    """Return generators, maps, sets, views and the like as a list, and the rest unchanged."""
    if not isinstance(values, Iterable) or hasattr(values, "__getitem__"):
        return values
    return values if hasattr(values, "__array__") else list(values)


def as_array(values: Any) -> Any:
    """Arrays of any library as they are, to be read part by part; planes of any iterable as one.

    Raises
    ------
    InputError
        If the planes differ in size.
    """
    values = listed(values)
    if hasattr(values, "shape") and hasattr(values, "__getitem__"):
        return values
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(
            "The planes have different sizes, so they are no stack; give each by itself, or the "
            "finest level of a pyramid."
        ) from error
