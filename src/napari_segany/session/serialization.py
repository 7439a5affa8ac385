"""Objects of a session as plain JSON values, and back."""

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

import numpy as np
from annotated_types import Ge, Le, MaxLen, MinLen
from numpy.typing import NDArray
from typing_extensions import TypedDict

from napari_segany.core.image_source import Plane, check_plane_index, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.session.state import Commit, OnOverlap, PromptHistory, SegmentedObject

Record = dict[str, Any]

REFINED = 400
"""Answers that may be refined one after the other; each is computed from the one before."""

Count = Annotated[int, Ge(0), Le(2**53)]
Number = Annotated[int, Ge(1), Le(2**53)]
Label = Annotated[int, Ge(1), Le(2**63 - 1)]
Real = Annotated[float, Ge(-1e300), Le(1e300)]
"""A finite number."""

Size = Annotated[list[Number], MinLen(2), MaxLen(2)]
Shape = Annotated[list[Number], MinLen(2), MaxLen(32)]


class MaskRecord(TypedDict):
    """One mask: its plane's shape, its box and, row by row, the bits of its box, compressed."""

    shape: Size
    box: Annotated[list[Count], MinLen(4), MaxLen(4)]
    bits: str


class PromptRecord(TypedDict):
    """What is asked."""

    points: NotRequired[list[Annotated[list[Real], MinLen(2), MaxLen(2)]]]
    labels: NotRequired[list[Annotated[int, Ge(0), Le(1)]]]
    box: NotRequired[Annotated[list[Real], MinLen(4), MaxLen(4)]]
    mask: NotRequired[MaskRecord]


class EarlierRecord(TypedDict):
    """A question that was asked before."""

    prompt: PromptRecord
    choice: Count


class CommitRecord(TypedDict):
    """The way in which an object was written."""

    on_overlap: OnOverlap
    order: Number
    model: NotRequired[Annotated[list[str], MaxLen(3)]]
    left_out: NotRequired[MaskRecord]
    mask: NotRequired[MaskRecord]
    predicted_iou: NotRequired[Real]
    stability_score: NotRequired[Real]


class ObjectRecord(TypedDict):
    """One object."""

    id: Number
    plane: Annotated[list[Count | None], MinLen(2), MaxLen(32)]
    prompt: PromptRecord
    choice: Count
    label: Label | None
    before: NotRequired[Annotated[list[EarlierRecord], MaxLen(REFINED)]]
    commit: NotRequired[CommitRecord]


def _packed(mask: MaskSet) -> MaskRecord:
    """The first mask of a set."""
    bits = np.packbits(mask.crop(0))
    text = base64.b64encode(zlib.compress(bits.tobytes())).decode()
    return {"shape": list(mask.shape), "box": mask.boxes[0].tolist(), "bits": text}


def _unpacked(record: MaskRecord, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], int, int]:
    """A mask of a plane of ``shape``: within its box, and its first pixel.

    No more is unpacked than the box holds, however much the bits would become.
    """
    a, b, c, d = record["box"]
    if record["shape"] != list(shape):
        raise InputError(f"It has a mask of shape {record['shape']} in a plane of {list(shape)}.")
    if not (a <= c <= shape[0] and b <= d <= shape[1]):
        raise InputError(f"It has a mask with box {record['box']} in a plane of {list(shape)}.")
    count = (c - a) * (d - b)
    size = -(-count // 8)
    unpacking = zlib.decompressobj()
    try:
        raw = unpacking.decompress(base64.b64decode(record["bits"], validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InputError("It has a mask whose bits are damaged.") from error
    if len(raw) != size or not unpacking.eof:
        raise InputError(f"It has a mask whose bits do not fill its box {record['box']}.")
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=count)
    return bits.astype(bool).reshape(c - a, d - b), a, b


def _mask(
    record: MaskRecord, shape: tuple[int, int], scores: Sequence[float] = (1.0, 1.0)
) -> MaskSet:
    crop, a, b = _unpacked(record, shape)
    iou, stability = scores
    return MaskSet.from_crops(shape, [crop], [(a, b)], [iou], [stability])


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


def prompt_from_record(record: PromptRecord, shape: tuple[int, int]) -> Prompt:
    """The prompt of :func:`prompt_to_record`, in a plane of ``shape``.

    Raises
    ------
    InputError
        If it cannot be asked there.
    """
    mask = _mask(record["mask"], shape) if "mask" in record else None
    prompt = Prompt(record.get("points"), record.get("labels"), record.get("box"), mask)
    prompt.check_inside(shape)
    return prompt


def _earlier_to_record(earlier: PromptHistory) -> list[Record]:
    """What was asked before, the latest last."""
    record = {"prompt": prompt_to_record(earlier.prompt), "choice": earlier.choice}
    return [*(_earlier_to_record(earlier.before) if earlier.before else ()), record]


def earlier_from_record(
    records: Sequence[EarlierRecord], shape: tuple[int, int]
) -> PromptHistory | None:
    """What was asked before, from a list with the latest last."""
    earlier = None
    for record in records:
        prompt = prompt_from_record(record["prompt"], shape)
        earlier = PromptHistory(prompt, record["choice"], earlier)
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
        if each.commit.left_out is not None:
            record["commit"]["left_out"] = _packed(each.commit.left_out)
        if with_mask:
            record["commit"] |= {
                "mask": _packed(mask),
                "predicted_iou": float(mask.predicted_iou[0]),
                "stability_score": float(mask.stability_score[0]),
            }
    return record


def object_from_record(
    record: ObjectRecord, image: Sequence[int], mask: MaskSet | None = None
) -> SegmentedObject:
    """The object of :func:`object_to_record`.

    Parameters
    ----------
    record : dict
        Of the right types, see :func:`napari_segany.schema.from_json`.
    image : sequence of int
        Shape of the image that the object lies in.
    mask : MaskSet, optional
        What was committed, if the record does not hold it.

    Raises
    ------
    InputError
        If the values do not fit each other or the image.
    """
    plane: Plane = tuple(record["plane"])
    try:
        check_plane_index(image, plane)
        shape = plane_shape(image, plane)
        return SegmentedObject(
            id=record["id"],
            plane=plane,
            prompt=prompt_from_record(record["prompt"], shape),
            choice=record["choice"],
            label=record["label"],
            commit=_commit(record, shape, mask),
            before=earlier_from_record(record.get("before", ()), shape),
        )
    except InputError as error:
        raise InputError(f"Object {record['id']} of the session cannot be read: {error}") from error


def _commit(record: ObjectRecord, shape: tuple[int, int], mask: MaskSet | None) -> Commit | None:
    given = record.get("commit")
    if given is None:
        return None
    if record["label"] is None:
        raise InputError("It is committed and has no label.")
    if mask is None:
        if "mask" not in given:
            raise InputError("It is committed and has no mask.")
        scores = given.get("predicted_iou", 1.0), given.get("stability_score", 1.0)
        mask = _mask(given["mask"], shape, scores)
    if not mask.area[0]:
        raise InputError("It is committed and its mask is empty.")
    left_out = _mask(given["left_out"], shape) if "left_out" in given else None
    answered = tuple(given.get("model", ()))
    return Commit(mask, given["on_overlap"], given["order"], answered, left_out)
