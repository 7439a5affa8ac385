"""A generator with parameters of its own: it prompts a model with tiles of the plane as boxes."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_segany import MaskSet, Prompt, PromptableModel
from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.registry import GeneratorEntry
from napari_segany.models.protocol import Embedding


@dataclass(frozen=True)
class TileParams(GeneratorParams):
    """Parameters of the tile generator."""

    strategy: Literal["tiles"] = "tiles"
    side: int = 20
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.side < 2:
            raise InputError(f"side must be 2 or more, got {self.side!r}.")
        object.__setattr__(self, "thresholds", tuple(self.thresholds))


@dataclass(frozen=True)
class TileCandidates:
    """All masks of a run, as what a set can be filtered from again."""

    masks: MaskSet

    @property
    def loosest(self) -> tuple[float, float]:
        return 0.0, 0.0

    def filtered(self, min_area: int | None = None, **bounds: Any) -> MaskSet:
        del bounds
        chosen = self.masks[self.masks.area >= (1 if min_area is None else max(min_area, 1))]
        return chosen.with_candidates(self)


@dataclass(frozen=True)
class TileGenerator:
    """Prompts with the boxes of tiles."""

    params: TileParams

    def _tiles(self, shape: tuple[int, int], region: NDArray[np.bool_] | None) -> list[Prompt]:
        if region is not None and region.shape != shape:
            raise InputError(
                f"The region has shape {region.shape} but the plane has shape {shape}."
            )
        side = self.params.side
        corners = [(r, c) for r in range(0, shape[0], side) for c in range(0, shape[1], side)]
        return [
            Prompt(box=(r, c, min(r + side, shape[0]) - 1, min(c + side, shape[1]) - 1))
            for r, c in corners
            if region is None or region[r : r + side, c : c + side].all()
        ]

    def count_steps(self, shape: tuple[int, int], region: NDArray[np.bool_] | None = None) -> int:
        return len(self._tiles(shape, region))

    def find(
        self,
        model: PromptableModel,
        plane: NDArray[np.uint8],
        *,
        region: NDArray[np.bool_] | None = None,
        embedding: Embedding | None = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
        refilter: bool = True,
    ) -> MaskSet:
        shape = (plane.shape[0], plane.shape[1])
        tiles, parts = self._tiles(shape, region), [MaskSet.empty(shape)]
        check(should_stop)
        if tiles and embedding is None:
            embedding = model.embed(plane, should_stop=should_stop)
        for done, tile in enumerate(tiles, start=1):
            assert embedding is not None
            found = model.predict(embedding, tile, multimask=False, should_stop=should_stop)
            parts.append(found.without_logits())
            if progress is not None:
                progress(done, len(tiles))
        masks = MaskSet.concatenate(parts)
        masks = masks[np.argsort(-masks.predicted_iou, kind="stable")]
        return TileCandidates(masks).filtered()


ENTRY = GeneratorEntry(TileParams, "tests.generators.stub:TileGenerator")
"""What registers it, in :data:`GENERATORS`, under its tag."""
