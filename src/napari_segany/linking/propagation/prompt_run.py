"""Propagation by prompts: the model is asked for each plane with the masks of the plane before."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.linking.propagation.chains import Chain
from napari_segany.linking.propagation.pixel_matching import KnownPixels
from napari_segany.linking.propagation.run import PropagationRun
from napari_segany.linking.propagation.step import Expectation, Judged, PlaneQuestion
from napari_segany.models.iterative import refine
from napari_segany.models.protocol import Embedding


class PromptRun(PropagationRun):
    """A run with any model that answers prompts.

    Parameters
    ----------
    arguments
        Those of :class:`PropagationRun`.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Pixels of chains that go on: on the prompted plane, and on the latest one.
        self._known: dict[Chain, tuple[KnownPixels, ...]] = {}

    def _predict(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[MaskSet]:
        """Return the best mask of each prompt; several points are refined in turn."""
        stop = self._should_stop
        single = [p for p in prompts if p.points is None or len(p.points) < 2]
        predicted = iter(
            self._model.predict(embedding, single, low_res_logits=False, should_stop=stop)
        )
        return [
            (
                next(predicted)
                if p.points is None or len(p.points) < 2
                else refine(self._model, embedding, p, should_stop=stop)
            )[:1].without_logits()
            for p in prompts
        ]

    def _ask(
        self, plane: int, question: PlaneQuestion, ready: Sequence[Chain]
    ) -> list[tuple[Judged, str]]:
        for chain in [each for each in self._known if not each.wants(plane)]:
            del self._known[chain]
        expected = [
            self._with_known(chain, chain.expect(plane, self._params, self._spacing))
            for chain in ready
        ]
        asked = question.ask(expected)
        prepared = self._model.prepare(question.view.embedding)
        for chain, (judged, end) in zip(ready, asked, strict=True):
            if chain in self._known and not end:
                latest = KnownPixels.of(judged.mask, question.view, prepared)
                self._known[chain] = (self._known[chain][0], latest)
        return asked

    def _with_known(self, chain: Chain, expected: Expectation) -> Expectation:
        """Return what is expected with the pixels that are known of it.

        Where the area is known that is expected, the shape is, too: pixels would say again what
        was there before.
        """
        if expected.area is not None:
            return expected
        if chain not in self._known:
            view = self._view(chain.start.plane)
            prepared = self._model.prepare(view.embedding)
            self._known[chain] = (KnownPixels.of(chain.start.mask, view, prepared),)
        return replace(expected, known=self._known[chain])
