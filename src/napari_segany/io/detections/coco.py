"""Boxes of COCO datasets and results."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari_segany.core.shape_prompts import ShapePrompt
from napari_segany.errors import InputError
from napari_segany.io.coco import CocoImage, read_coco
from napari_segany.io.detections.placement import box_of_size
from napari_segany.io.detections.types import (
    ParsedTable,
    PlanePosition,
    RowError,
    TableEntry,
    TableImage,
    TableOptions,
)


def read(path: Path, image: TableImage, options: TableOptions) -> ParsedTable:
    """See :data:`napari_segany.io.detections.reader.DIALECTS`."""
    dataset = read_coco(path)
    chosen = dataset.images_of_file(image.name) if image.name else dataset.images
    if not chosen and len(dataset.images) == 1:
        chosen = dataset.images
    ambiguous = len(chosen) > 1 and len({tuple(each.place.items()) for each in chosen}) < len(
        chosen
    )
    if not chosen or ambiguous:
        if not dataset.images:
            return ParsedTable(("COCO: no images",), [])
        which = f"{len(chosen)} of which are" if chosen else "none of which is"
        raise InputError(
            f"{path} is about {len(dataset.images)} images, {which} {image.name or 'known'}; it "
            "cannot be known which boxes are meant. Keep only this one, with its name as file_name."
        )
    if other := next((each for each in chosen if each.shape not in (None, image.shape)), None):
        height, width = other.shape or (0, 0)
        raise InputError(
            f"{path} says that {other.file} has {height} rows and {width} columns, and the image "
            f"has {image.shape[0]} and {image.shape[1]}, so its boxes are those of another size. "
            "Give that image, or correct height and width in the file if only these are wrong."
        )
    ours = {each.id: each for each in chosen}
    annotations = [each for each in dataset.annotations if each["image_id"] in ours]
    entries = [_entry(n, each, ours[each["image_id"]]) for n, each in enumerate(annotations, 1)]
    description = "COCO: boxes from bbox"
    if len(dataset.images) > len(chosen):
        description += f", of {len(chosen)} of {len(dataset.images)} images"
    elif chosen[0].file and image.name and not dataset.images_of_file(image.name):
        description += f", of the only image, {chosen[0].file}"
    planes = {axis: axis for each in chosen for axis in each.place}
    return ParsedTable((description,), entries, planes)


def _entry(number: int, each: Mapping[str, Any], image: CocoImage) -> TableEntry:
    """Return the entry of one annotation; its number counts those of the same image."""
    name = str(each["id"]) if type(each.get("id")) in (int, str) else ""
    where = f"annotation {name or number}"
    return TableEntry(number, where, name, partial(_make, each, image))


def _make(each: Mapping[str, Any], image: CocoImage) -> Sequence[tuple[ShapePrompt, PlanePosition]]:
    if each.get("iscrowd"):
        raise RowError("it is a crowd and no single object")
    box = each.get("bbox")
    if box:
        if not _are_numbers(box, 4):
            raise RowError(f"its bbox is {ascii(box)[:40]}, not 4 numbers")
        x, y, width, height = (float(n) for n in box)
    else:
        x, y, width, height = _polygon_box(each.get("segmentation"))
    return [(box_of_size(y, x, height, width), image.place)]


def _polygon_box(outlines: Any) -> tuple[float, float, float, float]:
    """Return the bounding box of polygons."""
    parts = outlines if isinstance(outlines, list) else []
    if not parts or not all(_are_numbers(p) and len(p) % 2 == 0 and len(p) > 5 for p in parts):
        raise RowError("it has no bbox and no polygons")
    xs = [float(n) for part in parts for n in part[0::2]]
    ys = [float(n) for part in parts for n in part[1::2]]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def _are_numbers(values: Any, count: int | None = None) -> bool:
    return (
        isinstance(values, list)
        and (count is None or len(values) == count)
        and all(type(n) in (int, float) and abs(n) < 1e300 for n in values)
    )
