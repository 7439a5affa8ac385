"""Error messages, and a summary of the planes of one run that failed."""

from napari_segany.core.image_source import Plane, plane_name
from napari_segany.errors import PlaneError, SeganyError

MAX_NAMED = 5
"""Planes named in a message; of further planes only the number is given."""


def describe_error(error: Exception) -> str:
    """Return the message of an expected error, or the type and text of any other error."""
    return str(error) if isinstance(error, SeganyError) else f"Error: {error!r}"


def plane_error(plane: Plane, error: Exception) -> PlaneError:
    """Return an error whose message names the plane in which another error occurred."""
    return PlaneError(f"{plane_name(plane)}: {describe_error(error)}")


class PlaneFailures:
    """Errors of the planes of one run; planes with the same error are listed together."""

    def __init__(self) -> None:
        self._planes: dict[str, list[Plane]] = {}

    def add(self, plane: Plane, error: Exception) -> None:
        """Add the error of one plane."""
        self._planes.setdefault(describe_error(error), []).append(plane)

    def __str__(self) -> str:
        """Return the summary, empty if no plane failed."""
        return " ".join(f"{_names(planes)}: {text}" for text, planes in self._planes.items())


def _names(planes: list[Plane]) -> str:
    text = "; ".join(plane_name(each) for each in sorted(planes, key=_order)[:MAX_NAMED])
    left = len(planes) - MAX_NAMED
    return f"{text} and {left} more" if left > 0 else text


def _order(plane: Plane) -> tuple[int, ...]:
    return tuple(-1 if n is None else n for n in plane)
