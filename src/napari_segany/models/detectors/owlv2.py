"""OWLv2: boxes of phrases in a plane that is padded to a square."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.transform import resize
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.models.detectors.transformers_folder import (
    LoadedFolder,
    corners,
    encode_phrases,
    load_folder,
    normalise,
)
from napari_segany.models.text_protocol import TextBoxes

MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Mean of the colours that the networks of CLIP were trained with, 0..1."""

DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviation of these colours."""

GRAY = 0.5
"""Value of the pixels beside the plane, as in the published code."""


class Owlv2Detector:
    """OWLv2 on a device, a :class:`TextDetector`.

    Parameters
    ----------
    folder : LoadedFolder
        Network and tokenizer.
    """

    def __init__(self, folder: LoadedFolder) -> None:
        self._folder = folder

    @torch.inference_mode()
    def find_boxes(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        """Return every box of a plane; see :class:`TextDetector`."""
        tokens = encode_phrases(self._folder, list(phrases), self._folder.longest_text)
        check(should_stop)
        image = place_plane(plane, self._folder.image_side).to(self._folder.device)
        found = self._folder.network(pixel_values=image, **tokens)
        check(should_stop)
        # The network sees a square, of which the plane is the upper left part.
        boxes = corners(found.pred_boxes[0]) * max(plane.shape[:2])
        scores: NDArray[np.float32] = torch.sigmoid(found.logits[0]).float().cpu().numpy()
        return TextBoxes(boxes, scores)


def place_plane(plane: NDArray[np.uint8], side: int) -> Tensor:
    """Return a (H, W, 3) uint8 plane as the (1, 3, side, side) input of the network.

    The plane is padded to a square at its lower right, and scaled with antialiasing.
    """
    height, width = plane.shape[:2]
    square = np.full((max(height, width),) * 2 + (3,), GRAY)
    square[:height, :width] = plane / 255
    scaled = resize(square, (side, side), order=1, mode="reflect", anti_aliasing=True)
    return normalise(scaled, MEAN, DEVIATION)


def load_owlv2(path: Path, device: torch.device) -> Owlv2Detector:
    """Load the folder of an OWLv2 model."""
    return Owlv2Detector(load_folder(path, "Owlv2ForObjectDetection", device))
