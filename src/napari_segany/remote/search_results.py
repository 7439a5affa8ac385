"""Results of searches as messages: candidates that can be filtered again, and groups of points."""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.errors import InputError
from napari_segany.generators.candidates import Candidates
from napari_segany.generators.protocol import GeneratorParams
from napari_segany.generators.registry import find_entry
from napari_segany.models.protocol import PointCandidates
from napari_segany.models.screening import Screen, SparseEstimate
from napari_segany.remote.message import Message
from napari_segany.remote.values import Arrays, decode_masks, encode_masks, take


def encode_params(params: GeneratorParams | None) -> dict[str, Any] | None:
    """Return parameters as JSON holds them."""
    return None if params is None else params.to_dict()


def decode_params(values: Any) -> GeneratorParams | None:
    """Return the parameters of :func:`encode_params`, checked.

    Raises
    ------
    InputError
        If they are not those of a generator that is known here.
    """
    if values is None:
        return None
    if not isinstance(values, dict) or not isinstance(values.get("strategy"), str):
        raise InputError("The parameters of a search name no strategy.")
    try:
        return find_entry(values["strategy"]).params.from_dict(values)
    except TypeError as error:
        raise InputError(f"The parameters of a search cannot be used: {error}.") from error


def encode_screen(screen: Screen) -> NDArray[np.float64]:
    """Return the five numbers of a screen; bounds may be infinite."""
    return np.array(list(asdict(screen).values()), np.float64)


def decode_screen(arrays: Arrays, name: str) -> Screen:
    """Return the screen of :func:`encode_screen`."""
    values = take(arrays, name, np.float64, (5,)).tolist()
    if any(np.isnan(values)):
        raise InputError("A bound of a screen is no number.")
    pred_iou, stability, max_area, offset, sparse = values
    return Screen(pred_iou, stability, max_area, offset, sparse=bool(sparse))


def encode_found(found: MaskSet) -> Message:
    """Return the masks of a generator, with the candidates that a filter can bring back."""
    candidates = found._candidates
    if not isinstance(candidates, Candidates):
        return Message({"params": None}, encode_masks(found))
    arrays = encode_masks(candidates.masks)
    arrays["stability_at_most"] = candidates.estimate.stability_at_most
    arrays["area_at_least"] = candidates.estimate.area_at_least
    arrays["stored"] = encode_screen(candidates.stored)
    return Message({"params": encode_params(candidates.params)}, arrays)


def decode_found(message: Message) -> MaskSet:
    """Return the masks of :func:`encode_found`, chosen again from the candidates."""
    masks = decode_masks(message.arrays)
    params: Any = decode_params(message.fields.get("params"))
    if params is None:
        return masks
    stored = decode_screen(message.arrays, "stored")
    return Candidates.of(masks, _estimate(message, len(masks)), params, stored).select()


def _estimate(message: Message, count: int) -> SparseEstimate:
    names = "stability_at_most", "area_at_least"
    return SparseEstimate(*(take(message.arrays, name, np.float32, (count,)) for name in names))


def encode_groups(groups: list[PointCandidates]) -> Message:
    """Return the candidates of groups of points, at least one."""
    return Message(
        {},
        {
            "prompted": np.array([each.prompted for each in groups], np.int64),
            "counts": np.array([len(each.points) for each in groups], np.int64),
            "points": np.concatenate([each.points for each in groups]),
            "predicted_iou": torch.cat([each.predicted_iou for each in groups]).cpu().numpy(),
            "logits": torch.cat([each.logits for each in groups]).cpu().numpy(),
            "stability_at_most": np.concatenate([g.estimate.stability_at_most for g in groups]),
            "area_at_least": np.concatenate([g.estimate.area_at_least for g in groups]),
        },
    )


def decode_groups(message: Message) -> list[PointCandidates]:
    """Return the candidates of :func:`encode_groups`, on this machine's CPU."""
    arrays = message.arrays
    prompted = take(arrays, "prompted", np.int64, (None,))
    counts = take(arrays, "counts", np.int64, prompted.shape)
    if (counts < 0).any():
        raise InputError("A group of points has a negative number of candidates.")
    total = int(counts.sum())
    points = take(arrays, "points", np.float64, (total, 2))
    iou = torch.from_numpy(take(arrays, "predicted_iou", np.float32, (total,)))
    logits = torch.from_numpy(take(arrays, "logits", np.float32, (total, None, None)))
    estimate = _estimate(message, total)
    found, end = [], 0
    for asked, count in zip(prompted.tolist(), counts.tolist(), strict=True):
        some = slice(end, end + count)
        where = np.arange(some.start, some.stop)
        found.append(PointCandidates(asked, points[some], iou[some], estimate[where], logits[some]))
        end += count
    return found
