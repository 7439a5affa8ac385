"""Classes of the masks of a plane, by a recipe's classes."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from napari_segany.classification.class_set import ClassSet
from napari_segany.classification.classifier import Classifier, fit_classifier, object_features
from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.mask_classes import MaskClasses
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


def classify_objects(
    model: PromptableModel,
    plane: NDArray[np.uint8],
    masks: MaskSet,
    classes: ClassSet,
    embedding: Embedding | None = None,
    should_stop: ShouldStop | None = None,
) -> MaskClasses:
    """Return the classes of masks of a plane; parameters are those of :func:`describe_objects`."""
    found = describe_objects(model, plane, masks, embedding, should_stop)
    return classifier_of(classes).classify(object_features(found))


def tile_classifier(classes: ClassSet | None) -> Callable[..., MaskClasses] | None:
    """Return the function that sorts the masks of a tile; None if nothing is sorted."""
    return None if classes is None else partial(classify_objects, classes=classes)


def without_left_out(masks: MaskSet, classes: ClassSet) -> MaskSet:
    """Return masks without those that have a class that is left out."""
    gone = [k for k, each in enumerate(classes.classes) if each.left_out]
    if masks.classes is None or not gone:
        return masks
    return masks[~np.isin(masks.classes.index, gone)]


@lru_cache(maxsize=8)
def classifier_of(classes: ClassSet) -> Classifier:
    """Return the classifier of a set of classes, fitted once for all planes."""
    return fit_classifier(classes)
