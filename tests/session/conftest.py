"""A model that answers at once, for everything that is not about the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from napari_segany import MaskSet, Prompt
from napari_segany.core.callbacks import check


@dataclass
class StubModel:
    """Answers a point with three squares around it, and a box or a mask with itself."""

    planes: list[Any] = field(default_factory=list)
    asked: list[Prompt] = field(default_factory=list)
    precision: str = "exact"
    weights: Any = field(default_factory=lambda: SimpleNamespace(id="stub", sha256="0" * 64))
    device: Any = field(default_factory=lambda: torch.device("cpu"))

    def embed(self, plane: Any, *, limits: Any = None, should_stop: Any = None) -> Any:
        check(should_stop)
        self.planes.append((plane.copy(), limits))
        return SimpleNamespace(features=torch.zeros(1024), shape=plane.shape[:2])

    def predict(
        self, embedding: Any, prompts: Sequence[Prompt], *, should_stop: Any = None
    ) -> list[MaskSet]:
        check(should_stop)
        self.asked += prompts
        return [self.answer(embedding.shape, prompt) for prompt in prompts]

    @staticmethod
    def answer(shape: tuple[int, int], prompt: Prompt) -> MaskSet:
        masks = np.zeros((3 if prompt.is_ambiguous else 1, *shape), bool)
        for i, mask in enumerate(masks):
            if prompt.mask is not None:
                mask |= prompt.mask
            elif prompt.box is not None:
                a, b, c, d = np.rint(prompt.box).astype(int)
                mask[max(a, 0) : c + 1, max(b, 0) : d + 1] = True
            for (row, col), on in (
                zip(prompt.points, prompt.labels, strict=True)
                if (prompt.points is not None and prompt.labels is not None)
                else ()
            ):
                reach = 2 + 2 * i if on else 1
                a, b = round(row) - reach, round(col) - reach
                size = 2 * reach + 1
                mask[max(a, 0) : a + size, max(b, 0) : b + size] = bool(on)
        scores = np.linspace(0.9, 0.7, len(masks))
        return MaskSet.from_masks(masks, scores, scores)


@pytest.fixture
def model() -> StubModel:
    return StubModel()


@pytest.fixture
def make_model() -> Callable[[], StubModel]:
    return StubModel
