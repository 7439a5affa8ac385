"""OWLv2 beside transformers' own steps, with the same random weights."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.text_models import tiny_folder

from napari_segany.errors import Cancelled, InputError
from napari_segany.models.detectors.owlv2 import GRAY, Owlv2Detector, load_owlv2, place_plane
from napari_segany.models.text_protocol import TextDetector

CPU = torch.device("cpu")
PHRASES = ["beaver tooth", "nucleus", "a grille"]


@pytest.fixture(scope="module")
def detector() -> Owlv2Detector:
    return load_owlv2(tiny_folder("owlv2"), CPU)


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def their_processor(side: int) -> object:
    from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

    processor = Owlv2ImageProcessorPil(size={"height": side, "width": side})
    # The published code pads with gray, as transformers did before its fifth version.
    processor.pad = partial(processor.pad, constant_value=GRAY)
    return processor


@pytest.mark.parametrize("shape", [(40, 56), (90, 31), (64, 64), (200, 150)])
def test_planes_are_placed_as_by_transformers(shape: tuple[int, int]) -> None:
    plane = picture(*shape)
    theirs = their_processor(64)(plane, return_tensors="pt")["pixel_values"]  # type: ignore[operator]
    ours = place_plane(plane, 64)
    assert ours.shape == (1, 3, 64, 64)
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 56), (90, 31)])
def test_boxes_are_those_of_transformers(detector: Owlv2Detector, shape: tuple[int, int]) -> None:
    from transformers import AutoTokenizer, Owlv2ForObjectDetection

    folder, plane = tiny_folder("owlv2"), picture(*shape)
    model = Owlv2ForObjectDetection.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(
        PHRASES, padding="max_length", return_tensors="pt"
    )
    processor = their_processor(64)
    # Random networks enlarge what little two ways of placing differ by, which has its own test.
    pixels = place_plane(plane, 64)
    with torch.no_grad():
        outputs = model(
            pixel_values=pixels,
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
        )
    (theirs,) = processor.post_process_object_detection(  # type: ignore[attr-defined]
        outputs, threshold=-1.0, target_sizes=[shape]
    )
    found = detector.find_boxes(plane, PHRASES)
    assert len(set(found.scores.argmax(axis=1))) > 1, "no test of the phrases otherwise"
    assert np.allclose(found.boxes[:, [1, 0, 3, 2]], theirs["boxes"], atol=1e-4)
    assert np.allclose(found.scores.max(axis=1), theirs["scores"], atol=1e-4)
    assert np.array_equal(found.scores.argmax(axis=1), theirs["labels"])


def test_it_is_a_detector_that_can_be_stopped(detector: Owlv2Detector) -> None:
    assert isinstance(detector, TextDetector)
    with pytest.raises(Cancelled):
        detector.find_boxes(picture(20, 20), PHRASES, should_stop=lambda: True)


def test_a_phrase_that_is_too_long_is_refused(detector: Owlv2Detector) -> None:
    with pytest.raises(InputError, match="tokens, and the text model reads 24; use fewer words"):
        detector.find_boxes(picture(20, 20), ["word " * 20])
