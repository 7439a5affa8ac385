"""Every promptable model, tested against the one contract."""

from pathlib import Path
from typing import Any

import pytest
from tests.models.contract import ModelContract
from tests.stub import StubModel

from napari_segany import PromptableModel, SamModel, load_model
from napari_segany.errors import InputError
from napari_segany.models.registry import FAMILIES, ModelFamily, find_loader
from napari_segany.networks.sam import ARCHITECTURES
from napari_segany.weights.catalog import CATALOG
from napari_segany.weights.resolve import Weights


class TestSamModel(ModelContract):
    @pytest.fixture
    def model(self, tiny_model: SamModel) -> PromptableModel:
        return tiny_model


class TestStubModel(ModelContract):
    @pytest.fixture
    def model(self) -> PromptableModel:
        return StubModel()


@pytest.mark.parametrize("spec", CATALOG.values(), ids=lambda spec: spec.id)
def test_every_published_model_belongs_to_a_family(spec: object) -> None:
    assert callable(find_loader(spec.architecture))  # type: ignore[attr-defined]


def test_the_sam_family_has_every_architecture_of_its_networks() -> None:
    assert FAMILIES["sam"].architectures == set(ARCHITECTURES)


def test_unknown_architectures_are_refused() -> None:
    with pytest.raises(InputError, match="architecture 'vit_x'; known: edgetam, sam2_b, sam2_l"):
        find_loader("vit_x")


def load_stub(weights: Weights, device: Any, precision: Any) -> PromptableModel:
    return StubModel(weights=weights, device=device, precision=precision)


def test_a_family_that_was_added_is_loaded_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    added = ModelFamily("tests.models.test_contract:load_stub", frozenset({"squares"}))
    monkeypatch.setattr("napari_segany.models.registry.FAMILIES", {**FAMILIES, "stub": added})
    weights = Weights("mine", "squares", Path("mine.pt"), "ab" * 32)
    monkeypatch.setattr("napari_segany.models.registry.resolve", lambda name, progress: weights)
    model = load_model("mine", device="cpu", precision="exact")
    assert isinstance(model, PromptableModel)
    assert not isinstance(model, SamModel)
    assert (model.id, model.precision, model.device.type) == ("mine", "exact", "cpu")
