"""A model without networks that answers with the bright object around a point."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany import MaskSet, Prompt
from napari_segany.core.callbacks import check
from napari_segany.core.geometry import Frame
from napari_segany.core.upsampling import draw
from napari_segany.weights.catalog import ModelDefaults

CELLS, FRAME = 256, 1024


@dataclass(frozen=True, eq=False)
class BrightEmbedding:
    """A plane in a frame of 1024 pixels."""

    rgb: NDArray[np.uint8]
    frame: Frame
    nbytes: int = 1000
    weights_sha256: str = "1" * 64
    stages: tuple[torch.Tensor, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        return self.frame.shape

    def without_stages(self) -> "BrightEmbedding":
        return self


@dataclass
class BrightObjects:
    """Answers a point or box with the bright object in its middle, as far as the plane shows it.

    Attributes
    ----------
    planes : list of tuple
        Shapes of what was embedded.
    asked : list of Prompt
        All prompts.
    """

    planes: list[tuple[int, ...]] = field(default_factory=list)
    asked: list[Prompt] = field(default_factory=list)
    precision: Any = "exact"
    weights: Any = field(default_factory=lambda: SimpleNamespace(id="bright", sha256="1" * 64))
    device: Any = field(default_factory=lambda: torch.device("cpu"))
    defaults: ModelDefaults = field(default_factory=ModelDefaults)

    @property
    def id(self) -> str:
        return "bright"

    def embed(
        self, plane: Any, *, limits: Any = None, should_stop: Any = None, stages: bool = False
    ) -> BrightEmbedding:
        check(should_stop)
        self.planes.append(plane.shape)
        return BrightEmbedding(plane, Frame(plane.shape[:2], FRAME))

    def predict(self, embedding: Any, prompts: Any, should_stop: Any = None, **_: Any) -> Any:
        check(should_stop)
        self.asked += prompts
        return [self._answer(embedding, prompt) for prompt in prompts]

    def _answer(self, embedding: BrightEmbedding, prompt: Prompt) -> MaskSet:
        prompt.check_inside(embedding.shape)
        frame = embedding.frame
        shown = frame.place_image(embedding.rgb)[..., 0] > 128
        cells = np.zeros((CELLS, CELLS), bool)
        small = shown[2::4, 2::4]
        cells[: small.shape[0], : small.shape[1]] = small
        if prompt.points is not None:
            place = prompt.points[0]
        elif prompt.box is not None:
            place = prompt.box.reshape(2, 2).mean(axis=0)
        else:
            place = np.argwhere(np.asarray(prompt.mask))[0].astype(float)
        x, y = (frame.to_xy(place) / 4).astype(int)
        components, _ = ndimage.label(cells)
        own = (components == components[y, x]) & (components[y, x] > 0)
        logits = torch.from_numpy(np.where(own, 10, -10).astype(np.float32))[None]
        drawn = draw(logits, frame, 1.0)
        return MaskSet.from_crops(
            embedding.shape, drawn.masks, drawn.origins, low_res_logits=logits.numpy()
        )

    def prepare(self, embedding: Any) -> Any:
        return embedding

    def check_embedding(self, embedding: Any) -> None:
        assert isinstance(embedding, BrightEmbedding)

    def sketch_encoder(self) -> None:
        return None
