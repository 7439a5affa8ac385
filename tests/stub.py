"""A model without networks: it answers with squares around points, boxes and masks."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segany import MaskSet, Prompt
from napari_segany.core.callbacks import check
from napari_segany.core.geometry import Frame
from napari_segany.errors import InputError
from napari_segany.models.protocol import PointCandidates
from napari_segany.models.screening import Screen, SparseEstimate
from napari_segany.weights.catalog import ModelDefaults


@dataclass(frozen=True, eq=False)
class StubEmbedding:
    """The shape of a plane; there is nothing else to know of it."""

    shape: tuple[int, int]
    nbytes: int = 4096
    weights_sha256: str = "0" * 64
    stages: tuple[torch.Tensor, ...] = ()

    def without_stages(self) -> "StubEmbedding":
        return self

    @property
    def frame(self) -> Frame:
        # As many cells as pixels, so that enlarging changes nothing.
        return Frame(self.shape, max(self.shape))


@dataclass(frozen=True)
class StubCrop:
    """An embedded crop whose points are answered as the model answers them."""

    embedding: StubEmbedding

    @property
    def frame(self) -> Frame:
        return self.embedding.frame

    def predict_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Any],
    ) -> Generator[Any]:
        for start in range(0, len(points), at_once):
            group = points[start : start + at_once]
            yield finish(self._candidates(group, screen))

    def _candidates(self, points: NDArray[np.float64], screen: Screen) -> PointCandidates:
        side = self.frame.side
        height, width = self.embedding.shape
        at, scores, maps = [], [], []
        for point in points:
            found = StubModel.answer(self.embedding.shape, Prompt(points=[point]))
            for i in range(len(found)):
                if found.predicted_iou[i] > screen.pred_iou:
                    logits = np.full((side, side), -10, np.float32)
                    logits[:height, :width][found.mask(i)] = 10
                    at.append(point)
                    scores.append(float(found.predicted_iou[i]))
                    maps.append(torch.from_numpy(logits))
        return PointCandidates(
            prompted=len(points),
            points=np.reshape(at, (-1, 2)),
            predicted_iou=torch.tensor(scores),
            estimate=SparseEstimate.nothing(len(at)),
            logits=torch.stack(maps) if maps else torch.zeros(0, side, side),
        )

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.asarray(points, np.float32)


@dataclass
class StubModel:
    """Answers a point with three squares around it, and a box or a mask with itself."""

    planes: list[Any] = field(default_factory=list)
    asked: list[Prompt] = field(default_factory=list)
    precision: Any = "exact"
    weights: Any = field(default_factory=lambda: SimpleNamespace(id="stub", sha256="0" * 64))
    device: Any = field(default_factory=lambda: torch.device("cpu"))
    defaults: ModelDefaults = field(default_factory=lambda: ModelDefaults(0.5, 0.5))

    @property
    def id(self) -> str:
        return str(self.weights.id)

    def embed(
        self, plane: Any, *, limits: Any = None, should_stop: Any = None, stages: bool = False
    ) -> Any:
        check(should_stop)
        self.planes.append((plane.copy(), limits))
        return StubEmbedding(plane.shape[:2], weights_sha256=self.weights.sha256)

    def predict(
        self,
        embedding: Any,
        prompts: Prompt | Iterable[Prompt],
        *,
        multimask: Any = "auto",
        ranking: Any = "plausible",
        low_res_logits: bool = True,
        should_stop: Any = None,
    ) -> Any:
        if isinstance(prompts, Prompt):
            return self.predict(embedding, [prompts], should_stop=should_stop)[0]
        check(should_stop)
        self.check_embedding(embedding)
        prompts = list(prompts)
        self.asked += prompts
        return [self.answer(embedding.shape, prompt) for prompt in prompts]

    def prepare(self, embedding: Any) -> StubCrop:
        return StubCrop(embedding)

    def sketch_encoder(self) -> None:
        return None

    def check_embedding(self, embedding: Any) -> None:
        if not isinstance(embedding, StubEmbedding):
            raise InputError(f"An embedding is needed, got {type(embedding).__name__}.")
        if embedding.weights_sha256 != self.weights.sha256:
            raise InputError("The embedding was made by another model; embed the plane again.")

    @staticmethod
    def answer(shape: tuple[int, int], prompt: Prompt) -> MaskSet:
        masks = np.zeros((3 if prompt.is_ambiguous else 1, *shape), bool)
        for i, mask in enumerate(masks):
            if prompt.mask is not None:
                mask |= prompt.mask
            elif prompt.box is not None:
                # A box of somebody else's session may lie anywhere.
                a, b, c, d = np.rint(np.clip(prompt.box, -1, 10**6)).astype(int)
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
        # Which candidate is refined can be told from its logits.
        logits = np.broadcast_to(np.arange(len(masks))[:, None, None], (len(masks), 2, 2))
        return MaskSet.from_masks(masks, scores, scores, low_res_logits=logits.astype(np.float32))
