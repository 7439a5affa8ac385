"""Small labelled images, folders of training sets and models to train on them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_segany.models.sam.model import SamModel
from napari_segany.networks.mask_decoder import MaskDecoder
from napari_segany.networks.prompt_encoder import PromptEncoder
from napari_segany.networks.sam import Sam
from napari_segany.networks.tiny_vit import TinyViT
from napari_segany.networks.vit import ViT
from napari_segany.weights.resolve import Weights

DISCS = (
    (40, 50, 18),
    (60, 90, 25),
    (120, 60, 30),
    (130, 190, 22),
    (60, 180, 12),
    (62, 204, 12),
)
"""Row, column and radius of the objects of the scene; the last two touch."""


def draw_scene() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """A gray image as (180, 240, 3), and labels of six discs and an unknown corner."""
    rows, cols = np.indices((180, 240))
    labels = np.zeros((180, 240), np.int32)
    for number, (row, col, radius) in enumerate(DISCS, 1):
        labels[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] = number
    labels[:12, 200:] = -1
    gray = (60 + 25 * np.sin(rows / 7) + 80 * (labels > 0) + cols / 8).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=-1), labels


def write_set(
    folder: Path, name: str, count: int = 3, shift: int = 0, **entry: Any
) -> dict[str, Any]:
    """Write a training set of scenes that differ by their brightness; return its entry."""
    rgb, labels = draw_scene()
    for part in ("images", "labels"):
        (folder / name / part).mkdir(parents=True, exist_ok=True)
    names = [f"image{number}" for number in range(count)]
    for number, each in enumerate(names):
        picture = Image.fromarray(rgb + np.uint8(5 * number + shift))
        picture.save(folder / name / "images" / f"{each}.png")
        tifffile.imwrite(folder / name / "labels" / f"{each}.tif", labels.astype(np.int16))
    items = [{"name": each, "n_objects": len(DISCS)} for each in names]
    return {"items": items, "weights_may_ship": True, "licence": "CC0", **entry}


def write_manifest(folder: Path, **sets: dict[str, Any]) -> None:
    """Write the manifest of training sets."""
    (folder / "MANIFEST.json").write_text(json.dumps({"sets": sets}), encoding="utf-8")


class RandomModel(SamModel):
    """A model that another process builds again, as it has no file to load."""

    def __reduce__(self) -> Any:
        kind, seed = self.weights.id, int(self.weights.sha256.removeprefix(self.weights.id))
        return build_model, (kind, seed)


def build_model(encoder: str = "vit_t", seed: int = 0) -> RandomModel:
    """A model with random weights, a frame of 128 pixels and an encoder of the given kind."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        small: TinyViT | ViT
        if encoder == "vit_t":
            small = TinyViT((8, 16, 16, 24), (1, 1, 1, 1), (1, 2, 2, 2), (7, 7, 14, 7))
        else:
            small = ViT(width=16, depth=3, heads=2, global_blocks=(0, 2), window=4, grid=8)
        network = Sam(small, PromptEncoder(grid=8), MaskDecoder())
    network.eval().requires_grad_(False)
    weights = Weights(encoder, encoder, Path(encoder), f"{encoder}{seed}")
    return RandomModel(network, weights, torch.device("cpu"))
