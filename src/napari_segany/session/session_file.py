"""Sessions as JSON files, which somebody else may have written."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from annotated_types import MaxLen, MinLen
from typing_extensions import TypedDict

from napari_segany.errors import InputError
from napari_segany.schema import from_json
from napari_segany.session.serialization import Count, Number, ObjectRecord, Real, Shape

FORMAT = 1

Pair = Annotated[list[Real], MinLen(2), MaxLen(2)]


class ReadingRecord(TypedDict, total=False):
    """The way in which the image was read."""

    rgb: bool
    channel_axis: Count
    channels: Annotated[list[Count], MinLen(1), MaxLen(3)]
    images: list[str]


class ImageRecord(TypedDict):
    """The image that a session was about."""

    name: str
    shape: Shape
    limits: NotRequired[Pair | list[Pair] | None]
    reading: NotRequired[ReadingRecord]


class SessionRecord(TypedDict):
    """The way in which labels came about; see :mod:`napari_segany.session.replay`."""

    format: Literal[1]
    napari_segany: NotRequired[str]
    model: str
    weights_sha256: str
    precision: Literal["exact", "bfloat16"]
    device_kind: NotRequired[str]
    torch_version: NotRequired[str]
    instruction_set: NotRequired[str]
    processor: NotRequired[str]
    platform: NotRequired[str]
    image: ImageRecord
    steps: list[tuple[Literal["put", "take"], ObjectRecord | Number]]


def read_session(path: Path) -> SessionRecord:
    """Read what :func:`provenance` told and somebody saved.

    Raises
    ------
    InputError
        If the file cannot be read or holds no session.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return session_from_json(text, f"The session {path}")


def checked_session(kept: Any) -> SessionRecord:
    """A session from its JSON, or from values that were read already.

    Raises
    ------
    InputError
        If it is none.
    """
    what = "The record of a session"
    if isinstance(kept, str | bytes):
        return session_from_json(kept, what)
    try:
        return session_from_json(json.dumps(kept), what)
    except TypeError as error:
        raise InputError(f"{what} cannot be read: {error}.") from error


def session_from_json(text: str | bytes, what: str) -> SessionRecord:
    """A session whose values have the right types, and whose steps can follow each other.

    Raises
    ------
    InputError
        If it is none.
    """
    kept = from_json(SessionRecord, text, what)
    there: set[int] = set()
    for number, (how, given) in enumerate(kept["steps"]):
        if how == "put" and not isinstance(given, int):
            if given["id"] in there or "commit" not in given:
                raise InputError(
                    f"{what} cannot be read: step {number} puts object {given['id']} into the "
                    "labels, which is there already or not committed."
                )
            there.add(given["id"])
        elif how == "take" and isinstance(given, int) and given in there:
            there.remove(given)
        else:
            raise InputError(
                f"{what} cannot be read: step {number} ({how}) names no object that can be put "
                "into the labels or taken out."
            )
    return kept
