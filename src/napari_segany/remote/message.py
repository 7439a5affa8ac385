"""Messages between client and server: a JSON header and arrays as plain bytes.

A message is the four bytes ``SGNY``, the lengths of the header (4 bytes) and of the arrays (8
bytes), both little-endian and unsigned, then the header and the arrays one after another. The
header lists the name, type and shape of each array. Nothing in a message is ever executed, and its
size is known before memory is taken for it.
"""

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError

MAGIC = b"SGNY"
PREFIX = struct.Struct("<4sIQ")

MOST_HEADER = 4 << 20
"""Bytes of the longest header."""

MOST_DIMENSIONS = 4
"""Dimensions of an array, at most."""

MOST_VALUES = 1 << 48
"""Product of the lengths of an array that are not 0, at most; numpy fails far beyond it."""

TYPES = {"|b1", "|u1", "<i8", "<f4", "<f8"}
"""Types of arrays that messages hold, as numpy spells them."""


@dataclass(frozen=True, eq=False)
class Message:
    """A message.

    Attributes
    ----------
    fields : dict
        Values that JSON can hold; no NaN or infinite number.
    arrays : mapping of str to ndarray
        Of the types in ``TYPES``, of up to four dimensions. Those of type uint8 may be read only
        once they are decoded.
    """

    fields: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(each.nbytes for each in self.arrays.values())


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    arrays = {name: _plain(each) for name, each in message.arrays.items()}
    listed = [[name, each.dtype.str, list(each.shape)] for name, each in arrays.items()]
    header = json.dumps({"fields": message.fields, "arrays": listed}, allow_nan=False).encode()
    size = sum(each.nbytes for each in arrays.values())
    prefix = PREFIX.pack(MAGIC, len(header), size)
    return b"".join([prefix, header, *(each.data for each in arrays.values() if each.nbytes)])


def decode(content: bytes | bytearray) -> Message:
    """Return the message that bytes hold.

    Raises
    ------
    InputError
        If they hold no message, or not exactly one.
    """
    header, size = read_prefix(content[: PREFIX.size])
    if len(content) != PREFIX.size + header + size:
        raise InputError(
            f"The message should have {PREFIX.size + header + size} bytes and has {len(content)}."
        )
    # Views: a plane is never copied.
    view = memoryview(content)[PREFIX.size :]
    return _decode_parts(bytes(view[:header]), view[header:])


def read_message(read: Callable[[int], bytes]) -> Message:
    """Return the next message of a stream.

    Parameters
    ----------
    read : callable
        Returns up to so many bytes, fewer only at the end of the stream.

    Raises
    ------
    InputError
        If there is no message.
    EOFError
        If the stream ends within it.
    """
    header, size = read_prefix(_read_all(read, PREFIX.size))
    start = _read_all(read, header)
    return _decode_parts(start, memoryview(_read_all(read, size)))


def read_prefix(prefix: bytes | bytearray) -> tuple[int, int]:
    """Return the lengths of the header and of the arrays in bytes.

    Raises
    ------
    InputError
        If the bytes do not begin a message, or its header is too long.
    """
    if len(prefix) < PREFIX.size or not prefix.startswith(MAGIC):
        raise InputError("The bytes are no message of napari-segany.")
    _, header, size = PREFIX.unpack(prefix)
    if header > MOST_HEADER:
        raise InputError(f"The header has {header} bytes; {MOST_HEADER} are allowed.")
    return int(header), int(size)


def _read_all(read: Callable[[int], bytes], count: int) -> bytes:
    found = read(count)
    if len(found) < count:
        raise EOFError("The stream ended within a message.")
    return found


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous little-endian array."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    if plain.dtype.str not in TYPES:
        raise InputError(f"Messages hold no arrays of type {array.dtype}.")
    return plain.reshape(array.shape)


def _decode_parts(header: bytes, body: memoryview) -> Message:
    try:
        found = json.loads(header, parse_constant=_refuse)
        fields, listed = found["fields"], found["arrays"]
    # Deep nesting overflows the stack of the parser.
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("The header of the message is no JSON with fields and arrays.") from error
    if not isinstance(fields, dict) or not isinstance(listed, list):
        raise InputError("The header of the message is no JSON with fields and arrays.")
    arrays: dict[str, NDArray[Any]] = {}
    start = 0
    for entry in listed:
        name, dtype, shape = _check_entry(entry)
        end = start + math.prod(shape) * dtype.itemsize
        if end > len(body):
            raise InputError(f"The message has {len(body)} bytes of arrays; {name} ends at {end}.")
        if name in arrays:
            raise InputError(f"The message has two arrays {name}.")
        if dtype == np.bool_ and (np.frombuffer(body[start:end], np.uint8) > 1).any():
            raise InputError(f"The array {name} holds values that are neither true nor false.")
        values = np.frombuffer(body[start:end], dtype)
        # Planes and masks stay where they are. Numbers are copied, to an address that fits them.
        arrays[name] = (values if dtype == np.uint8 else values.copy()).reshape(shape)
        start = end
    if start != len(body):
        raise InputError(f"The message has {len(body)} bytes of arrays; {start} are used.")
    return Message(fields, arrays)


def _check_entry(entry: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    """Return the name, type and shape of an array, checked."""
    if not isinstance(entry, list) or len(entry) != 3:
        raise InputError("An array of the message lacks its name, type or shape.")
    name, dtype, shape = entry
    if not isinstance(name, str) or not 0 < len(name) <= 60:
        raise InputError("An array of the message has no name.")
    if not isinstance(dtype, str) or dtype not in TYPES:
        raise InputError(f"The array {name} has a type that messages do not hold.")
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        raise InputError(f"The shape of the array {name} is no list of up to four numbers.")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise InputError(f"The array {name} has a shape of which not all numbers are lengths.")
    if math.prod(max(length, 1) for length in shape) > MOST_VALUES:
        raise InputError(f"The array {name} is too large.")
    return name, np.dtype(dtype), tuple(shape)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
