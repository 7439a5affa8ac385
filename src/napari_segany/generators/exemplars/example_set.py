"""Examples of objects as frozen features, which recipes carry; read without torch."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError

if TYPE_CHECKING:
    from napari_segany.generators.exemplars.descriptors import Descriptors

COLOURS = 9
"""Numbers about colours of an example: those of its pixels, and of the ring around it."""

MOST_EXAMPLES = 200
"""Examples and negatives of a set at most."""

MOST_FEATURES = 16384
"""Features of an example at most."""


@dataclass(frozen=True)
class Exemplar:
    """One example.

    Attributes
    ----------
    features : str
        float16 numbers in base64, lowest byte first: the features of its pixels, those of the ring
        around it, and colours (:class:`generators.exemplars.descriptors.Descriptors`).
    area : float
        Pixels.
    elongation, filling : float
        Measures of its shape, as of the descriptors.

    Raises
    ------
    InputError
        If the features are damaged, or a number is out of range.
    """

    features: str
    area: float
    elongation: float
    filling: float

    def __post_init__(self) -> None:
        values = self.decoded()
        if len(values) % 2 != COLOURS % 2 or not COLOURS < len(values) <= MOST_FEATURES:
            raise InputError(f"An example has {len(values)} features, which are no features.")
        numbers = np.array([self.area, self.elongation, self.filling])
        if not (np.isfinite(values).all() and np.isfinite(numbers).all() and self.area >= 1):
            raise InputError("An example has an area below 1, or a number that is not finite.")

    @property
    def channels(self) -> int:
        """Number of features of the pixels."""
        return (len(self.decoded()) - COLOURS) // 2

    def decoded(self) -> NDArray[np.float32]:
        """Return all features as float32.

        Raises
        ------
        InputError
            If they are damaged.
        """
        try:
            raw = base64.b64decode(self.features, validate=True)
            return np.frombuffer(raw, "<f2").astype(np.float32)
        except (binascii.Error, ValueError, TypeError):
            raise InputError("The features of an example are damaged.") from None


@dataclass(frozen=True)
class ExampleSet:
    """Examples of the objects to find, and negatives: objects that are not wanted.

    Attributes
    ----------
    model : str
        Name of the model whose features these are.
    weights_sha256 : str
        Hash of its weights.
    finder : str
        Hash of the finder that proposes objects; empty for none.
    examples, negatives : tuple of Exemplar
        At least one example.

    Raises
    ------
    InputError
        If there is no example, too many, or they have different numbers of features.
    """

    model: str
    weights_sha256: str
    finder: str
    examples: tuple[Exemplar, ...]
    negatives: tuple[Exemplar, ...] = ()

    def __post_init__(self) -> None:
        if not self.examples:
            raise InputError("There is no example of the objects to find; give at least one.")
        together = (*self.examples, *self.negatives)
        if len(together) > MOST_EXAMPLES:
            raise InputError(
                f"There are {len(together)} examples; at most {MOST_EXAMPLES} are compared. Give "
                "the most different ones."
            )
        if len({each.channels for each in together}) != 1:
            raise InputError("The examples have different numbers of features.")

    @property
    def side(self) -> float:
        """Median side of the examples in pixels, as of a square."""
        return float(np.sqrt(np.median([each.area for each in self.examples])))

    @property
    def summary(self) -> str:
        """The numbers of examples and negatives in words."""
        count = len(self.examples)
        text = f"{count} example{'s' if count > 1 else ''}"
        return f"{text}, {len(self.negatives)} not wanted" if self.negatives else text

    def check_model(self, model: str, sha256: str) -> None:
        """Raise InputError unless these are features of a model, by its name and hash."""
        if self.weights_sha256 != sha256:
            raise InputError(
                f"The examples are features of {self.model} (sha256 "
                f"{self.weights_sha256[:12]}...), and {model} has other weights. Use the same "
                "model, or give the examples again."
            )

    def with_more(
        self, examples: Sequence[Exemplar] = (), negatives: Sequence[Exemplar] = ()
    ) -> "ExampleSet":
        """Return the set with more examples and negatives."""
        return ExampleSet(
            self.model,
            self.weights_sha256,
            self.finder,
            (*self.examples, *examples),
            (*self.negatives, *negatives),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON files hold them."""
        values = asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ExampleSet":
        """Undo :meth:`to_dict`.

        Raises
        ------
        InputError
            If the values are no set of examples.
        """
        try:
            given = dict(values)
            for name in ("examples", "negatives"):
                given[name] = tuple(Exemplar(**each) for each in given.get(name, ()))
            return cls(**given)
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("These are no examples of objects.") from error


def freeze(found: "Descriptors") -> tuple[Exemplar, ...]:
    """Return descriptors of masks in the form that recipes hold."""
    columns = (found.inside, found.around, found.colour, found.colour_around)
    values = np.concatenate(columns, axis=1).astype("<f2")
    return tuple(
        Exemplar(
            base64.b64encode(row.tobytes()).decode("ascii"),
            *(float(each) for each in numbers),
        )
        for row, *numbers in zip(values, found.area, found.elongation, found.filling, strict=True)
    )


def thaw(examples: Sequence[Exemplar]) -> dict[str, NDArray[np.float32]]:
    """Return the columns of :class:`Descriptors` of one or more examples, by name."""
    values = np.stack([each.decoded() for each in examples])
    ends = np.cumsum([examples[0].channels] * 2 + [6])
    inside, around, colour, colour_around = np.split(values, ends, axis=1)
    numbers = [(each.area, each.elongation, each.filling) for each in examples]
    area, elongation, filling = np.array(numbers, np.float32).T
    return {
        "inside": inside,
        "around": around,
        "colour": colour,
        "colour_around": colour_around,
        "area": area,
        "elongation": elongation,
        "filling": filling,
    }
