"""SAM 2.1 beside transformers' own model, with the same random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.models.contract import ModelContract
from tests.models.sam2.tiny import SIDE, tiny_config, tiny_network

from napari_segany import Prompt, PromptableModel, load_model
from napari_segany.errors import WeightsError
from napari_segany.models.sam2.model import Sam2ImageModel
from napari_segany.weights import sam2_files
from napari_segany.weights.resolve import Weights, import_file
from napari_segany.weights.safetensors_file import to_safetensors
from napari_segany.weights.sam2_files import SAM2_SHAPES, HieraShape, build_sam2, identify_sam2

SHAPE = (40, 56)


@pytest.fixture(scope="module")
def network() -> Any:
    return tiny_network()


@pytest.fixture
def tiny(network: Any) -> Sam2ImageModel:
    weights = Weights("tiny_sam2", "sam2_t", Path("tiny"), "2" * 64)
    return Sam2ImageModel(network, weights, torch.device("cpu"))


class TestSam2Model(ModelContract):
    @pytest.fixture
    def model(self, tiny: Sam2ImageModel) -> PromptableModel:
        return tiny


@pytest.fixture
def plane() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (5, 7, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(SHAPE[::-1], Image.Resampling.BICUBIC))


def their_pixels(plane: NDArray[np.uint8]) -> torch.Tensor:
    squashed = Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    scaled = (np.asarray(squashed) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.from_numpy(scaled.astype(np.float32)).permute(2, 0, 1)[None]


def xy(rows_cols: Any) -> torch.Tensor:
    """Return x, y in the square for rows and columns of the plane."""
    places = np.asarray(rows_cols, np.float64).reshape(-1, 2)
    return torch.tensor(places[:, ::-1] * [SIDE / SHAPE[1], SIDE / SHAPE[0]]).float()


@torch.no_grad()
def theirs(network: Any, plane: NDArray[np.uint8], prompt: Prompt, many: bool) -> Any:
    """Return logits and scores of transformers' own call for one prompt."""
    given: dict[str, Any] = {}
    if prompt.points is not None:
        given["input_points"] = xy(prompt.points)[None, None]
        given["input_labels"] = torch.from_numpy(np.array(prompt.labels))[None, None].int()
    if prompt.box is not None:
        given["input_boxes"] = xy(prompt.box).reshape(1, 1, 4)
    if prompt.mask_logits is not None:
        given["input_masks"] = torch.from_numpy(np.array(prompt.mask_logits))[None, None]
    out = network(pixel_values=their_pixels(plane), multimask_output=many, **given)
    return out.pred_masks[0, 0].numpy(), out.iou_scores[0, 0].numpy()


LOGITS = np.random.default_rng(1).normal(0, 5, (32, 32)).astype(np.float32)

PROMPTS = {
    "a point": Prompt(points=[(20, 30)]),
    "points": Prompt(points=[(20, 30), (5, 50), (33, 8)], labels=[1, 0, 1]),
    "a box": Prompt(box=(4, 6, 30, 44)),
    "a box and points": Prompt(points=[(20, 30), (8, 9)], labels=[1, 0], box=(4, 6, 30, 44)),
    "logits and a point": Prompt(points=[(20, 30)], mask_logits=LOGITS),
    "logits and a box": Prompt(box=(4, 6, 30, 44), mask_logits=LOGITS),
}


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("name", PROMPTS)
def test_logits_are_those_of_transformers(
    tiny: Sam2ImageModel, network: Any, plane: NDArray[np.uint8], name: str, many: bool
) -> None:
    prompt = PROMPTS[name]
    logits, scores = theirs(network, plane, prompt, many)
    # Intensities as they are, which percentiles would stretch.
    embedding = tiny.embed(plane, limits=((0, 255),) * 3)
    found = tiny.predict(embedding, prompt, multimask=many, ranking="predicted_iou")
    order = np.argsort(-scores, kind="stable")
    assert found.low_res_logits is not None
    assert found.low_res_logits.shape == logits.shape
    assert np.ptp(logits) > 0.01
    assert np.allclose(found.low_res_logits, logits[order], atol=1e-4)
    assert np.allclose(found.predicted_iou, scores[order], atol=1e-4)


def test_a_batch_gives_what_each_prompt_gives(
    tiny: Sam2ImageModel, network: Any, plane: NDArray[np.uint8]
) -> None:
    embedding = tiny.embed(plane, limits=((0, 255),) * 3)
    boxes = [Prompt(box=(k, 2 * k, 20 + k, 30 + 2 * k)) for k in range(11)]
    for prompt, found in zip(boxes, tiny.predict(embedding, boxes), strict=True):
        logits, _ = theirs(network, plane, prompt, False)
        assert np.allclose(found.low_res_logits, logits, atol=1e-4)
    both = tiny.predict(embedding, PROMPTS["a point"], multimask="both")
    assert len(both) == 4


def test_published_sizes_are_told_apart() -> None:
    parameters = {}
    for name in SAM2_SHAPES:
        with torch.device("meta"):
            network = build_sam2(name)
        state = network.state_dict()
        assert identify_sam2(state) == name
        parameters[name] = sum(p.numel() for p in network.parameters()) / 1e6
    assert identify_sam2({"image_encoder.trunk": torch.zeros(1)}) is None
    # The published numbers are 38.9, 46, 80.8 and 224.4 million with the tracking of videos.
    expected = {"sam2_t": 31, "sam2_s": 38, "sam2_b": 73, "sam2_l": 217}
    assert {name: round(n) for name, n in parameters.items()} == pytest.approx(expected, abs=2)


def test_weights_are_imported_and_loaded_by_name(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Any, plane: Any
) -> None:
    monkeypatch.setattr(HieraShape, "config", lambda self: tiny_config())
    small = {"sam2_t": HieraShape(8, 1, (1, 1, 2, 1), (3, 3, 3))}
    monkeypatch.setattr(sam2_files, "SAM2_SHAPES", small)
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    path = tmp_path / "mine.safetensors"
    path.write_bytes(to_safetensors({**state, "memory_encoder.weight": torch.ones(3)}))
    assert import_file(path).architecture == "sam2_t"
    model = load_model("mine", device="cpu")
    assert isinstance(model, Sam2ImageModel)
    logits, _ = theirs(network, plane, PROMPTS["a box"], False)
    found = model.predict(model.embed(plane, limits=((0, 255),) * 3), PROMPTS["a box"])
    assert np.allclose(found.low_res_logits, logits, atol=1e-4)
    del state["no_memory_embedding"]
    path.write_bytes(to_safetensors(state))
    with pytest.raises(WeightsError, match=r"do not fit sam2_t\. Tensors missing: no_memory_emb"):
        import_file(path, "other")
