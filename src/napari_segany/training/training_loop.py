"""Training loop of the finder: deterministic, and resumed from its last checkpoint."""

import json
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_segany.core.callbacks import Progress, ShouldStop, check
from napari_segany.errors import InputError
from napari_segany.networks.finder import Finder, FinderShape
from napari_segany.training.batches import Batch, BatchOrder, ViewSource
from napari_segany.training.losses import finder_loss, total_loss
from napari_segany.weights.cache import replacing

CHECKPOINT = "checkpoint.pt"
"""Name of the file with the state of the loop."""

CURVE = "curve.json"
"""Name of the file with the losses over the steps: a list of an object each ``CURVE_EVERY``."""

CURVE_EVERY = 25
"""Steps between two points of the curve."""

VALIDATE_EVERY = 250
"""Steps between two losses on validation views; a multiple of ``CURVE_EVERY``."""

SMOOTHING = 0.98
"""Decay of the running mean of the losses in the curve."""

LARGEST_GRADIENT = 1.0
"""Norm to which the gradients of a step are cut."""


@dataclass(frozen=True)
class TrainParams:
    """Parameters of the training loop.

    Attributes
    ----------
    steps : int
        Number of steps.
    batch : int
        Views a step.
    crop : int
        Side, in cells of the embedding, of the random part of each view that a step learns from: of
        the same number of pixels, more different views are better than larger parts.
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

    steps: int = 10_000
    batch: int = 8
    crop: int = 24
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: int = 200
    average: float = 0.998
    seed: int = 0
    bfloat16: bool = True
    checkpoint_every: int = 250

    def order(self, start: int) -> BatchOrder:
        """Return the order of the batches from step ``start`` on."""
        return BatchOrder(self.steps, self.batch, self.crop, self.seed, start)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass
class TrainState:
    """State of a training run, all that a checkpoint holds.

    Attributes
    ----------
    network : Finder
        The weights that are learned.
    average : Finder
        Their running mean, which is kept.
    optimiser : Optimizer
        AdamW of ``network``.
    settings : dict
        What decides the run; a checkpoint of other settings is refused.
    step : int
        Steps done.
    recent : dict
        Running means of the losses.
    curve : list of dict
        ``recent`` with its ``step``, every ``CURVE_EVERY`` steps; ``validation`` is the loss of the
        averaged weights on views of other images.
    """

    network: Finder
    average: Finder
    optimiser: torch.optim.Optimizer
    settings: dict[str, Any]
    step: int = 0
    recent: dict[str, float] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def begin(
        cls, shape: FinderShape, params: TrainParams, views: str, device: torch.device
    ) -> "TrainState":
        """Return the state before the first step; ``views`` names the views that are learned."""
        torch.manual_seed(params.seed)
        network = Finder(shape).to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = Finder(shape).to(device)
        average.load_state_dict(network.state_dict())
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
        )
        settings = {**asdict(params), "shape": shape.to_dict(), "views": views}
        # How often it is saved decides nothing.
        del settings["checkpoint_every"]
        # As JSON has it, which knows no tuples.
        return cls(network, average, optimiser, json.loads(json.dumps(settings)))

    def note(self, losses: dict[str, float]) -> None:
        """Add the losses of a step to the running means."""
        for name, value in losses.items():
            before = self.recent.get(name, value)
            self.recent[name] = SMOOTHING * before + (1 - SMOOTHING) * value

    def save(self, path: Path) -> None:
        """Write a checkpoint; one that is there is replaced at once."""
        saved = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "recent": self.recent,
            "curve": self.curve,
            "settings": self.settings,
        }
        with replacing(path) as temporary:
            torch.save(saved, temporary)

    def load(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises
        ------
        InputError
            If the file is damaged, or of a run with other settings.
        """
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            # Checkpoints of the first version had no settings.
            there = saved.get("settings", self.settings)
            if there == self.settings:
                self.network.load_state_dict(saved["network"])
                self.average.load_state_dict(saved["average"])
                self.optimiser.load_state_dict(saved["optimiser"])
                self.step, self.curve = saved["step"], saved["curve"]
                self.recent = saved.get("recent", {})
        except Exception as error:  # torch.load and load_state_dict raise many kinds
            raise InputError(
                f"{path} cannot be read as a checkpoint of this training: {error}. Delete it to "
                "begin anew."
            ) from error
        if there != self.settings:
            differs = [name for name in self.settings if there.get(name) != self.settings[name]]
            raise InputError(
                f"{path} is of a training with other {', '.join(differs)}. Take another folder, "
                "or delete the file to begin anew."
            )


def train_step(state: TrainState, batch: Batch, params: TrainParams) -> dict[str, float]:
    """Learn from one batch; return the parts of the loss and their sum, ``loss``."""
    # What is dropped must not depend on where a run was resumed.
    torch.manual_seed(params.seed * 1_000_003 + state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = params.rate(state.step)
    state.network.train()
    parts = batch_loss(state.network, batch, params.bfloat16)
    loss = total_loss(parts)
    state.optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), LARGEST_GRADIENT)
    state.optimiser.step()
    # A long mean of few steps would hold mostly the random weights at the beginning.
    decay = min(params.average, (1 + state.step) / (10 + state.step))
    update_average(state.average, state.network, decay)
    state.step += 1
    return {name: float(value.detach()) for name, value in {**parts, "loss": loss}.items()}


def batch_loss(network: Finder, batch: Batch, bfloat16: bool) -> dict[str, Tensor]:
    """Return the parts of the loss of a network on a batch."""
    with torch.autocast(batch.image.device.type, torch.bfloat16, enabled=bfloat16):
        raw = network(
            batch.embedding,
            batch.stages,
            batch.image.contiguous(memory_format=torch.channels_last),
        )
    return finder_loss(raw.float(), batch.maps, batch.weights, batch.sized)


@torch.inference_mode()
def validation_loss(network: Finder, views: ViewSource, batch: int, bfloat16: bool) -> float:
    """Return the mean loss of a network, in evaluation mode, on all views of a source."""
    network.eval()
    total, count = 0.0, 0
    for few in views.all_batches(batch):
        loss = total_loss(batch_loss(network, few, bfloat16))
        total += float(loss) * len(few.image)
        count += len(few.image)
    return total / count


@torch.no_grad()
def update_average(average: Finder, network: Finder, decay: float) -> None:
    """Move the running mean of the weights towards those of the network, in place."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def learn_from_views(
    views: ViewSource,
    shape: FinderShape,
    params: TrainParams,
    folder: Path,
    log: Callable[[str], None] = print,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    validation: ViewSource | None = None,
    device: torch.device | None = None,
) -> Finder:
    """Train a finder on views, continuing from a checkpoint in ``folder``.

    On a CPU, a run that was stopped and resumed has the same weights as one that was not, to the
    last bit, with the same number of threads. On a GPU it learns from the same views in the same
    order, but sums differ in their last bits from run to run.

    Parameters
    ----------
    views : ViewSource
        The views, whose batches are on ``device``.
    shape : FinderShape
        The architecture.
    params : TrainParams
        Of the loop.
    folder : Path
        For ``checkpoint.pt`` and ``curve.json``; made if it is missing.
    log : callable
        Called with lines for people to read.
    progress : callable, optional
        Called with the steps done and in all.
    should_stop : callable, optional
        Polled between steps.
    validation : ViewSource, optional
        Views of other images, whose loss is added to the curve. They change no weight.
    device : torch.device, optional
        Device of the network while it learns; the CPU by default.

    Returns
    -------
    Finder
        With averaged weights, in evaluation mode, on the CPU.

    Raises
    ------
    InputError
        If the checkpoint is damaged or of another training.
    Cancelled
        If ``should_stop`` returned True; the last checkpoint is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = TrainState.begin(shape, params, views.name, device or torch.device("cpu"))
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_file():
        state.load(checkpoint)
        log(f"Resumed at step {state.step}.")
    with closing(views.train_batches(params.order(state.step))) as batches:
        for batch in batches:
            check(should_stop)
            losses = train_step(state, batch, params)
            state.note(losses)
            if state.step % CURVE_EVERY == 0:
                point = {"step": state.step, **state.recent}
                if validation is not None and state.step % VALIDATE_EVERY == 0:
                    point["validation"] = validation_loss(
                        state.average, validation, params.batch, params.bfloat16
                    )
                state.curve.append(point)
                log(_told(point, params.steps))
            if state.step % params.checkpoint_every == 0 or state.step == params.steps:
                state.save(checkpoint)
                with replacing(folder / CURVE) as temporary:
                    temporary.write_text(json.dumps(state.curve))
            if progress is not None:
                progress(state.step, params.steps)
    return state.average.cpu().eval()


def _told(point: dict[str, float], steps: int) -> str:
    """Return a point of the curve as a sentence."""
    losses = ", ".join(f"{name} {value:.3f}" for name, value in point.items() if name != "step")
    return f"Step {point['step']} of {steps}: {losses}."
