"""Session files in JSON: reading and validation."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, cast

from annotated_types import Ge, Le, MaxLen, MinLen
from typing_extensions import TypedDict

from napari_segany.core.display import Display, check_display_limits
from napari_segany.core.intensity import Limits
from napari_segany.core.plane_flips import FLIPS
from napari_segany.errors import InputError
from napari_segany.schema import from_json
from napari_segany.session.serialization import Count, Number, ObjectRecord, Real, Shape

FORMAT = 1

Pair = Annotated[list[Real], MinLen(2), MaxLen(2)]


class ReadOptionsRecord(TypedDict, total=False):
    """Options with which the image was read."""

    rgb: bool
    channel_axis: Count
    channels: Annotated[list[Count], MinLen(1), MaxLen(3)]
    images: list[str]


class DisplayRecord(TypedDict):
    """Limits, gamma and colours of the image; see :class:`napari_segany.core.display.Display`."""

    limits: Literal["plane"] | list[Pair]
    gamma: list[Real]
    colours: list[str]


LimitsRecord = Pair | list[Pair] | DisplayRecord | None


class ImageRecord(TypedDict):
    """The image of a session."""

    name: str
    shape: Shape
    limits: NotRequired[LimitsRecord]
    reading: NotRequired[ReadOptionsRecord]


class SessionRecord(TypedDict):
    """Provenance of labels; see :mod:`napari_segany.session.replay`."""

    format: Literal[1]
    napari_segany: NotRequired[str]
    model: str
    weights_sha256: str
    precision: Literal["exact", "bfloat16"]
    views: NotRequired[Annotated[int, Ge(2), Le(1 + len(FLIPS))]]
    device_kind: NotRequired[str]
    torch_version: NotRequired[str]
    instruction_set: NotRequired[str]
    processor: NotRequired[str]
    platform: NotRequired[str]
    image: ImageRecord
    steps: list[tuple[Literal["put", "take"], ObjectRecord | Number]]


def limits_to_record(limits: Limits | None) -> Any:
    """Return the intensity limits of an image as plain JSON values."""
    return limits.to_dict() if isinstance(limits, Display) else limits


def limits_from_record(record: LimitsRecord) -> Limits | None:
    """Return the intensity limits of an image from their record.

    Raises
    ------
    InputError
        If a display has values that it cannot have.
    """
    if record is None:
        return None
    if isinstance(record, dict):
        values: Any = record
        limits = values["limits"]
        pairs: Any = limits if isinstance(limits, str) else tuple(map(tuple, limits))
        return Display(pairs, tuple(values["gamma"]), tuple(values["colours"]))
    found: Any = check_display_limits(record)
    return cast("Limits", found)


def read_session(path: Path) -> SessionRecord:
    """Read a saved record of :func:`provenance`.

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
    """Return a validated session from its JSON, or from values that were read already.

    Raises
    ------
    InputError
        If it is no session.
    """
    what = "The record of a session"
    if isinstance(kept, str | bytes):
        return session_from_json(kept, what)
    try:
        return session_from_json(json.dumps(kept), what)
    except TypeError as error:
        raise InputError(f"{what} cannot be read: {error}.") from error


def session_from_json(text: str | bytes, what: str) -> SessionRecord:
    """Parse a session; check the types of its values and the order of its steps.

    Raises
    ------
    InputError
        If it is no session.
    """
    kept = from_json(SessionRecord, text, what)
    present: set[int] = set()
    for number, (step, given) in enumerate(kept["steps"]):
        if step == "put" and not isinstance(given, int):
            if given["id"] in present or "commit" not in given:
                raise InputError(
                    f"{what} cannot be read: step {number} puts object {given['id']} into the "
                    "labels, which is there already or not committed."
                )
            present.add(given["id"])
        elif step == "take" and isinstance(given, int) and given in present:
            present.remove(given)
        else:
            raise InputError(
                f"{what} cannot be read: step {number} ({step}) names no object that can be put "
                "into the labels or taken out."
            )
    return kept
