"""Classes of objects: what a few labels teach, what recipes hold, and refusals."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.generators.exemplars.test_example_set import random_descriptors

from napari_segany import LinkParams, MaskSet, Recipe, SamModel
from napari_segany.classification.class_set import ClassSet, ObjectClass, usual_classes
from napari_segany.classification.classifier import fit_classifier, object_features
from napari_segany.classification.classify_masks import (
    classify_objects,
    describe_objects,
    without_left_out,
)
from napari_segany.errors import InputError
from napari_segany.generators.exemplars.descriptors import Descriptors
from napari_segany.generators.exemplars.example_set import freeze

CLASSES = usual_classes(("round", "long"))


def two_shapes(count: int, seed: int = 0) -> tuple[Descriptors, np.ndarray]:
    """Objects of which every other one is long; all else is noise."""
    found = random_descriptors(count, 300, seed)
    is_long = np.arange(count) % 2
    elongation = (0.1 + 1.5 * is_long).astype(np.float32)
    # Features of a level have length 1.
    inside = found.inside / np.linalg.norm(found.inside, axis=1, keepdims=True)
    alike = {"colour": 0.2 * found.colour, "colour_around": 0.2 * found.colour_around}
    changed = {"elongation": elongation, "inside": inside, **alike}
    return Descriptors(**{**vars(found), **changed}), is_long


def class_set(labelled: int = 6) -> ClassSet:
    found, labels = two_shapes(labelled)
    return ClassSet("tiny", "ab", CLASSES, freeze(found), tuple(labels.tolist()))


def test_a_few_labels_sort_the_others() -> None:
    found, truth = two_shapes(400, seed=3)
    classifier = fit_classifier(class_set(10))
    classes = classifier.classify(object_features(found))
    assert (classes.index == truth).mean() > 0.95
    assert classes.names == ("round", "long")
    assert ((classes.scores >= 0.5) & (classes.scores <= 1)).all()
    rated = classifier.probabilities(object_features(found))
    np.testing.assert_allclose(rated.sum(axis=1), 1, atol=2e-4)
    # What is right is surer than what is wrong.
    right = classes.index == truth
    assert right.all() or classes.scores[right].mean() > classes.scores[~right].mean()


def test_an_object_alone_has_the_class_that_it_has_among_many() -> None:
    found, _ = two_shapes(50, seed=3)
    features = object_features(found)
    classifier = fit_classifier(class_set())
    together = classifier.classify(features)
    for i in range(0, 50, 7):
        alone = classifier.classify(features[i : i + 1])
        assert alone.index[0] == together.index[i]
        assert alone.scores[0] == together.scores[i]
    assert len(classifier.classify(features[:0]).index) == 0


def test_three_classes_of_which_one_has_no_object() -> None:
    found, labels = two_shapes(8)
    classes = usual_classes(("round", "unknown", "long"))
    given = ClassSet("tiny", "ab", classes, freeze(found), tuple((2 * labels).tolist()))
    assert given.counts == (4, 0, 4)
    sorted_found = fit_classifier(given).classify(object_features(found))
    assert set(sorted_found.index.tolist()) == {0, 2}
    assert np.isnan(sorted_found.best[1])


def test_recipes_hold_classes_and_those_without_are_as_before() -> None:
    plain = Recipe("tiny", "ab")
    assert "classes" not in json.loads(plain.to_json())
    recipe = Recipe("tiny", "ab", classes=class_set())
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.to_json() == recipe.to_json()
    with pytest.raises(InputError, match="objects of planes"):
        Recipe("tiny", "ab", classes=class_set(), link=LinkParams())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": CLASSES[:1]}, "2 to 9 classes"),
        ({"classes": (CLASSES[0], CLASSES[0])}, "same name"),
        ({"labels": (0,)}, "6 objects have 1 labels"),
        ({"labels": (0, 1, 2, 0, 1, 0)}, "does not exist"),
    ],
)
def test_sets_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ClassSet(**{**vars(class_set()), **changes})


def test_names_colours_and_labels_are_needed() -> None:
    with pytest.raises(InputError, match="name of 1"):
        ObjectClass(" ", "#000000")
    with pytest.raises(InputError, match="#rrggbb"):
        ObjectClass("cell", "red")
    with pytest.raises(InputError, match="two classes at least"):
        fit_classifier(ClassSet("tiny", "ab", CLASSES))
    with pytest.raises(InputError, match="other has other weights"):
        class_set().check_model("other", "cd")
    found, _ = two_shapes(3)
    fewer = Descriptors(**{**vars(found), "inside": found.inside[:, :20]})
    with pytest.raises(InputError, match="label objects again"):
        fit_classifier(class_set()).classify(object_features(fewer))


def test_classes_that_are_left_out_are_not_among_the_masks(tiny_model: SamModel) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (50, 64, 3)).astype(np.uint8)
    full = np.zeros((6, 50, 64), bool)
    for i in range(6):
        full[i, 2 + i : (10 if i % 2 else 30) + i, 3 * i : 3 * i + 8] = True
    masks = MaskSet.from_masks(full)
    found = describe_objects(tiny_model, plane, masks)
    labels = (0, 1, 0, 1, 0, 1)
    given = ClassSet("tiny", "ab", CLASSES, freeze(found), labels)
    sorted_masks = replace(masks, classes=classify_objects(tiny_model, plane, masks, given))
    assert sorted_masks.classes is not None
    assert without_left_out(sorted_masks, given) is sorted_masks
    assert tuple(sorted_masks.classes.index.tolist()) == labels
    assert list(sorted_masks.table()["class"]) == ["round", "long"] * 3
    out = ObjectClass("long", "#123456", left_out=True)
    without = ClassSet("tiny", "ab", (CLASSES[0], out), freeze(found), labels)
    left = without_left_out(sorted_masks, without)
    np.testing.assert_array_equal(left.boxes, masks.boxes[::2])
