"""State of a project in which a person labels images and trains a finder, as frozen data.

A project is a list of images, some to do and some done, the finder in use, and the trainings so
far. :mod:`napari_segany.training.project_folder` keeps it on the disk.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, MinLen
from numpy.typing import NDArray

from napari_segany.errors import InputError

SURE, DOUBTFUL = 0.7, 0.5
"""Expected IoU from which on an object is sure, and below which it is doubtful."""

_Count = Annotated[int, Ge(0)]
_Part = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True)
class Doubt:
    """Doubt of a finder about an image.

    Attributes
    ----------
    finder : str
        Hash of the finder; empty for the built-in one.
    value : float
        Expected part of the work that is left, 0..1: the mean of ``1 - expected IoU`` over the
        objects; 1 where nothing was found.
    sure, doubtful, objects : int
        Objects with an expected IoU of at least :data:`SURE`, below :data:`DOUBTFUL`, and all.
    """

    finder: str
    value: _Part
    sure: _Count
    doubtful: _Count
    objects: _Count

    @classmethod
    def of(cls, finder: str | None, expected_iou: NDArray[np.floating]) -> "Doubt":
        """Return the doubt about a plane from the expected IoU of each object found in it."""
        iou = np.clip(np.asarray(expected_iou, np.float64), 0, 1)
        value = float((1 - iou).mean()) if len(iou) else 1.0
        sure, doubtful = int((iou >= SURE).sum()), int((iou < DOUBTFUL).sum())
        return cls(finder or "", round(value, 4), sure, doubtful, len(iou))

    @property
    def reason(self) -> str:
        """The doubt in words."""
        if not self.objects:
            return "no object found"
        if not self.sure:
            return f"none of {self.objects} objects is sure"
        if self.doubtful:
            return f"{self.doubtful} of {self.objects} objects doubtful"
        return f"{self.sure} of {self.objects} sure"


@dataclass(frozen=True)
class Effort:
    """Presses and time that corrections took.

    Attributes
    ----------
    edits : int
        Presses of the mouse that draw, erase or prompt.
    seconds : float
        Time with the image, without pauses.
    """

    edits: _Count = 0
    seconds: Annotated[float, Ge(0)] = 0.0

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(self.edits + other.edits, round(self.seconds + other.seconds, 1))


@dataclass(frozen=True)
class Changes:
    """Objects of complete labels beside those that were proposed.

    Attributes
    ----------
    objects : int
        Objects of the labels.
    unchanged : int
        Those with exactly the pixels of a proposed one.
    removed : int
        Proposed objects of which no pixel is left in an object.
    """

    objects: _Count = 0
    unchanged: _Count = 0
    removed: _Count = 0

    @property
    def corrected(self) -> int:
        """Objects that were drawn, changed or removed."""
        return self.objects - self.unchanged + self.removed


@dataclass(frozen=True)
class ProjectImage:
    """An image of a project.

    Attributes
    ----------
    name : str
        Name of its files without ending.
    state : {"to do", "done"}
        "done" once its labels are complete.
    doubt : Doubt or None
        None before a finder looked at it.
    effort : Effort
        What its corrections took so far.
    changes : Changes or None
        None until its labels are complete.
    is_partial : bool
        Only a region of it is complete.
    """

    name: Annotated[str, MinLen(1)]
    state: Literal["to do", "done"] = "to do"
    doubt: Doubt | None = None
    effort: Effort = Effort()
    changes: Changes | None = None
    is_partial: bool = False


@dataclass(frozen=True)
class TrainingRun:
    """A training of a project that was kept or discarded.

    Attributes
    ----------
    sha256 : str
        The finder.
    images : int
        Images that it had.
    before, after : float or None
        mSA of the finder that it began with, and of its result, on what was held back.
    held_back : str
        "planes", "quarters" or "nothing".
    is_kept : bool
        False if it was discarded.
    """

    sha256: str
    images: _Count
    before: _Part | None
    after: _Part | None
    held_back: str
    is_kept: bool


@dataclass(frozen=True)
class Savings:
    """Work on the corrections of a project, and work that its proposals saved.

    Attributes
    ----------
    corrected, unchanged : int
        Objects that were corrected, and those that are as they were proposed.
    effort : Effort
        Of all complete images.
    """

    corrected: int
    unchanged: int
    effort: Effort

    @property
    def edits_per_object(self) -> float | None:
        """Presses of the mouse for each corrected object; None without one."""
        return self.effort.edits / self.corrected if self.corrected else None

    @property
    def minutes_saved(self) -> float | None:
        """Time that the unchanged objects would have taken, each as long as a corrected one did.

        None if no object was corrected: the time for one is not known then.
        """
        if not self.corrected:
            return None
        return self.effort.seconds / 60 / self.corrected * self.unchanged


@dataclass(frozen=True)
class Project:
    """All that is known of a project.

    Attributes
    ----------
    model : str
        Name of the model whose finder learns; empty before one was used.
    finder : str or None
        Hash of the finder in use; None for the built-in one.
    images : tuple of ProjectImage
        In the order in which they were added.
    runs : tuple of TrainingRun
        Trainings so far.
    current : str
        Name of the image in work; empty for none.
    """

    model: str = ""
    finder: str | None = None
    images: tuple[ProjectImage, ...] = field(default_factory=tuple)
    runs: tuple[TrainingRun, ...] = field(default_factory=tuple)
    current: str = ""

    def __getitem__(self, name: str) -> ProjectImage:
        for each in self.images:
            if each.name == name:
                return each
        raise InputError(f"The project has no image {name!r}.")

    def __contains__(self, name: str) -> bool:
        return any(each.name == name for each in self.images)

    def with_image(self, name: str, **values: Any) -> "Project":
        """Return the project with other values of an image."""
        changed = replace(self[name], **values)
        images = (changed if each.name == name else each for each in self.images)
        return replace(self, images=tuple(images))

    def with_effort(self, name: str, effort: Effort) -> "Project":
        """Return the project with more effort for an image."""
        return self.with_image(name, effort=self[name].effort + effort)

    def is_ranked(self, name: str) -> bool:
        """Return True if the finder in use has looked at an image."""
        doubt = self[name].doubt
        return doubt is not None and doubt.finder == (self.finder or "")

    @property
    def to_do(self) -> tuple[ProjectImage, ...]:
        """Images to do, the most doubtful first; those that no finder has looked at come last."""

        def order(image: ProjectImage) -> float:
            return 0.0 if image.doubt is None else -1 - image.doubt.value

        return tuple(sorted((e for e in self.images if e.state == "to do"), key=order))

    @property
    def done(self) -> tuple[ProjectImage, ...]:
        """Images whose labels are complete."""
        return tuple(each for each in self.images if each.state == "done")

    @property
    def savings(self) -> Savings:
        """Work on corrections, and work that proposals saved."""
        corrected, unchanged, effort = 0, 0, Effort()
        for each in self.done:
            if each.changes is not None:
                corrected += each.changes.corrected
                unchanged += each.changes.unchanged
                effort += each.effort
        return Savings(corrected, unchanged, effort)


Change = Callable[[Project], Project]
"""A change of a project, which may be made to any later state of it."""


def count_changes(labels: NDArray[np.integer], proposed: NDArray[np.integer] | None) -> Changes:
    """Compare labels with those that were proposed.

    Parameters
    ----------
    labels : ndarray
        (H, W) whole numbers; 0 is background, negative unknown.
    proposed : ndarray or None
        (H, W) whole numbers; None if nothing was proposed. Proposed objects that lie mostly on
        unknown ground are not counted.
    """
    size = np.bincount(np.maximum(labels, 0).ravel())
    objects = int(np.count_nonzero(size[1:]))
    if proposed is None:
        return Changes(objects)
    before = np.bincount(proposed.ravel())
    unknown = np.bincount(proposed[labels < 0].ravel(), minlength=len(before))
    counted = before > 2 * unknown
    counted[0] = False
    both = (labels > 0) & (proposed > 0)
    pairs, shared = np.unique(
        np.stack([labels[both], proposed[both]]).astype(np.int64), axis=1, return_counts=True
    )
    one, other = pairs
    unchanged = int(np.count_nonzero((shared == size[one]) & (shared == before[other])))
    touched = np.zeros(len(before), bool)
    touched[other] = True
    removed = int(np.count_nonzero(counted & ~touched & (before > 0)))
    return Changes(objects, unchanged, removed)
