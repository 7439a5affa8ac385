from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
import pytest

from napari_segany.core.parameter_info import (
    KEY,
    check_parameters,
    choice,
    defaults_of,
    flag,
    integer,
    number,
    parameters_of,
    structure,
    with_parameter_docs,
)
from napari_segany.errors import InputError


@with_parameter_docs
@dataclass(frozen=True)
class Sample:
    """Parameters with one field of each kind."""

    count: int = field(default=3, metadata=integer("Count", "Number of things.", (1, 9)))
    area: int = field(default=0, metadata=integer("Area", "Least area.", (0, inf), "pixels"))
    share: float | None = field(
        default=None, metadata=number("Share", "Part of it.", (0, 0.5), "fraction", unset="auto")
    )
    kind: str = field(
        default="a", metadata=choice("Kind", "Kind of it.", {"a": "first", "b": "second", "c": "c"})
    )
    exact: bool = field(default=False, metadata=flag("Exact", "Be exact.", advanced=True))
    nested: Any = field(default=None, metadata=structure("Nested", "Anything."))
    plain: str = "not described"

    def __post_init__(self) -> None:
        check_parameters(self)


def test_descriptions_and_defaults_are_those_of_the_described_fields() -> None:
    assert list(parameters_of(Sample)) == ["count", "area", "share", "kind", "exact", "nested"]
    assert dict(defaults_of(Sample)) == {
        "count": 3,
        "area": 0,
        "share": None,
        "kind": "a",
        "exact": False,
        "nested": None,
    }
    assert parameters_of(Sample)["kind"].values == ("a", "b", "c")
    assert [info.range for info in parameters_of(Sample).values()] == [
        *("1..9", "0 or more", "0..0.5"),
        *("", "", ""),
    ]
    assert KEY not in Sample.__dataclass_fields__["plain"].metadata


def test_the_docstring_has_every_parameter() -> None:
    assert Sample.__doc__ is not None
    summary, _, attributes = Sample.__doc__.partition("\n\nAttributes\n----------\n")
    assert summary == "Parameters with one field of each kind."
    assert "count : int\n    Number of things.\n" in attributes
    assert "share : float or None\n    Part of it.\n" in attributes
    assert 'kind : {"a", "b", "c"}\n' in attributes
    assert "plain" not in attributes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count must be a whole number in 1..9, got 0."),
        ({"count": 1.0}, "count must be a whole number in 1..9, got 1.0."),
        ({"count": None}, "count must be a whole number in 1..9, got None."),
        ({"area": -1}, "area must be a whole number, 0 or more, got -1."),
        ({"share": 0.6}, "share must be a number in 0..0.5, got 0.6."),
        ({"kind": "d"}, "kind must be one of a, b, c, got 'd'."),
        ({"exact": 1}, "exact must be true or false, got 1."),
    ],
)
def test_wrong_values_are_told(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        Sample(**values)
    assert str(error.value) == message


def test_numbers_of_numpy_become_plain_ones() -> None:
    sample = Sample(count=np.int16(4), share=np.float32(0.5))  # type: ignore[arg-type]
    assert (type(sample.count), type(sample.share)) == (int, float)
    assert sample == Sample(count=4, share=0.5)
    assert Sample(share=None).share is None
