"""A stand-in for the finder that needs no weights: every bright spot of a plane is a square."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany import MaskSet, PromptableModel
from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.finder_params import FinderParams
from napari_segany.generators.registry import GENERATORS, GeneratorEntry
from napari_segany.models.protocol import Embedding
from napari_segany.models.screening import Screen, SparseEstimate

BRIGHT = 128
"""Gray from which a pixel belongs to a spot."""

SHA256 = "5a" * 32
"""Hash of the finder."""

ENTRY = GeneratorEntry(FinderParams, "tests.generators.squares:SquareGenerator")


@dataclass(frozen=True)
class SquareGenerator:
    """Finds the bounding boxes of bright spots; a spot's mean gray is its predicted IoU."""

    params: FinderParams

    def count_steps(self, shape: tuple[int, int], region: NDArray[np.bool_] | None = None) -> int:
        return 1

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
        check(should_stop)
        shape = (plane.shape[0], plane.shape[1])
        if region is not None and region.shape != shape:
            raise InputError(
                f"The region has shape {region.shape} but the plane has shape {shape}."
            )
        gray = plane.mean(axis=2)
        spots, _ = ndimage.label(gray >= BRIGHT)
        boxes = [
            (s[0].start, s[1].start, s[0].stop, s[1].stop) for s in ndimage.find_objects(spots)
        ]
        if region is not None:
            boxes = [(a, b, c, d) for a, b, c, d in boxes if region[(a + c) // 2, (b + d) // 2]]
        masks = MaskSet.from_crops(
            shape,
            [np.ones((c - a, d - b), bool) for a, b, c, d in boxes],
            [(a, b) for a, b, _, _ in boxes],
            [gray[a:c, b:d].mean() / 255 for a, b, c, d in boxes],
            points=[((a + c - 1) / 2, (b + d - 1) / 2) for a, b, c, d in boxes],
        )
        order = np.argsort(-masks.predicted_iou, kind="stable")
        if progress is not None:
            progress(1, 1)
        stored = Screen(float("-inf"), float("-inf"), self.params.max_area_fraction, 1.0)
        estimate = SparseEstimate.nothing(len(masks))
        return Candidates.of(masks[order], estimate, self.params, stored).select()


def use_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this generator be the finder, and a finder without weights fit every model."""
    card = SimpleNamespace(pred_iou_thresh=0.5, min_area=10, title="squares", base=None)
    finder = SimpleNamespace(sha256=SHA256, card=card)
    monkeypatch.setitem(GENERATORS, "finder", ENTRY)
    for module in ("generators.generate", "models.finder"):
        monkeypatch.setattr(
            f"napari_segany.{module}.find_finder",
            lambda model, sha256=None: finder if sha256 in (None, SHA256) else None,
        )


def spots(shape: tuple[int, int] = (40, 50)) -> NDArray[np.uint8]:
    """Return a dark image with six bright spots of different gray."""
    image = np.zeros(shape, np.uint8)
    for n, (row, col) in enumerate([(3, 4), (3, 20), (3, 36), (20, 4), (20, 20), (20, 36)]):
        image[row : row + 6 + n, col : col + 6 + n] = 180 + 15 * n
    return image
