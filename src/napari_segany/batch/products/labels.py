"""The product of labels: one plane at a time, then the result files and their summary."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segany.batch.manifest import (
    Fingerprint,
    Output,
    Record,
    Summary,
    describe_output,
    image_location,
)
from napari_segany.batch.plane_codec import from_bytes, to_bytes
from napari_segany.batch.plane_tiles import STREAMED_PIXELS, grid_of, region_box
from napari_segany.batch.protocol import FinishedImage, PlaneInput
from napari_segany.batch.result_metadata import recipe_with_result
from napari_segany.classification.classify_masks import without_left_out
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.masks import MaskSet
from napari_segany.core.planes import StackLayout
from napari_segany.core.rasterize import paint
from napari_segany.core.window_paint import WindowPainter
from napari_segany.generators.tiles.join_tiles import join_tiles
from napari_segany.io.measured_plane import MeasuredPlane, measure_result
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.io.result_files import ResultFiles, ResultWriter
from napari_segany.io.tiled_plane import TiledPlane
from napari_segany.models.protocol import PromptableModel
from napari_segany.recipe import Recipe
from napari_segany.segmentation import resolve_stack, segment_plane

THUMBNAIL = 320
"""Length of a thumbnail's longer side in pixels."""

SCORE_BIN = 0.02
"""Width of the bins of predicted IoU in the report."""


@dataclass(frozen=True)
class LabelsProduct:
    """The product that makes a label image, table, overlay and recipe of each image."""

    name: str = ""
    noun: str = "object"
    tiled: bool = True

    def compute_plane(
        self,
        plane: PlaneInput,
        model: PromptableModel,
        *,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Segment and measure one plane; return it as :mod:`.plane_codec` encodes it."""
        image, layout = plane.image, plane.layout
        found = segment_plane(
            image.data,
            layout,
            plane.recipe,
            model,
            plane.index,
            region=plane.region,
            progress=progress,
            should_stop=should_stop,
        )
        planes = found.index, found.image, found.labels, found.masks
        kept = measure_result(*planes, image.pixel_size, layout.channels)
        # The image is not needed any more, and packing the rest takes as much memory.
        del found, planes
        return to_bytes(kept)

    def decode(self, content: bytes) -> MeasuredPlane:
        """Decode one measured plane."""
        return from_bytes(content)

    def finish(self, image: FinishedImage[MeasuredPlane]) -> Record:
        """Write the results of an image; planes are read one at a time to limit memory."""

        def add_planes(writer: ResultWriter, opened: OpenedImage, layout: StackLayout) -> Tallies:
            if writes_tiles(image.recipe, layout):
                return _add_tiled(image, writer, opened, layout)
            found = Tallies()
            for index in layout.chosen():
                plane = _whole_plane(image, opened, layout, index)
                if plane is None:
                    found.per_plane.append(0)
                    continue
                writer.add(plane, partial(layout.plane, opened.data, index))
                found.count(plane.columns["area"], plane.masks.predicted_iou)
                found.per_plane.append(len(plane.masks))
                # Only the writer knows whether its labels are still needed.
                del plane
            return found

        return finish_labels(image, add_planes)


LABELS_PRODUCT = LabelsProduct()


def writes_tiles(recipe: Recipe, layout: StackLayout) -> bool:
    """Return True for planes that were searched in tiles and are too large to be painted whole."""
    return recipe.tiles is not None and int(np.prod(layout.labels_shape[-2:])) >= STREAMED_PIXELS


def _joined(image: FinishedImage[Any], number: int, layout: StackLayout) -> MaskSet:
    """Return the objects of a plane that was searched in tiles."""
    shape = layout.labels_shape[-2], layout.labels_shape[-1]
    grid = grid_of(image.recipe, shape)
    masks = join_tiles(grid, image.tiles[number].parts(), image.recipe.params)
    classes = image.recipe.classes
    return masks if classes is None else without_left_out(masks, classes)


def _whole_plane(
    image: FinishedImage[MeasuredPlane],
    opened: OpenedImage,
    layout: StackLayout,
    index: tuple[int, ...],
) -> MeasuredPlane | None:
    """Return the result of a plane; None if it has none."""
    number = layout.number(index)
    if number not in image.tiles or number in image.empty:
        return image.load(number)
    masks = _joined(image, number, layout)
    labels, source = paint(masks, **asdict(image.recipe.labels))
    about = labels, masks[source], opened.pixel_size, layout.channels
    return measure_result(index, layout.plane(opened.data, index), *about)


@dataclass
class Tallies:
    """Counts over the objects of an image, for the report.

    Attributes
    ----------
    areas : Counter
        Objects by the power of two below their pixels.
    scores : Counter
        Objects by the bin of their predicted IoU.
    per_plane : list of int
        Objects of each plane.
    """

    areas: Counter[int] = field(default_factory=Counter)
    scores: Counter[int] = field(default_factory=Counter)
    per_plane: list[int] = field(default_factory=list)

    def count(self, pixels: NDArray[np.generic], predicted_iou: NDArray[np.generic]) -> None:
        """Count objects by their (N,) pixels and predicted IoU."""
        area, iou = np.asarray(pixels, float), np.asarray(predicted_iou, float)
        self.areas.update(np.floor(np.log2(np.maximum(area, 1))).astype(int).tolist())
        self.scores.update(np.floor(np.nan_to_num(iou) / SCORE_BIN + 1e-6).astype(int).tolist())


def _add_tiled(
    image: FinishedImage[MeasuredPlane],
    writer: ResultWriter,
    opened: OpenedImage,
    layout: StackLayout,
) -> Tallies:
    """Add the planes of an image window by window."""
    found = Tallies()
    shape = layout.labels_shape[-2], layout.labels_shape[-1]
    searched = region_box(image.box, shape)
    for index in layout.chosen():
        number = layout.number(index)
        if number in image.empty:
            found.per_plane.append(0)
            continue
        masks = _joined(image, number, layout)
        painter = WindowPainter(masks, **asdict(image.recipe.labels))
        plane = TiledPlane(index, painter, masks[painter.source], searched)
        for columns in writer.add_tiled(plane, partial(layout.window, opened.data, index)):
            found.count(columns["area"], columns["predicted_iou"])
        found.per_plane.append(len(plane.masks))
    return found


AddPlanes = Callable[[ResultWriter, OpenedImage, StackLayout], Tallies]
"""Adds all planes of an image to a writer; returns what they hold."""


def finish_labels(finished: FinishedImage[Any], add_planes: AddPlanes) -> Record:
    """Write the result files of an image; return the record, whose key is empty."""
    item, recipe, content = finished.item, finished.recipe, finished.content
    files = item.files
    assert isinstance(files, ResultFiles)
    outputs: dict[str, Output] = {}

    def provenance(others: Mapping[Path, Path]) -> str:
        # Before they get their names, which does not change them: each is read once.
        outputs.update({path.name: describe_output(at) for path, at in others.items()})
        return recipe_with_result(recipe, item.path, content, outputs)

    with open_image(item.path, axes=recipe.axes) as image:
        fingerprint = Fingerprint.of(image.files)
        layout, _ = resolve_stack(image.data, recipe)
        about = image.name, layout, image.pixel_size, recipe.limits, image.path.name
        with ResultWriter(files, *about, tiled=writes_tiles(recipe, layout)) as writer:
            found = add_planes(writer, image, layout)
            writer.save(provenance)
        summary = Summary(
            understood=image.describe(layout.axes),
            objects=writer.object_count,
            planes=layout.chosen_count,
            pictured=writer.pictured,
            area_histogram={str(2**n): found.areas[n] for n in sorted(found.areas)},
            score_histogram={f"{n * SCORE_BIN:.2f}": found.scores[n] for n in sorted(found.scores)},
            per_plane=found.per_plane,
        )
    return Record(
        image=image_location(item.path),
        content=content,
        stamp=fingerprint,
        outputs=outputs | {files.provenance.name: describe_output(files.provenance)},
        summary=summary,
        thumbnail=_thumbnail(files.overlay),
    )


def _thumbnail(overlay: Path) -> str:
    with Image.open(overlay) as picture:
        small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    small.save(file, format="JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()
