"""A folder that transformers wrote: its network and tokenizer, read without running its code."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.errors import InputError, WeightsError


@dataclass(frozen=True)
class LoadedFolder:
    """Network and tokenizer of a folder.

    Attributes
    ----------
    network : torch.nn.Module
        float32, in evaluation mode, on the device.
    tokenizer : object
        A tokenizer of transformers.
    preprocessing : dict
        ``preprocessor_config.json``, empty if there is none.
    device : torch.device
        The device.
    """

    network: Any
    tokenizer: Any
    preprocessing: dict[str, Any]
    device: torch.device

    @property
    def image_side(self) -> int:
        """Side in pixels of the square that a network of text and images sees."""
        return int(self.network.config.vision_config.image_size)

    @property
    def longest_text(self) -> int:
        """Number of tokens that its network of texts reads at most."""
        return int(self.network.config.text_config.max_position_embeddings)


def load_folder(path: Path, network: str, device: torch.device) -> LoadedFolder:
    """Load a folder; ``network`` is the name of the class in transformers.

    Raises
    ------
    WeightsError
        If weights are missing, or there are others than the network has.
    """
    import transformers
    from transformers.utils import logging

    # Bars for a file that is read in a second would hide the command's own.
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model, report = getattr(transformers, network).from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    finally:
        if shown:
            logging.enable_progress_bar()
    wrong = sorted({*report["missing_keys"], *report["mismatched_keys"]}, key=str)
    if wrong:
        raise WeightsError(
            f"The weights in {path} do not fit {network}: {', '.join(map(str, wrong[:4]))} "
            f"{'is' if len(wrong) == 1 else 'are'} missing."
        )
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        path, local_files_only=True, trust_remote_code=False
    )
    settings = path / "preprocessor_config.json"
    preprocessing = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    model.eval().requires_grad_(False)
    return LoadedFolder(model.to(device), tokenizer, preprocessing, device)


def encode_phrases(folder: LoadedFolder, phrases: list[str], longest: int) -> dict[str, Tensor]:
    """Return the tokens of phrases, padded to ``longest``.

    Raises
    ------
    InputError
        If a phrase has more tokens.
    """
    for phrase in phrases:
        count = len(folder.tokenizer(phrase)["input_ids"])
        if count > longest:
            raise InputError(
                f"The phrase {phrase[:60]!r} has {count} tokens, and the text model reads "
                f"{longest}; use fewer words."
            )
    tokens = folder.tokenizer(
        phrases, padding="max_length", max_length=longest, return_tensors="pt"
    )
    return {name: tokens[name].to(folder.device) for name in ("input_ids", "attention_mask")}


def normalise(
    pixels: NDArray[np.floating], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> Tensor:
    """Return (H, W, 3) pixels of 0..1 as a (1, 3, H, W) float32 tensor of a network's range."""
    shifted = (pixels - np.array(mean)) / np.array(deviation)
    return torch.from_numpy(shifted.astype(np.float32)).permute(2, 0, 1)[None].contiguous()


def corners(centred: Tensor) -> NDArray[np.float64]:
    """Return (N, 4) boxes given as centre x, y, width, height as y0, x0, y1, x1."""
    x, y, width, height = centred.double().cpu().numpy().T
    return np.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], axis=-1)
