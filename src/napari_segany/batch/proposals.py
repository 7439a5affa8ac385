"""Object proposals, plane by plane, and then as COCO's results."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_segany.batch.plan import Item, MapFiles
from napari_segany.batch.records import Record, Stamp, Summary, Work, describe_output
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError, SeganyError
from napari_segany.everything import resolve_stack
from napari_segany.io.atomic import writing
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.io.run_lengths import coded
from napari_segany.models.model import SamModel
from napari_segany.recipe import Recipe
from napari_segany.zero_shot.proposals import MOST_PROPOSALS, propose

RESULTS, IMAGES = "proposals.json", "proposals_images.json"

Found = list[dict[str, Any]]
"""COCO's results of one plane, without the image's id."""


def proposal_files(folder: Path, name: str, most: int = MOST_PROPOSALS) -> MapFiles:
    """Where the proposals of an image called ``name`` go.

    JSON: a list of planes, each with its index, its size and COCO's results.
    """
    main, provenance = (folder / f"{name}_{end}.json" for end in ("proposals", "proposals_recipe"))
    return MapFiles(main, provenance, (("most", most),))


@dataclass(frozen=True)
class Proposals:
    """Ranked masks of every image; see :class:`Product`."""

    most: int = MOST_PROPOSALS
    name: str = "proposals"
    noun: str = "proposal"

    def compute(
        self,
        image: OpenedImage,
        layout: StackLayout,
        recipe: Recipe,
        model: SamModel,
        index: tuple[int, ...],
        *,
        region: Any = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """COCO's results of one plane, as JSON."""
        masks, scores = propose(
            model,
            layout.plane(image.data, index),
            recipe.params,
            most=self.most,
            limits=None if isinstance(recipe.normalise, str) else recipe.normalise,
            progress=progress,
            should_stop=should_stop,
        )
        runs = coded((masks.mask(i) for i in range(len(masks))), scores.tolist())
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
        """See :class:`Product`."""
        try:
            found: Found = json.loads(content)
        except ValueError as error:
            raise SeganyError(
                f"A finished plane cannot be read ({error}); it is done again."
            ) from error
        return found

    def finish(self, item: Item, recipe: Recipe, work: Work[Found]) -> Record:
        """See :class:`Product`."""
        files = item.files
        assert isinstance(files, MapFiles)
        count = 0
        with open_image(item.path, axes=recipe.axes) as image:
            stamp = Stamp.of(image.files)
            layout, _ = resolve_stack(image.data, recipe)
            height, width = layout.labels_shape[-2:]
            with writing(files.main) as proposals, writing(files.provenance) as provenance:
                with proposals.open("w", encoding="utf-8", newline="\n") as file:
                    file.write("[")
                    for number, index in enumerate(layout.chosen()):
                        found = work.load(layout.number(index))
                        count += len(found)
                        plane = {
                            "file_name": item.path.name,
                            "plane": dict(zip(layout.leading, index, strict=True)),
                            "height": height,
                            "width": width,
                            "results": found,
                        }
                        file.write(("," if number else "") + "\n" + json.dumps(plane))
                    file.write("\n]\n")
                provenance.write_text(recipe.to_json(), "utf-8")
            understood = image.describe(layout.axes)
        return Record(
            image=str(item.path),
            stamp=asdict(stamp),
            outputs={path.name: describe_output(path) for path in files.all()},
            summary=Summary(understood=understood, objects=count, planes=layout.chosen_count),
        )


def read_ids(annotations: Path) -> dict[str, int]:
    """Ids of images by file name, from a file of COCO annotations.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        images = json.loads(annotations.read_text("utf-8"))["images"]
        return {Path(each["file_name"]).name: int(each["id"]) for each in images}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{annotations} cannot be read as COCO annotations with images that have file_name "
            f"and id ({type(error).__name__}: {error})."
        ) from error


def check_ids(images: Iterable[Path], ids: Mapping[str, int]) -> None:
    """Raise InputError if an image has no id, or several planes, which have one id."""
    for path in images:
        if path.name not in ids:
            raise InputError(f"{path.name} is not among the images of the annotations.")
        try:
            with open_image(path) as image:
                planes = StackLayout(image.axes, image.shape).plane_count
        # What cannot be opened fails by itself.
        except Exception:
            continue
        if planes > 1:
            raise InputError(
                f"{path.name} has several planes, and the annotations have one id for it."
            )


def collect(
    files: Iterable[Path], output: Path, ids: Mapping[str, int] | None = None
) -> tuple[Path, Path]:
    """Put the proposals of all images into one file of COCO's results.

    Parameters
    ----------
    files : iterable of Path
        As :class:`Proposals` wrote them.
    output : Path
        Folder of the two files.
    ids : mapping, optional
        Ids of images by file name; planes are numbered from 1 on by default.

    Returns
    -------
    results, images : Path
        COCO's results, and COCO's list of images, which says which id is which plane.

    Raises
    ------
    InputError
        If one of the files is none of these any more.
    """
    results, images = output / RESULTS, output / IMAGES
    listed: list[dict[str, Any]] = []
    with writing(results) as first, writing(images) as second:
        with first.open("w", encoding="utf-8", newline="\n") as file:
            file.write("[")
            separator = "\n"
            for path in files:
                for plane in _planes_in(path):
                    number = len(listed) + 1 if ids is None else ids[plane["file_name"]]
                    for each in plane.pop("results"):
                        file.write(separator + json.dumps({"image_id": number, **each}))
                        separator = ",\n"
                    listed.append({"id": number, **plane})
            file.write("\n]\n")
        second.write_text(json.dumps(listed, indent=1) + "\n", "utf-8")
    return results, images


def _planes_in(path: Path) -> list[dict[str, Any]]:
    try:
        planes = json.loads(path.read_text("utf-8"))
        if all({"file_name", "results"} <= set(plane) for plane in planes):
            found: list[dict[str, Any]] = planes
            return found
    except (ValueError, TypeError):
        pass
    raise InputError(
        f"{path} was changed and cannot be read, so {RESULTS} is left as it was. Delete it, or "
        "give --overwrite."
    )
