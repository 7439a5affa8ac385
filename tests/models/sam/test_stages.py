"""Stages of both kinds of encoder: kept on demand, of the encoder's own type, and let go."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.finders import make_card
from torch import Tensor

from napari_segany import Prompt, SamModel
from napari_segany.core.intensity import to_rgb
from napari_segany.models.device import Precision
from napari_segany.models.embedding_cache import EmbeddingCache
from napari_segany.models.finder import load_finder
from napari_segany.networks.finder import Finder, FinderShape
from napari_segany.networks.finder_inference import fold
from napari_segany.networks.mask_decoder import MaskDecoder
from napari_segany.networks.prompt_encoder import PromptEncoder
from napari_segany.networks.sam import Sam
from napari_segany.networks.tiny_vit import TinyViT
from napari_segany.networks.vit import ViT
from napari_segany.weights.finders import write_finder
from napari_segany.weights.resolve import Weights

ENCODERS = {
    "vit_t": lambda: TinyViT((8, 16, 16, 32), (1, 1, 1, 1), (1, 2, 2, 2), (7, 7, 7, 7)),
    "vit_b": lambda: ViT(width=16, depth=4, heads=2, global_blocks=(1, 3), window=4, grid=8),
}
STAGES = {"vit_t": [(8, 32, 32), (16, 16, 16)], "vit_b": [(16, 8, 8), (16, 8, 8)]}


def build_model(encoder: str, precision: Precision) -> SamModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Sam(ENCODERS[encoder](), PromptEncoder(grid=8), MaskDecoder())
    network.eval().requires_grad_(False)
    weights = Weights("small", encoder, Path("small"), "0")
    return SamModel(network, weights, torch.device("cpu"), precision)


@pytest.fixture(params=["vit_t", "vit_b"])
def encoder(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plane() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (90, 128)).astype(np.uint8)


@pytest.mark.parametrize("precision", ["exact", "bfloat16"])
def test_stages_have_the_encoders_type_and_change_no_bit(
    encoder: str, precision: Precision, plane: NDArray[np.uint8]
) -> None:
    model = build_model(encoder, precision)
    plain, kept = model.embed(plane), model.embed(plane, stages=True)
    assert torch.equal(plain.features, kept.features)
    assert [tuple(stage.shape) for stage in kept.stages] == STAGES[encoder]
    assert {stage.dtype for stage in kept.stages} == {model.dtype}
    assert all(stage.permute(1, 2, 0).is_contiguous() for stage in kept.stages)
    seen: list[Tensor] = []
    placed = torch.from_numpy(kept.frame.place_image(to_rgb(plane))).permute(2, 0, 1)[None]
    with torch.inference_mode():
        model.network.image_encoder(model.network.normalise(placed), on_stage=seen.append)
    for stage, expected in zip(kept.stages, seen, strict=True):
        assert torch.equal(stage, expected[0].permute(2, 0, 1))


def test_a_cache_counts_stages(plane: NDArray[np.uint8]) -> None:
    embedding = build_model("vit_t", "exact").embed(plane, stages=True)
    cache = EmbeddingCache()
    cache.put("plane", embedding)
    assert cache.nbytes == 4 * (256 * 8 * 8 + 8 * 32 * 32 + 16 * 16 * 16)
    cache.put("plane", embedding.without_stages())
    assert cache.nbytes == 4 * 256 * 8 * 8


def test_a_model_keeps_no_stages_alive(plane: NDArray[np.uint8]) -> None:
    model = build_model("vit_t", "exact")
    embedding = model.embed(plane, stages=True)
    stage = weakref.ref(embedding.stages[0])
    prepared = model.prepare(embedding)
    embedding = embedding.without_stages()
    gc.collect()
    assert stage() is None
    assert model.prepare(embedding) is prepared, "for prompts it is the same embedding"
    assert len(model.predict(embedding, Prompt(points=[(3, 4)])))


def test_crops_of_a_finder_are_forgotten_before_the_next_is_embedded(
    plane: NDArray[np.uint8],
) -> None:
    model = build_model("vit_t", "exact")
    crop = model.embed(plane, stages=True)
    prepared = weakref.ref(model.prepare(crop))
    before = model.predict(crop, Prompt(points=[(3, 4)])).low_res_logits
    alive: list[bool] = []

    def look() -> bool:
        gc.collect()
        alive.append(prepared() is not None)
        return False

    model.embed(plane, stages=True, should_stop=look)
    assert alive
    assert not any(alive)
    again = model.predict(crop, Prompt(points=[(3, 4)])).low_res_logits
    assert np.array_equal(again, before), "it can still be prompted"


def test_two_planes_are_remembered_at_most(plane: NDArray[np.uint8]) -> None:
    model = build_model("vit_t", "exact")
    planes = [model.embed(plane + np.uint8(i)) for i in range(3)]
    kept = [weakref.ref(model.prepare(each)) for each in planes]
    gc.collect()
    assert [each() is not None for each in kept] == [False, True, True]
    model.embed(plane)
    gc.collect()
    assert [each() is not None for each in kept] == [False, False, True]


def test_planes_that_were_asked_last_are_remembered(plane: NDArray[np.uint8]) -> None:
    model = build_model("vit_t", "exact")
    first, second = (model.embed(plane + np.uint8(i)) for i in range(2))
    kept = [weakref.ref(model.prepare(each)) for each in (second, first)]
    model.embed(plane + np.uint8(2))
    gc.collect()
    assert [each() is not None for each in kept] == [False, True]


def test_more_planes_are_remembered_if_prompts_ask_about_all_of_them(
    plane: NDArray[np.uint8],
) -> None:
    model = build_model("vit_t", "exact")
    model.keep_prepared(4)
    kept = [weakref.ref(model.prepare(model.embed(plane + np.uint8(i)))) for i in range(5)]
    gc.collect()
    assert [each() is not None for each in kept] == [False, True, True, True, True]
    model.keep_prepared(1)
    gc.collect()
    assert [each() is not None for each in kept] == [False, False, False, True, True]


@pytest.mark.parametrize("precision", ["exact", "bfloat16"])
def test_a_finder_reads_both_encoders(
    encoder: str, precision: Precision, plane: NDArray[np.uint8], tmp_path: Path
) -> None:
    model = build_model(encoder, precision)
    stages = model.network.image_encoder.finer_stages
    shape = FinderShape(256, stages, (8, 8, 8), image_width=4, blocks=1)
    file = write_finder(tmp_path / "f.safetensors", fold(Finder(shape)), make_card(model, shape))
    finder = load_finder(model, file.path)
    maps = []
    for count in (1, 2, 4):
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            embedding = model.embed(plane, stages=True)
            maps.append(finder.predict_maps(embedding, to_rgb(plane)))
        finally:
            torch.set_num_threads(before)
    for each in maps[1:]:
        assert each.foreground.tobytes() == maps[0].foreground.tobytes()
        assert each.log2_size.tobytes() == maps[0].log2_size.tobytes()
