"""What a promptable model offers: the protocols that generators, sessions and batches rely on."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.geometry import Frame
from napari_segany.models.screening import Screen, SparseEstimate

Result = TypeVar("Result")


@dataclass(frozen=True)
class PointCandidates:
    """K candidate masks in the model's frame, of one group of points.

    Attributes
    ----------
    asked : int
        Number of points in the group.
    points : ndarray
        (K, 2) row, column in the crop of the point each answers.
    predicted_iou : Tensor
        (K,) float32.
    glimpse : SparseEstimate
        What was known of them before they were computed.
    logits : Tensor
        (K, m, m) float32.
    """

    asked: int
    points: NDArray[np.float64]
    predicted_iou: Tensor
    glimpse: SparseEstimate
    logits: Tensor

    @classmethod
    def nothing(cls, asked: int, side: int, device: torch.device) -> "PointCandidates":
        """No candidate."""
        none = torch.zeros(0, device=device)
        return cls(
            asked, np.zeros((0, 2)), none, SparseEstimate.nothing(0), none.view(0, side, side)
        )


class EmbeddedCrop(Protocol):
    """One crop of the plane that has been through the image encoder."""

    @property
    def frame(self) -> Frame:
        """How the crop lies in the model's frame."""
        ...

    def ask_points(
        self,
        points: NDArray[np.float64],
        at_once: int,
        screen: Screen,
        finish: Callable[[PointCandidates], Result],
    ) -> Generator[Result]:
        """Ask at (P, 2) row, column in the crop, in groups of at most ``at_once``.

        ``finish`` is given the candidates of each group that pass the screen, maybe in several
        threads; what it returns comes in the order of the points.
        """
        ...

    def features_at(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """The (P, C) embedding at (P, 2) row, column in the crop."""
        ...
