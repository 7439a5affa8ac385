"""Objects asked for click by click, as the interactive-segmentation literature does it.

The first click is where an object is widest; every further one is where the largest error of the
answer before is widest, on the object or off it as it falls (Sofiiuk et al., "Reviving Iterative
Training with Mask Guidance for Interactive Segmentation", 2021; Kirillov et al., "Segment
Anything", 2023, D.1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.binary_mask import bounding_box
from napari_segany.core.callbacks import ShouldStop, check

TARGETS = (0.85, 0.90)
"""IoU that clicks are counted to."""


class Clicker(Protocol):
    """Whoever answers clicks; any predictor can be compared by having these.

    Attributes
    ----------
    name : str
        In tables and plots.
    """

    name: str

    def begin(self, image: NDArray[np.generic]) -> None:
        """A new image, (H, W) or (H, W, 3); what is costly once an image belongs here."""
        ...

    def begin_object(self) -> None:
        """A new object in it; what was kept of the one before is forgotten."""
        ...

    def click(
        self, points: NDArray[np.float64], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
        """Answer all clicks so far.

        Parameters
        ----------
        points : ndarray
            (N, 2) row, column.
        labels : ndarray
            (N,) 1 on the object, 0 off it.

        Returns
        -------
        masks : ndarray
            (K, H, W) boolean, the one that is meant (the most confident) first.
        scores : ndarray
            (K,) how confident each is.
        """
        ...


AT_ONCE = 64
"""Objects asked together; bounds the memory for their masks."""


@dataclass(frozen=True, eq=False)
class ClickScores:
    """What became of one object.

    Attributes
    ----------
    label, area : int
        Its label, and its pixels.
    confident : ndarray
        (C,) IoU after each click of the mask that the predictor means.
    oracle : ndarray
        (C,) IoU of the best of the masks offered at the same clicks.
    first : tuple of float
        Row and column of the first click.
    """

    label: int
    area: int
    confident: NDArray[np.float64]
    oracle: NDArray[np.float64]
    first: tuple[float, float]


def widest(mask: NDArray[np.bool_]) -> tuple[float, tuple[int, int]]:
    """How far the middle of a mask is from its border, and where that is; ties go to the first."""
    top, left, bottom, right = bounding_box(mask)
    if bottom <= top:
        return 0.0, (0, 0)
    crop = np.pad(mask[top:bottom, left:right], 1)
    distance = ndimage.distance_transform_edt(crop)
    row, col = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance[row, col]), (int(row) - 1 + top, int(col) - 1 + left)


def iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 if both are empty."""
    union = int((mask | truth).sum())
    return float((mask & truth).sum() / union) if union else 1.0


def next_click(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_]
) -> tuple[tuple[int, int], int] | None:
    """Where a person would click next, and 1 or 0 for on or off; None if there is no error."""
    (missed, there), (wrong, elsewhere) = widest(truth & ~mask), widest(mask & ~truth)
    if missed == wrong == 0:
        return None
    return (there, 1) if missed >= wrong else (elsewhere, 0)


class _Object:
    """One object while it is clicked at."""

    def __init__(self, label: int, truth: NDArray[np.bool_]) -> None:
        self.label, self.truth = label, truth
        self.points = [widest(truth)[1]]
        self.labels = [1]
        self.confident: list[float] = []
        self.oracle: list[float] = []
        self.done = False
        self.memory: Any = None

    def take(self, masks: NDArray[np.bool_]) -> None:
        each = [iou(mask, self.truth) for mask in masks]
        self.confident.append(each[0])
        self.oracle.append(max(each))
        click = next_click(masks[0], self.truth)
        if click is None:
            self.done = True
            return
        self.points.append(click[0])
        self.labels.append(click[1])

    @property
    def asked(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        return np.array(self.points, np.float64), np.array(self.labels, np.int64)

    def scores(self, clicks: int) -> ClickScores:
        def filled(values: list[float]) -> NDArray[np.float64]:
            return np.array(values + values[-1:] * (clicks - len(values)))

        return ClickScores(
            self.label,
            int(self.truth.sum()),
            filled(self.confident),
            filled(self.oracle),
            (float(self.points[0][0]), float(self.points[0][1])),
        )


def click_through(
    clicker: Clicker,
    image: NDArray[np.generic],
    objects: Sequence[tuple[int, NDArray[np.bool_]]],
    clicks: int,
    should_stop: ShouldStop | None = None,
) -> list[ClickScores]:
    """Click at every object of an image, so many times each.

    Parameters
    ----------
    clicker : Clicker
        Who answers. One that has ``click_together(asked, memories)`` is asked for all objects at
        once, which is quicker; the answers are the same.
    image : ndarray
        (H, W) or (H, W, 3).
    objects : sequence of tuple
        Label and (H, W) mask of each.
    clicks : int
        How many; fewer where an answer has no error left, whose scores then stay.
    should_stop : callable, optional
        Polled between clicks.
    """
    clicker.begin(image)
    out: list[ClickScores] = []
    for part in chunks(objects, AT_ONCE):
        states = [_Object(label, truth) for label, truth in part]
        _click_at(clicker, states, clicks, should_stop)
        out += [each.scores(clicks) for each in states]
    return out


def _click_at(
    clicker: Clicker, states: Sequence[_Object], clicks: int, should_stop: ShouldStop | None
) -> None:
    together = getattr(clicker, "click_together", None)
    if together is None:
        for each in states:
            clicker.begin_object()
            for _ in range(clicks):
                check(should_stop)
                if not each.done:
                    masks, _ = clicker.click(*each.asked)
                    each.take(masks)
        return
    for _ in range(clicks):
        left = [each for each in states if not each.done]
        check(should_stop)
        if not left:
            return
        answers = together([each.asked for each in left], [each.memory for each in left])
        for each, (masks, memory) in zip(left, answers, strict=True):
            each.memory = memory
            each.take(masks)


def jittered_box(
    truth: NDArray[np.bool_], jitter: float, seed: int
) -> tuple[float, float, float, float]:
    """The box of an object, moved as in the training of the published models.

    Every side by a normal deviate of ``jitter`` times the box's length, at most 20 pixels.
    """
    top, left, bottom, right = (float(n) for n in bounding_box(truth))
    box = np.array([top, left, bottom - 1, right - 1])
    lengths = np.array([bottom - top, right - left] * 2)
    noise = np.random.default_rng(seed).normal(size=4) * jitter * lengths
    moved = box + noise.clip(-20, 20)
    rows, cols = np.sort(moved[[0, 2]]), np.sort(moved[[1, 3]])
    limit = np.array(truth.shape) - 1.0
    a, c = rows.clip(0, limit[0])
    b, d = cols.clip(0, limit[1])
    return float(a), float(b), float(max(c, a + 0.5)), float(max(d, b + 0.5))


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Parts of a sequence."""
    return (items[start : start + size] for start in range(0, len(items), size))
