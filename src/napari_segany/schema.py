"""Checked reading of JSON files that others may have written.

Records of batches, recipes, sessions and journals come from other people's folders, so nothing in
them is trusted: every value is checked before it is used.
"""

import re
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from napari_segany.errors import InputError

T = TypeVar("T")

_SHOWN = 60
"""Characters of a wrong value that an error repeats; places and reasons may be longer."""


@cache
def _adapter(kind: Hashable) -> Any:
    # A quarter of a second, so only where files are read.
    from pydantic import TypeAdapter

    return TypeAdapter(cast(Any, kind))


def from_json(kind: type[T], text: str | bytes, what: str) -> T:
    """Read JSON as a dataclass, a TypedDict (of typing_extensions) or other plain values.

    Numbers, texts and lists are not converted into each other, and entries that the type does not
    have are refused. Type annotations may carry pydantic's constraints.

    Parameters
    ----------
    kind : type
        Type of the result. Lists stand for tuples.
    text : str or bytes
        The JSON, UTF-8; a byte order mark is skipped.
    what : str
        Name of the text in errors, for example "The recipe cells_recipe.json".

    Returns
    -------
    object
        Of the type ``kind``.

    Raises
    ------
    InputError
        If the text is no JSON or a value is not what it must be; names the first such value.
    """
    from pydantic import ValidationError

    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
        checked: T = _adapter(cast(Hashable, kind)).validate_json(raw, strict=True, extra="forbid")
    except ValidationError as error:
        raise InputError(f"{what} cannot be read: {_first_fault(error)}.") from error
    return checked


def _first_fault(error: Any) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    place = _cut(".".join(str(part) for part in fault["loc"]), 2 * _SHOWN)
    # Bounds of floating point are spelled out to the last digit.
    message = re.sub(r"\d{20,}", lambda digits: f"{float(digits[0]):g}", str(fault["msg"]))
    message = _cut(message, 3 * _SHOWN)
    message = message[:1].lower() + message[1:]
    if not place:
        return message
    return f"{place}: {message}, got {_cut(ascii(fault['input']), _SHOWN)}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
