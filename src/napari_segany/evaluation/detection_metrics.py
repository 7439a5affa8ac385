"""Average precision and recall of scored masks, by pycocotools."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segany.core.masks import MaskSet
from napari_segany.evaluation.coco_matching import match_image
from napari_segany.io.rle import EncodedMask, encode_masks

MAX_MASKS = (10, 100, 1000)
"""Numbers of best-scored masks of an image that are evaluated."""

AREAS = MappingProxyType(
    {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
)
"""Ranges of object areas in pixels by size class, as in COCO."""

SIZES = tuple(AREAS)


def encode_best(masks: MaskSet, scores: NDArray[np.floating]) -> list[EncodedMask]:
    """Encode the best-scored masks of a set, as many as are evaluated."""
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")[: MAX_MASKS[-1]].tolist()
    return encode_masks(masks[np.array(order, np.intp)], (float(scores[i]) for i in order))


@dataclass
class DetectionScorer:
    """Accumulator of scored masks and true objects; masks in images without objects are false.

    Attributes
    ----------
    images : int
        Number of images added.
    objects : int
        True objects in them.
    """

    images: int = 0
    objects: int = 0
    _truth: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _found: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _shapes: list[tuple[int, int]] = field(default_factory=list, repr=False)
    # Several tables show them, and they take seconds.
    _scores: dict[str, float] | None = field(default=None, repr=False)

    def add(self, found: Sequence[EncodedMask], truth: Sequence[EncodedMask]) -> None:
        """Add an image, its masks as of :func:`encode_masks`; masks may overlap."""
        known = [*truth, *found]
        if not known:
            return
        self._scores = None
        self.images += 1
        self._shapes.append(known[0].size)
        self._found += [
            {
                "image_id": self.images,
                "category_id": 1,
                "segmentation": {"size": list(each.size), "counts": each.counts.encode()},
                "score": each.score,
            }
            for each in found
        ]
        for each in truth:
            self.objects += 1
            self._truth.append(
                {
                    "id": self.objects,
                    "image_id": self.images,
                    "category_id": 1,
                    "segmentation": {"size": list(each.size), "counts": each.counts.encode()},
                    "area": each.area,
                    "bbox": [0, 0, 1, 1],
                    "iscrowd": 0,
                }
            )

    def score(self) -> dict[str, float]:
        """Return AP (IoU 0.5:0.95) and AP50 at 1000 masks, and AR at :data:`MAX_MASKS` by size.

        Keys are "AP", "AP50", "AR@10", "AR@100", "AR@1000", "AR@1000 small" and so on. NaN where
        there is no true object.
        """
        if self._scores is None:
            self._scores = self._score()
        return dict(self._scores)

    def _score(self) -> dict[str, float]:
        if not self._found or not self._truth:
            there = {size: 0.0 if self._has(size) else float("nan") for size in SIZES}
            scores = dict.fromkeys(["AP", "AP50"], there["all"])
            return scores | {_key(most, size): there[size] for most in MAX_MASKS for size in SIZES}
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        truth = COCO()
        truth.dataset = {
            "images": [
                {"id": n, "height": h, "width": w} for n, (h, w) in enumerate(self._shapes, start=1)
            ],
            "categories": [{"id": 1, "name": "object"}],
            "annotations": self._truth,
        }
        # pycocotools prints its timings.
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()
            # loadRes modifies its argument.
            found = truth.loadRes([dict(each) for each in self._found])
            evaluation = COCOeval(truth, found, "segm")
            # The same matches; its own takes minutes where there are thousands of objects.
            evaluation.evaluateImg = partial(match_image, evaluation)
            evaluation.params.maxDets = list(MAX_MASKS)
            evaluation.evaluate()
            evaluation.accumulate()
        precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
        scores = {
            "AP": _mean(precision[:, :, 0, 0, -1]),
            "AP50": _mean(precision[0, :, 0, 0, -1]),
        }
        for m, most in enumerate(MAX_MASKS):
            for s, size in enumerate(SIZES):
                scores[_key(most, size)] = _mean(recall[:, 0, s, m])
        return scores

    def _has(self, size: str) -> bool:
        """Return True if there is a true object of a size class."""
        low, high = AREAS[size]
        return any(low <= each["area"] <= high for each in self._truth)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return recall and precision at an IoU of 0.5, over the ranking of all masks together."""
        if not self._found or not self._truth:
            return np.zeros(0), np.zeros(0)
        from pycocotools.mask import iou as overlaps

        hits = np.zeros(len(self._found), bool)
        ranked = sorted(range(len(self._found)), key=lambda n: -self._found[n]["score"])
        for image in range(1, self.images + 1):
            mine = [n for n in ranked if self._found[n]["image_id"] == image]
            true = [t["segmentation"] for t in self._truth if t["image_id"] == image]
            if not mine or not true:
                continue
            table = overlaps([self._found[n]["segmentation"] for n in mine], true, [0] * len(true))
            free = np.ones(len(true), bool)
            for row, n in zip(table, mine, strict=True):
                at = int(np.argmax(np.where(free, row, -1.0)))
                if free[at] and row[at] >= 0.5:
                    free[at], hits[n] = False, True
        found = np.cumsum(hits[ranked])
        return found / len(self._truth), found / np.arange(1, len(ranked) + 1)


def _key(most: int, size: str) -> str:
    return f"AR@{most}" + ("" if size == "all" else f" {size}")


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of known values; pycocotools marks unknown ones with -1."""
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")


def pack_objects(labels: NDArray[np.integer]) -> MaskSet:
    """Pack the objects of a label image as masks, in ascending order of their labels."""
    values, index = np.unique(labels, return_inverse=True)
    index = index.reshape(labels.shape)
    # What is background has the lowest positions, which find_objects takes for background, too.
    index = np.maximum(index - np.count_nonzero(values <= 0) + 1, 0)
    places = [(n, at) for n, at in enumerate(ndimage.find_objects(index), start=1)]
    return MaskSet.from_crops(
        (labels.shape[0], labels.shape[1]),
        [index[at] == n for n, at in places],
        [(at[0].start, at[1].start) for _, at in places],
    )
