"""Prediction on an embedded plane: candidates as masks, with their scores and logits."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.geometry import Frame, PlaneFrame
from napari_segany.core.lazy_logits import Logits, RecomputedLogits
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt, group_alike
from napari_segany.core.ranking import Ranking, rank
from napari_segany.core.upsampling import draw
from napari_segany.errors import InputError
from napari_segany.models.protocol import Multimask
from napari_segany.models.sam.embedded_plane import BOTH, outputs_of
from napari_segany.models.sam.thread_pool import share_out

LOGITS_KEPT = 1000
"""Masks of one call whose logits are kept, a quarter of a megabyte each; more are computed again
when they are read, which takes as long as the prediction did."""

STABILITY_OFFSET = 1.0
"""Distance in logits of the two thresholds that stability compares, either side of 0."""

Result = TypeVar("Result")


class AnsweringPlane(Protocol):
    """An embedded plane of any family that decodes prompts of equal shape together."""

    @property
    def frame(self) -> Frame:
        """The place of the plane in the model's frame."""
        ...

    def predict_alike(
        self,
        prompts: Sequence[Prompt],
        outputs: range,
        finish: Callable[[int, Tensor, Tensor], Result],
        local: float | None = None,
    ) -> Generator[Result]:
        """Yield the results of ``finish``; see :meth:`EmbeddedPlane.predict_alike`."""
        ...


_Keep = Literal["kept", "later", "none"]


def predict_all(
    ready: Callable[[], AnsweringPlane],
    frame: Frame,
    prompts: Sequence[Prompt],
    multimask: Multimask,
    ranking: Ranking,
    low_res_logits: bool,
    should_stop: ShouldStop | None = None,
) -> list[MaskSet]:
    """Predict for prompts of one plane, those of equal shape together.

    Parameters
    ----------
    ready : callable
        Prepares the plane for prompts; called again when logits that were not kept are read.
    frame : Frame
        The place of the plane in the model's frame.
    prompts, multimask, ranking, low_res_logits, should_stop
        See :meth:`napari_segany.models.protocol.PromptableModel.predict`.

    Raises
    ------
    InputError
        If a prompt does not fit the plane.
    Cancelled
        If ``should_stop`` returned True.
    """
    if multimask not in (True, False, "auto", "both"):
        raise InputError(f"multimask must be True, False, 'auto' or 'both', got {multimask!r}.")
    for prompt in prompts:
        if not isinstance(prompt, Prompt):
            raise InputError(f"prompts must be of type Prompt, got {prompt!r}.")
        prompt.check_inside(frame.shape)
        check_logits(prompt, frame)
    prompts = [prompt.completed() for prompt in prompts]
    wanted = sum(len(outputs_of(multimask, prompt.is_ambiguous)) for prompt in prompts)
    logits: _Keep = "none" if not low_res_logits else "kept"
    if low_res_logits and wanted > LOGITS_KEPT:
        logits = "later"
    found_sets: dict[int, MaskSet] = {}
    plane = ready()
    for group in group_alike(prompts):
        outputs = outputs_of(multimask, prompts[group[0]].is_ambiguous)
        check(should_stop)
        alike = [prompts[i] for i in group]
        with closing(_predict_alike(ready, plane, alike, outputs, ranking, logits)) as sets:
            for i, found in zip(group, sets, strict=True):
                found_sets[i] = found
                check(should_stop)
    return [found_sets[i] for i in range(len(prompts))]


def _predict_alike(
    ready: Callable[[], AnsweringPlane],
    plane: AnsweringPlane,
    prompts: list[Prompt],
    outputs: range,
    ranking: Ranking,
    logits: _Keep,
) -> Generator[MaskSet]:
    def finish(i: int, low: Tensor, iou: Tensor) -> MaskSet:
        kept: Logits | None = low.cpu().numpy() if logits == "kept" else None
        if logits == "later":
            kept = RecomputedLogits(
                partial(_logits_of, ready, prompts[i], outputs), np.arange(len(low))
            )
        found = draw_candidates(low, iou.cpu().numpy(), plane.frame, prompts[i], kept)
        return ranked(found, ranking, first=int(outputs == BOTH))

    local = STABILITY_OFFSET if logits == "none" else None
    return plane.predict_alike(prompts, outputs, finish, local)


def draw_candidates(
    low: Tensor,
    predicted_iou: NDArray[np.float32],
    frame: PlaneFrame,
    prompt: Prompt,
    logits: Logits | None,
) -> MaskSet:
    """Return the candidates of one prompt as masks, in the order of their (k, m, m) logits.

    Parameters
    ----------
    low : Tensor
        (k, m, m) float32.
    predicted_iou : ndarray
        (k,) float32.
    frame : PlaneFrame
        The place of the plane in the model's frame.
    prompt : Prompt
        The prompt.
    logits : Logits, optional
        What the set keeps of the logits.
    """
    drawn = draw(low, frame, STABILITY_OFFSET, share_out=share_out)
    return MaskSet.from_crops(
        frame.shape,
        drawn.masks,
        drawn.origins,
        predicted_iou=predicted_iou,
        stability_score=drawn.stability_score,
        points=np.tile(prompt.first_point, (len(low), 1)),
        low_res_logits=logits,
    )


def ranked(found: MaskSet, ranking: Ranking, first: int) -> MaskSet:
    """Return candidates best first; of both kinds, the single-mask answer stays ``first``."""
    return found[np.concatenate([np.arange(first), first + rank(found[first:], ranking)])]


def _logits_of(
    ready: Callable[[], AnsweringPlane], prompt: Prompt, outputs: range
) -> NDArray[np.float32]:
    """Compute the (k, m, m) logits of one prompt, in the order of the decoder."""

    def finish(_: int, low: Tensor, __: Tensor) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = low.cpu().numpy()
        return logits

    (logits,) = ready().predict_alike([prompt], outputs, finish)
    return logits


def check_logits(prompt: Prompt, frame: Frame) -> None:
    """Raise InputError unless the logits of a prompt, if it has any, fit the model's frame."""
    if prompt.mask_logits is not None:
        wanted = (frame.mask_side, frame.mask_side)
        if prompt.mask_logits.shape != wanted:
            raise InputError(
                f"mask_logits must have shape {wanted}, got {prompt.mask_logits.shape}."
            )
