"""SAM 3's concept prompts beside transformers' own steps, with the same random weights."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.models.detectors.test_owlv2 import picture
from tests.text_models import tiny_folder

from napari_segany.errors import Cancelled, InputError
from napari_segany.models.detectors.sam3 import Sam3Segmenter, load_sam3
from napari_segany.models.text_protocol import TextDetector, TextRanker, TextSegmenter

CPU = torch.device("cpu")
PHRASES = ["beaver tooth", "nucleus", "a grille"]
SIDE = 112


@pytest.fixture(scope="module", params=["sam3", "sam3_video"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def segmenter(family: str) -> Sam3Segmenter:
    return load_sam3(tiny_folder(family), CPU)


def pixels(plane: NDArray[np.uint8]) -> torch.Tensor:
    """The plane as the published preparation hands it to the network."""
    small = Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    scaled = torch.from_numpy(np.array(small)).float() / 255
    return ((scaled - 0.5) / 0.5).permute(2, 0, 1)[None]


def their_post_processing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Their steps after the network; of torchvision, the file needs what these do not use."""
    import transformers.image_processing_backends  # noqa: F401

    if find_spec("torchvision") is None:
        boxes = ModuleType("torchvision.ops.boxes")
        boxes.batched_nms = None  # type: ignore[attr-defined]
        for name in ("torchvision", "torchvision.ops"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, boxes.__name__, boxes)
    module = import_module("transformers.models.sam3.image_processing_sam3")
    return module.Sam3ImageProcessor.post_process_instance_segmentation


@pytest.mark.parametrize("shape", [(40, 56), (90, 31)])
def test_boxes_scores_and_masks_are_those_of_transformers(
    family: str,
    segmenter: Sam3Segmenter,
    shape: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import AutoTokenizer, Sam3Model

    post_process = their_post_processing(monkeypatch)
    folder, plane = tiny_folder(family), picture(*shape)
    model = Sam3Model.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = segmenter.find_masks(plane, PHRASES, 0.0)
    assert found.masks is not None
    assert found.scores.shape == (60, 3)
    assert found.masks.area.max() > 0
    boxes = segmenter.find_boxes(plane, PHRASES)
    assert np.array_equal(boxes.boxes, found.boxes)
    assert np.array_equal(boxes.scores, found.scores)
    assert boxes.masks is None
    for k, phrase in enumerate(PHRASES):
        tokens = tokenizer(phrase, padding="max_length", max_length=32, return_tensors="pt")
        with torch.no_grad():
            outputs = model(
                pixel_values=pixels(plane),
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
            )
        (theirs,) = post_process(None, outputs, threshold=0.0, target_sizes=[shape])
        own = slice(20 * k, 20 * (k + 1))
        assert len(theirs["scores"]) == 20
        assert np.ptp(theirs["scores"].numpy()) > 0.01, "no test of the scores otherwise"
        assert np.allclose(found.boxes[own][:, [1, 0, 3, 2]], theirs["boxes"], atol=1e-4)
        assert np.allclose(found.scores[own, k], theirs["scores"], atol=1e-4)
        assert not np.delete(found.scores[own], k, axis=1).any()
        # Logits are enlarged before the threshold, as Meta's code does; transformers enlarges
        # probabilities, so its borders differ. Of its logits, the masks are the same.
        logits = torch.nn.functional.interpolate(
            outputs.pred_masks, shape, mode="bilinear", align_corners=False
        )[0].numpy()
        for i in range(20):
            mask, sure = found.masks.mask(20 * k + i), abs(logits[i]) > 1e-4
            assert np.array_equal(mask[sure], (logits[i] > 0)[sure])
            differing = mask != theirs["masks"][i].numpy().astype(bool)
            assert differing.mean() < 0.1
    assert np.array_equal(found.masks.predicted_iou, found.scores.max(axis=1))


def test_masks_of_low_scores_are_left_empty(segmenter: Sam3Segmenter) -> None:
    plane = picture(40, 56)
    every = segmenter.find_masks(plane, PHRASES, 0.0)
    best = every.scores.max(axis=1)
    bound = float(np.median(best))
    some = segmenter.find_masks(plane, PHRASES, bound)
    assert some.masks is not None
    assert every.masks is not None
    assert not some.masks.area[best <= bound].any()
    assert np.array_equal(some.masks.area[best > bound], every.masks.area[best > bound])
    assert np.array_equal(some.scores, every.scores)


def test_it_can_be_stopped_between_blocks(segmenter: Sam3Segmenter) -> None:
    assert isinstance(segmenter, TextDetector)
    assert isinstance(segmenter, TextSegmenter)
    assert not isinstance(segmenter, TextRanker)
    polled: list[int] = []

    def later() -> bool:
        polled.append(1)
        return len(polled) == 3

    with pytest.raises(Cancelled):
        segmenter.find_boxes(picture(20, 20), PHRASES, should_stop=later)
    layer = segmenter._folder.network.vision_encoder.backbone.layers[0]
    assert not layer._forward_pre_hooks


def test_a_phrase_that_is_too_long_is_refused(segmenter: Sam3Segmenter) -> None:
    with pytest.raises(InputError, match="tokens, and the text model reads 32; use fewer words"):
        segmenter.find_boxes(picture(20, 20), ["word " * 20])
