"""Result files of one image.

Every file is complete before the first of them gets its name; the provenance gets its name last. A
process that is killed in between leaves some of them, and the same command writes all again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.intensity import Limits, to_rgb
from napari_segany.core.label_images import shift_ids
from napari_segany.core.masks import MaskSet
from napari_segany.core.measure import Columns, place_columns
from napari_segany.core.planes import StackLayout
from napari_segany.errors import InputError
from napari_segany.io.atomic import writing
from napari_segany.io.exports import EXPORTS, check_tiled
from napari_segany.io.exports.plane import Export, ExportedImage, ResultPlane
from napari_segany.io.measured_plane import MeasuredPlane, measure_group
from napari_segany.io.overlay import LARGEST_SIDE, draw_overlay, write_png
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.safe_names import shown
from napari_segany.io.table import TABLES, Table
from napari_segany.io.tiled_plane import ReadWindow, TiledPlane
from napari_segany.io.write_tiff import LabelStack
from napari_segany.io.write_zarr import write_labels

LABELS = {"tiff": "_labels.ome.tif", "zarr": "_labels.ome.zarr"}
"""Kinds of label images, with the endings of their names."""

PROMPTS = "prompts"
"""Name of the provenance of prompted results."""

ReadPlane = Callable[[], NDArray[np.generic]]
"""Callable that returns a plane as it was read."""


@dataclass(frozen=True)
class Outputs:
    """Formats of the result files.

    Attributes
    ----------
    labels : {"tiff", "zarr"}
        OME-TIFF or OME-Zarr.
    table : {"csv", "parquet"}
        One row an object.
    exports : tuple of str
        Files for other programs, by the names of :data:`EXPORTS`.
    """

    labels: str = "tiff"
    table: str = "csv"
    exports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        exports = tuple(self.exports)
        for name, chosen, known in (
            ("labels", [self.labels], LABELS),
            ("table", [self.table], TABLES),
            ("exports", exports, EXPORTS),
        ):
            if bad := [each for each in chosen if each not in known]:
                raise InputError(f"{name} must be of {', '.join(known)}, got {bad[0]!r}.")
        object.__setattr__(self, "exports", tuple(k for k in EXPORTS if k in exports))


@dataclass(frozen=True)
class ResultFiles:
    """Paths of the results of one image.

    Attributes
    ----------
    labels : Path
        Label image.
    table : Path
        One row an object.
    overlay : Path
        PNG of the plane with the most objects.
    provenance : Path
        JSON: the recipe, or the prompts.
    outputs : Outputs
        Formats of the files.
    exports : mapping
        Files for other programs.
    name : str
        Name that files begin with: the image, with slashes if it lies in a folder of the inputs.
    """

    labels: Path
    table: Path
    overlay: Path
    provenance: Path
    outputs: Outputs = field(default_factory=Outputs)
    exports: Mapping[str, Path] = field(default_factory=dict)
    name: str = ""

    @classmethod
    def of(
        cls,
        folder: Path,
        name: str,
        provenance: str = "recipe",
        outputs: Outputs | None = None,
    ) -> "ResultFiles":
        """Return the files of an image called ``name``."""
        outputs = outputs or Outputs()
        return cls(
            folder / f"{name}{LABELS[outputs.labels]}",
            folder / f"{name}{TABLES[outputs.table][0]}",
            folder / f"{name}_overlay.png",
            folder / f"{name}_{provenance}.json",
            outputs,
            {kind: folder / f"{name}{EXPORTS[kind].ending}" for kind in outputs.exports},
            name,
        )

    def all(self) -> tuple[Path, ...]:
        """Return every file, the provenance last."""
        return self.labels, self.table, self.overlay, *self.exports.values(), self.provenance

    def kinds(self) -> Mapping[str, Any]:
        """Return the formats of the files as plain values."""
        return asdict(self.outputs)


class ResultWriter:
    """Writer of result files; planes are added one after the other, and saved at the end.

    Planes of a stack that are not given are empty in the label image.

    Parameters
    ----------
    files : ResultFiles
        Paths of the files.
    name : str
        Name of the image in the files.
    layout : StackLayout
        Layout of the image.
    pixel_size : mapping
        Pixel size of the image.
    limits : tuple, optional
        Intensity limits of overlays; by default each plane's own.
    file : str, optional
        Name of the image's file with its ending, where files for other programs name it.
    tiled : bool
        True for planes that do not fit memory, which :meth:`add_tiled` takes.

    Raises
    ------
    InputError
        If an export needs whole planes, and these are tiled.
    """

    def __init__(
        self,
        files: ResultFiles,
        name: str,
        layout: StackLayout,
        pixel_size: PixelSize,
        limits: Limits | None = None,
        file: str | None = None,
        tiled: bool = False,
    ) -> None:
        if tiled:
            check_tiled(files.exports)
        self.object_count = 0
        self._files = files
        self._name = name = shown(name)
        self._layout = layout
        self._pixel_size = pixel_size
        self._limits = limits
        self._open = ExitStack()
        stack = LabelStack(layout.labels_axes, layout.labels_shape, tiled)
        self._labels = self._open.enter_context(stack)
        table = TABLES[files.outputs.table][1]()
        self._table: Table = self._open.enter_context(closing(table))
        about = ExportedImage(name, file or name, layout, limits)
        self._exports: dict[str, Export] = {
            kind: self._open.enter_context(closing(EXPORTS[kind].begin(about)))
            for kind in files.exports
        }
        # The plane with the most objects so far.
        self._overlay_index: tuple[int, ...] = ()
        self._overlay_source: tuple[ReadPlane, NDArray[np.integer]] | None = None
        self._most_objects = -1
        self._written = 0

    def add(self, plane: MeasuredPlane, image: ReadPlane) -> None:
        """Add the next plane, in the order of the stack.

        Parameters
        ----------
        plane : MeasuredPlane
            Its ids are shifted to be unique over the stack.
        image : callable
            Gives the plane as it was read; called where overlays are drawn, at the latest by
            :meth:`save`.
        """
        self._fill_up_to(self._layout.number(plane.index))
        self._labels.add(shift_ids(plane.labels, self.object_count))
        self._written += 1
        columns = dict(plane.columns)
        columns["label"] = np.asarray(columns["label"]) + self.object_count
        count = len(plane.masks)
        self._table.add(self._place(plane.index, count) | columns)
        if self._exports:
            place = dict(zip(self._layout.leading, plane.index, strict=True))
            given = ResultPlane(place, image, plane.labels, self.object_count + 1, plane.masks)
            for export in self._exports.values():
                export.add(given)
        self._consider_overlay(plane.index, image, plane.labels, count)
        self.object_count += count

    def add_tiled(self, plane: TiledPlane, read: ReadWindow) -> Iterator[Columns]:
        """Add the next plane of an image whose planes do not fit memory.

        Rows of the table come in the order of the squares that objects lie in.

        Parameters
        ----------
        plane : TiledPlane
            Its ids are shifted to be unique over the stack.
        read : callable
            Reads a window of the plane.

        Yields
        ------
        dict
            The measurements of each group of objects, once it is added.
        """
        self._fill_up_to(self._layout.number(plane.index))
        shift = self.object_count
        self._labels.add_windows(lambda box: shift_ids(plane.painter.window(box), shift))
        self._written += 1
        place = dict(zip(self._layout.leading, plane.index, strict=True))
        no_object = measure_group(None, plane, read, self._pixel_size, self._layout.channels)
        self._table.add(self._place(plane.index, 0) | no_object)
        for group in plane.groups():
            columns = measure_group(group, plane, read, self._pixel_size, self._layout.channels)
            ids = group.numbers + 1
            self._table.add(self._place(plane.index, len(ids)) | columns | {"label": ids + shift})
            origin = group.box[0], group.box[1]
            pixels = partial(read, group.box)
            for export in self._exports.values():
                export.add(
                    ResultPlane(place, pixels, group.labels, shift + 1, group.masks, ids, origin)
                )
            yield columns
        if len(plane.masks) > self._most_objects:
            image, labels = plane.picture(read, LARGEST_SIDE)
            self._consider_overlay(plane.index, lambda: image, labels, len(plane.masks))
        self.object_count += len(plane.masks)

    def add_linked(
        self, index: tuple[int, ...], labels: NDArray[np.integer], image: ReadPlane
    ) -> int:
        """Add the next plane of a stack whose objects go through planes; return how many it shows.

        Parameters
        ----------
        index : tuple of int
            Along the leading axes.
        labels : ndarray
            (Y, X) ids of the whole stack, which stay as they are.
        image : callable
            As for :meth:`add`.
        """
        self._fill_up_to(self._layout.number(index))
        self._labels.add(labels)
        self._written += 1
        shape = int(labels.shape[0]), int(labels.shape[1])
        place = dict(zip(self._layout.leading, index, strict=True))
        for export in self._exports.values():
            export.add(ResultPlane(place, image, labels, 1, MaskSet.empty(shape)))
        count = len(np.unique(labels[labels > 0]))
        self._consider_overlay(index, image, labels, count)
        return count

    def add_objects(self, *parts: Mapping[str, NDArray[np.generic]]) -> None:
        """Add the table of the objects of planes that :meth:`add_linked` took.

        Parameters
        ----------
        *parts : mapping
            Columns with one entry an object; one of a later part stands for that of an earlier one.
        """
        columns: Columns = {}
        for part in parts:
            columns |= part
        self._table.add(columns)
        self.object_count += len(columns["label"])

    def _consider_overlay(
        self, index: tuple[int, ...], image: ReadPlane, labels: NDArray[np.integer], count: int
    ) -> None:
        """Let a plane be the one that is pictured if it has the most objects so far."""
        if count > self._most_objects:
            self._most_objects = count
            self._overlay_index, self._overlay_source = index, (image, labels)

    def _fill_up_to(self, number: int) -> None:
        while self._written < number:
            self._labels.add_windows(lambda box: np.zeros((box[2] - box[0], box[3] - box[1]), int))
            self._written += 1

    def _place(self, index: tuple[int, ...], count: int) -> Columns:
        number = self._layout.number(index)
        return place_columns(number, self._layout.leading, index, count)

    @property
    def pictured(self) -> str:
        """Plane that the overlay shows, such as "T 0, Z 12"; empty for a single plane."""
        places = zip(self._layout.leading, self._overlay_index, strict=False)
        return ", ".join(f"{a} {i}" for a, i in places)

    def save(self, provenance: str | Callable[[Mapping[Path, Path]], str]) -> None:
        """Write all files; if one fails, none appears and earlier ones stay.

        Parameters
        ----------
        provenance : str or callable
            The text of the last file. One that says something of the others is made by a callable:
            it gets their names, and where they lie until all of them are written.

        Raises
        ------
        SeganyError
            If they cannot be written.
        """
        files = self._files
        self._fill_up_to(self._layout.plane_count)
        with ExitStack() as together:
            # Contexts end last first; the provenance becomes visible when all else is there.
            temporary = {
                path: together.enter_context(writing(path)) for path in reversed(files.all())
            }
            # First, because after that no labels are kept in memory beside those being written.
            self._save_overlay(temporary[files.overlay])
            self._save_labels(temporary[files.labels])
            self._table.save(temporary[files.table])
            for kind, export in self._exports.items():
                export.save(temporary[files.exports[kind]])
            if callable(provenance):
                provenance = provenance({path: temporary[path] for path in files.all()[:-1]})
            temporary[files.provenance].write_text(provenance, encoding="utf-8")

    def _save_overlay(self, path: Path) -> None:
        if self._overlay_source is None:
            return
        image, labels = self._overlay_source
        about = f"{self._name}: {self._most_objects} objects"
        about += f" on plane {self.pictured}" if self.pictured else ""
        write_png(path, draw_overlay(to_rgb(image(), self._limits), labels), about)
        self._overlay_source = None

    def _save_labels(self, path: Path) -> None:
        save: Any = write_labels if self._files.outputs.labels == "zarr" else LabelStack.save
        save(self._labels, path, self._pixel_size, self._name)

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
