"""Memories of objects: what SAM 2.1 and SAM 3 keep of the planes that they have seen them on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor


@dataclass(frozen=True, eq=False)
class PortedPlaneMemory:
    """The memory of one object on one plane, a :class:`PlaneMemory`.

    Attributes
    ----------
    features : Tensor or None
        (h * w, channels) bfloat16; None once they are too old.
    pointer : Tensor
        (C,) float32.
    """

    features: Tensor | None
    pointer: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        both = (self.features, self.pointer)
        return sum(each.numel() * each.element_size() for each in both if each is not None)


class PortedObjectMemory:
    """The memory of one object on its way in one direction, an :class:`ObjectMemory`.

    Parameters
    ----------
    prompted : mapping
        Memories of prompted planes, by plane.
    forward : bool
        The direction.
    frames, pointers : int
        Planes that are attended to, by their features and by their object pointers, with the
        present one.
    """

    def __init__(
        self, prompted: Mapping[int, Any], forward: bool, frames: int, pointers: int
    ) -> None:
        self._prompted: dict[int, PortedPlaneMemory] = dict(sorted(prompted.items()))
        self._sign = 1 if forward else -1
        self.frames, self.pointers = frames, pointers
        self._passed: dict[int, PortedPlaneMemory] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        kept = (*self._prompted.values(), *self._passed.values())
        return sum(each.nbytes for each in kept)

    def add(self, plane: int, memory: Any) -> None:
        """Add the memory of the next plane, and drop what is too old to matter."""
        self._passed[plane] = memory
        for other, each in list(self._passed.items()):
            distance = self._distance(other, plane) + 1
            if distance >= max(self.frames, self.pointers):
                del self._passed[other]
            elif distance >= self.frames and each.features is not None:
                self._passed[other] = replace(each, features=None)

    def _distance(self, other: int, plane: int) -> int:
        return (plane - other) * self._sign

    def features(self, plane: int) -> list[tuple[int, Tensor]]:
        """Return the features that a plane attends to, and how many planes ago each was seen.

        Those of prompted planes are first, with 0, whichever side they are on.
        """
        known = [(0, each.features) for each in self._prompted.values()]
        ago = sorted(((self._distance(p, plane), m) for p, m in self._passed.items()), key=_first)
        known += [(n, m.features) for n, m in reversed(ago) if n < self.frames]
        return [(n, each) for n, each in known if each is not None]

    def pointers_to(self, plane: int) -> list[tuple[int, Tensor]]:
        """Return the object pointers that a plane attends to, and how many planes ago each was."""
        behind = [(self._distance(p, plane), m.pointer) for p, m in self._prompted.items()]
        ago = sorted(((self._distance(p, plane), m) for p, m in self._passed.items()), key=_first)
        return [(n, each) for n, each in behind if n >= 0] + [
            (n, m.pointer) for n, m in ago if n < self.pointers
        ]


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]
