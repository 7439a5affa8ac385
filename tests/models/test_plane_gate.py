"""Descriptions of planes, and their distance from those that a finder was trained on."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.stub import StubModel

from napari_segany import SamModel
from napari_segany.errors import InputError
from napari_segany.models.plane_gate import (
    LIMIT,
    MOST_REFERENCES,
    describe_plane,
    make_gate,
    plane_distance,
)


def noise(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)


def test_a_description_is_of_the_cells_that_the_plane_covers(tiny_model: SamModel) -> None:
    embedding = tiny_model.embed(noise((30, 128)), stages=True)
    found = describe_plane(embedding)
    expected = []
    for features in (embedding.features, *embedding.stages):
        rows, cols = embedding.frame.cells_used(features.shape[-1])
        assert rows < cols == features.shape[-1]
        cells = features[:, :rows].flatten(1).double()
        parts = cells.mean(dim=1), cells.std(dim=1, correction=0)
        expected += [(part / part.norm()).numpy() for part in parts]
    assert found == pytest.approx(np.concatenate(expected), abs=1e-6)


def test_an_embedding_without_stages_is_refused(tiny_model: SamModel) -> None:
    for model in (StubModel(), tiny_model):
        with pytest.raises(InputError, match="an embedding with stages"):
            describe_plane(model.embed(noise((20, 30))))


def test_the_distance_is_that_of_the_nearest_reference() -> None:
    corners = np.eye(3)[:2]
    gate = make_gate(corners)
    assert gate == make_gate(corners[::-1])
    assert gate.limit == LIMIT
    assert plane_distance(gate, np.array([0.6, 0.8, 0.0])) == pytest.approx(np.sqrt(0.4))
    assert plane_distance(gate, corners[1]) == 0
    with pytest.raises(InputError, match="by 3 numbers, and this one by 2"):
        plane_distance(gate, np.zeros(2))


def test_there_are_not_more_references_than_are_compared_fast() -> None:
    rng = np.random.default_rng(0)
    many = rng.normal(size=(2 * MOST_REFERENCES + 3, 4))
    gate = make_gate(many)
    assert MOST_REFERENCES / 2 < len(gate.references) <= MOST_REFERENCES
    assert gate == make_gate(rng.permutation(many))
    assert len(make_gate(np.repeat(many[:1], 5, axis=0)).references) == 1
