"""Planes with a person's labels, and the part of them that is held back for figures."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.errors import InputError
from napari_segany.training.datasets import LARGE_ID

UNKNOWN = -1
"""Label of pixels of which nothing is known."""

PLANES_HELD_BACK = 4
"""Planes from which on whole planes are held back, one of that many; of fewer, a quarter of each
is: one whole plane would be too much to learn without."""

FEWEST_OBJECTS = 4
"""Objects that a plane needs before a quarter of it is held back."""

How = Literal["planes", "quarters", "nothing"]
"""What is held back."""


@dataclass(frozen=True)
class LabelledPlane:
    """A plane and its labels.

    Attributes
    ----------
    name : str
        Name for people.
    rgb : ndarray
        (H, W, 3) uint8, the plane as the model sees it.
    labels : ndarray
        (H, W) int32: 0 is background, 1, 2, ... objects, -1 unknown.
    """

    name: str
    rgb: NDArray[np.uint8]
    labels: NDArray[np.int32]

    @property
    def sha256(self) -> str:
        """Hash of the pixels and labels."""
        found = hashlib.sha256(repr(self.rgb.shape).encode())
        found.update(np.ascontiguousarray(self.rgb).tobytes())
        found.update(np.ascontiguousarray(self.labels).tobytes())
        return found.hexdigest()

    @property
    def objects(self) -> int:
        """Number of objects."""
        return len(np.unique(self.labels[self.labels > 0]))


@dataclass(frozen=True)
class Parts:
    """Planes to learn from and planes that are held back.

    Attributes
    ----------
    learned, held_back : tuple of LabelledPlane
        What is in the other part is unknown in each. Empty ``held_back`` if nothing is.
    how : {"planes", "quarters", "nothing"}
        What is held back.
    """

    learned: tuple[LabelledPlane, ...]
    held_back: tuple[LabelledPlane, ...]
    how: How


def label_plane(
    name: str,
    rgb: NDArray[np.uint8],
    labels: NDArray[Any],
    complete: NDArray[np.bool_] | None = None,
) -> LabelledPlane:
    """Return a plane with its labels checked.

    Parameters
    ----------
    name : str
        Of the plane, for messages.
    rgb : ndarray
        (H, W, 3) uint8.
    labels : ndarray
        (H, W) whole numbers: 0 is background, negative is unknown.
    complete : ndarray, optional
        (H, W) boolean, where every object is labelled. Objects that reach into it are taken whole;
        everything else outside is unknown. By default the whole plane.

    Raises
    ------
    InputError
        If shapes differ or labels are no whole numbers.
    """
    if labels.shape != rgb.shape[:2]:
        raise InputError(
            f"The labels of {name} have shape {labels.shape} and the plane {rgb.shape[:2]}; "
            "a plane needs labels of its own shape."
        )
    if labels.dtype.kind not in "iu":
        raise InputError(f"The labels of {name} are {labels.dtype}; labels are whole numbers.")
    if complete is not None and complete.shape != labels.shape:
        raise InputError(
            f"The complete region of {name} has shape {complete.shape} and the plane "
            f"{labels.shape}."
        )
    ids = np.unique(labels[labels > 0])
    if len(ids) and int(ids[-1]) > LARGE_ID:
        labels = np.where(labels > 0, np.searchsorted(ids, labels) + 1, np.minimum(labels, 0))
    known = np.where(labels < 0, UNKNOWN, labels).astype(np.int32)
    if complete is not None:
        inside = np.unique(known[complete & (known > 0)])
        known = np.where(complete | np.isin(known, inside), known, UNKNOWN).astype(np.int32)
    return LabelledPlane(name, rgb, known)


def hold_back(planes: Sequence[LabelledPlane]) -> Parts:
    """Divide planes into those that are learned from and those that figures are about.

    Of four planes or more, every fourth is held back, in the order of a hash of their content. Of
    fewer, a quarter of each is held back, and every object is wholly in the part that most of its
    pixels lie in.

    Parameters
    ----------
    planes : sequence of LabelledPlane
        In any order.
    """
    able = [each for each in planes if each.objects]
    if len(able) >= PLANES_HELD_BACK:
        order = sorted(able, key=lambda each: each.sha256)
        chosen = {id(each) for each in order[: len(able) // PLANES_HELD_BACK]}
        learned = tuple(each for each in planes if id(each) not in chosen)
        return Parts(learned, tuple(each for each in planes if id(each) in chosen), "planes")
    divided = [_divide(each) for each in planes]
    held_back = tuple(held for _, held in divided if held is not None)
    how: How = "quarters" if held_back else "nothing"
    return Parts(tuple(learned for learned, _ in divided), held_back, how)


def _divide(plane: LabelledPlane) -> tuple[LabelledPlane, LabelledPlane | None]:
    """Return a plane without one of its quarters, and with that quarter alone."""
    labels = plane.labels
    ids = np.unique(labels[labels > 0])
    if len(ids) < FEWEST_OBJECTS:
        return plane, None
    middles = np.array(ndimage.center_of_mass(labels > 0, labels, ids))
    split = np.array(labels.shape) / 2
    sides = middles >= split
    counts = [int((sides == quarter).all(axis=1).sum()) for quarter in np.ndindex(2, 2)]
    # The quarter whose share of the objects is nearest to a quarter, and not empty.
    wanted = len(ids) / 4
    best = min(
        (number for number, count in enumerate(counts) if 0 < count < len(ids)),
        key=lambda number: (abs(counts[number] - wanted), number),
        default=None,
    )
    if best is None:
        return plane, None
    quarter = np.unravel_index(best, (2, 2))
    rows, cols = np.indices(labels.shape)
    inside = ((rows >= split[0]) == quarter[0]) & ((cols >= split[1]) == quarter[1])
    held_ids = ids[(sides == np.array(quarter)).all(axis=1)]
    held = np.where(labels > 0, np.isin(labels, held_ids), inside)
    return (
        replace(plane, labels=np.where(held, UNKNOWN, labels).astype(np.int32)),
        replace(plane, labels=np.where(held, labels, UNKNOWN).astype(np.int32)),
    )
