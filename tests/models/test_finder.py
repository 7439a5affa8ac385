import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.finders import TINY_SHAPE, build_finder, make_card, write_tiny_finder
from tests.stub import StubModel
from tests.tiny import build_tiny_model
from torch.nn import functional as F

from napari_segany import SamModel
from napari_segany.core.intensity import to_rgb
from napari_segany.errors import Cancelled, InputError
from napari_segany.models.finder import FinderModel, ObjectMaps, find_finder, load_finder
from napari_segany.networks.encoder_sketch import EncoderSketch
from napari_segany.networks.finder import predict_maps
from napari_segany.weights import finders
from napari_segany.weights.finder_card import encoder_card


@pytest.fixture(autouse=True)
def _no_packaged_finder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finders, "PACKAGED", cache / "packaged")


@pytest.fixture
def own(cache: Path, tiny_model: SamModel) -> Path:
    """A person's own finder for the tiny model."""
    return write_tiny_finder(cache / "finders" / "own.safetensors", tiny_model).path


@pytest.fixture
def plane() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (50, 71)).astype(np.uint8)


def maps_of(maps: ObjectMaps) -> NDArray[np.float32]:
    parts = maps.foreground, maps.contour, maps.interior, maps.centre, maps.log2_size
    return np.stack(parts)


def test_the_maps_are_those_of_the_training_form(
    tiny_model: SamModel, own: Path, plane: NDArray[np.uint8]
) -> None:
    finder = find_finder(tiny_model)
    assert finder is not None
    embedding = tiny_model.embed(plane, stages=True)
    rgb = to_rgb(plane)
    maps = finder.predict_maps(embedding, rgb)
    assert maps.frame == embedding.frame
    assert maps.side == 64
    assert maps.shape == maps.centre.shape == embedding.frame.cells_used(64)
    placed = torch.from_numpy(maps.frame.place_image(rgb)).permute(2, 0, 1)[None].float()
    raw = build_finder(TINY_SHAPE)(
        embedding.features[None],
        [stage[None] for stage in embedding.stages],
        tiny_model.network.normalise(placed),
    )
    expected = predict_maps(raw)[0, :, : maps.shape[0], : maps.shape[1]].numpy()
    found = maps_of(maps)
    assert found.dtype == np.float32
    assert (found[:4] >= 0).all()
    assert (found[:4] <= 1).all()
    # The file's weights are rounded to 16 bits.
    assert np.abs(found - expected).max() < 5e-3


def test_maps_can_be_enlarged_to_the_plane(
    tiny_model: SamModel, own: Path, plane: NDArray[np.uint8]
) -> None:
    finder = load_finder(tiny_model, own)
    maps = finder.predict_maps(tiny_model.embed(plane, stages=True), to_rgb(plane))
    enlarged = maps.enlarge(maps.foreground)
    assert enlarged.shape == plane.shape
    assert 0 <= enlarged.min() < enlarged.max() <= 1
    # Cells beyond those of the maps count for nothing.
    everywhere = F.pad(
        torch.from_numpy(maps.foreground),
        (0, maps.side - maps.shape[1], 0, maps.side - maps.shape[0]),
        value=9.0,
    )
    again, _ = maps.frame.enlarge_within(everywhere, (0, 0, *maps.shape))
    assert np.array_equal(again.numpy(), enlarged)


def test_a_model_in_bfloat16_has_close_maps(
    tiny_model: SamModel, own: Path, plane: NDArray[np.uint8]
) -> None:
    lower = SamModel(tiny_model.network, tiny_model.weights, torch.device("cpu"), "exact")
    lower.precision = "bfloat16"
    embedding = tiny_model.embed(plane, stages=True)
    exact = load_finder(tiny_model, own).predict_maps(embedding, to_rgb(plane))
    close = load_finder(lower, own).predict_maps(embedding, to_rgb(plane))
    difference = np.abs(maps_of(exact) - maps_of(close)).max()
    assert 0 < difference < 0.05


def test_it_says_what_is_wrong_with_an_embedding(
    tiny_model: SamModel, own: Path, plane: NDArray[np.uint8]
) -> None:
    finder = load_finder(tiny_model, own)
    embedding = tiny_model.embed(plane, stages=True)
    rgb = to_rgb(plane)
    with pytest.raises(InputError, match=r"without the stages .* model\.embed\(plane, stages=True"):
        finder.predict_maps(embedding.without_stages(), rgb)
    with pytest.raises(InputError, match=r"of shape \(50, 71\), the image has shape \(71, 50, 3\)"):
        finder.predict_maps(embedding, rgb.transpose(1, 0, 2))
    with pytest.raises(InputError, match="An embedding is needed, got StubEmbedding"):
        finder.predict_maps(StubModel().embed(plane), rgb)
    other = build_tiny_model()
    other.weights = finders_weights = tiny_model.weights.__class__("b", "none", Path("b"), "1")
    with pytest.raises(InputError, match="made by another model"):
        finder.predict_maps(other.embed(plane, stages=True), rgb)
    assert finders_weights is other.weights


def test_it_can_be_stopped(tiny_model: SamModel, own: Path, plane: NDArray[np.uint8]) -> None:
    finder = load_finder(tiny_model, own)
    embedding = tiny_model.embed(plane, stages=True)
    polls: list[int] = []

    def at_the_fourth() -> bool:
        polls.append(1)
        return len(polls) == 4

    with pytest.raises(Cancelled):
        finder.predict_maps(embedding, to_rgb(plane), should_stop=at_the_fourth)
    assert len(polls) == 4


def test_without_an_installed_finder_there_is_none(tiny_model: SamModel) -> None:
    assert find_finder(tiny_model) is None
    assert find_finder(StubModel()) is None


def test_a_model_that_cannot_be_read_has_none(own: Path) -> None:
    assert find_finder(StubModel()) is None
    with pytest.raises(InputError, match="image encoder of tiny, and stub has another one"):
        load_finder(StubModel(), own)


def test_a_finder_of_another_encoder_does_not_fit(cache: Path, tiny_model: SamModel) -> None:
    sketch = tiny_model.sketch_encoder()
    changed = EncoderSketch(sketch.layout, tuple((0, *row[1:]) for row in sketch.values))
    card = encoder_card("mobile_sam", "vit_t", changed)
    path = cache / "finders" / "other.safetensors"
    write_tiny_finder(path, tiny_model, encoder=card)
    assert find_finder(tiny_model) is None
    with pytest.raises(InputError, match=r"encoder of mobile_sam, and tiny has another one\. Use"):
        load_finder(tiny_model, path)


def test_a_finder_is_loaded_once_for_each_model(tiny_model: SamModel, own: Path) -> None:
    finder = find_finder(tiny_model)
    assert isinstance(finder, FinderModel)
    assert find_finder(tiny_model) is finder
    assert load_finder(tiny_model, own) is finder
    other = build_tiny_model()
    assert find_finder(other) is not finder
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None, "the finder keeps no model alive"


def test_a_finder_that_is_installed_later_is_found(cache: Path, tiny_model: SamModel) -> None:
    assert find_finder(tiny_model) is None
    packaged = write_tiny_finder(finders.PACKAGED / "one.safetensors", tiny_model)
    first = find_finder(tiny_model)
    assert first is not None
    assert first.sha256 == packaged.sha256
    own = write_tiny_finder(cache / "finders" / "own.safetensors", tiny_model, seed=1)
    assert own.sha256 != packaged.sha256
    second = find_finder(tiny_model)
    assert second is not None
    assert second.sha256 == own.sha256, "a person's own comes first"
    assert find_finder(tiny_model, packaged.sha256) is first
    assert find_finder(tiny_model, "0" * 64) is None


def test_the_card_is_the_files(tiny_model: SamModel, own: Path) -> None:
    finder = load_finder(tiny_model, own)
    assert finder.card == make_card(tiny_model)
    assert finder.card.quality == {"bias": 0.25}
    assert "own.safetensors" in repr(finder)
