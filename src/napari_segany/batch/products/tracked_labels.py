"""The product of labels linked over time: planes as for other labels, then tracks of the movie."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.batch.manifest import Record
from napari_segany.batch.products.labels import LABELS_PRODUCT, Tallies, finish_labels
from napari_segany.batch.products.linked_labels import LINKED_LABELS_PRODUCT
from napari_segany.batch.protocol import FinishedImage, PlaneInput, Product
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.measure import Columns
from napari_segany.core.planes import StackLayout
from napari_segany.io.measured_plane import MeasuredPlane
from napari_segany.io.read import OpenedImage
from napari_segany.io.result_files import ResultWriter
from napari_segany.io.tracks.track_csv import track_columns
from napari_segany.linking.linked_stack import LinkedStack
from napari_segany.linking.object_classes import majority_classes
from napari_segany.linking.tracks.track_params import TrackParams
from napari_segany.linking.tracks.track_table import TrackTable
from napari_segany.linking.tracks.tracked_stack import (
    TrackedStack,
    check_time,
    frames_of_planes,
    frames_of_volumes,
)
from napari_segany.models.protocol import PromptableModel
from napari_segany.plane_search import link_parts

MEASURED = ("predicted_iou", "intensity_", "class")
"""Beginnings of the columns of planes that the table of tracks takes."""


@dataclass(frozen=True)
class TrackedLabelsProduct:
    """The product that makes labels of which an object has one id in all its frames.

    Planes are computed one by one, anywhere, as those of the product for single planes or for
    volumes are. Links over time come when all of them are there.

    Attributes
    ----------
    volumes : bool
        True if planes are linked along Z first.
    """

    volumes: bool = False
    name: str = ""
    noun: str = "object"
    tiled: bool = False

    @property
    def _planes(self) -> Product:
        return LINKED_LABELS_PRODUCT if self.volumes else LABELS_PRODUCT

    def compute_plane(
        self,
        plane: PlaneInput,
        model: PromptableModel,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Compute one plane as the product of planes or of volumes does."""
        check_time(plane.layout, self.volumes)
        return self._planes.compute_plane(plane, model, progress=progress, should_stop=should_stop)

    def decode(self, content: bytes) -> Any:
        """Decode one plane."""
        return self._planes.decode(content)

    def finish(self, image: FinishedImage[Any]) -> Record:
        """Link the planes of an image and write the results."""
        recipe = image.recipe
        params = recipe.tracks or TrackParams()

        def add_planes(writer: ResultWriter, opened: OpenedImage, layout: StackLayout) -> Tallies:
            def load(index: tuple[int, ...]) -> Any:
                return image.load(layout.number(index))

            if self.volumes:
                linked = link_parts(layout, recipe, load)
                frames = frames_of_volumes(layout, linked)
            else:
                frames = frames_of_planes(layout, lambda index: _labels_of(load(index)))
            stack = TrackedStack(layout, frames, params, opened.pixel_size)
            found = Tallies()
            for index, labels in stack.planes():
                read = partial(layout.plane, opened.data, index)
                found.per_plane.append(writer.add_linked(index, labels, read))
            scores = (
                _volume_scores(stack.table, linked)
                if self.volumes
                else _plane_columns(stack.table, lambda frame: load((frame,)))
            )
            scores |= _track_classes(stack.table, scores)
            writer.add_objects(_numbers(track_columns(stack.table)), scores)
            found.count(stack.table.area, scores["predicted_iou"])
            return found

        return finish_labels(image, add_planes)


def _labels_of(plane: MeasuredPlane | None) -> NDArray[np.integer] | None:
    return None if plane is None else plane.labels


def _volume_scores(table: TrackTable, volumes: LinkedStack) -> Columns:
    """Return the mean score of the volume of each row, and its class if it has one."""
    parts: dict[str, list[NDArray[Any]]] = {"predicted_iou": []}
    for frame in np.unique(table.frame).tolist():
        at = table.label[table.rows_at(frame)] - 1
        known = volumes.volumes[(frame,)].objects()
        parts["predicted_iou"].append(np.asarray(known["mean_score"], np.float64)[at])
        for name in ("class", "class_score"):
            if name in known:
                parts.setdefault(name, []).append(known[name][at])
    return _joined(parts)


def _track_classes(table: TrackTable, columns: Columns) -> Columns:
    """Return the class of the track of each row: the one that it has in most frames."""
    if "class" not in columns:
        return {}
    names, index = np.unique(columns["class"], return_inverse=True)
    tracks, label = np.unique(table.track, return_inverse=True)
    scores = np.asarray(columns["class_score"], np.float64)
    best, _ = majority_classes(label + 1, len(tracks), index, scores)
    return {"class": names[best][label]}


def _plane_columns(table: TrackTable, load: Any) -> Columns:
    """Return what was measured of the object of each row on its plane."""
    parts: dict[str, list[NDArray[Any]]] = {"predicted_iou": []}
    for frame in np.unique(table.frame).tolist():
        plane: MeasuredPlane = load(frame)
        at = table.label[table.rows_at(frame)] - 1
        for name, column in plane.columns.items():
            if name.startswith(MEASURED):
                parts.setdefault(name, []).append(np.asarray(column)[at])
    return _joined(parts)


def _joined(parts: dict[str, list[NDArray[Any]]]) -> Columns:
    return {name: np.concatenate(each) if each else np.zeros(0) for name, each in parts.items()}


def _numbers(columns: Mapping[str, NDArray[np.generic]]) -> Columns:
    """Return columns with numbers in place of their exact texts, as other tables have them."""
    return {
        name: np.array([float(text or "nan") for text in column.tolist()])
        if column.dtype == object
        else column
        for name, column in columns.items()
    }


TRACKED_LABELS_PRODUCT = TrackedLabelsProduct()
"""Planes that are linked over time."""

TRACKED_VOLUMES_PRODUCT = TrackedLabelsProduct(volumes=True)
"""Planes that are linked to volumes, and these over time."""
