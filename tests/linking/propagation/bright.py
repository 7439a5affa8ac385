"""A model that sees bright regions, and volumes of them: what it answers is known beforehand."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from tests.stub import StubCrop, StubEmbedding, StubModel

from napari_segany import MaskSet, Prompt
from napari_segany.core.callbacks import check
from napari_segany.linking.propagation.appearance import PlaneView

THRESHOLD = 100


@dataclass(frozen=True, eq=False)
class BrightEmbedding(StubEmbedding):
    """The plane itself."""

    image: Any = None


@dataclass(frozen=True)
class BrightCrop(StubCrop):
    """Its features are brightness and darkness."""

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        rows, cols = np.rint(points).astype(int).T
        light = self.embedding.image[rows, cols].astype(np.float32)  # type: ignore[attr-defined]
        return np.stack([light, 255 - light], axis=1)


@dataclass
class BrightModel(StubModel):
    """Answers with the bright region that a prompt covers most, and with its part in the box."""

    calls: int = field(default=0)

    def embed(self, plane: Any, **_: Any) -> Any:
        self.planes.append(plane)
        return BrightEmbedding(plane.shape[:2], image=np.asarray(plane))

    def prepare(self, embedding: Any) -> StubCrop:
        return BrightCrop(embedding)

    def predict(self, embedding: Any, prompts: Any, **options: Any) -> Any:
        if isinstance(prompts, Prompt):
            return self.predict(embedding, [prompts], **options)[0]
        check(options.get("should_stop"))
        self.calls += 1
        prompts = list(prompts) if isinstance(prompts, Iterable) else prompts
        self.asked += prompts
        return [self._answer_bright(embedding.image, prompt) for prompt in prompts]

    @staticmethod
    def _answer_bright(image: NDArray[Any], prompt: Prompt) -> MaskSet:
        inside = np.zeros(image.shape, bool)
        if prompt.box is not None:
            a, b, c, d = np.rint(prompt.box).astype(int)
            inside[max(a, 0) : c + 1, max(b, 0) : d + 1] = True
        elif prompt.mask is not None:
            inside |= prompt.mask
        else:
            assert prompt.points is not None
            inside[tuple(np.rint(prompt.points[0]).astype(int))] = True
        regions, _ = ndimage.label(image > THRESHOLD)
        counts = np.bincount(regions[inside])
        if len(counts) < 2 or not counts[1:].any():
            return MaskSet.from_masks(np.zeros((1, *image.shape), bool), [0.2], [0.2])
        region = regions == 1 + int(np.argmax(counts[1:]))
        return MaskSet.from_masks([region, region & inside], [0.95, 0.9], [0.9, 0.9])


def balls(
    shape: tuple[int, int, int], *centres: tuple[float, float, float, float]
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Bright balls (plane, row, column, radius) on dark ground, and their labels."""
    grid = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for number, (*centre, radius) in enumerate(centres, start=1):
        offset = grid - np.reshape(centre, (3, 1, 1, 1))
        labels[(offset**2).sum(axis=0) <= radius**2] = number
    noise = np.random.default_rng(0).integers(0, 40, shape)
    return (np.where(labels > 0, 200, 20) + noise).astype(np.uint8), labels


class Planes:
    """The planes of a volume; remembers which were looked at."""

    def __init__(self, model: BrightModel, volume: NDArray[Any], missing: tuple[int, ...] = ()):
        self.model, self.volume, self.missing = model, volume, missing
        self.seen: list[int] = []

    def __call__(self, plane: int) -> PlaneView | None:
        self.seen.append(plane)
        if plane in self.missing:
            return None
        return PlaneView(self.model.embed(self.volume[plane]), self.volume[plane])


def box_of(mask: NDArray[np.bool_]) -> list[float]:
    """The box of a mask, through the centres of its outermost pixels."""
    rows, cols = np.nonzero(mask)
    return [float(n) for n in (rows.min(), cols.min(), rows.max(), cols.max())]
