"""Views on disk with everything that training needs of them: features, image and targets.

The encoder stays as it is, so each view is encoded once. Arrays are memory maps that are filled
block by block; a run that is stopped continues with the first missing block.
"""

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError, SeganyError
from napari_segany.models.protocol import PromptableModel
from napari_segany.networks.finder import FOREGROUND, MAPS
from napari_segany.training.augmentation import CELL, View, random_view
from napari_segany.training.datasets import LabelledImage
from napari_segany.training.encoder import ViewEncoder, computing_threads
from napari_segany.training.targets import Targets
from napari_segany.weights.cache import replacing

RECORD = "done.json"
"""Name of the file with the first views of finished blocks."""

VIEWS = 4
"""Version of the making of views: a folder of another version is not used again."""

BLOCK = 16
"""Views that are made together; progress is written after each block."""

PADDING = (124, 116, 104)
"""Colour of pixels beyond the image: nearly zero once it is normalised, as in the frame."""

IMAGES_IN_MEMORY = 256
"""Images that each process keeps decoded."""

FEWEST = 9
"""Images that a kind with fewer is taken for when kinds are drawn."""

ROOM = 200_000_000
"""Bytes that must stay free on the disk: for checkpoints and results."""


@dataclass(frozen=True)
class ViewPlan:
    """The views to make; all of them follow from the images and the seed.

    Attributes
    ----------
    images : tuple of LabelledImage
        To choose from.
    count : int
        Number of views.
    seed : int
        Of everything that is random.
    as_used : bool
        Scale views as a search does, see :func:`training.augmentation.random_view`.
    """

    images: tuple[LabelledImage, ...]
    count: int
    seed: int = 0
    as_used: bool = False

    def choose(self, number: int) -> tuple[LabelledImage, np.random.Generator]:
        """Return the image of a view and the generator that continues it.

        Kinds are drawn in proportion to the square root of their number of images, but none as if
        it had fewer than 9; images of a kind evenly.
        """
        rng = np.random.default_rng([self.seed, number])
        by_kind: dict[str, list[LabelledImage]] = {}
        for image in self.images:
            by_kind.setdefault(image.kind, []).append(image)
        kinds = list(by_kind)
        weights = np.sqrt([max(len(by_kind[kind]), FEWEST) for kind in kinds])
        kind = by_kind[kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]]
        return kind[int(rng.integers(len(kind)))], rng

    def fingerprint(self, encoder: ViewEncoder) -> str:
        """Return a hash of everything that decides the features, the name of their folder.

        Files are known by their names: images that change under the same name need a new folder.
        """
        names = [(each.kind, each.name) for each in self.images]
        size = encoder.view_size
        key: list[object] = [names, self.count, self.seed, encoder.sha256]
        key += [size.frame, size.side, CELL, VIEWS]
        # Only what differs from the usual is added, which keeps the names of existing folders.
        if encoder.precision != "bfloat16":
            key.append(encoder.precision)
        if incomplete := [each.name for each in self.images if not each.complete]:
            key.append({"incomplete": incomplete})
        if self.as_used:
            key.append("as used")
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FeatureCache:
    """The arrays of N views in a folder.

    Attributes
    ----------
    folder : Path
        Holds ``NAME.npy`` for each array and ``done.json``, the first views of finished blocks.
    arrays : dict
        ``embedding`` (N, C, g, g), ``stage0`` ... and ``maps`` float16, ``weights`` (N, H, W)
        float16, negative where the size is unknown, ``image`` (N, S, S, 3) uint8.
    """

    folder: Path
    arrays: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays["image"])


def array_types(
    encoder: ViewEncoder, count: int
) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return the shape and type of every array of ``count`` views."""
    size = encoder.view_size
    half, byte = np.dtype("<f2"), np.dtype("|u1")
    types: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        name: ((count, *shape), half) for name, shape in encoder.feature_shapes().items()
    }
    types["maps"] = ((count, MAPS, size.cells, size.cells), half)
    types["weights"] = ((count, size.cells, size.cells), half)
    types["image"] = ((count, size.side, size.side, 3), byte)
    return types


def bytes_of_views(encoder: ViewEncoder, count: int) -> int:
    """Return the bytes on disk of ``count`` views."""
    types = array_types(encoder, count).values()
    return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in types)


def check_room(encoder: ViewEncoder, count: int, place: Path) -> None:
    """Raise InputError unless the disk has room for the views that are not in ``place`` yet.

    A memory map on a full disk ends the process without a message, so this comes first.
    """
    # Files are as long as all views from the beginning, but occupy only what was written.
    kept = sum(getattr(path.stat(), "st_blocks", 0) * 512 for path in place.glob("*.npy"))
    needed = bytes_of_views(encoder, count) - kept
    there = next(each for each in (place, *place.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(there).free
    if needed > 0 and needed + ROOM > free:
        each = bytes_of_views(encoder, 1)
        raise InputError(
            f"{count} views need {needed / 1e9:.2f} GB more, but {there} has {free / 1e9:.2f} GB "
            f"free. Make fewer views ({each / 1e6:.1f} MB each), or choose a folder on another "
            "disk."
        )


def is_complete(plan: ViewPlan, encoder: ViewEncoder, folder: Path) -> bool:
    """Return whether all views of a plan are in its folder below ``folder``."""
    return not _missing(plan, _read_record(folder / plan.fingerprint(encoder)))


def _missing(plan: ViewPlan, done: set[int]) -> list[int]:
    return [start for start in range(0, plan.count, BLOCK) if start not in done]


def _read_record(place: Path) -> set[int]:
    """Return the first views of the blocks that are finished."""
    record = place / RECORD
    try:
        return set(json.loads(record.read_text(encoding="utf-8"))) if record.is_file() else set()
    except (ValueError, TypeError) as error:
        raise InputError(f"{record} is damaged; delete {place} to make its views anew.") from error


def signed_weights(targets: Targets) -> NDArray[np.float32]:
    """Return the (H, W) weights of targets, negative in objects whose size is unknown."""
    sized = targets.sized | (targets.maps[FOREGROUND] == 0)
    return np.where(sized, targets.weights, -targets.weights)


def padded(view: View) -> NDArray[np.uint8]:
    """Return the (S, S, 3) uint8 image of a view with the colour of padding beyond its pixels."""
    return np.where(view.known[..., None], view.image, np.array(PADDING, np.uint8))


class _ViewMaker:
    """The making of views and their writing into the arrays of a folder."""

    def __init__(self, plan: ViewPlan, encoder: ViewEncoder, place: Path) -> None:
        self._plan, self._encoder = plan, encoder
        self._arrays = _open(place, "r+")
        self._read = lru_cache(IMAGES_IN_MEMORY)(LabelledImage.read)

    def make_block(self, start: int) -> int:
        """Make the views of the block that begins with ``start``; return ``start``."""
        for number in range(start, min(start + BLOCK, self._plan.count)):
            self._make_view(number)
        return start

    def _make_view(self, number: int) -> None:
        chosen, rng = self._plan.choose(number)
        size = self._encoder.view_size
        view = random_view(
            *(*self._read(chosen), rng, size, chosen.background_weight),
            as_used=self._plan.as_used,
        )
        image, known = (torch.from_numpy(each)[None] for each in (view.image, view.known))
        embedding, stages = self._encoder.encode(image, known)
        self._arrays["embedding"][number] = embedding[0].numpy()
        for level, stage in enumerate(stages):
            self._arrays[f"stage{level}"][number] = stage[0].numpy()
        self._arrays["maps"][number] = view.targets.maps
        self._arrays["weights"][number] = signed_weights(view.targets)
        self._arrays["image"][number] = padded(view)


_maker: _ViewMaker | None = None
"""The maker of a worker process."""


def _start_worker(plan: ViewPlan, model: PromptableModel, place: Path) -> None:
    global _maker
    torch.set_num_threads(1)
    _maker = _ViewMaker(plan, ViewEncoder.from_model(model), place)


def _make_in_worker(start: int) -> int:
    assert _maker is not None
    return _maker.make_block(start)


def _open(place: Path, mode: Literal["r", "r+"]) -> dict[str, NDArray[Any]]:
    return {path.stem: np.load(path, mmap_mode=mode) for path in sorted(place.glob("*.npy"))}


def build_cache(
    plan: ViewPlan,
    model: PromptableModel,
    folder: Path,
    workers: int = 2,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> FeatureCache:
    """Make the views of a plan, or those that are still missing.

    Parameters
    ----------
    plan : ViewPlan
        The views.
    model : PromptableModel
        Its encoder makes the features, on the CPU.
    folder : Path
        Of all caches; this one is in a folder named by its fingerprint.
    workers : int
        Processes, of one thread each; 1 works in this process. Their number decides no byte.
    progress : callable, optional
        Called with the views done and in all.
    should_stop : callable, optional
        Polled between blocks.

    Returns
    -------
    FeatureCache
        All views, for reading.

    Raises
    ------
    InputError
        If the disk has no room, an image or its labels cannot be read, or the model is on a GPU.
    Cancelled
        If ``should_stop`` returned True; finished blocks are kept.
    """
    encoder = ViewEncoder.from_model(model)
    if encoder.device.type != "cpu":
        raise InputError(
            f"Features are made on the CPU, but {model.id} is on {encoder.device}; load it with "
            'device="cpu".'
        )
    place = folder / plan.fingerprint(encoder)
    check_room(encoder, plan.count, place)
    place.mkdir(parents=True, exist_ok=True)
    done = _read_record(place)
    if not done:
        for name, (shape, dtype) in array_types(encoder, plan.count).items():
            np.lib.format.open_memmap(place / f"{name}.npy", "w+", dtype, shape)
    if missing := _missing(plan, done):
        check(should_stop)
        with closing(_made(plan, model, encoder, place, missing, workers)) as made:
            for start in made:
                done.add(start)
                with replacing(place / RECORD) as temporary:
                    temporary.write_text(json.dumps(sorted(done)))
                if progress is not None:
                    progress(min(len(done) * BLOCK, plan.count), plan.count)
                check(should_stop)
    return FeatureCache(place, _open(place, "r"))


def _made(
    plan: ViewPlan,
    model: PromptableModel,
    encoder: ViewEncoder,
    place: Path,
    starts: Sequence[int],
    workers: int,
) -> Generator[int]:
    """Make blocks and yield the first view of each; closed early, begin no further block."""
    if workers == 1:
        with computing_threads(1):
            yield from map(_ViewMaker(plan, encoder, place).make_block, starts)
        return
    context = multiprocessing.get_context("spawn")
    # Processes load the same weights, known by their hash.
    arguments = (plan, model, place)
    with ProcessPoolExecutor(workers, context, _start_worker, arguments) as pool:
        try:
            yield from pool.map(_make_in_worker, starts)
        except BrokenProcessPool as error:
            raise SeganyError(
                "A process that makes features ended, maybe for lack of memory. What was made is "
                "kept; the same call with fewer processes continues."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
