"""Propagation by prompts: the model is asked for each plane with the masks of the plane before."""

from collections.abc import Sequence

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.linking.propagation.chains import Chain
from napari_segany.linking.propagation.run import PropagationRun
from napari_segany.linking.propagation.step import Judged, PlaneQuestion
from napari_segany.models.iterative import refine
from napari_segany.models.protocol import Embedding


class PromptRun(PropagationRun):
    """A run with any model that answers prompts."""

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
        return question.ask([chain.expect(plane, self._params, self._spacing) for chain in ready])
