"""Folder in which a person labels images, trains a finder on them, and goes on later.

Everything is in plain files, written as a whole: ``project.json``, ``images/NAME.png`` as the
model sees them, ``drafts/NAME.tif`` (labels in work), ``labels/NAME.tif`` (complete labels, -1
where nothing is known), and ``finders/``. The images and labels are those of a training set.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tifffile
from annotated_types import Ge, MinLen
from numpy.typing import NDArray
from PIL import Image

from napari_segany.errors import InputError
from napari_segany.io.atomic import writing
from napari_segany.schema import from_json
from napari_segany.training.labelled_planes import label_plane

PROJECT = "project.json"
FORMAT = 1
"""Version of ``project.json``."""

State = Literal["to do", "done"]


@dataclass(frozen=True)
class ProjectImage:
    """An image of a project.

    Attributes
    ----------
    name : str
        Name of its files without ending.
    state : {"to do", "done"}
        "done" once its labels are complete.
    doubt : float or None
        Expected part of wrong objects, 0..1; None before the image was looked at.
    clicks : int
        Presses of the mouse with which its labels were corrected.
    seconds : float
        Time that this took.
    objects, unchanged : int
        Objects of the complete labels, and those among them that are as proposed.
    """

    name: Annotated[str, MinLen(1)]
    state: State = "to do"
    doubt: float | None = None
    clicks: Annotated[int, Ge(0)] = 0
    seconds: Annotated[float, Ge(0)] = 0.0
    objects: Annotated[int, Ge(0)] = 0
    unchanged: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class TrainingRun:
    """A training of a project: its images, and mSA on what was held back, NaN-free."""

    planes: int
    before: float | None
    after: float | None
    sha256: str
    kept: bool


@dataclass(frozen=True)
class ProjectRecord:
    """What ``project.json`` holds."""

    format: int = FORMAT
    model: str = ""
    finder: str | None = None
    images: tuple[ProjectImage, ...] = field(default_factory=tuple)
    runs: tuple[TrainingRun, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Savings:
    """What corrections took, and what the proposals saved.

    Attributes
    ----------
    objects, unchanged : int
        Objects of complete images, and those that are as proposed.
    clicks : int
        Presses of the mouse.
    minutes_spent, minutes_saved : float
        Time of corrections; time that the unchanged objects would have taken at the same pace.
    """

    objects: int
    unchanged: int
    clicks: int
    minutes_spent: float
    minutes_saved: float


class LearnProject:
    """A project's folder.

    Parameters
    ----------
    folder : Path
        Made if it is missing; it must be empty or a project.

    Raises
    ------
    InputError
        If the folder holds other files, or its record is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / PROJECT
        if path.is_file():
            self.record = from_json(ProjectRecord, path.read_bytes(), f"The project {path}")
            if self.record.format > FORMAT:
                raise InputError(f"{path} was made by a newer version of napari-segany.")
            return
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder} holds other files; choose an empty folder or a project.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be made ({error.strerror}).") from error
        self.record = ProjectRecord()
        self.save()

    def save(self) -> None:
        """Write the record."""
        with writing(self.folder / PROJECT) as temporary:
            temporary.write_text(dumps(asdict(self.record), allow_nan=False, indent=1), "utf-8")

    def change(self, **values: Any) -> None:
        """Change entries of the record, and write it."""
        self.record = replace(self.record, **values)
        self.save()

    def change_image(self, name: str, **values: Any) -> ProjectImage:
        """Change entries of an image, and write the record."""
        changed = replace(self[name], **values)
        images = [changed if each.name == name else each for each in self.record.images]
        self.change(images=tuple(images))
        return changed

    def __getitem__(self, name: str) -> ProjectImage:
        for each in self.record.images:
            if each.name == name:
                return each
        raise InputError(f"The project has no image {name!r}.")

    def __iter__(self) -> Iterator[ProjectImage]:
        return iter(self.record.images)

    def add(self, name: str, rgb: NDArray[np.uint8]) -> ProjectImage:
        """Add a plane as the model sees it; return it with the name that it got.

        A plane that is there already, pixel by pixel, is not added again.
        """
        clean = re.sub(r"[^\w.-]+", "_", name).strip("._") or "image"
        taken = {each.name for each in self.record.images}
        called, number = clean, 1
        while called in taken:
            if np.array_equal(self.read_image(called), rgb):
                return self[called]
            number += 1
            called = f"{clean}_{number}"
        path = self.image_path(called)
        path.parent.mkdir(exist_ok=True)
        with writing(path) as temporary:
            Image.fromarray(rgb).save(temporary, "PNG")
        image = ProjectImage(called)
        self.change(images=(*self.record.images, image))
        return image

    # Files ----------------------------------------------------------------------------------

    def image_path(self, name: str) -> Path:
        """Return the path of an image."""
        return self.folder / "images" / f"{name}.png"

    def read_image(self, name: str) -> NDArray[np.uint8]:
        """Read an image, (H, W, 3) uint8."""
        try:
            with Image.open(self.image_path(name)) as image:
                return np.asarray(image.convert("RGB"))
        except OSError as error:
            raise InputError(f"{self.image_path(name)} cannot be read: {error}.") from error

    def read_labels(self, name: str) -> NDArray[np.int32] | None:
        """Read the labels of an image, complete or in work; None if there are none."""
        for kind in ("drafts", "labels"):
            path = self.folder / kind / f"{name}.tif"
            if path.is_file():
                return np.asarray(tifffile.imread(path)).astype(np.int32)
        return None

    def _write(self, kind: str, name: str, labels: NDArray[np.integer]) -> None:
        path = self.folder / kind / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        with writing(path) as temporary:
            tifffile.imwrite(temporary, labels.astype(np.int32), compression="deflate")

    def save_draft(self, name: str, labels: NDArray[np.integer]) -> None:
        """Save labels in work."""
        self._write("drafts", name, labels)

    def complete(
        self,
        name: str,
        labels: NDArray[np.integer],
        proposed: NDArray[np.integer] | None = None,
        region: NDArray[np.bool_] | None = None,
    ) -> ProjectImage:
        """Save labels as complete, in a region or everywhere.

        Parameters
        ----------
        name : str
            The image.
        labels : ndarray
            (H, W).
        proposed : ndarray, optional
            (H, W) labels as they were proposed.
        region : ndarray, optional
            (H, W) boolean, where all objects are labelled.
        """
        plane = label_plane(name, self.read_image(name), labels, region)
        self._write("labels", name, plane.labels)
        (self.folder / "drafts" / f"{name}.tif").unlink(missing_ok=True)
        unchanged = 0 if proposed is None else count_unchanged(plane.labels, proposed)
        return self.change_image(name, state="done", objects=plane.objects, unchanged=unchanged)

    # Order and figures ----------------------------------------------------------------------

    def to_do(self) -> list[ProjectImage]:
        """Return the images to do, the most doubtful first; those not looked at come last."""
        open_ones = [each for each in self.record.images if each.state == "to do"]
        return sorted(open_ones, key=lambda each: -1.0 if each.doubt is None else -each.doubt - 1)

    def done(self) -> list[ProjectImage]:
        """Return the images whose labels are complete."""
        return [each for each in self.record.images if each.state == "done"]

    def savings(self) -> Savings:
        """Return what corrections took and what was saved."""
        done = self.done()
        objects, unchanged = sum(e.objects for e in done), sum(e.unchanged for e in done)
        spent = sum(each.seconds for each in done) / 60
        corrected = objects - unchanged
        saved = spent / corrected * unchanged if corrected else 0.0
        return Savings(objects, unchanged, sum(e.clicks for e in done), spent, saved)


def count_unchanged(labels: NDArray[np.integer], proposed: NDArray[np.integer]) -> int:
    """Return the number of objects with exactly the pixels of a proposed one."""
    inside = (labels > 0) | (proposed > 0)
    pairs, shared = np.unique(
        np.stack([labels[inside], proposed[inside]]), axis=1, return_counts=True
    )
    of_labels = np.bincount(np.maximum(labels, 0).ravel())
    of_proposed = np.bincount(np.maximum(proposed, 0).ravel())
    return sum(
        1
        for (one, other), count in zip(pairs.T.tolist(), shared.tolist(), strict=True)
        if one > 0 and other > 0 and of_labels[one] == count == of_proposed[other]
    )


def doubt_of(expected_iou: NDArray[np.floating]) -> float:
    """Return the doubt about a plane from the expected IoU of the objects found in it, 0..1.

    It is the mean of ``1 - IoU``; 1 for a plane in which nothing was found.
    """
    if not len(expected_iou):
        return 1.0
    return float(np.clip(1 - expected_iou, 0, 1).mean())
