from dataclasses import dataclass, field
from typing import Annotated

import pytest
from annotated_types import Ge, Le
from typing_extensions import TypedDict

from napari_segany.errors import InputError
from napari_segany.schema import from_json


@dataclass(frozen=True)
class Inner:
    count: int = 0


@dataclass(frozen=True)
class Outer:
    name: str
    shape: tuple[int, ...] = ()
    inner: Inner = field(default_factory=Inner)
    scale: float = 1.0


class Loose(TypedDict):
    label: int


class Bounded(TypedDict):
    size: Annotated[float, Ge(-1e300), Le(1e300)]


def test_dataclasses_within_dataclasses_are_made() -> None:
    text = '{"name": "a", "shape": [1, 2], "inner": {"count": 3}, "scale": 2}'
    assert from_json(Outer, text, "It") == Outer("a", (1, 2), Inner(3), 2.0)
    assert from_json(Outer, b"\xef\xbb\xbf" + text.encode(), "It").name == "a"
    assert from_json(Loose, '{"label": 1}', "It") == {"label": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "It cannot be read: invalid JSON"),
        ("[]", "It cannot be read"),
        ("{}", "name: "),
        ('{"name": 3}', "name: .* got 3"),
        ('{"name": "a", "other": 1}', "other: "),
        ('{"name": "a", "inner": {"other": 1}}', "inner.other: "),
        ('{"name": "a", "inner": {"count": 1.5}}', "inner.count: .* got 1.5"),
        ('{"name": "a", "inner": {"count": true}}', "inner.count: "),
        ('{"name": "a", "shape": [1, "2"]}', "shape.1: .* got '2'"),
        ('{"name": "\ud800"}', "It cannot be read"),
    ],
)
def test_the_first_wrong_value_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_json(Outer, text, "It")


def test_long_values_are_cut_and_escaped() -> None:
    with pytest.raises(InputError) as caught:
        from_json(Loose, '{"label": "' + "\\u001b" * 1000 + '"}', "It")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", ["NaN", "1e301"])
def test_large_bounds_are_short(value: str) -> None:
    with pytest.raises(
        InputError, match=r"size: .* than or equal to 1e\+300, got (nan|1e\+301)\.$"
    ):
        from_json(Bounded, f'{{"size": {value}}}', "It")
