"""Classes of objects and the labelled objects that teach them, as recipes hold them.

Read without torch and scikit-learn.
"""

import re
from dataclasses import dataclass

from napari_segany.errors import InputError
from napari_segany.generators.exemplars.example_set import Exemplar

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
"""Colours of classes in their order, which colour-blind people tell apart (Okabe and Ito)."""

MOST_CLASSES = 9
"""Classes that keys can name."""

MOST_OBJECTS = 5000
"""Labelled objects of a set at most."""


@dataclass(frozen=True)
class ObjectClass:
    """A class of objects.

    Attributes
    ----------
    name : str
        Its name.
    colour : str
        "#rrggbb".
    left_out : bool
        True if objects of this class are left out of labels and tables.

    Raises
    ------
    InputError
        If the name is empty or the colour is none.
    """

    name: str
    colour: str
    left_out: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > 100:
            raise InputError(f"A class has a name of 1 to 100 characters, got {self.name[:40]!r}.")
        if not re.fullmatch("#[0-9a-fA-F]{6}", self.colour):
            raise InputError(f"A colour is written #rrggbb, got {self.colour[:40]!r}.")


@dataclass(frozen=True)
class ClassSet:
    """Classes, and the objects that a person has given to them.

    Attributes
    ----------
    model : str
        Name of the model whose features the objects have.
    weights_sha256 : str
        Hash of its weights.
    classes : tuple of ObjectClass
        Two to nine.
    objects : tuple of Exemplar
        Features of the labelled objects.
    labels : tuple of int
        The class of each object, as an index into ``classes``.

    Raises
    ------
    InputError
        If there are too few or too many classes, two of one name, or labels that do not fit.
    """

    model: str
    weights_sha256: str
    classes: tuple[ObjectClass, ...]
    objects: tuple[Exemplar, ...] = ()
    labels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= MOST_CLASSES:
            raise InputError(
                f"Objects are sorted into 2 to {MOST_CLASSES} classes, got {len(self.classes)}."
            )
        if len(set(self.names)) < len(self.classes):
            raise InputError("Two classes have the same name.")
        if len(self.objects) != len(self.labels):
            raise InputError(f"{len(self.objects)} objects have {len(self.labels)} labels.")
        if len(self.objects) > MOST_OBJECTS:
            raise InputError(f"At most {MOST_OBJECTS} labelled objects can be learned from.")
        if not all(0 <= each < len(self.classes) for each in self.labels):
            raise InputError("An object has a class that does not exist.")
        if len({each.channels for each in self.objects}) > 1:
            raise InputError("The labelled objects have different numbers of features.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(each.name for each in self.classes)

    @property
    def is_ready(self) -> bool:
        """True if objects of two classes are labelled, so that others can follow."""
        return len(set(self.labels)) > 1

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of labelled objects of each class."""
        return tuple(self.labels.count(k) for k in range(len(self.classes)))

    def check_model(self, model: str, sha256: str) -> None:
        """Raise InputError unless the objects have features of a model, by its name and hash."""
        if self.weights_sha256 != sha256:
            raise InputError(
                f"The classes were learned from features of {self.model} (sha256 "
                f"{self.weights_sha256[:12]}...), and {model} has other weights. Use the same "
                "model, or label objects again."
            )


def usual_classes(names: tuple[str, ...]) -> tuple[ObjectClass, ...]:
    """Return classes with the usual colours."""
    return tuple(ObjectClass(n, COLOURS[i % len(COLOURS)]) for i, n in enumerate(names))
