"""Labels of everything: plane by plane, then files, and what the report says of them."""

import base64
import io
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_segany.batch.manifest import (
    Fingerprint,
    Output,
    PlaneCheckpoint,
    Record,
    Summary,
    describe_output,
    where,
)
from napari_segany.batch.plan import Item
from napari_segany.batch.plane_codec import from_bytes, to_bytes
from napari_segany.batch.result_metadata import recipe_with_result
from napari_segany.core.callbacks import Progress, ShouldStop
from napari_segany.core.planes import StackLayout
from napari_segany.io.read import OpenedImage, open_image
from napari_segany.io.result_files import MeasuredPlane, ResultFiles, ResultWriter, measure_result
from napari_segany.models.sam.model import SamModel
from napari_segany.recipe import Recipe
from napari_segany.segmentation import resolve_stack, segment_plane

THUMBNAIL = 320
"""Pixels of a thumbnail's longer side."""

SCORE_BIN = 0.02


@dataclass(frozen=True)
class LabelsProduct:
    """Label image, table, picture and recipe of every image; see :class:`Product`."""

    name: str = ""
    noun: str = "object"

    def compute(
        self,
        image: OpenedImage,
        layout: StackLayout,
        recipe: Recipe,
        model: SamModel,
        index: tuple[int, ...],
        *,
        region: Any = None,
        progress: Progress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> bytes:
        """Segment and measure one plane; :mod:`napari_segany.batch.plane_codec` has the bytes."""
        found = segment_plane(
            image.data,
            layout,
            recipe,
            model,
            index,
            region=region,
            progress=progress,
            should_stop=should_stop,
        )
        planes = found.index, found.image, found.labels, found.masks
        kept = measure_result(*planes, image.pixel_size, layout.channels)
        # The image is not needed any more, and packing the rest takes as much memory.
        del found, planes
        return to_bytes(kept)

    def decode(self, content: bytes) -> MeasuredPlane:
        """See :class:`Product`."""
        return from_bytes(content)

    def finish(
        self,
        item: Item,
        recipe: Recipe,
        work: PlaneCheckpoint[MeasuredPlane],
        content: str,
        empty: Container[int],
    ) -> Record:
        """See :class:`Product`; planes are read one at a time, so memory does not grow."""
        files = item.files
        assert isinstance(files, ResultFiles)
        return _finish(item, files, recipe, work, content, empty)


LABELS_PRODUCT = LabelsProduct()


def _finish(
    item: Item,
    files: ResultFiles,
    recipe: Recipe,
    work: PlaneCheckpoint[MeasuredPlane],
    content: str,
    empty: Container[int],
) -> Record:
    areas: Counter[int] = Counter()
    scores: Counter[int] = Counter()
    per_plane = []
    outputs: dict[str, Output] = {}

    def provenance(others: Mapping[Path, Path]) -> str:
        # Before they get their names, which does not change them: each is read once.
        outputs.update({path.name: describe_output(at) for path, at in others.items()})
        return recipe_with_result(recipe, item.path, content, outputs)

    with open_image(item.path, axes=recipe.axes) as image:
        stamp = Fingerprint.of(image.files)
        layout, _ = resolve_stack(image.data, recipe)
        limits = None if isinstance(recipe.normalise, str) else recipe.normalise
        about = image.name, layout, image.pixel_size, limits, image.path.name
        with ResultWriter(files, *about) as writer:
            for index in layout.chosen():
                number = layout.number(index)
                if number in empty:
                    per_plane.append(0)
                    continue
                plane = work.load(number)
                writer.add(plane, partial(layout.plane, image.data, index))
                _count(plane, areas, scores)
                per_plane.append(len(plane.masks))
                # Only the writer knows whether its labels are still needed.
                del plane
            writer.save(provenance)
        summary = Summary(
            understood=image.describe(layout.axes),
            objects=writer.object_count,
            planes=layout.chosen_count,
            pictured=writer.pictured,
            area_histogram={str(2**n): areas[n] for n in sorted(areas)},
            score_histogram={f"{n * SCORE_BIN:.2f}": scores[n] for n in sorted(scores)},
            per_plane=per_plane,
        )
    return Record(
        image=where(item.path),
        content=content,
        stamp=stamp,
        outputs=outputs | {files.provenance.name: describe_output(files.provenance)},
        summary=summary,
        thumbnail=_thumbnail(files.overlay),
    )


def _count(plane: MeasuredPlane, areas: Counter[int], scores: Counter[int]) -> None:
    area = np.asarray(plane.columns["area"], float)
    areas.update(np.floor(np.log2(np.maximum(area, 1))).astype(int).tolist())
    iou = np.asarray(plane.masks.predicted_iou, float)
    scores.update(np.floor(np.nan_to_num(iou) / SCORE_BIN + 1e-6).astype(int).tolist())


def _thumbnail(overlay: Path) -> str:
    with Image.open(overlay) as picture:
        small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    small.save(file, format="JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()
