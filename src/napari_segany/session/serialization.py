"""Conversion of session objects to plain JSON values, and back."""

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from numpy.typing import NDArray
from typing_extensions import TypedDict

from napari_segany.core.image_source import Plane, check_plane_index, plane_shape
from napari_segany.core.masks import MaskSet
from napari_segany.core.plane_flips import FLIPS
from napari_segany.core.prompts import Prompt
from napari_segany.errors import InputError
from napari_segany.session.state import (
    Commit,
    OnOverlap,
    PaintedPixels,
    PromptHistory,
    SegmentedObject,
)

Record = dict[str, Any]

MOST_REFINEMENTS = 400
"""Longest prompt history of an object; each prompt is computed from the one before."""

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
    """A prompt: points with labels, a box, a mask; in a large plane the size of the object."""

    points: NotRequired[list[Annotated[list[Real], MinLen(2), MaxLen(2)]]]
    labels: NotRequired[list[Annotated[int, Ge(0), Le(1)]]]
    box: NotRequired[Annotated[list[Real], MinLen(4), MaxLen(4)]]
    mask: NotRequired[MaskRecord]
    object_size: NotRequired[Annotated[float, Gt(0), Le(1e300)]]


class PaintedRecord(TypedDict):
    """Pixels painted by hand: on the object, and off it."""

    added: NotRequired[MaskRecord]
    removed: NotRequired[MaskRecord]


class PreviousPromptRecord(TypedDict):
    """A previous prompt of an object, with the number of its chosen candidate."""

    prompt: PromptRecord
    choice: Count


MANY_VIEWS = tuple(str(2 + n) for n in range(len(FLIPS)))
"""Numbers of views that records name; one view is not named."""


class CommitRecord(TypedDict):
    """A commit of an object."""

    on_overlap: OnOverlap
    order: Number
    model: NotRequired[Annotated[list[str], MaxLen(4)]]
    left_out: NotRequired[MaskRecord]
    mask: NotRequired[MaskRecord]
    predicted_iou: NotRequired[Real]
    stability_score: NotRequired[Real]


PlaneRecord = Annotated[list[Count | None], MinLen(2), MaxLen(32)]


class ObjectRecord(TypedDict):
    """An object with its prompts and its commit."""

    id: Number
    plane: PlaneRecord
    prompt: PromptRecord
    choice: Count
    label: Label | None
    before: NotRequired[Annotated[list[PreviousPromptRecord], MaxLen(MOST_REFINEMENTS)]]
    commit: NotRequired[CommitRecord]
    part_of: NotRequired[Number]
    propagated: NotRequired[Literal[True]]
    absent: NotRequired[list[PlaneRecord]]
    painted: NotRequired[PaintedRecord]


def _packed(mask: MaskSet) -> MaskRecord:
    """Return the record of the first mask of a set."""
    bits = np.packbits(mask.crop(0))
    text = base64.b64encode(zlib.compress(bits.tobytes())).decode()
    return {"shape": list(mask.shape), "box": mask.boxes[0].tolist(), "bits": text}


def _unpacked(record: MaskRecord, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], int, int]:
    """Return a mask of a plane of ``shape``: its crop, and row and column of the crop's corner.

    The decompressed size is limited by the box, however large the content would be.
    """
    a, b, c, d = record["box"]
    if record["shape"] != list(shape):
        raise InputError(f"It has a mask of shape {record['shape']} in a plane of {list(shape)}.")
    if not (a <= c <= shape[0] and b <= d <= shape[1]):
        raise InputError(f"It has a mask with box {record['box']} in a plane of {list(shape)}.")
    count = (c - a) * (d - b)
    size = -(-count // 8)
    decompressor = zlib.decompressobj()
    try:
        raw = decompressor.decompress(base64.b64decode(record["bits"], validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InputError("It has a mask whose bits are damaged.") from error
    if len(raw) != size or not decompressor.eof:
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
    """Return points, labels, box and mask of a prompt; previous logits are not recorded."""
    record: Record = {}
    for name in ("points", "labels", "box"):
        value = getattr(prompt, name)
        if value is not None:
            record[name] = value.tolist()
    if prompt.region is not None:
        record["mask"] = _packed(prompt.region)
    if prompt.object_size is not None:
        record["object_size"] = prompt.object_size
    return record


def prompt_from_record(record: PromptRecord, shape: tuple[int, int]) -> Prompt:
    """Return the prompt of :func:`prompt_to_record`, in a plane of ``shape``.

    Raises
    ------
    InputError
        If the prompt does not fit the plane.
    """
    mask = _mask(record["mask"], shape) if "mask" in record else None
    prompt = Prompt(
        record.get("points"),
        record.get("labels"),
        record.get("box"),
        mask,
        object_size=record.get("object_size"),
    )
    prompt.check_inside(shape)
    return prompt


def _history_to_record(history: PromptHistory) -> list[Record]:
    """Return the records of previous prompts, the latest last."""
    record = {"prompt": prompt_to_record(history.prompt), "choice": history.choice}
    return [*(_history_to_record(history.before) if history.before else ()), record]


def history_from_record(
    records: Sequence[PreviousPromptRecord], shape: tuple[int, int]
) -> PromptHistory | None:
    """Return the history of previous prompts from their records, the latest last."""
    history = None
    for record in records:
        prompt = prompt_from_record(record["prompt"], shape)
        history = PromptHistory(prompt, record["choice"], history)
    return history


def object_to_record(each: SegmentedObject, with_mask: bool = True) -> Record:
    """Return the record of an object, with or without the mask of its commit."""
    record: Record = {
        "id": each.id,
        "plane": list(each.plane),
        "prompt": prompt_to_record(each.prompt),
        "choice": each.choice,
        "label": each.label,
    }
    if each.before is not None:
        record["before"] = _history_to_record(each.before)
    if each.part_of is not None:
        record["part_of"] = each.part_of
    if each.propagated:
        record["propagated"] = True
    if each.absent:
        # Planes of several directions differ in where they have None.
        planes = sorted(each.absent, key=lambda plane: [-1 if n is None else n for n in plane])
        record["absent"] = [list(plane) for plane in planes]
    if each.painted is not None:
        masks = {"added": each.painted.added, "removed": each.painted.removed}
        record["painted"] = {name: _packed(m) for name, m in masks.items() if m is not None}
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
    """Return the object of :func:`object_to_record`.

    Parameters
    ----------
    record : dict
        Record whose types were checked, see :func:`napari_segany.schema.from_json`.
    image : sequence of int
        Shape of the image.
    mask : MaskSet, optional
        Mask of the commit, if the record does not hold it.

    Raises
    ------
    InputError
        If the values do not fit each other or the image.
    """
    plane: Plane = tuple(record["plane"])
    try:
        check_plane_index(image, plane)
        shape = plane_shape(image, plane)
        absent = frozenset(tuple(each) for each in record.get("absent", ()))
        for each in absent:
            check_plane_index(image, each)
        return SegmentedObject(
            id=record["id"],
            plane=plane,
            prompt=prompt_from_record(record["prompt"], shape),
            choice=record["choice"],
            label=record["label"],
            commit=_commit(record, shape, mask),
            before=history_from_record(record.get("before", ()), shape),
            part_of=record.get("part_of"),
            propagated=record.get("propagated", False),
            absent=absent,
            painted=_painted(record.get("painted"), shape),
        )
    except InputError as error:
        raise InputError(f"Object {record['id']} of the session cannot be read: {error}") from error


def _painted(record: PaintedRecord | None, shape: tuple[int, int]) -> PaintedPixels | None:
    if record is None:
        return None
    added = _mask(record["added"], shape) if "added" in record else None
    removed = _mask(record["removed"], shape) if "removed" in record else None
    return PaintedPixels(added, removed)


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
    model = tuple(given.get("model", ()))
    if model[3:] and model[3] not in MANY_VIEWS:
        raise InputError(f"Its model saw the plane in {model[3]!r} views, not in {MANY_VIEWS}.")
    return Commit(mask, given["on_overlap"], given["order"], model, left_out)
