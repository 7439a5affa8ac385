"""Measurements of the objects of a plane, or of a group of them, as rows of the table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.masks import MaskSet
from napari_segany.core.measure import Columns, measure_plane, spread
from napari_segany.io.pixel_size import PixelSize
from napari_segany.io.tiled_plane import ObjectGroup, ReadWindow, TiledPlane


@dataclass(frozen=True, eq=False)
class MeasuredPlane:
    """Labels, masks and measurements of one plane.

    Attributes
    ----------
    index : tuple of int
        Along the leading axes.
    labels : ndarray
        (Y, X) of any integer type, ids from 1 on.
    masks : MaskSet
        The mask of each id, in order.
    columns : dict
        One entry an object in each column of the table.
    """

    index: tuple[int, ...]
    labels: NDArray[np.integer]
    masks: MaskSet
    columns: Columns


def measure_result(
    index: tuple[int, ...],
    image: NDArray[np.generic],
    labels: NDArray[np.integer],
    masks: MaskSet,
    pixel_size: PixelSize,
    channels: tuple[int, ...],
) -> MeasuredPlane:
    """Measure the objects of a plane; see :func:`napari_segany.core.measure.measure_plane`."""
    columns = measure_plane(labels, image, pixel_size, channels)
    if len(columns["label"]) < len(masks):
        # Some masks are covered, or empty.
        columns = spread(columns, len(masks))
    scores: Columns = {
        "predicted_iou": masks.predicted_iou,
        "stability_score": masks.stability_score,
        "point_row": masks.points[:, 0],
        "point_col": masks.points[:, 1],
    }
    classes = {} if masks.classes is None else masks.classes.columns()
    return MeasuredPlane(index, labels, masks, columns | scores | classes)


def measure_group(
    group: ObjectGroup | None,
    plane: TiledPlane,
    read: ReadWindow,
    pixel_size: PixelSize,
    channels: tuple[int, ...],
) -> Columns:
    """Measure a group of objects of a tiled plane; see :func:`measure_result`.

    Without a group the columns have no entries.
    """
    if group is None:
        top, left = plane.searched[:2]
        box, none = (top, left, top + 1, left + 1), np.zeros(0, np.intp)
        group = ObjectGroup(none, box, np.zeros((1, 1), np.uint16), plane.masks[none])
    box, labels, masks = group.box, group.labels, group.masks
    measured = measure_result(plane.index, read(box), labels, masks, pixel_size, channels)
    columns = dict(measured.columns)
    for axis, name in enumerate(("row", "col")):
        for column in (f"{name}_min", f"{name}_max", f"centroid_{name}"):
            columns[column] = np.asarray(columns[column]) + box[axis]
    return columns
