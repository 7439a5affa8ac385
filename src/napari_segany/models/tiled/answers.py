"""Answers to prompts on a large plane: crop by crop, and again where an answer is cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.lazy_logits import RecomputedLogits
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.ranking import Ranking
from napari_segany.errors import InputError
from napari_segany.models.protocol import Multimask, PromptableModel
from napari_segany.models.sam.prediction import LOGITS_KEPT
from napari_segany.models.tiled import crops
from napari_segany.models.tiled.crop_prompts import CropView, object_of_logits, resample_logits
from napari_segany.models.tiled.crops import Crop
from napari_segany.models.tiled.embedding import TiledEmbedding

STEPS = 6
"""Times that a prompt is asked again, at most, in shifted or larger crops."""

GROWTH = 8
"""Sides of a prompt's first crop, at most, in the side of its last one."""


@dataclass(frozen=True)
class Options:
    """Options of a prediction, see :meth:`PromptableModel.predict`."""

    multimask: Multimask
    ranking: Ranking
    low_res_logits: bool


def predict_in_crops(
    model: PromptableModel,
    embedding: TiledEmbedding,
    prompts: Sequence[Prompt],
    object_size: float | None,
    options: Options,
    should_stop: ShouldStop | None = None,
) -> list[MaskSet]:
    """Predict the candidates of prompts of a large plane, those of a crop together.

    Parameters
    ----------
    model : PromptableModel
        Answers prompts in crops.
    embedding : TiledEmbedding
        The plane.
    prompts : sequence of Prompt
        One object each, in pixels of the plane.
    object_size : float or None
        Of points without a size of their own, see :func:`crops.first_crop`.
    options : Options
        Of the prediction.
    should_stop : callable, optional
        Polled between crops.

    Raises
    ------
    InputError
        If a prompt does not fit the plane, or has logits whose crop is not known.
    Cancelled
        If ``should_stop`` returned True.
    """
    asked = _Asking(model, embedding, options, should_stop)
    for prompt in prompts:
        _check(prompt, embedding.shape)
    prompts = [prompt.completed() for prompt in prompts]
    at = {i: asked.first_crop(prompt, object_size) for i, prompt in enumerate(prompts)}
    tried = {i: [crop] for i, crop in at.items()}
    answers: dict[int, MaskSet] = {}
    while at:
        groups: dict[Crop, list[int]] = {}
        for i, crop in sorted(at.items(), key=lambda each: (each[1], each[0])):
            groups.setdefault(crop, []).append(i)
        at = {}
        for crop, members in groups.items():
            check(should_stop)
            found = asked.predict(crop, [prompts[i] for i in members])
            for i, candidates in zip(members, found, strict=True):
                answers[i] = candidates
                again = _next_crop(tried[i], candidates, prompts[i], embedding.shape)
                if again is not None:
                    at[i] = again
                    tried[i].append(again)
    every = [answers[i] for i in range(len(prompts))]
    if options.low_res_logits and sum(map(len, every)) > LOGITS_KEPT:
        # As after one call of the model: logits of many masks are computed again when read.
        every = [
            replace(
                found,
                _logits=RecomputedLogits(
                    partial(_logits, model, embedding, prompt, object_size, options),
                    np.arange(len(found)),
                ),
            )
            for prompt, found in zip(prompts, every, strict=True)
        ]
    return every


def _logits(
    model: PromptableModel,
    embedding: TiledEmbedding,
    prompt: Prompt,
    object_size: float | None,
    options: Options,
) -> NDArray[np.float32]:
    """Compute the (k, m, m) logits of one prompt."""
    (found,) = predict_in_crops(model, embedding, [prompt], object_size, options)
    logits = found.low_res_logits
    assert logits is not None
    return logits


def _next_crop(
    tried: Sequence[Crop], candidates: MaskSet, prompt: Prompt, shape: tuple[int, int]
) -> Crop | None:
    """Return the crop in which a prompt is asked again, None if its answer stands."""
    last = tried[-1]
    if not len(candidates) or len(tried) > STEPS:
        return None
    a, b, c, d = candidates.boxes[0].tolist()
    if not crops.touches(last, (a, b, c, d), shape):
        return None
    asked = crops.prompt_region(prompt) if _has_place(prompt) else (a, b, c, d)
    new = crops.next_crop(last, (a, b, c, d), asked, shape)
    if new in tried:
        new = crops.crop_at(shape, last.side * 2, asked)
    return new if new.side <= GROWTH * tried[0].side else None


def _has_place(prompt: Prompt) -> bool:
    return prompt.points is not None or prompt.box is not None or prompt.region is not None


def _check(prompt: Prompt, shape: tuple[int, int]) -> None:
    """Raise InputError unless a prompt fits a plane that is embedded in crops."""
    if not isinstance(prompt, Prompt):
        raise InputError(f"prompts must be of type Prompt, got {prompt!r}.")
    prompt.check_inside(shape)
    if prompt.mask_logits is None:
        return
    if prompt.logits_crop is None:
        raise InputError(
            "Logits of a plane that is embedded in crops belong to one of them; give the candidate "
            "itself as mask_logits, or its crop_boxes as logits_crop."
        )
    a, b, c, d = prompt.logits_crop.tolist()
    if a < 0 or b < 0 or c > shape[0] or d > shape[1]:
        raise InputError(f"The crop {prompt.logits_crop.tolist()} lies outside the plane {shape}.")


class _Asking:
    """A model that is asked about crops of one plane."""

    def __init__(
        self,
        model: PromptableModel,
        embedding: TiledEmbedding,
        options: Options,
        should_stop: ShouldStop | None,
    ) -> None:
        self.model, self.embedding, self.should_stop = model, embedding, should_stop
        self.options = options

    def _view(self, crop: Crop) -> CropView:
        return CropView(crop, self.embedding.of_crop(crop, self.should_stop).frame)

    def first_crop(self, prompt: Prompt, object_size: float | None) -> Crop:
        """Return the crop in which a prompt is asked first."""
        shape = self.embedding.shape
        if prompt.mask_logits is None:
            return crops.first_crop(prompt, shape, object_size)
        assert prompt.logits_crop is not None
        own = crops.crop_of_box(prompt.logits_crop)
        if not _has_place(prompt) or crops.holds(own, crops.prompt_region(prompt), shape):
            return own
        view = self._view(own)
        there = object_of_logits(prompt.mask_logits, view)
        stated = crops.prompt_region(prompt)
        region = stated if there is None else crops.union([stated, there])
        return crops.roomy_crop(region, own.side, shape)

    def predict(self, crop: Crop, prompts: Sequence[Prompt]) -> list[MaskSet]:
        """Return the candidates of prompts in a crop as masks of the plane."""
        embedding = self.embedding.of_crop(crop, self.should_stop)
        view = CropView(crop, embedding.frame)
        translated = [self._translated(prompt, view) for prompt in prompts]
        found = self.model.predict(
            embedding,
            translated,
            multimask=self.options.multimask,
            ranking=self.options.ranking,
            # Masks of a reduced picture are drawn from logits.
            low_res_logits=self.options.low_res_logits or view.is_reduced,
            should_stop=self.should_stop,
        )
        shape = self.embedding.shape
        sets = [
            view.masks(each, shape, prompt) for each, prompt in zip(found, prompts, strict=True)
        ]
        return sets if self.options.low_res_logits else [each.without_logits() for each in sets]

    def _translated(self, prompt: Prompt, view: CropView) -> Prompt:
        if prompt.mask_logits is not None and prompt.logits_crop is not None:
            own = crops.crop_of_box(prompt.logits_crop)
            if own.box != view.crop.box:
                moved = resample_logits(prompt.mask_logits, self._view(own), view)
                prompt = prompt.changed(mask_logits=moved)
        return view.prompt(prompt)
