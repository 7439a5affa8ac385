"""Run-length encoding of masks in COCO's compressed form, by pycocotools."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def encode_masks(
    masks: Iterable[NDArray[np.bool_]], scores: Iterable[float] | None = None
) -> list[EncodedMask]:
    """Encode (H, W) masks as run lengths, with their scores.

    Raises
    ------
    InputError
        If pycocotools is not installed.
    """
    encode = mask_codec().encode
    out = []
    # Without scores they are true objects, of which each counts as much.
    for mask, score in zip(masks, repeat(1.0) if scores is None else scores, strict=False):
        runs = encode(np.asfortranarray(mask, np.uint8))
        shape = (int(mask.shape[0]), int(mask.shape[1]))
        out.append(EncodedMask(shape, runs["counts"].decode(), int(mask.sum()), float(score)))
    return out


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
