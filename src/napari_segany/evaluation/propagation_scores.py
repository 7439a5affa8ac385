"""Accuracy of propagation: objects that are prompted on one plane, scored on all of them."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segany.core.callbacks import ShouldStop, check
from napari_segany.core.label_images import as_ids
from napari_segany.core.planes import StackLayout
from napari_segany.core.prompts import Prompt
from napari_segany.evaluation.click_metrics import jittered_box
from napari_segany.evaluation.contingency import ContingencyTable
from napari_segany.evaluation.instance_metrics import ObjectOverlaps
from napari_segany.evaluation.tasks import EvaluationSettings
from napari_segany.io.opened_image import OpenedImage
from napari_segany.models.protocol import PromptableModel
from napari_segany.propagation import choose_axis, plane_spacing, propagate

Row = tuple[tuple[int, ...], ...]
"""Indices of the planes of a volume, or of the frames of a place."""

FEWEST_PLANES = 2
"""Planes that an object is on at least, so that there is something to propagate."""


@dataclass(frozen=True)
class PropagatedScore:
    """Score of one object.

    Attributes
    ----------
    label : int
        Its label in the truth.
    prompted : int
        The plane on which it was prompted: that of its largest area.
    planes : int
        Planes that it is on.
    area : int
        Pixels on all planes.
    iou : float
        IoU over all planes with what was found.
    """

    label: int
    prompted: int
    planes: int
    area: int
    iou: float


def measure_propagation(
    model: PromptableModel,
    image: OpenedImage,
    truth: OpenedImage,
    layout: StackLayout,
    settings: EvaluationSettings,
    report: Callable[[float], None],
    should_stop: ShouldStop | None = None,
) -> list[dict[str, Any]]:
    """Prompt each object by the box on its largest plane, and follow it through the others.

    Parameters
    ----------
    model : PromptableModel
        Model to measure.
    image, truth : OpenedImage
        The image, and labels of which an object has one id on all planes.
    layout : StackLayout
        The planes of both. Objects are followed along the last axis of planes.
    settings : EvaluationSettings
        ``objects``, the most of a volume; ``min_pixels`` on the largest plane; ``jitter`` of boxes.
    report : callable
        Called with the share that is done.
    should_stop : callable, optional
        Polled all the time.

    Returns
    -------
    list of dict
        A :class:`PropagatedScore` for each object.

    Raises
    ------
    InputError
        If the image is one plane.
    Cancelled
        If ``should_stop`` returned True.
    """
    along = choose_axis(layout, None)
    at = layout.leading.index(along)
    rows: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for index in layout.indices():
        rows.setdefault((*index[:at], *index[at + 1 :]), []).append(index)
    scores: list[PropagatedScore] = []
    for number, (place, row) in enumerate(rows.items()):

        def read(plane: int, row: Row = tuple(row)) -> NDArray[np.integer]:
            return as_ids(np.asarray(truth.data[row[plane]]), "The truth")

        def progress(done: int, total: int, number: int = number) -> None:
            report((number + done / max(total, 1)) / len(rows))

        largest = _largest_planes(read, len(row), settings, should_stop)
        if not largest:
            continue
        others = layout.leading.replace(along, "")
        found = propagate(
            image.data,
            _prompts(read, largest, settings.jitter),
            layout.axes,
            model,
            along=along,
            at=dict(zip(others, place, strict=True)),
            spacing=plane_spacing(image.pixel_size, along),
            channels=layout.channels,
            progress=progress,
            should_stop=should_stop,
        )
        tables = []
        planes: dict[int, int] = dict.fromkeys(largest, 0)
        for plane in range(len(row)):
            check(should_stop)
            true = read(plane)
            for label in np.intersect1d(true, list(largest)).tolist():
                planes[label] += 1
            tables.append(ContingencyTable.from_labels(true, found.paint_plane(plane)))
        scores += _scores(ContingencyTable.concatenate(tables), largest, planes)
    return [asdict(each) for each in scores]


def _largest_planes(
    read: Callable[[int], NDArray[np.integer]],
    count: int,
    settings: EvaluationSettings,
    should_stop: ShouldStop | None,
) -> dict[int, int]:
    """Return the plane of the largest area of each object that is measured."""
    best: dict[int, tuple[int, int]] = {}
    planes: dict[int, int] = {}
    for plane in range(count):
        check(should_stop)
        labels = read(plane)
        values, areas = np.unique(labels[labels > 0], return_counts=True)
        for label, area in zip(values.tolist(), areas.tolist(), strict=True):
            planes[label] = planes.get(label, 0) + 1
            if area > best.get(label, (0, 0))[0]:
                best[label] = area, plane
    least = max(settings.min_pixels, 1)
    labels_left = [
        label
        for label, (area, _) in sorted(best.items())
        if area >= least and planes[label] >= FEWEST_PLANES
    ]
    if settings.objects is not None and len(labels_left) > settings.objects:
        random = np.random.default_rng(0)
        labels_left = sorted(random.choice(labels_left, settings.objects, replace=False).tolist())
    return {label: best[label][1] for label in labels_left}


def _prompts(
    read: Callable[[int], NDArray[np.integer]], largest: Mapping[int, int], jitter: float
) -> dict[int, dict[int, Prompt]]:
    """Return the box of each object on its largest plane."""
    prompts = {}
    for label, plane in largest.items():
        mask = read(plane) == label
        seed = zlib.crc32(np.packbits(mask).tobytes())
        prompts[label] = {plane: Prompt(box=jittered_box(mask, jitter, seed))}
    return prompts


def _scores(
    table: ContingencyTable, largest: Mapping[int, int], planes: Mapping[int, int]
) -> list[PropagatedScore]:
    overlaps = ObjectOverlaps.from_pairs(table.labels, table.pixels)
    at = np.searchsorted(overlaps.truth_ids, list(largest))
    areas, ious = overlaps.truth_area[at].tolist(), overlaps.same_label_iou[at].tolist()
    return [
        PropagatedScore(label, plane, planes[label], area, iou)
        for (label, plane), area, iou in zip(largest.items(), areas, ious, strict=True)
    ]
