"""Run-length encoding of masks in COCO's compressed form, by pycocotools."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError


@dataclass(frozen=True)
class EncodedMask:
    """Run-length encoded mask, as pycocotools and COCO's files compress it.

    Attributes
    ----------
    size : tuple of int
        (H, W) of the plane.
    counts : str
        Run lengths.
    area : int
        Pixels.
    score : float
        Score for ranking; 1 for true objects.
    """

    size: tuple[int, int]
    counts: str
    area: int
    score: float = 1.0

    def box(self) -> list[int]:
        """Return x, y, width and height of the bounding box, in pixels."""
        runs = {"size": list(self.size), "counts": self.counts.encode()}
        return [int(n) for n in mask_codec().toBbox(runs)]


def encode_masks(masks: MaskSet, scores: Iterable[float] | None = None) -> list[EncodedMask]:
    """Encode masks as run lengths, with their scores.

    Only the pixels within each mask's box are looked at.

    Parameters
    ----------
    masks : MaskSet
        N masks of a plane.
    scores : iterable of float, optional
        N scores. Without them the masks are true objects, of which each counts as much.

    Raises
    ------
    InputError
        If pycocotools is not installed.
    """
    height, width = masks.shape
    runs = [
        {"size": [height, width], "counts": _count_runs(masks.crop(i), masks.boxes[i], masks.shape)}
        for i in range(len(masks))
    ]
    compressed = mask_codec().frPyObjects(runs, height, width) if runs else []
    values = [1.0] * len(masks) if scores is None else list(scores)
    return [
        EncodedMask((height, width), each["counts"].decode(), int(area), float(score))
        for each, area, score in zip(compressed, masks.area, values, strict=True)
    ]


def _count_runs(
    crop: NDArray[np.bool_], box: NDArray[np.int64], shape: tuple[int, int]
) -> list[int]:
    """Return the lengths of runs of a plane, column by column, zeros first, from a mask's crop."""
    inside = np.flatnonzero(crop.T.ravel())
    if not len(inside):
        return [shape[0] * shape[1]]
    cols, rows = np.divmod(inside, crop.shape[0])
    at = (cols + box[1]) * shape[0] + rows + box[0]
    last = np.flatnonzero(np.diff(at) > 1)
    starts, ends = at[np.append(0, last + 1)], at[np.append(last, -1)] + 1
    edges = np.stack([starts, ends], axis=1).ravel()
    counts: list[int] = np.diff(edges, prepend=0).tolist()
    rest = shape[0] * shape[1] - int(edges[-1])
    return [*counts, rest] if rest else counts


def mask_codec() -> Any:
    """Return the module of pycocotools that encodes masks.

    Raises
    ------
    InputError
        If pycocotools is not installed.
    """
    try:
        from pycocotools import mask
    except ImportError as error:
        raise InputError(
            "Proposals, and average precision and recall, need pycocotools: "
            'pip install "napari-segany[evaluate]".'
        ) from error
    return mask
