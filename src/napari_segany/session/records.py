"""Objects of a session as plain JSON values, and back."""

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.session.objects import Commit, Earlier, SegmentedObject

Record = dict[str, Any]


def _packed(mask: MaskSet) -> Record:
    """The first mask of a set: its box and, row by row, its bits, compressed."""
    bits = np.packbits(mask.crop(0))
    text = base64.b64encode(zlib.compress(bits.tobytes())).decode()
    return {"shape": list(mask.shape), "box": mask.boxes[0].tolist(), "bits": text}


def _unpacked(record: Record) -> tuple[NDArray[np.bool_], tuple[int, int], tuple[int, int]]:
    """Mask within its box, its first pixel, and the plane's shape."""
    a, b, c, d = record["box"]
    bits = np.frombuffer(zlib.decompress(base64.b64decode(record["bits"])), np.uint8)
    crop = np.unpackbits(bits, count=(c - a) * (d - b)).astype(bool).reshape(c - a, d - b)
    rows, cols = record["shape"]
    return crop, (a, b), (rows, cols)


def prompt_to_record(prompt: Prompt) -> Record:
    """Points, labels, box and mask; previous logits are not kept."""
    record: Record = {}
    for name in ("points", "labels", "box"):
        value = getattr(prompt, name)
        if value is not None:
            record[name] = value.tolist()
    if prompt.region is not None:
        record["mask"] = _packed(prompt.region)
    return record


def prompt_from_record(record: Record) -> Prompt:
    """The prompt of :func:`prompt_to_record`."""
    mask = None
    if "mask" in record:
        crop, origin, shape = _unpacked(record["mask"])
        mask = MaskSet.from_crops(shape, [crop], [origin])
    return Prompt(record.get("points"), record.get("labels"), record.get("box"), mask)


def _earlier_to_record(earlier: Earlier) -> list[Record]:
    """What was asked before, the latest last."""
    record = {"prompt": prompt_to_record(earlier.prompt), "choice": earlier.choice}
    return [*(_earlier_to_record(earlier.before) if earlier.before else ()), record]


def earlier_from_record(records: Sequence[Record]) -> Earlier | None:
    """What was asked before, from a list with the latest last."""
    earlier = None
    for record in records:
        earlier = Earlier(prompt_from_record(record["prompt"]), int(record["choice"]), earlier)
    return earlier


def object_to_record(each: SegmentedObject, with_mask: bool = True) -> Record:
    """One object; without its committed mask if that is to be computed again."""
    record: Record = {
        "id": each.id,
        "plane": list(each.plane),
        "prompt": prompt_to_record(each.prompt),
        "choice": each.choice,
        "label": each.label,
    }
    if each.before is not None:
        record["before"] = _earlier_to_record(each.before)
    if each.commit is not None:
        mask = each.commit.mask
        record["commit"] = {
            "on_overlap": each.commit.on_overlap,
            "order": each.commit.order,
            "model": list(each.commit.model),
        }
        if with_mask:
            record["commit"] |= {
                "mask": _packed(mask),
                "predicted_iou": float(mask.predicted_iou[0]),
                "stability_score": float(mask.stability_score[0]),
            }
    return record


def object_from_record(record: Record) -> SegmentedObject:
    """The object of :func:`object_to_record`.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        commit = None
        if "commit" in record:
            given = record["commit"]
            crop, origin, shape = _unpacked(given["mask"])
            mask = MaskSet.from_crops(
                shape, [crop], [origin], [given["predicted_iou"]], [given["stability_score"]]
            )
            answered = tuple(given.get("model", ()))
            commit = Commit(mask, given["on_overlap"], given["order"], answered)
        return SegmentedObject(
            id=int(record["id"]),
            plane=tuple(record["plane"]),
            prompt=prompt_from_record(record["prompt"]),
            choice=int(record["choice"]),
            label=record["label"],
            commit=commit,
            before=earlier_from_record(record.get("before", ())),
        )
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise InputError(f"An object of the session cannot be read: {error!r}.") from error
