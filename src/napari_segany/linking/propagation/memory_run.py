"""Propagation by memory: a video model recalls each object from the planes it was seen on.

The memory of a span consists of the prompted planes at its ends and of the latest planes on the
way from one of them. So what is found in a span depends on its ends only, and a correction reaches
as far as the next prompted planes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.linking.propagation.chains import Chain
from napari_segany.linking.propagation.result import Given
from napari_segany.linking.propagation.run import PropagationRun
from napari_segany.linking.propagation.spans import PlaneAnswer
from napari_segany.linking.propagation.step import Judged, PlaneQuestion
from napari_segany.models.protocol import Embedding
from napari_segany.models.video_protocol import ObjectMemory, Recalled, video_memory_of

OBJECTS_AT_ONCE = 32
"""Objects that are followed together, which bounds memory: each takes about 4 MB."""


class MemoryRun(PropagationRun):
    """A run with a model that has video memory.

    Parameters
    ----------
    prompts : mapping
        The prompts of each object by plane.
    arguments
        Those of :class:`PropagationRun`.

    Raises
    ------
    InputError
        If the model has no video memory.
    WeightsError
        If its weights have none.
    """

    def __init__(self, prompts: Mapping[int, Mapping[int, Given]], *arguments: Any) -> None:
        super().__init__(*arguments)
        self._prompts = prompts
        self._memory = video_memory_of(self._model)
        self._kept: dict[Chain, ObjectMemory] = {}
        self._recalled: dict[Chain, Recalled] = {}

    def _passes(self, chains: Sequence[Chain]) -> Iterable[tuple[bool, Sequence[Chain]]]:
        """Return passes of a few objects each."""
        objects = sorted({chain.object for chain in chains})
        for start in range(0, len(objects), OBJECTS_AT_ONCE):
            some = set(objects[start : start + OBJECTS_AT_ONCE])
            yield from super()._passes([chain for chain in chains if chain.object in some])

    def _predict(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[MaskSet]:
        seen = self._memory.see(embedding, prompts, self._should_stop)
        return [each.mask.without_logits() for each in seen]

    def _ask(
        self, plane: int, question: PlaneQuestion, ready: Sequence[Chain]
    ) -> list[tuple[Judged, str]]:
        self._begin([chain for chain in ready if chain not in self._kept])
        kept = [self._kept[chain] for chain in ready]
        embedding = question.view.embedding
        recalled = self._memory.recall(embedding, plane, kept, self._should_stop)
        self._recalled = dict(zip(ready, recalled, strict=True))
        expected = [chain.expect(plane, self._params, self._spacing) for chain in ready]
        judged = question.judge(expected, [each.mask.without_logits() for each in recalled])
        least = self._params.min_presence
        return [
            (one, "presence" if each.presence < least else end)
            for each, (one, end) in zip(recalled, judged, strict=True)
        ]

    def _begin(self, chains: Sequence[Chain]) -> None:
        """Remember objects on the prompted planes at the ends of their spans."""
        ends: dict[Chain, list[int]] = {}
        for chain in chains:
            far = chain.span.last if chain.forward else chain.span.first
            ends[chain] = [chain.start.plane]
            if chain.far is not None and far is not None:
                ends[chain].append(far)
        seen: dict[Chain, dict[int, Any]] = {chain: {} for chain in chains}
        for plane in sorted({plane for each in ends.values() for plane in each}):
            here = [chain for chain in chains if plane in ends[chain]]
            given = [self._given(chain.object, plane) for chain in here]
            found = self._memory.see(self._view(plane).embedding, given, self._should_stop)
            for chain, each in zip(here, found, strict=True):
                seen[chain][plane] = each.memory
        for chain in chains:
            self._kept[chain] = self._memory.begin(seen[chain], chain.forward, len(self._planes))

    def _given(self, i: int, plane: int) -> Prompt | MaskSet:
        given = self._prompts[i][plane]
        assert given is not None, "spans end at planes on which the object is"
        return given

    def _note(self, plane: int, chain: Chain, known: Mapping[int, PlaneAnswer]) -> None:
        """Remember what was found of an object, or that it is not there.

        A mask beyond the limits is neither, and would mislead the planes to come.
        """
        recalled = self._recalled.pop(chain)
        if plane in known or not recalled.mask.area[0]:
            self._kept[chain].add(plane, recalled.memory)
        super()._note(plane, chain, known)

    def _step(self, plane: int, ready: Sequence[Chain]) -> None:
        super()._step(plane, ready)
        for chain in list(self._kept):
            if chain.end or not chain.leads_through(plane + (1 if chain.forward else -1)):
                del self._kept[chain]
