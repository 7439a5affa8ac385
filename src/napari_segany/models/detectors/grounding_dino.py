"""Grounding DINO: boxes of phrases, scored token by token."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.models.detectors.transformers_folder import (
    LoadedFolder,
    corners,
    load_folder,
    normalise,
)
from napari_segany.models.text_protocol import TextBoxes

MEAN = (0.485, 0.456, 0.406)
"""Mean of the colours of ImageNet, 0..1."""

DEVIATION = (0.229, 0.224, 0.225)
"""Standard deviation of these colours."""

SHORT_SIDE, LONG_SIDE = 800, 1333
"""Pixels to which the short side of a plane is scaled, and most pixels of its long side."""

SEPARATOR = "."
"""Token after each phrase."""

SEPARATING = str.maketrans({".": " ", "?": " "})
"""Characters that would end a phrase."""


class GroundingDinoDetector:
    """Grounding DINO on a device, a :class:`TextDetector`.

    Parameters
    ----------
    folder : LoadedFolder
        Network and tokenizer.
    """

    def __init__(self, folder: LoadedFolder) -> None:
        self._folder = folder
        size = folder.preprocessing.get("size", {})
        self._short = int(size.get("shortest_edge", SHORT_SIDE))
        self._long = int(size.get("longest_edge", LONG_SIDE))

    @torch.inference_mode()
    def find_boxes(
        self,
        plane: NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        should_stop: ShouldStop | None = None,
    ) -> TextBoxes:
        """Return every box of a plane; see :class:`TextDetector`.

        The score of a phrase is that of its best token.
        """
        tokens, places = self._encode(phrases)
        check(should_stop)
        image = place_plane(plane, self._short, self._long).to(self._folder.device)
        found = self._folder.network(
            pixel_values=image,
            input_ids=tokens,
            token_type_ids=torch.zeros_like(tokens),
            attention_mask=torch.ones_like(tokens),
        )
        check(should_stop)
        height, width = plane.shape[:2]
        boxes = corners(found.pred_boxes[0]) * np.array([height, width, height, width])
        by_token = torch.sigmoid(found.logits[0]).float().cpu().numpy()
        scores = np.stack([by_token[:, place].max(axis=1) for place in places], axis=1)
        return TextBoxes(boxes, scores)

    def _encode(self, phrases: Sequence[str]) -> tuple[Tensor, list[slice]]:
        """Return (1, T) tokens of all phrases in one text, and the place of each phrase in it."""
        tokenizer = self._folder.tokenizer
        separator = tokenizer.convert_tokens_to_ids(SEPARATOR)
        ids, places = [tokenizer.cls_token_id], []
        for phrase in phrases:
            words = phrase.lower().translate(SEPARATING)
            own = tokenizer(words, add_special_tokens=False)["input_ids"]
            if not own:
                raise InputError(f"The phrase {phrase!r} has no word that the text model reads.")
            places.append(slice(len(ids), len(ids) + len(own)))
            ids += [*own, separator]
        ids.append(tokenizer.sep_token_id)
        longest = int(self._folder.network.config.max_text_len)
        if len(ids) > longest:
            raise InputError(
                f"The phrases have {len(ids)} tokens together, and the text model reads {longest}; "
                "use fewer or shorter phrases."
            )
        return torch.tensor([ids], device=self._folder.device), places


def scaled_size(shape: tuple[int, int], short: int, long: int) -> tuple[int, int]:
    """Return the (h, w) at which the network sees a plane of a shape.

    The short side becomes ``short`` pixels, or fewer so that the long one has at most ``long``.
    """
    small, large = min(shape), max(shape)
    exact = min(float(short), long * small / large)
    side = round(exact)
    if side == small:
        return shape
    other = int(exact * large / small) if exact < short else int(short * large / small)
    return (side, other) if shape[0] <= shape[1] else (other, side)


def place_plane(plane: NDArray[np.uint8], short: int, long: int) -> Tensor:
    """Return a (H, W, 3) uint8 plane as the (1, 3, h, w) input of the network."""
    height, width = scaled_size((plane.shape[0], plane.shape[1]), short, long)
    picture = Image.fromarray(np.ascontiguousarray(plane))
    scaled = picture.resize((width, height), Image.Resampling.BILINEAR)
    return normalise(np.asarray(scaled) / 255, MEAN, DEVIATION)


def load_grounding_dino(path: Path, device: torch.device) -> GroundingDinoDetector:
    """Load the folder of a Grounding DINO model."""
    return GroundingDinoDetector(load_folder(path, "GroundingDinoForObjectDetection", device))
