"""Where the time of an automatic run goes: seconds inside named functions of either side."""

import inspect
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import wraps
from types import TracebackType
from typing import Any
from unittest.mock import patch

import torch

from napari_segany import MaskSet
from napari_segany import segmentation as everything
from napari_segany.generators import point_search as automatic
from napari_segany.generators.candidates import Candidates
from napari_segany.models.sam.model import SamModel
from napari_segany.models.screening import SparseEstimate
from napari_segany.networks.decoder.decoding import PromptDecoder
from napari_segany.networks.prompt_encoder import PromptEncoder

Watched = tuple[Any, str, str | Callable[..., str]]
"""Class or module, name in it, and its stage or what tells the stage from the arguments."""

SPARSE = "glimpse"
"""Key of the sparse estimate in results."""

DECODING = ("prompts", "decode", SPARSE, "local masks", "full masks")
DRAWING = ("draw", "pack")
OTHER = "other"


def _stage_of_logits(*arguments: Any, sample: Any = None) -> str:
    """Which use of ``PromptDecoder.fine_logits`` this is."""
    return SPARSE if sample is not None or len(arguments) > 4 else "full masks"


OURS: tuple[Watched, ...] = (
    (SamModel, "_embed_rgb", "embed"),
    (PromptDecoder, "share", "share"),
    (PromptEncoder, "forward", "prompts"),
    (PromptDecoder, "decode", "decode"),
    (PromptDecoder, "fine_logits", _stage_of_logits),
    (PromptDecoder, "local_logits", "local masks"),
    (SparseEstimate, "of", SPARSE),
    (PromptDecoder, "placed", "full masks"),
    (automatic, "draw", "draw"),
    (MaskSet, "from_crops", "pack"),
    (Candidates, "select", "choose"),
    (everything, "paint", "paint"),
)
"""None of these calls another."""


def of_reference() -> tuple[Watched, ...]:
    """The same for the published code, once its package can be imported."""
    from mobile_sam import SamPredictor
    from mobile_sam import automatic_mask_generator as generator
    from mobile_sam.modeling import MaskDecoder, Sam
    from mobile_sam.modeling import PromptEncoder as TheirPromptEncoder

    return (
        (SamPredictor, "set_image", "embed"),
        (TheirPromptEncoder, "forward", "prompts"),
        (MaskDecoder, "forward", "decode"),
        (Sam, "postprocess_masks", "enlarge"),
        (generator, "calculate_stability_score", "stability"),
        (generator, "batched_mask_to_box", "boxes"),
        (generator, "mask_to_rle_pytorch", "run lengths"),
        (generator, "rle_to_mask", "run lengths"),
        (generator, "batched_nms", "choose"),
    )


@dataclass
class Stopwatch:
    """Adds up the seconds of watched functions while it is entered.

    Attributes
    ----------
    device : torch.device
        Waited for at both ends of a function.
    watched : tuple
        Functions and their stages.
    own, workers : dict
        Seconds of each stage in this thread, and in all others together.
    threads : set of int
        The other threads.
    """

    device: torch.device
    watched: tuple[Watched, ...] = OURS
    own: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    workers: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    threads: set[int] = field(default_factory=set)
    seconds: float = 0.0

    def __enter__(self) -> "Stopwatch":
        self._lock = threading.Lock()
        self._stack = ExitStack()
        for owner, name, stage in self.watched:
            original = getattr(owner, name)
            timed = self._timed(original, stage)
            # A class method comes bound already.
            stand_in = staticmethod(timed) if inspect.ismethod(original) else timed
            self._stack.enter_context(patch.object(owner, name, stand_in))
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._wait()
        self.seconds = time.perf_counter() - self._start
        self._stack.close()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _timed(self, function: Callable, stage: str | Callable[..., str]) -> Callable:
        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            self._wait()
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self._wait()
                spent = time.perf_counter() - start
                name = stage if isinstance(stage, str) else stage(*arguments, **named)
                self._add(name, spent)

        return call

    def _add(self, stage: str, spent: float) -> None:
        with self._lock:
            if threading.current_thread() is threading.main_thread():
                self.own[stage] += spent
            else:
                self.workers[stage] += spent
                self.threads.add(threading.get_ident())

    def elapsed(self) -> dict[str, float]:
        """Seconds of the run for each stage, in the order of the stages, and all the rest.

        Seconds in other threads count as if those had shared them evenly, so that the sum is that
        of the run.
        """
        many = max(len(self.threads), 1)
        spent = {name: self.own[name] + self.workers[name] / many for name in self._stages()}
        spent[OTHER] = self.seconds - sum(spent.values())
        return spent

    def thread_seconds(self) -> dict[str, float]:
        """Seconds of each stage summed over all threads."""
        return {name: self.own[name] + self.workers[name] for name in self._stages()}

    def _stages(self) -> list[str]:
        seen = {*self.own, *self.workers}
        order = [SPARSE if callable(stage) else stage for _, _, stage in self.watched]
        return [name for name in dict.fromkeys(order) if name in seen]
