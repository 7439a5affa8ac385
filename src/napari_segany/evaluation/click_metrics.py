"""Simulated clicks on objects, as in the literature on interactive segmentation.

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

IOU_TARGETS = (0.85, 0.90)
"""IoU targets of the numbers of clicks (NoC)."""


class InteractiveModel(Protocol):
    """Protocol of models that answer clicks and can be compared with each other.

    Attributes
    ----------
    name : str
        Name in tables and plots.
    """

    name: str

    def begin(self, image: NDArray[np.generic]) -> None:
        """Set a new image, (H, W) or (H, W, 3); compute here what depends on the image alone."""
        ...

    def begin_object(self) -> None:
        """Start a new object in the image; forget the previous one."""
        ...

    def click(
        self, points: NDArray[np.float64], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
        """Predict masks from all clicks so far.

        Parameters
        ----------
        points : ndarray
            (N, 2) row, column.
        labels : ndarray
            (N,) 1 on the object, 0 off it.

        Returns
        -------
        masks : ndarray
            (K, H, W) boolean, the first choice (the most confident one) first.
        scores : ndarray
            (K,) confidence of each mask.
        """
        ...


OBJECTS_PER_BATCH = 64
"""Objects that are prompted together; bounds the memory for their masks."""


@dataclass(frozen=True, eq=False)
class ClickScores:
    """IoU of one object after each click.

    Attributes
    ----------
    label, area : int
        Its label, and its pixels.
    confident : ndarray
        (C,) IoU after each click of the model's first choice.
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


def innermost_pixel(mask: NDArray[np.bool_]) -> tuple[float, tuple[int, int]]:
    """Return distance and position of the pixel farthest from the border, the first of several."""
    top, left, bottom, right = bounding_box(mask)
    if bottom <= top:
        return 0.0, (0, 0)
    crop = np.pad(mask[top:bottom, left:right], 1)
    distance = ndimage.distance_transform_edt(crop)
    row, col = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance[row, col]), (int(row) - 1 + top, int(col) - 1 + left)


def iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return intersection over union of two masks; 1 if both are empty.

    Examples
    --------
    >>> round(iou(np.array([True, True, False]), np.array([False, True, True])), 3)
    0.333
    """
    union = int((mask | truth).sum())
    return float((mask & truth).sum() / union) if union else 1.0


def next_click(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_]
) -> tuple[tuple[int, int], int] | None:
    """Return the next simulated click and its sign, 1 or 0; None if the mask has no error.

    Examples
    --------
    >>> truth = np.zeros((9, 9), bool)
    >>> truth[2:7, 2:7] = True
    >>> next_click(np.zeros((9, 9), bool), truth)
    ((4, 4), 1)
    >>> next_click(truth, truth) is None
    True
    """
    (missed, there), (wrong, elsewhere) = (
        innermost_pixel(truth & ~mask),
        innermost_pixel(mask & ~truth),
    )
    if missed == wrong == 0:
        return None
    return (there, 1) if missed >= wrong else (elsewhere, 0)


class _ClickedObject:
    """State of one object during simulated clicks."""

    def __init__(self, label: int, truth: NDArray[np.bool_]) -> None:
        self.label, self.truth = label, truth
        self.points = [innermost_pixel(truth)[1]]
        self.labels = [1]
        self.confident: list[float] = []
        self.oracle: list[float] = []
        self.done = False
        self.memory: Any = None

    def add_answer(self, masks: NDArray[np.bool_]) -> None:
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
    def prompt(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
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


def simulate_clicks(
    model: InteractiveModel,
    image: NDArray[np.generic],
    objects: Sequence[tuple[int, NDArray[np.bool_]]],
    clicks: int,
    should_stop: ShouldStop | None = None,
) -> list[ClickScores]:
    """Simulate a number of clicks at every object of an image.

    Parameters
    ----------
    model : InteractiveModel
        Model that answers. One with ``click_together(prompts, memories)`` is given all objects at
        once, which is quicker; the masks are the same.
    image : ndarray
        (H, W) or (H, W, 3).
    objects : sequence of tuple
        Label and (H, W) mask of each.
    clicks : int
        Number of clicks; fewer where a mask has no error left, whose scores then stay.
    should_stop : callable, optional
        Polled between clicks.
    """
    model.begin(image)
    out: list[ClickScores] = []
    for part in chunks(objects, OBJECTS_PER_BATCH):
        states = [_ClickedObject(label, truth) for label, truth in part]
        _click_objects(model, states, clicks, should_stop)
        out += [each.scores(clicks) for each in states]
    return out


def _click_objects(
    model: InteractiveModel,
    states: Sequence[_ClickedObject],
    clicks: int,
    should_stop: ShouldStop | None,
) -> None:
    together = getattr(model, "click_together", None)
    if together is None:
        for each in states:
            model.begin_object()
            for _ in range(clicks):
                check(should_stop)
                if not each.done:
                    masks, _ = model.click(*each.prompt)
                    each.add_answer(masks)
        return
    for _ in range(clicks):
        left = [each for each in states if not each.done]
        check(should_stop)
        if not left:
            return
        answers = together([each.prompt for each in left], [each.memory for each in left])
        for each, (masks, memory) in zip(left, answers, strict=True):
            each.memory = memory
            each.add_answer(masks)


def jittered_box(
    truth: NDArray[np.bool_], jitter: float, seed: int
) -> tuple[float, float, float, float]:
    """Return the box of an object, jittered as in the training of the published models.

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
    """Split a sequence into parts of at most ``size`` items."""
    return (items[start : start + size] for start in range(0, len(items), size))
