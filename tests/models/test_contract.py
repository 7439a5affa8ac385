"""Every promptable model, tested against the one contract."""

import pytest
from tests.models.contract import ModelContract
from tests.stub import StubModel

from napari_segany import PromptableModel, SamModel
from napari_segany.errors import InputError
from napari_segany.models.registry import FAMILIES, find_loader
from napari_segany.networks.sam import ARCHITECTURES
from napari_segany.weights.catalog import CATALOG


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
    with pytest.raises(InputError, match="architecture 'vit_x'; known: vit_b, vit_h"):
        find_loader("vit_x")
