"""Terms of the protocol between client and server: its version, calls, limits and errors."""

from typing import Final

from napari_segany.errors import InputError, RemoteError, SeganyError, WeightsError

PROTOCOL: Final = 1
"""Version of the protocol. It grows with every change that the other side must know."""

PATH: Final = "/segany"
"""Path of the one resource, to which every call is posted."""

MEDIA_TYPE: Final = "application/x-segany"
"""Type of the bodies of requests and answers: messages, one after another."""

PORT: Final = 8765
"""Port that is used if none is given."""

MOST_FEATURES: Final = 4096
"""Points of one request for features, at most."""

MOST_POINTS: Final = 128
"""Points of one request for candidates, at most; each may have three, of 256 KB."""

MOST_PROMPTS: Final = 64
"""Prompts of one request, at most."""

MOST_ANSWER: Final = 1 << 30
"""Bytes of the masks of one answer, about, if each fills its plane."""

HEARTBEAT: Final = 0.5
"""Seconds after which a server that still computes says so."""

MAX_UPLOAD: Final = 256
"""Default size of the largest request in megabytes (1e6 bytes)."""

ERRORS: Final[dict[str, type[SeganyError]]] = {
    "input": InputError,
    "weights": WeightsError,
    "segany": SeganyError,
}
"""Errors that a call raises here as it would with a model on this machine, by their names."""

UNKNOWN_PLANE: Final = "plane"
"""Name of the error about a plane that the server does not hold, or not any more."""

BUSY: Final = "busy"
"""Name of the error of a server that has too much to do; the request may be sent again."""

REFUSED: Final = "refused"
"""Name of errors about the request itself: its token, size, form or version."""


def prompts_at_once(shape: tuple[int, int]) -> int:
    """Return the number of prompts that one request about a plane of ``shape`` may hold.

    Each may be answered by four masks of eight pixels a byte.
    """
    return max(1, min(MOST_PROMPTS, MOST_ANSWER // max(shape[0] * shape[1] // 2, 1)))


def name_of(error: Exception) -> str:
    """Return the name under which an error is sent."""
    fitting = (name for name, kind in ERRORS.items() if isinstance(error, kind))
    return next(fitting, REFUSED)


def error_of(name: str, text: str) -> SeganyError:
    """Return the error of a name."""
    return ERRORS.get(name, RemoteError)(text)
