"""Descriptions of parameters: each is written once, in the metadata of a dataclass field.

Checks, the command line, the forms of the docks, docstrings and the documentation's tables are made
from them.
"""

import inspect
import re
import textwrap
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from math import inf
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast

from napari_segany.errors import InputError

Kind = Literal[
    "integer", "number", "choice", "flag", "hash", "finder", "name", "phrases", "structure"
]
"""Kinds of values; the class of a structure checks it itself."""

Unit = Literal["", "pixels", "points", "logits", "fraction"]
"""Units of numbers."""

MODELS_OWN = "the model's own"
"""Meaning of None for the thresholds that models bring along."""

HASH = re.compile("[0-9a-f]+")
"""A hash in hexadecimal."""

LONGEST_PHRASE = 200
"""Characters of the longest phrase."""

KEY = "parameter"
"""Key of the description in the metadata of a field."""

Described = Mapping[str, "ParameterInfo"]
"""Metadata of a field that describes its parameter."""

T = TypeVar("T")


@dataclass(frozen=True)
class ParameterInfo:
    """Description of one parameter.

    Attributes
    ----------
    label : str
        Name on screens.
    help : str
        One or two sentences that say what the parameter does.
    kind : {"integer", "number", "choice", "flag", "hash", "finder", "name", "phrases", "structure"}
        Kind of its values; a finder is named by its hash.
    low, high : float
        Least and greatest number, both allowed.
    unit : str
        Unit of the number; empty for plain numbers.
    choices : tuple of (str, str)
        Value and name on screens of each choice.
    advanced : bool
        Whether forms fold it away.
    unset : str
        Meaning of None on screens, such as "the model's own"; empty where None is no value.
    name : str
        Name of the field, as in recipes and in Python; empty for what is no field.
    """

    label: str
    help: str
    kind: Kind
    low: float = -inf
    high: float = inf
    unit: Unit = ""
    choices: tuple[tuple[str, str], ...] = ()
    advanced: bool = False
    unset: str = ""
    name: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """The values of the choices."""
        return tuple(value for value, _ in self.choices)

    @property
    def range(self) -> str:
        """The range of a number in words; empty for other kinds."""
        if self.kind not in ("integer", "number"):
            return ""
        return f"{self.low:g} or more" if self.high > 2**32 else f"{self.low:g}..{self.high:g}"

    def checked(self, name: str, value: Any) -> Any:
        """Return a value of the parameter as a plain Python value.

        Parameters
        ----------
        name : str
            Name of the field, for the error message.
        value : object
            Value to check; numbers may be those of NumPy.

        Raises
        ------
        InputError
            If the parameter cannot have this value.
        """
        if self.kind == "structure" or (value is None and self.unset):
            return value
        if self.kind == "flag":
            if not isinstance(value, bool):
                raise InputError(f"{name} must be true or false, got {value!r}.")
            return value
        if self.kind in ("hash", "finder"):
            if not (isinstance(value, str) and HASH.fullmatch(value)):
                raise InputError(f"{name} must be a hash in hexadecimal, got {value!r}.")
            return value
        if self.kind == "name":
            if not (isinstance(value, str) and value.strip()):
                raise InputError(f"{name} must be a name, got {value!r}.")
            return value.strip()
        if self.kind == "phrases":
            return _phrases(name, value)
        if self.kind == "choice":
            if value not in self.values:
                raise InputError(f"{name} must be {_one_of(self.values)}, got {value!r}.")
            return value
        whole = self.kind == "integer"
        is_number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high:
            noun = "whole number" if whole else "number"
            unbounded = self.high == inf
            limits = f", {self.low:g} or more" if unbounded else f" in {self.low:g}..{self.high:g}"
            raise InputError(f"{name} must be a {noun}{limits}, got {value!r}.")
        # JSON does not know the numbers of NumPy.
        return int(value) if whole else float(value)


def integer(
    label: str,
    help: str,
    bounds: tuple[float, float],
    unit: Unit = "",
    *,
    advanced: bool = False,
    unset: str = "",
) -> Described:
    """Return the metadata of a whole number; both bounds are allowed values."""
    info = ParameterInfo(label, help, "integer", *bounds, unit, advanced=advanced, unset=unset)
    return {KEY: info}


def number(
    label: str,
    help: str,
    bounds: tuple[float, float],
    unit: Unit = "",
    *,
    advanced: bool = False,
    unset: str = "",
) -> Described:
    """Return the metadata of a floating-point number; both bounds are allowed values."""
    info = ParameterInfo(label, help, "number", *bounds, unit, advanced=advanced, unset=unset)
    return {KEY: info}


def choice(
    label: str, help: str, choices: Mapping[str, str], *, advanced: bool = False
) -> Described:
    """Return the metadata of a choice; ``choices`` maps values to their names on screens."""
    return {
        KEY: ParameterInfo(label, help, "choice", choices=tuple(choices.items()), advanced=advanced)
    }


def flag(label: str, help: str, *, advanced: bool = False) -> Described:
    """Return the metadata of a boolean."""
    return {KEY: ParameterInfo(label, help, "flag", advanced=advanced)}


def content_hash(label: str, help: str, *, unset: str) -> Described:
    """Return the metadata of a hash that names a file by its content."""
    return {KEY: ParameterInfo(label, help, "hash", advanced=True, unset=unset)}


def finder_hash(label: str, help: str, *, unset: str) -> Described:
    """Return the metadata of a finder, which is named by the hash of its file."""
    return {KEY: ParameterInfo(label, help, "finder", unset=unset)}


def model_name(label: str, help: str, *, unset: str) -> Described:
    """Return the metadata of the name of a model."""
    return {KEY: ParameterInfo(label, help, "name", unset=unset)}


def phrases(label: str, help: str, *, advanced: bool = False) -> Described:
    """Return the metadata of phrases that a person writes."""
    return {KEY: ParameterInfo(label, help, "phrases", advanced=advanced)}


def structure(label: str, help: str) -> Described:
    """Return the metadata of a nested value, which its class checks."""
    return {KEY: ParameterInfo(label, help, "structure", advanced=True)}


def parameters_of(cls: type) -> Mapping[str, ParameterInfo]:
    """Return the descriptions of a dataclass's parameters by field name, in their order."""
    return _described_fields(cast(Hashable, cls))[0]


def defaults_of(cls: type) -> Mapping[str, Any]:
    """Return the default values of a dataclass's parameters by field name."""
    return _described_fields(cast(Hashable, cls))[1]


@cache
def _described_fields(cls: Any) -> tuple[Mapping[str, ParameterInfo], Mapping[str, Any]]:
    """Return the descriptions and defaults of the fields that have a description."""
    described = [field for field in fields(cls) if KEY in field.metadata]
    infos = {field.name: replace(field.metadata[KEY], name=field.name) for field in described}
    return MappingProxyType(infos), MappingProxyType({f.name: f.default for f in described})


def check_parameters(values: Any) -> None:
    """Check every described field of a frozen dataclass and store plain Python values.

    Raises
    ------
    InputError
        If a value is out of range; the message names the field.
    """
    for name, info in parameters_of(type(values)).items():
        object.__setattr__(values, name, info.checked(name, getattr(values, name)))


def with_parameter_docs(cls: type[T]) -> type[T]:
    """Add the section "Attributes" to a dataclass's docstring, made from its parameters."""
    lines = ["Attributes", "----------"]
    for name, info in parameters_of(cls).items():
        nothing = " or None" if defaults_of(cls)[name] is None else ""
        lines.append(f"{name} : {_type_name(info)}{nothing}")
        lines += textwrap.wrap(
            info.help, 96, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
    # Docstrings are left out under ``python -OO``.
    if cls.__doc__ is not None:
        cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__), "", *lines, ""])
    return cls


def _type_name(info: ParameterInfo) -> str:
    if info.kind == "choice":
        return "{" + ", ".join(f'"{value}"' for value in info.values) + "}"
    if info.kind in ("hash", "finder", "name"):
        return "str"
    return {"integer": "int", "number": "float", "flag": "bool"}.get(info.kind, "tuple")


def _phrases(name: str, value: Any) -> tuple[str, ...]:
    """Return phrases with single spaces between their words, each of them once."""
    given = value if isinstance(value, (list, tuple)) else None
    if given is None or not all(isinstance(each, str) for each in given):
        raise InputError(f"{name} must be a list of phrases, got {value!r}.")
    clean = [" ".join(each.split()) for each in given]
    for each in clean:
        if not each or len(each) > LONGEST_PHRASE:
            raise InputError(
                f"{name} must be phrases of 1 to {LONGEST_PHRASE} characters, got {each[:60]!r}."
            )
    return tuple(dict.fromkeys(clean))


def _one_of(values: tuple[str, ...]) -> str:
    if len(values) == 2:
        return f"{values[0]!r} or {values[1]!r}"
    return f"one of {', '.join(values)}"
