"""Training of a finder further, from the weights of another, on few views in minutes."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.networks.finder import Finder
from napari_segany.training.batches import Batch, BatchOrder, ViewSource
from napari_segany.training.losses import total_loss
from napari_segany.training.training_loop import (
    LARGEST_GRADIENT,
    batch_loss,
    update_average,
    validation_loss,
)
from napari_segany.weights.cache import replacing

CHECKPOINT = "fine_tune.pt"
"""Name of the file with the state of the loop."""


@dataclass(frozen=True)
class FineTuneParams:
    """Parameters of training further.

    Attributes
    ----------
    steps : int
        Most steps.
    batch : int
        Views a step.
    crop : int
        Side, in cells of the embedding, of the random part of each view that a step learns from.
    learning_rate : float
        Largest; it rises over the first ``warm_up`` steps and stays.
    warm_up : int
        Steps.
    pull : float
        Part of the way back to the weights at the beginning that each step goes, 0..1.
    average : float
        Decay of the running mean of the weights, which is what is kept.
    epoch : int
        Steps after which held-back views are looked at and a checkpoint is written.
    patience : int
        Epochs without a smaller loss on held-back views after which training ends.
    seed : int
        Of the order of views.
    bfloat16 : bool
        Compute convolutions in bfloat16; weights stay float32.
    """

    steps: int = 300
    batch: int = 3
    crop: int = 24
    learning_rate: float = 1e-3
    warm_up: int = 10
    pull: float = 0.002
    average: float = 0.97
    epoch: int = 25
    patience: int = 4
    seed: int = 0
    bfloat16: bool = True

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return self.learning_rate * min((step + 1) / self.warm_up, 1.0)


@dataclass
class FineTuneState:
    """State of a run, all that a checkpoint holds.

    Attributes
    ----------
    network : Finder
        The weights that are learned.
    average : Finder
        Their running mean.
    best : Finder
        The mean at the end of the epoch with the smallest loss on held-back views.
    optimiser : Optimizer
        AdamW of ``network``.
    settings : dict
        What decides the run; a checkpoint of another run is not used.
    step : int
        Steps done.
    seconds : float
        Time that they took.
    losses : list of float
        Loss on held-back views before the first step and after each epoch.
    best_epoch : int
        Epoch of ``best``; 0 is the base.
    """

    network: Finder
    average: Finder
    best: Finder
    optimiser: torch.optim.Optimizer
    settings: dict[str, Any]
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    best_epoch: int = 0

    @classmethod
    def begin(
        cls, base: Finder, params: FineTuneParams, settings: dict[str, Any]
    ) -> "FineTuneState":
        """Return the state before the first step."""
        network = deepcopy(base)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=params.learning_rate, weight_decay=0.0
        )
        settings = json.loads(json.dumps({**asdict(params), **settings}))
        return cls(network, deepcopy(base), deepcopy(base), optimiser, settings)

    def save(self, path: Path) -> None:
        """Write a checkpoint; one that is there is replaced at once."""
        parts = ("network", "average", "best", "optimiser")
        saved = {name: getattr(self, name).state_dict() for name in parts}
        for name in ("settings", "step", "seconds", "losses", "best_epoch"):
            saved[name] = getattr(self, name)
        with replacing(path) as temporary:
            torch.save(saved, temporary)

    def load(self, path: Path) -> bool:
        """Continue from a checkpoint; return False if it is of another run.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            if saved["settings"] != self.settings:
                return False
            for name in ("network", "average", "best", "optimiser"):
                getattr(self, name).load_state_dict(saved[name])
            self.step, self.seconds = int(saved["step"]), float(saved["seconds"])
            self.losses, self.best_epoch = list(saved["losses"]), int(saved["best_epoch"])
        except Exception as error:  # torch.load and load_state_dict raise many kinds
            raise InputError(
                f"{path} cannot be read as a checkpoint: {error}. Delete it to begin anew."
            ) from error
        return True


@dataclass(frozen=True)
class FineTuned:
    """Result of training further.

    Attributes
    ----------
    network : Finder
        In evaluation mode.
    steps : int
        Steps done.
    epochs : int
        Epochs done.
    best_epoch : int
        Epoch whose weights were kept; 0 if the base was never improved on.
    losses : tuple of float
        Losses on held-back views, the base's first; empty without such views.
    seconds : float
        Time of the loop.
    ended_by : str
        "steps", "held-back loss", "time" or "request".
    """

    network: Finder
    steps: int
    epochs: int
    best_epoch: int
    losses: tuple[float, ...]
    seconds: float
    ended_by: str


def fine_tune(
    base: Finder,
    views: ViewSource,
    params: FineTuneParams,
    folder: Path,
    *,
    held_back: ViewSource | None = None,
    settings: dict[str, Any] | None = None,
    seconds: float = float("inf"),
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    should_end: Callable[[], bool] | None = None,
) -> FineTuned:
    """Train a finder further on views of few images, continuing from a checkpoint.

    Normalisations keep their statistics. With the same number of threads, and unless time ends it,
    a run that was stopped and resumed has the same weights as one that was not.

    Parameters
    ----------
    base : Finder
        Where training begins, see :func:`networks.finder_inference.unfold`.
    views : ViewSource
        Views to learn from, on the CPU.
    params : FineTuneParams
        Of the loop.
    folder : Path
        For the checkpoint.
    held_back : ViewSource, optional
        Views that are not learned from; training ends when they are not predicted better any more.
    settings : dict, optional
        What else a checkpoint belongs to: the base, the planes.
    seconds : float
        Most time, with that before a checkpoint.
    progress : callable, optional
        Called with the steps done and in all.
    should_stop : callable, optional
        Polled between steps; if true, the run is given up and its last checkpoint kept.
    should_end : callable, optional
        Polled between steps; if true, the run ends with what it has learned.

    Raises
    ------
    InputError
        If the checkpoint is damaged.
    Cancelled
        If ``should_stop`` returned True.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = FineTuneState.begin(base, params, {**(settings or {}), "views": views.name})
    path = folder / CHECKPOINT
    if path.is_file():
        state.load(path)
    anchors = [value.detach().clone() for value in base.parameters()]
    before, began = state.seconds, time.monotonic()
    if held_back is not None and not state.losses:
        state.losses.append(validation_loss(base, held_back, params.batch, params.bfloat16))
    ended_by = "steps"
    order = BatchOrder(params.steps, params.batch, params.crop, params.seed, state.step)
    with closing(views.train_batches(order)) as batches:
        for batch in batches:
            if _has_waited(state, params):
                ended_by = "held-back loss"
                break
            check(should_stop)
            if should_end is not None and should_end():
                ended_by = "request"
                break
            state.seconds = before + time.monotonic() - began
            if state.seconds > seconds:
                ended_by = "time"
                break
            _step(state, batch, params, anchors)
            if progress is not None:
                progress(state.step, params.steps)
            if state.step % params.epoch == 0 or state.step == params.steps:
                _end_epoch(state, held_back, params)
                state.seconds = before + time.monotonic() - began
                state.save(path)
    if state.step % params.epoch and ended_by in ("time", "request"):
        _end_epoch(state, held_back, params)
    return FineTuned(
        state.best.eval(),
        state.step,
        -(-state.step // params.epoch),
        state.best_epoch,
        tuple(state.losses),
        state.seconds,
        ended_by,
    )


def _has_waited(state: FineTuneState, params: FineTuneParams) -> bool:
    return len(state.losses) - 1 - state.best_epoch >= params.patience


def _step(
    state: FineTuneState, batch: Batch, params: FineTuneParams, anchors: list[Tensor]
) -> None:
    """Learn from one batch."""
    for group in state.optimiser.param_groups:
        group["lr"] = params.rate(state.step)
    # Evaluation mode keeps the statistics of the normalisations, which stand for many images.
    state.network.eval()
    loss = total_loss(batch_loss(state.network, batch, params.bfloat16))
    state.optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), LARGEST_GRADIENT)
    state.optimiser.step()
    if params.pull:
        with torch.no_grad():
            for value, anchor in zip(state.network.parameters(), anchors, strict=True):
                value.lerp_(anchor, params.pull)
    update_average(state.average, state.network, params.average)
    state.step += 1


def _end_epoch(state: FineTuneState, held_back: ViewSource | None, params: FineTuneParams) -> None:
    """Look at the held-back views and keep the weights if they are the best."""
    number = -(-state.step // params.epoch)
    if held_back is not None:
        loss = validation_loss(state.average, held_back, params.batch, params.bfloat16)
        state.losses.append(loss)
        if loss > min(state.losses[:-1]):
            return
    state.best.load_state_dict(state.average.state_dict())
    state.best_epoch = number
