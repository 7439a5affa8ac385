"""The files that one image's result consists of, written together or not at all."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.labels import shift_ids
from napari_segany.core.masks import MaskSet
from napari_segany.core.measure import Columns, measure_plane
from napari_segany.core.planes import StackLayout
from napari_segany.io.atomic import writing
from napari_segany.io.exports import EXPORTS, Export
from napari_segany.io.overlay import draw_overlay, write_picture
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.table import Table
from napari_segany.io.write import LABELS_SUFFIX, LabelStack


@dataclass(frozen=True)
class ResultFiles:
    """Where the results of one image go.

    Attributes
    ----------
    labels : Path
        OME-TIFF.
    table : Path
        CSV, one row an object.
    overlay : Path
        PNG of the plane with the most objects.
    provenance : Path
        JSON: the recipe, or the prompts.
    exports : mapping
        Files for other programs, by the names of :data:`EXPORTS`.
    """

    labels: Path
    table: Path
    overlay: Path
    provenance: Path
    exports: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(
        cls, folder: Path, name: str, provenance: str = "recipe", exports: Iterable[str] = ()
    ) -> "ResultFiles":
        """The files for an image called ``name``."""
        return cls(
            folder / f"{name}_labels{LABELS_SUFFIX}",
            folder / f"{name}_table.csv",
            folder / f"{name}_overlay.png",
            folder / f"{name}_{provenance}.json",
            {kind: folder / f"{name}{EXPORTS[kind][0]}" for kind in exports},
        )

    def all(self) -> tuple[Path, ...]:
        """Every file, the provenance last."""
        return self.labels, self.table, self.overlay, *self.exports.values(), self.provenance


class ResultWriter:
    """Takes one plane after the other and writes everything at the end.

    Parameters
    ----------
    layout : StackLayout
        Of the image.
    pixel_size : mapping
        Of the image.
    limits : tuple, optional
        Intensity limits of the picture; by default each plane's own.
    exports : iterable of str
        Which of :data:`EXPORTS` to write as well.
    """

    def __init__(
        self,
        layout: StackLayout,
        pixel_size: PixelSize,
        limits: Limits | None = None,
        exports: Iterable[str] = (),
    ) -> None:
        self.object_count = 0
        self._layout = layout
        self._pixel_size = pixel_size
        self._limits = limits
        self._open = ExitStack()
        self._labels = self._open.enter_context(LabelStack(layout.labels_axes, layout.labels_shape))
        self._table = self._open.enter_context(Table())
        self._exports: dict[str, Export] = {
            kind: self._open.enter_context(closing(EXPORTS[kind][1]())) for kind in exports
        }
        # The plane with the most objects so far.
        self._picture: tuple[tuple[int, ...], NDArray[np.generic], NDArray[np.int32]] | None = None
        self._most = -1
        self._planes = 0

    def add(
        self,
        index: tuple[int, ...],
        image: NDArray[np.generic],
        labels: NDArray[np.int32],
        masks: MaskSet,
    ) -> None:
        """Take the next plane.

        Parameters
        ----------
        index : tuple of int
            Its place along the leading axes.
        image : ndarray
            (Y, X) or (Y, X, 3).
        labels : ndarray
            (Y, X), ids from 1 on; they are shifted to be unique over the stack.
        masks : MaskSet
            The mask of each id, in order.
        """
        self._labels.add(shift_ids(labels, self.object_count))
        columns = measure_plane(labels, image, self._pixel_size, self._layout.channels)
        columns["label"] = columns["label"] + self.object_count
        self._table.add(self._place(index, len(masks)) | columns | _scores(masks))
        place = dict(zip(self._layout.leading, index, strict=False))
        for export in self._exports.values():
            export.add(place, labels, self.object_count + 1, masks)
        if len(masks) > self._most:
            self._most = len(masks)
            self._picture = (index, np.array(image), labels)
        self.object_count += len(masks)
        self._planes += 1

    def _place(self, index: tuple[int, ...], count: int) -> Columns:
        """For stacks: the number of the plane and its index along each leading axis."""
        if not index:
            return {}
        place = {"plane": self._planes, **dict(zip(self._layout.leading, index, strict=True))}
        return {name: np.full(count, value, np.int64) for name, value in place.items()}

    @property
    def pictured(self) -> str:
        """Which plane the picture shows, such as "T 0, Z 12"; empty for a single plane."""
        index = self._picture[0] if self._picture else ()
        return ", ".join(f"{a} {i}" for a, i in zip(self._layout.leading, index, strict=False))

    def save(self, files: ResultFiles, name: str, provenance: str) -> None:
        """Write all files; if one fails, none appears and earlier ones stay.

        Raises
        ------
        SeganyError
            If they cannot be written.
        """
        with ExitStack() as together:
            # Contexts end last first; the provenance becomes visible when all else is there.
            temporary = {
                path: together.enter_context(writing(path)) for path in reversed(files.all())
            }
            self._labels.save(temporary[files.labels], self._pixel_size, name)
            self._table.save(temporary[files.table])
            for kind, export in self._exports.items():
                export.save(temporary[files.exports[kind]], name)
            if self._picture is not None:
                _, image, labels = self._picture
                picture = draw_overlay(to_rgb(image, self._limits), labels)
                about = f"{name}: {self._most} objects"
                about += f" on plane {self.pictured}" if self.pictured else ""
                write_picture(temporary[files.overlay], picture, about)
            temporary[files.provenance].write_text(provenance, encoding="utf-8")

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _scores(masks: MaskSet) -> Columns:
    return {
        "predicted_iou": masks.predicted_iou,
        "stability_score": masks.stability_score,
        "point_row": masks.points[:, 0],
        "point_col": masks.points[:, 1],
    }
