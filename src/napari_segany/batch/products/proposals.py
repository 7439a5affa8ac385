"""The product of object proposals: one plane at a time, then COCO results."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_segany.batch.manifest import Record
from napari_segany.batch.plan import MapFiles
from napari_segany.batch.products.single_file import write_single_file
from napari_segany.batch.protocol import FinishedImage, PlaneInput
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError, SeganyError
from napari_segany.io.atomic import writing
from napari_segany.io.coco import image_entry, plane_suffix, read_coco
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.io.rle import encode_masks
from napari_segany.models.protocol import PromptableModel
from napari_segany.schema import from_json
from napari_segany.zero_shot.proposals import MOST_PROPOSALS, propose

RESULTS, IMAGES = "proposals.json", "proposals_images.json"

Found = list[dict[str, Any]]
"""COCO results of one plane, without the id of the image."""


def proposal_files(folder: Path, name: str, most: int = MOST_PROPOSALS) -> MapFiles:
    """Return the files of the proposals of an image.

    JSON: a list of planes, each with its index, its size and COCO results.
    """
    main, provenance = (folder / f"{name}_{end}.json" for end in ("proposals", "proposals_recipe"))
    return MapFiles(main, provenance, name, (("most", most),))


@dataclass(frozen=True)
class ProposalsProduct:
    """The product that makes ranked masks of each image."""

    most: int = MOST_PROPOSALS
    name: str = "proposals"
    noun: str = "proposal"
    tiled: bool = False

    def compute_plane(
        self,
        plane: PlaneInput,
        model: PromptableModel,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Compute the proposals of one plane; return COCO results as JSON."""
        masks, scores = propose(
            model,
            plane.read(),
            plane.recipe.params,
            most=self.most,
            limits=plane.limits,
            progress=progress,
            should_stop=should_stop,
        )
        runs = encode_masks(masks, scores.tolist())
        found: Found = [
            {
                "category_id": 1,
                "bbox": each.box(),
                "score": round(each.score, 6),
                "segmentation": {"size": list(each.size), "counts": each.counts},
            }
            for each in runs
        ]
        return json.dumps(found).encode()

    def decode(self, content: bytes) -> Found:
        """Decode the proposals of one plane."""
        try:
            return from_json(Found, content, "A finished plane")
        except InputError as error:
            raise SeganyError(f"{error} It is done again.") from error

    def finish(self, image: FinishedImage[Found]) -> Record:
        """Write the proposals of an image as JSON, plane after plane."""

        def write(path: Path, _: OpenedImage, layout: StackLayout) -> int:
            height, width = layout.labels_shape[-2:]
            count = 0
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.write("[")
                for place, index in enumerate(layout.chosen()):
                    found = image.load(layout.number(index)) or []
                    count += len(found)
                    plane = {
                        "file_name": image.item.path.name,
                        "plane": dict(zip(layout.leading, index, strict=True)),
                        "height": height,
                        "width": width,
                        "results": found,
                    }
                    file.write(("," if place else "") + "\n" + json.dumps(plane))
                file.write("\n]\n")
            return count

        return write_single_file(image, write)


Key = tuple[str, frozenset[tuple[str, int]]]
"""Name of an image's file, and index of a plane along its axes."""


def _key(file: str, place: Mapping[str, int]) -> Key:
    return file, frozenset(place.items())


def read_ids(annotations: Path) -> dict[Key, int]:
    """Read the ids of images, by file and plane, from a file of COCO annotations.

    Raises
    ------
    InputError
        If the file is no COCO file, or lists an image twice.
    """
    ids: dict[Key, int] = {}
    for each in read_coco(annotations, images_only=True).images:
        if not isinstance(each.id, int):
            raise InputError(
                f"{annotations}: ids of images must be whole numbers, got {each.id!r}."
            )
        if ids.setdefault(_key(each.file, each.place), each.id) != each.id:
            raise InputError(
                f"{annotations} has two images called {each.file}, so it cannot be known which id "
                "is meant. Keep one of them."
            )
    return ids


def check_ids(images: Iterable[Path], ids: Mapping[Key, int]) -> None:
    """Raise InputError if an image, or one of its planes, has no id of its own."""
    known = {file for file, _ in ids}
    for path in images:
        if path.name not in known:
            raise InputError(f"{path.name} is not among the images of the annotations.")
        try:
            with open_image(path) as image:
                layout = StackLayout(image.axes, image.shape)
        # An image that cannot be opened fails in the batch.
        except Exception:
            continue
        for index in layout.indices():
            place = dict(zip(layout.leading, index, strict=True))
            if id_of(ids, path.name, place, layout.plane_count == 1) is None:
                raise InputError(
                    f"{path.name} has several planes ({layout.leading}), and the annotations have "
                    f"no id for {plane_suffix(place).strip('_')}. Each plane is an image of its "
                    'own, with "source" and "plane", as in what --export coco writes.'
                )


def id_of(
    ids: Mapping[Key, int], file: str, place: Mapping[str, int], only: bool = False
) -> int | None:
    """Return the id of a plane; that of the file if the plane is its only one."""
    found = ids.get(_key(file, place))
    return ids.get(_key(file, {})) if found is None and only else found


def collect(
    files: Iterable[Path], output: Path, ids: Mapping[Key, int] | None = None
) -> tuple[Path, Path]:
    """Collect the proposals of all images in one file of COCO results.

    Parameters
    ----------
    files : iterable of Path
        The files that :class:`ProposalsProduct` wrote.
    output : Path
        The folder for the two files.
    ids : mapping, optional
        Ids of planes, see :func:`read_ids`; by default they are numbered from 1.

    Returns
    -------
    results, images : Path
        COCO results, and a COCO list of images, which gives the plane of each id.

    Raises
    ------
    InputError
        If one of the files was changed and cannot be read.
    """
    results, images = output / RESULTS, output / IMAGES
    listed: list[dict[str, Any]] = []
    with writing(results) as first, writing(images) as second:
        with first.open("w", encoding="utf-8", newline="\n") as file:
            file.write("[")
            separator = "\n"
            for path in files:
                planes = _planes_in(path)
                for plane in planes:
                    name, place, only = plane["file_name"], plane["plane"], len(planes) == 1
                    number = len(listed) + 1 if ids is None else id_of(ids, name, place, only)
                    if number is None:
                        raise InputError(
                            f"The annotations have no id for {name}{plane_suffix(place)}, so "
                            f"{RESULTS} is left as it was. The proposals lie in {path}."
                        )
                    for each in plane["results"]:
                        file.write(separator + json.dumps({"image_id": number, **each}))
                        separator = ",\n"
                    shape = plane["height"], plane["width"]
                    listed.append(image_entry(number, name, place, shape, only))
            file.write("\n]\n")
        second.write_text(json.dumps(listed, indent=1) + "\n", "utf-8")
    return results, images


_PLANE = {"file_name", "plane", "height", "width", "results"}


def _planes_in(path: Path) -> list[dict[str, Any]]:
    try:
        planes = json.loads(path.read_text("utf-8"))
        if all(set(plane) >= _PLANE for plane in planes):
            found: list[dict[str, Any]] = planes
            return found
    except (ValueError, TypeError):
        pass
    raise InputError(
        f"{path} was changed and cannot be read, so {RESULTS} is left as it was. Delete it, or "
        "give --overwrite."
    )
