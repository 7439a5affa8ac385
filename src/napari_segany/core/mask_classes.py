"""Classes of masks: the phrase that each object of a set was found by, and its score."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.errors import InputError


@dataclass(frozen=True, eq=False)
class MaskClasses:
    """Classes of N masks.

    Attributes
    ----------
    names : tuple of str
        Every class that was searched for, found or not.
    index : ndarray
        (N,) int64, the class of each mask as an index into ``names``.
    scores : ndarray
        (N,) float32, score of each mask's class, 0..1.
    best : tuple of float
        The best score of each class in the plane, below the threshold or not; NaN where there was
        nothing to score.
    """

    names: tuple[str, ...]
    index: NDArray[np.int64]
    scores: NDArray[np.float32]
    best: tuple[float, ...]

    def __getitem__(self, chosen: NDArray[np.integer]) -> "MaskClasses":
        """Return the classes of some masks."""
        return MaskClasses(self.names, self.index[chosen], self.scores[chosen], self.best)

    @property
    def missing(self) -> tuple[int, ...]:
        """Indices of the classes that no mask has."""
        return tuple(k for k in range(len(self.names)) if not (self.index == k).any())

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return the columns of a table: name and score of each mask's class."""
        names = [self.names[k] for k in self.index.tolist()]
        return {"class": np.array(names, np.str_), "class_score": self.scores}

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return arrays from which :meth:`from_arrays` makes the same classes."""
        names = json.dumps(self.names).encode()
        return {
            "class_names": np.frombuffer(names, np.uint8),
            "class_index": self.index,
            "class_scores": self.scores,
            "class_best": np.array(self.best, np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "MaskClasses | None":
        """Undo :meth:`to_arrays`; None if there are no such arrays."""
        if "class_names" not in arrays:
            return None
        names = json.loads(np.asarray(arrays["class_names"], np.uint8).tobytes())
        index = np.asarray(arrays["class_index"], np.int64)
        if not ((index >= 0) & (index < len(names))).all():
            raise InputError("A mask has a class that has no name.")
        return cls(
            tuple(str(name) for name in names),
            index,
            np.asarray(arrays["class_scores"], np.float32),
            tuple(np.asarray(arrays["class_best"], np.float64).tolist()),
        )


def join_classes(parts: Iterable[tuple[MaskClasses | None, int]]) -> MaskClasses | None:
    """Join the classes of sets, given with their numbers of masks; None if no set has any.

    Raises
    ------
    InputError
        If masks with classes would be joined with masks without, or with other classes.
    """
    given = [(classes, count) for classes, count in parts if classes is not None or count]
    known = [classes for classes, _ in given if classes is not None]
    if not known:
        return None
    first = known[0]
    if len(known) < len(given) or any(each.names != first.names for each in known):
        raise InputError("Only mask sets with the same classes can be joined.")
    best = np.array([each.best for each in known], np.float64)
    return MaskClasses(
        first.names,
        np.concatenate([each.index for each in known]),
        np.concatenate([each.scores for each in known]),
        tuple(np.fmax.reduce(best, axis=0).tolist()),
    )
