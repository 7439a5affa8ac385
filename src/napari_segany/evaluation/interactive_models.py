"""Interactive models that can be evaluated: SAM models, and classical baselines."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian, sobel
from skimage.segmentation import random_walker, watershed

from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.models.protocol import PromptableModel


class SamInteractiveModel:
    """Interactive model of Segment Anything; every click refines the previous confident mask.

    The first choice after the first click is the candidate with the highest predicted IoU. After
    further clicks it is the single-mask output, as in the paper; the three are offered beside it.

    Parameters
    ----------
    model : PromptableModel
        Model that answers the clicks.
    limits : tuple, optional
        Intensities that become black and white.
    ranking : {"predicted_iou", "plausible"}
        Choice among three candidates: the one with the highest predicted IoU, as in the paper,
        or, as in the widgets, the best of those that do not cover more than half of the plane.
    """

    def __init__(
        self,
        model: PromptableModel,
        limits: Limits | None = None,
        ranking: Ranking = "predicted_iou",
    ) -> None:
        self.model, self.limits, self.ranking = model, limits, ranking
        self.name = model.id if ranking == "predicted_iou" else f"{model.id}, {ranking}"
        self.identity = [model.weights.sha256, model.precision, model.device.type]
        self._embedding: Any = None
        self._logits: Any = None

    def begin(self, image: NDArray[np.generic]) -> None:
        """See :class:`InteractiveModel`."""
        self._embedding = self.model.embed(image, limits=self.limits)
        self._logits = None

    def begin_object(self) -> None:
        """See :class:`InteractiveModel`."""
        self._logits = None

    def click(
        self, points: NDArray[np.float64], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
        """See :class:`InteractiveModel`."""
        prompt = Prompt(points, labels, mask_logits=self._logits)
        found = self.model.predict(
            self._embedding, prompt, multimask=_multimask(labels), ranking=self.ranking
        )
        assert found.low_res_logits is not None
        self._logits = found.low_res_logits[0]
        return np.stack([found.mask(i) for i in range(len(found))]), found.predicted_iou

    def click_together(
        self,
        clicks: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]],
        memories: Sequence[Any],
    ) -> Any:
        """Predict masks and logits of many objects, each from its clicks and previous logits."""
        prompts = [
            Prompt(points, labels, mask_logits=memory)
            for (points, labels), memory in zip(clicks, memories, strict=True)
        ]
        wanted = _multimask(clicks[0][1])
        answers = self.model.predict(
            self._embedding, prompts, multimask=wanted, ranking=self.ranking
        )
        for found in answers:
            assert found.low_res_logits is not None
            masks = np.stack([found.mask(i) for i in range(len(found))])
            yield masks, found.low_res_logits[0].copy()


def _multimask(labels: NDArray[np.int64]) -> Any:
    return "both" if len(labels) > 1 else True


class _SeededModel(ABC):
    """Base of seeded methods; the image border is background until a negative click is given."""

    name = ""
    REACH = 3
    """Radius in pixels of a click's seed."""

    def begin(self, image: NDArray[np.generic]) -> None:
        """See :class:`InteractiveModel`."""
        gray = to_rgb(image).mean(axis=-1) / 255
        self._gray = gaussian(gray, 1.0)
        self._edges = sobel(self._gray)

    def begin_object(self) -> None:
        """See :class:`InteractiveModel`; nothing is kept of an object."""
        return

    def click(
        self, points: NDArray[np.float64], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
        """See :class:`InteractiveModel`."""
        seeds = np.zeros(self._gray.shape, np.int32)
        seeds[[0, -1]] = 2
        seeds[:, [0, -1]] = 2
        for (row, col), sign in zip(np.rint(points).astype(int), labels, strict=True):
            part = np.s_[
                max(row - self.REACH, 0) : row + self.REACH + 1,
                max(col - self.REACH, 0) : col + self.REACH + 1,
            ]
            seeds[part] = 1 if sign else 2
        return (self.grow(seeds) == 1)[None], np.ones(1)

    @abstractmethod
    def grow(self, seeds: NDArray[np.int32]) -> NDArray[np.integer]:
        """Return labels of the whole plane, grown from the seeds 1 (object) and 2 (background)."""


class WatershedModel(_SeededModel):
    """Watershed of the gradient, seeded by the clicks."""

    name = "watershed"

    def grow(self, seeds: NDArray[np.int32]) -> NDArray[np.integer]:
        """See :class:`_SeededModel`."""
        grown: NDArray[np.integer] = watershed(self._edges, seeds)
        return grown


class RandomWalkerModel(_SeededModel):
    """Random walker (Grady, 2006), seeded by the clicks; slow on large planes."""

    name = "random_walker"

    def grow(self, seeds: NDArray[np.int32]) -> NDArray[np.integer]:
        """See :class:`_SeededModel`."""
        grown: NDArray[np.integer] = random_walker(
            self._gray, seeds, beta=1000, mode="cg_j", tol=1e-4, prob_tol=0.1
        )
        return grown


BASELINES = {each.name: each for each in (WatershedModel, RandomWalkerModel)}
"""Classical interactive models by name."""
