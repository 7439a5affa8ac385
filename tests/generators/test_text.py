"""Segmentation by text: boxes to masks with classes, and what is said where nothing is found."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.text_models import tiny_folder

from napari_segany import MaskSet, Prompt, Recipe, SamModel, TextParams, segment_text
from napari_segany.core.callbacks import ShouldStop
from napari_segany.core.intensity import to_rgb
from napari_segany.errors import InputError
from napari_segany.generators.generate import generate_masks
from napari_segany.generators.text import choose_boxes, within
from napari_segany.generators.unmatched_text import describe_unmatched
from napari_segany.models.text_models import load_text_model
from napari_segany.models.text_protocol import TextBoxes, TextSegmenter
from napari_segany.segmentation import label_everything, make_recipe
from napari_segany.weights.text_folders import import_folder

SHAPE = (40, 56)
BOXES = np.array([[4.0, 6, 20, 30], [5.0, 6, 20, 30], [22.0, 30, 38, 50], [1.0, 40, 12, 55]])
SCORES = np.array([[0.9, 0.1], [0.8, 0.1], [0.2, 0.6], [0.15, 0.1]], np.float32)


ALL = TextParams(box_nms_thresh=1.0)
"""The random model draws nearly the same mask in all boxes."""


class StubDetector:
    """Boxes and scores that are known, whatever the phrases."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def find_boxes(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        self.asked.append(tuple(phrases))
        return TextBoxes(BOXES, SCORES[:, : len(phrases)])


@pytest.fixture
def detector(cache: Path, monkeypatch: pytest.MonkeyPatch) -> StubDetector:
    """A detector that stands for the tiny OWLv2, which is installed."""
    import_folder(tiny_folder("owlv2"))
    stub = StubDetector()
    monkeypatch.setattr("napari_segany.generators.text.load_text_model", lambda *_: stub)
    return stub


@pytest.fixture
def plane() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)


def test_masks_are_those_of_box_prompts(
    detector: StubDetector, tiny_model: SamModel, plane: NDArray[np.uint8]
) -> None:
    found = segment_text(plane, ["grille", "wheel"], tiny_model, ALL)
    assert detector.asked == [("grille", "wheel")]
    assert found.classes is not None
    assert found.classes.names == ("grille", "wheel")
    # The second box overlaps the first, and the fourth is below the threshold.
    assert found.classes.index.tolist() == [0, 1]
    assert np.allclose(found.classes.scores, [0.9, 0.6])
    embedding = tiny_model.embed(plane)
    for i, box in enumerate((BOXES[0], BOXES[2])):
        answer = tiny_model.predict(embedding, Prompt(box=box - [0, 0, 1, 1]), multimask=False)
        assert np.array_equal(found.mask(i), answer.mask(0))
        assert found.predicted_iou[i] == answer.predicted_iou[0]
    assert found.table()["class"].tolist() == ["grille", "wheel"]
    assert [each["category_id"] for each in found.to_coco()] == [1, 2]


DRAWN = np.zeros((4, *SHAPE), bool)
"""Masks of a text model that draws: none is what the tiny model draws in its box."""
for _mask, _box in zip(DRAWN, BOXES.astype(int), strict=True):
    _mask[_box[0] + 1 : _box[2], _box[1] + 1 : _box[3] - 2] = True


class StubSegmenter(StubDetector):
    """A detector that draws."""

    above: float | None = None

    def find_masks(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        above: float,
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        self.above = above
        masks = MaskSet.from_masks(DRAWN, SCORES.max(axis=1), np.full(4, 0.9))
        return replace(self.find_boxes(plane, phrases), masks=masks)


@pytest.fixture
def segmenter(detector: StubDetector, monkeypatch: pytest.MonkeyPatch) -> StubSegmenter:
    """A text model that draws masks, in the place of the detector."""
    stub = StubSegmenter()
    monkeypatch.setattr("napari_segany.generators.text.load_text_model", lambda *_: stub)
    return stub


def test_masks_of_a_text_model_that_draws_are_taken(
    segmenter: StubSegmenter, tiny_model: SamModel, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = replace(ALL, text_threshold=0.14)
    with monkeypatch.context() as patch:
        patch.setattr(SamModel, "embed", None)
        found = segment_text(plane, ["grille", "wheel"], tiny_model, params)
    assert segmenter.above == 0.14
    assert found.classes is not None
    assert found.classes.index.tolist() == [0, 1, 0]
    for i, box in enumerate((0, 2, 3)):
        assert np.array_equal(found.mask(i), DRAWN[box])
        assert found.predicted_iou[i] == SCORES[box].max()
    right = np.zeros(SHAPE, bool)
    right[:, 28:] = True
    few = segment_text(plane, ["grille", "wheel"], tiny_model, params, region=right)
    assert [few.mask(i).sum() for i in range(len(few))] == [DRAWN[2].sum(), DRAWN[3].sum()]


def test_the_model_draws_in_the_boxes_of_any_text_model_if_it_is_told_to(
    segmenter: StubSegmenter, tiny_model: SamModel, plane: Any
) -> None:
    params = replace(ALL, mask_source="model")
    found = segment_text(plane, ["grille", "wheel"], tiny_model, params)
    embedding = tiny_model.embed(plane)
    answer = tiny_model.predict(embedding, Prompt(box=BOXES[0] - [0, 0, 1, 1]), multimask=False)
    assert np.array_equal(found.mask(0), answer.mask(0))
    assert segmenter.above is None


def test_sam3_finds_and_draws_what_phrases_name(
    cache: Path, tiny_model: SamModel, plane: Any, caplog: pytest.LogCaptureFixture
) -> None:
    card = import_folder(tiny_folder("sam3"), "mine")
    # Its random masks nearly cover each other.
    params = replace(ALL, text_model="mine", text_threshold=0.0, text_nms=1.0, max_objects=3)
    found = segment_text(plane, ["cell", "tooth"], tiny_model, params)
    detector = load_text_model(card, tiny_model.device)
    assert isinstance(detector, TextSegmenter)
    rgb = np.repeat(to_rgb(plane)[..., :1], 3, axis=-1)
    every = detector.find_masks(rgb, ["cell", "tooth"], -1.0)
    assert every.masks is not None
    known = {every.masks.mask(i).tobytes() for i in range(len(every.masks))}
    assert found.classes is not None
    assert 2 <= len(found) <= 6
    assert set(found.classes.index.tolist()) == {0, 1}
    assert all(found.mask(i).tobytes() in known for i in range(len(found)))
    with caplog.at_level(logging.WARNING):
        none = segment_text(plane, ["cell"], tiny_model, replace(params, text_threshold=1.0))
    assert len(none) == 0
    assert caplog.messages[-1].startswith("Nothing above 1.00 for 'cell'; the best score was 0.")


def test_one_phrase_may_be_a_text(detector: StubDetector, tiny_model: SamModel, plane: Any) -> None:
    found = segment_text(plane, "  front   grille ", tiny_model, replace(ALL, text_threshold=0.1))
    assert found.classes is not None
    assert found.classes.names == ("front grille",)
    assert np.allclose(found.classes.scores, [0.9, 0.2, 0.15])


def test_filters_keep_classes(detector: StubDetector, tiny_model: SamModel, plane: Any) -> None:
    params = replace(ALL, text_threshold=0.0)
    found = segment_text(plane, ["grille", "wheel"], tiny_model, params)
    assert found.classes is not None
    assert found.classes.index.tolist() == [0, 1, 0]
    least = int(found.area.max())
    fewer = found.filter(min_area=least)
    assert fewer.classes is not None
    assert len(fewer) == (found.area >= least).sum()
    expected = found.classes.index[found.area >= least]
    assert fewer.classes.index.tolist() == expected.tolist()


def test_objects_that_overlap_go_to_the_better_phrase(
    detector: StubDetector, tiny_model: SamModel, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = np.array([BOXES[0], BOXES[0]])
    scores = np.array([[0.5, 0.1], [0.1, 0.7]], np.float32)
    monkeypatch.setattr(detector, "find_boxes", lambda *_, **__: TextBoxes(same, scores))
    found = segment_text(plane, ["grille", "wheel"], tiny_model)
    assert found.classes is not None
    assert found.classes.index.tolist() == [1]


def test_only_boxes_in_the_region_are_drawn(
    detector: StubDetector, tiny_model: SamModel, plane: Any
) -> None:
    right = np.zeros(SHAPE, bool)
    right[:, 28:] = True
    found = segment_text(plane, ["grille", "wheel"], tiny_model, region=right)
    assert found.classes is not None
    assert found.classes.index.tolist() == [1]


def test_a_phrase_without_an_object_is_told(
    detector: StubDetector, tiny_model: SamModel, plane: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = segment_text(plane, ["grille", "wheel"], tiny_model, TextParams(text_threshold=0.7))
    assert caplog.messages == [
        "Nothing above 0.70 for 'wheel'; the best score was 0.60: lower the text threshold "
        "(--text-threshold), or use other words."
    ]
    assert describe_unmatched([found.classes], 0.7) == caplog.messages
    assert describe_unmatched([None], 0.7) == []


def test_a_phrase_that_others_outdo_is_told(
    detector: StubDetector, tiny_model: SamModel, plane: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = np.array([[0.5, 0.4], [0.6, 0.3], [0.5, 0.1], [0.5, 0.1]], np.float32)
    monkeypatch.setattr(detector, "find_boxes", lambda *_, **__: TextBoxes(BOXES, scores))
    found = segment_text(plane, ["grille", "wheel"], tiny_model)
    (sentence,) = describe_unmatched([found.classes], 0.2)
    assert sentence.startswith("Nothing for 'wheel', whose best score is 0.40: other phrases")
    monkeypatch.setattr(detector, "find_boxes", lambda *_, **__: TextBoxes(BOXES[:0], scores[:0]))
    none = segment_text(plane, ["grille", "wheel"], tiny_model)
    assert len(none) == 0
    assert none.table()["class"].tolist() == []
    assert [each[:17] for each in describe_unmatched([none.classes], 0.2)] == [
        "Nothing to score "
    ] * 2


def test_boxes_are_cut_to_the_plane_and_those_beside_it_left_out() -> None:
    boxes = np.array([[-9.0, -5, 20, 30], [30.0, 2, 55, 40], [3.0, 3, 3.5, 20], [0.0, 0, 40, 56]])
    found = within(TextBoxes(boxes, np.ones((4, 1), np.float32)), SHAPE, None)
    # The centre of the second lies below the plane, and the third is thinner than two pixels.
    assert found.boxes.tolist() == [[0, 0, 20, 30], [0, 0, 40, 56]]


def test_most_objects_of_each_phrase() -> None:
    apart = np.array([[10.0 * k, 0, 10.0 * k + 8, 8] for k in range(6)])
    scores = np.array([[0.9, 0], [0.8, 0], [0.7, 0], [0, 0.5], [0, 0.6], [0, 0.7]], np.float32)
    params = TextParams(text=("a", "b"), max_objects=2, text_threshold=0.1)
    chosen, classes = choose_boxes(TextBoxes(apart, scores), params)
    assert chosen.tolist() == [0, 1, 5, 4]
    assert classes.index.tolist() == [0, 0, 1, 1]
    assert np.allclose(classes.best, [0.9, 0.7])


def test_recipes_hold_the_phrases_and_the_text_model(
    detector: StubDetector, tiny_model: SamModel, plane: Any
) -> None:
    recipe = make_recipe(tiny_model, TextParams(text=("grille", "wheel")), axes="YX")
    values = json.loads(recipe.to_json())["params"]
    assert values["text"] == ["grille", "wheel"]
    assert values["text_model"] == "tiny_owlv2"
    assert len(values["text_model_sha256"]) == 64
    assert values["text_threshold"] == 0.2
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    labels = label_everything(plane, again, tiny_model)
    expected = generate_masks(tiny_model, plane, recipe.params).to_labels()
    assert np.array_equal(labels, expected)
    assert labels.max() > 0


def test_a_text_model_that_is_missing_is_told(cache: Path, tiny_model: SamModel) -> None:
    with pytest.raises(InputError, match="Nothing was asked for: give one or more phrases"):
        TextParams().resolved_for(tiny_model)
    asked = TextParams(text=("grille",))
    with pytest.raises(InputError, match="No text model is on this machine; fetch one with: napa"):
        asked.resolved_for(tiny_model)
    import_folder(tiny_folder("owlv2"))
    with pytest.raises(InputError, match=r"hash aaaaaaaaaaaa... is needed, and the one here has"):
        TextParams(
            text=("grille",), text_model="tiny_owlv2", text_model_sha256="a" * 64
        ).resolved_for(tiny_model)
    with pytest.raises(InputError, match=r"no text model 'other'.* known: owlv2_base, "):
        TextParams(text=("grille",), text_model="other").resolved_for(tiny_model)
    with pytest.raises(InputError, match=r"models fetch grounding_dino_tiny .689 MB; needs pip"):
        TextParams(text=("grille",), text_model="grounding_dino_tiny").resolved_for(tiny_model)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grille", "text must be a list of phrases, got 'grille'"),
        (("",), "text must be phrases of 1 to 200 characters, got ''"),
        (("a" * 201,), "text must be phrases of 1 to 200 characters"),
        ((3,), "text must be a list of phrases"),
    ],
)
def test_what_is_no_phrase_is_refused(text: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextParams(text=text)
