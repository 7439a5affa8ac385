"""Planes that could not be done, and what is said of them."""

from napari_segany.core.image_source import Plane, plane_name
from napari_segany.errors import PlaneError, SeganyError

NAMED = 5
"""Planes that are named; of more only their number is said."""


def in_words(error: Exception) -> str:
    """An error of ours as it says itself, another one so that it can be reported."""
    return str(error) if isinstance(error, SeganyError) else f"Error: {error!r}"


def in_plane(plane: Plane, error: Exception) -> PlaneError:
    """What went wrong, and in which plane."""
    return PlaneError(f"{plane_name(plane)}: {in_words(error)}")


class Failures:
    """Why planes of one run failed; equal reasons are said once, with their planes."""

    def __init__(self) -> None:
        self._planes: dict[str, list[Plane]] = {}

    def add(self, plane: Plane, error: Exception) -> None:
        """A plane failed."""
        self._planes.setdefault(in_words(error), []).append(plane)

    def __str__(self) -> str:
        """All that is to be said, empty if nothing failed."""
        return " ".join(f"{_names(planes)}: {why}" for why, planes in self._planes.items())


def _names(planes: list[Plane]) -> str:
    text = "; ".join(plane_name(each) for each in sorted(planes, key=_place)[:NAMED])
    left = len(planes) - NAMED
    return f"{text} and {left} more" if left > 0 else text


def _place(plane: Plane) -> tuple[int, ...]:
    return tuple(-1 if n is None else n for n in plane)
