"""Objects of one image that are sorted into classes by a few labelled ones; needs no Qt."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segany.classification.class_set import ClassSet, ObjectClass
from napari_segany.classification.classifier import object_features
from napari_segany.classification.classify_masks import classifier_of
from napari_segany.core.image_source import Plane
from napari_segany.core.mask_classes import MaskClasses
from napari_segany.core.masks import MaskSet
from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.exemplars.example_set import Exemplar, freeze
from napari_segany.models.protocol import PromptableModel

Key = tuple[Plane | None, int]
"""Plane and number of a candidate; of an earlier search, no plane and a running number."""


class SortedObjects:
    """Classes, labelled objects, and the classes that all others get by them.

    Parameters
    ----------
    model : PromptableModel
        Model whose features the objects have.
    classes : tuple of ObjectClass
        The classes.
    """

    def __init__(self, model: PromptableModel, classes: tuple[ObjectClass, ...]) -> None:
        self.model, self.classes = model, classes
        self._labelled: dict[Key, tuple[int, Exemplar]] = {}
        self._found: dict[Plane, Descriptors] = {}
        # For each plane, the classes of all its candidates and what they were made by.
        self._known: dict[Plane, tuple[ClassSet, MaskClasses]] = {}

    @property
    def class_set(self) -> ClassSet:
        """The classes and labelled objects, as recipes hold them."""
        labels = tuple(k for k, _ in self._labelled.values())
        objects = tuple(each for _, each in self._labelled.values())
        return ClassSet(self.model.id, self.model.weights.sha256, self.classes, objects, labels)

    @property
    def ready_set(self) -> ClassSet | None:
        """The same for a recipe; None while too few objects are labelled to sort the others."""
        found = self.class_set
        return found if found.is_ready else None

    def has_features(self, plane: Plane) -> bool:
        """Return True if the objects of a plane can be sorted."""
        return plane in self._found

    def add_features(self, plane: Plane, found: Descriptors) -> None:
        """Take the descriptors of all candidates of a plane."""
        self._found[plane] = found
        self._known.pop(plane, None)

    def forget_planes(self, planes: Iterable[Plane]) -> None:
        """Keep what was learned, and forget which candidates of planes were labelled."""
        planes = set(planes)
        gone = {None, *planes}
        loose = [value for (where, _), value in self._labelled.items() if where in gone]
        kept = {key: value for key, value in self._labelled.items() if key[0] not in gone}
        self._labelled = {(None, n): value for n, value in enumerate(loose)} | kept
        for plane in planes:
            self._found.pop(plane, None)
            self._known.pop(plane, None)

    def label_of(self, plane: Plane, candidate: int) -> int | None:
        """Return the class that a person gave to a candidate, None if none was given."""
        known = self._labelled.get((plane, candidate))
        return None if known is None else known[0]

    def set_label(self, plane: Plane, candidate: int, label: int | None) -> None:
        """Give a candidate to a class, or to none."""
        self._labelled.pop((plane, candidate), None)
        if label is not None:
            example = freeze(self._found[plane][[candidate]])[0]
            self._labelled[plane, candidate] = label, example

    def rename(self, number: int, name: str) -> None:
        """Give a class another name.

        Raises
        ------
        InputError
            If the name is empty, or another class has it.
        """
        changed = list(self.classes)
        changed[number] = replace(changed[number], name=name)
        # Refused before anything changes.
        replace(self.class_set, classes=tuple(changed))
        self.classes = tuple(changed)

    def add_class(self, new: ObjectClass) -> None:
        """Add a class.

        Raises
        ------
        InputError
            If there are too many, or another one has this name.
        """
        changed = (*self.classes, new)
        replace(self.class_set, classes=changed)
        self.classes = changed

    def apply(self, plane: Plane, masks: MaskSet) -> MaskSet:
        """Return masks with their classes, without those of classes that are left out.

        They are as they were before objects of two classes are labelled, and in planes without
        features. A labelled object has the class that a person gave it, with the score 1.
        """
        classes = self.classes_of(plane)
        if classes is None:
            return masks
        own = classes[masks.candidate]
        sorted_masks = replace(masks, classes=own)
        gone = [k for k, each in enumerate(self.classes) if each.left_out]
        return sorted_masks[~np.isin(own.index, gone)] if gone else sorted_masks

    def classes_of(self, plane: Plane) -> MaskClasses | None:
        """Return the classes of all candidates of a plane, None while they have none."""
        wanted, found = self.class_set, self._found.get(plane)
        if found is None or not wanted.is_ready:
            return None
        known = self._known.get(plane)
        if known is None or known[0] != wanted:
            classes = classifier_of(wanted).classify(object_features(found))
            for (where, candidate), (label, _) in self._labelled.items():
                if where == plane:
                    classes.index[candidate], classes.scores[candidate] = label, 1
            known = self._known[plane] = wanted, classes
        return known[1]

    def is_labelled(self, plane: Plane, masks: MaskSet) -> NDArray[np.bool_]:
        """Return which masks of a plane a person has given to a class."""
        own = [n for where, n in self._labelled if where == plane]
        return np.isin(masks.candidate, own)

    @staticmethod
    def doubt(masks: MaskSet, otherwise: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return how doubtful the class of each mask is, or ``otherwise`` without classes."""
        return otherwise if masks.classes is None else 1 - masks.classes.scores
