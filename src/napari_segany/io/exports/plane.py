"""Export protocol, and the planes that exports receive one at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.intensity import Limits
from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import StackLayout
from napari_segany.io.coco import plane_suffix

IN_MEMORY = 16 * 2**20
"""Bytes that an export keeps before the rest goes to a temporary file."""


@dataclass(frozen=True)
class ExportedImage:
    """Image that a result belongs to.

    Attributes
    ----------
    name : str
        The image's name without suffix.
    file : str
        The name of its file.
    layout : StackLayout
        Its planes.
    limits : tuple or None
        Intensity limits of overlays; None for each plane's own.
    """

    name: str
    file: str
    layout: StackLayout
    limits: Limits | None = None


@dataclass(frozen=True, eq=False)
class ResultPlane:
    """One plane of a result.

    Attributes
    ----------
    place : mapping
        Index along each leading axis.
    image : callable
        Gives the plane, (Y, X) or (Y, X, 3); pixels are read when it is called.
    labels : ndarray
        (Y, X), ids from 1 on.
    first : int
        Id in the whole stack of the plane's id 1.
    masks : MaskSet
        The mask of each id, in order, in pixels of the plane; they may overlap.
    ids : ndarray or None
        (k,) ids in the plane of the ids 1 to k of a window; None for a whole plane.
    origin : tuple of int
        Row and column of the plane at which the window begins.
    """

    place: Mapping[str, int]
    image: Callable[[], NDArray[np.generic]]
    labels: NDArray[np.integer]
    first: int
    masks: MaskSet
    ids: NDArray[np.integer] | None = None
    origin: tuple[int, int] = (0, 0)

    def id_of(self, label: int) -> int:
        """Return the id in the whole stack of an id of ``labels``."""
        own = label if self.ids is None else int(self.ids[label - 1])
        return own + self.first - 1

    @property
    def suffix(self) -> str:
        """Suffix of the plane in names, such as "_T000_Z012"."""
        return plane_suffix(self.place)


class Export(Protocol):
    """Protocol of exports: planes are added one after the other, and saved at the end."""

    def add(self, plane: ResultPlane) -> None:
        """Add the next plane."""
        ...

    def save(self, path: Path) -> None:
        """Write all planes to a file."""
        ...

    def close(self) -> None:
        """Delete temporary files."""
        ...
