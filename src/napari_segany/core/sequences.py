"""Iterables of any kind, where more than one look at them is needed."""

from collections.abc import Iterable
from typing import Any


def listed(values: Any) -> Any:
    """Generators, maps, sets, views and the like as a list; everything else as it is."""
    if not isinstance(values, Iterable) or hasattr(values, "__getitem__"):
        return values
    return values if hasattr(values, "__array__") else list(values)
