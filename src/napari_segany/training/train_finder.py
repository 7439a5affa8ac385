"""Training loop of the finder: deterministic, and resumed from its last checkpoint."""

import json
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_segany.networks.finder import Finder, FinderShape
from napari_segany.training.feature_cache import FeatureCache
from napari_segany.training.losses import finder_loss, total_loss


@dataclass(frozen=True)
class TrainParams:
    """Parameters of the training loop.

    Attributes
    ----------
    steps : int
        Number of steps.
    batch : int
        Views a step.
    learning_rate : float
        Largest; it rises over the first ``warm_up`` steps and then falls as a cosine.
    weight_decay : float
        Of AdamW.
    warm_up : int
        Steps.
    average : float
        Decay of the running mean of the weights, which is what is kept.
    seed : int
        Of the first weights and the order of views.
    bfloat16 : bool
        Compute convolutions in bfloat16; weights stay float32.
    checkpoint_every : int
        Steps.
    """

    steps: int = 6000
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: int = 200
    average: float = 0.998
    seed: int = 0
    bfloat16: bool = True
    checkpoint_every: int = 250

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True)
class Batch:
    """Tensors of one step."""

    embedding: Tensor
    stages: list[Tensor]
    image: Tensor
    maps: Tensor
    weights: Tensor
    sized: Tensor


PIXEL_MEAN = torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1)
PIXEL_STD = torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1)


def read_batch(
    cache: FeatureCache, numbers: np.ndarray[Any, Any], dtype: torch.dtype = torch.float32
) -> Batch:
    """Read some views; what the network reads is in ``dtype`` with channels last in memory."""
    arrays = cache.arrays

    def stack(name: str) -> Tensor:
        return torch.from_numpy(np.stack([arrays[name][n] for n in numbers]))

    def features(name: str) -> Tensor:
        return stack(name).to(dtype).contiguous(memory_format=torch.channels_last)

    # The image is stored with its channels last, so this view has them last in memory.
    image = (stack("image").permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD
    weights = stack("weights").float()
    return Batch(
        features("embedding"),
        [features(name) for name in sorted(arrays) if name.startswith("stage")],
        image.to(dtype),
        stack("maps").float(),
        weights.abs(),
        weights >= 0,
    )


def order_of_views(params: TrainParams, count: int, start: int) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the views of every step from ``start`` on; all are seen once before any is again."""
    needed = params.batch
    pool: list[int] = []
    epoch = 0
    for step in range(params.steps):
        while len(pool) < needed:
            rng = np.random.default_rng([params.seed, epoch])
            pool += rng.permutation(count).tolist()
            epoch += 1
        chosen, pool = pool[:needed], pool[needed:]
        if step >= start:
            yield np.array(chosen)


def prefetch(batches: Iterator[Batch], ahead: int = 2) -> Iterator[Batch]:
    """Read batches in another thread while the last one is learned from."""
    ready: queue.Queue[Batch | None] = queue.Queue(ahead)

    def fill() -> None:
        for batch in batches:
            ready.put(batch)
        ready.put(None)

    threading.Thread(target=fill, daemon=True).start()
    while (batch := ready.get()) is not None:
        yield batch


def train_finder(
    cache: FeatureCache,
    shape: FinderShape,
    params: TrainParams,
    folder: Path,
    log: Callable[[str], None] = print,
) -> Finder:
    """Train a finder on the views of a cache, from the last checkpoint in ``folder`` if there is one.

    Returns
    -------
    Finder
        With averaged weights, in evaluation mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(params.seed)
    network = Finder(shape).to(memory_format=torch.channels_last)
    average = Finder(shape)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    checkpoint, start = folder / "checkpoint.pt", 0
    curve: list[dict[str, float]] = []
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        start, curve = saved["step"], saved["curve"]
        log(f"Resumed at step {start}.")
    dtype = torch.bfloat16 if params.bfloat16 else torch.float32
    batches = (
        read_batch(cache, numbers, dtype) for numbers in order_of_views(params, len(cache), start)
    )
    began = time.perf_counter()
    recent: dict[str, float] = {}
    for step, batch in enumerate(prefetch(batches), start):
        # What is dropped must not depend on where a run was resumed.
        torch.manual_seed(params.seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = params.rate(step)
        network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=params.bfloat16):
            raw = network(batch.embedding, batch.stages, batch.image)
        parts = finder_loss(raw.float(), batch.maps, batch.weights, batch.sized)
        loss = total_loss(parts)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        _update_average(average, network, min(params.average, (1 + step) / (10 + step)))
        for name, value in {**parts, "loss": loss}.items():
            recent[name] = 0.98 * recent.get(name, value.item()) + 0.02 * value.item()
        if (step + 1) % 25 == 0:
            curve.append({"step": step + 1, **recent})
            each = (time.perf_counter() - began) / (step + 1 - start)
            text = " ".join(f"{name} {value:.3f}" for name, value in recent.items())
            log(f"{step + 1}/{params.steps} {text} {each:.2f} s a step")
        if (step + 1) % params.checkpoint_every == 0 or step + 1 == params.steps:
            _save(
                checkpoint,
                {
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                    "curve": curve,
                },
            )
            (folder / "curve.json").write_text(json.dumps(curve))
    return average.eval()


@torch.no_grad()
def _update_average(average: Finder, network: Finder, decay: float) -> None:
    for kept, new in zip(
        average.state_dict().values(), network.state_dict().values(), strict=True
    ):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _save(path: Path, state: dict[str, Any]) -> None:
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)
