"""One mask of the model for each of many prompts, asked in groups."""

from collections.abc import Sequence

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.models.protocol import Embedding, PromptableModel

PROMPTS_AT_ONCE = 64
"""Prompts that are answered between two reports of progress."""


def answer_each(
    model: PromptableModel,
    embedding: Embedding,
    prompts: Sequence[Prompt],
    progress: Progress,
    should_stop: ShouldStop | None = None,
) -> MaskSet:
    """Return the model's first mask for each prompt, without logits.

    Parameters
    ----------
    model : PromptableModel
        The model that is asked.
    embedding : Embedding
        Of the plane.
    prompts : sequence of Prompt
        One for each mask.
    progress : callable
        Called with prompts done and in all, after each group.
    should_stop : callable, optional
        Polled by the model.
    """
    parts = [MaskSet.empty(embedding.shape)]
    for start in range(0, len(prompts), PROMPTS_AT_ONCE):
        few = prompts[start : start + PROMPTS_AT_ONCE]
        answers = model.predict(
            embedding, few, multimask=False, low_res_logits=False, should_stop=should_stop
        )
        parts += [answer[:1] for answer in answers]
        progress(start + len(few), len(prompts))
    return MaskSet.concatenate(parts).without_logits()
