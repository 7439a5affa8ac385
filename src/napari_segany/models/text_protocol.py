"""Protocols of text models.

Detectors find boxes of phrases, segmenters draw masks in them, and rankers score given masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.masks import MaskSet


@dataclass(frozen=True, eq=False)
class TextBoxes:
    """N boxes of one plane with their scores for each of P phrases, in no order.

    Attributes
    ----------
    boxes : ndarray
        (N, 4) float64 row_min, col_min, row_max, col_max of the edges, in pixels: a box around
        the whole plane is 0, 0, H, W. Detectors may give boxes that reach beyond the plane.
    scores : ndarray
        (N, P) float32, 0..1.
    masks : MaskSet or None
        The mask of each box, from models that draw masks.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float32]
    masks: MaskSet | None = None


@runtime_checkable
class TextDetector(Protocol):
    """A model that finds boxes of objects that phrases name."""

    def find_boxes(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        """Return every box of a (H, W, 3) uint8 plane, also those with low scores.

        Raises
        ------
        InputError
            If the phrases are too long for the model.
        Cancelled
            If ``should_stop`` returned True.
        """
        ...


@runtime_checkable
class TextSegmenter(TextDetector, Protocol):
    """A detector that draws a mask for each of its boxes as well."""

    def find_masks(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        above: float,
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        """Return the boxes of :meth:`find_boxes` with their masks.

        Parameters
        ----------
        plane : ndarray
            (H, W, 3) uint8.
        phrases : sequence of str
            P phrases.
        above : float
            Masks of boxes whose best score does not exceed it may be left empty.
        should_stop : callable, optional
            Polled from time to time.

        Raises
        ------
        InputError
            If the phrases are too long for the model.
        Cancelled
            If ``should_stop`` returned True.
        """
        ...


@runtime_checkable
class TextRanker(Protocol):
    """A model that scores parts of a plane against phrases."""

    def score_boxes(
        self,
        plane: NDArray[np.uint8],
        boxes: NDArray[np.int64],
        phrases: Sequence[str],
        contrast: Sequence[str],
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> NDArray[np.float32]:
        """Return the (N, P) probabilities of P phrases for N boxes.

        Parameters
        ----------
        plane : ndarray
            (H, W, 3) uint8.
        boxes : ndarray
            (N, 4) half-open row_min, col_min, row_max, col_max in pixels.
        phrases : sequence of str
            P phrases.
        contrast : sequence of str
            Phrases that compete with them; the probabilities of both together sum to 1.
        progress, should_stop : callable, optional
            Called with boxes done and in all; polled between groups of boxes.

        Raises
        ------
        Cancelled
            If ``should_stop`` returned True.
        """
        ...


TextModel = TextDetector | TextRanker
"""A text model of either kind."""
