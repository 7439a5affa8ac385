"""A model that sees bright regions and remembers where an object was: no networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import numpy as np
from scipy import ndimage
from tests.linking.propagation.bright import THRESHOLD, BrightModel

from napari_segany import MaskSet, Prompt
from napari_segany.core.callbacks import check
from napari_segany.models.video_protocol import Recalled


@dataclass(eq=False)
class Place:
    """The memory of one plane: the object's mask there."""

    mask: MaskSet
    nbytes: int = 1


class Places:
    """The memory of one object: all planes, those of prompts apart."""

    nbytes = 1

    def __init__(self, prompted: Mapping[int, Place], forward: bool) -> None:
        self.prompted, self.forward = dict(prompted), forward
        self.passed: dict[int, Place] = {}

    def add(self, plane: int, memory: Place) -> None:
        self.passed[plane] = memory

    @property
    def latest(self) -> MaskSet:
        start = min(self.prompted) if self.forward else max(self.prompted)
        kept = [each for each in self.passed.values() if each.mask.area[0]]
        return (kept or [self.prompted[start]])[-1].mask


@dataclass
class RememberingModel(BrightModel):
    """Finds the bright region that covers most of the latest mask; absent where there is none."""

    seen: list[tuple[int, ...]] = field(default_factory=list)
    alive: Any = field(default_factory=WeakSet)

    def video_memory(self) -> "RememberingModel":
        return self

    def see(
        self, embedding: Any, given: Sequence[Prompt | MaskSet], should_stop: Any = None
    ) -> list[Recalled]:
        check(should_stop)
        masks = [
            each if isinstance(each, MaskSet) else self._answer_bright(embedding.image, each)[:1]
            for each in given
        ]
        return [Recalled(mask, 1.0, Place(mask)) for mask in masks]

    def begin(self, prompted: Mapping[int, Any], forward: bool, count: int) -> Places:
        self.seen.append(tuple(sorted(prompted)))
        begun = Places(prompted, forward)
        self.alive.add(begun)
        return begun

    def recall(
        self, embedding: Any, plane: int, objects: Sequence[Places], should_stop: Any = None
    ) -> list[Recalled]:
        check(should_stop)
        regions, _ = ndimage.label(embedding.image > THRESHOLD)
        found = []
        for each in objects:
            counts = np.bincount(regions[each.latest.mask(0)], minlength=2)[1:]
            region = (regions == 1 + counts.argmax()) & bool(counts.any())
            mask = MaskSet.from_masks(region[None], [0.95], [0.9])
            found.append(Recalled(mask, 0.9 if counts.any() else 0.1, Place(mask)))
        return found
