"""COCO's JSON: images of a dataset, and annotations or results.

Planes of a stack are images of their own. Each has a name of its own, ``stack_T000_Z012.tif``, the
name of the file under ``source`` and its index along the stack's axes under ``plane``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from napari_segany.errors import InputError


def plane_suffix(place: Mapping[str, int]) -> str:
    """Return the suffix that names a plane of a stack, such as "_T000_Z012".

    Examples
    --------
    >>> plane_suffix({"T": 0, "Z": 12})
    '_T000_Z012'
    """
    return "".join(f"_{axis}{n:03d}" for axis, n in place.items())


def image_entry(
    number: int, file: str, place: Mapping[str, int], shape: Sequence[int], only: bool
) -> dict[str, Any]:
    """Return the entry of one plane in COCO's list of images.

    Parameters
    ----------
    number : int
        Its id.
    file : str
        Name of the file, with its ending.
    place : mapping
        Index of the plane along the stack's axes.
    shape : sequence of int
        (H, W).
    only : bool
        Whether the file has no other plane, so that its own name is used.
    """
    name, dot, ending = (file, "", "") if only else file.partition(".")
    suffix = "" if only else plane_suffix(place)
    return {
        "id": number,
        "height": int(shape[0]),
        "width": int(shape[1]),
        "plane": dict(place),
        "file_name": f"{name}{suffix}{dot}{ending}",
        "source": file,
    }


@dataclass(frozen=True)
class CocoImage:
    """One image of a dataset.

    Attributes
    ----------
    id : int or str
        Its id.
    file : str
        Name of its file, without folders.
    place : mapping
        Plane of the file, if the dataset says.
    shape : tuple of int, optional
        (H, W), if the dataset says.
    """

    id: int | str
    file: str
    place: Mapping[str, int] = field(default_factory=dict)
    shape: tuple[int, int] | None = None


@dataclass(frozen=True)
class CocoDataset:
    """A dataset, or a list of results.

    Attributes
    ----------
    images : tuple of CocoImage
        All images; those of a list of results have no names.
    annotations : tuple of mapping
        Annotations of the images, of which only ``image_id`` is checked.
    """

    images: tuple[CocoImage, ...]
    annotations: tuple[Mapping[str, Any], ...]

    def images_of_file(self, name: str) -> tuple[CocoImage, ...]:
        """Return the images that are planes of a file, compared without its ending if need be."""
        exact = tuple(each for each in self.images if each.file == name)
        return exact or tuple(each for each in self.images if each.file == _stem(name))


def _stem(name: str) -> str:
    stem = PurePosixPath(name).stem
    return stem.removesuffix(".ome") or stem


def read_coco(path: Path, images_only: bool = False) -> CocoDataset:
    """Read a dataset or a list of results.

    Parameters
    ----------
    path : Path
        The file.
    images_only : bool
        Whether annotations are ignored, and may be missing.

    Raises
    ------
    InputError
        If it is neither.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON text ({error}).") from error
    if isinstance(content, list) and not images_only:
        annotations = _objects(content, "results", path)
        ids = dict.fromkeys(_id(each, "image_id", path) for each in annotations)
        return CocoDataset(tuple(CocoImage(number, "") for number in ids), annotations)
    if not isinstance(content, dict):
        raise InputError(
            f"{path} is not in COCO's format: it is a {type(content).__name__}. Give a dataset"
            f"{'.' if images_only else ', or a list of results.'}"
        )
    images = tuple(_image(each, path) for each in _objects(content.get("images"), "images", path))
    given = [] if images_only else content.get("annotations")
    annotations = _objects(given, "annotations", path)
    for each in annotations:
        _id(each, "image_id", path)
    return CocoDataset(images, annotations)


def _objects(value: Any, what: str, path: Path) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise InputError(f"{path} is not in COCO's format: it has no list of {what}.")
    return tuple(value)


def _id(each: Mapping[str, Any], name: str, path: Path) -> int | str:
    value = each.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError(f"{path} is not in COCO's format: {name} is {ascii(value)[:40]}.")
    return value


def _image(each: Mapping[str, Any], path: Path) -> CocoImage:
    number = _id(each, "id", path)
    name = each.get("source", each.get("file_name"))
    place = each.get("plane") or {}
    if not isinstance(name, str) or not name:
        raise InputError(f"{path} is not in COCO's format: image {number} has no file_name.")
    if not isinstance(place, dict) or not all(type(n) is int for n in place.values()):
        raise InputError(f"{path}: plane of image {number} must be axes with their indices.")
    height, width = (n if type(n) is int else 0 for n in (each.get("height"), each.get("width")))
    shape = (height, width) if height > 0 and width > 0 else None
    return CocoImage(number, PurePosixPath(name.replace("\\", "/")).name, place, shape)
