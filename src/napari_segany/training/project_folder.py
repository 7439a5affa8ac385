"""Folder of a project: its record, images, proposals, labels and finders, all in plain files.

Every file is written as a whole. ``project.json`` is the record, ``images/NAME.png`` the planes as
the model sees them, ``proposals/NAME.tif`` what the finder proposed, ``drafts/NAME.tif`` labels as
they are drawn, ``labels/NAME.tif`` complete labels (-1 where nothing is known), and ``finders/``
what was trained. ``napari-segany train PROJECT/images --truth PROJECT/labels`` reads them, too.
"""

import re
import threading
from dataclasses import asdict, replace
from json import dumps
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import TypedDict

from napari_segany.errors import InputError
from napari_segany.io.atomic import remove_unfinished, writing
from napari_segany.schema import from_json
from napari_segany.training.labelled_planes import label_plane
from napari_segany.training.project import (
    Change,
    Changes,
    Project,
    ProjectImage,
    count_changes,
)

RECORD = "project.json"
LOCK = ".lock"
CANDIDATE = "candidate.safetensors"
"""Name of a finder that was trained and neither kept nor discarded yet."""

FORMAT = 1
"""Version of the record."""

Kind = Literal["proposals", "drafts", "labels"]
"""Folders of labels."""


class _Record(TypedDict):
    format: int
    project: Project


class ProjectFolder:
    """A project on the disk, which one process has at a time.

    Changes are made at once in memory by :meth:`change`, and written by :meth:`save`, which any
    thread may call.

    Parameters
    ----------
    folder : Path
        A project, or a folder for a new one: missing or empty.

    Attributes
    ----------
    folder : Path
        The folder.
    project : Project
        The present state.

    Raises
    ------
    InputError
        If the folder holds other files, its record cannot be read, or another process has it.
        Nothing is changed then.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._writing = threading.Lock()
        self._saved: Project | None = None
        path = self.folder / RECORD
        if not path.is_file():
            self._begin()
        self._lock = FileLock(self.folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self.folder} is open in another window; close that one first."
            ) from None
        except OSError as error:
            raise InputError(f"{self.folder} cannot be used ({error.strerror}).") from error
        try:
            if path.is_file():
                self.project = self._saved = _read(path)
                remove_unfinished(path)
            else:
                self.project = Project()
                self.save()
        except BaseException:
            self._lock.release()
            raise

    def _begin(self) -> None:
        if self.folder.is_dir() and any(each.name != LOCK for each in self.folder.iterdir()):
            raise InputError(
                f"{self.folder} holds other files; choose a project, or an empty folder for a "
                "new one."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder} cannot be made ({error.strerror}).") from error

    def close(self) -> None:
        """Write the record if it has changed, and leave the folder to others."""
        try:
            self.save()
        finally:
            self._lock.release()

    def change(self, change: Change) -> Project:
        """Change the project in memory; call it in one thread only."""
        self.project = change(self.project)
        return self.project

    def save(self) -> None:
        """Write the record as it is now, unless that was done."""
        with self._writing:
            project = self.project
            if project is self._saved:
                return
            text = dumps({"format": FORMAT, "project": asdict(project)}, allow_nan=False, indent=1)
            with writing(self.folder / RECORD) as temporary:
                temporary.write_text(text, "utf-8")
            self._saved = project

    # Images ---------------------------------------------------------------------------------

    def write_image(self, name: str, rgb: NDArray[np.uint8], taken: set[str]) -> str | None:
        """Write a plane as the model sees it; return the name that it got.

        Parameters
        ----------
        name : str
            Wanted name.
        rgb : ndarray
            (H, W, 3) uint8.
        taken : set of str
            Names that are taken; the new one is added.

        Returns
        -------
        str or None
            None if the same plane has that name already.
        """
        clean = re.sub(r"[^\w.-]+", "_", name).strip("._-") or "image"
        called, number = clean, 1
        while called in taken:
            if self.image_path(called).is_file() and np.array_equal(self.read_image(called), rgb):
                return None
            number += 1
            called = f"{clean}_{number}"
        with writing(self.image_path(called)) as temporary:
            Image.fromarray(np.ascontiguousarray(rgb)).save(temporary, "PNG", compress_level=1)
        taken.add(called)
        return called

    def image_path(self, name: str) -> Path:
        """Return the path of an image."""
        return self.folder / "images" / f"{name}.png"

    def read_image(self, name: str) -> NDArray[np.uint8]:
        """Read an image, (H, W, 3) uint8."""
        path = self.image_path(name)
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}.") from error

    # Labels ---------------------------------------------------------------------------------

    def labels_path(self, kind: Kind, name: str) -> Path:
        """Return the path of labels of an image."""
        return self.folder / kind / f"{name}.tif"

    def read_labels(self, kind: Kind, name: str) -> NDArray[np.int32] | None:
        """Read labels of an image, (H, W); None if there are none."""
        path = self.labels_path(kind, name)
        if not path.is_file():
            return None
        try:
            return np.asarray(tifffile.imread(path)).astype(np.int32)
        except (OSError, ValueError, tifffile.TiffFileError) as error:
            raise InputError(f"{path} cannot be read: {error}.") from error

    def write_labels(self, kind: Kind, name: str, labels: NDArray[np.integer]) -> None:
        """Write labels of an image."""
        with writing(self.labels_path(kind, name)) as temporary:
            tifffile.imwrite(temporary, labels.astype(np.int32), compression="deflate")

    def complete(
        self, name: str, labels: NDArray[np.integer], region: NDArray[np.bool_] | None = None
    ) -> Changes:
        """Write labels as drawn and as complete; return what differs from the proposal.

        Parameters
        ----------
        name : str
            The image.
        labels : ndarray
            (H, W) whole numbers.
        region : ndarray, optional
            (H, W) boolean, where all objects are labelled; by default everywhere.

        Raises
        ------
        InputError
            If no object is labelled there.
        """
        plane = label_plane(name, self.read_image(name), labels, region)
        if not plane.objects:
            raise InputError(f"{name} has no labelled object there, so nothing can be learned.")
        self.write_labels("drafts", name, labels)
        self.write_labels("labels", name, plane.labels)
        return count_changes(plane.labels, self.read_labels("proposals", name))

    def reopen(self, name: str) -> None:
        """Take complete labels out of what is learned from; the drawn ones stay."""
        self.labels_path("labels", name).unlink(missing_ok=True)

    @property
    def candidate(self) -> Path:
        """Path of a finder that was trained and neither kept nor discarded yet."""
        return self.folder / "finders" / CANDIDATE


def _read(path: Path) -> Project:
    what = f"The project {path}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{what} cannot be read ({error.strerror}).") from error
    version = from_json(dict, content, what).get("format")
    if isinstance(version, int) and version > FORMAT:
        raise InputError(
            f"{what} has format {version}, and this version reads formats up to {FORMAT}. Update "
            "napari-segany: pip install --upgrade napari-segany"
        )
    project = from_json(_Record, content, what)["project"]
    names = [each.name for each in project.images]
    unsafe = next((name for name in names if Path(name).name != name or name in (".", "..")), None)
    if unsafe is not None or len(set(names)) < len(names):
        raise InputError(f"{what} cannot be read: names of images must be different file names.")
    if project.current and project.current not in project:
        project = replace(project, current="")
    return project


def added(names: list[str]) -> Change:
    """Return the change that adds images."""

    def change(project: Project) -> Project:
        images = (*project.images, *(ProjectImage(name) for name in names))
        return replace(project, images=images)

    return change
