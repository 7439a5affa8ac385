"""Decoders on embedded planes: maps of the plane, and the decoder that belongs to a model."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.decoders import build_decoder, carry_decoder, decoder_state
from tests.stub import StubModel
from tests.tiny import build_tiny_model

from napari_segany import SamModel
from napari_segany.errors import Cancelled, InputError
from napari_segany.models.distance_decoder import (
    DistanceDecoder,
    describe_missing,
    find_decoder,
    has_decoder,
)
from napari_segany.models.shared_model import SharedModel
from napari_segany.weights.decoders import DecoderFile


@pytest.fixture
def own(tiny_model: SamModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A decoder for the tiny model."""
    return carry_decoder(tiny_model, tmp_path, monkeypatch)


def noise(shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", [(128, 128), (50, 71), (300, 17), (1, 9), (1, 1), (200, 260)])
def test_the_maps_are_cut_to_the_plane_as_published(
    shape: tuple[int, int], tiny_model: SamModel, own: Path, enlarge: Callable[..., Any]
) -> None:
    decoder = find_decoder(tiny_model)
    assert decoder is not None
    embedding = tiny_model.embed(noise(shape))
    maps = decoder.predict_maps(embedding)
    expected = enlarge(embedding.frame, build_decoder()(embedding.features[None])[0]).numpy()
    for number, found in enumerate((maps.foreground, maps.centre, maps.boundary)):
        assert found.shape == maps.shape == shape
        assert found.dtype == np.float32
        assert np.abs(found - expected[number]).max() < 2e-5


def test_it_says_what_is_wrong_with_an_embedding(
    tiny_model: SamModel, own: Path, tmp_path: Path
) -> None:
    decoder = find_decoder(tiny_model)
    assert decoder is not None
    with pytest.raises(InputError, match="reads the embeddings of SAM, got StubEmbedding"):
        decoder.predict_maps(StubModel().embed(noise((9, 9))))
    embedding = tiny_model.embed(noise((9, 9)))
    with pytest.raises(InputError, match="made by another model"):
        decoder.predict_maps(replace(embedding, weights_sha256="1"))
    with pytest.raises(InputError, match="reads 256 channels, and the embedding has 3"):
        decoder.predict_maps(replace(embedding, features=torch.zeros(3, 8, 8)))
    assert "tiny_decoder.pt" in repr(decoder)


def test_it_can_be_stopped(tiny_model: SamModel, own: Path) -> None:
    decoder = find_decoder(tiny_model)
    assert decoder is not None
    polls: list[int] = []

    def at_the_fourth() -> bool:
        polls.append(1)
        return len(polls) == 4

    with pytest.raises(Cancelled):
        decoder.predict_maps(tiny_model.embed(noise((9, 9))), should_stop=at_the_fourth)
    assert len(polls) == 4


def test_a_model_without_a_decoder_says_so(tiny_model: SamModel) -> None:
    for model in (tiny_model, StubModel()):
        assert not has_decoder(model)
        assert find_decoder(model) is None
        assert "carries no decoder" in describe_missing(model)
    published = build_tiny_model()
    published.weights = replace(published.weights, id="vit_b_lm")
    assert describe_missing(published) == (
        "The decoder of vit_b_lm is not on this machine. Fetch it with: napari-segany models fetch "
        "vit_b_lm_decoder"
    )


def test_a_decoder_is_loaded_once_for_each_model(tiny_model: SamModel, own: Path) -> None:
    decoder = find_decoder(tiny_model)
    assert isinstance(decoder, DistanceDecoder)
    assert has_decoder(tiny_model)
    assert find_decoder(tiny_model) is decoder
    shared = find_decoder(SharedModel(tiny_model))
    assert shared is not None
    assert shared.sha256 == decoder.sha256
    assert find_decoder(tiny_model, "0" * 64) is None
    assert "000000000000... is needed, and tiny has another" in describe_missing(
        tiny_model, "0" * 64
    )
    other = build_tiny_model()
    other.weights = tiny_model.weights
    assert find_decoder(other) is not decoder
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None, "the decoder keeps no model alive"


def test_a_model_in_bfloat16_has_close_maps(
    tiny_model: SamModel, own: Path, tmp_path: Path
) -> None:
    exact = find_decoder(tiny_model)
    assert exact is not None
    lower = SamModel(tiny_model.network, tiny_model.weights, torch.device("cpu"), "exact")
    lower.precision = "bfloat16"
    close = find_decoder(lower)
    assert close is not None
    embedding = tiny_model.embed(noise((40, 56)))
    one, other = exact.predict_maps(embedding), close.predict_maps(embedding)
    assert 0 < np.abs(one.foreground - other.foreground).max() < 0.1


def test_the_file_is_read_when_it_is_needed(tiny_model: SamModel, own: Path) -> None:
    assert has_decoder(tiny_model)
    torch.save(decoder_state(seed=1), own)
    found = find_decoder(tiny_model)
    assert found is not None
    assert found.file == DecoderFile(own, found.sha256)
