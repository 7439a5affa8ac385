"""CLIP: probabilities of phrases for parts of a plane."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.models.detectors.owlv2 import DEVIATION, MEAN
from napari_segany.models.detectors.transformers_folder import (
    LoadedFolder,
    encode_phrases,
    load_folder,
    normalise,
)

ENLARGED = 1.5
"""Side of a crop, as a multiple of the long side of its box."""

AT_ONCE = 16
"""Crops that are embedded together."""

TEMPLATE = "a photo of {}"
"""Text in which a phrase is embedded."""


class ClipRanker:
    """CLIP on a device, a :class:`TextRanker`.

    Parameters
    ----------
    folder : LoadedFolder
        Network and tokenizer.
    """

    def __init__(self, folder: LoadedFolder) -> None:
        self._folder = folder

    @torch.inference_mode()
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
        """Return the probabilities of phrases for boxes; see :class:`TextRanker`."""
        cosines = self.cosines(
            plane, boxes, [*phrases, *contrast], progress=progress, should_stop=should_stop
        )
        logits = cosines * self._folder.network.logit_scale.exp()
        probabilities = logits.softmax(dim=-1)[:, : len(phrases)]
        scores: NDArray[np.float32] = probabilities.float().cpu().numpy()
        return scores

    @torch.inference_mode()
    def cosines(
        self,
        plane: NDArray[np.uint8],
        boxes: NDArray[np.int64],
        phrases: Sequence[str],
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Tensor:
        """Return the (N, P) cosines of the embeddings of N boxes and P phrases."""
        network, device = self._folder.network, self._folder.device
        texts = [TEMPLATE.format(phrase) for phrase in phrases]
        tokens = encode_phrases(self._folder, texts, self._folder.longest_text)
        words = torch.nn.functional.normalize(network.get_text_features(**tokens).pooler_output)
        rows = [torch.zeros(0, len(phrases), device=device)]
        for start in range(0, len(boxes), AT_ONCE):
            check(should_stop)
            crops = [
                place_crop(plane, box, self._folder.image_side)
                for box in boxes[start : start + AT_ONCE]
            ]
            images = torch.cat(crops).to(device)
            seen = network.get_image_features(pixel_values=images).pooler_output
            rows.append(torch.nn.functional.normalize(seen) @ words.T)
            if progress is not None:
                progress(min(start + AT_ONCE, len(boxes)), len(boxes))
        return torch.cat(rows)


def crop_window(box: NDArray[np.int64], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the square around a box, moved into the plane, and cut where it is larger.

    Its side is ``ENLARGED`` times the long side of the box.
    """
    top, left, bottom, right = (int(v) for v in box)
    side = max(int(np.ceil(ENLARGED * max(bottom - top, right - left))), 1)
    spans = []
    for first, end, size in ((top, bottom, shape[0]), (left, right, shape[1])):
        length = min(side, size)
        start = min(max((first + end - length) // 2, 0), size - length)
        spans.append(slice(start, start + length))
    return spans[0], spans[1]


def place_crop(plane: NDArray[np.uint8], box: NDArray[np.int64], side: int) -> Tensor:
    """Return the crop around a box, background included, as the (1, 3, side, side) input."""
    crop = plane[crop_window(box, (plane.shape[0], plane.shape[1]))]
    picture = Image.fromarray(np.ascontiguousarray(crop))
    scaled = picture.resize((side, side), Image.Resampling.BICUBIC)
    return normalise(np.asarray(scaled) / 255, MEAN, DEVIATION)


def load_clip(path: Path, device: torch.device) -> ClipRanker:
    """Load the folder of a CLIP model."""
    return ClipRanker(load_folder(path, "CLIPModel", device))
