"""CLIP beside transformers' own steps, with the same random weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.models.detectors.test_owlv2 import picture
from tests.text_models import tiny_folder

from napari_segany.errors import Cancelled
from napari_segany.models.detectors.clip import ClipRanker, crop_window, load_clip
from napari_segany.models.text_protocol import TextDetector, TextRanker

BOXES = np.array([[10, 20, 20, 28], [0, 0, 6, 4], [30, 40, 40, 56], [0, 0, 40, 56]])


@pytest.fixture(scope="module")
def ranker() -> ClipRanker:
    return load_clip(tiny_folder("clip"), torch.device("cpu"))


def test_probabilities_are_those_of_transformers(ranker: ClipRanker) -> None:
    from transformers import AutoTokenizer, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder, plane = tiny_folder("clip"), picture(40, 56)
    model = CLIPModel.from_pretrained(folder).eval()
    texts = [f"a photo of {phrase}" for phrase in ("cell", "tooth", "background")]
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding="max_length", return_tensors="pt")
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    # Boxes whose crops are squares, which their processor does not cut.
    square = BOXES[:3]
    crops = [np.ascontiguousarray(plane[crop_window(box, (40, 56))]) for box in square]
    pixels = processor(crops, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        outputs = model(pixel_values=pixels, **tokens)
    cosines = outputs.image_embeds @ outputs.text_embeds.T
    ours = ranker.cosines(plane, square, ["cell", "tooth", "background"])
    assert torch.allclose(ours, cosines, atol=1e-5)
    expected = outputs.logits_per_image.softmax(dim=-1)[:, :2].numpy()
    found = ranker.score_boxes(plane, square, ["cell", "tooth"], ["background"])
    assert found.shape == (3, 2)
    assert np.allclose(found, expected, atol=1e-5)
    assert found.std() > 1e-5, "no test of the crops otherwise"


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_a_crop_is_a_square_around_its_box_in_the_plane(
    shape: tuple[int, int], ends: list[float]
) -> None:
    sides = []
    for size, one, other in ((shape[0], *ends[:2]), (shape[1], *ends[2:])):
        first, last = sorted((int(one * (size - 1)), int(other * (size - 1))))
        sides.append((first, last + 1))
    box = np.array([sides[0][0], sides[1][0], sides[0][1], sides[1][1]])
    wanted = int(np.ceil(1.5 * max(box[2] - box[0], box[3] - box[1])))
    for window, (first, end), size in zip(crop_window(box, shape), sides, shape, strict=True):
        assert 0 <= window.start <= first
        assert end <= window.stop <= size
        assert window.stop - window.start == min(wanted, size)


def test_it_ranks_and_finds_nothing(ranker: ClipRanker) -> None:
    assert isinstance(ranker, TextRanker)
    assert not isinstance(ranker, TextDetector)
    plane, none = picture(40, 56), np.zeros((0, 4), np.int64)
    assert ranker.score_boxes(plane, none, ["cell"], ["background"]).shape == (0, 1)
    told: list[tuple[int, int]] = []
    ranker.score_boxes(plane, BOXES, ["cell"], [], progress=lambda *each: told.append(each))
    assert told == [(4, 4)]
    with pytest.raises(Cancelled):
        ranker.score_boxes(plane, BOXES, ["cell"], [], should_stop=lambda: True)
