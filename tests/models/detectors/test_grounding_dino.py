"""Grounding DINO beside transformers' own steps, with the same random weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.models.detectors.test_owlv2 import picture
from tests.text_models import tiny_folder

from napari_segany.errors import InputError
from napari_segany.models.detectors.grounding_dino import (
    GroundingDinoDetector,
    load_grounding_dino,
    place_plane,
    scaled_size,
)
from napari_segany.models.text_protocol import TextDetector

PHRASES = ["beaver tooth", "Nucleus", "a grille"]


@pytest.fixture(scope="module")
def detector() -> GroundingDinoDetector:
    return load_grounding_dino(tiny_folder("grounding-dino"), torch.device("cpu"))


def their_processor(short: int, long: int) -> object:
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
        GroundingDinoImageProcessorPil,
    )

    return GroundingDinoImageProcessorPil(size={"shortest_edge": short, "longest_edge": long})


@given(st.integers(1, 4000), st.integers(1, 4000))
def test_sizes_are_those_of_transformers(height: int, width: int) -> None:
    from transformers.image_transforms import get_size_with_aspect_ratio

    theirs = get_size_with_aspect_ratio((height, width), 800, 1333)
    assert scaled_size((height, width), 800, 1333) == theirs


@pytest.mark.parametrize("shape", [(40, 56), (90, 31), (64, 64), (200, 150)])
def test_planes_are_placed_as_by_transformers(shape: tuple[int, int]) -> None:
    plane = picture(*shape)
    theirs = their_processor(64, 106)(plane, return_tensors="pt")  # type: ignore[operator]
    ours = place_plane(plane, 64, 106)
    assert ours.shape == theirs["pixel_values"].shape
    assert torch.allclose(ours, theirs["pixel_values"], atol=1e-5)
    assert theirs["pixel_mask"].all(), "a single plane has no padding"


@pytest.mark.parametrize("shape", [(40, 56), (90, 31)])
def test_boxes_are_those_of_transformers(
    detector: GroundingDinoDetector, shape: tuple[int, int]
) -> None:
    from transformers import AutoTokenizer, GroundingDinoForObjectDetection
    from transformers.models.grounding_dino import processing_grounding_dino

    folder, plane = tiny_folder("grounding-dino"), picture(*shape)
    model = GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    text = processing_grounding_dino._merge_candidate_labels_text(PHRASES)
    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    processor = their_processor(64, 106)
    # Random networks enlarge what little two ways of placing differ by, which has its own test.
    pixels = place_plane(plane, 64, 106)
    with torch.no_grad():
        outputs = model(pixel_values=pixels, **tokens)
    (theirs,) = processor.post_process_object_detection(  # type: ignore[attr-defined]
        outputs, threshold=-1.0, target_sizes=[shape]
    )
    found = detector.find_boxes(plane, PHRASES)
    assert np.allclose(found.boxes[:, [1, 0, 3, 2]], theirs["boxes"], atol=1e-4)

    # [CLS] beaver tooth . nucleus . a grille . [SEP]
    places = [[1, 2], [4], [6, 7]]
    by_token = torch.sigmoid(outputs.logits[0]).numpy()
    assert len(tokens["input_ids"][0]) == 10
    for phrase, place in enumerate(places):
        assert np.allclose(found.scores[:, phrase], by_token[:, place].max(axis=1), atol=1e-4)
    # Their score is that of the best token, a separator or the text's end included.
    assert (found.scores.max(axis=1) <= theirs["scores"].numpy() + 1e-4).all()
    named = np.isin(theirs["labels"], [token for place in places for token in place])
    assert named.any()
    assert np.allclose(found.scores.max(axis=1)[named], theirs["scores"][named], atol=1e-4)


def test_a_point_in_a_phrase_does_not_end_it(detector: GroundingDinoDetector) -> None:
    assert isinstance(detector, TextDetector)
    plane = picture(30, 30)
    plain = detector.find_boxes(plane, ["beaver tooth", "cell"])
    dotted = detector.find_boxes(plane, ["beaver. tooth?", "cell"])
    assert np.array_equal(plain.scores, dotted.scores)


def test_phrases_that_cannot_be_read_are_refused(detector: GroundingDinoDetector) -> None:
    with pytest.raises(InputError, match=r"The phrase '\.\?' has no word"):
        detector.find_boxes(picture(20, 20), [".?"])
    with pytest.raises(InputError, match="tokens together, and the text model reads 48"):
        detector.find_boxes(picture(20, 20), ["cell " * 30, "nucleus " * 20])
