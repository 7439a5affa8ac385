"""Classes of the masks of a plane, by a recipe's classes."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_segany.classification.class_set import ClassSet
from napari_segany.classification.classifier import Classifier, fit_classifier, object_features
from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.descriptors import Descriptors, describe_masks
from napari_segany.models.protocol import Embedding, PromptableModel
from napari_segany.models.searching import searching_model


def describe_objects(
    model: PromptableModel,
    plane: NDArray[np.uint8],
    masks: MaskSet,
    embedding: Embedding | None = None,
    should_stop: ShouldStop | None = None,
) -> Descriptors:
    """Return the descriptors by which masks are sorted.

    Parameters
    ----------
    model : PromptableModel
        The model.
    plane : ndarray
        (H, W, 3) uint8.
    masks : MaskSet
        The masks, none of them empty.
    embedding : Embedding, optional
        Of the plane, with stages if the model has any.
    should_stop : callable, optional
        Polled often.

    Raises
    ------
    InputError
        If the model is on another machine.
    """
    if searching_model(model) is not None:
        raise InputError(
            "Objects are sorted by features that a model on another machine does not send. Use a "
            "model on this machine."
        )
    if embedding is None or not embedding.stages:
        embedding = model.embed(plane, stages=True, should_stop=should_stop)
    return describe_masks(model, embedding, plane, masks, should_stop)


def with_classes(masks: MaskSet, found: Descriptors, classes: ClassSet) -> MaskSet:
    """Return masks with their classes, without those of classes that are left out."""
    sorted_masks = replace(masks, classes=classifier_of(classes).classify(object_features(found)))
    assert sorted_masks.classes is not None
    gone = [k for k, each in enumerate(classes.classes) if each.left_out]
    return sorted_masks[~np.isin(sorted_masks.classes.index, gone)] if gone else sorted_masks


@lru_cache(maxsize=8)
def classifier_of(classes: ClassSet) -> Classifier:
    """Return the classifier of a set of classes, fitted once for all planes."""
    return fit_classifier(classes)
