"""SAM 3's concept prompts: boxes and masks of what a phrase names, with one score each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import SquashedFrame
from napari_segany.core.masks import MaskSet
from napari_segany.core.upsampling import draw
from napari_segany.models.detectors.transformers_folder import (
    LoadedFolder,
    encode_phrases,
    load_folder,
    normalise,
)
from napari_segany.models.ported.stopping import stopped_between
from napari_segany.models.sam.prediction import STABILITY_OFFSET
from napari_segany.models.text_protocol import TextBoxes

MEAN = DEVIATION = (0.5, 0.5, 0.5)
"""Mean and standard deviation of the colours that the network was trained with, 0..1."""


class Sam3Segmenter:
    """The detector of SAM 3 on a device, a :class:`TextSegmenter`.

    The score of a box is the probability that it is what the phrase names, times the probability
    that anything in the plane is, as in the published code.

    Parameters
    ----------
    folder : LoadedFolder
        Network and tokenizer.
    """

    def __init__(self, folder: LoadedFolder) -> None:
        self._folder = folder

    def find_boxes(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        """Return every box of a plane; see :class:`TextDetector`."""
        return self._find(plane, phrases, None, should_stop)

    def find_masks(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        above: float,
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        """Return every box of a plane with its mask; see :class:`TextSegmenter`.

        The predicted IoU of a mask is the score of its box.
        """
        return self._find(plane, phrases, above, should_stop)

    @torch.inference_mode()
    def _find(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        above: float | None,
        should_stop: ShouldStop | None,
    ) -> TextBoxes:
        folder, network = self._folder, self._folder.network
        tokens = encode_phrases(folder, list(phrases), folder.longest_text)
        frame = SquashedFrame((plane.shape[0], plane.shape[1]), folder.image_side)
        image = normalise(frame.place_image(plane) / 255, MEAN, DEVIATION).to(folder.device)
        with stopped_between(network.vision_encoder.backbone.layers, should_stop):
            seen = network.get_vision_features(image)
        boxes, scores, masks = [], [], [MaskSet.empty(frame.shape)]
        for k in range(len(phrases)):
            check(should_stop)
            found = network(
                vision_embeds=seen, **{name: each[k : k + 1] for name, each in tokens.items()}
            )
            own = _scores(found)
            boxes.append(_scaled(found.pred_boxes[0], frame.shape))
            # Each phrase has boxes of its own, of which the others know nothing.
            scores.append(np.zeros((len(own), len(phrases)), np.float32))
            scores[-1][:, k] = own
            if above is not None:
                masks.append(_draw(found.pred_masks[0], own, above, frame))
        drawn = None if above is None else MaskSet.concatenate(masks)
        return TextBoxes(np.concatenate(boxes), np.concatenate(scores), drawn)


def _scores(found: Any) -> NDArray[np.float32]:
    product = torch.sigmoid(found.pred_logits[0]) * torch.sigmoid(found.presence_logits[0])
    scores: NDArray[np.float32] = product.float().cpu().numpy()
    return scores


def _scaled(boxes: Tensor, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return (N, 4) x0, y0, x1, y1 in 0..1 as rows and columns of a plane."""
    x0, y0, x1, y1 = boxes.double().cpu().numpy().T
    height, width = shape
    return np.stack([y0, x0, y1, x1], axis=-1) * [height, width, height, width]


def _draw(
    logits: Tensor, scores: NDArray[np.float32], above: float, frame: SquashedFrame
) -> MaskSet:
    """Return the masks of (N, m, m) logits; those of low scores are empty."""
    wanted = np.flatnonzero(scores > above)
    own = SquashedFrame(frame.shape, frame.side, logits.shape[-1])
    drawn = draw(logits[torch.from_numpy(wanted).to(logits.device)], own, STABILITY_OFFSET)
    masks = [np.zeros((0, 0), bool)] * len(scores)
    origins, stability = [(0, 0)] * len(scores), np.zeros(len(scores), np.float32)
    for i, mask, origin in zip(wanted.tolist(), drawn.masks, drawn.origins, strict=True):
        masks[i], origins[i] = mask, origin
    stability[wanted] = drawn.stability_score
    return MaskSet.from_crops(
        frame.shape, masks, origins, predicted_iou=scores, stability_score=stability
    )


def load_sam3(path: Path, device: torch.device) -> Sam3Segmenter:
    """Load the folder of SAM 3, or of its detector alone."""
    return Sam3Segmenter(load_folder(path, "Sam3Model", device))
