"""Planes, regions, prompts and mask sets as arrays of messages, checked on arrival."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core import mask_io
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.core.region import check_plane_region
from napari_segany.errors import InputError
from napari_segany.remote.message import Message
from napari_segany.remote.protocol import MOST_PROMPTS, prompts_at_once

Arrays = Mapping[str, NDArray[Any]]

MOST_SIDE = 1 << 20
"""Rows or columns of a plane, at most."""

REGION_PARTS = ("shape", "boxes", "bits")
"""Names of the arrays of the masks of mask prompts, which begin with "region_"."""

BYTES_AT_ONCE = 16_000_000
"""Bytes of the prompts of one request, beyond which the next one begins."""


def take(arrays: Arrays, name: str, dtype: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return an array of a message, of a known type and shape; None stands for any length.

    Raises
    ------
    InputError
        If it is missing or another one.
    """
    array = arrays.get(name)
    if array is None:
        raise InputError(f"The message lacks the array {name}.")
    fits = len(shape) == array.ndim and all(
        wanted in (None, there) for wanted, there in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(dtype) or not fits:
        raise InputError(
            f"The array {name} has type {array.dtype} and shape {array.shape}; type "
            f"{np.dtype(dtype)} and shape ({', '.join(_length(n) for n in shape)}) are expected."
        )
    return array


def _length(length: int | None) -> str:
    return "any" if length is None else str(length)


def encode_plane(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the (H, W, 1 or 3) uint8 array that is sent of a plane: one channel of a gray one."""
    return rgb[..., :1] if rgb.strides[2] == 0 else rgb


def decode_plane(arrays: Arrays) -> NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 plane of a message, as :func:`core.intensity.to_rgb` made it.

    Raises
    ------
    InputError
        If there is none.
    """
    sent = take(arrays, "plane", np.uint8, (None, None, None))
    if sent.shape[2] not in (1, 3) or not sent.size or max(sent.shape) > MOST_SIDE:
        raise InputError(f"A plane of shape {sent.shape} cannot be segmented.")
    if sent.shape[2] == 3:
        return sent
    # The three channels are one in memory, as those of a gray plane are on this side.
    return np.broadcast_to(sent, (*sent.shape[:2], 3))


def split_prompts(prompts: Sequence[Prompt], shape: tuple[int, int]) -> Iterator[Sequence[Prompt]]:
    """Yield prompts on a plane of ``shape`` in parts, none of which or its answer is large."""
    most = prompts_at_once(shape)
    start, size = 0, 0
    for i, prompt in enumerate(prompts):
        if i > start and (i - start >= most or size > BYTES_AT_ONCE):
            yield prompts[start:i]
            start, size = i, 0
        if prompt.mask_logits is not None:
            size += prompt.mask_logits.nbytes
        if prompt.region is not None:
            size += int(prompt.region.area.sum()) // 8
    if start < len(prompts):
        yield prompts[start:]


def encode_prompts(prompts: Sequence[Prompt]) -> Message:
    """Return prompts of one plane as a message."""
    arrays: dict[str, NDArray[Any]] = {}
    points = [p.points for p in prompts if p.points is not None]
    labels = [p.labels for p in prompts if p.labels is not None]
    boxes = [p.box for p in prompts if p.box is not None]
    logits = [p.mask_logits for p in prompts if p.mask_logits is not None]
    regions = [p.region for p in prompts if p.region is not None]
    if points:
        arrays["points"], arrays["labels"] = np.concatenate(points), np.concatenate(labels)
    if boxes:
        arrays["boxes"] = np.stack(boxes)
    if logits:
        arrays["logits"] = np.stack(logits)
    if regions:
        packed = mask_io.pack(MaskSet.concatenate(each.without_logits() for each in regions))
        arrays |= {f"region_{name}": packed[name] for name in REGION_PARTS}
    parts = [
        [
            -1 if p.points is None else len(p.points),
            int(p.box is not None),
            int(p.mask_logits is not None),
            int(p.region is not None),
        ]
        for p in prompts
    ]
    arrays["parts"] = np.array(parts, np.int64).reshape(-1, 4)
    return Message({}, arrays)


def decode_prompts(arrays: Arrays) -> list[Prompt]:
    """Return the prompts of a message.

    Raises
    ------
    InputError
        If the arrays do not fit each other, or make no prompts.
    """
    parts = take(arrays, "parts", np.int64, (None, 4))
    if not 0 < len(parts) <= MOST_PROMPTS:
        raise InputError(f"A request holds 1 to {MOST_PROMPTS} prompts; this one {len(parts)}.")
    if (parts < (-1, 0, 0, 0)).any() or (parts[:, 1:] > 1).any() or (parts[:, 0] > 1 << 30).any():
        raise InputError("The parts of a prompt are given in numbers that it cannot have.")
    totals = np.maximum(parts, 0).sum(axis=0).tolist()
    points, labels, boxes, logits = (
        take(arrays, name, kind, (count, *rest)) if count else np.zeros((0, *rest), kind)
        for name, kind, count, rest in (
            ("points", np.float64, totals[0], (2,)),
            ("labels", np.int64, totals[0], ()),
            ("boxes", np.float64, totals[1], (4,)),
            ("logits", np.float32, totals[2], _sides(arrays)),
        )
    )
    regions = _decode_regions(arrays, totals[3])
    prompts = []
    at = [0, 0, 0, 0]
    for count, box, mask_logits, region in parts.tolist():
        some = slice(at[0], at[0] + max(count, 0))
        prompts.append(
            Prompt(
                points[some] if count >= 0 else None,
                labels[some] if count >= 0 else None,
                boxes[at[1]] if box else None,
                regions[at[3]] if region else None,
                logits[at[2]] if mask_logits else None,
            )
        )
        at = [
            n + more for n, more in zip(at, (max(count, 0), box, mask_logits, region), strict=True)
        ]
    return prompts


def _sides(arrays: Arrays) -> tuple[int, int]:
    """Return (m, m) of the logits of a message."""
    sent = arrays.get("logits")
    return (0, 0) if sent is None or sent.ndim != 3 else (sent.shape[1], sent.shape[2])


def _decode_regions(arrays: Arrays, count: int) -> list[MaskSet]:
    """Return the masks of mask prompts; their boxes and areas are measured again."""
    if not count:
        return []
    own = {name: arrays[f"region_{name}"] for name in REGION_PARTS if f"region_{name}" in arrays}
    shape, boxes, crops = _unpack_crops(own, count)
    origins = [(top, left) for top, left, *_ in boxes]
    found = MaskSet.from_crops(shape, crops, origins)
    return [found[i] for i in range(count)]


def _unpack_crops(
    arrays: Arrays, count: int | None
) -> tuple[tuple[int, int], list[list[int]], list[NDArray[np.bool_]]]:
    """Return the shape of a plane, the boxes of masks, and the masks in them, all checked."""
    rows, cols = take(arrays, "shape", np.int64, (2,)).tolist()
    boxes = take(arrays, "boxes", np.int64, (count, 4))
    bits = take(arrays, "bits", np.uint8, (None,))
    if not (0 < rows <= MOST_SIDE and 0 < cols <= MOST_SIDE):
        raise InputError(f"Masks on a plane of shape ({rows}, {cols}) cannot be used.")
    sizes = boxes[:, 2:] - boxes[:, :2]
    if (boxes < 0).any() or (boxes[:, 2:] > (rows, cols)).any() or (sizes < 0).any():
        raise InputError("The box of a mask lies outside of its plane.")
    lengths = -(-sizes.prod(axis=1) // 8)
    if int(lengths.sum()) != len(bits):
        raise InputError("The masks of the message have another number of pixels than their boxes.")
    ends = np.cumsum(lengths).tolist()
    crops = []
    for size, length, end in zip(sizes.tolist(), lengths.tolist(), ends, strict=True):
        part = np.unpackbits(bits[end - length : end], count=size[0] * size[1])
        crops.append(part.view(bool).reshape(size))
    return (rows, cols), boxes.tolist(), crops


def encode_masks(masks: MaskSet, logits: bool = False) -> dict[str, NDArray[Any]]:
    """Return the arrays of a mask set, with its low-resolution logits if it has and ``logits``."""
    arrays: dict[str, NDArray[Any]] = dict(mask_io.pack(masks))
    known = masks.low_res_logits if logits else None
    return arrays if known is None else {**arrays, "logits": known}


def decode_masks(arrays: Arrays) -> MaskSet:
    """Return the mask set of :func:`encode_masks`.

    Raises
    ------
    InputError
        If the arrays do not make one.
    """
    _unpack_crops(arrays, None)
    count = len(arrays["boxes"])
    take(arrays, "prompts_asked", np.int64, ())
    for name, kind, rest in (
        ("area", np.int64, ()),
        ("predicted_iou", np.float32, ()),
        ("stability_score", np.float32, ()),
        ("points", np.float64, (2,)),
        ("crop_boxes", np.int64, (4,)),
        ("candidate", np.int64, ()),
    ):
        take(arrays, name, kind, (count, *rest))
    masks = mask_io.unpack(arrays)
    if "logits" not in arrays:
        return masks
    return replace(masks, _logits=take(arrays, "logits", np.float32, (count, None, None)))


def encode_region(
    region: NDArray[np.bool_] | None, shape: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    """Return the array of a region, eight pixels a byte."""
    if region is None:
        return {}
    check_plane_region(region, shape)
    return {"region": np.packbits(region)}


def decode_region(arrays: Arrays, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return the (H, W) region of a message about a plane of ``shape``, None if it has none.

    Raises
    ------
    InputError
        If it is the region of another plane.
    """
    if "region" not in arrays:
        return None
    rows, cols = shape
    bits = take(arrays, "region", np.uint8, (-(-rows * cols // 8),))
    return np.unpackbits(bits, count=rows * cols).view(bool).reshape(rows, cols)
