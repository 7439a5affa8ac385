"""Messages: what is encoded is decoded, and nothing else is."""

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segany.errors import InputError
from napari_segany.remote.message import PREFIX, Message, decode, encode, read_message

ARRAYS = st.sampled_from(["u1", "i8", "f4", "f8", "b1"]).flatmap(
    lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(min_size=1, max_size=9), ARRAYS, max_size=4))
def test_arrays_come_back(arrays: dict[str, Any]) -> None:
    content = encode(Message({"a": [1, "b", None]}, arrays))
    for found in (decode(content), read_message(io.BytesIO(content).read)):
        assert found.fields == {"a": [1, "b", None]}
        assert list(found.arrays) == list(arrays)
        for name, each in arrays.items():
            there = found.arrays[name]
            assert there.shape == each.shape
            assert there.dtype == each.dtype
            assert there.tobytes() == each.tobytes()


def test_views_and_other_byte_orders_come_back() -> None:
    values = np.arange(24, dtype=">f8").reshape(4, 6).T[::2]
    found = decode(encode(Message({}, {"a": values}))).arrays["a"]
    assert np.array_equal(found, values)
    assert found.flags.writeable


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_other_bytes_are_no_message(content: bytes) -> None:
    with pytest.raises(InputError):
        decode(content)
    with pytest.raises(InputError):
        decode(PREFIX.pack(b"SGNY", len(content), 0) + content)


def header(fields: Any, arrays: Any, body: bytes = b"") -> bytes:
    text = json.dumps({"fields": fields, "arrays": arrays}).encode()
    return PREFIX.pack(b"SGNY", len(text), len(body)) + text + body


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ([["a", "|u1", [1 << 39, 1 << 39]]], "too large"),
        ([["a", "|u1", [1 << 20]]], "ends at"),
        ([["a", "|u1", [-1]]], "not all numbers are lengths"),
        ([["a", "|u1", [1.5]]], "not all numbers are lengths"),
        ([["a", "|u1", [True]]], "not all numbers are lengths"),
        ([["a", "|u1", [1] * 5]], "up to four"),
        ([["a", "|O", [1]]], "type"),
        ([["a", "<f2", [1]]], "type"),
        ([["a", [], [1]]], "type"),
        ([["", "|u1", [1]]], "no name"),
        ([["a", "|u1"]], "lacks"),
        ([["a", "|u1", [1]], ["a", "|u1", [1]]], "two arrays"),
        ([["a", "|u1", [1]]], "are used"),
        ([["a", "|b1", [2]]], "neither true nor false"),
        ({"a": 1}, "no JSON"),
        (None, "no JSON"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        decode(header({}, arrays, b"\x02\x07"))


def test_long_and_deep_headers_are_refused() -> None:
    deep = b"[" * 100_000
    for content in (
        PREFIX.pack(b"SGNY", len(deep), 0) + deep,
        PREFIX.pack(b"SGNY", 1 << 31, 0),
        header({"a": float("nan")}, []),
        header([], []),
    ):
        with pytest.raises(InputError):
            decode(content)


def test_a_stream_that_ends_early() -> None:
    content = encode(Message({}, {"a": np.zeros(8)}))
    with pytest.raises(EOFError):
        read_message(io.BytesIO(content[:-1]).read)


def test_what_messages_cannot_hold() -> None:
    with pytest.raises(InputError, match="complex128"):
        encode(Message({}, {"a": np.zeros(2, complex)}))
    with pytest.raises(ValueError, match="JSON"):
        encode(Message({"a": float("inf")}))
