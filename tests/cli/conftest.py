"""Fixtures of the command line's tests."""

from collections.abc import Iterator

import pytest
import torch

from napari_segany import SamModel


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other make tiny models slow on busy machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny(tiny_model: SamModel, monkeypatch: pytest.MonkeyPatch) -> SamModel:
    """The command line finds the small random model whatever is asked for."""
    monkeypatch.setattr("napari_segany.models.registry.load_model", lambda *_, **__: tiny_model)
    return tiny_model
