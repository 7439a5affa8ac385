"""Every family of transformers beside its own model, with the same random weights."""

import pickle
import threading
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.models.contract import ModelContract
from tests.models.ported.networks import SHAPE, TINY, model_of, network_of, plane_of
from torch.nn import functional as F

from napari_segany import Prompt, PromptableModel
from napari_segany.errors import Cancelled, WeightsError
from napari_segany.models.registry import FAMILIES
from napari_segany.models.screening import Screen
from napari_segany.weights.checkpoint import load_network
from napari_segany.weights.image_families import IMAGE_FAMILIES

LIMITS = ((0, 255),) * 3
"""Intensities as they are, which percentiles would stretch."""

LOGITS = np.random.default_rng(1).normal(0, 5, (32, 32)).astype(np.float32)

PROMPTS = {
    "a point": Prompt(points=[(20, 30)]),
    "points": Prompt(points=[(20, 30), (5, 50), (33, 8)], labels=[1, 0, 1]),
    "a box": Prompt(box=(4, 6, 30, 44)),
    "a box and points": Prompt(points=[(20, 30), (8, 9)], labels=[1, 0], box=(4, 6, 30, 44)),
    "logits and a point": Prompt(points=[(20, 30)], mask_logits=LOGITS),
    "logits and a box": Prompt(box=(4, 6, 30, 44), mask_logits=LOGITS),
}


try:
    import timm  # noqa: F401
except ImportError as error:
    NO_TIMM = str(error)
else:
    NO_TIMM = ""

HERE = [name for name in TINY if name != "edgetam" or not NO_TIMM]
families = pytest.mark.parametrize("name", HERE, scope="module")


@pytest.mark.skipif(bool(NO_TIMM), reason=f"the image encoder of EdgeTAM is timm's: {NO_TIMM}")
def test_edgetam_is_among_the_tested_families() -> None:
    assert "edgetam" in HERE


@pytest.fixture(scope="module")
def plane() -> NDArray[np.uint8]:
    return plane_of()


@families
class TestEveryFamily(ModelContract):
    """The contract of all models."""

    @pytest.fixture
    def model(self, name: str) -> PromptableModel:
        return model_of(name)


@families
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kind", PROMPTS)
def test_logits_are_those_of_transformers(
    name: str, plane: NDArray[np.uint8], kind: str, many: bool
) -> None:
    prompt, model = PROMPTS[kind], model_of(name)
    logits, scores = TINY[name].theirs(network_of(name), plane, prompt, many)
    embedding = model.embed(plane, limits=LIMITS)
    found = model.predict(embedding, prompt, multimask=many, ranking="predicted_iou")
    order = np.argsort(-scores, kind="stable")
    assert found.low_res_logits is not None
    assert found.low_res_logits.shape == logits.shape == (3 if many else 1, 32, 32)
    assert np.ptp(logits) > 0.01
    assert np.allclose(found.low_res_logits, logits[order], atol=1e-4)
    assert np.allclose(found.predicted_iou, scores[order], atol=1e-4)


@families
def test_a_batch_of_different_prompts_gives_what_each_gives(
    name: str, plane: NDArray[np.uint8]
) -> None:
    model = model_of(name)
    embedding = model.embed(plane, limits=LIMITS)
    boxes = [Prompt(box=(k, 2 * k, 20 + k, 30 + 2 * k)) for k in range(11)]
    mixed = [each for pair in zip(boxes, [*PROMPTS.values()] * 2, strict=False) for each in pair]
    found = model.predict(embedding, mixed, multimask=False)
    for prompt, one in zip(mixed, found, strict=True):
        logits, _ = TINY[name].theirs(network_of(name), plane, prompt, False)
        assert np.allclose(one.low_res_logits, logits, atol=1e-4)
    assert len(model.predict(embedding, PROMPTS["a point"], multimask="both")) == 4


@families
def test_points_of_a_grid_are_answered_as_asked_one_by_one(
    name: str, plane: NDArray[np.uint8]
) -> None:
    model = model_of(name)
    embedding = model.embed(plane, limits=LIMITS)
    points = np.array([(r, c) for r in range(3, 40, 9) for c in range(4, 56, 13)], float)
    every = Screen(-np.inf, -np.inf, np.inf, 1.0, sparse=False)
    groups = list(model.prepare(embedding).predict_points(points, 64, every, lambda x: x))
    logits = torch.cat([group.logits for group in groups]).view(len(points), 3, 32, 32)
    for point, found in zip(points, logits, strict=True):
        expected, _ = TINY[name].theirs(network_of(name), plane, Prompt(points=[point]), True)
        assert np.allclose(found, expected, atol=1e-4)


@families
def test_masks_are_logits_enlarged_as_their_authors_do(name: str, plane: NDArray[np.uint8]) -> None:
    """Descendants of SAM 2 go to the plane in one step, SAM-HQ by way of its frame."""
    model = model_of(name)
    found = model.predict(model.embed(plane, limits=LIMITS), PROMPTS["a box"])
    logits = torch.from_numpy(np.array(found.low_res_logits))[None]
    if not TINY[name].squashed:
        rows, cols = TINY[name].scaled(SHAPE)
        logits = F.interpolate(logits, (TINY[name].side,) * 2, mode="bilinear")[..., :rows, :cols]
    large = F.interpolate(logits, SHAPE, mode="bilinear")[0, 0].numpy()
    clear = np.abs(large) > 1e-4
    assert clear.mean() > 0.9
    assert np.array_equal(found.mask(0)[clear], (large > 0)[clear])


@families
def test_the_image_encoder_can_be_stopped_between_its_blocks(
    name: str, plane: NDArray[np.uint8]
) -> None:
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Cancelled):
        model_of(name).embed(plane, should_stop=stop)
    assert len(asked) == 3


def test_a_stop_leaves_other_threads_alone(plane: NDArray[np.uint8]) -> None:
    """Threads share the network, between whose blocks each is asked to stop."""
    model, at_block, go_on = model_of("sam2"), threading.Event(), threading.Event()
    asked: list[int] = []
    stopped: list[bool] = []

    def stop() -> bool:
        asked.append(threading.get_ident())
        if len(asked) == 1:
            return False
        at_block.set()
        return go_on.wait(60)

    def embed_until_stopped() -> None:
        try:
            model.embed(plane, should_stop=stop)
        except Cancelled:
            stopped.append(True)

    thread = threading.Thread(target=embed_until_stopped)
    thread.start()
    try:
        assert at_block.wait(60)
        model.embed(plane)
    finally:
        go_on.set()
        thread.join(60)
    assert asked == [thread.ident] * 2
    assert stopped == [True]


@families
def test_planes_of_other_shapes(name: str) -> None:
    model = model_of(name)
    for shape in [(1, 1), (300, 7), (5, 260)]:
        plane = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        found = model.predict(model.embed(plane), Prompt(points=[(0, 0)]))
        assert found.shape == shape


def test_sam3_adds_the_empty_memory_to_the_map_that_the_decoder_reads(
    plane: NDArray[np.uint8],
) -> None:
    """As the published code; the method of transformers adds it to a map that is dropped."""
    family, prompt, plain = TINY["sam3"], PROMPTS["points"], model_of("sam3")
    without, _ = family.theirs(plain.network, plane, prompt, False)
    network = deepcopy(plain.network)
    memory = torch.randn(256, generator=torch.Generator().manual_seed(0)) * 3
    network.no_memory_embedding.data.copy_(memory)
    fine, middle, coarse = plain.network.get_image_embeddings(family.pixels(plane))
    with torch.no_grad():
        expected = network(
            image_embeddings=[fine, middle, coarse + memory.view(1, -1, 1, 1)],
            multimask_output=False,
            **family.arguments(prompt),
        ).pred_masks[0, 0]
    model = type(plain)(network, plain.weights, plain.device)
    found = model.predict(model.embed(plane, limits=LIMITS), prompt).low_res_logits
    assert np.allclose(found, expected, atol=1e-4)
    assert not np.allclose(found, without, atol=1e-2)


def test_sam_hq_corrects_what_sam_draws(plane: NDArray[np.uint8]) -> None:
    """Its logits are those of the candidate and those of the token of high quality together."""
    network, family = network_of("sam_hq"), TINY["sam_hq"]
    prompt = PROMPTS["a box"]
    with torch.no_grad():
        token = network(
            pixel_values=family.pixels(plane),
            multimask_output=False,
            hq_token_only=True,
            **family.arguments(prompt),
        ).pred_masks[0, 0]
    model = model_of("sam_hq")
    found = model.predict(model.embed(plane, limits=LIMITS), prompt).low_res_logits
    assert not np.allclose(found, token, atol=1e-3)
    assert np.ptp(token.numpy()) > 0.01


def test_every_family_of_weights_has_a_model_and_a_tiny_network() -> None:
    architectures = {name for family in IMAGE_FAMILIES for name in family.configs}
    others = {name for key in TINY for name in FAMILIES[key].architectures}
    assert others == architectures
    assert set(FAMILIES) == {"sam", *TINY}


def test_a_model_is_pickled_as_the_name_of_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("sam2")
    made: list[Any] = []

    def load(*given: Any) -> str:
        made.append(given)
        return "loaded again"

    monkeypatch.setattr(type(model), "load", load)
    function, arguments = model.__reduce__()
    assert function(*arguments) == "loaded again"
    assert made == [(model.weights, model.device, "exact")]
    assert repr(model) == "Sam2ImageModel('tiny_sam2', device='cpu')"
    assert len(pickle.dumps(model.weights)) < 1000


def test_weights_that_do_not_fit_are_refused_before_a_model_is_made() -> None:
    state = dict(network_of("sam3").state_dict())
    with pytest.raises(WeightsError, match="do not fit sam2_t"):
        load_network("sam2_t", state)
