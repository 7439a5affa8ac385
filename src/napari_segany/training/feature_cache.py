"""Views on disk with everything that training needs of them: features, image and targets.

The encoder stays as it is, so each view is encoded once. Arrays are memory maps that are filled in
order; a run that is stopped goes on where it was.
"""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segany.models.sam.model import SamModel
from napari_segany.networks.finder import MAPS
from napari_segany.training.augmentation import CELL, FRAME, VIEW, random_view
from napari_segany.training.datasets import LabelledImage

BLOCK = 16
"""Views that are made together; progress is written after each block."""

TOKEN = 16
"""Pixels of the frame for each cell of the embedding, a side."""

PADDING = (124, 116, 104)
"""Colour of pixels beyond the image: zero once it is normalised, as in the frame."""


@dataclass(frozen=True)
class ViewPlan:
    """Which views are made; all of it follows from the images and the seed.

    Attributes
    ----------
    images : tuple of LabelledImage
        To choose from.
    count : int
        Number of views.
    seed : int
        Of everything that is random.
    """

    images: tuple[LabelledImage, ...]
    count: int
    seed: int = 0

    def choose(self, number: int) -> tuple[LabelledImage, np.random.Generator]:
        """Return the image of a view and the generator that continues it.

        Kinds are drawn in proportion to the square root of their number of images, images of a
        kind evenly.
        """
        rng = np.random.default_rng([self.seed, number])
        by_kind: dict[str, list[LabelledImage]] = {}
        for image in self.images:
            by_kind.setdefault(image.kind, []).append(image)
        kinds = list(by_kind)
        weights = np.sqrt([len(by_kind[kind]) for kind in kinds])
        kind = by_kind[kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]]
        return kind[int(rng.integers(len(kind)))], rng

    def fingerprint(self, encoder_sha256: str) -> str:
        """Return a hash of everything that decides the features."""
        names = [(each.kind, each.name) for each in self.images]
        key = json.dumps([names, self.count, self.seed, encoder_sha256, FRAME, VIEW, CELL])
        return hashlib.sha256(key.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FeatureCache:
    """The arrays of all views in a folder.

    Attributes
    ----------
    folder : Path
        Holds ``NAME.npy`` for each array and ``done.json``.
    arrays : dict
        ``embedding`` (N, C, g, g), ``stage0`` ... and ``maps`` float16, ``weights`` (N, H, W)
        float16, negative where the size is unknown, ``image`` (N, VIEW, VIEW, 3) uint8.
    """

    folder: Path
    arrays: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays["image"])


def array_shapes(model: SamModel, count: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return the shape and type of every array of ``count`` views."""
    tokens, side = VIEW // TOKEN, VIEW // CELL
    encoder = model.network.image_encoder
    channels = encoder.neck[2].out_channels
    assert isinstance(channels, int)
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "embedding": ((count, channels, tokens, tokens), "<f2"),
        "maps": ((count, MAPS, side, side), "<f2"),
        "weights": ((count, side, side), "<f2"),
        "image": ((count, VIEW, VIEW, 3), "|u1"),
    }
    for number, (width, cells) in enumerate(encoder.finer_stages):
        grid = tokens * cells
        shapes[f"stage{number}"] = ((count, width, grid, grid), "<f2")
    return shapes


@torch.inference_mode()
def encode_view(model: SamModel, image: NDArray[np.uint8], known: NDArray[np.bool_]) -> Any:
    """Return the embedding and the stages of a (VIEW, VIEW, 3) image, channels first."""
    network = model.network
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    x = (pixels - network.pixel_mean) / network.pixel_std * torch.from_numpy(known)
    stages: list[torch.Tensor] = []
    embedding = network.image_encoder(x, on_stage=stages.append)
    return embedding[0], [stage[0].permute(2, 0, 1) for stage in stages]


_worker: dict[str, Any] = {}


def _start(model_name: str, precision: str, plan: ViewPlan, folder: Path) -> None:
    from napari_segany.models.registry import load_model

    torch.set_num_threads(1)
    model = load_model(model_name, device="cpu", precision=precision)
    assert isinstance(model, SamModel)
    _worker.update(model=model, plan=plan, arrays=_open(folder, "r+"), images={})


def _open(folder: Path, mode: Any) -> dict[str, NDArray[Any]]:
    return {path.stem: np.load(path, mmap_mode=mode) for path in sorted(folder.glob("*.npy"))}


def _make_block(start: int) -> int:
    model, plan, arrays = _worker["model"], _worker["plan"], _worker["arrays"]
    for number in range(start, min(start + BLOCK, plan.count)):
        chosen, rng = plan.choose(number)
        images = _worker["images"]
        if chosen not in images:
            images[chosen] = chosen.read()
        view = random_view(*images[chosen], rng)
        embedding, stages = encode_view(model, view.image, view.known)
        arrays["embedding"][number] = embedding.numpy()
        for i, stage in enumerate(stages):
            arrays[f"stage{i}"][number] = stage.float().numpy()
        targets = view.targets
        arrays["maps"][number] = targets.maps
        sized = targets.sized | (targets.maps[0] == 0)
        arrays["weights"][number] = np.where(sized, targets.weights, -targets.weights)
        arrays["image"][number] = np.where(view.known[..., None], view.image, PADDING)
    return start


def build_cache(
    plan: ViewPlan,
    model: SamModel,
    folder: Path,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureCache:
    """Make the views of a plan, or those that are still missing.

    Parameters
    ----------
    plan : ViewPlan
        The views.
    model : SamModel
        Its encoder makes the features.
    folder : Path
        Of all caches; this one is in a folder named by its fingerprint.
    workers : int
        Processes, of one thread each.
    progress : callable, optional
        Called with the views done and in all.
    """
    place = folder / plan.fingerprint(model.weights.sha256)
    place.mkdir(parents=True, exist_ok=True)
    record = place / "done.json"
    done: set[int] = set(json.loads(record.read_text())) if record.is_file() else set()
    if not done:
        for name, (shape, dtype) in array_shapes(model, plan.count).items():
            np.lib.format.open_memmap(place / f"{name}.npy", "w+", np.dtype(dtype), shape)
    missing = [start for start in range(0, plan.count, BLOCK) if start not in done]
    if missing:
        context = multiprocessing.get_context("spawn")
        arguments = (model.id, model.precision, plan, place)
        with ProcessPoolExecutor(workers, context, _start, arguments) as pool:
            for start in pool.map(_make_block, missing):
                done.add(start)
                _write(record, sorted(done))
                if progress is not None:
                    progress(min(len(done) * BLOCK, plan.count), plan.count)
    return FeatureCache(place, _open(place, "r"))


def _write(path: Path, value: Sequence[int]) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(value))
    os.replace(temporary, path)
